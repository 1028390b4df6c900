"""Annealed importance sampling in both directions, against enumerated partition functions and enumerated chains."""

import functools
import importlib
import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from keras_rbm import RBM
from keras_rbm.likelihood import LogPartition, ais, exact_log_partition, log_likelihood, reverse_ais
from keras_rbm.likelihood import bounds as bounds_module
from keras_rbm.likelihood import exact as exact_module
from keras_rbm.likelihood.keys import Use, key_at, key_of
from keras_rbm.random import Draws
from tests.oracles.kinds import binary_states
from tests.oracles.machines import (
    ALL_PAIRINGS,
    gaussian_rbm,
    random_dbn,
    random_rbm,
    randomize,
    randomize_small,
    small_rbm,
)
from tests.oracles.rbm import Exact, parameters
from tests.support.modes import uncompiled
from tests.support.statistics import SIGMAS, assert_frequencies, assert_means, assert_rounded

# The package's attribute of this name is the function.
ais_module = importlib.import_module("keras_rbm.likelihood.annealing")

NUM = 20000
BOTH = {"forward": (ais, 1), "reverse": (reverse_ais, -1)}
SCHEDULE = [0.0, 0.2, 0.5, 1.0]


@functools.cache
def machine(pairing: str) -> RBM:
    """One RBM of each pairing, so that each is traced once; tests give it parameters."""
    return uncompiled(small_rbm(pairing))


@pytest.fixture
def not_enumerable(monkeypatch) -> None:
    """More than two states are too many to enumerate."""
    monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)


def data_for(rbm: RBM, number: int = 60) -> np.ndarray:
    """Data that the model would not produce."""
    rng = np.random.default_rng(11)
    if parameters(rbm).gamma_v.any():
        return rng.normal([0.7, -0.4][: rbm.visible.width], 1, (number, rbm.visible.width))
    return (rng.random((number, rbm.visible.width)) < np.linspace(0.1, 0.8, rbm.visible.width)).astype("float64")


def base_bias(rbm: RBM, data: np.ndarray | None) -> np.ndarray:
    """The documented one: half a case more of each state of binary units."""
    p = parameters(rbm)
    if data is None:
        return p.b
    if p.gamma_v.any():
        return p.gamma_v * data.mean(0)
    ones = data.sum(0) + 0.5
    return np.log(ones / (len(data) + 1 - ones))


class Path:
    """Enumerated chains along a schedule of inverse temperatures."""

    def __init__(self, rbm: RBM, base: np.ndarray, betas: list[float]) -> None:
        self.stages = [Exact(rbm, beta, base) for beta in betas]
        self.v = self.stages[0].v

    def mean(self, direction: int, start: np.ndarray | None = None) -> float:
        """The expected log weight, forward (1) or in reverse (-1), of chains that start from probabilities `start`."""
        stages = self.stages[::direction]
        p_v = stages[0].p_v if start is None else start
        total = self.stages[0].log_z
        for now, then in itertools.pairwise(stages):
            total += direction * p_v @ (now.free_energy(self.v) - then.free_energy(self.v))
            p_v = then.swept(p_v)
        return total


def assert_close(found: LogPartition, log_z: float) -> None:
    assert abs(found.log_z - log_z) < SIGMAS * found.standard_error + 1e-9
    assert found.standard_error < 0.1  # or the bound would say little


# --- against exact partition functions


@pytest.mark.parametrize("with_data", [False, True])
@pytest.mark.parametrize("pairing", ALL_PAIRINGS)
@pytest.mark.few(4)
def test_both_are_within_their_standard_errors(pairing, with_data):
    rbm = machine(pairing)
    for seed in range(3):
        randomize_small(rbm, seed=seed)
        log_z = Exact(rbm).log_z
        options = {"data": data_for(rbm) if with_data else None, "num_chains": 200, "num_temperatures": 100}
        forward, backward = (f(rbm, **options, seed=seed, verbose=0) for f in (ais, reverse_ais))
        assert_close(forward, log_z)
        assert_close(backward, log_z)
        assert (forward.kind, backward.kind) == ("lower bound", "upper bound")
        assert min(forward.effective_sample_size, backward.effective_sample_size) > 100


