"""Every kind of unit with every other: RBMs against brute force, and everything that there is works with every kind."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, RBM, likelihood, samplers, units
from keras_rbm.samplers import sweep
from tests.oracles.kinds import (
    HALF_LINE,
    KINDS,
    LINE,
    PAIRS,
    REAL,
    TWO_SIDED,
    index,
    joint,
    listed,
    log_counts,
    log_partition,
    log_sum_exp,
    moments,
    two_sided,
)
from tests.oracles.machines import Fixed, centered, rbm_of
from tests.oracles.rbm import Exact, Parameters
from tests.support.modes import uncompiled
from tests.support.saving import assert_same_state, through_disk
from tests.support.statistics import SIGMAS, assert_frequencies, assert_moments, assert_rounded
from tests.support.steps import contrastive_gradients

NUM = 20000
#: Each kind once on either side.
SOME = list(
    zip(
        KINDS,
        ["drelu", "mixed", "binomial", "optional", "relu", "gaussian", "spin", "bernoulli", "softmax", "discrete"],
        strict=True,
    )
)
EAGER = {"run_eagerly": True}

#: Some of them, and the others where there is time: a side's answers depend on the other one's field alone.
every_pair = pytest.mark.parametrize(
    ("visible", "hidden"),
    [pytest.param(*pair, marks=[] if pair in SOME else pytest.mark.slow, id="-".join(pair)) for pair in PAIRS],
)
some_pairs = pytest.mark.parametrize(("visible", "hidden"), SOME, ids=["-".join(pair) for pair in SOME])


@functools.cache
def data_of(kind: str, number: int = 40) -> np.ndarray:
    """States of units of a kind without field."""
    _, sites, gamma = KINDS[kind]
    alone = Parameters(np.zeros((len(gamma), 1)), 0 * gamma, np.zeros(1), gamma, np.zeros(1))
    return Exact(alone, sites=(sites, [listed(0)])).draw(number)


def assert_drawn(x, sites, states, p, mean, covariance) -> None:
    """Discrete units by the frequencies of all their states, others by two moments."""
    if any(site.real for site in sites):
        assert_moments(x, mean, covariance)
    else:
        assert_frequencies(index(states, x), p)


def assert_distributed(v, reference: Exact) -> None:
    assert_drawn(v, reference.visible, reference.v, reference.p_v, *reference.moments())


def assert_conditional(x, sites, field, gamma) -> None:
    """Rows of `x` are units in one field, `(1, units)`."""
    states, log_measure = joint(sites)
    log_weights = log_measure + states @ field[0] - states**2 @ gamma / 2
    (mean,), (covariance,) = moments(sites, field, gamma)
    assert_drawn(x, sites, states, np.exp(log_weights - log_sum_exp(log_weights)), mean, covariance)


# --- against brute force


@every_pair
def test_energies_and_conditional_means(visible, hidden):
    rbm = rbm_of(visible, hidden)
    reference, v, h = Exact.of(rbm, visible, hidden), data_of(visible), data_of(hidden)
    w, b, c, gamma_v, gamma_h = reference.parameters
    energy = v**2 @ gamma_v / 2 - v @ b + h**2 @ gamma_h / 2 - h @ c - np.sum(v @ w * h, 1)
    assert_rounded(rbm.energy(v, h), energy - log_counts(reference.visible, v) - log_counts(reference.hidden, h))
    assert_rounded(rbm.free_energy(v), reference.free_energy(v))
    assert_rounded(likelihood.exact_log_partition(rbm), reference.log_z)
    for beta in (1.0, 0.4):
        at_beta = Exact.of(rbm, visible, hidden, beta)
        mean_h = moments(at_beta.hidden, at_beta.hidden_field(v), gamma_h)[0]
        mean_v = moments(at_beta.visible, at_beta.visible_field(h), gamma_v)[0]
        assert_rounded(rbm.mean_h_from_v(v, beta), mean_h)
        assert_rounded(rbm.mean_v_from_h(h, beta), mean_v)


@every_pair
def test_draws_given_the_other_side_and_draws_of_the_model(visible, hidden):
    rbm = rbm_of(visible, hidden)
    reference, v, h = Exact.of(rbm, visible, hidden), data_of(visible)[:1], data_of(hidden)[:1]
    drawn_h, drawn_v = rbm.sample_h_from_v(np.repeat(v, NUM, 0)), rbm.sample_v_from_h(np.repeat(h, NUM, 0))
    assert_conditional(drawn_h, reference.hidden, reference.hidden_field(v), reference.parameters.gamma_h)
    assert_conditional(drawn_v, reference.visible, reference.visible_field(h), reference.parameters.gamma_v)
    assert_distributed(likelihood.exact.exact_draws(rbm, NUM, seed=2), reference)


@pytest.mark.parametrize("beta", [1.0, 0.5])
@every_pair
def test_a_sweep_leaves_exact_draws_as_they_are(visible, hidden, beta):
    """At a temperature, with a base bias; and no case stays where it is."""
    rbm = rbm_of(visible, hidden)
    base_bias = np.linspace(-1, 1, rbm.visible.width)
    reference = Exact.of(rbm, visible, hidden, beta, base_bias)
    before = reference.draw(NUM)
    after = sweep(rbm, tf.constant(before), beta, base_bias)
    assert_distributed(after, reference)
    assert np.any(after != before, 1).mean() > 0.1


@every_pair
@pytest.mark.few(4)
def test_ais_both_ways(visible, hidden):
    rbm = uncompiled(rbm_of(visible, hidden))
    assert_annealed(rbm, Exact.of(rbm, visible, hidden).log_z, data_of(visible))


def assert_annealed(rbm: RBM, log_z: float, data=None, estimate: str = "upper bound") -> None:
    options = {"num_chains": 300, "num_temperatures": 150, "verbose": 0}
    forward, backward = likelihood.ais(rbm, data, **options), likelihood.reverse_ais(rbm, data, **options, burn_in=100)
    assert (forward.kind, backward.kind) == ("lower bound", estimate)
    for found in (forward, backward):
        assert found.standard_error < 0.03  # or the bound would say little
        assert abs(found.log_z - log_z) < SIGMAS * found.standard_error


#: Widths of its parts, all kinds; their reference.
EVERYTHING = [(name, KINDS[name].width) for name in KINDS if name not in ("discrete", "mixed")]


def everything_rbm(learn: bool = False, **kwargs) -> RBM:
    parts = [(KINDS[name].make(learn=learn), width) for name, width in EVERYTHING]
    rbm = RBM(3, visible=units.Mixed(parts), hidden="spin", seed=0, **kwargs)
    rbm.build((None, sum(width for _, width in EVERYTHING)))
    rng = np.random.default_rng(1)
    for variable in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias):
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return rbm


def everything_log_z(rbm: RBM) -> float:
    sites = [site for name, _ in EVERYTHING for site in KINDS[name].sites]
    gamma = np.concatenate([KINDS[name].gamma for name, _ in EVERYTHING])
    weights = [np.asarray(x, "float64") for x in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias)]
    h, _ = joint([listed(-1, 1)] * 3)
    return log_sum_exp(h @ weights[2] + log_partition(sites, weights[1] + h @ weights[0].T, gamma))


@pytest.mark.slow
def test_all_kinds_side_by_side_compiled():
    """In float32, by XLA."""
    rbm, data = everything_rbm(), np.concatenate([data_of(name) for name, _ in EVERYTHING], 1)
    log_z = everything_log_z(rbm)
    np.testing.assert_allclose(likelihood.exact_log_partition(rbm), log_z, rtol=1e-6)  # of a float32 precision
    assert_annealed(rbm, log_z, data)


# --- gradients


def complex_gradient(score, p: Parameters) -> list[np.ndarray]:
    """Derivatives of `score(p)` in W, b, c and the logarithms of both sides' precisions, by complex steps: exact."""
    step = 1e-30
    log_gammas = [np.log(np.where(gamma > 0, gamma, 1)) for gamma in p[3:]]

    def at(values: list[np.ndarray]) -> complex:
        gammas = [np.where(g > 0, np.exp(x), 0) for g, x in zip(p[3:], values[3:], strict=True)]
        return score(Parameters(*values[:3], *gammas))

    found = []
    for i, x in enumerate(values := [*p[:3], *log_gammas]):
        gradient = np.zeros(x.shape)
        for place in np.ndindex(x.shape):
            moved = x.astype(complex)
            moved[place] += 1j * step
            gradient[place] = at([*values[:i], moved, *values[i + 1 :]]).imag / step
        found.append(gradient)
    return found


