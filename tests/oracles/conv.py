"""Small convolutional RBMs by brute force: loops over positions say what is connected with what, and which unit is in
which pool; every joint state is summed over.

Nothing here calls the package's formulas: only the configuration and the parameters of a machine are read.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from keras_rbm import DBN, ConvRBM, units
from tests.oracles.kinds import Site, at_most_one_of, moments, sites_of
from tests.oracles.machines import randomize
from tests.oracles.rbm import Exact, Parameters

#: Shapes of pictures, and what machines of them are made with: few enough states on both sides.
CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "plain": ((3, 3, 1), {"filters": 2, "kernel_size": 2}),
    "pools": ((3, 3, 1), {"filters": 2, "kernel_size": 2, "pool_size": 2}),
    "smaller pool": ((4, 3, 1), {"filters": 2, "kernel_size": 2, "pool_size": 2}),
    "same": ((3, 3, 1), {"filters": 1, "kernel_size": 2, "padding": "same", "pool_size": 2}),
    "positions": ((3, 3, 1), {"filters": 1, "kernel_size": (3, 2), "padding": "same", "visible_bias": "position"}),
    "strides": ((3, 3, 1), {"filters": 2, "kernel_size": 2, "strides": 2, "padding": "same", "pool_size": (1, 2)}),
    "channels": ((3, 2, 2), {"filters": 2, "kernel_size": (2, 1), "strides": (1, 1), "pool_size": (2, 1)}),
    "softmax": ((2, 2, 3), {"filters": 2, "kernel_size": (2, 1), "pool_size": (1, 2)}),
    "gaussian": ((1, 2, 1), {"filters": 2, "kernel_size": (1, 2), "padding": "same", "pool_size": (1, 2)}),
    "spins": ((3, 3, 1), {"filters": 2, "kernel_size": 2, "visible": "spin", "hidden": "spin"}),
    "gaussian hidden": ((3, 3, 1), {"filters": 1, "kernel_size": (3, 2), "hidden": "gaussian"}),
    "sequence": ((8, 1), {"filters": 2, "kernel_size": 3, "pool_size": 4, "rank": 1}),
    "steps": ((5, 2), {"filters": 2, "kernel_size": 2, "strides": 2, "rank": 1, "visible_bias": "position"}),
}
REAL = ("gaussian", "gaussian hidden")


def conv_rbm(name: str, scale: float = 0.7, seed: int = 1, **kwargs: Any) -> ConvRBM:
    """A built machine of `CASES` with random parameters; float64 unless told otherwise."""
    shape, options = CASES[name]
    kwargs = {"dtype": "float64", "seed": 0, **options, **kwargs}
    visible = {
        "softmax": units.Softmax(3, dtype=kwargs["dtype"]),
        "gaussian": units.Gaussian(1.5, dtype=kwargs["dtype"]),
    }
    rbm = ConvRBM(**{"visible": visible.get(name, "bernoulli"), **kwargs})
    rbm.build((None, *shape))
    randomize(rbm, scale, seed)
    return rbm


class Links(NamedTuple):
    """Of each pair of a pixel's channel and a detection unit that a weight connects: the numbers of all three."""

    pixel: np.ndarray
    unit: np.ndarray
    weight: np.ndarray