@pytest.mark.parametrize("with_data", [False, True])
@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("pairing", ALL_PAIRINGS)
@pytest.mark.few(8)
def test_log_weights_have_the_enumerated_mean(pairing, direction, with_data):
    """Every step of the chain, its temperature and its place in the sum: with so few steps each shows."""
    rbm = machine(pairing)
    randomize_small(rbm)
    data = data_for(rbm) if with_data else None
    function, sign = BOTH[direction]
    found = function(rbm, data, num_chains=NUM, betas=SCHEDULE, seed=2, verbose=0)
    assert_means(found.log_weights, Path(rbm, base_bias(rbm, data), SCHEDULE).mean(sign))


@pytest.mark.parametrize("direction", BOTH)
def test_log_weights_have_the_enumerated_mean_compiled(direction):
    rbm = random_rbm()
    function, sign = BOTH[direction]
    found = function(rbm, data_for(rbm), num_chains=NUM, betas=SCHEDULE, seed=2, verbose=0)
    assert_means(found.log_weights, Path(rbm, base_bias(rbm, data_for(rbm)), SCHEDULE).mean(sign))


@pytest.mark.parametrize("direction", BOTH)
def test_one_step_weighs_exact_states(direction):
    """With `betas=[0, 1]` each weight belongs to one start, which comes from the base, or from the model."""
    rbm = machine("bernoulli-bernoulli")
    randomize_small(rbm)
    data = data_for(rbm)
    base, model = Path(rbm, base_bias(rbm, data), [0, 1]).stages
    values = base.log_z + base.free_energy(base.v) - model.free_energy(base.v)
    function, sign = BOTH[direction]
    found = function(rbm, data, num_chains=NUM, betas=[0, 1], verbose=0)
    distance = np.abs(found.log_weights[:, None] - values)
    assert distance.min(1).max() < 1e-12
    assert_frequencies(distance.argmin(1), (base if sign == 1 else model).p_v)


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("pairing", ALL_PAIRINGS)
def test_the_mean_weight_is_unbiased(pairing, direction):
    """Of `Z` forward, of `1 / Z` in reverse, with three steps as with thousands."""
    rbm = machine(pairing)
    randomize_small(rbm, 0.4)
    function, sign = BOTH[direction]
    found = function(rbm, num_chains=NUM, betas=SCHEDULE, seed=6, verbose=0)
    assert found.log_weights.std() > 0.01
    assert found.effective_sample_size > NUM / 5  # or the standard error is not to be trusted
    assert_means(np.exp(sign * (found.log_weights - Exact(rbm).log_z)), 1.0)


@pytest.mark.parametrize("direction", BOTH)
def test_the_two_are_in_order_in_expectation(direction):
    """Over many independent pairs of chains of one step, the bias of each pair's figure is many standard errors."""
    rbm = machine("bernoulli-bernoulli")
    randomize_small(rbm, 2.0)
    exact, (function, sign) = Exact(rbm), BOTH[direction]
    log_weights = function(rbm, num_chains=1200, num_temperatures=1, verbose=0).log_weights
    runs = sign * (logsumexp(sign * log_weights.reshape(600, 2), 1) - np.log(2))
    excess = sign * (runs - exact.log_z)
    assert excess.mean() < -SIGMAS * excess.std(ddof=1) / np.sqrt(len(runs))


@pytest.mark.parametrize("pairing", ALL_PAIRINGS)
def test_without_weights_there_is_no_variance(pairing):
    rbm = machine(pairing)
    randomize_small(rbm)
    rbm.w_rec.assign(tf.zeros_like(rbm.w_rec))
    for function, _ in BOTH.values():
        found = function(rbm, num_chains=20, num_temperatures=10, verbose=0)
        assert np.ptp(found.log_weights) == 0
        assert (found.standard_error, found.effective_sample_size) == (0, 20)
        assert_rounded(found.log_z, Exact(rbm).log_z)


# --- where it fails, it says so


