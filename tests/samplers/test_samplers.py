"""Samplers leave exact ensembles as they are, and move single states with the enumerated probabilities."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RBM, samplers
from tests.oracles.machines import PAIRINGS, random_rbm
from tests.oracles.rbm import Exact, assert_distributed
from tests.support.statistics import assert_frequencies, assert_means

NUM = 40000
ONES = tf.ones(1, "float64")


@pytest.mark.parametrize("beta", [1.0, 0.5])
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_gibbs_leaves_the_distribution_as_it_is(pairing, beta):
    rbm = random_rbm(*PAIRINGS[pairing])
    exact = Exact(rbm, beta)
    assert_distributed(rbm.gibbs(exact.draw(NUM), num_steps=3, beta=beta), exact)


def test_gibbs_at_a_temperature_for_each_chain():
    rbm = random_rbm()
    hot, cold = Exact(rbm, 0.5), Exact(rbm, 1.0)
    v = np.concatenate([hot.draw(NUM), cold.draw(NUM)])
    beta = np.repeat([[0.5], [1.0]], NUM, 0)
    v = rbm.gibbs(v, num_steps=2, beta=beta)
    assert_distributed(v[:NUM], hot)
    assert_distributed(v[NUM:], cold)


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_gibbs_moves_single_states_with_the_enumerated_probabilities(num_steps):
    """As many sweeps as asked for, each from the state before: a stationary ensemble would not tell."""
    rbm = random_rbm()
    exact, start = Exact(rbm), np.ones((1, 5))
    expected = exact.transitions(start, num_steps)[0]
    v = np.repeat(start, NUM, 0)
    assert_frequencies(exact.index(rbm.gibbs(v, num_steps)), expected)
    assert_frequencies(exact.index(samplers.CD(num_steps).negative_phase(rbm, tf.constant(v), ONES).v), expected)
    assert_frequencies(exact.index(rbm.sample(v=v, num_steps=num_steps)), expected)
    means = rbm.sample(v=v, num_steps=num_steps, mean=True)
    assert_means(means, expected @ exact.v)
    assert np.all((means > 0) & (means < 1))


def test_trajectories_are_means_along_one_chain():
    rbm = random_rbm()
    exact, start = Exact(rbm), np.ones((1, 5))
    rows = rbm.trajectories(num_rows=2, num_steps=2, v=np.repeat(start, NUM, 0))
    for row, num_sweeps in zip(rows, (2, 4), strict=True):
        assert_means(row, exact.transitions(start, num_sweeps)[0] @ exact.v)


def test_samples_start_from_the_biases():
    """One sweep from independent visible units."""
    rbm = random_rbm()
    exact = Exact(rbm)
    odds = np.exp(exact.parameters.b)
    start = np.prod(np.where(exact.v == 1, odds / (1 + odds), 1 / (1 + odds)), 1)
    assert_frequencies(exact.index(rbm.initial_states(NUM)), start)
    assert_frequencies(exact.index(rbm.sample(NUM, num_steps=1)), start @ exact.transitions(exact.v, 1))


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("name", ["cd", "pcd"])
def test_negative_phase_leaves_the_distribution_as_it_is(name, pairing):
    options = {"num_chains": NUM} if name == "pcd" else {}
    rbm = random_rbm(*PAIRINGS[pairing], sampler=samplers.get(name, num_steps=2, dtype="float64", **options))
    exact = Exact(rbm)
    v = exact.draw(NUM)
    if name == "pcd":
        rbm.sampler.chains.assign(v)
        v = v[:3]  # whatever the batch
    for _ in range(2):
        samples = rbm.sampler.negative_phase(rbm, tf.constant(v), ONES)
        rbm.sampler.update(samples, [])
        v_model = samples.v
        assert v_model.shape[0] == NUM
        assert_distributed(v_model, exact)


def frozen(sampler: samplers.Sampler) -> RBM:
    """An RBM whose visible units can only copy themselves: weights so strong that chance has no say."""
    rbm = random_rbm("bernoulli", 4, "bernoulli", 4, sampler=sampler)
    rbm.w_rec.assign(200 * np.eye(4))
    rbm.visible.bias.assign(np.full(4, -100))
    rbm.hidden.bias.assign(np.full(4, -100))
    return rbm


def test_cd_starts_from_the_data_and_pcd_from_its_chains():
    v, chains = tf.constant(np.eye(4)), 1 - np.eye(4)[:2]
    rbm = frozen(samplers.CD(num_steps=3, dtype="float64"))
    np.testing.assert_array_equal(rbm.sampler.negative_phase(rbm, v, ONES).v, v)
    rbm = frozen(samplers.PCD(num_steps=3, num_chains=2, dtype="float64"))
    rbm.sampler.chains.assign(chains)
    np.testing.assert_array_equal(rbm.sampler.negative_phase(rbm, v, ONES).v, chains)


def test_chains_go_on_from_step_to_step():
    """The negative phase itself changes nothing; the training step keeps its samples."""
    rbm = random_rbm(sampler=samplers.PCD(num_chains=30, dtype="float64"))
    before, key = np.array(rbm.sampler.chains), np.array(rbm.stream.key)
    v_model = rbm.sampler.negative_phase(rbm, tf.zeros((1, 5), "float64"), ONES).v
    np.testing.assert_array_equal(rbm.sampler.chains, before)
    assert np.any(v_model != before)
    rbm.stream.key.assign(key)
    rbm.compile("sgd", run_eagerly=True)
    rbm.train_on_batch(np.zeros((7, 5)))
    np.testing.assert_array_equal(rbm.sampler.chains, v_model)


def test_chains_start_from_the_adapted_bias():
    rbm = random_rbm(sampler=samplers.PCD(num_chains=NUM, dtype="float64"))
    v = np.tile([[0.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]], (500, 1))
    rbm.adapt(v)
    assert_means(rbm.sampler.chains, (1000 * v.mean(0) + 0.5) / 1001)


def test_get_takes_names_configs_and_objects():
    assert type(samplers.get("cd")) is samplers.CD
    assert samplers.get("PCD", num_steps=3).num_steps == 3
    sampler = samplers.PCD(num_steps=4, num_chains=7)
    assert samplers.get(sampler) is sampler
    again = samplers.get(keras.saving.serialize_keras_object(sampler))
    assert type(again) is samplers.PCD
    assert again.get_config() == sampler.get_config()
    assert (again.num_steps, again.num_chains) == (4, 7)
    with pytest.raises(ValueError, match=r"'cd', 'pcd'.*Received: 'gibs'"):
        samplers.get("gibs")
