"""Parallel tempering: every temperature keeps its enumerated distribution, and neighbours swap as often as they should.

The path between the temperatures has a base bias of its own, which is not the machine's.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, RBM, samplers, units
from keras_rbm.samplers.tempering import _MEMORY
from tests.oracles.kinds import binary_states
from tests.oracles.machines import PAIRINGS, kind, random_rbm
from tests.oracles.rbm import Exact, assert_distributed
from tests.support.modes import MODES
from tests.support.saving import assert_same_state, through_disk
from tests.support.statistics import assert_frequencies, assert_mean, assert_means, assert_rounded

NUM = 20000
BETAS = (0.25, 0.6, 1.0)
BASE_BIAS = np.array([1.0, -1.5, 0.5, -0.5, 2.0])
ONES = tf.ones(1, "float64")


def tempered(*shape, betas=BETAS, dtype="float64", num_chains=NUM, num_steps=1, **kwargs) -> tuple[RBM, list[Exact]]:
    """A machine and its enumerated distribution at each temperature, from the hottest."""
    sampler = samplers.ParallelTempering(num_steps, num_chains, betas=betas, dtype=dtype)
    rbm = random_rbm(*shape, sampler=sampler, dtype=dtype, **kwargs)
    base_bias = BASE_BIAS[: rbm.visible.width]
    sampler.base_bias.assign(base_bias)
    return rbm, [Exact(rbm, beta, base_bias) for beta in betas]


def at_equilibrium(exacts: list[Exact], number: int = NUM) -> np.ndarray:
    """Chains drawn exactly, those of each temperature independently."""
    return np.concatenate([exact.draw(number, seed) for seed, exact in enumerate(exacts)])


def advance(rbm: RBM, num_cases: int = 1) -> samplers.Samples:
    """A step of the chains, as training takes it."""
    samples = rbm.sampler.negative_phase(rbm, tf.zeros((num_cases, rbm.visible.width), "float64"), ONES)
    rbm.sampler.update(samples, [])
    return samples


def swap_probabilities(a: Exact, b: Exact) -> np.ndarray:
    """Of all states at the one temperature with all states at the other, by the definition."""
    log_a, log_b = -a.free_energy(a.v), -b.free_energy(a.v)
    return np.exp(np.minimum(0, (log_a - log_b)[None, :] + (log_b - log_a)[:, None]))


def expected_acceptance(a: Exact, b: Exact) -> tuple[float, float]:
    """Mean and standard deviation of the probability with which two states at equilibrium swap."""
    p, joint = swap_probabilities(a, b), np.outer(a.p_v, b.p_v)
    mean = np.sum(joint * p)
    return mean, np.sqrt(np.sum(joint * (p - mean) ** 2))


def accepted(after, before) -> np.ndarray:
    """What the swap rates of pairs say that this step has accepted; NaN for pairs that did not meet."""
    after, before = np.asarray(after, "float64"), np.asarray(before, "float64")
    return np.where(after == before, np.nan, before + (after - before) / (1 - _MEMORY))


# --- distributions


@pytest.mark.parametrize("num_steps", [1, 3])
@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.few(3)
def test_every_temperature_stays_as_it_is(pairing, num_steps):
    rbm, exacts = tempered(*PAIRINGS[pairing], num_steps=num_steps)
    rbm.sampler.chains.assign(at_equilibrium(exacts))
    for _ in range(3):
        samples = advance(rbm)
        chains = np.split(np.array(rbm.sampler.chains), 3)
        np.testing.assert_array_equal(samples.v, chains[-1])
        np.testing.assert_array_equal(samples.weights, np.ones(NUM))
        for v, exact in zip(chains, exacts, strict=True):
            assert_distributed(v, exact)


def assert_swapped_and_swept(rbm: RBM, exacts: list[Exact], rates_before: np.ndarray) -> tuple:
    """One step from a state for each temperature: a mixture of the states that a swap left, each then swept."""
    starts = START[:, None]
    rates = accepted(rbm.sampler.swap_rates, rates_before)
    sources = [[(1.0, i)] for i in range(3)]
    (pair,) = np.flatnonzero(~np.isnan(rates))
    a, b = exacts[pair : pair + 2]
    probability = swap_probabilities(a, b)[tuple(a.index(START[pair : pair + 2]))]
    assert 0.4 < probability < 0.6
    sources[pair], sources[pair + 1] = (
        [(1 - probability, i), (probability, j)] for i, j in ((pair, pair + 1), (pair + 1, pair))
    )
    for v, exact, parts in zip(np.split(np.array(rbm.sampler.chains), 3), exacts, sources, strict=True):
        assert_frequencies(exact.index(v), sum(share * exact.transitions(starts[i], 1)[0] for share, i in parts))
    return pair, rates[pair], probability


#: A state for each of the three temperatures, which neighbours swap neither always nor never.
START = binary_states(5)[[28, 0, 8]]


def test_single_states_swap_and_move_with_the_enumerated_probabilities():
    rbm, exacts = tempered()
    pairs = set()
    for _ in range(8):
        before = np.array(rbm.sampler.swap_rates)
        rbm.sampler.chains.assign(np.repeat(START, NUM, 0))
        advance(rbm)
        pair, rate, probability = assert_swapped_and_swept(rbm, exacts, before)
        np.testing.assert_allclose(rate, probability, rtol=1e-10)
        pairs.add(int(pair))
    assert pairs == {0, 1}


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.few(1)
def test_training_steps_swap_and_move_alike_in_every_mode(mode):
    rbm, exacts = tempered(dtype="float32")
    rbm.sampler.chains.assign(np.repeat(START, NUM, 0))
    rbm.compile(keras.optimizers.SGD(0.0), steps_per_execution=1, **MODES[mode])
    logs = rbm.train_on_batch(np.zeros((3, 5)), return_dict=True)
    _, _, probability = assert_swapped_and_swept(rbm, exacts, np.ones(2))
    assert_rounded(np.float32(logs["swap_acceptance"]), probability)


def test_swaps_exchange_the_states_of_neighbours():
    """Visible units that can only copy themselves: what a chain has after a step, it or its neighbour had before."""
    num, betas = 1000, (0.25, 0.5, 0.75, 1.0)
    rbm, exacts = tempered("bernoulli", 4, "bernoulli", 4, betas=betas, num_chains=num)
    rbm.w_rec.assign(400 * np.eye(4))
    rbm.visible.bias.assign([-199, -203, -200, -200])
    rbm.hidden.bias.assign(np.full(4, -200))
    exacts = [Exact(rbm, beta, BASE_BIAS[:4]) for beta in betas]
    v = np.random.default_rng(0).integers(0, 2, (4, num, 4))
    met = set()
    for _ in range(8):
        rates = np.array(rbm.sampler.swap_rates)
        rbm.sampler.chains.assign(v.reshape(-1, 4))
        advance(rbm)
        after = np.reshape(rbm.sampler.chains, v.shape)
        pairs = np.flatnonzero(~np.isnan(accepted(rbm.sampler.swap_rates, rates)))
        met.add(tuple(pairs.tolist()))
        alone = np.setdiff1d(np.arange(4), [*pairs, *(pairs + 1)])
        np.testing.assert_array_equal(after[alone], v[alone])
        for i in pairs:
            x, y = v[i], v[i + 1]
            stayed = np.all((after[i] == x) & (after[i + 1] == y), 1)
            swapped = np.all((after[i] == y) & (after[i + 1] == x), 1)
            assert np.all(stayed | swapped)
            told_apart = np.any(x != y, 1)
            probability = swap_probabilities(*exacts[i : i + 2])[exacts[i].index(x), exacts[i].index(y)]
            assert_means((swapped - probability)[told_apart], 0.0)
    assert met == {(0, 2), (1,)}


def test_chains_do_not_depend_on_the_batch():
    rbm, exacts = tempered(num_chains=7)
    key, v = np.array(rbm.stream.key), at_equilibrium(exacts, 7)
    found = []
    for num_cases in (1, 3, 50):
        rbm.stream.key.assign(key)
        rbm.sampler.chains.assign(v)
        samples = advance(rbm, num_cases)
        assert samples.v.shape == (7, 5)
        found.append(np.array(rbm.sampler.chains))
    assert found[0].shape == (21, 5)
    assert np.any(found[0] != v)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_a_negative_phase_changes_nothing_but_the_key():
    rbm, exacts = tempered(num_chains=50)
    rbm.sampler.chains.assign(at_equilibrium(exacts, 50))
    before, key = [np.array(x) for x in rbm.sampler.weights], np.array(rbm.stream.key)
    rbm.sampler.negative_phase(rbm, tf.zeros((1, 5), "float64"), ONES)
    for a, b in zip(rbm.sampler.weights, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(rbm.stream.key != key)


@pytest.mark.slow
def test_swaps_carry_cold_chains_from_mode_to_mode():
    """Two modes, all units on or all off, equally likely, which Gibbs sampling alone does not leave in 1000 sweeps."""
    num, steps = 1000, 1000
    found = {}
    for name in ("pcd", "parallel_tempering"):
        sampler = samplers.get(name, num_steps=steps, num_chains=num, dtype="float64")
        rbm = random_rbm("bernoulli", 6, "bernoulli", 4, sampler=sampler)
        rbm.w_rec.assign(np.full((6, 4), 6.0))
        rbm.visible.bias.assign(np.full(6, -12.0))
        rbm.hidden.bias.assign(np.full(4, -18.0))
        sampler.chains.assign(tf.zeros_like(sampler.chains))
        step = tf.function(sampler.negative_phase)
        found[name] = step(rbm, tf.zeros((1, 6), "float64"), ONES).v.numpy()
    exact = Exact(rbm)
    assert_rounded(exact.p_v[[0, -1]], np.full(2, exact.p_v[0]))
    assert exact.p_v[0] > 0.4
    assert found["pcd"].mean(1).max() < 0.5
    assert_frequencies(exact.index(found["parallel_tempering"]), exact.p_v)


# --- what is logged


@pytest.mark.parametrize("pairing", ["bernoulli-bernoulli", "bernoulli-gaussian"])
def test_swap_rates_are_the_enumerated_acceptance(pairing):
    """Of each pair that met; the log is their mean, and its minimum that over all pairs."""
    betas = (0.1, 0.3, 0.5, 1.0)
    rbm, exacts = tempered(*PAIRINGS[pairing], betas=betas)
    v, met = at_equilibrium(exacts), set()
    for _ in range(8):
        before = np.array(rbm.sampler.swap_rates)
        rbm.sampler.chains.assign(v)
        logs = advance(rbm).logs
        rates = accepted(rbm.sampler.swap_rates, before)
        pairs = np.flatnonzero(~np.isnan(rates))
        met.add(tuple(pairs.tolist()))
        for i in pairs:
            assert_mean(rates[i], NUM, *expected_acceptance(*exacts[i : i + 2]))
        np.testing.assert_allclose(logs["swap_acceptance"], rates[pairs].mean(), rtol=1e-10)
        np.testing.assert_array_equal(logs["swap_acceptance_min"], np.min(rbm.sampler.swap_rates))
    assert met == {(0, 2), (1,)}
    assert np.min(rbm.sampler.swap_rates) < 1


def test_training_logs_the_mean_acceptance():
    """Of a step with two sweeps, from equilibrium: each sweep meets one of the two pairs."""
    rbm, exacts = tempered(num_steps=2)
    rbm.sampler.chains.assign(at_equilibrium(exacts))
    rbm.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    history = rbm.fit(np.zeros((3, 5)), verbose=0).history
    moved = np.array(rbm.sampler.swap_rates) < 1
    expected = [expected_acceptance(*exacts[i : i + 2]) for i in range(2)]
    chosen = [e for e, m in zip(expected, moved, strict=True) if m]
    mean = np.mean([mean for mean, _ in chosen])
    (value,) = history["swap_acceptance"]
    assert_mean(value, NUM, mean, max(deviation for _, deviation in chosen))
    np.testing.assert_allclose(history["swap_acceptance_min"], np.min(rbm.sampler.swap_rates), rtol=1e-6)


def test_the_acceptance_of_two_temperatures_is_that_of_their_pair():
    rbm, exacts = tempered(betas=(0.5, 1.0))
    v, found = at_equilibrium(exacts), []
    for _ in range(8):
        before = np.array(rbm.sampler.swap_rates)
        rbm.sampler.chains.assign(v)
        logs = advance(rbm).logs
        if np.any(rbm.sampler.swap_rates != before):
            assert_mean(logs["swap_acceptance"], NUM, *expected_acceptance(*exacts))
        found.append(float(logs["swap_acceptance"]))
    np.testing.assert_allclose(found, found[0], rtol=1e-10)


# --- state


def test_chains_start_from_the_visible_bias_at_every_temperature():
    """After `adapt`, which the base bias and the rates follow; training moves the bias alone."""
    rbm, _ = tempered(num_chains=NUM)
    rbm.sampler.swap_rates.assign([0.5, 0.25])
    v = np.tile([[0.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]], (500, 1))
    rbm.adapt(v)
    bias = np.array(rbm.visible.bias)
    np.testing.assert_array_equal(rbm.sampler.base_bias, bias)
    np.testing.assert_array_equal(rbm.sampler.swap_rates, np.ones(2))
    for chains in np.split(np.array(rbm.sampler.chains), 3):
        assert_means(chains, (1000 * v.mean(0) + 0.5) / 1001)
    rbm.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    rbm.train_on_batch(v[:3])
    assert np.all(rbm.visible.bias != bias)
    np.testing.assert_array_equal(rbm.sampler.base_bias, bias)


def test_the_base_bias_starts_at_the_machines():
    visible = units.Bernoulli(bias_initializer=keras.initializers.Constant(1.5), dtype="float64")
    rbm = RBM(3, visible=visible, sampler="parallel_tempering", dtype="float64")
    rbm.build((None, 5))
    np.testing.assert_array_equal(rbm.sampler.base_bias, np.full(5, 1.5))
    assert rbm.sampler.chains.shape == (10 * 20, 5)
    assert_rounded(rbm.sampler.betas, np.arange(10) / 9)


@pytest.mark.parametrize("options", [{"num_temperatures": 3}, {"betas": [0.125, 0.5, 1.0]}], ids=str)
def test_the_next_step_after_a_reload_is_the_same(options, tmp_path):
    x = binary_states(5)[:20].astype("float32")
    rbm = RBM(4, sampler=samplers.ParallelTempering(2, 7, **options), kernel_initializer="orthogonal", seed=3)
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    rbm.fit(x, batch_size=10, verbose=0)
    assert np.any(rbm.sampler.swap_rates != 1)
    assert np.any(rbm.sampler.base_bias)
    loaded = through_disk(rbm, tmp_path)
    assert_same_state(rbm, loaded)
    for name in ("chains", "base_bias", "swap_rates"):
        np.testing.assert_array_equal(getattr(loaded.sampler, name), getattr(rbm.sampler, name))
    np.testing.assert_array_equal(loaded.sampler.betas, rbm.sampler.betas)
    for machine in (rbm, loaded):
        machine.reset_metrics()
    assert rbm.train_on_batch(x[:9], return_dict=True) == loaded.train_on_batch(x[:9], return_dict=True)
    assert_same_state(rbm, loaded)


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}], ids=str)
@pytest.mark.few(1)
def test_the_top_of_a_dbn(options):
    """Wake-sleep logs what the sampler does, in every mode; the chains are of the top's visible units."""
    dbn = DBN([4, 3], sampler="parallel_tempering", seed=0)
    dbn.compile(keras.optimizers.SGD(0.1), **options)
    dbn.build((None, 5))
    before = np.array(dbn.top.sampler.chains)
    history = dbn.fit(binary_states(5), batch_size=8, epochs=2, verbose=0).history
    losses = {"loss", "wake_loss", "sleep_loss", "reconstruction_error"}
    assert set(history) == losses | {"swap_acceptance", "swap_acceptance_min"}
    assert np.all(np.array(history["swap_acceptance"]) > 0)
    assert np.all(np.array(history["swap_acceptance"]) <= 1)
    np.testing.assert_array_less(np.min(dbn.top.sampler.swap_rates), history["swap_acceptance_min"][0])
    assert np.any(dbn.top.sampler.chains != before)
    assert before.shape == (200, 4)


