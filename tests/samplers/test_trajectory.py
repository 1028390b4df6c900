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
from tests.oracles.rbm import Exact, assert_distributed
from tests.support.modes import MODES, uncompiled
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


@pytest.mark.slow
def test_rungs_carry_chains_from_mode_to_mode():
    """All units on or all off, which Gibbs sampling does not leave: from one mode alone, to as many in each."""
    rbm = uncompiled(random_rbm("bernoulli", 6, "bernoulli", 4))
    rbm.w_rec.assign(np.full((6, 4), 6.0))
    rbm.visible.bias.assign(np.full(6, -12.0))
    rbm.hidden.bias.assign(np.full(4, -18.0))
    modes = np.repeat([[0.0], [1.0]], 6, 1)
    sampler = samplers.TrajectoryTempering.from_trajectory([rbm], modes, num_chains=500)
    sampler.chains.assign(tf.zeros_like(sampler.chains))
    found, exact = sampler.sample(rbm, 600, 200), Exact(rbm)
    assert exact.p_v[0] > 0.4
    assert found.shape == (600, 6)
    assert_frequencies(exact.index(found[:500]), exact.p_v)
    assert abs(sampler.log_partition(rbm, 100).log_z - exact.log_z) < 0.1
    assert np.all(np.array(sampler.swap_rates) > 0.1)
    assert 1 < int(sampler.num_rungs) < 12


# --- log Z


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.few(2)
def test_gains_are_those_of_the_enumerated_partition_functions(pairing):
    """From exact states, which need no time to be at equilibrium: within 5 of the errors that it says itself."""
    rbm, exacts = climbed(pairing, num_pairs=2)
    place(rbm, [exact.draw(NUM, seed) for seed, exact in enumerate(exacts)])
    rbm.sampler.gains.assign([1.0, -1.0, 2.0])  # what is measured does not depend on what was known
    advance(rbm)
    log_z = np.array([exact.log_z for exact in exacts])
    errors = np.sqrt(rbm.sampler.variances)
    assert np.all(errors < 0.05)
    assert np.all(np.abs(np.array(rbm.sampler.gains) - np.diff(log_z)) < 5 * errors)
    rbm.sampler.lowest.assign([log_z[0], 0])
    found = rbm.sampler.log_partition(rbm)
    assert abs(found.log_z - log_z[-1]) < 5 * found.standard_error < 0.5


def test_the_gain_follows_the_parameters():
    """By the states of the last rung, whose free energies were kept; nothing is drawn."""
    rbm, exacts = climbed(num_pairs=2)
    place(rbm, [exact.draw(NUM, seed) for seed, exact in enumerate(exacts)])
    rbm.sampler.gains.assign(np.diff([exact.log_z for exact in exacts]))
    rbm.sampler.variances.assign(np.zeros(3))
    rbm.sampler.lowest.assign([exacts[0].log_z, 0])
    rbm.w_rec.assign(1.1 * rbm.w_rec)
    rbm.hidden.bias.assign(rbm.hidden.bias + 1)
    key = rbm.stream.key.numpy()
    found, expected = rbm.sampler.log_partition(rbm), Exact(rbm).log_z
    assert abs(expected - exacts[-1].log_z) > 1
    assert abs(found.log_z - expected) < 5 * found.standard_error < 0.2
    np.testing.assert_array_equal(rbm.stream.key, key)


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_the_lowest_rung_has_the_partition_function_of_independent_units(pairing):
    rbm = random_rbm(*PAIRINGS[pairing], sampler="trajectory_tempering")
    rbm.sampler.reset(rbm)
    rbm.w_rec.assign(tf.zeros_like(rbm.w_rec))
    assert_rounded(rbm.sampler.lowest[0], Exact(rbm).log_z)
    for rung, own in zip(rbm.sampler.rungs, ladder.parameters(rbm), strict=True):
        np.testing.assert_array_equal(rung[0], own)


# --- rungs


def small(num_chains=50, seed=3, **options) -> RBM:
    sampler = samplers.TrajectoryTempering(num_chains=num_chains, max_rungs=3, **options)
    return RBM(4, sampler=sampler, kernel_initializer="orthogonal", seed=seed)


def test_a_new_rung_is_the_machine_before_its_update_and_the_lowest_is_given_up():
    """A target that every swap rate falls below makes a rung of each step; there is room for three."""
    rbm, x = small(target=0.999), binary_states(5)[:20].astype("float32")
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    sampler, trajectory, log_z = rbm.sampler, [np.array(sampler_rung[0]) for sampler_rung in rbm.sampler.rungs[:1]], []
    for step in range(5):
        trajectory.append(rbm.w_rec.numpy())
        rates = np.array(sampler.swap_rates)
        logs = rbm.train_on_batch(x, return_dict=True)
        rbm.reset_metrics()
        assert logs["num_rungs"] == min(step + 1, 3)
        # What is given up takes nothing of log Z with it, and the new rung adds nothing.
        assert_rounded(sampler._log_z(sampler._state())[0], np.float32(logs["log_partition"]), 10)
        assert logs["swap_acceptance"] < rates.max()
        log_z.append(sampler.log_partition(rbm).log_z - Exact(rbm).log_z)
    assert int(sampler.num_rungs) == 3
    assert int(sampler.first) == 0  # three were given up
    kept = [np.array(sampler.rungs[0][(int(sampler.first) + i) % 3]) for i in range(3)]
    np.testing.assert_array_equal(kept, trajectory[-3:])
    np.testing.assert_array_equal(sampler.rungs[0][3], 0 * trajectory[0])
    assert np.max(np.abs(log_z)) < 1


