"""Trajectory tempering: every rung keeps its enumerated distribution, and log Z follows along the ladder.

Rungs have parameters of their own, which are not the machine's times something.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rbm
from keras_rbm import DBM, RBM, ConvRBM, samplers, units
from keras_rbm.samplers import ladder
from tests.oracles.kinds import binary_states
from tests.oracles.machines import PAIRINGS, random_rbm
from tests.oracles.rbm import Exact, assert_distributed, parameters
from tests.support.modes import MODES
from tests.support.saving import assert_same_state, through_disk
from tests.support.statistics import assert_frequencies, assert_mean, assert_rounded

NUM = 20000
ONES = tf.ones(1, "float64")


def climbed(pairing="bernoulli-bernoulli", num_rungs=3, dtype="float64", num_chains=NUM, **options):
    """A machine with a ladder of random rungs, and the enumerated distribution of each; the last is the machine's."""
    options = {"num_pairs": 1, "max_rungs": 3, **options}
    sampler = samplers.TrajectoryTempering(num_chains=num_chains, dtype=dtype, **options)
    rbm = random_rbm(*PAIRINGS[pairing], sampler=sampler, dtype=dtype)
    own, rng, exacts = [p.numpy() for p in ladder.parameters(rbm)], np.random.default_rng(3), []
    for i in range(num_rungs):
        values = [(i / num_rungs if k == 0 else 1) * p + rng.normal(0, 0.3, p.shape) for k, p in enumerate(own)]
        values[0] *= bool(i)  # the lowest rung has no weights
        for rung, variable, value in zip(sampler.rungs, ladder.parameters(rbm), values, strict=True):
            rung.assign(tf.tensor_scatter_nd_update(tf.convert_to_tensor(rung), [[i]], [value]))
            variable.assign(value)
        exacts.append(Exact(rbm))
    for variable, value in zip(ladder.parameters(rbm), own, strict=True):
        variable.assign(value)
    sampler.num_rungs.assign(num_rungs)
    return rbm, [*exacts, Exact(rbm)]


def place(rbm: RBM, states) -> None:
    """Puts states of the rungs, and last those of the machine, `(rungs + 1, chains, visible)`, where they belong."""
    sampler = rbm.sampler
    chains = np.zeros((sampler.max_rungs + 1, sampler.num_chains, rbm.visible.width))
    chains[: len(states) - 1], chains[-1] = states[:-1], states[-1]
    sampler.chains.assign(chains.reshape(-1, rbm.visible.width))
    # What the chains' free energies are, as if the machine had not moved since they were drawn.
    y, number = tf.cast(states[-2], rbm.state_dtype), int(sampler.num_rungs) - 1
    with ladder.at(rbm, [rung[number] for rung in sampler.rungs]):
        own = ladder.free_energy(rbm, y)
    others = [ladder.free_energy(rbm, tf.cast(v, rbm.state_dtype)) for v in states[-2:]]
    sampler.energies.assign(tf.stack([own, *others]))


def groups(rbm: RBM) -> np.ndarray:
    sampler = rbm.sampler
    chains = np.reshape(sampler.chains, (sampler.max_rungs + 1, sampler.num_chains, -1))
    return np.concatenate([chains[: int(sampler.num_rungs)], chains[-1:]])


def advance(rbm: RBM) -> samplers.Samples:
    """A step of the chains, as training takes it, at which no rung is added."""
    rbm.sampler.target = 0.0
    samples = rbm.sampler.negative_phase(rbm, tf.zeros((1, rbm.visible.width), rbm.state_dtype), ONES)
    rbm.sampler.update(samples, [])
    return samples