def test_pretraining_every_layer_with_a_sampler_of_its_own():
    dbn = DBN([4, 3], seed=0)
    histories = dbn.pretrain(
        binary_states(5), epochs=1, sampler=["fast_pcd", "parallel_tempering"], verbose=0, run_eagerly=True
    )
    assert "swap_acceptance" not in histories[0].history
    assert 0 < histories[1].history["swap_acceptance"][0] <= 1


# --- arguments


def test_get_knows_every_sampler_by_name():
    known = {
        "cd": samplers.CD,
        "pcd": samplers.PCD,
        "fast_pcd": samplers.FastPCD,
        "parallel_tempering": samplers.ParallelTempering,
        "trajectory_tempering": samplers.TrajectoryTempering,
    }
    for name, cls in known.items():
        assert type(samplers.get(name)) is type(samplers.get(name.upper())) is cls
    with pytest.raises(
        ValueError,
        match=r"'cd', 'pcd', 'fast_pcd', 'parallel_tempering', 'trajectory_tempering'.*Received: 'tempering'",
    ):
        samplers.get("tempering")


def test_configs_keep_what_was_given():
    given = samplers.ParallelTempering(2, 3, betas=np.array([0.1, 1.0]))
    again = samplers.get(keras.saving.serialize_keras_object(given))
    assert type(again) is samplers.ParallelTempering
    assert again.get_config() == given.get_config()
    assert (again.num_steps, again.num_chains, again.betas.tolist()) == (2, 3, [0.1, 1.0])
    spaced = samplers.get("parallel_tempering", num_temperatures=5)
    again = samplers.get(keras.saving.serialize_keras_object(spaced))
    assert again.betas.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert "betas" not in again.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"betas": [0.0, 0.6, 0.5, 1.0]}, r"`betas` must increase\. Received: 0\.6 then 0\.5, at position 2\."),
        ({"betas": [0.0, 0.5, 0.5, 1.0]}, "`betas` must increase"),
        ({"betas": [0.0, np.nan, 1.0]}, "`betas` must increase"),
        ({"betas": [0.0, 0.5]}, r"`betas` must start from 0 up and end at 1\. Received: 0 \.\.\. 0\.5"),
        ({"betas": [0.0, 1.5]}, "`betas`.*end at 1"),
        ({"betas": [-0.5, 1.0]}, "`betas` must start from 0 up"),
        ({"betas": [np.nan, 1.0]}, "`betas` must start from 0 up"),
        ({"betas": [1.0]}, r"`betas` must be a list of at least 2.*shape=\(1,\)"),
        ({"betas": []}, "`betas` must be a list of at least 2"),
        ({"betas": [[0.0, 1.0]]}, r"`betas` must be a list.*shape=\(1, 2\)"),
        ({"num_temperatures": 1}, "`num_temperatures` must be at least 2. Received: 1"),
        ({"num_temperatures": 0}, "`num_temperatures` must be a positive integer"),
        ({"num_temperatures": 2.0}, "`num_temperatures` must be a positive integer"),
        ({"num_chains": 0}, "`num_chains` must be a positive integer"),
        ({"num_steps": 0}, "`num_steps` must be a positive integer"),
    ],
    ids=str,
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        samplers.ParallelTempering(**options)


@pytest.mark.parametrize("pairing", ["gaussian-bernoulli", "bernoulli-gaussian"])
@pytest.mark.few(1)
def test_a_step_with_gaussian_units(pairing):
    """With the defaults: XLA, ten temperatures from 0, float32."""
    visible, width, hidden, num_hidden = PAIRINGS[pairing]
    rbm = RBM(num_hidden, visible=kind(visible, width, "float32"), hidden=hidden, sampler="parallel_tempering", seed=0)
    rbm.compile("sgd")
    logs = rbm.train_on_batch(binary_states(width), return_dict=True)
    assert 0 < logs["swap_acceptance_min"] <= 1