def two_modes() -> tuple[RBM, np.ndarray]:
    """All units off or all on, the second `e^10` times as probable and far from where chains start."""
    rbm = uncompiled(random_rbm("bernoulli", 10, "bernoulli", 1))
    rbm.w_rec.assign(np.full((10, 1), 12.0))
    rbm.visible.bias.assign(np.full(10, -6.0))
    rbm.hidden.bias.assign([-50.0])
    return rbm, np.zeros((50, 10))


def test_two_far_modes_set_the_two_figures_apart(monkeypatch):
    """Chains from the base stay in its mode, those from the model in the other: the truth lies in between."""
    rbm, data = two_modes()
    log_z = Exact(rbm).log_z
    options = {"num_chains": 50, "num_temperatures": 20, "verbose": 0}
    forward, backward = ais(rbm, data, **options), reverse_ais(rbm, data, **options)
    assert forward.log_z + 1 < log_z < backward.log_z - 1
    assert backward.log_z - forward.log_z > SIGMAS * (forward.standard_error + backward.standard_error)
    monkeypatch.setattr(bounds_module, "can_be_exact", lambda rbm: False)
    with pytest.warns(UserWarning, match=r"differ by .* nats .*more than 0\.5: neither can be trusted.*burn_in"):
        found = log_likelihood(rbm, data, **options)
    truth = -Exact(rbm).free_energy(data).mean() - log_z
    assert found.lower + 1 < truth < found.upper - 1


# --- starts of reverse AIS


@pytest.mark.parametrize("pairing", ALL_PAIRINGS[:3])
def test_burnt_in_chains_give_an_estimate(pairing, not_enumerable):
    rbm = machine(pairing)
    for seed in range(2):
        randomize_small(rbm, seed=seed)
        options = {"num_chains": 200, "num_temperatures": 100, "burn_in": 100}
        found = reverse_ais(rbm, data_for(rbm), **options, seed=seed, verbose=0)
        assert found.kind == "estimate"
        assert_close(found, Exact(rbm).log_z)


def sticky() -> RBM:
    """So strong that a sweep does not forget where it started."""
    rbm = machine("bernoulli-bernoulli")
    rbm.w_rec.assign(6 * np.eye(5, 4))
    rbm.visible.bias.assign(np.full(5, -2.0))
    rbm.hidden.bias.assign(np.full(4, -3.0))
    return rbm


@pytest.mark.parametrize("burn_in", [1, 2, 7])
def test_burn_in_counts_sweeps_from_the_data(burn_in, not_enumerable, monkeypatch):
    """Where the chains are after it is enumerated; parts of three sweeps change nothing."""
    monkeypatch.setattr(ais_module, "_CHUNK", 3)
    rbm, data = sticky(), np.tile([[1.0, 0.0, 1.0, 1.0, 0.0]], (30, 1))
    found = reverse_ais(rbm, data, num_chains=NUM, betas=[0, 1], burn_in=burn_in, seed=1, verbose=0)
    start = Exact(rbm).transitions(data[:1], burn_in)[0]
    assert_means(found.log_weights, Path(rbm, base_bias(rbm, data), [0, 1]).mean(-1, start))


def test_burn_in_and_annealing_have_random_numbers_of_their_own(not_enumerable):
    """Were those of the first sweeps the same, what the burn-in did would decide what the annealing does."""
    rbm, data = sticky(), np.repeat([[0.0] * 5, [1.0] * 5], NUM, 0)
    fed = tf.data.Dataset.from_tensor_slices(data).batch(NUM)  # all chains start in the first batch
    found = reverse_ais(rbm, fed, num_chains=NUM, betas=SCHEDULE, burn_in=1, verbose=0)
    start = Exact(rbm).transitions(data[:1], 1)[0]
    assert_means(found.log_weights, Path(rbm, base_bias(rbm, data), SCHEDULE).mean(-1, start))