def met(a: Exact, b: Exact, p_a: np.ndarray, p_b: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Probabilities of all states of two neighbours after they met, from those before; how often they swap."""
    p_a, p_b = a.swept(p_a), b.swept(p_b)
    u = b.free_energy(a.v) - a.free_energy(a.v)
    accepted = np.exp(np.minimum(0, u[None, :] - u[:, None]))  # state i of a, state j of b
    swapped = p_a[:, None] * p_b[None, :] * accepted
    stayed = p_a[:, None] * p_b[None, :] - swapped
    return stayed.sum(1) + swapped.sum(0), stayed.sum(0) + swapped.sum(1), swapped.sum()


# --- distributions


@pytest.mark.parametrize(
    ("pairing", "options"),
    [("bernoulli-bernoulli", {"num_pairs": 2}), ("gaussian-bernoulli", {}), ("bernoulli-gaussian", {"num_steps": 2})],
    ids=str,
)
def test_every_rung_stays_as_it_is(pairing, options):
    rbm, exacts = climbed(pairing, **options)
    place(rbm, [exact.draw(NUM, seed) for seed, exact in enumerate(exacts)])
    before = groups(rbm)
    for _ in range(3):
        samples = advance(rbm)
        np.testing.assert_array_equal(samples.v, groups(rbm)[-1])
        for v, exact in zip(groups(rbm), exacts, strict=True):
            assert_distributed(v, exact)
    assert np.all(np.any(groups(rbm) != before, (1, 2)))


@pytest.mark.parametrize("mode", [None, "graph", "xla"])
@pytest.mark.few(1)
def test_single_states_swap_and_move_with_the_enumerated_probabilities(mode):
    """Two rungs: they meet, and then the machine meets the upper one."""
    rbm, exacts = climbed(num_rungs=2, dtype="float32" if mode else "float64")
    start = binary_states(5)[[28, 3, 8]]
    place(rbm, np.repeat(start[:, None], NUM, 1))
    if mode:
        rbm.sampler.target = 0.0
        rbm.compile(keras.optimizers.SGD(0.0), **MODES[mode])
        rbm.fit(np.zeros((3, 5)), verbose=0)
    else:
        advance(rbm)
    points = [np.eye(32)[exact.index(v)] for exact, v in zip(exacts, start, strict=True)]
    lowest, last, _ = met(*exacts[:2], *points[:2])
    last, own, probability = met(*exacts[1:], last, points[2])
    assert 0.2 < probability < 0.8
    for v, exact, expected in zip(groups(rbm), exacts, (lowest, last, own), strict=True):
        assert_frequencies(exact.index(v), expected)
    memory = samplers.trajectory._MEMORY
    assert_mean(float(rbm.sampler.swap_rates[1] - memory) / (1 - memory), NUM, probability, 0.5)


def test_the_lowest_rung_is_drawn_anew():
    rbm, exacts = climbed()
    place(rbm, np.ones((4, NUM, 5)))
    rbm.sampler.num_pairs = 3
    with ladder.at(rbm, [rung[0] for rung in rbm.sampler.rungs]):
        v = ladder.sweep(rbm, tf.ones((NUM, 5), "float64"), draws=rbm.stream.spawn("test"))
    assert_frequencies(exacts[0].index(v), exacts[0].p_v)


def test_rungs_carry_chains_from_mode_to_mode():
    """All units on or all off, which Gibbs sampling does not leave in 500 sweeps, whatever it starts from."""
    found, num = {}, 500
    for name in ("pcd", "trajectory_tempering"):
        sampler = samplers.get(name, num_steps=500, num_chains=num, dtype="float64")
        rbm = random_rbm("bernoulli", 6, "bernoulli", 4, sampler=sampler)
        rbm.w_rec.assign(np.full((6, 4), 6.0))
        rbm.visible.bias.assign(np.full(6, -12.0))
        rbm.hidden.bias.assign(np.full(4, -18.0))
        if name == "pcd":
            sampler.chains.assign(tf.zeros_like(sampler.chains))
            found[name] = tf.function(sampler.run_chains)(rbm, tf.convert_to_tensor(sampler.chains)).v
        else:
            rbm._as_function = lambda function, **_: tf.function(lambda *x: function(rbm, *x), autograph=False)
            sampler.build_to(rbm)
            assert 2 < int(sampler.num_rungs) < 12
            sampler.chains.assign(tf.zeros_like(sampler.chains))
            found[name] = sampler.sample(rbm, num, 500)
            assert_rounded(sampler.log_partition(rbm, 200).log_z / Exact(rbm).log_z, 1.0, 1e13)
    exact = Exact(rbm)
    assert exact.p_v[0] > 0.4
    assert found["pcd"].numpy().mean(1).max() < 0.5
    assert_frequencies(exact.index(found["trajectory_tempering"]), exact.p_v)
