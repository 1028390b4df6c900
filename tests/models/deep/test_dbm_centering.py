"""Joint training of a centred DBM from small weights against the published algorithm, in parameters of its own."""

import keras
import numpy as np
import pytest

from keras_rbm import DBM
from tests.oracles.kinds import binary_states
from tests.oracles.machines import Fixed, sigmoid
from tests.support.statistics import assert_rounded

ROWS = [[31, 15, 7, 29, 30, 27, 1], [3, 19, 31, 30], [0, 16, 24, 8, 3]]
X = binary_states(5)[np.concatenate(ROWS)]


def machine(sizes: tuple[int, ...], **kwargs) -> DBM:
    """Built for five binary units; its chains, of the even layers, always have the same states."""
    width = 5 + sum(sizes[1::2])
    states = np.random.default_rng(2).integers(0, 2, (6, width)).astype("float64")
    options = {"mean_field_steps": 1000, "tolerance": 1e-14, "sampler": Fixed(states), "dtype": "float64", "seed": 0}
    dbm = DBM(list(sizes), **{**options, **kwargs})
    dbm.build((None, 5))
    rng = np.random.default_rng(1)
    for kernel in dbm.kernels:
        kernel.assign(rng.normal(0, 0.5, kernel.shape))
    return dbm


class Published:
    """A DBM of binary layers whose units feel the differences between states and offsets.

    Reference:
        Melchior, Fischer & Wiskott, 2016, "How to center deep Boltzmann machines", algorithm 2.
    """

    def __init__(self, kernels: list, plain_biases: list, mean: np.ndarray, chains: np.ndarray) -> None:
        self.kernels, self.offsets = kernels, [mean, *(sigmoid(b) for b in plain_biases[1:])]
        self.biases = plain_biases
        self.biases = [2 * b - x for b, x in zip(plain_biases, self.plain_biases(), strict=True)]
        self.chains = np.split(chains, np.cumsum([len(b) for b in plain_biases[::2]])[:-1], 1)

    def inputs(self, i: int, x: list) -> np.ndarray:
        below = (x[i - 1] - self.offsets[i - 1]) @ self.kernels[i - 1] if i else 0
        return below + (x[i + 1] - self.offsets[i + 1]) @ self.kernels[i].T if i + 1 < len(x) else below

    def means(self, v: np.ndarray) -> list:
        x = [v, *(np.full((len(v), len(b)), 0.5) for b in self.biases[1:])]
        for _ in range(500):
            for i in range(1, len(x)):
                x[i] = sigmoid(self.biases[i] + self.inputs(i, x))
        return x

    def step(self, v: np.ndarray, rate: float, slide: float) -> None:
        data = self.means(v)
        model = [self.chains[i // 2] if i % 2 == 0 else None for i in range(len(data))]
        for i in range(1, len(data), 2):
            shown = [np.zeros((6, len(b))) if x is None else x for x, b in zip(model, self.biases, strict=True)]
            model[i] = sigmoid(self.biases[i] + self.inputs(i, shown))
        old = self.offsets
        self.offsets = [mu + slide * (x.mean(0) - mu) for mu, x in zip(old, data, strict=True)]
        moved = [new - mu for new, mu in zip(self.offsets, old, strict=True)]
        for i, kernel in enumerate(self.kernels):  # what units feel stays as it is
            self.biases[i] = self.biases[i] + kernel @ moved[i + 1]
            self.biases[i + 1] = self.biases[i + 1] + moved[i] @ kernel
        learnt = [[x - mu for x, mu in zip(states, self.offsets, strict=True)] for states in (data, model)]
        for i, kernel in enumerate(self.kernels):
            by_data, by_model = (x[i].T @ x[i + 1] / len(x[0]) for x in learnt)
            self.kernels[i] = kernel + rate * (by_data - by_model)
        for i, (x, x_model) in enumerate(zip(data, model, strict=True)):
            self.biases[i] = self.biases[i] + rate * (x.mean(0) - x_model.mean(0))

    def plain_biases(self) -> list:
        """Those of a machine without offsets that says the same."""
        zeros = [np.zeros((1, len(b))) for b in self.biases]
        return [b + self.inputs(i, zeros)[0] for i, b in enumerate(self.biases)]


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)], ids=str)
def test_training_from_the_datas_means_is_the_published_algorithm(sizes):
    """Weights, biases and offsets after three steps, whose batches differ."""
    dbm = machine(sizes, offset_rate=0.05)
    dbm.adapt(X)
    np.testing.assert_allclose(sigmoid(dbm.visible.bias), X.mean(0), atol=0.05)  # half a case more keeps biases finite
    start = [np.array(group.bias) for group in dbm.groups]
    oracle = Published([np.array(k) for k in dbm.kernels], start, X.mean(0), np.array(dbm.sampler.v_model))
    dbm.compile(keras.optimizers.SGD(0.25), run_eagerly=True)
    for rows in ROWS:
        dbm.train_on_batch(binary_states(5)[rows])
        oracle.step(binary_states(5)[rows], 0.25, 0.05)
    for found, expected in zip(dbm.kernels, oracle.kernels, strict=True):
        assert_rounded(found, expected)
    for group, expected in zip(dbm.groups, oracle.plain_biases(), strict=True):
        assert_rounded(group.bias, expected)
    for found, expected in zip(dbm.offsets, oracle.offsets, strict=True):
        assert_rounded(found, expected)
