"""Small random machines, samplers that do not sample, and the gradients that they should lead to."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm import DBN, RBM, samplers, units
from tests.oracles.kinds import KINDS, PRECISIONS
from tests.oracles.rbm import parameters

#: Kinds and widths that can be summed over: visible units, then hidden ones.
PAIRINGS = {
    "bernoulli-bernoulli": ("bernoulli", 5, "bernoulli", 4),
    "gaussian-bernoulli": ("gaussian", 2, "bernoulli", 4),
    "bernoulli-gaussian": ("bernoulli", 5, "gaussian", 2),
}
#: These, and Gaussian units on both sides.
ALL_PAIRINGS = [*PAIRINGS, "gaussian-gaussian"]


class Fixed(samplers.Sampler):
    """Always the same samples, so that a training step is deterministic."""

    def __init__(self, v_model: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.v_model = tf.constant(v_model)

    def negative_phase(self, rbm: RBM, v_data: tf.Tensor, weights: tf.Tensor, hidden_input=None) -> samplers.Samples:
        return as_samples(tf.cast(self.v_model, v_data.dtype))


def as_samples(v: Any) -> samplers.Samples:
    """Given states as a negative phase would hand them over, each as good as the other."""
    v = tf.convert_to_tensor(v)
    return samplers.Samples(v, tf.ones(v.shape[0], v.dtype))


def random_rbm(
    visible: str = "bernoulli", num_visible: int = 5, hidden: str = "bernoulli", num_hidden: int = 4, **kwargs: Any
) -> RBM:
    """A built RBM with weights and biases of the order of one; float64 unless told otherwise."""
    kwargs = {"dtype": "float64", "seed": 0, **kwargs}
    rbm = RBM(
        num_hidden,
        visible=kind(visible, num_visible, kwargs["dtype"]),
        hidden=kind(hidden, num_hidden, kwargs["dtype"]),
        **kwargs,
    )
    rbm.build((None, num_visible))
    randomize(rbm)
    return rbm


def small_rbm(pairing: str, scale: float = 0.8, seed: int = 1, **kwargs: Any) -> RBM:
    """A random RBM of one of `ALL_PAIRINGS`, small enough to be summed over."""
    rbm = random_rbm(*PAIRINGS[pairing], **kwargs) if pairing in PAIRINGS else gaussian_rbm(1, 1, **kwargs)
    randomize_small(rbm, scale, seed)
    return rbm


def gaussian_rbm(num_visible: int, num_hidden: int, **kwargs: Any) -> RBM:
    """Gaussian units on both sides, of precisions that differ between the sides; weights that allow it."""
    dtype = kwargs.get("dtype", "float64")
    visible = units.Gaussian(PRECISIONS[:num_visible], dtype=dtype)
    hidden = units.Gaussian(PRECISIONS[::-1][:num_hidden], dtype=dtype)
    rbm = random_rbm(visible, num_visible, hidden, num_hidden, kernel_constraint="max_norm", **kwargs)
    randomize_small(rbm)
    return rbm


def randomize_small(rbm: RBM, scale: float = 0.8, seed: int = 1) -> None:
    """Random weights; between Gaussian sides half as large as those at which `Z` diverges."""
    randomize(rbm, scale, seed)
    w, _, _, gamma_v, gamma_h = parameters(rbm)
    if gamma_v.any() and gamma_h.any():
        coupling = w / np.sqrt(gamma_v)[:, None] / np.sqrt(gamma_h)
        rbm.w_rec.assign(0.5 * w / np.linalg.norm(coupling, 2))


def random_dbn(sizes: Any = (4, 3, 2), num_visible: int = 3, visible: str = "bernoulli", **kwargs: Any) -> DBN:
    """A built DBN with random weights, those upwards and downwards not tied; float64 unless told otherwise."""
    kwargs = {"dtype": "float64", "seed": 0, **kwargs}
    dbn = DBN(list(sizes), visible=kind(visible, num_visible, kwargs["dtype"]), **kwargs)
    dbn.build((None, num_visible))
    randomize(dbn)
    return dbn


def kind(name: str, width: int, dtype: str) -> units.Unit:
    """Units of a kind; Gaussian ones have precisions that differ."""
    if name == "gaussian":
        return units.Gaussian(PRECISIONS[:width], dtype=dtype)
    return units.get(name, dtype=dtype)


def randomize(model: Any, scale: float = 0.8, seed: int = 1) -> None:
    """Gives every trainable weight a random value."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, scale, variable.shape))


def rbm_of(visible: str, hidden: str, learn: bool = False, scale: float = 0.4, **kwargs: Any) -> RBM:
    """A built RBM of two of `KINDS` with random weights and biases; float64 unless told otherwise."""
    kwargs = {"dtype": "float64", "seed": 0, **kwargs}
    sides = [KINDS[name].make(learn=learn, dtype=kwargs["dtype"]) for name in (visible, hidden)]
    rbm = RBM(KINDS[hidden].width, visible=sides[0], hidden=sides[1], **kwargs)
    rbm.build((None, KINDS[visible].width))
    rng = np.random.default_rng(1)
    for variable in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias):
        variable.assign(rng.normal(0, scale, variable.shape))
    return rbm


#: Kinds of visible units with their widths, that of hidden ones, and a mask that holds some of the visible ones.
MASKED = {
    "bernoulli": (lambda dtype: units.Bernoulli(dtype=dtype), 4, "bernoulli", [1, 0, 0, 1]),
    "spin": (lambda dtype: units.Spin(dtype=dtype), 4, "spin", [0, 1, 0, 1]),
    "softmax": (lambda dtype: units.Softmax(3, dtype=dtype), 6, "bernoulli", [0, 0, 0, 1, 1, 1]),
    "mixed": (
        lambda dtype: units.Mixed([("bernoulli", 2), (units.Softmax(3), 3), ("spin", 1)], dtype=dtype),
        6,
        "bernoulli",
        [0, 1, 1, 1, 1, 0],
    ),
}


def masked_rbm(kind: str, scale: float = 0.6, **kwargs: Any) -> tuple[RBM, np.ndarray]:
    """A random RBM of one of `MASKED` with 3 hidden units, and the mask."""
    visible, width, hidden, mask = MASKED[kind]
    rbm = RBM(3, visible=visible(kwargs.get("dtype", "float32")), hidden=hidden, **{"seed": 0, **kwargs})
    rbm.build((None, width))
    randomize(rbm, scale)
    return rbm, np.array(mask, bool)


def centered(gradients: Any, mu: np.ndarray, lam: np.ndarray) -> tuple[np.ndarray, ...]:
    """The documented transform of plain gradients in W, b and c (Melchior, Fischer & Wiskott, 2016)."""
    dw, db, dc = gradients
    dw = dw - np.outer(mu, dc) - np.outer(db, lam)
    return dw, db - dw @ lam, dc - dw.T @ mu


def sigmoid(x: Any) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def plain_gradient(p: Any, v: np.ndarray, v_model: np.ndarray, weights: Any = None) -> list[np.ndarray]:
    """Gradient of `mean F(v) - mean F(v_model)` in W, b and c of a binary RBM, by hand."""
    w, _, c = p[:3]

    def statistics(v: np.ndarray, weights: Any) -> list[np.ndarray]:
        share = np.full(len(v), 1 / len(v)) if weights is None else np.asarray(weights) / np.sum(weights)
        h = sigmoid(v @ w + c)
        return [v.T @ (share[:, None] * h), share @ v, share @ h]

    data, model = statistics(v, weights), statistics(v_model, None)
    return [m - d for d, m in zip(data, model, strict=True)]
