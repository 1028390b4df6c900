"""Small deep Boltzmann machines by brute force: every joint state of all layers, from the energy alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm import DBM
from tests.oracles.kinds import KINDS, Kind, joint, log_sum_exp, one_of


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


class Unrolled:
    """Mean field in so many steps, given a part of data and labels, and what it says of the rest; one way, unrolled.

    Args:
        kinds: of all layers, the data's first, of `KINDS`.
        num_classes: of label units above them; 0 for none.
    """

    def __init__(self, kinds: Any, num_classes: int, num_steps: int) -> None:
        labels = [Kind(None, [one_of(num_classes)], np.zeros(num_classes))] if num_classes else []
        self.kinds, self.num_steps = [*(KINDS[name] for name in kinds), *labels], num_steps

    def fields_and_means(self, kernels: Any, biases: Any, known: Any, masked: Any) -> tuple[list, list]:
        """Of all layers, when each was last asked.

        Args:
            known: states of data, and of labels as the last layer, by the layer's number.
            masked: of these, which units are inferred, or how far, from 0 to 1, by the same numbers.
        """
        top = len(self.kinds) - 1
        fields: list[Any] = [None] * (top + 1)
        means: list[Any] = [None] * (top + 1)

        def ask(i: int, inputs: Any) -> None:
            fields[i] = biases[i] + inputs
            means[i] = mean_of(self.kinds[i], fields[i])
            if i in known:
                means[i] = masked[i] * means[i] + (1 - masked[i]) * known[i]

        def inputs(i: int) -> Any:
            below = means[i - 1] @ kernels[i - 1] if i else 0.0
            return below + means[i + 1] @ kernels[i].T if i < top else below

        ask(0, np.zeros_like(known[0]))
        for i in range(1, top + 1):  # nothing is known above, but labels of some cases
            once = np.ones((len(known[0]), 1)) if i == top else np.zeros((len(known[0]), 1))
            from_above = 0.0
            if i + 1 == top and top in known:
                once = 1.0 - masked[top][:, :1]
                from_above = once * (known[top] @ kernels[i].T)
            ask(i, (2 - once) * (means[i - 1] @ kernels[i - 1]) + from_above)
        for _ in range(self.num_steps):
            for first in (1, 0):
                for i in range(first, top + 1, 2):
                    ask(i, inputs(i))
        for i in range(1, top + 1, 2):
            ask(i, inputs(i))
        return fields, means

    def errors(self, kernels: Any, biases: Any, known: Any, masked: Any) -> np.ndarray:
        """Minus the log-probability of what is masked, `(cases,)`."""
        fields, _ = self.fields_and_means(kernels, biases, known, masked)
        return -sum(log_prob_of(self.kinds[i], known[i], fields[i], masked[i]) for i in known)


def _by_site(kind: Kind) -> Any:
    """Each site, its columns, and the log of what its states weigh without a field."""
    start = 0
    for site in kind.sites:
        own = slice(start, start := start + site.states.shape[1])
        yield site, own, site.log_measure - site.states**2 @ kind.gamma[own] / 2


def mean_of(kind: Kind, field: np.ndarray) -> np.ndarray:
    """Means of units in fields `(cases, units)`, summed over the states of each site."""
    found = []
    for site, own, log_weights in _by_site(kind):
        scores = field[:, own] @ site.states.T + log_weights
        found.append(np.exp(scores - log_sum_exp(scores)[:, None]) @ site.states)
    return np.concatenate(found, 1)


def log_prob_of(kind: Kind, x: np.ndarray, field: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Log-probabilities of the sites whose units are counted, `(cases,)`."""
    total = np.zeros(len(x))
    for site, own, log_weights in _by_site(kind):
        log_z = log_sum_exp(field[:, own] @ site.states.T + log_weights)
        if site.real:  # a density: the weights of nodes are no part of it
            log_weight = -(x[:, own] ** 2) @ kind.gamma[own] / 2
        else:
            log_weight = log_weights[np.argmin(np.abs(x[:, None, own] - site.states).sum(-1), 1)]
        total += counted[:, own.start] * ((x[:, own] * field[:, own]).sum(1) + log_weight - log_z)
    return total
