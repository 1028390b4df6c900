"""Alternating Gibbs sampling, at any temperature."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from keras_rbm.random import Draws


class Held(NamedTuple):
    """Visible units that stay as they are while the others are sampled: `mask` and `values`, `(batch, visible)`.

    Args:
        hidden: the same of hidden units, if some are held.
    """

    mask: tf.Tensor
    values: tf.Tensor
    hidden: Held | None = None

    def put(self, v: tf.Tensor) -> tf.Tensor:
        """`v` with the held values in their places."""
        return tf.where(self.mask, self.values, v)


def put(held: Held | None, x: tf.Tensor) -> tf.Tensor:
    """`x` with what is held, if anything is."""
    return x if held is None else held.put(x)


def sweep(
    machine: Any,
    v: tf.Tensor,
    beta: Any = 1.0,
    base_bias: Any = 0.0,
    draws: Draws | None = None,
    held: Held | None = None,
) -> tf.Tensor:
    """All hidden units given `v`, then all visible ones given those: one step of block Gibbs sampling.

    Args:
        machine: anything with units `visible` and `hidden`, and `hidden_input` and `visible_input` between them.
        v: visible states, `(batch, visible)`.
        beta: inverse temperature; scales the fields, a number or `(batch, 1)`.
        base_bias: the visible bias at `beta = 0`, `(visible,)`.
        draws: where random numbers come from; the machine's own stream by default.
        held: units that stay as they are.
    """
    return sweep_from(machine, machine.hidden_input(v), beta, base_bias, draws, held)


def sweep_from(
    machine: Any,
    hidden_input: tf.Tensor,
    beta: Any,
    base_bias: Any,
    draws: Draws | None,
    held: Held | None = None,
    hidden_base: Any = 0.0,
) -> tf.Tensor:
    """`sweep`, where what the visible states bring to the hidden units, `(batch, units)`, is known already.

    Args:
        hidden_base: the hidden bias at `beta = 0`, `(units,)`.
    """
    draws = draws or machine.stream
    h = machine.hidden.sample(machine.hidden.field(hidden_input, beta, hidden_base), draws)
    h = put(held and held.hidden, h)
    return put(held, machine.visible.sample(machine.visible.field(machine.visible_input(h), beta, base_bias), draws))


def gibbs(
    machine: Any,
    v: tf.Tensor,
    num_steps: Any,
    beta: Any = 1.0,
    schedule: tf.Tensor | None = None,
    held: Held | None = None,
) -> tf.Tensor:
    """`num_steps` sweeps, an integer or an integer tensor; `(batch, visible)`.

    Args:
        schedule: inverse temperatures of the sweeps, `(num_steps,)`, instead of `beta`.
        held: units that stay as they are.
    """

    def step(k: Any, v: tf.Tensor) -> tf.Tensor:
        return sweep(machine, v, beta if schedule is None else schedule[k], held=held)

    if isinstance(num_steps, int) and num_steps == 1:
        return step(0, v)
    return tf.while_loop(lambda k, v: k < num_steps, lambda k, v: (k + 1, step(k, v)), (0, v))[1]


def walk(
    machine: Any, v: tf.Tensor, num_steps: Any, mean: bool, schedule: tf.Tensor | None = None, held: Held | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """`gibbs`, the last sweep at `beta = 1`: visible states, and these again or their means given the hidden ones."""
    v = gibbs(machine, v, num_steps - 1, schedule=schedule, held=held)
    h = machine.hidden.sample(machine.hidden.field(machine.hidden_input(v)), machine.stream)
    field = machine.visible.field(machine.visible_input(put(held and held.hidden, h)))
    v = put(held, machine.visible.sample(field, machine.stream))
    return v, put(held, machine.visible.mean(field)) if mean else v
