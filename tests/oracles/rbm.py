"""Small RBMs by brute force: every state with its probability, from the energy alone.

Nothing here calls the package's formulas: only the parameters of a machine are read.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp, softmax

from keras_rbm import DBN, RBM
from tests.oracles.kinds import (
    KINDS,
    LINE,
    Site,
    binary_states,
    index,
    joint,
    listed,
    log_counts,
    log_partition,
    log_sum_exp,
    sites_of,
)
from tests.support.statistics import assert_frequencies, assert_moments


class Parameters(NamedTuple):
    """W, b, c and the precisions of both sides, zero for units that have none, as float64."""

    w: Any
    b: Any
    c: Any
    gamma_v: Any
    gamma_h: Any


def parameters(rbm: RBM) -> Parameters:
    gammas = [sites_of(side)[1] for side in (rbm.visible, rbm.hidden)]
    return Parameters(*(np.asarray(x, "float64") for x in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias)), *gammas)


class Exact:
    """The distribution of a small RBM, or of `Parameters`: states `v` and `h`.

    Units of `Parameters` alone, without `sites`, are binary, or Gaussian where they have a precision.

    At an inverse temperature `beta`, and with the visible bias `base_bias` where that is 0. What needs no sum over
    both sides at once takes complex parameters too, so that derivatives can be taken by complex steps.
    """

    def __init__(
        self,
        rbm: RBM | Parameters,
        beta: float = 1.0,
        base_bias: Any = None,
        sites: Sequence[list[Site]] | None = None,
    ) -> None:
        self.parameters = p = rbm if isinstance(rbm, Parameters) else parameters(rbm)
        if sites is None and isinstance(rbm, Parameters):
            sites = [[LINE if gamma else listed(0, 1) for gamma in side] for side in (p.gamma_v, p.gamma_h)]
        self.visible, self.hidden = sites or [sites_of(side)[0] for side in (rbm.visible, rbm.hidden)]
        self.beta = beta
        self.b = beta * p.b + (0 if base_bias is None else (1 - beta) * base_bias)
        self.v, self.log_dv = joint(self.visible)
        self.h, self.log_dh = joint(self.hidden)

    @classmethod
    def of(cls, rbm: RBM, visible: str, hidden: str, *path: Any) -> Exact:
        """Of an RBM of two of `KINDS`, with the sites and precisions that these should have."""
        p = parameters(rbm)._replace(gamma_v=KINDS[visible].gamma, gamma_h=KINDS[hidden].gamma)
        return cls(p, *path, sites=(KINDS[visible].sites, KINDS[hidden].sites))

    def hidden_field(self, v: np.ndarray) -> np.ndarray:
        return self.beta * (self.parameters.c + v @ self.parameters.w)

    def visible_field(self, h: np.ndarray) -> np.ndarray:
        return self.b + self.beta * (h @ self.parameters.w.T)

    def _own_v(self, v: np.ndarray) -> np.ndarray:
        return v @ self.b - v**2 @ self.parameters.gamma_v / 2

    def free_energy(self, v: Any) -> np.ndarray:
        """Of each row of `v`, the hidden sites summed out one by one."""
        v = np.asarray(v)
        hidden = log_partition(self.hidden, self.hidden_field(v), self.parameters.gamma_h)
        return -self._own_v(v) - log_counts(self.visible, v) - hidden

    @functools.cached_property
    def _log_weights_v(self) -> np.ndarray:
        """Of all visible states."""
        return (
            self.log_dv
            + self._own_v(self.v)
            + log_partition(self.hidden, self.hidden_field(self.v), self.parameters.gamma_h)
        )

    @functools.cached_property
    def log_z(self) -> Any:
        """Summed over the states of the side that has fewer."""
        if len(self.v) < len(self.h):
            return log_sum_exp(self._log_weights_v)
        p = self.parameters
        own = self.log_dh + self.beta * (self.h @ p.c) - self.h**2 @ p.gamma_h / 2
        return log_sum_exp(own + log_partition(self.visible, self.visible_field(self.h), p.gamma_v))

    @functools.cached_property
    def p_v(self) -> np.ndarray:
        return np.exp(self._log_weights_v - log_sum_exp(self._log_weights_v))

    def log_joint(self, v: Any, wbc: Any = None, h: Any = None) -> Any:
        """`-E` of each row of `v` with each row of `h`, by default with all hidden states and their measure.

        With other W, b and c, where they are given: tensors, through which gradients flow.
        """
        v, p = np.asarray(v, "float64"), self.parameters
        log_dh = self.log_dh if h is None else log_counts(self.hidden, h)
        h = self.h if h is None else np.asarray(h, "float64")
        w, b, c = (p.w, self.b, p.c) if wbc is None else wbc
        base_v, base_h = v**2 @ p.gamma_v / 2 - log_counts(self.visible, v), h**2 @ p.gamma_h / 2 - log_dh
        return v @ b[:, None] + self.beta * (c[None] @ h.T + v @ w @ h.T) - base_v[:, None] - base_h

    def p_h_from_v(self, v: Any = None) -> np.ndarray:
        """Probabilities of all `h`, given each row of `v`, by default all visible states."""
        return softmax(self.log_joint(self.v if v is None else v), 1)

    def p_v_from_h(self, h: Any = None, mask: Any = False, values: Any = 0.0) -> np.ndarray:
        """Probabilities of all `v`, given each row of `h` (by default all states) and the units that are held."""
        h = self.h if h is None else np.asarray(h, "float64")
        log_weights = (self.log_dv + self._own_v(self.v))[:, None] + self.beta * (self.v @ self.parameters.w @ h.T)
        return softmax(np.where(self.agreeing(mask, values)[:, None], log_weights, -np.inf), 0).T

    def agreeing(self, mask: Any, values: Any) -> np.ndarray:
        """Which visible states have the values that are held."""
        return np.all(~np.asarray(mask, bool) | (self.v == values), 1)

    def conditional(self, mask: Any, values: Any) -> np.ndarray:
        """Probabilities of all `v`, given those units that are held."""
        p = self.p_v * self.agreeing(mask, values)
        return p / p.sum()

    def swept(self, p_v: np.ndarray) -> np.ndarray:
        """Probabilities of all visible states a sweep later, where those before are `p_v`."""
        return p_v @ self.p_h_from_v() @ self.p_v_from_h()

    def transitions(self, v: Any, num_sweeps: int) -> np.ndarray:
        """Probabilities of all visible states after block Gibbs sweeps from each row of `v`."""
        p = self.p_h_from_v(v) @ self.p_v_from_h()
        for _ in range(num_sweeps - 1):
            p = self.swept(p)
        return p

    def index(self, v: Any) -> np.ndarray:
        """The number of each visible state."""
        return index(self.v, v)

    def draw(self, number: int, seed: int = 7) -> np.ndarray:
        """Visible states drawn exactly (real ones on the nodes, which have the same moments)."""
        p = self.p_v
        return self.v[np.random.default_rng(seed).choice(len(p), number, p=p / p.sum())]

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the visible units."""
        mean = self.p_v @ self.v
        return mean, (self.v - mean).T @ (self.p_v[:, None] * (self.v - mean))


