"""Small RBMs of any kinds of units by brute force: every state with its probability.

Nothing here calls the package's formulas: only kinds, widths and parameters are read. Real units are put on a grid on
which sums are as good as integrals.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import gammaln, logsumexp, softmax

from keras_rbm import RBM, units
from tests.oracles.enumeration import randomize

GRID = np.linspace(-12.0, 12.0, 121)

#: Kinds of visible units with their widths, that of hidden ones, and a mask that holds some of the visible ones.
KINDS = {
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


def rbm_of(kind: str, scale: float = 0.6, **kwargs: Any) -> tuple[RBM, np.ndarray]:
    """A random RBM of one of `KINDS` with 3 hidden units, and the mask."""
    visible, width, hidden, mask = KINDS[kind]
    rbm = RBM(3, visible=visible(kwargs.get("dtype", "float32")), hidden=hidden, **{"seed": 0, **kwargs})
    rbm.build((None, width))
    randomize(rbm, scale)
    return rbm, np.array(mask, bool)


def states(group: units.Unit) -> np.ndarray:
    """All joint states of a group, `(states, units)`."""
    name, *details = group.kind
    if name == "Mixed":
        sets, number = [states(part) for part in group.parts], 1
    elif name == "Softmax":
        sets, number = [np.eye(*details)], group.width // details[0]
    else:
        values = {"Bernoulli": [0, 1], "Spin": [-1, 1], "Gaussian": GRID}
        sets, number = [np.c_[values[name] if name in values else np.arange(details[0] + 1.0)]], group.width
    return np.array([np.concatenate(row) for row in itertools.product(*sets, repeat=number)], "float64")


def base(group: units.Unit, x: np.ndarray) -> np.ndarray:
    """The part of the energy that no bias or weight touches, of each row."""
    name, *details = group.kind
    if name == "Mixed":
        return sum(base(part, own) for part, own in zip(group.parts, group.columns(x), strict=True))
    if name == "Gaussian":
        return x**2 @ np.exp(np.asarray(group.log_precision, "float64")) / 2
    if name == "Binomial":
        return (gammaln(x + 1) + gammaln(details[0] - x + 1) - gammaln(details[0] + 1)).sum(1)
    return np.zeros(len(x))


def parameters(rbm: RBM) -> list[np.ndarray]:
    """W, b and c, float64."""
    return [np.asarray(x, "float64") for x in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias)]


def log_weights(rbm: RBM, v: Any, h: Any, wbc: Any = None) -> tf.Tensor:
    """`-E(v, h)` of each row of `v` with each row of `h`, `(len(v), len(h))`, differentiable in W, b and c."""
    w, b, c = (tf.convert_to_tensor(x) for x in wbc or parameters(rbm))
    v, h = np.asarray(v, "float64"), np.asarray(h, "float64")
    fields = tf.linalg.matvec(v, b)[:, None] + tf.linalg.matvec(h, c) + tf.constant(v) @ w @ h.T
    return fields - base(rbm.visible, v)[:, None] - base(rbm.hidden, h)


class Table:
    """The joint distribution of a small RBM: states `v` and `h`, and log-weights `(len(v), len(h))`."""

    def __init__(self, rbm: RBM) -> None:
        self.rbm, self.v, self.h = rbm, states(rbm.visible), states(rbm.hidden)
        self.log_weights = log_weights(rbm, self.v, self.h).numpy()
        self.p_v = softmax(logsumexp(self.log_weights, 1))
        self.p_h_from_v = softmax(self.log_weights, 1)

    def agreeing(self, mask: Any, values: Any) -> np.ndarray:
        """Which states have the values that are held."""
        return np.all(~np.asarray(mask, bool) | (self.v == values), 1)

    def conditional(self, mask: Any, values: Any) -> np.ndarray:
        """Probabilities of all `v`, given those units that are held."""
        p = self.p_v * self.agreeing(mask, values)
        return p / p.sum()

    def p_v_from_h(self, mask: Any = False, values: Any = 0.0) -> np.ndarray:
        """Probabilities of all `v` given each `h` and the units that are held, `(len(h), len(v))`."""
        return softmax(np.where(self.agreeing(mask, values)[:, None], self.log_weights, -np.inf), 0).T

    def index(self, v: Any) -> np.ndarray:
        """The row that each state is."""
        distance = np.abs(np.asarray(v, "float64")[:, None] - self.v).sum(-1)
        assert np.all(distance.min(1) == 0), "no state"
        return distance.argmin(1)
