"""Partition functions without error."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.likelihood.keys import Use, key_of
from keras_rbm.random import Draws
from keras_rbm.scored import Scored, checked_model
from keras_rbm.types import Data
from keras_rbm.units import Gaussian, Unit

#: The most joint states that are enumerated.
MAX_LOG2_STATES = 20
#: Numbers held at a time, at most.
_CHUNK = 2**22


class _Side(NamedTuple):
    """A group to enumerate, the group to sum out given its states, and whether the first is the hidden one."""

    units: Unit
    others: Unit
    is_hidden: bool

    def fields(self, rbm: AbstractRBM, states: tf.Tensor) -> tf.Tensor:
        """Those of the second group given states of the first, `(n, others)`, float64."""
        w = rbm.weight_matrix()
        return self.others.field(tf.matmul(states, w, transpose_b=self.is_hidden))


def _smaller_side(rbm: AbstractRBM) -> _Side:
    visible, hidden = _Side(rbm.visible, rbm.hidden, False), _Side(rbm.hidden, rbm.visible, True)
    return min(visible, hidden, key=lambda side: side.units.log2_num_states)


def can_be_exact(rbm: AbstractRBM) -> bool:
    """Whether `exact_log_partition` has an answer."""
    return _both_gaussian(rbm) or _smaller_side(rbm).units.log2_num_states <= MAX_LOG2_STATES


def exact_log_partition(model: Scored) -> float:
    """`log Z`, `Z` the sum of `exp(-E(v, h))` over all states, in nats, float64.

    Enumerates the side with the fewest joint states, at most 2^20, a part at a time; the other side is summed out in
    closed form. Gaussian units on both sides are one Gaussian. Of a DBN, that of its top RBM.

    Raises:
        TypeError: if the model is no machine of this package.
        ValueError: if there are too many states, if the model is not built or not finite, or if `Z` diverges.

    Example:

    ```python
    log_p = -rbm.free_energy(x) - keras_rbm.likelihood.exact_log_partition(rbm)
    ```
    """
    rbm = checked_model(model).undirected()
    if _both_gaussian(rbm):
        return _gaussian_log_partition(rbm)
    return float(tf.reduce_logsumexp(_state_log_weights(rbm)))


def exact_log_likelihood(model: Scored, x: Data) -> np.ndarray:
    """`log p(v)` of each case, without error: of an RBM, or a small DBM, all of whose hidden units are summed out.

    Of a DBM's odd and even hidden layers, those with fewer joint states, at most 2^20, are enumerated for each case;
    the others are summed out in closed form.

    Args:
        model: an RBM or a DBM.
        x: data, an array `(cases, visible)` or a `tf.data.Dataset` of batches.

    Returns:
        nats a case, float64, `(cases,)`.

    Raises:
        TypeError: if the model is another.
        ValueError: if there are too many states, or as `exact_log_partition` does.

    Example:

    ```python
    keras_rbm.likelihood.exact_log_likelihood(rbm, x_test).mean()
    ```
    """
    log_z = exact_log_partition(model)
    scores = [np.asarray(model._exact_log_score(model._as_states(batch))) for batch in model._checked_batches(x)]
    if not scores:
        raise ValueError("Data must have at least one row. Received: none")
    return np.concatenate(scores).astype("float64") - log_z


def log_sum_of_groups(odd: Unit, even: Unit, w: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    """Log of the summed weight of all joint states of two groups, `(cases,)`: the smaller one is enumerated.

    Args:
        w: weights between them, `(even, odd)`.
        inputs: what else brings to the fields of the first, `(cases, odd)`.

    Raises:
        ValueError: if both have too many joint states.
    """
    smaller = min(even, odd, key=lambda side: side.log2_num_states)
    if smaller.log2_num_states > MAX_LOG2_STATES:
        raise ValueError(
            f"At most 2^{MAX_LOG2_STATES} joint states of hidden layers can be enumerated. "
            f"Received: 2^{smaller.log2_num_states:.0f}. Use likelihood.log_likelihood, which gives bounds."
        )
    states = smaller.enumerate(tf.range(round(2**smaller.log2_num_states), dtype=tf.int64), inputs.dtype)
    if smaller is even:
        energy, fields = even.energy(states), states @ w

        def log_sum(own: tf.Tensor) -> tf.Tensor:
            return tf.reduce_logsumexp(odd.log_partition(odd.field(fields + own)) - energy)

    else:
        log_weights = even.log_partition(even.field(states @ tf.transpose(w))) - odd.energy(states)

        def log_sum(own: tf.Tensor) -> tf.Tensor:
            return tf.reduce_logsumexp(log_weights + tf.linalg.matvec(states, own))

    return tf.map_fn(log_sum, inputs)


def exact_draws(rbm: AbstractRBM, number: int, seed: int) -> np.ndarray:
    """Visible states drawn exactly, `(number, visible)`; where `can_be_exact`."""
    rng = np.random.default_rng(seed)
    if _both_gaussian(rbm):
        precision, linear = _joint_gaussian(rbm)
        noise = np.linalg.solve(np.linalg.cholesky(precision).T, rng.normal(size=(len(linear), number)))
        joint = np.linalg.solve(precision, linear)[:, None] + noise
        return joint[: rbm.visible.width].T
    log_weights, side = _state_log_weights(rbm), _smaller_side(rbm)
    cumulative = np.cumsum(np.exp(log_weights - log_weights.max()))
    index = np.searchsorted(cumulative, rng.random(number) * cumulative[-1], side="right")
    states = side.units.enumerate(tf.constant(np.minimum(index, len(cumulative) - 1)), tf.float64)
    if side.units is rbm.visible:
        return states.numpy()
    return side.others.sample(side.fields(rbm, states), Draws(key_of(seed, Use.EXACT_DRAWS))).numpy()


def _state_log_weights(rbm: AbstractRBM) -> np.ndarray:
    """Log of the summed weight of each joint state of the smaller side, float64."""
    side = _smaller_side(rbm)
    size = side.units.log2_num_states
    if size > MAX_LOG2_STATES:
        count = f"2^{size:.0f} joint states" if size < math.inf else "infinitely many states"
        raise ValueError(
            f"At most 2^{MAX_LOG2_STATES} joint states can be enumerated. Received: {count} on the smaller side of "
            f"{rbm.visible.width}-{rbm.hidden.width} units. Use likelihood.ais and likelihood.reverse_ais."
        )
    total, log_weights = round(2**size), rbm._as_function(_log_weights_at)
    chunk = max(1, min(total, _CHUNK // max(side.others.width, side.units.width)))
    parts = [
        log_weights(tf.range(start, min(start + chunk, total), dtype=tf.int64)) for start in range(0, total, chunk)
    ]
    return np.concatenate(parts)


def _log_weights_at(rbm: AbstractRBM, index: tf.Tensor) -> tf.Tensor:
    side = _smaller_side(rbm)
    states = side.units.enumerate(index, tf.float64)
    return side.others.log_partition(side.fields(rbm, states)) - side.units.energy(states)


def check_normalizable(rbm: AbstractRBM) -> None:
    """Refuses an RBM without a partition function.

    Raises:
        ValueError: if `Z` diverges.
    """
    _joint_precision(rbm)


def _both_gaussian(rbm: AbstractRBM) -> bool:
    return isinstance(rbm.visible, Gaussian) and isinstance(rbm.hidden, Gaussian)


def _joint_precision(rbm: AbstractRBM) -> np.ndarray:
    """Precision matrix of all units whose states are unbounded, visible ones first.

    Between units that are not negative a negative weight does no harm, and is left out.

    Raises:
        ValueError: if it is not positive definite.
    """
    (gamma_v, positive_v), (gamma_h, positive_h) = rbm.visible.tail_precisions(), rbm.hidden.tail_precisions()
    v, h = np.isfinite(gamma_v), np.isfinite(gamma_h)
    if not (v.any() and h.any()):
        return np.diag(np.concatenate([gamma_v[v], gamma_h[h]]))
    w = np.asarray(rbm.weight_matrix())
    w = np.where(positive_v[:, None] & positive_h, np.maximum(w, 0), w)[v][:, h]
    precision = np.block([[np.diag(gamma_v[v]), -w], [-w.T, np.diag(gamma_h[h])]])
    smallest = np.linalg.eigvalsh(precision)[0]
    if smallest <= 0:
        kinds = [type(side).__name__ for side in (rbm.visible, rbm.hidden)]
        raise ValueError(
            f"The partition function diverges: {kinds[0]} and {kinds[1]} units need weights so small that the joint "
            f"precision matrix is positive definite. Received: a smallest eigenvalue of {smallest:g}. Bound the "
            "weights more tightly by kernel_constraint."
        )
    return precision


def _joint_gaussian(rbm: AbstractRBM) -> tuple[np.ndarray, np.ndarray]:
    """Precision matrix and linear term of all units together, visible ones first, all Gaussian."""
    linear = [np.asarray(bias, "float64") for bias in (rbm.visible_bias, rbm.hidden_bias)]
    return _joint_precision(rbm), np.concatenate(linear)


def _gaussian_log_partition(rbm: AbstractRBM) -> float:
    precision, linear = _joint_gaussian(rbm)
    log_det = np.linalg.slogdet(precision)[1]
    return float(len(linear) / 2 * np.log(2 * np.pi) - log_det / 2 + linear @ np.linalg.solve(precision, linear) / 2)