@pytest.mark.parametrize("compiled", [False, True])
def test_each_use_of_a_seed_has_random_numbers_of_its_own(compiled):
    """And each seed, and each sweep of a use."""

    @tf.function(jit_compile=compiled)
    def numbers(key: tf.Tensor, sweep: tf.Tensor) -> tf.Tensor:
        draws = Draws(key_at(key, sweep))
        return tf.stack([draws.uniform_like(tf.zeros(3)) for _ in range(2)])

    drawn = [
        numbers(key_of(seed, use), tf.constant(sweep)).numpy()
        for seed in (0, 1)
        for use in Use
        for sweep in (0, 1, 9999)
    ]
    assert len(np.unique(np.concatenate(drawn), axis=0)) == 2 * len(drawn)


@pytest.mark.parametrize("kind", ["array", "few rows", "dataset"])
def test_chains_start_in_rows_of_the_data(kind, not_enumerable):
    """Rows drawn from the whole of an array, the first ones of a dataset; each as often where there are too few."""
    rbm, exact = sticky(), Exact(sticky())
    off, on = np.zeros((1, 5)), np.ones((1, 5))
    rows = {"array": (NUM, 3 * NUM), "few rows": (1, 3), "dataset": (NUM, NUM)}[kind]
    data = np.concatenate([np.repeat(v, n, 0) for v, n in zip((off, on), rows, strict=True)])
    share = 1.0 if kind == "dataset" else 0.25
    fed = tf.data.Dataset.from_tensor_slices(data).batch(NUM // 2) if kind == "dataset" else data
    found = reverse_ais(rbm, fed, num_chains=NUM, betas=[0, 1], burn_in=1, verbose=0)
    start = (share * exact.transitions(off, 1) + (1 - share) * exact.transitions(on, 1))[0]
    assert_means(found.log_weights, Path(rbm, base_bias(rbm, data), [0, 1]).mean(-1, start))


# --- a DBN


def test_a_dbn_means_its_top():
    dbn = random_dbn((3, 4))
    uncompiled(dbn.top)
    for function, _ in BOTH.values():
        options = {"num_chains": 20, "num_temperatures": 10, "verbose": 0}
        found = function(dbn, **options)
        np.testing.assert_array_equal(found.log_weights, function(dbn.top, **options).log_weights)


@pytest.mark.parametrize("direction", ["forward", "reverse", "burnt in"])
def test_data_of_a_dbn_are_taken_up_to_its_top(direction, monkeypatch):
    """The base bias follows from states drawn by recognition, and so do the starts that are burnt in."""
    dbn = random_dbn((4, 3))
    uncompiled(dbn.top)
    v = np.tile([[1.0, 0.0, 1.0]], (200, 1))
    up = Exact(dbn.rbms[0]).p_h_from_v(v[:1])
    seen = []
    sums = ais_module._log_z_base
    monkeypatch.setattr(ais_module, "_log_z_base", lambda rbm, b: seen.append(b.visible.numpy()) or sums(rbm, b))
    if direction == "burnt in":
        monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)
    function, sign = BOTH["forward" if direction == "forward" else "reverse"]
    found = function(
        dbn, v, num_chains=NUM, betas=SCHEDULE, verbose=0, **({} if sign == 1 else {"burn_in": 2, "seed": 3})
    )
    ones = (201 / (1 + np.exp(-seen[0])) - 0.5) / 200
    assert_rounded(200 * ones, np.round(200 * ones))
    mean = up[0] @ binary_states(4)
    assert np.all(np.abs(ones - mean) < SIGMAS * np.sqrt(mean * (1 - mean) / 200))
    top = Exact(dbn.top)
    # The 200 states from which chains start are drawn once: as far from their distribution as 200 cases may be.
    path, start = Path(dbn.top, seen[0], SCHEDULE), None
    if direction == "burnt in":
        rows = ais_module._rows(dbn, v, 200, 3).numpy()
        start = top.transitions(rows, 2).mean(0)
    assert_means(found.log_weights, path.mean(sign, start))


# --- reproducible, and the model is left alone


