"""Neighbours on a ladder of machines: what they exchange, and what that says of their partition functions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.samplers.chains import sweep

#: What a pair's meetings are told by: how many there were, and sums of `Meeting.figures`.
NUM_FIGURES = 6


def parameters(rbm: AbstractRBM) -> list[keras.Variable]:
    """All that the distribution of an RBM depends on: its weights, then those of its units."""
    return [*rbm.couplings(), *rbm.visible.weights, *rbm.hidden.weights]


def at(rbm: AbstractRBM, values: Sequence[tf.Tensor] | None) -> contextlib.AbstractContextManager[Any]:
    """A context in which an RBM has other values of its `parameters`; nothing may be drawn from its stream there."""
    if values is None:
        return contextlib.nullcontext()
    return keras.StatelessScope(list(zip(parameters(rbm), values, strict=True)), initialize_variables=False)


def with_row(x: tf.Tensor, i: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """`x`, where `x[i]` is `value`."""
    return tf.tensor_scatter_nd_update(x, [[i]], [value])


class Meeting(NamedTuple):
    """Two neighbours, after both were swept, and then each pair of their states was exchanged or not.

    Args:
        lower, upper: states, `(chains, visible)`.
        energies: free energies of the lower states in the lower and in the upper machine, and of the upper states in
            the upper one, `(3, chains)`.
        figures: 1, and means over the chains: of the probability of a swap, and of the two Fermi functions
            `sigmoid(u - gain)` at the lower states and `sigmoid(gain - u)` at the upper ones, each followed by its
            square; `u` is the free energy in the lower machine less that in the upper one, `(NUM_FIGURES,)`.
    """

    lower: tf.Tensor
    upper: tf.Tensor
    energies: tf.Tensor
    figures: tf.Tensor


def free_energy(rbm: AbstractRBM, v: tf.Tensor) -> tf.Tensor:
    """Of states `(batch, visible)`, of a machine that need not be built yet."""
    return rbm._free_energy_of(v, rbm.hidden_field(v))


def meet(
    rbm: AbstractRBM,
    below: Sequence[tf.Tensor],
    above: Sequence[tf.Tensor] | None,
    y: tf.Tensor,
    x: tf.Tensor,
    gain: tf.Tensor,
) -> Meeting:
    """Sweeps two machines, which have the units of `rbm`, and lets them exchange states.

    States `y` of the lower and `x` of the upper one swap with probability

        min(1, exp(F_below(y) + F_above(x) - F_below(x) - F_above(y)))

    Args:
        below, above: their parameters; `None` means those that `rbm` has.
        y, x: their states, `(chains, visible)`.
        gain: what is known of `log Z_above - log Z_below`.
    """
    coins, *draws = rbm.stream.split(3)
    states, energies = [], []
    for values, v, source in zip((below, above), (y, x), draws, strict=True):
        with at(rbm, values):
            states.append(sweep(rbm, v, draws=source))
    for values in (below, above):
        with at(rbm, values):
            energies.append([free_energy(rbm, v) for v in states])
    u_y, u_x = (a - b for a, b in zip(*energies, strict=True))
    probability = tf.exp(tf.minimum(u_y - u_x, 0.0))
    swaps = coins.uniform_like(probability) < probability
    y, x = states
    lower, upper = (tf.where(swaps[:, None], *pair) for pair in ((x, y), (y, x)))
    (lower_y, lower_x), (upper_y, upper_x) = energies
    left = [tf.where(swaps, *pair) for pair in ((lower_x, lower_y), (upper_x, upper_y), (upper_y, upper_x))]
    fermi = [tf.sigmoid(u_y - gain), tf.sigmoid(gain - u_x)]
    means = [tf.reduce_mean(z) for z in (probability, *(power for f in fermi for power in (f, f * f)))]
    return Meeting(lower, upper, tf.stack(left), tf.stack([tf.ones_like(means[0]), *means]))


def log_ratio(after: tf.Tensor, before: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`log(sum exp(after) / sum exp(before))` of log-weights of one set of states, and its variance."""
    log_ratio = tf.reduce_logsumexp(after) - tf.reduce_logsumexp(before)
    differences = tf.nn.softmax(after) - tf.nn.softmax(before)
    return log_ratio, tf.reduce_sum(differences**2)


def check_memory(num_bytes: int, what: str, advice: str) -> None:
    """Refuses what would not fit into the memory of this machine.

    Raises:
        MemoryError: saying how much is needed, and how much there is.
    """
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told by this system
        return
    if num_bytes > there:
        raise MemoryError(
            f"{what} must fit into memory. It needs {num_bytes / 2**30:.1f} GiB. Received: a machine with "
            f"{there / 2**30:.1f} GiB. {advice}"
        )
