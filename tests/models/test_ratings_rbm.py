"""RBMs of ratings: each user's own RBM, exact predictions, tables that stay sparse."""

import itertools
import tracemalloc

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse

from keras_rbm import RatingsRBM, datasets, samplers
from tests.oracles.kinds import binary_states, log_sum_exp
from tests.support.saving import through_disk
from tests.support.statistics import SIGMAS, assert_rounded

VALUES = (1.0, 2.0, 4.0)
#: Users and three items; the last one has rated nothing.
TABLE = np.array([[1, 0, 4], [0, 2, 2], [4, 4, 1], [0, 0, 0]], "float32")


def random_rbm(num_units: int = 3, **kwargs) -> RatingsRBM:
    rbm = RatingsRBM(num_units, VALUES, **{"seed": 0, "dtype": "float64", **kwargs})
    rbm.build((None, 9))
    rng = np.random.default_rng(1)
    for variable in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias):
        variable.assign(rng.normal(size=variable.shape))
    return rbm


def one_hot(table: np.ndarray) -> np.ndarray:
    return (table[..., None] == np.array(VALUES)).reshape(len(table), -1).astype("float64")


def log_weights(rbm: RatingsRBM, v: np.ndarray) -> np.ndarray:
    """`log sum_h exp(-E(v, h))` by a sum over hidden states."""
    h = binary_states(rbm.units)
    w, b, c = (np.asarray(x) for x in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias))
    return log_sum_exp((v @ b)[:, None] + h @ c + v @ w @ h.T)


def answers(rated: np.ndarray) -> np.ndarray:
    """All rows of ratings of the items which are rated."""
    return np.array(list(itertools.product(*(VALUES if r else (0.0,) for r in rated))))


def expected_ratings(rbm: RatingsRBM, row: np.ndarray, item: int) -> float:
    """By enumeration of what the item's rating may be."""
    rows = np.repeat(row[None], len(VALUES), 0)
    rows[:, item] = VALUES
    score = log_weights(rbm, one_hot(rows))
    return float(np.exp(score - log_sum_exp(score[None])) @ VALUES)


class Exact(samplers.CD):
    """Each row drawn, again and again, until it has forgotten where it began."""

    def __init__(self, num_steps: int = 25, **kwargs) -> None:
        super().__init__(num_steps, **kwargs)


def log_likelihood_gradients(rbm: RatingsRBM, rows: np.ndarray, likelihood) -> list[np.ndarray]:
    """Central differences of a likelihood, in the weights and both biases."""
    found = []
    for variable in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias):
        value, gradient = np.array(variable), np.zeros(variable.shape)
        for place in np.ndindex(*value.shape):
            for sign in (1, -1):
                moved = value.copy()
                moved[place] += sign * 1e-4
                variable.assign(moved)
                gradient[place] += sign * likelihood(rbm, rows) / 2e-4
        variable.assign(value)
        found.append(gradient)
    return found


def of_ratings(rbm: RatingsRBM, rows: np.ndarray) -> float:
    """Mean log-likelihood of ratings given which items are rated: a sum over the ratings of these items."""
    own = log_weights(rbm, one_hot(rows))
    return float(
        np.mean(
            [
                x - log_sum_exp(log_weights(rbm, one_hot(answers(row > 0)))[None])[0]
                for x, row in zip(own, rows, strict=True)
            ]
        )
    )


def of_all(rbm: RatingsRBM, rows: np.ndarray) -> float:
    """Mean log-likelihood of which items are rated, and how."""
    everything = np.array(list(itertools.product((0.0, *VALUES), repeat=3)))
    return float(np.mean(log_weights(rbm, one_hot(rows))) - log_sum_exp(log_weights(rbm, one_hot(everything))[None])[0])


@pytest.mark.parametrize(("objective", "likelihood"), [("ratings", of_ratings), ("joint", of_all)])
def test_the_gradient_is_that_of_the_likelihood(objective, likelihood):
    """Of many copies of each row, with enough sweeps, the mean gradient within its standard error."""
    rbm = random_rbm(objective=objective, sampler=Exact(), centered=False)
    rbm.compile(run_eagerly=True)
    copies, parts = 300, 10
    v = tf.constant(np.repeat(one_hot(TABLE), copies, 0))
    weights = tf.ones(len(v), "float64")
    drawn = [rbm._contrastive_gradients(v, weights).result.gradients for _ in range(parts)]
    for place, exact in enumerate(log_likelihood_gradients(rbm, TABLE, likelihood)):
        found = np.array([-np.asarray(gradients[place][1]) for gradients in drawn])
        error = found.std(0, ddof=1) / np.sqrt(parts)
        assert np.all(np.abs(found.mean(0) - exact) < 2 * SIGMAS * error + 1e-8)
        assert np.max(error) < 0.03