def _axes(rbm: ConvRBM) -> list[tuple[int, int, int, int]]:
    """Of height and width: pixels, size of the filters, their step, and the zeros in front of the pixels."""
    axes = []
    sizes = zip((1, *rbm.data_shape)[-3:-1], (1, *rbm.kernel_size)[-2:], (1, *rbm.strides)[-2:], strict=True)
    for n, k, step in sizes:
        zeros = max((math.ceil(n / step) - 1) * step + k - n, 0) if rbm.padding == "same" else 0
        axes.append((n, k, step, zeros // 2))
    return axes


def _map_size(rbm: ConvRBM) -> list[int]:
    return [math.ceil(n / s) if rbm.padding == "same" else len(range(0, n - k + 1, s)) for n, k, s, _ in _axes(rbm)]


def links_of(rbm: ConvRBM) -> Links:
    channels, filters = rbm.data_shape[-1], rbm.filters
    (tall, high, down, above), (broad, wide, across, left) = _axes(rbm)
    rows, columns = _map_size(rbm)
    found = []
    for row, column, i, j in itertools.product(range(rows), range(columns), range(high), range(wide)):
        y, x = row * down + i - above, column * across + j - left
        if 0 <= y < tall and 0 <= x < broad:
            for c, k in itertools.product(range(channels), range(filters)):
                pixel, unit = (y * broad + x) * channels + c, (row * columns + column) * filters + k
                found.append((pixel, unit, ((i * wide + j) * channels + c) * filters + k))
    return Links(*np.array(found).T)


def pools_of(rbm: ConvRBM) -> list[list[int]]:
    """The detection units of each pool, pools in the order of what the layer gives."""
    rows, columns = _map_size(rbm)
    tall, wide = (1, *rbm.pool_size)[-2:]
    return [
        [
            (y * columns + x) * rbm.filters + k
            for y in range(top, min(top + tall, rows))
            for x in range(left, min(left + wide, columns))
        ]
        for top in range(0, rows, tall)
        for left in range(0, columns, wide)
        for k in range(rbm.filters)
    ]


def num_biases(rbm: ConvRBM) -> tuple[int, int]:
    """One a channel, unless each position has its own, and one a filter."""
    return math.prod(rbm.data_shape[0 if rbm.visible_bias_of == "position" else -1 :]), rbm.filters


def dense(rbm: ConvRBM, kernel: Any = None) -> Parameters:
    """All weights (of another `kernel`, if one is given), biases and precisions, those of each unit by itself."""
    links, width = links_of(rbm), math.prod(rbm.data_shape)
    kernel = np.ravel(rbm.w_rec if kernel is None else kernel)
    w = np.zeros((width, math.prod(_map_size(rbm)) * rbm.filters))
    np.add.at(w, (links.pixel, links.unit), kernel[links.weight])
    sides = [(rbm.visible, width), (rbm.hidden, w.shape[1])]
    biases = [  # of a channel at all positions
        np.tile(np.reshape(np.asarray(side.bias, "float64"), own), n // own)
        for (side, n), own in zip(sides, num_biases(rbm), strict=True)
    ]
    gammas = [
        np.resize(np.exp(side.log_precision), n) if isinstance(side, units.Gaussian) else np.zeros(n)
        for side, n in sides
    ]
    return Parameters(w, *biases, *gammas)


def tied(rbm: ConvRBM, dw: np.ndarray, db: np.ndarray, dc: np.ndarray) -> list[np.ndarray]:
    """Gradients in what `rbm` has, of those in what `dense` gives: what is shared adds up."""
    links, shared = links_of(rbm), np.zeros(math.prod(rbm.w_rec.shape))
    np.add.at(shared, links.weight, dw[links.pixel, links.unit])
    biases = [np.reshape(d, (-1, own)).sum(0) for d, own in zip((db, dc), num_biases(rbm), strict=True)]
    return [shared.reshape(rbm.w_rec.shape), *biases]


class ExactConv(Exact):
    """The distribution of a small convolutional RBM; arguments as of `Exact`. Hidden states `h` go pool by pool: those
    of the map are `maps`, and pools `pools`.
    """

    def __init__(self, rbm: ConvRBM, beta: float = 1.0, base_bias: Any = None) -> None:
        pools, p = pools_of(rbm), dense(rbm)
        order = np.concatenate(pools)
        hidden: list[Site] = sites_of(rbm.hidden)[0] if not isinstance(rbm.hidden, units.MaxPooled) else []
        hidden = hidden or [at_most_one_of(len(pool)) for pool in pools]
        ordered = p._replace(w=p.w[:, order], c=p.c[order], gamma_h=p.gamma_h[order])
        super().__init__(ordered, beta, base_bias, (sites_of(rbm.visible)[0], hidden))
        self.dense, self.order = p, order
        self.maps = self.h[:, np.argsort(order)]
        self.pools = np.stack([self.maps[:, pool].sum(1) for pool in pools], 1)
        self.sizes = np.array([len(pool) for pool in pools])

    def hidden_means(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Given each row of `v`, of detection units and of pools, summed over all hidden states."""
        if any(site.real for site in self.hidden):
            mean = moments(self.hidden, self.hidden_field(v), self.parameters.gamma_h)[0][:, np.argsort(self.order)]
            return mean, mean
        p = self.p_h_from_v(v)
        return p @ self.maps, p @ self.pools

    def log_joint_of(self, v: np.ndarray, maps: np.ndarray) -> np.ndarray:
        """`-E` of each row of `v` with the same row of `maps`."""
        w, b, c, gamma_v, gamma_h = self.dense
        own = v @ b - v**2 @ gamma_v / 2 + maps @ c - maps**2 @ gamma_h / 2
        return own + np.einsum("bi,ij,bj->b", v, w, maps)

    def gradient(self, rbm: ConvRBM, v: np.ndarray) -> list[np.ndarray]:
        """Of `-mean log p(v)` in the weights and biases of `rbm`: what is expected of the model less that of data."""
        states = [(v, np.full(len(v), 1 / len(v))), (self.v, self.p_v)]
        parts = []
        for x, p in states:
            h = self.hidden_means(x)[0]
            parts.append(((x * p[:, None]).T @ h, p @ x, p @ h))
        return tied(rbm, *(m - d for d, m in zip(*parts, strict=True)))

    def log_p(self, v: np.ndarray) -> np.ndarray:
        return -self.free_energy(v) - self.log_z


class ExactConvDBN:
    """All ways up a small DBN of convolutional layers, and perhaps fully connected top, with or without label units.

    Downwards a pool that is on has each of its units on with the same probability.
    """

    def __init__(self, dbn: DBN) -> None:
        self.lower = [(ExactConv(rbm), dense(rbm, rbm.w_gen)) for rbm in dbn.lower]
        self.top = (ExactConv if isinstance(dbn.top, ConvRBM) else Exact)(dbn.top)
        self.num_classes = dbn.num_classes

    def log_p_top(self, x: np.ndarray) -> np.ndarray:
        """Of states of the top's visible units, label units summed out."""
        if not self.num_classes:
            return -self.top.free_energy(x) - self.top.log_z
        labels = np.tile(np.eye(self.num_classes), (len(x), 1))
        joint = np.concatenate([np.repeat(x, self.num_classes, 0), labels], 1)
        return logsumexp(-self.top.free_energy(joint).reshape(len(x), -1), 1) - self.top.log_z

    def ways(self, v: np.ndarray, layer: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Of each row of `v` and each way up, `log q(way | v)` and `log p(v, way)`, both `(len(v), ways)`."""
        if layer == len(self.lower):
            return np.zeros((len(v), 1)), self.log_p_top(v)[:, None]
        exact, down = self.lower[layer]
        log_q = np.log(exact.p_h_from_v(v))
        field = exact.maps @ down.w.T + down.b
        log_p = v @ field.T - np.logaddexp(0, field).sum(1) - exact.pools @ np.log(exact.sizes)
        above = self.ways(exact.pools, layer + 1)
        pairs = (log_q[..., None] + above[0], log_p[..., None] + above[1])
        return tuple(x.reshape(len(v), -1) for x in pairs)

    def log_p(self, v: np.ndarray) -> np.ndarray:
        return logsumexp(self.ways(v)[1], 1)

    def bound(self, v: np.ndarray) -> np.ndarray:
        """Mean of `log p(v, way) - log q(way | v)` over ways drawn from `q`, of each row of `v`."""
        log_q, log_p = self.ways(v)
        return (np.exp(log_q) * (log_p - log_q)).sum(1)
