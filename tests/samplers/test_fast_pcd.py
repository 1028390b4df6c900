"""Fast weights: the chains sample the shifted model, and the shift follows its own rule."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RBM, samplers
from tests.oracles.kinds import binary_states
from tests.oracles.machines import PAIRINGS, centered, plain_gradient, random_rbm, sigmoid
from tests.oracles.rbm import Exact, assert_distributed, parameters
from tests.support.modes import MODES
from tests.support.saving import assert_same_state, through_disk
from tests.support.statistics import assert_frequencies, assert_means, assert_rounded

NUM = 40000
ONES = tf.ones(1, "float64")


def fast_rbm(*shape, shift: float = 0.0, dtype: str = "float64", num_chains: int = NUM, **kwargs) -> tuple[RBM, Exact]:
    """A machine with fast weights of a given size, and the model that its chains sample, enumerated."""
    options = {name: kwargs.pop(name) for name in ("num_steps", "fast_learning_rate", "decay") if name in kwargs}
    sampler = samplers.FastPCD(num_chains=num_chains, dtype=dtype, **options)
    rbm = random_rbm(*shape, sampler=sampler, dtype=dtype, **kwargs)
    rng = np.random.default_rng(2)
    for variable in rbm.sampler.fast:
        variable.assign(shift * rng.normal(size=variable.shape))
    p = parameters(rbm)
    fast = [np.asarray(f, "float64") for f in rbm.sampler.fast]
    return rbm, Exact(p._replace(w=p.w + fast[0], b=p.b + fast[1], c=p.c + fast[2]))


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_chains_leave_the_shifted_distribution_as_it_is(pairing, shift):
    rbm, exact = fast_rbm(*PAIRINGS[pairing], shift=shift)
    rbm.sampler.chains.assign(exact.draw(NUM))
    for _ in range(2):
        samples = rbm.sampler.negative_phase(rbm, tf.zeros((1, rbm.visible.width), "float64"), ONES)
        np.testing.assert_array_equal(samples.weights, np.ones(NUM))
        rbm.sampler.chains.assign(samples.v)
        assert_distributed(samples.v, exact)


def test_chains_move_with_the_enumerated_probabilities():
    """Two sweeps of the shifted model, which is far from the machine's own."""
    rbm, exact = fast_rbm(shift=0.5, num_steps=2)
    rbm.sampler.chains.assign(np.ones((NUM, 5)))
    before = [np.array(x) for x in rbm.sampler.weights]
    v = rbm.sampler.negative_phase(rbm, tf.zeros((1, 5), "float64"), ONES).v
    for a, b in zip(rbm.sampler.weights, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert_frequencies(exact.index(v), exact.transitions(np.ones((1, 5)), 2)[0])
    with pytest.raises(AssertionError, match="chi-square"):
        assert_frequencies(Exact(rbm).index(v), Exact(rbm).transitions(np.ones((1, 5)), 2)[0])


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.few(1)
def test_training_steps_move_the_chains_alike_in_every_mode(mode):
    rbm, exact = fast_rbm(shift=0.5, dtype="float32")
    rbm.sampler.chains.assign(np.ones((NUM, 5)))
    rbm.compile(keras.optimizers.SGD(0.0), steps_per_execution=1, **MODES[mode])
    rbm.train_on_batch(np.zeros((3, 5)))
    assert_frequencies(exact.index(rbm.sampler.chains), exact.transitions(np.ones((1, 5)), 1)[0])


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
def test_fast_weights_follow_the_gradient_without_penalties(centring):
    """Four steps by hand: regular weights learn from gradient and penalties, fast ones decay and learn from the first.

    The chains that a step leaves behind are the samples that it learnt from.
    """
    v, rate, fast_rate, decay = binary_states(5)[9:14], 0.125, 0.25, 0.75
    rbm, _ = fast_rbm(
        num_chains=6,
        fast_learning_rate=fast_rate,
        decay=decay,
        centered=centring,
        kernel_regularizer=keras.regularizers.L2(0.25),
        activity_regularizer=keras.regularizers.L2(0.5),
    )
    rbm.compile(keras.optimizers.SGD(rate), run_eagerly=True)
    x, fast, lam = list(parameters(rbm)[:3]), [np.zeros(shape) for shape in ((5, 4), 5, 4)], np.zeros(4)
    for step in range(4):
        rbm.train_on_batch(v)
        gradients = plain_gradient(x, v, np.array(rbm.sampler.chains))
        h = sigmoid(v @ x[0] + x[2])
        if centring:
            lam = lam + (h.mean(0) - lam) / (step + 1)
            gradients = centered(gradients, v.mean(0), lam)
        slope = h.mean(0) * h * (1 - h) / len(v)  # of 0.5 * mean(h)^2
        penalties = [0.5 * x[0] + v.T @ slope, 0.0, slope.sum(0)]
        x = [old - rate * (g + extra) for old, g, extra in zip(x, gradients, penalties, strict=True)]
        fast = [decay * old - fast_rate * g for old, g in zip(fast, gradients, strict=True)]
        for actual, expected in zip((*parameters(rbm)[:3], *rbm.sampler.fast), (*x, *fast), strict=True):
            assert_rounded(actual, expected)


def test_adapting_starts_chains_and_fast_weights_anew():
    rbm, _ = fast_rbm(shift=0.5)
    v = np.tile([[0.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]], (500, 1))
    rbm.adapt(v)
    for variable in rbm.sampler.fast:
        np.testing.assert_array_equal(variable, np.zeros(variable.shape))
    assert_means(rbm.sampler.chains, (1000 * v.mean(0) + 0.5) / 1001)


def test_the_next_step_after_a_reload_is_the_same(tmp_path):
    x = binary_states(5).astype("float32")
    rbm = RBM(4, sampler=samplers.FastPCD(2, 7, fast_learning_rate=0.5, decay=0.5), seed=3)
    rbm.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    rbm.fit(x, batch_size=10, verbose=0)
    assert all(np.any(variable) for variable in rbm.sampler.fast)
    loaded = through_disk(rbm, tmp_path)
    assert_same_state(rbm, loaded)
    for a, b in zip(rbm.sampler.fast, loaded.sampler.fast, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (loaded.sampler.fast_learning_rate, loaded.sampler.decay, loaded.sampler.num_steps) == (0.5, 0.5, 2)
    for machine in (rbm, loaded):
        machine.train_on_batch(x[:9])
    assert_same_state(rbm, loaded)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fast_learning_rate": 0.0}, r"`fast_learning_rate` must be positive\. Received: 0\.0"),
        ({"fast_learning_rate": -1.0}, r"`fast_learning_rate`.*Received: -1\.0"),
        ({"fast_learning_rate": np.nan}, "`fast_learning_rate`.*Received: nan"),
        ({"fast_learning_rate": np.inf}, "`fast_learning_rate`.*Received: inf"),
        ({"decay": 1.0}, r"`decay` must be in \[0, 1\)\. Received: decay=1\.0"),
        ({"decay": -0.1}, r"`decay`.*decay=-0\.1"),
        ({"decay": np.nan}, "`decay`.*decay=nan"),
        ({"num_chains": 0}, "`num_chains` must be a positive integer"),
        ({"num_steps": 0}, "`num_steps` must be a positive integer"),
    ],
    ids=str,
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        samplers.FastPCD(**options)


def test_ends_of_the_ranges():
    sampler = samplers.get("Fast_PCD", decay=0, fast_learning_rate=1e-9)
    assert type(sampler) is samplers.FastPCD
    again = samplers.get(keras.saving.serialize_keras_object(sampler))
    assert (again.decay, again.fast_learning_rate, again.num_chains) == (0.0, 1e-9, 100)
