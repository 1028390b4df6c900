"""Values that are missing: learning follows the likelihood of what was observed, and gaps are filled by means."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from keras_rbm import DBN, RBM, likelihood, samplers, units
from tests.oracles.kinds import PRECISIONS, binary_states
from tests.oracles.machines import MASKED, masked_rbm, randomize
from tests.oracles.rbm import Exact, parameters
from tests.support.statistics import SIGMAS, assert_frequencies, assert_means, assert_rounded
from tests.support.steps import gradients_of

NAN = np.nan
X = binary_states(5).astype("float32")


def with_gap(row: int = 20, column: int = 2) -> np.ndarray:
    x = X.copy()
    x[row, column] = NAN
    return x


def dataset(x, batch_size: int = 8) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(x).batch(batch_size)


def compiled(machine, width: int = 5, **kwargs):
    machine.build((None, width))
    machine.compile(keras.optimizers.SGD(0.5), **{"run_eagerly": True, **kwargs})
    return machine


class AllStates(samplers.Sampler):
    """The model's distribution itself, so that a lesson's gradient has the exact `log Z` in it."""

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        table = Exact(rbm)
        return samplers.Samples(tf.constant(table.v), tf.constant(table.p_v))


def gapped(kind: str, number: int) -> tuple[RBM, Exact, np.ndarray, np.ndarray]:
    """A random RBM with its table, and three rows with their masks of what was observed; the last one has all."""
    rbm, mask = masked_rbm(kind, missing_steps=number, centered=False, sampler=AllStates(), dtype="float64")
    table = Exact(rbm)
    return rbm, table, table.v[[0, len(table.v) // 2, -1]], np.stack([mask, ~mask, np.ones_like(mask)])


# --- learning


@pytest.mark.parametrize("kind", MASKED)
def test_the_gradient_is_that_of_the_likelihood_of_what_was_observed(kind):
    """On average over many draws; the deviation of a draw is known from the enumerated posterior."""
    copies = 3000
    rbm, table, rows, observed = gapped(kind, 30)
    v = np.repeat(np.where(observed, rows, NAN), copies, 0)
    weights = np.repeat([1.0, 2.0, 0.5], copies)
    found = [g.numpy() for _, g in gradients_of(rbm, tf.constant(v), tf.constant(weights)).gradients]

    variables = [tf.Variable(x) for x in parameters(rbm)[:3]]
    share, agreeing = weights[::copies] / 3.5, [table.agreeing(m, x) for m, x in zip(observed, rows, strict=True)]
    with tf.GradientTape() as tape:
        table_of = table.log_joint(table.v, variables)
        log_p = [tf.reduce_logsumexp(table_of[keep]) for keep in agreeing]
        loss = tf.reduce_logsumexp(table_of) - tf.reduce_sum(tf.stack(log_p) * share)
    expected = [g.numpy() for g in tape.gradient(loss, variables)]

    mean_h = table.p_h_from_v() @ table.h
    terms = (table.v[:, :, None] * mean_h[:, None], table.v, mean_h)
    for g, e, x in zip(found, expected, terms, strict=True):
        variance = np.zeros_like(e)
        for s, m, row in zip(share, observed, rows, strict=True):
            p = table.conditional(m, row)
            variance += s**2 * (np.tensordot(p, x**2, 1) - np.tensordot(p, x, 1) ** 2) / copies
        np.testing.assert_array_less(np.abs(g - e), SIGMAS * np.sqrt(np.maximum(variance, 0)) + 1e-12)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("kind", MASKED)
def test_gaps_are_drawn_by_as_many_sweeps_as_asked_for(kind, number):
    """From draws of the biases beside what was observed: two sweeps are far too few to forget that."""
    seen = []

    class Spy(AllStates):
        def negative_phase(self, rbm, v_data, weights, hidden_input=None):
            seen.append(v_data.numpy())
            return super().negative_phase(rbm, v_data, weights, hidden_input)

    rbm, mask = masked_rbm(kind, 1.0, missing_steps=number, sampler=Spy(), dtype="float64")
    table, copies = Exact(rbm), 8000
    row = table.v[len(table.v) // 2]
    gradients_of(rbm, tf.constant(np.tile(np.where(mask, row, NAN), (copies, 1))), tf.ones(copies, "float64"))
    p = softmax(np.where(table.agreeing(mask, row), table.v @ parameters(rbm)[1], -np.inf))
    for _ in range(number):
        p = p @ table.p_h_from_v() @ table.p_v_from_h(None, mask, row)
    assert_frequencies(table.index(seen[0]), p)


@pytest.mark.parametrize("kind", MASKED)
def test_complete_rows_teach_the_same_as_where_nothing_may_be_missing(kind):
    lessons = []
    for number in (0, 3):
        rbm, _ = masked_rbm(kind, missing_steps=number, sampler=AllStates(), dtype="float64")
        v = tf.constant(Exact(rbm).v[::3])
        lessons.append([g for _, g in gradients_of(rbm, v, tf.ones(len(v), v.dtype)).gradients])
    for a, b in zip(*lessons, strict=True):
        assert_rounded(a, b)


def test_learning_from_data_with_gaps():
    """Three columns that are always equal, a third of them missing: by XLA, whose NaN would spread."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.integers(0, 2, (400, 1)), 3, 1).astype("float32")
    x[rng.random(x.shape) < 0.3] = NAN
    rbm = RBM(4, missing_steps=5, seed=0)
    rbm.compile(keras.optimizers.SGD(1.0))
    logs = rbm.fit(np.tile(x, (40, 1)), batch_size=50, verbose=0).history
    assert all(np.isfinite(values).all() for values in logs.values())
    assert all(np.isfinite(w).all() for w in rbm.get_weights())
    found = likelihood.log_likelihood(rbm, np.repeat([[0.0], [1.0]], 3, 1)).lower
    assert found > -np.log(2) - 0.4  # columns that are independent would have -3 log 2


