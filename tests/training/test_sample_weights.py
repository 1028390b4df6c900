"""Case weights in every learning rule: weight n is a row n times, weight 0 a row left out.

Persistent chains draw the same numbers whatever the batch. Where draws depend on it (contrastive divergence, the way up
and down in a DBN), units that always take their most probable state leave chance no say.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, samplers, units
from keras_rbm.regularizers import Sparsity
from tests.oracles.kinds import binary_states
from tests.oracles.machines import random_rbm, randomize
from tests.support.statistics import assert_rounded

V = binary_states(5)[[7, 21, 12, 30, 3]].astype("float32")
WEIGHTS = np.array([2.0, 0.0, 1.0, 3.0, 0.0])
REPEATED = V[[0, 0, 2, 3, 3, 3]]


@keras.saving.register_keras_serializable("tests")
class Certain(units.Bernoulli):
    """Units that are on where that is the more probable."""

    def sample(self, field, draws):
        draws.next_key()
        return self.mode(field)


SAMPLERS = {
    "cd": lambda: samplers.CD(num_steps=2),
    "pcd": lambda: samplers.PCD(num_chains=7),
    "fast_pcd": lambda: samplers.FastPCD(num_chains=7, fast_learning_rate=0.25),
    "tempering": lambda: samplers.ParallelTempering(num_chains=7, num_temperatures=3),
}


def make_rbm(name: str, **kwargs):
    """Under contrastive divergence, units that all but copy the data, so that samples differ from case to case."""
    if name != "cd":
        return random_rbm(sampler=SAMPLERS[name](), dtype="float32", **kwargs)
    rbm = random_rbm(Certain(), 5, Certain(), 4, sampler=SAMPLERS[name](), dtype="float32", **kwargs)
    rbm.w_rec.assign_add(4 * np.eye(5, 4))
    for side in (rbm.visible, rbm.hidden):
        side.bias.assign(np.full(side.width, -2.0))
    return rbm


def make_dbn(name: str) -> DBN:
    dbn = DBN([4, 3], visible=Certain(), hidden=Certain(), sampler=SAMPLERS[name](), seed=0)
    dbn.build((None, 5))
    randomize(dbn)
    return dbn


def logs_of(machine, x: np.ndarray, weights: np.ndarray | None) -> dict:
    """Of the last of two steps; the pseudo-likelihood flips a random unit of each row."""
    machine.compile(keras.optimizers.SGD(0.125, momentum=0.5), run_eagerly=True)
    for _ in range(2):
        machine.reset_metrics()
        logs = machine.train_on_batch(x, sample_weight=weights, return_dict=True)
    return {name: float(value) for name, value in logs.items() if name != "pseudo_log_likelihood"}


def assert_learnt_alike(machines: list, start: list[np.ndarray]) -> None:
    """Every weight, chains and random keys included, after steps that moved all that is trained."""
    first, second = machines
    for variable, a, b in zip(first.weights, first.get_weights(), second.get_weights(), strict=True):
        if a.dtype == "int64":
            np.testing.assert_array_equal(a, b, err_msg=variable.path)
        else:
            assert_rounded(a, b, ulps=100)
    assert all(np.any(a != b) for a, b in zip(first.trainable_variables, start, strict=True))


@pytest.mark.parametrize(
    "options",
    [{}, {"centered": False}, {"activity_regularizer": Sparsity(0.2, 2.0)}],
    ids=["centered", "plain", "sparse"],
)
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.few(6)
def test_weights_count_rows_in_an_rbm(name, options):
    machines = [make_rbm(name, **options) for _ in range(2)]
    start = [np.array(x) for x in machines[0].trainable_variables]
    weighted, repeated = logs_of(machines[0], V, WEIGHTS), logs_of(machines[1], REPEATED, None)
    assert_learnt_alike(machines, start)
    np.testing.assert_allclose([*weighted.values()], [*repeated.values()], rtol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_weights_count_rows_in_wake_sleep(name):
    machines = [make_dbn(name) for _ in range(2)]
    start = [np.array(x) for x in machines[0].trainable_variables]
    weighted, repeated = logs_of(machines[0], V, WEIGHTS), logs_of(machines[1], REPEATED, None)
    assert_learnt_alike(machines, start)
    assert {"wake_loss", "sleep_loss"} <= set(weighted)
    np.testing.assert_allclose([*weighted.values()], [*repeated.values()], rtol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_rows_of_weight_zero_could_be_anything(name):
    other = np.where(WEIGHTS[:, None] > 0, V, 1 - V)
    machines = [make_rbm(name, activity_regularizer=Sparsity(0.2, 2.0)) for _ in range(2)]
    start = [np.array(x) for x in machines[0].trainable_variables]
    assert logs_of(machines[0], V, WEIGHTS) == logs_of(machines[1], other, WEIGHTS)
    assert_learnt_alike(machines, start)


def test_samples_of_contrastive_divergence_count_as_their_cases():
    """And they differ, so that it matters."""
    rbm = make_rbm("cd")
    samples = rbm.sampler.negative_phase(rbm, tf.constant(V), tf.constant(WEIGHTS, "float32"))
    np.testing.assert_array_equal(samples.weights, WEIGHTS)
    assert np.any(np.average(samples.v, 0, WEIGHTS) != np.mean(samples.v, 0))


def test_samples_of_persistent_chains_count_alike_whatever_the_weights():
    for name in ("pcd", "fast_pcd", "tempering"):
        rbm = make_rbm(name)
        samples = rbm.sampler.negative_phase(rbm, tf.constant(V), tf.constant(WEIGHTS, "float32"))
        np.testing.assert_array_equal(samples.weights, np.ones(7))
