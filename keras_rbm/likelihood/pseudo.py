"""Pseudo-likelihood."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.likelihood.keys import Use, key_at, key_of
from keras_rbm.random import Draws
from keras_rbm.scored import Scored, checked_model
from keras_rbm.types import Data
from keras_rbm.units import Unit


def pseudo_log_likelihood(model: Scored, x: Data, exact: bool = False, seed: int = 0) -> np.ndarray:
    """`sum_i log p(v_i | the other v)` of each case, or an unbiased estimate of it from one unit i drawn at random.

    A monitor, not a likelihood. Values between 0 and 1 of Bernoulli units count as probabilities: their unit's term is
    minus a cross-entropy.

    Args:
        model: an RBM whose visible units have two states.
        x: data, an array `(cases, visible)` or a `tf.data.Dataset` of batches.
        exact: whether to sum over all units: as many times the work as there are units.
        seed: rules which unit of each case is looked at.

    Returns:
        nats a case, float64, `(cases,)`.

    Raises:
        TypeError: if the model is no RBM.
        ValueError: if the visible units have not two states, the model is not built or not finite, or the data do not
            fit it.

    Example:

    ```python
    keras_rbm.likelihood.pseudo_log_likelihood(rbm, x_test).mean()
    ```

    Reference:
        Besag, 1975, "Statistical analysis of non-lattice data", section 3; one unit a case as in the Deep Learning
        Tutorials (Theano), RBM chapter.
    """
    rbm = checked_model(model).undirected()
    if rbm is not model:
        raise TypeError(f"Pseudo-likelihood is that of an RBM. Received: {type(model).__name__}")
    _two_states(rbm.visible)
    key, log_probs = key_of(seed, Use.FLIPPED_UNITS), []
    for i, batch in enumerate(model._checked_batches(x)):
        v = model._as_states(batch)
        if exact:
            log_p = rbm._as_function(all_sites, jit_compile=True)(v)
        else:
            log_p = rbm._as_function(_one_flip_at)(v, key_at(key, i))
        log_probs.append(np.asarray(log_p, "float64"))
    if not log_probs:
        raise ValueError("Data must have at least one row. Received: none")
    return np.concatenate(log_probs)


def _two_states(units: Unit) -> tuple[float, float]:
    if units.states is None or not units.is_binary:
        raise ValueError(
            f"Pseudo-likelihood needs visible units with two states. Received: {type(units).__name__} units."
        )
    return units.states[0], units.states[1]


def one_flip(rbm: AbstractRBM, v: tf.Tensor, hidden_field: tf.Tensor, draws: Draws) -> tf.Tensor:
    """The estimate, `(batch,)`, from one unit of each row of `v` `(batch, visible)`, whose hidden units feel a field
    that is known: what training logs."""
    site = draws.integers(tf.shape(v)[:1], rbm.visible.width)
    return rbm.visible.width * _site_log_prob(rbm, v, hidden_field, site)


def _one_flip_at(rbm: AbstractRBM, v: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    return one_flip(rbm, v, rbm.hidden_field(v), Draws(key))


def all_sites(rbm: AbstractRBM, v: tf.Tensor) -> tf.Tensor:
    """The exact sum over all units, `(batch,)`."""
    field = rbm.hidden_field(v)

    def add(site: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sites = tf.repeat(site, tf.shape(v)[0])
        return site + 1, total + tf.cast(_site_log_prob(rbm, v, field, sites), tf.float64)

    start = tf.zeros(tf.shape(v)[:1], tf.float64)
    return tf.while_loop(lambda site, total: site < rbm.visible.width, add, (0, start))[1]


def site_log_odds(rbm: AbstractRBM, v: tf.Tensor, field: tf.Tensor, site: tf.Tensor) -> tf.Tensor:
    """Log-odds of the higher against the lower state of unit `site` `(batch,)` of each row, given the other visible
    units, where the hidden ones feel `field`."""
    low, high = _two_states(rbm.visible)
    v_site = tf.gather(v, site, batch_dims=1)
    w_site = tf.cast(rbm._weights_of(site), field.dtype)
    bias = tf.broadcast_to(tf.cast(rbm.visible_bias, field.dtype), tf.shape(v))  # one for all, or one a row
    b_site = tf.gather(bias, site, batch_dims=1)

    def log_weight(state: float) -> tf.Tensor:
        return b_site * state + rbm.hidden.log_partition(field + (state - v_site)[:, None] * w_site)

    return log_weight(high) - log_weight(low)


def _site_log_prob(rbm: AbstractRBM, v: tf.Tensor, field: tf.Tensor, site: tf.Tensor) -> tf.Tensor:
    """`log p(v_i | the other v)` of unit `site` `(batch,)` of each row."""
    low, high = _two_states(rbm.visible)
    log_odds, v_site = site_log_odds(rbm, v, field, site), tf.gather(v, site, batch_dims=1)
    p = (v_site - low) / (high - low)
    return p * tf.math.log_sigmoid(log_odds) + (1 - p) * tf.math.log_sigmoid(-log_odds)
