"""Machines as Ising and Potts models, and back: energies of all states, one by one."""

import numpy as np
import pytest
from scipy.special import softmax

from keras_rbm import DBM, RBM, units
from keras_rbm.physics import Ising, Potts
from tests.oracles.dbm import ExactDBM, random_dbm
from tests.oracles.kinds import binary_states, joint, one_of
from tests.oracles.machines import random_rbm, randomize
from tests.oracles.rbm import Exact
from tests.support.statistics import assert_frequencies, assert_rounded

SPINS = 2 * binary_states(6) - 1


def symmetric(n: int, seed: int = 0) -> np.ndarray:
    j = np.random.default_rng(seed).normal(size=(n, n))
    return j + j.T


def machine(visible, hidden, num_visible: int, num_hidden: int) -> RBM:
    """Random, with Gaussian hidden units of precisions that differ."""
    rbm = RBM(num_hidden, visible=visible, hidden=hidden, dtype="float64", seed=0)
    rbm.build((None, num_visible))
    randomize(rbm)
    return rbm


def pairs_of(exact: Exact) -> tuple[np.ndarray, np.ndarray]:
    """All visible and hidden states side by side, and their energies."""
    v, h = (x.ravel() for x in np.indices((len(exact.v), len(exact.h))))
    return np.concatenate([exact.v[v], exact.h[h]], 1), -exact.log_joint(exact.v).ravel()


def as_spins(x: np.ndarray, columns: int) -> np.ndarray:
    """States of which the first columns are zeros and ones."""
    return np.where(np.arange(x.shape[1]) < columns, 2 * x - 1, x)


def one_hot(x: np.ndarray, low: float) -> np.ndarray:
    """Two columns for each of `x`: the lower state, the higher one."""
    return np.stack([x == low, x != low], -1).reshape(len(x), -1).astype("float64")


# --- out


@pytest.mark.parametrize(("visible", "hidden", "bits"), [("bernoulli", "spin", 4), ("spin", "spin", 0)])
def test_an_ising_model_of_both_sides(visible, hidden, bits):
    rbm = random_rbm(visible, 4, hidden, 3)
    ising = Ising.of(rbm)
    states, energies = pairs_of(Exact(rbm))
    assert_rounded(ising.energy(as_spins(states, bits)), energies)
    np.testing.assert_array_equal(np.diag(ising.J), np.zeros(7))


@pytest.mark.parametrize("visible", ["bernoulli", "spin"])
def test_gaussian_hidden_units_are_integrated_out(visible):
    rbm = machine(visible, units.Gaussian([1.5, 0.7], dtype="float64"), 5, 2)
    ising, exact = Ising.of(rbm), Exact(rbm)
    s = as_spins(exact.v, 5 if visible == "bernoulli" else 0)
    assert_rounded(ising.energy(s), exact.free_energy(exact.v))
    assert_rounded(softmax(-ising.energy(s)), exact.p_v)


def test_an_ising_model_of_all_layers():
    kinds = ["bernoulli", "spin", "bernoulli"]
    dbm = random_dbm(kinds)
    exact = ExactDBM(dbm, kinds)
    i, j, k = (x.ravel() for x in np.indices(exact.log_weights.shape))
    data, odd, even = (x[index] for x, index in zip(exact.states, (i, j, k), strict=True))
    states = np.concatenate([2 * data - 1, 2 * even - 1, odd], 1)
    assert_rounded(Ising.of(dbm).energy(states), -np.ravel(exact.log_weights))


@pytest.mark.parametrize("hidden", ["softmax", "spin", "bernoulli"])
def test_a_potts_model_of_both_sides(hidden):
    kind = units.Softmax(2, dtype="float64") if hidden == "softmax" else hidden
    rbm = machine(units.Softmax(3, dtype="float64"), kind, 6, 2)
    potts, (states, energies) = Potts.of(rbm), pairs_of(Exact(rbm))
    x = states if hidden == "softmax" else np.concatenate([states[:, :6], one_hot(states[:, 6:], states.min())], 1)
    assert_rounded(potts.energy(x), energies)
    assert potts.num_states == (3, 3, 2) if hidden == "softmax" else (3, 3, 2, 2)