def test_what_is_logged():
    """`log_likelihood` is that of the batch at the logged `log_partition`, and of validation data too."""
    rbm, x = small(), binary_states(5)[:20].astype("float32")
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    logs = {k: v[0] for k, v in rbm.fit(x, batch_size=20, validation_data=(x[:3],), verbose=0).history.items()}
    assert set(samplers.TrajectoryTempering.log_names) < set(logs)
    np.testing.assert_allclose(logs["log_likelihood"], np.mean(-rbm.free_energy(x)) - logs["log_partition"], rtol=1e-5)
    np.testing.assert_allclose(
        logs["val_log_likelihood"], np.mean(-rbm.free_energy(x[:3])) - logs["val_log_partition"], rtol=1e-5
    )
    assert abs(logs["log_partition"] - Exact(rbm).log_z) < 0.5
    assert logs["num_rungs"] == 1


def test_the_next_step_after_a_reload_is_the_same(tmp_path):
    rbm, x = small(target=0.999, num_steps=2), binary_states(5)[:20].astype("float32")
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    rbm.fit(x, batch_size=5, verbose=0)
    assert int(rbm.sampler.num_rungs) == 3
    loaded = through_disk(rbm, tmp_path)
    assert_same_state(rbm, loaded)
    assert loaded.sampler.get_config() == rbm.sampler.get_config()
    for machine in (rbm, loaded):
        machine.reset_metrics()
    assert rbm.train_on_batch(x[:9], return_dict=True) == loaded.train_on_batch(x[:9], return_dict=True)
    assert_same_state(rbm, loaded)


def test_a_step_that_diverges_leaves_the_machine_and_a_sound_ladder():
    rbm, x = small(), binary_states(5).astype("float32")
    rbm.compile(keras.optimizers.SGD(1e38), run_eagerly=True)
    rbm.build((None, 5))
    with pytest.raises(FloatingPointError):
        rbm.fit(x, sample_weight=np.full(32, 1e38, "float32"), batch_size=32, epochs=3, verbose=0)
    rbm.w_rec.assign(tf.fill(rbm.w_rec.shape, 3e38))  # free energies are infinite, and their differences no numbers
    advance(rbm)
    for variable in [rbm.sampler.gains, rbm.sampler.variances, rbm.sampler.swap_rates, rbm.sampler.chains]:
        assert np.all(np.isfinite(variable)), variable.path


@pytest.mark.parametrize(
    "make",
    [
        lambda s: RBM(3, visible=units.Mixed([("bernoulli", 2), (units.Softmax(3), 3)]), hidden="spin", sampler=s),
        lambda s: RBM(3, visible=units.Gaussian(learn_precision=True), sampler=s),
        lambda s: ConvRBM(2, 2, pool_size=2, sampler=s),
        lambda s: DBM([4, 3], sampler=s),
        lambda s: keras_rbm.ClassificationRBM(3, 2, sampler=s),
        lambda s: keras_rbm.DBN([4, 3], sampler=s),
    ],
    ids=["mixed", "precision", "conv", "dbm", "labels", "dbn"],
)
@pytest.mark.few(4)
def test_every_machine_takes_a_step_along_a_ladder(make):
    """At once with the machine: an ordinary `log_partition` is enumerated, after a rung was made of each step."""
    sampler = samplers.TrajectoryTempering(num_chains=200, target=0.999, max_rungs=3)
    machine = make(sampler)
    x = np.eye(5, dtype="float32")[[0, 1, 2, 4, 3]]
    x[:, 2:] = np.eye(3)[[0, 1, 2, 1, 0]]
    y = np.arange(5) % 2
    if isinstance(machine, ConvRBM):
        x = np.tile(x[:, :4, None, None], (1, 1, 4, 1))
    machine.compile(keras.optimizers.SGD(0.02), run_eagerly=True)
    machine.fit(x, y, batch_size=5, epochs=3, verbose=0)
    assert int(machine.sampler.num_rungs) > 1
    found = machine.sampler.log_partition(machine).log_z
    assert abs(found - float(keras_rbm.likelihood.exact_log_partition(machine))) < 0.3


# --- a machine that has learnt already


