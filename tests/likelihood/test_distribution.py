"""Machines as distributions of TensorFlow Probability, against enumeration."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_rbm import DBM, RBM, ClassificationRBM, likelihood
from keras_rbm.likelihood import distribution
from tests.oracles.dbm import ExactDBM, random_dbm
from tests.oracles.kinds import index
from tests.oracles.machines import random_dbn, random_rbm, randomize, rbm_of
from tests.oracles.rbm import Exact, assert_distributed
from tests.support.statistics import assert_frequencies, assert_rounded

NUM = 20000


def built(model):
    model.build((None, 4))
    return model


PAIRS = [("bernoulli", "spin"), ("spin", "gaussian"), ("softmax", "bernoulli"), ("gaussian", "bernoulli")]


@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_probabilities_and_samples_are_the_enumerated_ones(kinds):
    rbm = rbm_of(*kinds)
    p, exact = likelihood.Distribution(rbm, num_steps=30), Exact.of(rbm, *kinds)
    assert_rounded(p.log_prob(exact.v) + exact.log_dv, np.log(exact.p_v), 1e5)
    assert_distributed(p.sample(NUM, seed=(0, 1)), exact)


def test_of_a_dbm_all_hidden_layers_are_summed_out():
    kinds = ["bernoulli", "spin", "bernoulli"]
    dbm = random_dbm(kinds)
    p, exact = likelihood.Distribution(dbm, num_steps=30), ExactDBM(dbm, kinds)
    v, log_p = exact.states[0], exact.log_p_of(0) - exact.log_z
    assert_rounded(p.log_prob(v), log_p)
    assert_frequencies(index(v, p.sample(NUM, seed=(0, 1))), np.exp(log_p))


def test_shapes_are_those_that_tensorflow_probability_asks_for():
    p = likelihood.Distribution(random_rbm(dtype="float32"), num_steps=3)
    assert (p.batch_shape, p.event_shape, p.dtype) == ([], [5], tf.float32)
    assert p.event_shape_tensor().numpy().tolist() == [5]
    for shape in ([], [4], [2, 3]):
        v = p.sample(shape, seed=(0, 1))
        assert v.dtype == tf.float32
        assert v.shape == [*shape, 5]
        assert p.log_prob(v).shape == shape
        assert_rounded(p.prob(v), np.exp(p.log_prob(v)))
    joint = tfp.distributions.Sample(p, 7)
    assert joint.log_prob(joint.sample(2, seed=(0, 1))).shape == [2]
    assert_rounded(p.log_prob(np.ones(5, "int32")), p.log_prob(np.ones(5, "float32")))


def test_compiled_it_gives_the_same():
    p = likelihood.Distribution(random_rbm(), num_steps=30)

    @tf.function(jit_compile=True)
    def compiled():
        v = p.sample(NUM, seed=(0, 1))
        return v, p.log_prob(v)

    v, log_prob = compiled()
    assert_rounded(log_prob, p.log_prob(v))
    assert_distributed(v, Exact(random_rbm()))


def test_the_seed_rules_and_the_machines_own_key_stays():
    """Seeds are 16 apart because the keys of sweeps are: chains of one would else run after those of the other."""
    rbm = random_rbm()
    p, key = likelihood.Distribution(rbm, num_steps=30), np.array(rbm.stream.key)
    first, again, other = (p.sample(NUM, seed=(0, seed)).numpy() for seed in (0, 0, 16))
    np.testing.assert_array_equal(again, first)
    exact = Exact(rbm)
    pair = exact.index(first) * len(exact.v) + exact.index(other)
    assert_frequencies(pair, np.outer(exact.p_v, exact.p_v).ravel())
    np.testing.assert_array_equal(rbm.stream.key, key)


def test_it_is_a_copy():
    rbm = random_rbm(sampler="pcd")
    exact = Exact(rbm)
    p = likelihood.Distribution(rbm)
    randomize(rbm, seed=5)
    assert_rounded(p.log_prob(exact.v), np.log(exact.p_v))
    assert_rounded(p.copy(num_steps=3).log_prob(exact.v), np.log(exact.p_v))


def test_an_estimate_of_log_z_and_its_error_are_kept():
    rbm, v = random_rbm(), np.ones((1, 5))
    found = likelihood.ais(rbm, num_temperatures=100, verbose=0)
    p = likelihood.Distribution(rbm, found)
    assert p.log_partition is found
    assert_rounded(p.log_prob(v), -Exact(rbm).free_energy(v) - found.log_z)


@pytest.mark.filterwarnings("ignore:AIS and reverse AIS differ")
def test_too_large_to_enumerate_it_is_annealed_both_ways_from_data(monkeypatch):
    """Without data it can be annealed one way only."""
    monkeypatch.setattr(likelihood.exact, "MAX_LOG2_STATES", 1)
    few = {"num_chains": 5, "num_temperatures": 10, "verbose": 0}
    both = functools.partial(likelihood.log_partition, **few, burn_in=3)
    monkeypatch.setattr(distribution, "bounds_of", both)
    monkeypatch.setattr(distribution, "ais", functools.partial(likelihood.ais, **few))
    rbm, data = random_rbm(), np.eye(5)
    found, alone = likelihood.Distribution(rbm, data=data).log_partition, likelihood.Distribution(rbm).log_partition
    assert (found.kind, alone.kind) == ("estimate", "lower bound")
    assert found.log_z == both(rbm, data).joined.log_z != Exact(rbm).log_z
    assert alone.log_z == likelihood.ais(rbm, **few).log_z


def test_values_are_checked_if_asked():
    p = likelihood.Distribution(random_rbm(), validate_args=True)
    p.log_prob(np.ones((2, 5)))
    for x in (0.5, 2.0):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"values in \[0, 1\], states and no means"):
            p.log_prob(np.full((2, 5), x))


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (lambda: RBM(3), {}, ValueError, "must be built"),
        (random_dbn, {}, TypeError, "an RBM or a DBM. Received: DBN"),
        (lambda: built(ClassificationRBM(3, num_classes=2)), {}, TypeError, "Received: ClassificationRBM"),
        (lambda: built(DBM([3, 30, 30])), {}, ValueError, r"2\^30. Use likelihood.log_likelihood"),
        (random_rbm, {"num_steps": 0}, ValueError, "`num_steps` must be a positive integer"),
        (random_rbm, {"log_partition": 3.0}, ValueError, "`log_partition` must be what .* Received: float"),
    ],
    ids=["unbuilt", "dbn", "labels", "dbm", "num_steps", "log_partition"],
)
def test_bad_arguments(model, options, error, message):
    with pytest.raises(error, match=message):
        likelihood.Distribution(model(), **options)


def test_the_room_has_no_other_names():
    assert not hasattr(likelihood, "NoSuchThing")