def test_a_potts_model_with_gaussian_hidden_units_integrated_out():
    mixed = units.Mixed([(units.Softmax(3), 6), ("spin", 1)], dtype="float64")
    rbm = machine(mixed, units.Gaussian([1.5, 0.7], dtype="float64"), 7, 2)
    potts, exact = Potts.of(rbm), Exact(rbm)
    x = np.concatenate([exact.v[:, :6], one_hot(exact.v[:, 6:], -1)], 1)
    assert_rounded(potts.energy(x), exact.free_energy(exact.v))


def test_the_gauge_of_zero_sums_changes_no_energy():
    num_states = (3, 2, 4)
    states = joint([one_of(q) for q in num_states])[0]
    potts = Potts(symmetric(9), np.arange(9.0), 1.5, num_states)
    gauged = potts.zero_sum()
    assert_rounded(gauged.energy(states), potts.energy(states))
    assert_rounded(gauged.energy(states), 1.5 - states @ np.arange(9) - ((states @ symmetric(9)) * states).sum(1) / 2)
    for i in range(3):
        np.testing.assert_array_equal(gauged.coupling(i, i), np.zeros((num_states[i],) * 2))
        for j in range(3):
            assert gauged.coupling(i, j).shape == (num_states[i], num_states[j])
            assert_rounded(gauged.coupling(i, j).sum(1), np.zeros(num_states[i]))
    assert_rounded(np.add.reduceat(gauged.h, [0, 3, 5]), np.zeros(3))
    # Of all that say the same there is one in this gauge.
    shifted = Potts(potts.J, potts.h + np.repeat([2.0, -1.0, 0.5], num_states), 0.0, num_states).zero_sum()
    assert_rounded(shifted.h, gauged.h)


# --- in


def test_a_bipartite_ising_model_is_an_rbm():
    j = symmetric(6)
    j[:4, :4] = j[4:, 4:] = 0
    ising = Ising(j, np.arange(6.0) / 6, offset=0.7)
    rbm = ising.rbm(4, dtype="float64")
    assert_rounded(rbm.energy(SPINS[:, :4], SPINS[:, 4:]) + 0.7, ising.energy(SPINS))
    back = Ising.of(rbm)
    assert_rounded(back.J, j)
    assert_rounded(back.h, ising.h)


@pytest.mark.parametrize("shift", [0.0, 20.0, -20.0], ids=["indefinite", "positive", "negative"])
def test_any_ising_model_is_a_hopfield_network(shift):
    """Whatever the diagonal, of which the network has its own."""
    ising = Ising(symmetric(6) + shift * np.eye(6), np.arange(6.0) / 6)
    net = ising.hopfield(dtype="float64")
    difference = np.array(net.free_energy(SPINS)) - ising.energy(SPINS)
    assert_rounded(difference, np.full(64, difference[0]))
    back = Ising.of(net)
    assert_rounded(back.J, ising.J)
    assert_rounded(back.h, ising.h)
    assert net.units == 5, "the least constant on the diagonal that makes J positive leaves one eigenvalue 0"


def test_spins_that_do_not_meet():
    net = Ising(np.zeros((3, 3)), [1.0, 2.0, 3.0]).hopfield(dtype="float64")
    assert_rounded(Ising.of(net).J, np.zeros((3, 3)))
    assert net.units == 1


@pytest.mark.parametrize("num_states", [(3, 3), (3, 2)])
def test_any_potts_model_is_an_rbm_of_gaussian_hidden_units(num_states):
    n = sum(num_states)
    states = joint([one_of(q) for q in num_states])[0]
    potts = Potts(symmetric(n), np.arange(float(n)) / n, 0.0, num_states)
    rbm = potts.rbm(dtype="float64", seed=0)
    difference = np.array(rbm.free_energy(states)) - potts.energy(states)
    assert_rounded(difference, np.full(len(states), difference[0]))
    assert_rounded(Potts.of(rbm).zero_sum().J, potts.zero_sum().J)