def test_items_that_are_not_rated_have_no_part():
    """Their units stay off in all sweeps, and those of rated items are one-hot."""
    rbm = random_rbm(sampler=samplers.CD(3))
    v = tf.constant(np.repeat(one_hot(TABLE), 50, 0))
    samples = rbm._negative_phase(rbm, v, tf.ones(len(v), "float64"), rbm.hidden_input(v)).v.numpy()
    np.testing.assert_array_equal(samples.reshape(-1, 3, 3).sum(2), np.repeat(TABLE > 0, 50, 0))
    assert np.any(samples != v)


def test_predictions_are_exact_and_leave_out_the_pair_itself():
    rbm, table = random_rbm(), sparse.csr_array(TABLE)
    users, items = (x.ravel() for x in np.meshgrid([3, 0, 1, 2], [2, 0, 1]))
    expected = [expected_ratings(rbm, TABLE[user], item) for user, item in zip(users, items, strict=True)]
    assert_rounded(rbm.predict_ratings(table, users, items), expected)


@pytest.mark.parametrize("objective", ["ratings", "joint"])
def test_recommendations(objective):
    """What is rated is never among them; the order is that of the scores by hand."""
    rbm = random_rbm(objective=objective)
    table = TABLE[[0, 1, 3]]
    items, scores = rbm.recommend(sparse.csr_array(table), 1)
    w, b, c = (np.asarray(x) for x in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias))
    h = 1 / (1 + np.exp(-(c + one_hot(table) @ w)))
    p = np.exp(b + h @ w.T).reshape(-1, 3, 3)
    wanted = p @ VALUES / (p.sum(2) + (objective == "joint"))
    wanted[table > 0] = -np.inf
    np.testing.assert_array_equal(items[:, 0], wanted.argmax(1))
    assert_rounded(scores[:, 0], wanted.max(1))
    with pytest.raises(ValueError, match="`k` must be at most 1"):
        rbm.recommend(sparse.csr_array(table), 2)


def low_rank(num_users: int = 300, num_items: int = 20) -> sparse.csr_array:
    """Two kinds of users, who like the one half of the items or the other; half of the ratings are there."""
    rng = np.random.default_rng(0)
    kind, half = rng.integers(0, 2, num_users), np.arange(num_items) % 2
    liked = (kind[:, None] == half) ^ (rng.random((num_users, num_items)) < 0.1)
    return sparse.csr_array(np.where(rng.random(liked.shape) < 0.5, np.where(liked, 4, 1), 0).astype("float32"))


@pytest.mark.few(1)
@pytest.mark.parametrize("objective", ["joint", "ratings"])
def test_it_learns_what_users_would_say(objective):
    known, held_out = datasets.split_ratings(low_rank(), seed=0)
    rbm = RatingsRBM(4, VALUES, objective, seed=0)
    rbm.adapt(known)
    rbm.compile(keras.optimizers.Adam(0.03), jit_compile=False)
    rbm.fit(known, batch_size=50, epochs=30, verbose=0)
    pairs = held_out.tocoo()
    errors = rbm.predict_ratings(known, pairs.row, pairs.col) - pairs.data
    assert np.sqrt(np.mean(errors**2)) < 1.1  # means of items 1.5, the best there can be 0.9


@pytest.mark.slow
def test_a_sparse_table_is_the_dense_one():
    """Training, validation and adaptation; the order of the epochs too."""
    table, logs, weights = low_rank(60), [], []
    for x in (table, one_hot(table.toarray())):
        rbm = RatingsRBM(4, VALUES, seed=0)
        rbm.adapt(x)
        rbm.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        history = rbm.fit(x, batch_size=16, epochs=2, verbose=0, validation_data=x if sparse.issparse(x) else (x,))
        logs.append({name: values[-1] for name, values in history.history.items()})
        weights.append(np.asarray(rbm.w_rec))
        logs[-1]["evaluated"] = rbm.evaluate(x, verbose=0)
    np.testing.assert_array_equal(*weights)
    assert logs[0].keys() == logs[1].keys()
    assert "val_loss" in logs[0]
    np.testing.assert_allclose(logs[0]["evaluated"], logs[1]["evaluated"], rtol=1e-5)