def two_sided_gradient(score) -> list[np.ndarray]:
    """Derivatives of `score(sites)` in the logarithms of both precisions of `TWO_SIDED` and in the thresholds."""
    step, values = 1e-30, np.array(TWO_SIDED)
    values[:2] = np.log(values[:2])
    gradient = np.zeros(values.shape)
    for place in np.ndindex(values.shape):
        moved = values.astype(complex)
        moved[place] += 1j * step
        sites = [two_sided(np.exp(gamma), np.exp(negative), threshold) for gamma, negative, threshold in moved.T]
        gradient[place] = score(sites).imag / step
    return list(gradient)


def learnt(gradient: np.ndarray, gamma: np.ndarray) -> list[np.ndarray]:
    """What of a gradient in log-precisions belongs to real units."""
    return [gradient[gamma > 0]] if gamma.any() else []


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
@pytest.mark.parametrize(("visible", "hidden"), [*SOME, *[(h, v) for v, h in SOME if v in REAL]])
def test_contrast_with_exact_samples_is_the_gradient_of_the_likelihood(visible, hidden, centring):
    """In the logarithm of learnt precisions too. The samples are all states, or all nodes, with their probabilities."""
    rbm = rbm_of(visible, hidden, learn=True, centered=centring, offset_rate=1.0)
    reference, v = Exact.of(rbm, visible, hidden), data_of(visible, 7)
    samples = samplers.Samples(tf.constant(reference.v), tf.constant(reference.p_v))
    lesson = contrastive_gradients(rbm, tf.constant(v), tf.ones(7, "float64"), samples)

    def loss(p: Parameters, sites: tuple = (reference.visible, reference.hidden)) -> complex:
        moved = Exact(p, sites=sites)
        return moved.free_energy(v).mean() + moved.log_z

    *plain, gamma_v, gamma_h = complex_gradient(loss, reference.parameters)
    if centring:
        mean_h = moments(reference.hidden, reference.hidden_field(v), reference.parameters.gamma_h)[0]
        plain = centered(plain, v.mean(0), mean_h.mean(0))
    expected = [*plain, *learnt(gamma_v, reference.parameters.gamma_v), *learnt(gamma_h, reference.parameters.gamma_h)]
    if "drelu" in (visible, hidden):
        expected += two_sided_gradient(
            lambda own: loss(
                reference.parameters, (own, reference.hidden) if visible == "drelu" else (reference.visible, own)
            )
        )
    assert len(lesson.gradients) == len(expected)
    for (variable, actual), gradient in zip(lesson.gradients, expected, strict=True):
        assert variable.shape == gradient.shape
        assert_rounded(actual, gradient, 5000)  # sums over thousands of nodes