def test_samples_of_an_ising_model():
    ising = Ising(symmetric(6) / 4, np.arange(6.0) / 6)
    s = np.array(ising.hopfield(seed=0).sample(20000, num_steps=200))
    assert_frequencies((s > 0) @ 2 ** np.arange(6), softmax(-ising.energy(SPINS)))


# --- zeros and ones


def test_qubo_out_and_in():
    ising, x = Ising(symmetric(6), np.arange(6.0), offset=0.3), (1 + SPINS) / 2
    q, constant = ising.qubo()
    np.testing.assert_array_equal(q, np.triu(q))
    assert_rounded(((x @ q) * x).sum(1) + constant, ising.energy(SPINS))
    for same in (q, q.T, (q + q.T) / 2):
        back = Ising.from_qubo(same, constant)
        assert_rounded(back.J, ising.J)
        assert_rounded(back.energy(SPINS), ising.energy(SPINS))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ising.of(random_rbm("gaussian", 2)), "units with two states.* Received: Gaussian units"),
        (lambda: Ising.of(machine(units.Softmax(3, dtype="float64"), "spin", 6, 2)), r"Received: Softmax.*Potts\.of"),
        (lambda: Potts.of(random_rbm("gaussian", 2)), "softmax units or such with two states.* Received: Gaussian"),
        (lambda: Ising.of(RBM(3)), "must be built"),
        (lambda: Ising.of(DBM([3, 2])), "must be built"),
        (lambda: Ising(symmetric(4), np.zeros(4)).rbm(2), r"between spins of a side.*J\[2, 3\]=-1\.2.*=2"),
        (lambda: Ising(symmetric(4), np.zeros(4)).rbm(4), "`num_visible` must be from 1 to 3.*num_visible=4"),
        (lambda: Ising(np.triu(np.ones((3, 3))), np.zeros(3)), r"J must be symmetric.*up to 1.*give J \+ J\^T"),
        (lambda: Ising(np.ones((3, 2)), np.zeros(3)), r"J must be \(units, units\).*\(3, 2\) and \(3,\)"),
        (lambda: Ising(np.full((2, 2), np.nan), np.zeros(2)), "must be finite"),
        (lambda: Ising.from_qubo(np.ones(3)), r"Q must be \(units, units\). Received: \(3,\)"),
        (lambda: Potts(np.zeros((4, 4)), np.zeros(4), 0.0, (2, 3)), r"and 4 in all.*num_states=\(2, 3\)"),
        (lambda: Potts(np.zeros((4, 4)), np.zeros(4)), r"num_states=\(\)"),
        (lambda: Potts(np.zeros((4, 4)), np.zeros(4), (2, 2)), r"`offset` must be a number. Received: offset=\(2, 2\)"),
        (lambda: Potts(np.zeros((4, 4)), np.zeros(4), 0.0, (2, 2)).coupling(0, -1), "from 0 to 1. Received: i=0, j=-1"),
        (lambda: Ising(symmetric(4), np.zeros(4)).energy(np.ones((2, 3))), r"\(cases, 4\). Received: shape=\(2, 3\)"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_none_is_a_state_of_an_optional_site():
    """Rows of one of three or none, the hidden units' states beside: the machine's energies, in either gauge."""
    rbm = machine(units.OptionalSoftmax(3, dtype="float64"), "bernoulli", 6, 2)
    potts, options = Potts.of(rbm), np.vstack([np.zeros(3), np.eye(3)])
    assert tuple(potts.num_states) == (4, 4, 2, 2)
    for v in ([1, 0], [0, 3], [2, 2], [0, 0]):
        h = np.array([[0.0, 1.0]])
        energy = float(rbm.energy(options[v].reshape(1, -1), h)[0])
        one_hot_row = np.concatenate([*np.eye(4)[v], [1, 0], [0, 1]])[None]
        assert_rounded(potts.energy(one_hot_row), [energy])
        assert_rounded(potts.zero_sum().energy(one_hot_row), [energy])