@pytest.mark.parametrize("start", ["forward", "reverse", "burnt in"])
@pytest.mark.parametrize("num_visible", [3, 5])
@pytest.mark.few(3)
def test_a_seed_gives_the_same_weights(num_visible, start, monkeypatch):
    """Whichever side is enumerated for exact starts, compiled and not."""
    rbm = random_rbm(num_visible=num_visible)
    rbm = uncompiled(rbm) if num_visible == 3 else rbm
    if start == "burnt in":
        monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)
    function = ais if start == "forward" else functools.partial(reverse_ais, burn_in=5)
    data = binary_states(num_visible)
    first, again, other = (
        function(rbm, data, num_chains=20, num_temperatures=10, seed=seed, verbose=0).log_weights for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(again, first)
    assert np.abs(other - first).max() > 1e-3
    assert len(set(first.round(9))) > 5


@pytest.mark.parametrize("make", [lambda: random_rbm(num_visible=3), lambda: random_dbn((4, 3))])
def test_scoring_leaves_the_model_as_it_is(make, monkeypatch):
    model = make()
    uncompiled(model.undirected())
    before = [np.array(w) for w in model.variables]
    assert any("key" in w.path for w in model.variables)
    options = {"num_chains": 20, "num_temperatures": 10, "verbose": 0}
    x = binary_states(3)
    ais(model, x, **options)
    reverse_ais(model, x, **options)
    exact_log_partition(model)
    log_likelihood(model, x)
    monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)
    reverse_ais(model, x, **options, burn_in=3)
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(new, old)


# --- figures that follow from the weights


@pytest.mark.parametrize("direction", BOTH)
def test_figures_are_those_of_the_weights(direction):
    rbm = machine("bernoulli-bernoulli")
    randomize_small(rbm, 1.2)
    function, sign = BOTH[direction]
    found = function(rbm, num_chains=30, num_temperatures=3, verbose=0)
    assert found.log_weights.shape == (30,)
    assert found.log_weights.dtype == "float64"
    assert_rounded(found.log_z, sign * (logsumexp(sign * found.log_weights) - np.log(30)))
    weights = np.exp(sign * (found.log_weights - found.log_weights.mean()))
    assert_rounded(found.standard_error, weights.std(ddof=1) / weights.mean() / np.sqrt(30))
    assert_rounded(found.effective_sample_size, weights.sum() ** 2 / (weights**2).sum())
    assert 1 < found.effective_sample_size < 30
    assert all(isinstance(x, float) for x in (found.log_z, found.standard_error, found.effective_sample_size))


def test_weights_too_large_for_exp():
    rbm = uncompiled(random_rbm())
    rbm.visible.bias.assign(np.full(5, 500.0))
    for function, _ in BOTH.values():
        assert_close(function(rbm, num_chains=200, num_temperatures=100, verbose=0), Exact(rbm).log_z)


def test_one_chain_has_no_standard_error():
    rbm = machine("bernoulli-bernoulli")
    for function, _ in BOTH.values():
        found = function(rbm, num_chains=1, num_temperatures=3, verbose=0)
        assert np.isnan(found.standard_error)
        assert found.effective_sample_size == 1
        assert_rounded(found.log_z, found.log_weights[0])


# --- schedules


def test_temperatures_are_closer_towards_the_model_or_those_given():
    """Of the default ones half are evenly spaced, half 500 : 4,000 : 10,000 up to 0.5, 0.9 and 1."""
    rbm = uncompiled(random_rbm(num_visible=3))
    betas = ais_module.path_of(rbm, None, 1000, None, 0).betas
    assert (len(betas), betas[0], betas[-1]) == (1001, 0.0, 1.0)
    for start, stop, number in ((0, 0.5, 500), (0.5, 0.9, 4000), (0.9, 1, 10_000)):
        expected = 1000 * ((stop - start) / 2 + number / 14_500 / 2)
        assert abs(np.sum((betas > start) & (betas <= stop)) - expected) < 3
        inside = betas[(betas > start + 0.01) & (betas < stop - 0.01)]
        np.testing.assert_allclose(np.diff(inside), np.diff(inside)[0], rtol=1e-9)
    for function, _ in BOTH.values():
        options = {"num_chains": 20, "verbose": 0}
        default = function(rbm, num_temperatures=4, **options).log_weights
        own = ais_module.path_of(rbm, None, 4, None, 0).betas
        np.testing.assert_array_equal(function(rbm, betas=own, **options).log_weights, default)
        even = function(rbm, betas=[0, 0.25, 0.5, 0.75, 1], **options).log_weights
        assert np.abs(even - default).max() > 1e-3  # a chain that stays in its state weighs the same