@pytest.mark.parametrize("strength", [1.0, 50.0, 1e6])
@pytest.mark.parametrize("kind", REAL)
@pytest.mark.few(4)
def test_precisions_stay_positive_whatever_is_learnt(kind, strength):
    """Gradients, and so steps of this learning rate, of the order of `strength` and more, downwards and upwards."""
    for sign in (1, -1):
        rbm = rbm_of(kind, "bernoulli", learn=True, dtype="float32", sampler=Fixed(data_of(kind)[:1]))
        log_precisions = [x for x in rbm.visible.other_parameters if "precision" in x.name]
        before = [np.array(x) for x in log_precisions]
        rbm.compile(keras.optimizers.SGD(sign * strength), **EAGER)
        rbm.fit(10 * data_of("relu")[:8, :1] * np.ones(2) if kind == "relu" else data_of(kind)[:8], verbose=0)
        assert len(before) == (2 if kind == "drelu" else 1)
        for log_precision, old in zip(log_precisions, before, strict=True):
            assert np.any(log_precision != old)
            precision = np.exp(np.array(log_precision))
            assert np.all(precision > 0)
            assert np.all(np.isfinite(precision))


# --- real units on both sides

#: One real unit, or one beside a binary one: what makes it, sites, precisions.
ONES = {
    "gaussian": (lambda: units.Gaussian(1.5, dtype="float64"), [LINE], [1.5]),
    "relu": (lambda: units.ReLU(1.5, dtype="float64"), [HALF_LINE], [1.5]),
    "mixed": (
        lambda: units.Mixed([(units.Gaussian(1.5, dtype="float64"), 1), ("spin", 1)], dtype="float64"),
        [LINE, listed(-1, 1)],
        [1.5, 0.0],
    ),
}
#: Each of them once on either side, and the only pair whose partition function is known in closed form.
SOME_ONES = [("gaussian", "gaussian"), ("gaussian", "relu"), ("relu", "mixed"), ("mixed", "gaussian")]
both_real = pytest.mark.parametrize(("visible", "hidden"), list(itertools.product(ONES, ONES)))