def assert_distributed(v: Any, exact: Exact) -> None:
    """Visible states come from the enumerated distribution; where some are real, by the first two moments."""
    if any(site.real for site in exact.visible):
        assert_moments(v, *exact.moments())
    else:
        assert_frequencies(exact.index(v), exact.p_v)


def exact_gradient(rbm: RBM | Exact, v: np.ndarray) -> list[np.ndarray]:
    """Gradient of `-mean log p(v)` in W, b and c: autodiff through the enumerated partition function."""
    exact = rbm if isinstance(rbm, Exact) else Exact(rbm)
    variables = [tf.Variable(x) for x in exact.parameters[:3]]
    nodes = exact.log_dv - log_counts(exact.visible, exact.v)
    with tf.GradientTape() as tape:
        positive = tf.reduce_mean(tf.reduce_logsumexp(exact.log_joint(v, variables), 1))
        loss = tf.reduce_logsumexp(exact.log_joint(exact.v, variables) + nodes[:, None]) - positive
    return [g.numpy() for g in tape.gradient(loss, variables)]


def log_conditional(x: Any, field: Any, gamma: np.ndarray) -> np.ndarray:
    """`log p(x | field)`, summed over the last axis: binary units where the precision `gamma` is zero."""
    x, field = np.asarray(x, "float64"), np.asarray(field, "float64")
    if gamma.any():
        return (np.log(gamma / (2 * np.pi)) / 2 - gamma * (x - field / gamma) ** 2 / 2).sum(-1)
    return (x * field - np.logaddexp(0, field)).sum(-1)


class ExactDBN:
    """All ways up a small DBN: from visible states to those of the top RBM's visible units, all hidden ones binary."""

    def __init__(self, dbn: DBN) -> None:
        self.lower = [(parameters(rbm), np.asarray(rbm.w_gen, "float64")) for rbm in dbn.lower]
        self.top = Exact(dbn.top)

    def ways(self, v: Any, layer: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Of each row of `v` and each way up, `log q(way | v)` and `log p(v, way)`, both `(len(v), ways)`."""
        if layer == len(self.lower):
            return np.zeros((len(v), 1)), -self.top.free_energy(v)[:, None] - self.top.log_z
        p, w_gen = self.lower[layer]
        h = binary_states(len(p.c))
        log_q = log_conditional(h, (v @ p.w + p.c)[:, None], p.gamma_h)
        log_p = log_conditional(v[:, None], h @ w_gen + p.b, p.gamma_v)
        log_q_above, log_p_above = self.ways(h, layer + 1)
        pairs = (log_q[..., None] + log_q_above, log_p[..., None] + log_p_above)
        return tuple(x.reshape(len(v), -1) for x in pairs)

    def log_p(self, v: Any) -> np.ndarray:
        """`log p(v)` of each row."""
        return logsumexp(self.ways(v)[1], 1)

    def bound(self, v: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of `log p(v, way) - log q(way | v)` over ways drawn from `q`, of each row of `v`."""
        log_q, log_p = self.ways(v)
        q, terms = np.exp(log_q), log_p - log_q
        mean = (q * terms).sum(1)
        return mean, (q * (terms - mean[:, None]) ** 2).sum(1)
