"""Numbers are as uniform, and as independent, as they have to be; each use of a seed has its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, RBM, RNNRBM, datasets
from keras_rbm.callbacks import PianoRolls, Pictures
from keras_rbm.likelihood.keys import Use, key_of
from keras_rbm.random import Draws, RandomStream, set_aside, spawned, spawned_seed

ROWS, COLUMNS = 401, 500


@tf.function(jit_compile=True)
def drawn(key):
    return Draws(key).uniform_like(tf.zeros((ROWS, COLUMNS)))


def numbers(seed: int = 0) -> np.ndarray:
    return drawn(tf.constant([seed, 7], tf.int64)).numpy()


def test_they_are_uniform():
    """Each 256th of the interval has its share, and so has the first 2^-10 of it, where rare events are decided."""
    u = numbers()
    assert u.shape == (ROWS, COLUMNS)
    assert u.min() >= 0
    assert u.max() < 1
    counts, expected = np.bincount((256 * u).astype(int).ravel(), minlength=256), u.size / 256
    assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * np.sqrt(2 * 255)
    rare = u.size / 1024
    assert abs((u < 1 / 1024).sum() - rare) < 5 * np.sqrt(rare)


def test_the_lower_bits_are_uniform_too():
    """Of the numbers below 2^-8, which have 15 bits left: their 16 parts."""
    small = np.concatenate([numbers(seed).ravel() for seed in range(20)])
    small = small[small < 2**-8]
    counts, expected = np.bincount((16 * 256 * small).astype(int), minlength=16), len(small) / 16
    assert abs(((counts - expected) ** 2 / expected).sum() - 15) < 5 * np.sqrt(2 * 15)


def test_all_numbers_differ():
    """By birthdays, of 200,500 numbers with 23 bits some 2,370 pairs are equal; shared words would make 100,000."""
    u = numbers()
    equal = u.size - len(np.unique(u))
    expected = u.size**2 / 2**24
    assert abs(equal - expected) < 8 * np.sqrt(expected)


def test_the_two_of_a_word_are_independent():
    """Where the halves go: 16 x 16 cells of rows that share words, and of rows that do not; correlation beside it."""
    u = numbers()
    half = (ROWS + 1) // 2
    pairs = u[: ROWS - half], u[half:]
    for first, second in (pairs, (u[:100], u[100:200])):
        cells = (16 * (16 * first).astype(int) + (16 * second).astype(int)).ravel()
        counts, expected = np.bincount(cells, minlength=256), cells.size / 256
        assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * np.sqrt(2 * 255)
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / np.sqrt(first.size)


def test_a_key_draws_the_same_again_and_another_draws_others():
    np.testing.assert_array_equal(numbers(3), numbers(3))
    assert (numbers(3) == numbers(4)).mean() < 1e-3


# --- each use of a seed has random numbers of its own

MANY = 2000


def numbers_of(seed: int) -> dict[str, np.ndarray]:
    """The first numbers of all that a seed rules: machines, layers, chains, initial weights, data, likelihoods."""
    dbn, sequences = DBN([2, 2, 2], seed=seed), RNNRBM(50, recurrent=40, seed=seed)
    deep = DBM([50, 40, 50], seed=seed)  # the RBMs that pretrain it have the keys of a DBN's layers
    for model, shape in ((sequences, (None, None, 50)), (deep, (None, 40))):
        model.build(shape)
    draws: dict[str, Draws] = {"stream": RBM(2, seed=seed).stream}
    draws |= {f"layer {i}": rbm.stream for i, rbm in enumerate(dbn.rbms)}
    draws |= {"chains": draws["stream"].spawn("chains"), **{use.name: Draws(key_of(seed, use)) for use in Use}}
    found = {name: draw.uniform_like(tf.zeros((MANY, 1))).numpy() for name, draw in draws.items()}
    kernels = [*deep.kernels, sequences.w_uv, sequences.w_uh, sequences.rbm.w_rec, sequences.recurrent[0].cell.kernel]
    found |= {f"kernel {i}": np.ravel(kernel)[:MANY] for i, kernel in enumerate(kernels)}
    grey = np.full((MANY, 1), 0.5)
    ((_, order),) = datasets.batches(grey, np.arange(MANY), MANY, "none", seed)
    (samples,) = datasets.batches(grey, batch_size=MANY, seed=seed, shuffle=False)
    found |= {"order": order, "samples": samples, "binarized": datasets.binarized(grey, seed=seed)}
    return {name: np.ravel(x).astype(float) for name, x in found.items()}


def test_no_two_uses_of_seeds_that_are_neighbours_draw_the_same():
    """All streams of three seeds, each against each: no correlation beyond chance."""
    found = {(seed, name): x for seed in (7, 8, 9) for name, x in numbers_of(seed).items()}
    correlations = np.corrcoef(list(found.values())) - np.eye(len(found))
    names = list(found)
    first, second = np.unravel_index(np.argmax(np.abs(correlations)), correlations.shape)
    assert np.abs(correlations).max() < 5 / np.sqrt(MANY), f"{names[first]} and {names[second]}"


@pytest.mark.slow
def test_states_of_a_layer_have_nothing_to_do_with_those_of_the_data():
    """Zero weights, grey data: each state is a fair coin, and half of a layer's equal those of the pixels."""
    x = np.full((500, 64), 0.5)
    for seed in range(4):
        dbn = DBN([64, 64, 64], seed=seed, kernel_initializer="zeros")
        dbn.build((None, 64))
        for other in range(4):
            (v,) = datasets.batches(x, batch_size=500, seed=other, shuffle=False)
            h = dbn.rbms[0].hidden.sample(tf.zeros_like(v), Draws(dbn.rbms[1].stream.key))
            assert abs(np.mean(h == v) - 0.5) < 5 * 0.5 / np.sqrt(500 * 64)