def real_rbm(visible: str, hidden: str, weight: float) -> tuple[RBM, Exact]:
    """An RBM with a weight between two real units, and its reference on a grid in the plane."""
    (make_v, v_sites, gamma_v), (make_h, h_sites, gamma_h) = ONES[visible], ONES[hidden]
    options = {"kernel_constraint": "max_norm", "dtype": "float64", "seed": 0}
    rbm = RBM(len(gamma_h), visible=make_v(), hidden=make_h(), **options)
    rbm.build((None, len(gamma_v)))
    w = np.array([[weight, 0.4], [-0.3, 0.2]])[: len(gamma_v), : len(gamma_h)]
    b, c = np.array([0.3, -0.5])[: len(gamma_v)], np.array([-0.4, 0.2])[: len(gamma_h)]
    for variable, value in ((rbm.w_rec, w), (rbm.visible.bias, b), (rbm.hidden.bias, c)):
        variable.assign(value)
    return rbm, Exact(Parameters(w, b, c, np.array(gamma_v), np.array(gamma_h)), sites=(v_sites, h_sites))


@both_real
def test_real_units_on_both_sides_need_bounded_weights(visible, hidden):
    (make_v, *_), (make_h, *_) = ONES[visible], ONES[hidden]
    names = [type(make()).__name__ for make in (make_v, make_h)]
    message = f"{names[0]} visible and {names[1]} hidden units have no partition function.*kernel_constraint"
    with pytest.raises(ValueError, match=message):
        RBM(1, visible=make_v(), hidden=make_h())


@pytest.mark.parametrize(
    ("visible", "hidden"),
    [
        pytest.param(*pair, marks=[] if pair in SOME_ONES else pytest.mark.slow)
        for pair in itertools.product(ONES, ONES)
    ],
)
def test_real_units_on_both_sides_with_small_weights(visible, hidden):
    rbm, reference = real_rbm(visible, hidden, 0.6)
    uncompiled(rbm)
    v = reference.draw(NUM)
    assert_rounded(rbm.free_energy(v[:50]), reference.free_energy(v[:50]))
    assert_distributed(sweep(rbm, tf.constant(v)), reference)
    if (visible, hidden) == ("gaussian", "gaussian"):
        assert_rounded(likelihood.exact_log_partition(rbm), reference.log_z)
        return
    with pytest.raises(ValueError, match="infinitely many states"):
        likelihood.exact_log_partition(rbm)
    with pytest.raises(ValueError, match="reverse AIS needs training data"):
        likelihood.reverse_ais(rbm)
    assert_annealed(rbm, reference.log_z, v[:300], "estimate")


@both_real
@pytest.mark.parametrize("weight", [1.51, -1.51])
@pytest.mark.few(9)
def test_large_weights_between_real_units_leave_no_partition_function(visible, hidden, weight):
    """Unless they are negative, and none of the units is."""
    rbm, reference = real_rbm(visible, hidden, weight)
    uncompiled(rbm)
    if weight < 0 and (visible, hidden) == ("relu", "relu"):
        assert_annealed(rbm, reference.log_z, np.abs(reference.draw(300)), "estimate")
        return
    for ask in (likelihood.ais, likelihood.reverse_ais):
        with pytest.raises(ValueError, match=r"diverges.*positive definite\. Received: a smallest eigenvalue of -"):
            ask(rbm, reference.v[:5])


