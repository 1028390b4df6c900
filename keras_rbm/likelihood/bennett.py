"""Bennett's acceptance ratio: two sets of work values, one free-energy difference."""

from __future__ import annotations

import tensorflow as tf

#: Halvings of the interval in which the answer lies: more than float64 has digits.
_HALVINGS = 80


def bennett(forward: tf.Tensor, backward: tf.Tensor) -> tf.Tensor:
    """`log Z1 - log Z0` from the log-weights of both directions: the likeliest value given them all, nats, float64.

    Weights obey `p(backward = w) = p(forward = w) exp(w) Z0 / Z1`, as those of annealing along the same schedule do,
    and `log p1*(x) - log p0*(x)` of states `x` of the one and the other. The answer is the `c` at which

        sum_i sigmoid(forward_i - c - m) = sum_j sigmoid(c + m - backward_j),   m = log(n_forward / n_backward)

    Args:
        forward: log-weights of what started in distribution 0, `(..., n_forward)`.
        backward: of what started in distribution 1, with the same sign: estimates of the same ratio,
            `(..., n_backward)`.

    Returns:
        `(...,)`.

    Reference:
        Bennett, 1976, "Efficient estimation of free energy differences from Monte Carlo data"; Shirts, Bair, Hooker &
        Pande, 2003, "Equilibrium free energies from nonequilibrium measurements using maximum-likelihood methods".
    """
    forward, backward = (tf.cast(x, tf.float64) for x in (forward, backward))
    m = tf.math.log(tf.cast(tf.shape(forward)[-1], tf.float64) / tf.cast(tf.shape(backward)[-1], tf.float64))
    both = tf.concat([forward, backward], -1)
    low, high = tf.reduce_min(both, -1) - m - tf.abs(m), tf.reduce_max(both, -1) - m + tf.abs(m)

    def halve(k: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, ...]:
        c = (low + high) / 2
        up = tf.reduce_logsumexp(tf.math.log_sigmoid(forward - (c + m)[..., None]), -1)  # never both 0
        down = tf.reduce_logsumexp(tf.math.log_sigmoid((c + m)[..., None] - backward), -1)
        return k + 1, tf.where(up > down, c, low), tf.where(up > down, high, c)

    _, low, high = tf.while_loop(lambda k, *_: k < _HALVINGS, halve, (0, low, high))
    return (low + high) / 2
