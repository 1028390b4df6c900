"""Small deep Boltzmann machines by brute force: every joint state of all layers, from the energy alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm import DBM
from tests.oracles.kinds import KINDS, joint


class Layer(NamedTuple):
    """What a layer is: a unit to give to the machine, its joint states, and the log of what each weighs by itself."""

    unit: Any
    states: np.ndarray
    log_measure: np.ndarray


def layer(name: str, dtype: str = "float64") -> Layer:
    """A layer of one of `KINDS`."""
    kind = KINDS[name]
    states, log_measure = joint(kind.sites)
    return Layer(kind.make(dtype=dtype), states, log_measure - states**2 @ kind.gamma / 2)


def random_dbm(kinds: Any, scale: float = 0.7, seed: int = 1, cls: type[DBM] = DBM, **kwargs: Any) -> DBM:
    """A built DBM of `KINDS`, the data's first, with random parameters; float64 unless told otherwise."""
    kwargs = {"dtype": "float64", "seed": 0, "mean_field_steps": 1000, "tolerance": 1e-13, **kwargs}
    made = [layer(name, kwargs["dtype"]) for name in kinds]
    dbm = cls([x.states.shape[1] for x in made[1:]], visible=made[0].unit, hidden=[x.unit for x in made[1:]], **kwargs)
    dbm.build((None, made[0].states.shape[1]))
    rng = np.random.default_rng(seed)
    for variable in [*dbm.kernels, *(group.bias for group in dbm.groups)]:
        variable.assign(rng.normal(0, scale, variable.shape))
    return dbm


class ExactDBM:
    """The joint distribution of all layers of a small DBM; label units are one softmax group.

    `log_weights` has an axis for each layer, and `p` the probabilities. Parameters may be given instead of a machine's
    own: tensors, through which gradients flow.
    """

    def __init__(self, dbm: DBM, kinds: Any, kernels: Any = None, biases: Any = None) -> None:
        layers = [layer(name) for name in kinds]
        self.states = [x.states for x in layers]
        log_measures = [x.log_measure for x in layers]
        if dbm.num_classes:
            self.states.append(np.eye(dbm.num_classes))
            log_measures.append(np.zeros(dbm.num_classes))
        kernels = dbm.kernels if kernels is None else kernels
        biases = [group.bias for group in dbm.groups] if biases is None else biases
        self.given = kernels, biases
        self.log_measures = log_measures
        number = len(self.states)

        def along(x: tf.Tensor, *axes: int) -> tf.Tensor:
            shape = [1] * number
            for axis, size in zip(axes, x.shape, strict=True):
                shape[axis] = size
            return tf.reshape(x, shape)

        self.log_weights = tf.zeros([1] * number, tf.float64)
        for i, (x, log_measure, bias) in enumerate(zip(self.states, log_measures, biases, strict=True)):
            self.log_weights += along(tf.linalg.matvec(x, tf.cast(bias, tf.float64)) + log_measure, i)
        for i, kernel in enumerate(kernels):
            coupling = self.states[i] @ tf.cast(kernel, tf.float64) @ self.states[i + 1].T
            self.log_weights += along(coupling, i, i + 1)

    def on_axis(self, x: np.ndarray, axis: int) -> np.ndarray:
        """Values of the states of one layer, so that they broadcast with `log_weights`."""
        return x.reshape([-1 if i == axis else 1 for i in range(len(self.states))])

    @property
    def log_z(self) -> float:
        return float(tf.reduce_logsumexp(self.log_weights))

    @property
    def p(self) -> np.ndarray:
        return np.exp(np.asarray(self.log_weights) - self.log_z)

    def log_p_of(self, *layers: int) -> np.ndarray:
        """Log of the marginal probabilities of the joint states of some layers, before normalisation."""
        others = [i for i in range(len(self.states)) if i not in layers]
        return np.asarray(tf.reduce_logsumexp(self.log_weights, others))

    def side(self, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Joint states of the layers with numbers first, first + 2, ..., and their probabilities."""
        own = list(range(first, len(self.states), 2))
        p = np.exp(self.log_p_of(*own) - self.log_z)
        grid = np.indices(p.shape).reshape(len(own), -1)
        return np.concatenate([self.states[i][rows] for i, rows in zip(own, grid, strict=True)], 1), p.ravel()