# --- samplers

BETAS = (0.3, 0.6, 1.0)
SAMPLERS = {
    "cd": lambda number, **o: samplers.CD(**o),
    "pcd": lambda number, **o: samplers.PCD(num_chains=number, **o),
    "fast_pcd": lambda number, **o: samplers.FastPCD(num_chains=number, **o),
    "tempering": lambda number, **o: samplers.ParallelTempering(num_chains=number, betas=BETAS, **o),
}
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS)


@every_sampler
@some_pairs
@pytest.mark.few(16)
def test_samplers_leave_exact_draws_as_they_are(visible, hidden, sampler):
    """Tempering at each of its temperatures, swaps and all."""
    rbm = rbm_of(visible, hidden, sampler=SAMPLERS[sampler](NUM, dtype="float64"))
    base_bias = np.linspace(-1.5, 1.5, rbm.visible.width)
    stages = [Exact.of(rbm, visible, hidden, beta, base_bias) for beta in BETAS]
    stages = stages if sampler == "tempering" else stages[-1:]
    before = np.concatenate([stage.draw(NUM, seed) for seed, stage in enumerate(stages)])
    if sampler != "cd":
        rbm.sampler.chains.assign(before)
    if sampler == "tempering":
        rbm.sampler.base_bias.assign(base_bias)
    samples = rbm.sampler.negative_phase(rbm, tf.constant(before), tf.ones(NUM, "float64"))
    after = samples.state.get("chains", samples.v)
    for v, stage in zip(np.split(np.array(after), len(stages)), stages, strict=True):
        assert_distributed(v, stage)


@every_sampler
@some_pairs
@pytest.mark.few(16)
def test_a_training_step(visible, hidden, sampler):
    rbm = rbm_of(visible, hidden, learn=True, dtype="float32", sampler=SAMPLERS[sampler](10))
    x, before = data_of(visible), [np.array(x) for x in rbm.trainable_variables]
    rbm.compile(keras.optimizers.SGD(0.01), **EAGER)
    logs = rbm.train_on_batch(x, return_dict=True)
    assert np.all(np.isfinite(list(logs.values())))
    assert ("pseudo_log_likelihood" in logs) == (visible in ("bernoulli", "spin"))
    for old, new in zip(before, rbm.trainable_variables, strict=True):
        assert np.all(np.isfinite(new))
        assert np.any(new != old)
    samples = rbm.sampler.negative_phase(rbm, rbm._as_states(x), tf.ones(len(x))).v
    assert np.all(rbm.visible.in_domain(samples))
    assert np.all(rbm.visible.are_states(samples))


@pytest.mark.slow
def test_a_compiled_training_step_of_all_kinds_side_by_side():
    rbm = everything_rbm(learn=True, sampler=SAMPLERS["tempering"](10))
    x = np.concatenate([data_of(name) for name, _ in EVERYTHING], 1)
    rbm.compile(keras.optimizers.SGD(0.01), steps_per_execution=1)
    before = [np.array(x) for x in rbm.trainable_variables]
    assert np.all(np.isfinite(list(rbm.train_on_batch(x, return_dict=True).values())))
    assert len(before) == 8
    for old, new in zip(before, rbm.trainable_variables, strict=True):
        assert np.any(new != old)
    assert np.all(rbm.visible.are_states(rbm.sampler.chains))


# --- likelihoods


@some_pairs
def test_log_likelihood_is_exact(visible, hidden):
    rbm, v = rbm_of(visible, hidden), data_of(visible)
    reference = Exact.of(rbm, visible, hidden)
    found = likelihood.log_likelihood(rbm, v)
    assert found.exact
    assert_rounded(found.per_case_lower, -reference.free_energy(v) - reference.log_z)


