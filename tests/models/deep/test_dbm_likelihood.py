"""Likelihoods of deep Boltzmann machines against all states, and machines of one hidden layer against RBMs."""

import contextlib
import functools
import importlib
import itertools
from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from keras_rbm import DBM, RBM, ClassificationRBM, likelihood, regularizers, samplers
from keras_rbm.likelihood import exact as exact_module
from tests.oracles.dbm import ExactDBM, layer, random_dbm
from tests.oracles.kinds import KINDS, binary_states, index
from tests.oracles.machines import rbm_of
from tests.support.eager import eager_functions
from tests.support.statistics import SIGMAS, assert_means, assert_rounded

# The package's attribute of this name is the function.
ais_module = importlib.import_module("keras_rbm.likelihood.annealing")

#: Data's layer first, then whether the sides are exchanged to be annealed: the side summed out has fewer units.
STACKS = {
    "two": (("bernoulli", "bernoulli", "bernoulli"), False),
    "two, exchanged": (("binomial", "softmax", "bernoulli"), True),
    "two of kinds": (("spin", "discrete", "softmax"), False),
    "three": (("bernoulli", "binomial", "spin", "bernoulli"), False),
    "three, exchanged": (("binomial", "bernoulli", "bernoulli", "spin"), True),
    "four": (("spin", "bernoulli", "binomial", "bernoulli", "binomial"), False),
    "four, exchanged": (("binomial", "softmax", "binomial", "bernoulli", "binomial"), True),
    "real data": (("gaussian", "softmax", "bernoulli"), True),
    "real in between": (("bernoulli", "gaussian", "bernoulli"), False),
    "real on top": (("binomial", "bernoulli", "relu"), False),
}
ANNEALED = ["two, exchanged", "real data", "labels"]
#: Where annealing is compiled too, for each machine alone.
MORE = [pytest.param(name, marks=pytest.mark.slow) for name in ("two", "three, exchanged", "four")]
BOTH = {"forward": (likelihood.ais, 1), "reverse": (likelihood.reverse_ais, -1)}
SCHEDULE = [0.0, 0.2, 0.5, 1.0]
NUM = 20000


class Shallow(DBM):
    """A DBM that may have one hidden layer."""

    _least_layers = 1


@pytest.fixture(autouse=True)
def eagerly(request) -> Iterator[None]:
    """Nothing is compiled but where a test asks for it: steps are few, and machines many."""
    with contextlib.nullcontext() if "compiled" in request.fixturenames else eager_functions():
        yield


@pytest.fixture(scope="module", autouse=True)
def let_go() -> Iterator[None]:
    """What was compiled goes with the module."""
    yield
    machine.cache_clear()
    real_on_both_sides.cache_clear()


@pytest.fixture
def compiled() -> None:
    """What is compiled elsewhere is compiled here."""


@functools.cache
def machine(name: str, num_classes: int | None = None) -> tuple[DBM, ExactDBM]:
    """One of each stack."""
    dbm = random_dbm(STACKS[name][0], scale=0.4, num_classes=num_classes)
    return dbm, ExactDBM(dbm, STACKS[name][0])


@pytest.fixture
def not_enumerable(monkeypatch) -> None:
    """More than two states are too many to enumerate."""
    monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)


