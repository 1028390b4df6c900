"""The deep Boltzmann machine against all its states."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp, softmax

from keras_rbm import DBM, likelihood, samplers
from tests.oracles.dbm import ExactDBM, random_dbm
from tests.oracles.kinds import index
from tests.support.statistics import assert_frequencies, assert_rounded

#: Data's layer first.
STACKS = {
    "two": ("bernoulli", "bernoulli", "bernoulli"),
    "two of kinds": ("binomial", "spin", "softmax"),
    "three": ("bernoulli", "binomial", "spin", "bernoulli"),
    "four": ("spin", "bernoulli", "binomial", "bernoulli", "binomial"),
    "real data": ("gaussian", "bernoulli", "binomial"),
}
DISCRETE = [name for name in STACKS if name != "real data"]
LABELLED = [("two", 3), ("three", 2)]


class Shallow(DBM):
    """A DBM that may have one hidden layer."""

    _least_layers = 1


def some_states(exact: ExactDBM, number: int = 7) -> np.ndarray:
    return exact.states[0][np.random.default_rng(3).integers(0, len(exact.states[0]), number)]


# --- the posterior, and the bound


@pytest.mark.parametrize("name", STACKS)
def test_mean_field_is_at_a_fixed_point_of_every_layer(name):
    dbm = random_dbm(STACKS[name])
    v = some_states(ExactDBM(dbm, STACKS[name]))
    found = dbm._posterior(v)
    assert float(tf.reduce_max(found.residual)) <= 1e-13
    for i, field in fields_of(dbm, {i: np.asarray(x) for i, x in found.means.items()}).items():
        assert_rounded(found.means[i], dbm.groups[i].mean(tf.constant(field)), 1e4)
    for mean, i in zip(dbm.mean_field(v), range(1, len(dbm.groups)), strict=True):
        assert_rounded(mean, found.means[i])


def fields_of(dbm, means) -> dict[int, np.ndarray]:
    """What each hidden layer feels where its neighbours have these means."""
    found = {}
    for i in range(1, len(dbm.groups)):
        found[i] = np.asarray(dbm.groups[i].bias) + means[i - 1] @ np.asarray(dbm.kernels[i - 1])
        if i + 1 < len(dbm.groups):
            found[i] = found[i] + means[i + 1] @ np.asarray(dbm.kernels[i]).T
    return found


def own_bound(dbm, exact, v, posterior) -> np.ndarray:
    """`E_q[log p*] + H(q)` of independent units in the posterior's fields, summed over all hidden states."""
    fields = {**fields_of(dbm, {i: np.asarray(x) for i, x in posterior.means.items()})}
    fields |= {i: np.asarray(x) for i, x in posterior.fields.items()}
    bounds = []
    for row, at in enumerate(index(exact.states[0], v)):
        log_weights = np.asarray(exact.log_weights)[at : at + 1]
        log_q = np.zeros(())
        for i, field in fields.items():
            own = exact.states[i] @ field[row] + exact.log_measures[i]
            log_q = log_q + exact.on_axis(own - logsumexp(own), i)
        bounds.append((np.exp(log_q) * (log_weights - log_q)).sum())
    return np.array(bounds)


@pytest.mark.parametrize("steps", [1, 1000])
@pytest.mark.parametrize("name", STACKS)
def test_the_variational_bound_is_that_of_its_posterior_and_below_the_truth(name, steps):
    """Also away from the fixed point, where mean field has stopped after one step."""
    kinds = STACKS[name]
    dbm = random_dbm(kinds, mean_field_steps=steps)
    exact = ExactDBM(dbm, kinds)
    v = some_states(exact)
    bound = -np.asarray(dbm.variational_free_energy(v))
    rows = index(exact.states[0], v)
    # The weight of a node of the quadrature belongs to the measure, not to the density.
    node = dbm.groups[0].width * np.log(0.5) if kinds[0] == "gaussian" else 0.0
    log_p = exact.log_p_of(0)[rows] - node
    np.testing.assert_allclose(bound, own_bound(dbm, exact, v, dbm._posterior(v)) - node, rtol=1e-9)
    assert (bound <= log_p + 1e-9).all()
    assert (bound < log_p - 1e-6).any()