@pytest.mark.parametrize("hidden", KINDS)
@pytest.mark.parametrize("exact", [False, True])
def test_pseudo_likelihood_of_spins(hidden, exact):
    """`log p(v_i | others)` from the free energies of a state and of the one with the unit flipped."""
    rbm, (v, _) = rbm_of("spin", hidden), joint(KINDS["spin"].sites)
    reference = Exact.of(rbm, "spin", hidden)
    flipped = v[:, None] * (1 - 2 * np.eye(3))
    each = -np.logaddexp(0, reference.free_energy(v)[:, None] - [reference.free_energy(x) for x in flipped])
    if exact:
        score = functools.partial(likelihood.pseudo.all_sites, rbm)
        assert_rounded(score(tf.constant(v)), each.sum(1))
        return
    found = np.array([likelihood.pseudo_log_likelihood(rbm, v, seed=seed) for seed in range(5)])
    distance = np.abs(found[..., None] - 3 * each)
    assert distance.min(-1).max() < 1e-12
    assert len(set(distance.argmin(-1).ravel())) == 3


@pytest.mark.parametrize(
    ("visible", "value"), [("bernoulli", 0.3), ("binomial", 1.3), ("softmax", 0.3), ("mixed", 0.3)]
)
def test_means_have_no_likelihood(visible, value):
    rbm, v = rbm_of(visible, "bernoulli"), data_of(visible)[:4].copy()
    v[2, :3] = (value, 1 - value, 0) if visible == "softmax" else (value, *v[2, 1:3])
    assert np.all(rbm.visible.in_domain(tf.constant(v)))
    with pytest.raises(
        ValueError, match=r"Likelihoods are those of states\. Received: a grey level or another mean, in row 2"
    ):
        likelihood.log_likelihood(rbm, v)


# --- leaving


def adapted(visible: str, hidden: str) -> RBM:
    rbm = rbm_of(visible, hidden, learn=True, dtype="float32")
    rbm.adapt(data_of(visible))
    return rbm


@some_pairs
@pytest.mark.few(4)
def test_saved_machines_come_back(visible, hidden, tmp_path):
    rbm, v = adapted(visible, hidden), data_of(visible)
    rbm.compile(keras.optimizers.SGD(0.01), **EAGER)
    rbm.train_on_batch(v)
    again = through_disk(rbm, tmp_path)
    assert_same_state(rbm, again)
    np.testing.assert_array_equal(again.free_energy(v), rbm.free_energy(v))
    for machine in (rbm, again):
        machine.train_on_batch(v)
    assert_same_state(rbm, again)
    copy = RBM.from_config(rbm.get_config())
    copy.build((None, v.shape[1]))
    assert copy.visible.kind == rbm.visible.kind
    assert [w.shape for w in copy.weights] == [w.shape for w in rbm.weights]


@pytest.mark.parametrize(
    ("visible", "hidden"), [("mixed", "discrete"), ("discrete", "mixed"), ("bernoulli", "relu"), ("relu", "binomial")]
)
@pytest.mark.few(1)
def test_exported_machines_answer_the_same(visible, hidden, tmp_path):
    rbm, v = adapted(visible, hidden), data_of(visible).astype("float32")
    rbm.export(tmp_path / "model")
    exported = tf.saved_model.load(tmp_path / "model")
    for name in ("encode", "reconstruct", "free_energy"):
        assert_rounded(getattr(exported, name)(tf.constant(v)), getattr(rbm, name)(v), 100)
    drawn = exported.sample(tf.constant(20), tf.constant(2))
    assert np.all(rbm.visible.are_states(drawn))


# --- stacks


@pytest.mark.parametrize("hidden", ["bernoulli", "spin", "softmax", "binomial", "discrete"])
def test_classifiers_compute_what_the_stack_does(hidden, tmp_path):
    dbn = DBN([KINDS[hidden].width] * 2, visible="gaussian", hidden=KINDS[hidden].make(), seed=0)
    dbn.build((None, 4))
    rng = np.random.default_rng(0)
    for variable in dbn.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    net, v = dbn.classifier(3, dropout=0.2), rng.normal(size=(6, 4)).astype("float32")
    assert_rounded(keras.Sequential(net.layers[:-1])(v), dbn.encode(v))
    loaded = through_disk(net, tmp_path)
    np.testing.assert_array_equal(loaded(v), net(v))
    inside = [layer for layer in net._flatten_layers() if type(layer).__module__.startswith("keras_rbm")]
    assert not inside