def test_keys_are_spawned_by_name():
    keys = {
        tuple(spawned(seed, *names)) for seed in (0, 1, 2**60) for names in ((), ("a",), ("b",), ("a", 1), ("a", 2))
    }
    assert len(keys) == 15
    assert all(0 <= word < 2**32 for key in keys for word in key)
    np.testing.assert_array_equal(spawned(3, "a"), spawned(3, "a"))
    assert tuple(spawned(spawned(3, "a"), "b")) not in keys
    assert spawned_seed(None, "a") is None
    assert 0 <= spawned_seed(3, "a") < 2**31


def test_what_is_set_aside_leaves_a_stream_where_it_was():
    stream, undisturbed = RandomStream(0), RandomStream(0)
    x = tf.zeros((5, 1))
    with set_aside([stream], "looking"):
        first = stream.uniform_like(x).numpy()
    with set_aside([stream], "looking"):
        again = stream.uniform_like(x).numpy()
    with set_aside([stream], "watching"):
        other = stream.uniform_like(x).numpy()
    with pytest.raises(tf.errors.InvalidArgumentError), set_aside([stream], "looking"):
        tf.matmul(stream.uniform_like(x), x)
    now = stream.uniform_like(x).numpy()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(now, undisturbed.uniform_like(x))
    assert len(np.unique([first, other, now])) == 15


@pytest.mark.slow
def test_pictures_do_not_change_what_is_learnt(tmp_path):
    """Nor do piano rolls; pictures of one epoch are others than those of the next."""
    rows = (np.random.default_rng(0).random((20, 4)) < 0.5).astype("float32")
    watchers = {
        lambda: RBM(3, seed=0): (rows, Pictures(tmp_path, rows[:2], (2, 2), num_steps=3)),
        lambda: RNNRBM(3, recurrent=2, seed=0): (rows.reshape(4, 5, 4), PianoRolls(tmp_path, rows, 0.25, 60)),
    }
    for make, (x, watcher) in watchers.items():
        found = []
        for callbacks in ([], [watcher]):
            keras.utils.set_random_seed(0)
            model = make()
            model.compile("sgd", jit_compile=False)
            model.fit(x, epochs=2, verbose=0, callbacks=callbacks)
            found.append(model.get_weights())
        for a, b in zip(*found, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.few(1)
@pytest.mark.parametrize("what", ["validation", "evaluate", "test_on_batch"])
def test_looking_at_a_machine_does_not_change_what_it_learns(what):
    x = (np.random.default_rng(0).random((20, 4)) < 0.5).astype("float32")
    found = []
    for watched in (False, True):
        rbm = RBM(3, seed=0)
        rbm.compile("sgd", jit_compile=False)
        rbm.fit(x, epochs=1, verbose=0)
        if watched and what != "validation":
            rbm.evaluate(x, verbose=0) if what == "evaluate" else rbm.test_on_batch(x)
        rbm.fit(x, epochs=2, verbose=0, validation_data=x if watched and what == "validation" else None)
        found.append(rbm.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
