"""Small machines by brute force: every state with its probability, from the energy alone.

Nothing here calls the package's formulas: only the parameters of a machine are read. Gaussian units are put on a grid
on which sums are as good as integrals in float64 (the trapezoidal rule on a bell curve).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp, softmax

from keras_rbm import DBN, RBM, samplers, units
from tests.support.statistics import assert_frequencies, assert_moments

PRECISIONS = (1.5, 0.7, 2.5)
GRID = np.linspace(-20.0, 20.0, 201)

#: Kinds and widths that can be summed over: visible units, then hidden ones.
PAIRINGS = {
    "bernoulli-bernoulli": ("bernoulli", 5, "bernoulli", 4),
    "gaussian-bernoulli": ("gaussian", 2, "bernoulli", 4),
    "bernoulli-gaussian": ("bernoulli", 5, "gaussian", 2),
}
#: These, and Gaussian units on both sides.
ALL_PAIRINGS = [*PAIRINGS, "gaussian-gaussian"]


class Parameters(NamedTuple):
    """W, b, c and the precisions of both sides, zero for binary units, as float64."""

    w: Any
    b: Any
    c: Any
    gamma_v: Any
    gamma_h: Any


class Fixed(samplers.Sampler):
    """Always the same samples, so that a training step is deterministic."""

    def __init__(self, v_model: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.v_model = tf.constant(v_model)

    def negative_phase(self, machine: RBM, v_data: tf.Tensor, weights: tf.Tensor) -> samplers.Samples:
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


def parameters(rbm: RBM) -> Parameters:
    gammas = [side.tails()[0] for side in (rbm.visible, rbm.hidden)]
    gammas = [np.where(np.isfinite(gamma), gamma, 0) for gamma in gammas]
    return Parameters(*(np.asarray(x, "float64") for x in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias, *gammas)))


def binary_states(n: int) -> np.ndarray:
    """All states of n binary units, `(2^n, n)`, in the order of `index`."""
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype("float64")


def index(x: Any) -> np.ndarray:
    """The row of `binary_states` that each state is."""
    x = np.asarray(x)
    return (x @ 2 ** np.arange(x.shape[-1])).astype(int)


def states(gamma: np.ndarray) -> tuple[np.ndarray, float]:
    """All states of a group, and the log of the volume that each stands for."""
    if not gamma.any():
        return binary_states(len(gamma)), 0.0
    mesh = np.meshgrid(*[GRID] * len(gamma), indexing="ij")
    return np.stack([m.ravel() for m in mesh], -1), len(gamma) * float(np.log(GRID[1] - GRID[0]))


def log_weights(p: Parameters, v: Any, h: Any, beta: float = 1.0, base_bias: Any = None) -> tf.Tensor:
    """`(1 - beta) b0.v + beta (b.v + c.h + v.W.h) - base(v) - base(h)` of each row of `v` with each row of `h`.

    `b0` is the base bias, nothing by default; the result is `(len(v), len(h))`.
    """
    v, h = tf.constant(v, tf.float64), tf.constant(h, tf.float64)
    linear = tf.linalg.matvec(v, p.b)[:, None] + tf.linalg.matvec(h, p.c) + v @ p.w @ tf.transpose(h)
    base = tf.linalg.matvec(v**2, p.gamma_v)[:, None] / 2 + tf.linalg.matvec(h**2, p.gamma_h) / 2
    if base_bias is not None:
        base -= (1 - beta) * tf.linalg.matvec(v, base_bias)[:, None]
    return beta * linear - base


class Exact:
    """The joint distribution of a small RBM, or of its `Parameters`: states `v` and `h`, and `p`, `(len(v), len(h))`.

    At an inverse temperature `beta`, and with the visible bias `base_bias` where that is 0.
    """

    def __init__(self, rbm: RBM | Parameters, beta: float = 1.0, base_bias: Any = None) -> None:
        self.parameters = rbm if isinstance(rbm, Parameters) else parameters(rbm)
        self.beta, self.base_bias = beta, base_bias
        self.v, log_dv = states(self.parameters.gamma_v)
        self.h, self.log_dh = states(self.parameters.gamma_h)
        self.log_weights = self._log_weights(self.v, self.h)
        self.log_z = logsumexp(self.log_weights) + log_dv + self.log_dh
        self.p = softmax(self.log_weights)

    def _log_weights(self, v: Any, h: Any) -> np.ndarray:
        return log_weights(self.parameters, v, h, self.beta, self.base_bias).numpy()

    @property
    def p_v(self) -> np.ndarray:
        return self.p.sum(1)

    def free_energy(self, v: Any) -> np.ndarray:
        return -logsumexp(self._log_weights(v, self.h), 1) - self.log_dh

    def p_h_from_v(self, v: Any) -> np.ndarray:
        """Probabilities of all `h`, given each row of `v`."""
        return softmax(self._log_weights(v, self.h), 1)

    def p_v_from_h(self, h: Any) -> np.ndarray:
        """Probabilities of all `v`, given each row of `h`."""
        return softmax(self._log_weights(self.v, h).T, 1)

    def transitions(self, v: Any, num_sweeps: int) -> np.ndarray:
        """Probabilities of all visible states after block Gibbs sweeps from each row of `v`."""
        for_all = self.p_v_from_h(self.h)
        p = self.p_h_from_v(v) @ for_all
        for _ in range(num_sweeps - 1):
            p = p @ self.p_h_from_v(self.v) @ for_all
        return p

    def swept(self, p_v: np.ndarray) -> np.ndarray:
        """Probabilities of all visible states a sweep later, where those before are `p_v`."""
        return p_v @ self.p_h_from_v(self.v) @ self.p_v_from_h(self.h)

    def draw(self, number: int, seed: int = 7) -> np.ndarray:
        """Visible states drawn exactly."""
        return self.v[np.random.default_rng(seed).choice(len(self.v), number, p=self.p_v)]

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the visible units."""
        mean = self.p_v @ self.v
        return mean, (self.v - mean).T @ (self.p_v[:, None] * (self.v - mean))


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


def assert_distributed(v: Any, exact: Exact) -> None:
    """Visible states come from the enumerated distribution; Gaussian ones by their first two moments."""
    if exact.parameters.gamma_v.any():
        assert_moments(v, *exact.moments())
    else:
        assert_frequencies(index(v), exact.p_v)


def exact_gradient(rbm: RBM, v: np.ndarray) -> list[np.ndarray]:
    """Gradient of `-mean log p(v)` in W, b and c: autodiff through the enumerated partition function."""
    p = parameters(rbm)
    all_v, all_h = states(p.gamma_v)[0], states(p.gamma_h)[0]
    variables = [tf.Variable(x) for x in p[:3]]
    with tf.GradientTape() as tape:
        p = Parameters(*variables, *p[3:])
        positive = tf.reduce_mean(tf.reduce_logsumexp(log_weights(p, v, all_h), 1))
        loss = tf.reduce_logsumexp(log_weights(p, all_v, all_h)) - positive
    return [g.numpy() for g in tape.gradient(loss, variables)]


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