def test_a_reloaded_model_says_the_same(tmp_path):
    rbm = random_rbm(objective="joint", dtype="float32")
    loaded = through_disk(rbm, tmp_path)
    assert (loaded.values, loaded.objective) == (VALUES, "joint")
    table = sparse.csr_array(TABLE)
    np.testing.assert_array_equal(loaded.predict_ratings(table, [0], [1]), rbm.predict_ratings(table, [0], [1]))


def test_memory_does_not_grow_with_users():
    """Twenty times as many users; all of them dense would be 600 MB."""
    table = sparse.random_array((20_000, 2_000), density=0.001, rng=np.random.default_rng(0), format="csr")
    table.data[:] = 5.0
    rbm = RatingsRBM(2, (1, 2, 5), seed=0)
    rbm.build((None, 6_000))
    for part in (table[:1000], table):
        tracemalloc.start()
        rbm.recommend(part, 5)
        for _ in datasets.rating_batches(part, (1, 2, 5), 100).take(20):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60e6


def sparse_of(*rows) -> sparse.csr_array:
    return sparse.csr_array(np.array(rows, "float32"))


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: RatingsRBM(3, objective="stars"), ValueError, "`objective` must be one of ratings, joint"),
        (lambda: RatingsRBM(3, (0, 1)), ValueError, "ascending, and not 0"),
        (lambda: RatingsRBM(3, (2, 1)), ValueError, "ascending"),
        (lambda: RatingsRBM(3, sampler="pcd"), ValueError, "no chain can go on .* sampler=PCD"),
        (lambda: RatingsRBM(3, visible="spin"), ValueError, "has OptionalSoftmax units"),
        (lambda: RatingsRBM(3).recommend(sparse_of([1, 0])), ValueError, "must be built"),
        (lambda: random_rbm().recommend(sparse_of([1, 0])), ValueError, "Ratings must be of 3 items"),
        (lambda: random_rbm().recommend(TABLE), TypeError, "must be a scipy.sparse table"),
        (lambda: random_rbm().recommend(sparse_of([3, 0, 0])), ValueError, "among 1, 2, 4. Received: 3"),
        (
            lambda: random_rbm().predict_ratings(sparse_of([1, 0, 0]), [0], [3]),
            ValueError,
            "`items` must be from 0 to 2",
        ),
        (lambda: random_rbm().predict_ratings(sparse_of([1, 0, 0]), [0, 0], [1]), ValueError, r"integers \(pairs,\)"),
        (lambda: random_rbm().predict_ratings(sparse_of([1, 0, 0]), 0, 1), ValueError, r"integers \(pairs,\)"),
        (
            lambda: RatingsRBM(3).adapt(np.array([[1, 0, 4]])),
            ValueError,
            r"an array, max=4. Give scipy.sparse.csr_array",
        ),
        (lambda: RatingsRBM(3).adapt(sparse_of([0, 0])), ValueError, "must be ratings to learn from"),
        (
            lambda: RatingsRBM(3, (1.5, 2.5)).adapt(sparse.csr_array([[1, 2]])),
            ValueError,
            "among 1.5, 2.5. Received: 1",
        ),
        (lambda: random_rbm().recommend(sparse_of([0, 0, 0], [1, 0, 2]), 2), ValueError, "user of row 1 has no more"),
    ],
)
def test_bad_input(act, error, message):
    with pytest.raises(error, match=message):
        act()


def test_tables_with_names_and_pairs_of_validation_data_are_tables():
    names = datasets.rating_table(["a", "a", "b"], ["x", "y", "z"], [1, 4, 2])
    rbm = RatingsRBM(3, (1, 2, 4), seed=0)
    rbm.compile("sgd", run_eagerly=True)
    rbm.fit(names, epochs=1, verbose=0, validation_data=(names, None))
    dense = next(iter(datasets.rating_batches(names, rbm.values, shuffle=False)))
    np.testing.assert_array_equal(rbm.encode(names), rbm.encode(np.asarray(dense, "float32")))
    assert rbm.evaluate(names, None, 1, verbose=0)


def test_integers_of_few_bits_are_ratings_too():
    table = sparse.csr_array(np.array([[1, 0], [0, 1]], "int8"))
    np.testing.assert_array_equal(datasets.ratings.OneHot(table, (1, 1000)).codes, [0, 0])
