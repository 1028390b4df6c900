"""Chains by alternating Gibbs sampling, at any temperature, with some units clamped."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.random import Draws
from keras_rbm.types import Beta, Bias, Count


class Clamp(NamedTuple):
    """Visible units that keep their values while the others are sampled: `mask` and `values`, `(batch, visible)`.

    Args:
        hidden: the same of hidden units, if some are clamped.
    """

    mask: tf.Tensor
    values: tf.Tensor
    hidden: Clamp | None = None

    def apply(self, v: tf.Tensor) -> tf.Tensor:
        """`v` with the clamped values in their places."""
        return tf.where(self.mask, self.values, v)


def clamped(x: tf.Tensor, clamp: Clamp | None) -> tf.Tensor:
    """`x` with what is clamped, if anything is."""
    return x if clamp is None else clamp.apply(x)


def sweep(
    rbm: AbstractRBM,
    v: tf.Tensor,
    beta: Beta = 1.0,
    base_bias: Bias = 0.0,
    draws: Draws | None = None,
    clamp: Clamp | None = None,
) -> tf.Tensor:
    """All hidden units given `v`, then all visible ones given those: one step of block Gibbs sampling.

    Args:
        v: visible states, `(batch, visible)`.
        beta: inverse temperature; scales the fields, a number or `(batch, 1)`.
        base_bias: the visible bias at `beta = 0`, `(visible,)`.
        draws: where random numbers come from; the RBM's own stream by default.
        clamp: units that keep their values.
    """
    return sweep_from(rbm, rbm.hidden_input(v), beta, base_bias, draws, clamp)


def sweep_from(
    rbm: AbstractRBM,
    hidden_input: tf.Tensor,
    beta: Beta = 1.0,
    base_bias: Bias = 0.0,
    draws: Draws | None = None,
    clamp: Clamp | None = None,
    hidden_base_bias: Bias = 0.0,
) -> tf.Tensor:
    """`sweep`, where what the visible states bring to the hidden units, `(batch, units)`, is known already.

    Args:
        hidden_base_bias: the hidden bias at `beta = 0`, `(units,)`.
    """
    draws = draws or rbm.stream
    h = rbm.hidden.sample(rbm._hidden_field_of(hidden_input, beta, hidden_base_bias), draws)
    h = clamped(h, clamp and clamp.hidden)
    return clamped(rbm.visible.sample(rbm.visible_field(h, beta, base_bias), draws), clamp)


def gibbs(
    rbm: AbstractRBM,
    v: tf.Tensor,
    num_steps: Count,
    beta: Beta = 1.0,
    schedule: tf.Tensor | None = None,
    clamp: Clamp | None = None,
    hidden_input: tf.Tensor | None = None,
) -> tf.Tensor:
    """`num_steps` sweeps, an integer or an integer tensor; `(batch, visible)`.

    Args:
        schedule: inverse temperatures of the sweeps, `(num_steps,)`, instead of `beta`.
        clamp: units that keep their values.
        hidden_input: what `v` brings to the hidden units, where that is known already; then there is at least one
            sweep, at `beta`.
    """

    def step(k: Count, v: tf.Tensor) -> tf.Tensor:
        return sweep(rbm, v, beta if schedule is None else schedule[k], clamp=clamp)

    start = 0
    if hidden_input is not None:
        start, v = 1, sweep_from(rbm, hidden_input, beta, clamp=clamp)
    if isinstance(num_steps, int) and num_steps == start:
        return v
    if isinstance(num_steps, int) and num_steps == start + 1:
        return step(start, v)
    return tf.while_loop(lambda k, v: k < num_steps, lambda k, v: (k + 1, step(k, v)), (start, v))[1]


def full_sweep(rbm: AbstractRBM, v: tf.Tensor, clamp: Clamp | None = None) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One sweep at `beta = 1`: hidden states, visible ones given these, and the means that those were drawn from."""
    h = clamped(rbm.hidden.sample(rbm.hidden_field(v), rbm.stream), clamp and clamp.hidden)
    field = rbm.visible_field(h)
    v = clamped(rbm.visible.sample(field, rbm.stream), clamp)
    return h, v, clamped(rbm.visible.mean(field), clamp)


def run_chains(
    rbm: AbstractRBM,
    v: tf.Tensor,
    num_steps: Count,
    mean: bool = False,
    schedule: tf.Tensor | None = None,
    clamp: Clamp | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """`gibbs`, the last sweep at `beta = 1`: visible states, and these again or their means given the hidden ones."""
    v = gibbs(rbm, v, num_steps - 1, schedule=schedule, clamp=clamp)
    _, v, means = full_sweep(rbm, v, clamp)
    return v, means if mean else v
