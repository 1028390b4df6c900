"""The mean-field posterior of a deep Boltzmann machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from keras_rbm.models.deep.layered import Layered


class Posterior(NamedTuple):
    """Independent units that approximate the ones that are not known given those that are.

    Args:
        fields: of the layers with even numbers that are not known, by number: they say all, because the odd layers'
            best answer to them is known in closed form.
        means: of all layers, by number, `(batch, units)`; of known ones their states.
        residual: the largest change of a mean in the last step, `(batch,)`.
        num_steps: how many were made, `()`, int32.
    """

    fields: dict[int, tf.Tensor]
    means: dict[int, tf.Tensor]
    residual: tf.Tensor
    num_steps: tf.Tensor


def mean_field(
    dbm: Layered,
    known: dict[int, tf.Tensor],
    max_steps: int,
    tolerance: float,
    tell: Callable[[tf.Tensor, tf.Tensor], None] | None = None,
    seen: dict[int, tf.Tensor] | None = None,
) -> Posterior:
    """Goes up the variational bound, odd and even layers in turn, from one pass upwards, to a fixed point.

    Args:
        known: states of layers by number: the data's is 0.
        max_steps: at which to stop, whether or not a fixed point is reached.
        tolerance: the largest change of a mean at which a fixed point counts as reached.
        tell: is told the number of each step, and the largest change in it; where nothing is compiled.
        seen: of data or label units that are known in part, by number: 1 where a unit is known, 0 where it is inferred
            like a hidden one, `(batch, units)`; of data, between, how much the state counts beside what is inferred.

    Reference:
        Salakhutdinov & Hinton, 2009, "Deep Boltzmann machines", section 3.1.
    """
    seen = seen or {}
    surely = {i: x for i, x in known.items() if i not in seen}

    def means_of(fields: dict[int, tf.Tensor]) -> dict[int, tf.Tensor]:
        means = {i: dbm.groups[i].mean(field) for i, field in fields.items()}
        return {i: x + seen[i] * (known[i] - x) if i in seen else x for i, x in means.items()}

    start = {0: dbm.groups[0].field(tf.zeros_like(known[0]))} if 0 in seen else {}
    below = {**surely, **means_of(start)}
    bottom = dbm._product(below[0], dbm.kernels[0])
    start |= first_pass(dbm, known, bottom, seen)
    fixed = None if 0 in seen else bottom

    def fields_of(numbers: list[int], means: dict[int, tf.Tensor]) -> dict[int, tf.Tensor]:
        return {i: dbm.groups[i].field(dbm._input_to(i, means, fixed)) for i in numbers}

    odd, even = ([i for i in range(first, len(dbm.groups), 2) if i not in surely] for first in (1, 0))
    residual = tf.zeros(tf.shape(bottom)[:1], bottom.dtype)
    if not even:
        return Posterior({}, {**surely, **means_of(fields_of(odd, surely))}, residual, tf.constant(0))

    def goes_on(k: tf.Tensor, fields: dict, means: dict, residual: tf.Tensor) -> tf.Tensor:
        return (k == 0) | (tf.reduce_max(residual) > tolerance)

    def step(k: tf.Tensor, fields: dict, means: dict, residual: tf.Tensor) -> tuple:
        below = means_of(fields_of(odd, {**surely, **means}))
        fields = fields_of(even, {**surely, **below})
        new = means_of(fields)
        change = [tf.reduce_max(tf.abs(new[i] - means[i]), -1) for i in even]
        residual = tf.reduce_max(tf.stack(change), 0)
        if tell is not None:
            tell(k + 1, tf.reduce_max(residual))
        return k + 1, fields, new, residual

    loop = (0, {i: start[i] for i in even}, means_of({i: start[i] for i in even}), residual)
    # XLA differentiates loops whose length is bounded.
    k, fields, means, residual = tf.while_loop(goes_on, step, loop, maximum_iterations=max_steps)
    means = {**surely, **means}
    return Posterior(fields, {**means, **means_of(fields_of(odd, means))}, residual, k)


def field_of(dbm: Layered, posterior: Posterior, i: int) -> tf.Tensor:
    """What layer `i`, which is not known, or in part, felt when its means were last taken, `(batch, units)`."""
    return posterior.fields[i] if i % 2 == 0 else dbm.groups[i].field(dbm._input_to(i, posterior.means))


def first_pass(
    dbm: Layered, known: dict[int, tf.Tensor], bottom: tf.Tensor, seen: dict[int, tf.Tensor] | None = None
) -> dict[int, tf.Tensor]:
    """Fields of the layers above the data's that are not known, in one pass upwards.

    What comes from below counts twice where a layer above, not known yet, would bring as much.

    Args:
        bottom: what the data bring to the first hidden layer.
        seen: as in `mean_field`.
    """
    fields: dict[int, tf.Tensor] = {}
    below, seen = bottom, seen or {}
    for i in range(1, len(dbm.groups)):
        if i in known and i not in seen:
            continue
        share = 2.0 if i + 1 < len(dbm.groups) and i + 1 not in known else 1.0
        above = 0.0
        if i + 1 in known:
            states = known[i + 1]
            if i + 1 in seen:  # of a label, all units or none
                share, states = 2.0 - seen[i + 1][:, :1], seen[i + 1] * states
            above = dbm._input_to(i, {i + 1: states})
        fields[i] = dbm.groups[i].field(share * below + above)
        if i < len(dbm.kernels):
            below = dbm._product(dbm.groups[i].mean(fields[i]), dbm.kernels[i])
    return fields
