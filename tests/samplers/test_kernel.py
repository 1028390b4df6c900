"""Block Gibbs sampling under TensorFlow Probability, against enumeration."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_rbm import RBM, samplers
from tests.oracles.machines import PAIRINGS, random_rbm
from tests.oracles.rbm import Exact, assert_distributed
from tests.support.statistics import assert_frequencies

NUM = 20000


def chain(rbm: RBM, v, num_results: int = 2, seed: int = 0, **kwargs) -> np.ndarray:
    """States after each transition; the seed is of the stateless kind, which alone rules the draws."""
    kernel = samplers.BlockGibbs(rbm, **kwargs)
    return tfp.mcmc.sample_chain(num_results, v, kernel=kernel, trace_fn=None, seed=(0, seed)).numpy()


@pytest.mark.parametrize("beta", [1.0, 0.5])
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_the_distribution_stays_as_it_is(pairing, beta):
    rbm = random_rbm(*PAIRINGS[pairing])
    exact = Exact(rbm, beta)
    found = chain(rbm, exact.draw(NUM), beta=beta)
    assert found.shape == (2, NUM, rbm.visible.width)
    for v in found:
        assert_distributed(v, exact)


@pytest.mark.parametrize(("num_steps", "beta"), [(1, 1.0), (2, 1.0), (2, 0.5)])
def test_single_states_move_with_the_enumerated_probabilities(num_steps, beta):
    """Two transitions together: random numbers that came again would tie the second state to the first."""
    rbm, start = random_rbm(), np.ones((1, 5))
    exact = Exact(rbm, beta)
    first, second = chain(rbm, np.repeat(start, NUM, 0), num_steps=num_steps, beta=beta)
    one = exact.transitions(exact.v, num_steps)
    joint = one[exact.index(start)[0]][:, None] * one
    assert_frequencies(exact.index(first) * len(joint) + exact.index(second), joint.ravel())


def test_compiled_chains_move_with_the_enumerated_probabilities():
    rbm, start = random_rbm(dtype="float32"), np.ones((1, 5))
    kernel = samplers.BlockGibbs(rbm).copy(num_steps=2)

    @tf.function(jit_compile=True)
    def compiled(v):
        return tfp.mcmc.sample_chain(1, v, kernel=kernel, trace_fn=None, seed=(0, 1))

    v = compiled(tf.ones((NUM, 5)))[0]
    assert_frequencies(Exact(rbm).index(v), Exact(rbm).transitions(start, 2)[0])


def test_the_seed_rules_and_the_machines_own_key_stays():
    rbm, v = random_rbm(), np.ones((50, 5))
    key = np.array(rbm.stream.key)
    first = chain(rbm, v, seed=3)
    np.testing.assert_array_equal(chain(rbm, v, seed=3), first)
    assert np.any(chain(rbm, v, seed=4) != first)
    assert np.any(first[0] != first[1])
    np.testing.assert_array_equal(rbm.stream.key, key)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_states_keep_their_dtype(dtype):
    rbm = random_rbm()
    found = chain(rbm, np.ones((50, 5), dtype))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, chain(rbm, np.ones((50, 5))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: samplers.BlockGibbs(RBM(3)), "must be built"),
        (lambda: samplers.BlockGibbs(random_rbm(), beta=-0.5), r"`beta` must be at least 0\. Received: beta=-0\.5"),
        (lambda: samplers.BlockGibbs(random_rbm(), beta=np.nan), "`beta`.*nan"),
        (lambda: samplers.BlockGibbs(random_rbm(), num_steps=0), "`num_steps` must be a positive integer"),
        (lambda: chain(random_rbm(), np.ones((2, 4))), "4"),
    ],
    ids=["unbuilt", "beta", "nan", "num_steps", "width"],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.slow
def test_tensorflow_probability_is_imported_only_when_asked_for():
    code = (
        "import sys, keras_rbm; assert 'tensorflow_probability' not in sys.modules; "
        "keras_rbm.samplers.BlockGibbs; assert 'tensorflow_probability' in sys.modules; "
        "keras_rbm.likelihood.Distribution"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not hasattr(samplers, "NoSuchThing")