@pytest.mark.parametrize("direction", BOTH)
def test_parts_of_the_schedule_change_nothing_and_compile_once(direction, monkeypatch):
    rbm = random_rbm(num_visible=3)
    rbm = rbm if direction == "forward" else uncompiled(rbm)
    function, _ = BOTH[direction]
    found = []
    for chunk in (2, 3, 100):
        monkeypatch.setattr(ais_module, "_CHUNK", chunk)
        found.append(function(rbm, num_chains=20, num_temperatures=7, verbose=0).log_weights)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
    assert rbm._as_function(ais_module.anneal_steps, jit_compile=True).experimental_get_tracing_count() == 1


def test_burn_in_compiles_once(not_enumerable, monkeypatch):
    rbm = small_rbm("bernoulli-bernoulli")
    monkeypatch.setattr(ais_module, "_CHUNK", 2)
    reverse_ais(rbm, binary_states(5), num_chains=20, num_temperatures=3, burn_in=7, verbose=0)
    assert rbm._as_function(ais_module.sweeps, jit_compile=True).experimental_get_tracing_count() == 1


def test_one_model_takes_any_number_of_chains_and_temperatures():
    rbm = uncompiled(random_rbm())
    for num_chains, num_temperatures in ((2000, 1), (3000, 3), (4000, 2)):
        found = ais(rbm, num_chains=num_chains, num_temperatures=num_temperatures, verbose=0)
        assert found.log_weights.shape == (num_chains,)
        path = Path(rbm, base_bias(rbm, None), np.linspace(0, 1, num_temperatures + 1))
        assert_means(found.log_weights, path.mean(1))


# --- progress


@pytest.mark.parametrize("direction", BOTH)
def test_what_was_done_is_said_if_asked_for(direction, capsys, not_enumerable, monkeypatch):
    monkeypatch.setattr(ais_module, "_CHUNK", 10)
    rbm = machine("bernoulli-bernoulli")
    function, sign = BOTH[direction]
    options = {"num_chains": 20, "num_temperatures": 23}
    if sign == -1:
        options["burn_in"] = 12
    function(rbm, binary_states(5), **options, verbose=0)
    assert capsys.readouterr() == ("", "")
    function(rbm, binary_states(5), **options, verbose=1)
    printed, said = capsys.readouterr()
    assert printed == ""
    lines = [line.split(" in ")[0] for line in said.splitlines()]
    sweeps, title = ([], "AIS") if sign == 1 else (["Gibbs sweeps from data: 12 sweeps"], "reverse AIS")
    assert lines == [*sweeps, f"{title}: 23 temperatures"]


# --- precision


def test_float32_chains_add_up_in_float64():
    """Bias of thousands of nats that comes in over a thousand steps: float32 would round each sum."""
    rbm = random_rbm(dtype="float32")
    rbm.w_rec.assign(tf.zeros_like(rbm.w_rec))
    rbm.visible.bias.assign(np.full(5, 3000.0))
    data = np.ones((20000, 5), "float32")  # so that no chain starts anywhere else
    for function, _ in BOTH.values():
        found = function(rbm, data, num_chains=2, num_temperatures=1234, verbose=0)
        assert_rounded(np.float32(found.log_z), np.float32(Exact(rbm).log_z), 4)


def test_random_parameters_of_another_scale():
    """Peaked, yet within reach of enough temperatures."""
    rbm = machine("bernoulli-bernoulli")
    randomize(rbm, 2.0)
    for function, _ in BOTH.values():
        assert_close(function(rbm, num_chains=200, num_temperatures=100, verbose=0), Exact(rbm).log_z)


def test_several_gaussian_units_on_both_sides():
    rbm = uncompiled(gaussian_rbm(3, 2))
    for function, _ in BOTH.values():
        found = function(rbm, num_chains=200, num_temperatures=300, verbose=0)
        assert_close(found, exact_log_partition(rbm))