def test_the_ladder_to_a_trained_machine():
    """From one with weights already: `reset` builds it; from copies on the way: `from_trajectory`."""
    rbm = uncompiled(random_rbm(num_visible=10, sampler=samplers.TrajectoryTempering(num_chains=200, dtype="float64")))
    other = uncompiled(random_rbm(num_visible=10, sampler="cd"))
    rbm.w_rec.assign(4 * rbm.w_rec)
    rbm.sampler.reset(rbm)
    assert int(rbm.sampler.num_rungs) > 1
    exact = Exact(rbm)
    assert abs(rbm.sampler.log_partition(rbm, 50).log_z - exact.log_z) < 0.15
    other.w_rec.assign(rbm.w_rec)
    early = random_rbm(num_visible=10, sampler="cd", seed=1)
    own, key = [p.numpy() for p in ladder.parameters(other)], other.stream.key.numpy()
    sampler = samplers.TrajectoryTempering.from_trajectory([early, other], num_chains=200)
    for a, b in zip(own, ladder.parameters(other), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(other.stream.key, key)
    assert abs(sampler.log_partition(other, 50).log_z - exact.log_z) < 0.15
    np.testing.assert_array_equal(other.stream.key, key)  # asking does not change the training that goes on
    assert_distributed(sampler.sample(other, 150, 100), exact)


# --- arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 0}, r"`target` must be in \(0, 1\). Received: target=0"),
        ({"target": 1.0}, "`target` must be in"),
        ({"target": "high"}, "`target` must be in"),
        ({"target": float("nan")}, "`target` must be in"),
        ({"max_rungs": 1}, "`max_rungs` must be at least 2. Received: max_rungs=1"),
        ({"max_rungs": 2.5}, "`max_rungs` must be a positive integer"),
        ({"num_pairs": 0}, "`num_pairs` must be a positive integer"),
        ({"num_chains": 0}, "`num_chains` must be a positive integer"),
        ({"num_steps": 0}, "`num_steps` must be a positive integer"),
    ],
    ids=str,
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        samplers.TrajectoryTempering(**options)


def test_what_cannot_have_a_ladder():
    x = binary_states(5).astype("float32")
    rbm = RBM(4, sampler="trajectory_tempering", dropout=0.5)
    rbm.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match=r"whole machine.*dropout"):
        rbm.fit(x, verbose=0)
    with pytest.raises(MemoryError, match=r"max_rungs=2000000000 must fit into memory. It needs \d+\.\d GiB"):
        RBM(4, sampler=samplers.TrajectoryTempering(max_rungs=2_000_000_000)).build((None, 5))
    a, b = random_rbm(sampler="trajectory_tempering"), random_rbm(num_hidden=3)
    with pytest.raises(ValueError, match=r"another one than that .* a sampler of its own: TrajectoryTempering\.from_"):
        a.sampler.log_partition(b)
    with pytest.raises(TypeError):
        a.sampler.sample("rbm")
    with pytest.raises(ValueError, match="`num_samples` must be a positive integer"):
        a.sampler.sample(a, 0)
    with pytest.raises(ValueError, match="`num_steps` must be a positive integer"):
        a.sampler.log_partition(a, -1)
    with pytest.raises(ValueError, match=r"belongs to a built machine.*from_trajectory"):
        samplers.TrajectoryTempering().log_partition(a)
    with pytest.raises(TypeError, match=r"list of machines\. Received: RBM\. Give \[it\]"):
        samplers.TrajectoryTempering.from_trajectory(a)
    with pytest.raises(ValueError, match=r"leads to a machine. Received: machines=\[\]"):
        samplers.TrajectoryTempering.from_trajectory([])
    with pytest.raises(ValueError, match=r"have its size. Received: .*\(5, 4\).*\(5, 3\)"):
        samplers.TrajectoryTempering.from_trajectory([a, b])
    spins = random_rbm("spin", 5)
    with pytest.raises(ValueError, match="Received: Spin-Bernoulli on the way to Bernoulli-Bernoulli units"):
        samplers.TrajectoryTempering.from_trajectory([spins, a])


@pytest.mark.slow
def test_log_z_follows_all_through_training():
    """Of 16 hidden units, enumerated after each epoch, while rungs come up; and what the epochs logged."""
    x = (keras_rbm.load("digits").x_train > 0.5).astype("float32")
    rbm = RBM(16, sampler=samplers.TrajectoryTempering(num_chains=1000), seed=0)
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.2))
    found, exact = [], []

    def compare(epoch, logs):
        exact.append(float(keras_rbm.likelihood.exact_log_partition(rbm)))
        found.append(rbm.sampler.log_partition(rbm).log_z)

    follow = keras.callbacks.LambdaCallback(on_epoch_end=compare)
    history = rbm.fit(x, batch_size=100, epochs=60, verbose=0, callbacks=[follow]).history
    assert history["num_rungs"][-1] > 2
    assert np.max(np.abs(np.subtract(found, exact))) < 0.1
    assert abs(history["log_likelihood"][-1] - (np.mean(-rbm.free_energy(x)) - exact[-1])) < 0.2
    assert exact[-1] - exact[0] > 5
