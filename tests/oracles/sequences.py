"""Sequence models by hand: the recurrences of the papers in NumPy, and every frame's distribution over all states.

Nothing here calls the package's formulas: only the parameters of a model are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import RNNRBM, RTRBM, samplers
from tests.oracles.kinds import KINDS, joint
from tests.oracles.machines import randomize, sigmoid
from tests.oracles.rbm import Exact, Parameters
from tests.support.steps import gradients_of

#: What a recurrence can be; `units` is of the RBM, so that all are fed and feed alike.
MODELS: dict[str, Callable[..., RNNRBM]] = {
    "simple": lambda units, **o: RNNRBM(units, 2, **o),
    "lstm": lambda units, **o: RNNRBM(units, keras.layers.LSTM(2, dtype=o.get("dtype"), seed=1), **o),
    "gru": lambda units, **o: RNNRBM(units, keras.layers.GRU(2, dtype=o.get("dtype"), seed=1), **o),
    "stack": lambda units, **o: RNNRBM(
        units,
        [keras.layers.LSTM(3, dtype=o.get("dtype"), seed=1), keras.layers.SimpleRNN(2, dtype=o.get("dtype"), seed=2)],
        **o,
    ),
    "rtrbm": lambda units, **o: RTRBM(units, **o),
}


def random_model(name: str = "simple", units: int = 2, width: int = 3, scale: float = 0.8, **kwargs: Any) -> RNNRBM:
    """A built model with weights and biases of the order of one; float64 unless told otherwise."""
    model = MODELS[name](units, **{"dtype": "float64", "seed": 0, **kwargs})
    model.build((None, None, width))
    randomize(model, scale)
    return model


def sequences(number: int = 6, time: int = 4, width: int = 3, seed: int = 5) -> np.ndarray:
    """Binary frames drawn at random, `(number, time, width)`."""
    return (np.random.default_rng(seed).random((number, time, width)) < 0.5).astype("float64")


#: Where frames are real, of six sequences.
MASKS = {
    "right": np.arange(7) < np.array([7, 3, 1, 5, 6, 2])[:, None],
    "left": np.arange(7) >= np.array([0, 3, 6, 1, 2, 5])[:, None],
    "gaps": np.array(
        [
            [1, 0, 1, 1, 0, 0, 1],
            [0, 1, 0, 1, 0, 1, 0],
            [1, 1, 0, 0, 0, 0, 1],
            [0, 0, 1, 0, 1, 1, 0],
            [1, 1, 1, 1, 1, 1, 1],
            [1, 0, 0, 0, 0, 0, 0],
        ],
        bool,
    ),
}


def padded(x: np.ndarray, mask: np.ndarray, padding: float) -> np.ndarray:
    """`x` with something else where the mask is not."""
    return np.where(mask[..., None], x, padding)


def unrolled(model: RNNRBM, x: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`b_t` and `c_t` of an RTRBM, or of an RNN-RBM with one SimpleRNN (tanh); padding is no step."""
    w, b, c, w_uv, w_uh = (
        np.asarray(p, "float64")
        for p in (model.rbm.w_rec, model.visible.bias, model.hidden.bias, model.w_uv, model.w_uh)
    )
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    u = np.zeros((len(x), len(w_uv)))
    all_b, all_c = [], []
    for t in range(x.shape[1]):
        all_b.append(b + u @ w_uv)
        all_c.append(c + u @ w_uh)
        if isinstance(model, RTRBM):
            now = sigmoid(x[:, t] @ w + c + u @ w_uh)
        else:
            kernel, recurrent, bias = (np.asarray(p, "float64") for p in model._recurrent_variables)
            now = np.tanh(x[:, t] @ kernel + u @ recurrent + bias)
        u = np.where(mask[:, t, None], now, u)
    return np.stack(all_b, 1), np.stack(all_c, 1)


def frame_references(
    model: RNNRBM, b: Any, c: Any, visible: str = "bernoulli", hidden: str = "bernoulli"
) -> list[Exact]:
    """The distribution of each frame, of biases `b` `(frames, visible)` and `c` `(frames, units)`."""
    (v_sites, gamma_v), (h_sites, gamma_h) = (sides(k, x) for k, x in ((visible, b), (hidden, c)))
    w = np.asarray(model.rbm.w_rec, "float64")
    pairs = zip(np.asarray(b, "float64"), np.asarray(c, "float64"), strict=True)
    return [Exact(Parameters(w, *biases, gamma_v, gamma_h), sites=(v_sites, h_sites)) for biases in pairs]


def sides(name: str, biases: Any) -> tuple[list, np.ndarray]:
    """Sites and precisions of as many units as there are biases; binary kinds have any number."""
    width = np.asarray(biases).shape[-1]
    sites, gamma = KINDS[name].sites, KINDS[name].gamma
    return ([sites[0]] * width, np.zeros(width)) if name in ("bernoulli", "spin") else (sites, gamma)


def states_of(name: str, width: int) -> np.ndarray:
    """All joint states of units of a kind, `(states, units)`."""
    return joint(sides(name, np.zeros(width))[0])[0]


def log_probs(references: list[Exact], v: np.ndarray) -> np.ndarray:
    """`log p(v_t | past)` of frames `v` `(frames, visible)`, each in its own RBM."""
    return np.array([-r.free_energy(row[None])[0] - r.log_z for r, row in zip(references, v, strict=True)])


def flat(x: Any) -> np.ndarray:
    """Frames of one sequence after the other."""
    x = np.asarray(x)
    return x.reshape(-1, x.shape[-1])


class Given(samplers.CD):
    """Negative samples that a function of the machine and the data gives."""

    def __init__(self, function: Callable[[Any, Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def negative_phase(self, rbm: Any, v_data: tf.Tensor, weights: tf.Tensor, hidden_input=None) -> samplers.Samples:
        return samplers.Samples(tf.convert_to_tensor(self.function(rbm, v_data), v_data.dtype), weights)


def flipped(machine: Any, v: tf.Tensor) -> tf.Tensor:
    """Each row the other way round: samples that depend on their own row alone."""
    return tf.reverse(1 - v, [-1])


def gradients(model: RNNRBM, x: Any, weights: Any) -> dict[str, np.ndarray]:
    """What a batch teaches, by the variables' paths."""
    x, weights = (tf.constant(value, model.state_dtype) for value in (x, weights))
    return {variable.path: np.asarray(gradient) for variable, gradient in gradients_of(model, x, weights).gradients}