def test_every_way_in_takes_gaps():
    rbm = compiled(RBM(3, missing_steps=2, sampler="pcd", seed=0))
    x = with_gap()
    for use in (rbm.fit, rbm.evaluate):
        use(x, verbose=0)
        use(dataset(x), verbose=0)
    for use in (rbm.train_on_batch, rbm.test_on_batch):
        logs = use(x, return_dict=True)
        assert np.isfinite(list(logs.values())).all()
    assert all(np.isfinite(w).all() for w in rbm.get_weights())


# --- moments


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "mixed"])
def test_adapting_looks_at_what_is_there(visible, weighted):
    """Each column's bias and precision are those of the column alone, without its gaps."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (60, 3)).astype("float64") if visible == "bernoulli" else rng.normal(2, 3, (60, 3))
    if visible == "mixed":
        x[:, 0] = x[:, 0] > 2
    weights = rng.random(60) if weighted else np.ones(60)
    x[rng.random(x.shape) < 0.4] = NAN

    def adapted(x, weights, kind):
        rbm = RBM(2, visible=kind, missing_steps=1, dtype="float64", seed=0)
        rbm.adapt(tf.data.Dataset.from_tensor_slices((x, weights * 0, weights)).batch(7) if weighted else x)
        return rbm.visible

    kind = units.Mixed([("bernoulli", 1), ("gaussian", 2)]) if visible == "mixed" else visible
    found = adapted(x, weights, kind)
    for i in range(3):
        seen = ~np.isnan(x[:, i])
        own = kind if isinstance(kind, str) else "gaussian" if i else "bernoulli"
        alone = adapted(x[seen, i : i + 1], weights[seen], own)
        assert_rounded(found.bias[i : i + 1], alone.bias)
        if visible == "gaussian":
            assert_rounded(found.precision[i : i + 1], alone.precision)


def test_a_column_that_was_never_seen_has_no_moments():
    x = X.copy()
    x[:, 3] = NAN
    with pytest.raises(ValueError, match=r"at least one value\. Received: none in column 3"):
        RBM(2, missing_steps=1).adapt(x)


# --- filling in


@pytest.mark.parametrize("kind", MASKED)
def test_gaps_are_filled_with_conditional_means(kind):
    copies = 1000
    rbm, table, rows, observed = gapped(kind, 0)
    x = np.repeat(np.where(observed, rows, NAN), copies, 0)
    found = rbm.impute(x, num_steps=10, burn_in=30).numpy()
    np.testing.assert_array_equal(found[~np.isnan(x)], x[~np.isnan(x)])
    for i, own in enumerate(np.split(found, 3)):
        assert_means(own, table.conditional(observed[i], rows[i]) @ table.v)


def test_real_gaps_are_filled_with_conditional_means():
    rbm = RBM(3, visible=units.Gaussian(PRECISIONS[:2]), seed=0)
    rbm.build((None, 2))
    randomize(rbm, 1.5)
    table, value = Exact(rbm), 3.0
    value = table.v[np.abs(table.v[:, 1] - value).argmin(), 1]
    found = rbm.impute(np.tile([NAN, value], (3000, 1)), num_steps=20, burn_in=60).numpy()
    np.testing.assert_array_equal(found[:, 1], np.float32(value))
    assert_means(found[:, :1], table.conditional([False, True], [0, value]) @ table.v[:, :1])


def test_the_average_is_over_as_many_sweeps_as_asked_for():
    """A unit of nearly even odds that no hidden unit moves: the means of its draws are the field's mean, always."""
    rbm = RBM(2, kernel_initializer="zeros", seed=0)
    rbm.build((None, 2))
    rbm.visible.bias.assign([1.5, 0.0])
    found = rbm.impute([[NAN, 1.0]], num_steps=3, burn_in=1)
    assert_rounded(found, np.float32([[1 / (1 + np.exp(-1.5)), 1]]), ulps=4)