@pytest.mark.parametrize("name", DISCRETE)
def test_exact_likelihoods_sum_over_all_states(name):
    """Whichever layers are enumerated, and above the bound."""
    dbm = random_dbm(STACKS[name])
    exact = ExactDBM(dbm, STACKS[name])
    v = some_states(exact)
    log_p = likelihood.exact_log_likelihood(dbm, v)
    np.testing.assert_allclose(log_p, exact.log_p_of(0)[index(exact.states[0], v)] - exact.log_z, rtol=1e-10)
    found = likelihood.log_likelihood(dbm, v)
    assert found.exact
    assert found.variational
    assert (found.per_case_lower < log_p).all()


# --- samples


def sweeping() -> list:
    """Each side of each stack, compiled and not; of XLA, whose draws the units' own tests prove, most are slow."""
    found = []
    for name, exchanged, compiled in itertools.product(DISCRETE, (False, True), (False, True)):
        slow = compiled and (name, exchanged) not in (("three", False), ("two of kinds", True))
        words = f"{name}-{'odd' if exchanged else 'even'}-{'xla' if compiled else 'eager'}"
        found.append(pytest.param(name, exchanged, compiled, id=words, marks=pytest.mark.slow if slow else ()))
    return found


@pytest.mark.parametrize(("name", "exchanged", "compiled"), sweeping())
@pytest.mark.few(5)
def test_sweeps_leave_the_distribution_of_all_layers_as_it_is(name, exchanged, compiled):
    """From exact draws, both sides are exact draws again."""
    dbm = random_dbm(STACKS[name], dtype="float32")
    machine = dbm.undirected().exchanged if exchanged else dbm.undirected()
    exact = ExactDBM(dbm, STACKS[name])
    states, p = exact.side(int(exchanged))
    start = states[np.random.default_rng(7).choice(len(states), 20000, p=p / p.sum())].astype("float32")
    step = functools.partial(samplers.gibbs, machine, num_steps=2)
    swept = (tf.function(step, jit_compile=True) if compiled else step)(tf.constant(start))
    assert_frequencies(index(states, swept), p)
    others, p_others = exact.side(1 - int(exchanged))
    h = machine.hidden.sample(machine.hidden.field(machine.hidden_input(swept)), dbm.stream)
    assert_frequencies(index(others, h), p_others)


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.few(2)
def test_samples_have_the_distribution_of_the_data_layer(name):
    dbm = random_dbm(STACKS[name], scale=0.4, dtype="float32")
    exact = ExactDBM(dbm, STACKS[name])
    found = dbm.sample(num_samples=10000, num_steps=50)
    assert_frequencies(index(exact.states[0], found), np.exp(exact.log_p_of(0) - exact.log_z))


@pytest.mark.parametrize("name", ["two", "three"])
def test_clamped_samples_have_the_conditional_distribution(name):
    dbm = random_dbm(STACKS[name], scale=0.4, dtype="float32")
    exact = ExactDBM(dbm, STACKS[name])
    states = exact.states[0]
    mask, values = np.array([True, False, False]), np.array([1.0, 0, 0])
    found = dbm.sample(num_samples=10000, num_steps=50, clamp=mask, values=values)
    p = np.exp(exact.log_p_of(0) - exact.log_z) * (states[:, 0] == 1)
    assert_frequencies(index(states, found), p / p.sum())


@pytest.mark.parametrize(("name", "num_classes"), LABELLED)
def test_samples_of_a_class_have_its_conditional_distribution(name, num_classes):
    """Whether the labels are on the data's side, or on the other."""
    kinds = ("bernoulli",) * len(STACKS[name])
    dbm = random_dbm(kinds, scale=0.5, dtype="float32", num_classes=num_classes)
    for i, kernel in enumerate(dbm.kernels):  # units agree with those below, so that the class is felt
        kernel.assign(kernel + 4 * np.eye(*kernel.shape))
        for j in (i, i + 1):
            dbm.groups[j].bias.assign(dbm.groups[j].bias - 2)
    exact = ExactDBM(dbm, kinds)
    joint = exact.log_p_of(0, len(exact.states) - 1)
    p, anyway = (softmax(x) for x in (joint[:, 1], logsumexp(joint, 1)))
    assert np.abs(p - anyway).sum() > 0.2
    found = dbm.sample(num_samples=5000, num_steps=200, y=1)
    assert_frequencies(index(exact.states[0], found), p)


# --- learning


