"""Log-likelihoods of cases: exact, between two figures, and the variational bound of a DBN."""

import functools
import warnings

import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN
from keras_rbm.likelihood import LogLikelihood, LogPartition, ais, log_likelihood, reverse_ais
from keras_rbm.likelihood import bounds as bounds_module
from keras_rbm.likelihood import exact as exact_module
from tests.oracles.kinds import binary_states
from tests.oracles.machines import ALL_PAIRINGS, random_dbn, random_rbm, small_rbm
from tests.oracles.rbm import Exact, ExactDBN, parameters
from tests.support.modes import uncompiled
from tests.support.statistics import SIGMAS, assert_means, assert_rounded

#: Layers, visible units and their kind.
DBNS = {
    "2 layers": ((4, 3), 3, "bernoulli"),
    "3 layers": ((4, 3, 2), 3, "bernoulli"),
    "2 layers, gaussian": ((4, 3), 2, "gaussian"),
}
QUICK = {"num_chains": 50, "num_temperatures": 50, "burn_in": 50, "verbose": 0}


@functools.cache
def machine(name: str) -> DBN:
    """One DBN of each kind, so that each is traced once."""
    sizes, num_visible, visible = DBNS[name]
    dbn = random_dbn(sizes, num_visible, visible)
    uncompiled(dbn.top)
    return dbn


@pytest.fixture
def not_enumerable(monkeypatch) -> None:
    """More than two states are too many to enumerate."""
    monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)


def cases_for(visible: str, width: int, number: int = 12) -> np.ndarray:
    rng = np.random.default_rng(5)
    if visible == "gaussian":
        return rng.normal(0.3, 1.2, (number, width))
    return (rng.random((number, width)) < 0.4).astype("float64")


def log_p(exact: Exact, v: np.ndarray) -> np.ndarray:
    return -exact.free_energy(v) - exact.log_z


def assert_figures_are_means(found: LogLikelihood) -> None:
    for figure, cases in ((found.lower, found.per_case_lower), (found.upper, found.per_case_upper)):
        assert isinstance(figure, float)
        assert cases.dtype == "float64"
        assert_rounded(figure, cases.mean())


# --- RBMs


@pytest.mark.parametrize("pairing", ALL_PAIRINGS)
def test_it_is_exact_where_a_side_can_be_enumerated(pairing):
    rbm = small_rbm(pairing)
    exact, v = Exact(rbm), cases_for(pairing.split("-")[0], rbm.visible.width)
    found = log_likelihood(rbm, v)
    assert found.per_case_lower.shape == (12,)
    assert_rounded(found.per_case_lower, log_p(exact, v))
    np.testing.assert_array_equal(found.per_case_upper, found.per_case_lower)
    assert found.lower == found.upper
    assert_figures_are_means(found)
    assert found.exact is True
    assert found.variational is False
    lower, upper = found.log_partition
    assert lower is upper
    assert (lower.kind, lower.standard_error) == ("exact", 0.0)
    assert_rounded(lower.log_z, exact.log_z)


def test_probabilities_of_all_states_add_up_to_one():
    for rbm in (random_rbm(), random_rbm("bernoulli", 5, "gaussian", 2)):
        assert_rounded(np.exp(log_likelihood(rbm, binary_states(5)).per_case_lower).sum(), 1.0)


def test_scores_of_float32_models_are_float64():
    """Each case in float32 as the model is; their mean and `log Z` are not."""
    rbm = random_rbm(dtype="float32")
    v = cases_for("bernoulli", 5)
    found = log_likelihood(rbm, v)
    assert_figures_are_means(found)
    assert_rounded(found.per_case_lower.astype("float32"), log_p(Exact(rbm), v).astype("float32"), 20)
    assert_rounded(found.log_partition.lower.log_z, Exact(rbm).log_z)


@pytest.mark.parametrize("with_data", [False, True])
def test_otherwise_it_lies_between_two_figures(with_data, not_enumerable):
    """The figures are those of AIS and of reverse AIS with the same options, fed with data or with the cases."""
    rbm = random_rbm() if with_data else uncompiled(random_rbm())
    exact, v = Exact(rbm), cases_for("bernoulli", 5)
    data = binary_states(5)[::-3] if with_data else None
    options = {"num_chains": 100, "num_temperatures": 250, "seed": 3, "verbose": 0}
    found = log_likelihood(rbm, v, data, **options, burn_in=120)
    forward, backward = found.log_partition
    fed = v if data is None else data
    np.testing.assert_array_equal(forward.log_weights, ais(rbm, fed, **options).log_weights)
    np.testing.assert_array_equal(backward.log_weights, reverse_ais(rbm, fed, **options, burn_in=120).log_weights)
    assert (forward.kind, backward.kind) == ("lower bound", "estimate")
    assert (found.exact, found.variational) == (False, False)
    assert_rounded(found.per_case_lower, -exact.free_energy(v) - backward.log_z)
    assert_rounded(found.per_case_upper, -exact.free_energy(v) - forward.log_z)
    assert_figures_are_means(found)
    truth = log_p(exact, v).mean()
    assert found.lower - SIGMAS * backward.standard_error < truth < found.upper + SIGMAS * forward.standard_error
    assert found.upper - found.lower < 0.5