# --- what is refused

GROUPED = {"visible": units.Mixed([("bernoulli", 2), (units.Softmax(3), 3)])}


FILL_IN = r"and NaN\. Fill in or remove missing values\."
OR_DRAW = FILL_IN + " Or give missing_steps=10, which draws them."


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: RBM(3, seed=0), OR_DRAW),
        (lambda: RBM(3, visible="gaussian", seed=0), OR_DRAW),
        (lambda: DBN([4, 3], seed=0), FILL_IN + "$"),
    ],
    ids=["rbm", "gaussian", "dbn"],
)
def test_gaps_are_refused_unless_asked_for(make, advice):
    """With advice that helps: a DBN does not take them in any way."""
    machine = compiled(make())
    before, x = machine.get_weights(), with_gap()
    for use in (
        lambda: machine.fit(x, verbose=0),
        lambda: machine.fit(dataset(x[16:]), verbose=0),
        lambda: machine.fit(X, validation_data=x, verbose=0),
        lambda: machine.evaluate(x, verbose=0),
        lambda: machine.adapt(x),
        lambda: machine.adapt(dataset(x)),
    ):
        with pytest.raises(ValueError, match=r"units need (values in|finite).*" + advice):
            use()
    for a, b in zip(machine.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "method", [lambda rbm, x: rbm.sample(v=x, num_steps=1), RBM.denoise], ids=["sample", "denoise"]
)
def test_gaps_are_refused_where_chains_start(method):
    rbm = compiled(RBM(3, seed=0))
    with pytest.raises(ValueError, match="NaN"):
        method(rbm, with_gap())


def test_gaps_have_no_pseudo_likelihood():
    rbm = compiled(RBM(3, missing_steps=2, seed=0))
    with pytest.raises(ValueError, match=FILL_IN + "$"):
        likelihood.pseudo_log_likelihood(rbm, with_gap())