def trained_step(dbm, v, y=None, weights=None):
    """What one step of plain gradient descent subtracts, of each kernel and bias."""
    variables = [*dbm.kernels, *(group.bias for group in dbm.groups)]
    old = [np.array(x) for x in variables]
    dbm.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    dbm.train_on_batch(v, y, sample_weight=weights)
    return [a - np.array(b) for a, b in zip(old, variables, strict=True)]


def exact_gradients(dbm, kinds, bound_of) -> list[np.ndarray]:
    """Gradients of `log Z - bound_of(exact)` by differentiating through all states."""
    kernels = [tf.Variable(x) for x in dbm.kernels]
    biases = [tf.Variable(group.bias) for group in dbm.groups]
    with tf.GradientTape() as tape:
        exact = ExactDBM(dbm, kinds, kernels, biases)
        loss = tf.reduce_logsumexp(exact.log_weights) - bound_of(exact)
    return [g.numpy() for g in tape.gradient(loss, [*kernels, *biases])]


class Everything(samplers.Sampler):
    """All states of a side, with their exact probabilities."""

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        return samplers.Samples(*map(tf.constant, self.side))


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.0, 0.5, 1.0, 1.0, 3.0]], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.few(4)
def test_the_gradient_is_that_of_the_enumerated_bound(name, weights):
    """Expected energies under the posterior, which is held, and the partition function over all states."""
    kinds = STACKS[name]
    sampler = Everything(dtype="float64")
    dbm = random_dbm(kinds, centered=False, sampler=sampler)
    exact = ExactDBM(dbm, kinds)
    sampler.side = exact.side(0)
    v = some_states(exact)
    share = np.ones(len(v)) / len(v) if weights is None else np.array(weights) / np.sum(weights)
    means = [np.asarray(dbm._posterior(v).means[i]) for i in range(len(dbm.groups))]

    def bound(exact) -> tf.Tensor:  # linear in each layer, so expectations are taken by means
        kernels, biases = exact.given
        total = tf.add_n([tf.linalg.matvec(m, b) for m, b in zip(means, biases, strict=True)])
        for i, w in enumerate(kernels):
            total += tf.reduce_sum(means[i] @ w * means[i + 1], 1)
        return tf.reduce_sum(share * total)

    expected = exact_gradients(dbm, kinds, bound)
    for got, want in zip(trained_step(dbm, v, weights=weights and np.array(weights)), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-7)


@pytest.mark.parametrize("name", ["two", "three"])
def test_the_gradient_is_exact_where_the_posterior_is(name, monkeypatch):
    """With the enumerated posterior in place of mean field, learning follows the likelihood itself."""
    kinds = STACKS[name]
    dbm = random_dbm(kinds, centered=False)
    exact = ExactDBM(dbm, kinds)
    v = some_states(exact, 3)
    rows = index(exact.states[0], v)
    # Each case once for each state of the even hidden layers, as a posterior of full certainty, weighted by its
    # probability: their mixture is the exact posterior, because the odd layers are independent given the even ones.
    states, _ = exact.side(0)
    log_p = np.asarray(exact.log_p_of(*range(0, len(exact.states), 2)))
    log_p = log_p.reshape(len(exact.states[0]), -1)
    number = log_p.shape[1]
    p = np.exp(log_p - np.log(np.exp(log_p).sum(1, keepdims=True)))
    cases = np.repeat(v, number, 0)
    hidden = states.reshape(len(exact.states[0]), number, -1)[rows].reshape(len(cases), -1)[:, v.shape[1] :]
    weights = p[rows].ravel()
    gradient = likelihood_gradient(dbm, cases, hidden, weights, exact)

    def log_likelihood(exact) -> tf.Tensor:
        log_p = tf.reduce_logsumexp(exact.log_weights, list(range(1, len(exact.states))))
        return tf.reduce_mean(tf.gather(log_p, rows))

    for got, want in zip(gradient, exact_gradients(dbm, kinds, log_likelihood), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-9)


def likelihood_gradient(dbm, cases, hidden, weights, exact):
    """The gradient of the machine's own free energies, of data with known even layers against all states."""
    machine = dbm.undirected()
    x = tf.concat([cases, hidden], 1)
    states, p = exact.side(0)
    variables = [*dbm.kernels, *(group.bias for group in dbm.groups)]
    with tf.GradientTape() as tape:
        positive = tf.reduce_sum(weights * machine.free_energy(x)) / weights.sum()
        loss = positive - tf.reduce_sum(p * machine.free_energy(tf.constant(states)))
    return [g.numpy() for g in tape.gradient(loss, variables)]