def test_a_schedule_is_handed_on(not_enumerable):
    rbm = uncompiled(random_rbm())
    v, betas = cases_for("bernoulli", 5), [0, 0.1, 0.4, 1]
    forward, backward = log_likelihood(rbm, v, betas=betas, **QUICK).log_partition
    options = {"betas": betas, "num_chains": 50, "verbose": 0}
    np.testing.assert_array_equal(forward.log_weights, ais(rbm, v, **options).log_weights)
    np.testing.assert_array_equal(backward.log_weights, reverse_ais(rbm, v, **options, burn_in=50).log_weights)


def partition(log_z: float, kind: str) -> LogPartition:
    return LogPartition(log_z, 0.0, 1.0, kind, np.array([log_z]))


@pytest.mark.parametrize("gap", [0.51, -0.51, 0.49, -0.49, 0.0])
def test_it_warns_if_the_figures_differ_by_more_than_half_a_nat(gap, not_enumerable, monkeypatch):
    """In either order: neither figure can be trusted then."""
    monkeypatch.setattr(bounds_module, "forward", lambda *_, **__: partition(7.0, "lower bound"))
    monkeypatch.setattr(bounds_module, "backward", lambda *_, **__: partition(7.0 + gap, "estimate"))
    rbm, v = random_rbm(), binary_states(5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = log_likelihood(rbm, v)
    messages = [str(w.message) for w in caught if "AIS" in str(w.message)]
    if abs(gap) > 0.5:
        assert len(messages) == 1
        assert "differ by 0.51 nats" in messages[0]
        assert caught[-1].filename == __file__
    else:
        assert messages == []
    assert_rounded(found.upper - found.lower, gap)
    assert_rounded(found.upper, -Exact(rbm).free_energy(v).mean() - 7.0)


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_a_dataset_is_scored_as_the_array_is(batch_size):
    rbm, v = random_rbm(), cases_for("bernoulli", 5)
    expected = log_likelihood(rbm, v).per_case_lower
    x = tf.data.Dataset.from_tensor_slices(v).batch(batch_size)
    assert_rounded(log_likelihood(rbm, x).per_case_lower, expected)
    pairs = tf.data.Dataset.from_tensor_slices((v, np.arange(12))).batch(batch_size)
    assert_rounded(log_likelihood(rbm, pairs).per_case_lower, expected)


def test_training_data_may_be_a_dataset(not_enumerable):
    rbm, v = uncompiled(random_rbm()), cases_for("bernoulli", 5)
    data = tf.data.Dataset.from_tensor_slices(binary_states(5)).batch(32)
    found = log_likelihood(rbm, v, data, **QUICK)
    same = log_likelihood(rbm, v, binary_states(5), **QUICK)
    np.testing.assert_array_equal(found.log_partition[0].log_weights, same.log_partition[0].log_weights)


# --- DBNs


def enumerated(name: str) -> tuple[DBN, ExactDBN, np.ndarray]:
    dbn = machine(name)
    _, num_visible, visible = DBNS[name]
    v = cases_for(visible, num_visible, 4) if visible == "gaussian" else binary_states(num_visible)
    return dbn, ExactDBN(dbn), v


def test_the_enumerated_dbn_is_a_distribution():
    """What the next tests are measured by: probabilities that add up to one, and a bound that is not tight."""
    for name in ("2 layers", "3 layers"):
        _, exact, v = enumerated(name)
        log_q, _ = exact.ways(v)
        assert_rounded(np.exp(log_q).sum(1), np.ones(len(v)))
        assert_rounded(np.exp(exact.log_p(v)).sum(), 1.0)
        assert np.all(exact.bound(v)[0] < exact.log_p(v) - 0.01)


@pytest.mark.parametrize("num_samples", [1, 5])
@pytest.mark.parametrize("name", DBNS)
def test_the_bound_is_the_enumerated_one_in_expectation(name, num_samples):
    """Of every case, with the variance of so many independent draws, and so below its `log p(v)`."""
    dbn, exact, v = enumerated(name)
    repeats = 3000
    found = log_likelihood(dbn, np.repeat(v, repeats, 0), num_samples=num_samples)
    draws = found.per_case_lower.reshape(len(v), repeats).T
    mean, variance = exact.bound(v)
    assert_means(draws, mean)
    assert_means((draws - mean) ** 2, variance / num_samples)
    assert np.all(draws.mean(0) + SIGMAS * draws.std(0) / np.sqrt(repeats) < exact.log_p(v))
    assert found.variational is True
    assert found.exact is True
    assert_rounded(found.log_partition.upper.log_z, exact.top.log_z)
    assert_figures_are_means(found)


def test_batches_of_a_dataset_draw_anew():
    """The same case in every batch: were the draws the same too, so would the bounds be."""
    dbn, exact, _ = enumerated("2 layers")
    v = np.tile([[1.0, 0.0, 1.0]], (600, 1))
    x = tf.data.Dataset.from_tensor_slices(v).batch(2)
    draws = log_likelihood(dbn, x, num_samples=3).per_case_lower.reshape(300, 2)
    assert len(np.unique(draws[:, 0].round(9))) > 50
    assert_means(draws.reshape(-1, 1), exact.bound(v[:1])[0])


def test_a_seed_rules_the_draws_by_recognition():
    dbn, _, v = enumerated("3 layers")
    first, again, other = (log_likelihood(dbn, v, num_samples=2, seed=seed).per_case_lower for seed in (3, 3, 4))
    np.testing.assert_array_equal(again, first)
    assert np.abs(other - first).max() > 1e-3


def test_the_bound_of_a_dbn_lies_between_two_figures(not_enumerable):
    dbn, exact, v = enumerated("2 layers")
    found = log_likelihood(dbn, v, num_samples=4, **QUICK | {"num_temperatures": 200})
    forward, backward = found.log_partition
    assert (found.exact, found.variational) == (False, True)
    assert_rounded(found.per_case_upper - found.per_case_lower, np.full(len(v), backward.log_z - forward.log_z))
    sampling = np.sqrt(exact.bound(v)[1].sum() / 4) / len(v)
    for figure, log_z in ((found.lower, backward), (found.upper, forward)):
        error = np.hypot(sampling, log_z.standard_error)
        assert abs(figure - exact.bound(v)[0].mean()) < SIGMAS * error


def tied_below(rbm_name: str) -> tuple[DBN, Exact]:
    """A DBN whose tied first layer is an RBM, and whose top is the same RBM the other way up."""
    dbn = random_dbn((4, 3 if rbm_name == "first" else 5), num_visible=3 if rbm_name == "first" else 5)
    first, top = dbn.rbms
    first._w_gen.assign(tf.transpose(first.w_rec))
    top.w_rec.assign(tf.transpose(first.w_rec))
    top.visible.bias.assign(first.hidden.bias)
    top.hidden.bias.assign(first.visible.bias)
    p = parameters(first)
    return dbn, Exact(p)


@pytest.mark.parametrize("width", ["first", "wider"])
def test_the_bound_is_tight_where_the_top_is_the_first_layer_upside_down(width):
    """Every single draw then gives the exact `log p(v)` of the RBM, whatever state it is."""
    dbn, rbm = tied_below(width)
    v = rbm.v
    exact = ExactDBN(dbn)
    assert_rounded(exact.log_p(v), log_p(rbm, v))
    for seed in range(3):
        assert_rounded(log_likelihood(dbn, v, num_samples=1, seed=seed).per_case_lower, log_p(rbm, v))


def test_scores_of_rbms_need_no_draws(monkeypatch):
    """`num_samples` is for a DBN: an RBM's cases are looked at once."""
    rbm, v = random_rbm(), binary_states(5)
    one, many = (log_likelihood(rbm, v, num_samples=n, seed=n).per_case_lower for n in (1, 7))
    np.testing.assert_array_equal(one, many)


def test_nothing_is_printed_if_not_asked_for(capsys, not_enumerable):
    rbm, v = uncompiled(random_rbm()), cases_for("bernoulli", 5)
    log_likelihood(rbm, v, **QUICK)
    assert capsys.readouterr() == ("", "")
    log_likelihood(rbm, v, **QUICK | {"verbose": 1})
    said = capsys.readouterr().err
    assert said.startswith("AIS: ")
    assert "\nreverse AIS: " in said