@pytest.mark.parametrize(
    ("visible", "hidden"),
    list(zip(KINDS, [*2 * ["bernoulli", "spin", "softmax", "binomial"], "optional", "bernoulli"], strict=True)),
)
@pytest.mark.few(2)
def test_stacks_of_every_kind_learn(visible, hidden):
    """Layer by layer, then by wake and sleep."""
    x = data_of(visible)
    visible_units = KINDS[visible].make(learn=True)
    dbn = DBN([KINDS[hidden].width] * 2, visible=visible_units, hidden=KINDS[hidden].make(), sampler="pcd", seed=0)
    dbn.adapt(x)
    before = [np.array(w) for w in dbn.trainable_variables]
    for history in dbn.pretrain(x, epochs=1, batch_size=20, verbose=0, **EAGER):
        assert np.all(np.isfinite(history.history["loss"]))
    dbn.compile(keras.optimizers.SGD(0.01), **EAGER)
    assert np.all(np.isfinite(dbn.fit(x, batch_size=20, verbose=0).history["loss"]))
    for old, new in zip(before, dbn.trainable_variables, strict=True):
        assert np.all(np.isfinite(new))
        assert np.any(new != old), new.path
    assert np.all(dbn.visible.are_states(dbn.sample(10, num_steps=2)))
    assert dbn.encode(x).shape == (len(x), KINDS[hidden].width)


# --- bad input

#: A kind, what to put in the columns from the left on, and what is said.
BAD = {
    "bernoulli": ("bernoulli", [1.5], r"Bernoulli units need values in \[0, 1\]\. Received: .*max=1.5"),
    "zero as a spin": ("spin", [0, 1, 1], r"Spin units need values -1 or 1\. Received: min=0, max=1\. .*2 \* x - 1"),
    "half a spin": ("spin", [0.5, 0.5, 0.5], r"Spin units need values -1 or 1\. Received: min=0.5, max=0.5"),
    "two of a group": (
        "softmax",
        [1, 1, 0],
        r"sum to 1 over each 3 columns\. Received: a group that sums to 2\. One-hot",
    ),
    "none of a group": ("softmax", [0, 0, 0], r"sum to 1 over each 3 columns\. Received: a group that sums to 0\. "),
    "no probability": ("softmax", [2, -1, 0], r"Softmax units need values in \[0, 1\].* Received: min=-1, max=2\. "),
    "too many": ("binomial", [5], r"Binomial units need values in \[0, 4\]\. Received: min=., max=5\. Round and clip"),
    "less than none": ("binomial", [-1], r"Binomial units need values in \[0, 4\]\. Received: min=-1"),
    "infinite on either side": ("drelu", [-np.inf], r"DReLU units need finite values\. Received: min=-inf"),
    "unknown": ("gaussian", [np.nan], r"Gaussian units need finite values\. Received: .*NaN\. Fill in or remove"),
    "below 0": ("relu", [-0.25], r"ReLU units need finite values of at least 0\. Received: min=-0.25.*Shift or clip"),
    "infinite": ("relu", [np.inf], r"ReLU units need finite values of at least 0\. Received: .*max=inf"),
    "first part": ("mixed", [2], r"Columns 0 to 0: Bernoulli units need values in \[0, 1\]\. Received: min=2, max=2"),
    "middle part": ("mixed", [0, 1, 1, 0], r"Columns 1 to 3: Softmax units .*Received: a group that sums to 2"),
    "last part": ("mixed", [0, 1, 0, 0, np.inf], r"Columns 4 to 4: Gaussian units need finite.*max=inf"),
    "part of spins": ("discrete", [0], r"Columns 0 to 0: Spin units need values -1 or 1\. Received: min=0, max=0"),
    "part of counts": ("discrete", [1, 3], r"Columns 1 to 1: Binomial units need values in \[0, 2\].*max=3"),
}
bad = pytest.mark.parametrize(("kind", "row", "message"), BAD.values(), ids=BAD)


def spoilt(kind: str, row: list, where: int = 11) -> np.ndarray:
    x = data_of(kind)[:16].astype("float32")
    x[where, : len(row)] = row
    return x