@pytest.mark.parametrize("row", [[0, 1, NAN, 0, 1], [0, 1, NAN, 0, 0], [0, 1, 0, 0, NAN]], ids=str)
def test_half_a_softmax_group_is_not_missing(row):
    """In arrays, datasets and moments; a whole group may be."""
    rbm = compiled(RBM(3, missing_steps=2, seed=0, **GROUPED))
    x = np.float32([[0, 1, NAN, NAN, NAN], [NAN, 1, 0, 1, 0]] * 4)
    rbm.fit(x, verbose=0)
    bad = x.copy()
    bad[5] = row
    before = [np.array(w) for w in rbm.trainable_variables]
    for use in (lambda: rbm.fit(bad, verbose=0), lambda: rbm.adapt(bad), lambda: rbm.fit(dataset(bad[4:]), verbose=0)):
        with pytest.raises(
            ValueError,
            match=rf"Columns 2 to 4: Softmax units need.*{FILL_IN} Of a softmax group all are missing, or none\.$",
        ):
            use()
    with pytest.raises(ValueError, match=r"all units of a softmax group or none\. Received: a part of one, in row 5"):
        rbm.impute(bad)
    for a, b in zip(rbm.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_half_a_group_beside_an_honest_gap():
    rbm = compiled(RBM(3, missing_steps=2, seed=0, **GROUPED))
    with pytest.raises(ValueError, match="Columns 2 to 4: Softmax"):
        rbm.fit(np.float32([[NAN, 1, NAN, 0, 1]]), verbose=0)


@pytest.mark.parametrize(("value", "message"), [(7.0, "max=7"), (-1.0, "min=-1"), (np.inf, "max=inf")])
def test_a_bad_value_beside_gaps_in_a_later_batch(value, message):
    """Four batches, the third bad: what is left is what the two before it made."""
    x = with_gap(19, 0)
    x[3, 1] = NAN
    failed, good = (compiled(RBM(3, missing_steps=2, seed=0)) for _ in range(2))
    bad = x.copy()
    bad[20, 2] = value
    with pytest.raises(ValueError, match=r"Bernoulli units need values in \[0, 1\].*" + message):
        failed.fit(dataset(bad), verbose=0)
    good.fit(dataset(x[:16]), verbose=0)
    for a, b in zip(failed.trainable_variables, good.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert failed.optimizer.iterations == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X}, "must have missing values, NaN, to be filled in. Received: none"),
        ({"x": with_gap()[:, :4]}, r"must have shape \(batch, 5\).*shape=\(32, 4\)"),
        ({"x": 7 * with_gap()}, "max=7"),
        ({"x": with_gap(), "num_steps": 0}, "`num_steps` must be a positive integer. Received: num_steps=0"),
        ({"x": with_gap(), "num_steps": 1.5}, "Received: num_steps=1.5"),
        ({"x": with_gap(), "burn_in": 0}, "must be a positive integer. Received: .*=0"),
    ],
    ids=["nothing missing", "narrow", "domain", "no steps", "half a step", "no burn-in"],
)
def test_bad_imputations(arguments, message):
    with pytest.raises(ValueError, match=message):
        compiled(RBM(3, seed=0)).impute(**arguments)


def test_a_bad_burn_in_is_named():
    with pytest.raises(ValueError, match=r"`burn_in` must be a positive integer\. Received: burn_in=0"):
        compiled(RBM(3, seed=0)).impute(with_gap(), burn_in=0)


def test_an_unbuilt_rbm_fills_in_nothing():
    with pytest.raises(ValueError, match="must be built"):
        RBM(3).impute(with_gap())


@pytest.mark.parametrize("value", [-1, 1.5, True, "2"], ids=repr)
def test_counts_of_sweeps_that_complete(value):
    with pytest.raises(ValueError, match="`missing_steps` must be a positive integer"):
        RBM(3, missing_steps=value)


def test_missing_steps_come_back(tmp_path):
    rbm = RBM(3, missing_steps=4)
    rbm.build((None, 5))
    rbm.save(tmp_path / "rbm.keras")
    loaded = keras.models.load_model(tmp_path / "rbm.keras")
    assert loaded.missing_steps == RBM.from_config(rbm.get_config()).missing_steps == 4
