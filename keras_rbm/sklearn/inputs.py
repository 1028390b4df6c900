"""What scikit-learn's arrays and matrices become before a machine sees them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse
from sklearn.covariance import LedoitWolf
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from keras_rbm import pipelines, units

#: Rows that are asked about together.
_CHUNK = 4096
#: Of columns that are whitened, of deviation 1 before.
_SMALLEST_VARIANCE = 1e-6


def _values(X: Any) -> np.ndarray:
    """All that differs from zero in a sparse matrix, all of a dense one."""
    return X.data if sparse.issparse(X) else X


def is_unit_interval(X: Any) -> bool:
    """Whether all values are in [0, 1]."""
    values = _values(X)
    return values.size == 0 or bool(values.min() >= 0 and values.max() <= 1)


def is_binary(X: Any) -> bool:
    """Whether all values are 0 or 1."""
    values = _values(X)
    return bool(np.isin(values, (0, 1)).all())


def _whitening(x: np.ndarray) -> np.ndarray:
    """The symmetric matrix that makes columns of mean 0 uncorrelated."""
    values, vectors = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(x).covariance_.astype("float64"))
    return (vectors / np.sqrt(np.maximum(values, _SMALLEST_VARIANCE))) @ vectors.T


def own_units(kind: Any, dtype: str) -> units.Unit:
    """Units that no other machine has; an object has its own dtype."""
    return units.get(keras.saving.serialize_keras_object(units.get(kind, dtype=dtype)))


class Inputs(NamedTuple):
    """How rows become visible states, and back: Gaussian units see columns of mean 0 and deviation 1, or turned, so
    that they are uncorrelated.

    Args:
        visible: kind of the visible units.
        mean, scale: of the columns, `(features,)`; a constant column has scale 1.
        dtype: of states: that of the data, float32 or float64.
        turn: what standardised rows are multiplied by, `(features, features)`; `None` for nothing.
    """

    visible: units.Unit
    mean: np.ndarray
    scale: np.ndarray
    dtype: str
    turn: np.ndarray | None = None

    @classmethod
    def of(cls, X: Any, visible: Any, whiten: bool = False) -> Inputs:
        """Those for data `(cases, features)`.

        Args:
            whiten: whether Gaussian units see uncorrelated columns, by the covariance as Ledoit and Wolf shrink it.

        Raises:
            ValueError: if sparse data are to be whitened.
        """
        kind = own_units(visible, X.dtype.name)
        dtype = kind.dtype_policy.name
        if not isinstance(kind, units.Gaussian):
            return cls(kind, np.zeros(X.shape[1], dtype), np.ones(X.shape[1], dtype), dtype)
        if whiten and sparse.issparse(X):
            raise ValueError("Sparse data cannot be whitened. Received: whiten=True. Use whiten=False, or X.toarray().")
        scaler = StandardScaler(with_mean=False).fit(X)  # sparse data cannot be centred as a whole, batches can
        inputs = cls(kind, scaler.mean_.astype(dtype), scaler.scale_.astype(dtype), dtype)
        return inputs._replace(turn=_whitening(inputs.states(X)).astype(dtype)) if whiten else inputs

    def states(self, X: Any) -> np.ndarray:
        """Some rows, dense, as the machine sees them."""
        X = X.toarray() if sparse.issparse(X) else X
        standardised = (X - self.mean) / self.scale
        return (standardised if self.turn is None else standardised @ self.turn).astype(self.dtype)

    def rows(self, states: Any) -> np.ndarray:
        """What the machine's visible states are in the data's units."""
        standardised = np.asarray(states) if self.turn is None else np.linalg.solve(self.turn.T, np.transpose(states)).T
        return standardised * self.scale + self.mean

    @property
    def log_density(self) -> float:
        """What the log-density of the data has more than that of the states."""
        turned = 0.0 if self.turn is None else np.linalg.slogdet(self.turn.astype("float64"))[1]
        return float(turned - np.log(self.scale.astype("float64")).sum())

    def ask(self, question: Callable[[np.ndarray], Any], X: Any) -> np.ndarray:
        """Answers a row, asked a part of the data at a time."""
        parts = gen_batches(X.shape[0], _CHUNK)
        return np.concatenate([np.asarray(question(self.states(X[part]))) for part in parts])

    def data(self, X: Any, batch_size: int, seed: int) -> Any:
        """What a machine learns from: an array, of sparse data a stream of dense batches, in a new order each pass."""
        return self.stream(X, None, batch_size, seed) if sparse.issparse(X) else self.states(X)

    def stream(
        self, X: Any, y: np.ndarray | None, batch_size: int, seed: int, seen_as: Callable[[Any], Any] | None = None
    ) -> tf.data.Dataset:
        """Batches of states, or of what they are `seen_as`, and of `y` if there is one."""
        passes = itertools.count()

        def batches() -> Iterator[Any]:
            order = np.random.default_rng([seed, next(passes)]).permutation(X.shape[0])
            for part in gen_batches(len(order), batch_size):
                rows = order[part]
                states = self.states(X[rows])
                x = states if seen_as is None else np.asarray(seen_as(states))
                yield x if y is None else (x, y[rows])

        width = X.shape[1] if seen_as is None else seen_as(self.states(X[:1])).shape[1]
        spec: Any = tf.TensorSpec((None, width), self.dtype)
        spec = spec if y is None else (spec, tf.TensorSpec((None,), tf.int64))
        dataset = tf.data.Dataset.from_generator(batches, output_signature=spec)
        number = -(-X.shape[0] // batch_size)
        return pipelines.lean(dataset.apply(tf.data.experimental.assert_cardinality(number)))