def trained(kind: str, x, **options) -> RBM:
    rbm = rbm_of(kind, "bernoulli", learn=True, dtype="float32")
    rbm.compile(keras.optimizers.SGD(0.01), **options)
    rbm.fit(x, verbose=0)
    return rbm


def values_of(machine: keras.Model) -> list[np.ndarray]:
    return [np.array(w) for w in machine.trainable_variables]


@bad
def test_arrays_outside_the_domain(kind, row, message):
    x, good = spoilt(kind, row), data_of(kind)
    rbm = rbm_of(kind, "bernoulli", learn=True, dtype="float32")
    rbm.compile("sgd", **EAGER)
    before = values_of(rbm)
    for ask in (
        lambda: rbm.fit(x, verbose=0),
        lambda: rbm.fit(good, validation_data=x, verbose=0),
        lambda: rbm.evaluate(x, verbose=0),
        lambda: rbm.adapt(x),
        lambda: likelihood.log_likelihood(rbm, x),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
    for old, new in zip(before, values_of(rbm), strict=True):
        np.testing.assert_array_equal(new, old)


def assert_stopped_at_the_second_batch(kind: str, row: list, message: str, **options) -> None:
    """The parameters are those that the first one left."""
    fed = tf.data.Dataset.from_tensor_slices(spoilt(kind, row)).batch(8)
    once = trained(kind, fed.take(1), **options)
    rbm = rbm_of(kind, "bernoulli", learn=True, dtype="float32")
    rbm.compile(keras.optimizers.SGD(0.01), **options)
    before = values_of(rbm)
    with pytest.raises(ValueError, match=message):
        rbm.adapt(fed)
    for old, new in zip(before, values_of(rbm), strict=True):
        np.testing.assert_array_equal(new, old)
    with pytest.raises(ValueError, match=message):
        rbm.fit(fed, verbose=0)
    assert rbm.optimizer.iterations == 1
    for expected, new in zip(values_of(once), values_of(rbm), strict=True):
        np.testing.assert_array_equal(new, expected)


@bad
@pytest.mark.few(6)
def test_a_second_batch_outside_the_domain(kind, row, message):
    assert_stopped_at_the_second_batch(kind, row, message, **EAGER)


@pytest.mark.slow
def test_a_second_batch_outside_the_domain_compiled():
    """Both steps between two returns to Python."""
    assert_stopped_at_the_second_batch(*BAD["middle part"])


def test_units_that_do_not_fit_together():
    with pytest.raises(ValueError, match=r"groups of num_states=3\. Received: 4 units"):
        RBM(2, visible=units.Softmax(3)).build((None, 4))
    with pytest.raises(ValueError, match=r"groups of num_states=3\. Received: 2 units"):
        RBM(2, hidden=units.Softmax(3)).build((None, 4))
    with pytest.raises(ValueError, match=r"3 columns in all, widths=\[1, 2\]\. Received: 4 columns"):
        RBM(2, visible=units.Mixed([("spin", 1), ("gaussian", 2)])).build((None, 4))
    for kind in ("softmax", "binomial", "gaussian", "relu", "mixed"):
        with pytest.raises(ValueError, match=r"two states\. Received: \w+ units"):
            likelihood.pseudo_log_likelihood(rbm_of(kind, "spin"), data_of(kind))


def test_weights_are_not_taken_over_between_other_kinds():
    for one, other, words in (
        (units.Binomial(2), units.Binomial(4), r"Binomial\(4\) for Binomial\(2\) units"),
        ("spin", "bernoulli", r"Bernoulli for Spin units"),
        (units.Softmax(2), units.Softmax(4), r"Softmax\(4\) for Softmax\(2\)"),
        (
            units.Mixed([("spin", 1), ("relu", 3)]),
            units.Mixed([("spin", 2), ("relu", 2)]),
            r"Mixed\(Spin\(2\), ReLU\(2",
        ),
    ):
        machines = [RBM(2, visible=kind) for kind in (one, other)]
        for machine in machines:
            machine.build((None, 4))
        with pytest.raises(ValueError, match=rf"same kinds of units\. Received: {words}"):
            machines[0].copy_weights_from(machines[1])
