"""Do the chains mix?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm import replicas
from keras_rbm.arguments import positive_integer
from keras_rbm.random import set_aside
from keras_rbm.scored import Scored, checked_model

#: Random projections of the visible states that are looked at beside the free energy.
_PROJECTIONS = 4


class Mixing(NamedTuple):
    """How well chains mix, by the worst of the statistics looked at.

    Args:
        effective_sample_size: independent draws that all states of all chains together are worth.
        potential_scale_reduction: R-hat: near 1 where the chains agree, more where each stays in a part of the space.
    """

    effective_sample_size: float
    potential_scale_reduction: float


def mixing(model: Scored, num_steps: int = 1000, num_chains: int = 100) -> Mixing:
    """Lets the chains of a model's sampler go on at the present parameters, and diagnoses them.

    Looked at are the free energy and four random projections of the visible states. Persistent chains go on from where
    they are, in their sampler's way (swaps, fast weights); for samplers without chains, `num_chains` Gibbs chains start
    from the biases. Chains and random state are left as they were.

    Args:
        model: an RBM, a DBN, whose top is looked at, or a DBM, whose even layers are.
        num_steps: states of each chain, at least 4.
        num_chains: at least 2.

    Raises:
        TypeError: if the model is no machine of this package.
        ValueError: if a count is too small, or the model is not built, not finite, or has no free energy.

    Reference:
        Gelman & Rubin, 1992, "Inference from iterative simulation using multiple sequences", with split chains, and
        Geyer's initial positive sequence for the effective sample size, as in TensorFlow Probability.
    """
    import tensorflow_probability as tfp

    rbm, sampler = checked_model(model).undirected(), model.sampler
    for name, number, least in (("num_steps", num_steps, 4), ("num_chains", num_chains, 2)):
        if positive_integer(number, name) < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={number}")
    if sampler.num_chains == 1:
        raise ValueError("Chains are compared, so the sampler must have at least 2. Received: num_chains=1")
    on_one_device = replicas.on_one_device(rbm.stream.key)
    with set_aside([rbm.stream], "mixing"):
        start = rbm.initial_states(num_chains) if sampler.chains is None else tf.identity(sampler.chains.value)
        trace = model._as_function(_trace, jit_compile=on_one_device)(start, tf.constant(num_steps)).numpy()
    trace = trace[:, :, trace.std((0, 1)) > 0]  # a statistic that never changes says nothing
    if not trace.size:
        return Mixing(float("nan"), float("nan"))
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # TensorFlow Probability drops the imaginary part of a spectrum, and is warned
    try:
        size = tfp.mcmc.effective_sample_size(trace, filter_beyond_positive_pairs=True, cross_chain_dims=1)
    finally:
        logger.setLevel(level)
    r_hat = tfp.mcmc.potential_scale_reduction(trace, independent_chain_ndims=1, split_chains=True)
    return Mixing(float(np.min(size)), float(np.max(r_hat)))


def _trace(model: Scored, chains: tf.Tensor, num_steps: tf.Tensor) -> tf.Tensor:
    """The statistics along the chains, `(num_steps, chains, statistics)`."""
    rbm, rng = model.undirected(), np.random.default_rng(0)
    directions = tf.constant(rng.normal(size=(rbm.visible.width, _PROJECTIONS)), chains.dtype)

    def step(k: tf.Tensor, chains: tf.Tensor, trace: tf.TensorArray) -> tuple:
        samples = model.sampler.run_chains(rbm, chains)
        v, chains = samples.v, samples.state["chains"]
        statistics = tf.concat([rbm.free_energy(v)[:, None], v @ directions], 1)
        return k + 1, chains, trace.write(k, statistics)

    trace = tf.TensorArray(chains.dtype, num_steps)
    return tf.while_loop(lambda k, *_: k < num_steps, step, (0, chains, trace))[2].stack()
