"""Alternating Gibbs sampling, at any temperature."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def sweep(machine: Any, v: tf.Tensor, beta: Any = 1.0) -> tf.Tensor:
    """All hidden units given `v`, then all visible ones given those: one step of block Gibbs sampling.

    Args:
        machine: anything with `sample_h_from_v` and `sample_v_from_h`.
        v: visible states, `(batch, visible)`.
        beta: inverse temperature; scales the fields, a number or `(batch, 1)`.
    """
    return machine.sample_v_from_h(machine.sample_h_from_v(v, beta), beta)


def gibbs(machine: Any, v: tf.Tensor, num_steps: Any, beta: Any = 1.0) -> tf.Tensor:
    """`num_steps` sweeps, an integer or an integer tensor; `(batch, visible)`."""
    if isinstance(num_steps, int) and num_steps == 1:
        return sweep(machine, v, beta)
    return tf.while_loop(
        lambda step, v: step < num_steps,
        lambda step, v: (step + 1, sweep(machine, v, beta)),
        (0, v),
    )[1]
