"""Sequences a frame and a sweep at a time, in any runtime: the memory is one tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_rbm.export import Endpoint, rows
from keras_rbm.models import steps
from keras_rbm.models.sequence.generator import Memory
from keras_rbm.samplers.chains import Clamp

if TYPE_CHECKING:
    from keras_rbm.models.sequence.rnn_rbm import RNNRBM


def endpoints(model: RNNRBM) -> dict[str, Endpoint]:
    """Where a frame's chains start, their sweeps, with units held too, and what is remembered of a frame."""
    width = model.visible.width
    states, memory = rows("states", width), rows("memory", sum(x.shape[-1] for x in tf.nest.flatten(model._blank(1))))

    def start(number: Any, memory: tf.Tensor) -> tf.Tensor:
        return tf.cast(_rbms(model, memory).initial_states(number), tf.float32)

    def gibbs(_: Any, states: tf.Tensor, memory: tf.Tensor, *held: tf.Tensor) -> dict[str, tf.Tensor]:
        clamp = Clamp(held[0], tf.cast(held[1], model.state_dtype)) if held else None
        return steps.step(_rbms(model, memory), states, clamp)

    def remember(v: tf.Tensor, memory: tf.Tensor) -> dict[str, tf.Tensor]:
        v = tf.cast(v, model.state_dtype)
        h = model.hidden.mean(_rbms(model, memory).hidden_field(v))
        return {"next_memory": _packed(model, _after(model, v, _unpacked(model, memory))), "h": h}

    return {
        "start": steps.by_noise(start, [memory], "states"),
        "gibbs": steps.by_noise(gibbs, [states, memory]),
        "gibbs_clamped": steps.by_noise(gibbs, [states, memory, *steps.held(width)]),
        "remember": Endpoint(remember, [rows("v", width), memory]),
    }


def _rbms(model: RNNRBM, memory: tf.Tensor) -> Any:
    return model._frame_rbms(_unpacked(model, memory).output)


def _after(model: RNNRBM, v: tf.Tensor, memory: Memory) -> Memory:
    """The memory after frames `v` `(batch, visible)`: what `_recur` computes, without a loop over time."""
    x, states = model._recurrent_input(v[:, None])[:, 0], []
    for layer, state in zip(model.recurrent, memory.states, strict=True):
        x, state = layer.cell(tf.cast(x, layer.compute_dtype), state, training=False)
        states.append(list(state) if isinstance(state, (list, tuple)) else [state])
    return Memory(tf.cast(x, model.state_dtype), states)


def _packed(model: RNNRBM, memory: Memory) -> tf.Tensor:
    """A memory as one tensor, which is zeros before the first frame."""
    blank = model._blank(tf.shape(memory.output)[0])
    pairs = zip(tf.nest.flatten(memory), tf.nest.flatten(blank), strict=True)
    return tf.concat([tf.cast(x - start, tf.float32) for x, start in pairs], 1)


def _unpacked(model: RNNRBM, packed: tf.Tensor) -> Memory:
    blank = model._blank(tf.shape(packed)[0])
    starts = tf.nest.flatten(blank)
    parts = tf.split(packed, [x.shape[-1] for x in starts], 1)
    parts = [tf.cast(x, start.dtype) + start for x, start in zip(parts, starts, strict=True)]
    return tf.nest.pack_sequence_as(blank, parts)