def cases(exact: ExactDBM, number: int = 12) -> np.ndarray:
    """Data that the model would not produce."""
    return exact.states[0][np.random.default_rng(3).integers(0, len(exact.states[0]) // 2, number)]


def base_bias(name: str, v: np.ndarray) -> np.ndarray:
    """Of the data's layer, as documented for each kind: half a count more of each state."""
    kind = KINDS[STACKS[name][0][0]]
    if kind.real:
        return kind.gamma * v.mean(0)
    n = {"bernoulli": 1, "binomial": 4}[STACKS[name][0][0]]
    p = (v.sum(0) + 0.5) / (n * len(v) + 1)
    return np.log(p / (1 - p))


# --- partition functions


@pytest.mark.parametrize("name", STACKS)
def test_the_exact_partition_function_is_the_sum_over_all_states(name):
    dbm, exact = machine(name)
    assert_rounded(likelihood.exact_log_partition(dbm), exact.log_z, 1e4)


@pytest.mark.parametrize("name", ["two", "three"])
def test_label_units_are_states_too(name):
    dbm, exact = machine(name, 3)
    assert_rounded(likelihood.exact_log_partition(dbm), exact.log_z, 1e4)


@pytest.mark.parametrize("name", STACKS)
def test_the_side_with_fewer_units_is_summed_out(name):
    dbm, _ = machine(name)
    annealed = dbm.undirected()._annealed()
    assert annealed.hidden.width <= annealed.visible.width
    assert (annealed is not dbm.undirected()) == STACKS[name][1]


def assert_close(found: likelihood.LogPartition, log_z: float) -> None:
    assert abs(found.log_z - log_z) < SIGMAS * found.standard_error + 1e-9
    assert found.standard_error < 0.1  # or the bound would say little


@pytest.mark.parametrize("with_data", [False, True])
@pytest.mark.parametrize("name", [*ANNEALED, *MORE])
@pytest.mark.few(3)
def test_both_annealings_are_within_their_standard_errors(name, with_data, compiled):
    dbm, exact = machine("two", 3) if name == "labels" else machine(name)
    options = {"data": cases(exact) if with_data else None, "num_chains": 200, "num_temperatures": 60, "verbose": 0}
    forward, backward = (f(dbm, **options, seed=1) for f, _ in BOTH.values())
    assert (forward.kind, backward.kind) == ("lower bound", "upper bound")
    for found in (forward, backward):
        assert_close(found, exact.log_z)
        assert found.log_weights.std() > 0.001
        assert found.effective_sample_size > 100


class Path:
    """Enumerated chains along a schedule of inverse temperatures, of the side that annealing moves.

    Args:
        base: biases of both sides at `beta = 0`.
    """

    def __init__(self, dbm: DBM, exact: ExactDBM, exchanged: bool, base: list[np.ndarray], betas: list[float]) -> None:
        number = len(exact.states)
        sides = [list(range(first, number, 2)) for first in (int(exchanged), 1 - int(exchanged))]
        order = [i for side in sides for i in side]
        sizes = [np.prod([len(exact.states[i]) for i in side]) for side in sides]

        def table(log_weights: np.ndarray) -> np.ndarray:
            full = np.broadcast_to(log_weights, [len(x) for x in exact.states])
            return np.transpose(full, order).reshape(sizes)

        measure, start = 0.0, 0.0
        for i, (states, log_measure) in enumerate(zip(exact.states, exact.log_measures, strict=True)):
            side = sides.index(next(s for s in sides if i in s))
            begin = sum(exact.states[j].shape[1] for j in sides[side] if j < i)
            own = states @ base[side][begin : begin + states.shape[1]]
            measure, start = measure + exact.on_axis(log_measure, i), start + exact.on_axis(own, i)
        measure, start, model = table(measure), table(start), table(np.asarray(exact.log_weights))
        self.stages = [measure + (1 - beta) * start + beta * (model - measure) for beta in betas]

    def mean(self, direction: int, start: np.ndarray | None = None) -> float:
        """The expected log weight, forward (1) or in reverse (-1), of chains that start from probabilities `start`."""
        stages = self.stages[::direction]
        p = marginal(stages[0]) if start is None else start
        total = logsumexp(self.stages[0])
        for now, then in itertools.pairwise(stages):
            total += direction * p @ (logsumexp(then, 1) - logsumexp(now, 1))
            p = swept(p, then)
        return total


def marginal(log_weights: np.ndarray) -> np.ndarray:
    log_p = logsumexp(log_weights, 1)
    return np.exp(log_p - logsumexp(log_p))


def swept(p: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    """Probabilities of states after one sweep: the other side given these, and these given it."""
    up, down = (np.exp(log_weights - logsumexp(log_weights, axis, keepdims=True)) for axis in (1, 0))
    return down @ (p @ up)


def seen_base(monkeypatch) -> list:
    """Where the biases at `beta = 0` will be found."""
    seen, sums = [], ais_module._log_z_base
    monkeypatch.setattr(ais_module, "_log_z_base", lambda rbm, base: seen.append(base) or sums(rbm, base))
    return seen


@pytest.mark.parametrize("with_data", [False, True])
@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("name", ["two", "two, exchanged"])
def test_log_weights_have_the_enumerated_mean(name, direction, with_data, monkeypatch):
    """Every step of the chain, its temperature, its base on both sides: with so few steps each shows."""
    dbm, exact = machine(name)
    exchanged, seen = STACKS[name][1], seen_base(monkeypatch)
    function, sign = BOTH[direction]
    data = np.tile(cases(exact), (50, 1)) if with_data else None
    found = function(dbm, data, num_chains=NUM, betas=SCHEDULE, seed=2, verbose=0)
    base = [x.numpy() for x in seen[0]]
    assert_means(found.log_weights, Path(dbm, exact, exchanged, base, SCHEDULE).mean(sign))
    assert_means(np.exp(sign * (found.log_weights - exact.log_z)), 1.0)
    own = [np.concatenate([np.array(group.bias) for group in dbm.groups[first::2]]) for first in (0, 1)]
    if not with_data:
        assert_rounded(base[exchanged], own[0])  # of the data's side
        assert_rounded(base[1 - exchanged], own[1] if exchanged else 0 * own[1])
    else:
        width = dbm.visible.width
        assert_rounded(base[exchanged][:width], base_bias(name, data))
        if not exchanged:
            assert_rounded(base[1], 0 * own[1])
            h2 = np.asarray(dbm._posterior(data).means[2])
            drawn = (len(data) + 1) / (1 + np.exp(-base[0][width:])) - 0.5
            assert np.all(np.abs(drawn - h2.sum(0)) < SIGMAS * np.sqrt((h2 * (1 - h2)).sum(0)))


@pytest.mark.parametrize("name", [MORE[0], "two, exchanged"])
def test_burnt_in_chains_start_in_the_data_and_give_an_estimate(name, not_enumerable, compiled):
    dbm, exact = machine(name)
    options = {"num_chains": 200, "num_temperatures": 60, "verbose": 0}
    found = likelihood.reverse_ais(dbm, cases(exact), burn_in=60, **options)
    assert found.kind == "estimate"
    assert_close(found, exact.log_z)
    with pytest.raises(ValueError, match=r"needs training data to start its chains from"):
        likelihood.reverse_ais(dbm, **options)
    with pytest.raises(ValueError, match=r"At most 2\^1 joint states can be enumerated"):
        likelihood.exact_log_partition(dbm)


@pytest.mark.parametrize("name", ["two", "two, exchanged"])
def test_burn_in_counts_sweeps_from_the_data(name, not_enumerable, monkeypatch):
    """From one case, whose hidden layers are drawn by mean field, where the chains are is enumerated."""
    kinds, exchanged = STACKS[name]
    dbm, exact = machine(name)
    data, seen = np.repeat(cases(exact, 1), NUM, 0), seen_base(monkeypatch)
    found = likelihood.reverse_ais(dbm, data, num_chains=NUM, betas=[0, 1], burn_in=1, verbose=0)
    path = Path(dbm, exact, exchanged, [x.numpy() for x in seen[0]], [0, 1])
    p = [(index(exact.states[0], data[:1])[0] == np.arange(len(exact.states[0]))).astype(float)]
    fields = {i: np.asarray(x)[0] for i, x in dbm._posterior(data[:1]).fields.items()}
    for i in range(2, len(kinds), 2):
        log_p = exact.states[i] @ fields[i] + exact.log_measures[i]
        p.append(np.exp(log_p - logsumexp(log_p)))
    start = functools.reduce(np.multiply.outer, p).ravel()  # of the data's side
    model = path.stages[-1]
    if exchanged:  # the other side is drawn given it
        start = np.exp(model - logsumexp(model, 0, keepdims=True)) @ start
    assert_means(found.log_weights, path.mean(-1, swept(start, model)))


@functools.cache
def real_on_both_sides() -> tuple[DBM, float]:
    """Real data and a real top above two binary layers, and `log Z` with the real ones summed out in closed form."""
    kinds = ("gaussian", "bernoulli", "bernoulli", "gaussian")
    dbm = random_dbm(kinds, scale=0.4)
    gamma = KINDS["gaussian"].gamma
    w, b = [np.array(x) for x in dbm.kernels], [np.array(group.bias) for group in dbm.groups]
    h = binary_states(3)

    def log_partition(field: np.ndarray) -> np.ndarray:
        return (field**2 / gamma / 2 + np.log(2 * np.pi / gamma) / 2).sum(-1)

    log_weights = (h @ b[1] + log_partition(b[0] + h @ w[0].T))[:, None] + h @ w[1] @ h.T
    return dbm, logsumexp(log_weights + h @ b[2] + log_partition(b[3] + h @ w[2]))


def test_annealing_where_neither_side_can_be_enumerated(compiled):
    dbm, log_z = real_on_both_sides()
    with pytest.raises(ValueError, match="infinitely many states on the smaller side"):
        likelihood.exact_log_partition(dbm)
    data = np.random.default_rng(0).normal(0.5, 1, (50, 2))
    options = {"num_chains": 200, "num_temperatures": 60, "verbose": 0}
    assert_close(likelihood.ais(dbm, data, **options), log_z)
    found = likelihood.reverse_ais(dbm, data, burn_in=60, **options)
    assert found.kind == "estimate"
    assert_close(found, log_z)


def test_a_seed_gives_the_same_weights_and_leaves_the_machine_alone():
    dbm, exact = machine("two, exchanged")
    before = [np.array(x) for x in dbm.weights]
    options = {"num_chains": 20, "num_temperatures": 3, "verbose": 0}
    for function, _ in BOTH.values():
        first, again, other = (function(dbm, cases(exact), **options, seed=s).log_weights for s in (3, 3, 4))
        np.testing.assert_array_equal(first, again)
        assert np.all(first != other)
    for a, b in zip(before, dbm.weights, strict=True):
        np.testing.assert_array_equal(a, b)


# --- log-likelihoods


def log_density(name: str, exact: ExactDBM, v: np.ndarray) -> np.ndarray:
    """`log p(v)`; the weight of a node of the quadrature belongs to the measure, not to the density."""
    rows = index(exact.states[0], v)
    node = exact.log_measures[0][rows] + v**2 @ KINDS["gaussian"].gamma / 2 if name == "real data" else 0.0
    return exact.log_p_of(0)[rows] - node - exact.log_z


@pytest.mark.parametrize("name", STACKS)
def test_the_likelihood_of_cases_is_the_bound_less_log_z_and_below_the_truth(name):
    dbm, exact = machine(name)
    v = cases(exact)
    found = likelihood.log_likelihood(dbm, v, num_samples=7, verbose=0)
    bound = -np.asarray(dbm.variational_free_energy(v)) - exact.log_z
    assert_rounded(found.per_case_lower, bound, 1e4)
    np.testing.assert_array_equal(found.per_case_upper, found.per_case_lower)
    assert (found.variational, found.exact) == (True, True)
    log_p = log_density(name, exact, v)
    assert (found.per_case_lower < log_p + 1e-9).all()
    assert (found.per_case_lower < log_p - 1e-6).any()


@pytest.mark.parametrize("name", STACKS)
def test_the_exact_likelihood_sums_over_all_hidden_states(name):
    """Whichever hidden layers are enumerated."""
    dbm, exact = machine(name)
    v = cases(exact)
    assert_rounded(likelihood.exact_log_likelihood(dbm, v), log_density(name, exact, v), 1e4)


@pytest.mark.parametrize("name", ["two", "three"])
def test_the_exact_likelihood_sums_over_classes_too(name):
    dbm, exact = machine(name, 3)
    v = cases(exact)
    fed = tf.data.Dataset.from_tensor_slices(v).batch(5)
    assert_rounded(likelihood.exact_log_likelihood(dbm, fed), log_density(name, exact, v), 1e4)


def test_with_labels_it_is_that_of_the_data_alone():
    """The classes are summed out by mean field too."""
    dbm, exact = machine("two", 3)
    v = cases(exact)
    found = likelihood.log_likelihood(dbm, v)
    assert_rounded(found.per_case_lower, -np.asarray(dbm.variational_free_energy(v)) - exact.log_z, 1e4)
    log_p = log_density("two", exact, v)
    assert (found.per_case_lower < log_p).all()
    assert (found.per_case_lower > log_p - 1).all()


@pytest.mark.parametrize("name", [MORE[0], "two, exchanged"])
def test_otherwise_it_lies_between_two_figures(name, not_enumerable, compiled):
    dbm, exact = machine(name)
    v = cases(exact)
    options = {"num_chains": 200, "num_temperatures": 60, "seed": 3, "verbose": 0}
    found = likelihood.log_likelihood(dbm, v, **options, burn_in=60)
    forward, backward = found.log_partition
    np.testing.assert_array_equal(forward.log_weights, likelihood.ais(dbm, v, **options).log_weights)
    again = likelihood.reverse_ais(dbm, v, **options, burn_in=60)
    np.testing.assert_array_equal(backward.log_weights, again.log_weights)
    scores = -np.asarray(dbm.variational_free_energy(v))
    assert_rounded(found.per_case_lower, scores - backward.log_z, 1e4)
    assert_rounded(found.per_case_upper, scores - forward.log_z, 1e4)
    assert_close(forward, exact.log_z)
    assert_close(backward, exact.log_z)
    assert (found.variational, found.exact) == (True, False)


# --- one hidden layer is an RBM

PAIRS = [("bernoulli", "bernoulli"), ("gaussian", "binomial"), ("discrete", "relu")]
SAMPLERS = {
    "cd": lambda: samplers.CD(2, dtype="float64"),
    "pcd": lambda: samplers.PCD(2, 6, dtype="float64"),
    "fast_pcd": lambda: samplers.FastPCD(1, 6, dtype="float64"),
    "parallel_tempering": lambda: samplers.ParallelTempering(2, 6, 3, dtype="float64"),
}


def twins(visible: str, hidden: str, sampler: str = "pcd", **kwargs) -> tuple[RBM, DBM]:
    """An RBM, and a DBM with its parameters and random key; precisions are learnt."""
    rbm = rbm_of(visible, hidden, learn=True, sampler=SAMPLERS[sampler](), **kwargs)
    made = [KINDS[name].make(learn=True, dtype="float64") for name in (visible, hidden)]
    options = {"visible": made[0], "hidden": [made[1]], "sampler": SAMPLERS[sampler](), "dtype": "float64", **kwargs}
    dbm = Shallow([rbm.units], seed=0, **options)
    dbm.build((None, rbm.visible.width))
    dbm.kernels[0].assign(rbm.w_rec)
    dbm.visible.bias.assign(rbm.visible.bias)
    dbm.hidden[0].bias.assign(rbm.hidden.bias)
    for machine in (rbm, dbm):
        machine.sampler.reset(machine.undirected())
    align(rbm, dbm)
    return rbm, dbm


def align(rbm: RBM, dbm: DBM) -> None:
    """The monitors of an RBM draw too."""
    dbm.stream.key.assign(rbm.stream.key)


def some(visible: str, number: int = 9) -> np.ndarray:
    states = layer(visible).states
    return states[np.random.default_rng(2).integers(0, len(states), number)] * (0.2 if visible == "gaussian" else 1)


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_means_energies_and_samples_are_those_of_the_rbm(visible, hidden):
    rbm, dbm = twins(visible, hidden)
    v = some(visible)
    for a, b in (
        (dbm.variational_free_energy(v), rbm.free_energy(v)),
        (dbm.encode(v), rbm.encode(v)),
        (dbm(v), rbm(v)),
        (dbm.mean_field(v)[0], rbm.mean_h_from_v(v)),
        (dbm.augment(v), v),
        (dbm.reconstruct(v), rbm.reconstruct(v)),
        (dbm.reconstruction_error(v), rbm.reconstruction_error(v)),
        (dbm.denoise(v, 3), rbm.denoise(v, 3)),
        (dbm.denoise(v, 3, "gibbs"), rbm.denoise(v, 3, "gibbs")),
        (dbm.sample(50, 4), rbm.sample(50, 4)),
        (dbm.sample(50, 4, mean=True, anneal=[0, 1]), rbm.sample(50, 4, mean=True, anneal=[0, 1])),
        (dbm.sample(v=v, num_steps=2), rbm.sample(v=v, num_steps=2)),
    ):
        assert_rounded(a, b)
    np.testing.assert_array_equal(dbm._posterior(v).residual, np.zeros(len(v)))


def test_units_are_held_as_in_the_rbm():
    rbm, dbm = twins("bernoulli", "bernoulli")
    values = np.array([1.0, np.nan, np.nan])
    options = {"num_samples": 40, "num_steps": 5, "clamp": "observed", "values": values}
    np.testing.assert_array_equal(dbm.sample(**options), rbm.sample(**options))


def learning() -> list:
    """All pairs with all samplers and options; those in which a kind, sampler or option is new are not slow."""
    options = [{}, {"centered": False}, {"offset_rate": 1.0}]
    found = []
    for (i, pair), (j, sampler), (k, option) in itertools.product(*map(enumerate, (PAIRS, SAMPLERS, options))):
        quick = k == (i + j) % 3 or (k == 0 and i == j % 3)
        name = "-".join([*pair, sampler, *(f"{key}={value}" for key, value in option.items())])
        found.append(pytest.param(*pair, sampler, option, id=name, marks=() if quick else pytest.mark.slow))
    return found


@pytest.mark.parametrize(("visible", "hidden", "sampler", "options"), learning())
@pytest.mark.few(4)
def test_it_learns_as_the_rbm(visible, hidden, sampler, options):
    """Three weighted steps: parameters, precisions, offsets, the sampler's state and logs."""
    rbm, dbm = twins(visible, hidden, sampler, **options)
    weights = np.array([1.0, 0, 2, 0.5, 1, 1, 3, 1, 1])
    for machine in (rbm, dbm):
        machine.compile(keras.optimizers.SGD(0.1, momentum=0.5), run_eagerly=True)
    for _ in range(3):
        align(rbm, dbm)
        logs, own = (m.train_on_batch(some(visible), sample_weight=weights, return_dict=True) for m in (rbm, dbm))
        assert own.pop("mean_field_residual") == 0
        for name, value in own.items():
            np.testing.assert_allclose(value, logs[name], rtol=1e-6, err_msg=name)
    assert_same_parameters(rbm, dbm)


def assert_same_parameters(rbm: RBM, dbm: DBM) -> None:
    biases = (dbm.visible.bias, rbm.visible.bias), (dbm.hidden[0].bias, rbm.hidden.bias)
    for a, b in ((dbm.kernels[0], rbm.w_rec), *biases):
        assert_rounded(a, b)
    for a, b in zip(dbm.groups, (rbm.visible, rbm.hidden), strict=True):
        for own, other in zip(a.other_parameters, b.other_parameters, strict=True):
            assert_rounded(own, other)
    if rbm.centered:
        for a, b in zip(
            [*dbm.offsets, dbm.offset_age], (rbm.visible_offset, rbm.hidden_offset, rbm.offset_age), strict=True
        ):
            assert_rounded(a, b)
    for a, b in zip(dbm.sampler.weights, rbm.sampler.weights, strict=True):
        assert_rounded(a, b)


def test_it_is_penalised_and_bounded_as_the_rbm():
    def options() -> dict:
        return {
            "kernel_regularizer": keras.regularizers.L2(0.1),
            "kernel_constraint": keras.constraints.MaxNorm(0.5),
            "activity_regularizer": regularizers.Sparsity(0.1, 2.0),
        }

    rbm = rbm_of("bernoulli", "bernoulli", sampler=SAMPLERS["pcd"](), **options())
    dbm = random_dbm(("bernoulli", "bernoulli"), cls=Shallow, sampler=SAMPLERS["pcd"](), **options())
    for variable, value in zip([*dbm.kernels, *(g.bias for g in dbm.groups)], rbm.trainable_variables, strict=True):
        variable.assign(value)
    for machine in (rbm, dbm):
        machine.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    for _ in range(2):
        align(rbm, dbm)
        for machine in (rbm, dbm):
            machine.train_on_batch(some("bernoulli"))
    assert_same_parameters(rbm, dbm)


@pytest.mark.parametrize(("visible", "hidden"), [("bernoulli", "bernoulli"), ("discrete", "relu")])
@pytest.mark.few(1)
def test_its_figures_are_those_of_the_rbm(visible, hidden, monkeypatch):
    """The annealings start alike and draw alike, where the RBM has no more hidden units than visible ones."""
    rbm, dbm = twins(visible, hidden)
    v = some(visible)
    assert_rounded(likelihood.exact_log_partition(dbm), likelihood.exact_log_partition(rbm))
    options = {"num_chains": 15, "num_temperatures": 3, "verbose": 0}
    for function, data in itertools.product((likelihood.ais, likelihood.reverse_ais), (None, v)):
        assert_rounded(function(dbm, data, **options).log_weights, function(rbm, data, **options).log_weights)
    for function in (likelihood.exact_log_likelihood, lambda x, v: likelihood.log_likelihood(x, v).per_case_lower):
        assert_rounded(function(dbm, v), function(rbm, v))
    monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)
    found, expected = (likelihood.log_likelihood(x, v, **options, burn_in=5).per_case_lower for x in (dbm, rbm))
    assert_rounded(found, expected)


def labelled_twins(sampler: str = "pcd", **kwargs) -> tuple[ClassificationRBM, DBM]:
    """The label units, beside the others in the one, are above the hidden layer in the other."""
    options = {"dtype": "float64", "seed": 0, **kwargs}
    rbm = ClassificationRBM(4, 3, objective="joint", sampler=SAMPLERS[sampler](), **options)
    dbm = Shallow([4], num_classes=3, sampler=SAMPLERS[sampler](), **options)
    rng = np.random.default_rng(4)
    w, b, c = rng.normal(0, 1.5, (8, 4)), rng.normal(0, 0.3, 8), rng.normal(size=4)
    for machine in (rbm, dbm):
        machine.build((None, 5))
    joint = rbm.undirected()
    for variable, value in ((joint.w_rec, w), (joint.visible.bias, b), (joint.hidden.bias, c)):
        variable.assign(value)
    values = [w[:5], w[5:].T, b[:5], c, b[5:]]
    for variable, value in zip([*dbm.kernels, *(group.bias for group in dbm.groups)], values, strict=True):
        variable.assign(value)
    for machine in (rbm, dbm):
        machine.sampler.reset(machine.undirected())
    align(rbm.undirected(), dbm)
    return rbm, dbm


def test_with_labels_it_classifies_and_dreams_as_a_classification_rbm():
    rbm, dbm = labelled_twins()
    v = binary_states(5)
    assert_rounded(dbm.class_log_probs(v), rbm.class_log_probs(v))
    np.testing.assert_array_equal(dbm.classify(v), rbm.classify(v))
    assert len(set(dbm.classify(v))) == 3
    assert_rounded(likelihood.exact_log_partition(dbm), likelihood.exact_log_partition(rbm))
    np.testing.assert_array_equal(dbm.sample(y=[0, 1, 2], num_steps=9), rbm.sample(y=[0, 1, 2], num_steps=9))
    np.testing.assert_array_equal(dbm.sample(20, 9), rbm.sample(20, 9))
    # Mean field of hidden units and labels, against their exact sum.
    lower, truth = (likelihood.log_likelihood(x, v).per_case_lower for x in (dbm, rbm))
    assert np.all(lower < truth + 1e-9)
    assert np.all(lower > truth - 0.5)
    assert_rounded(likelihood.exact_log_likelihood(dbm, v), truth)


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.few(4)
def test_with_labels_it_learns_as_a_classification_rbm(sampler, centring):
    rbm, dbm = labelled_twins(sampler, centered=centring)
    v, y = binary_states(5)[::3], np.arange(11) * 5 % 3
    for machine in (rbm, dbm):
        machine.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    for _ in range(2):
        align(rbm.undirected(), dbm)
        for machine in (rbm, dbm):
            machine.train_on_batch(v, y, sample_weight=np.arange(11.0))
    joint = rbm.undirected()
    w, b = np.array(joint.w_rec), np.array(joint.visible.bias)
    values = [w[:5], w[5:].T, b[:5], np.array(joint.hidden.bias), b[5:]]
    for variable, value in zip([*dbm.kernels, *(group.bias for group in dbm.groups)], values, strict=True):
        assert_rounded(variable, value)
    for a, b in zip(dbm.sampler.weights, joint.sampler.weights, strict=True):
        assert_rounded(a, b)


@pytest.mark.parametrize("mean_field", [False, True])
@pytest.mark.parametrize("num_classes", [None, 3])
def test_its_classifier_is_that_of_an_rbm(num_classes, mean_field):
    rbm = RBM(4, seed=0) if num_classes is None else ClassificationRBM(4, num_classes, seed=0)
    dbm = Shallow([4], num_classes=num_classes, seed=0)
    rng = np.random.default_rng(4)
    for machine in (rbm, dbm):
        machine.build((None, 5))
    for variable in rbm.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    w = np.array(rbm.undirected().w_rec)
    for kernel, value in zip(dbm.kernels, [w[:5], w[5:].T], strict=False):
        kernel.assign(value)
    dbm.hidden[0].bias.assign(rbm.undirected().hidden.bias)
    v = binary_states(5).astype("float32")
    nets = rbm.classifier(7), dbm.classifier(7, mean_field=mean_field)
    for a, b in zip(*(net.weights for net in nets), strict=True):
        assert_rounded(a, b, 10)
    x = dbm.augment(v) if mean_field else v
    assert_rounded(nets[1](x), nets[0](v), 50)


def test_one_layer_or_two_differ():
    """What is shown above is not so of two hidden layers."""
    dbm, exact = machine("two")
    v = tf.constant(cases(exact))
    rbm = rbm_of("bernoulli", "bernoulli")
    rbm.w_rec.assign(dbm.kernels[0])
    rbm.hidden.bias.assign(dbm.hidden[0].bias)
    assert np.abs(rbm.encode(v) - dbm.mean_field(v)[0]).max() > 0.01
