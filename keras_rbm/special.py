"""Special functions of units, also made of operations that every runtime has."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import tensorflow as tf

_ELEMENTARY: ContextVar[bool] = ContextVar("elementary", default=False)
_DEGREE = 16  # of Chebyshev polynomials: errors below float32's


@contextmanager
def elementary() -> Iterator[None]:
    """Functions that are traced meanwhile need nothing but exponentials, logarithms and roots; to float32's digits."""
    token = _ELEMENTARY.set(True)
    try:
        yield
    finally:
        _ELEMENTARY.reset(token)


_VALUES_ONLY: ContextVar[bool] = ContextVar("values_only", default=False)


@contextmanager
def values_only() -> Iterator[None]:
    """Functions traced meanwhile have no gradients of their own: TensorFlow would warn of them in an export."""
    token = _VALUES_ONLY.set(True)
    try:
        yield
    finally:
        _VALUES_ONLY.reset(token)


def custom_gradient(function: Callable[..., tuple]) -> Callable[..., tf.Tensor]:
    """As `tf.custom_gradient`, outside of exports."""
    return (lambda *args: function(*args)[0]) if _VALUES_ONLY.get() else tf.custom_gradient(function)


def log1p(x: tf.Tensor) -> tf.Tensor:
    """`log(1 + x)`; if elementary right to an absolute error, which is what energies need."""
    return tf.math.log(1 + x) if _ELEMENTARY.get() else tf.math.log1p(x)


def erfc(x: tf.Tensor) -> tf.Tensor:
    """`1 - erf(x)`, with all digits where that is small."""
    if not _ELEMENTARY.get():
        return tf.math.erfc(x)
    t = 2 / (2 + tf.abs(x))  # in (0, 1]
    tail = t * tf.exp(_polynomial(_log_scaled_erfc(), 2 * t - 1) - tf.square(x))
    return tf.where(x < 0, 2 - tail, tail)


def erfinv(x: tf.Tensor) -> tf.Tensor:
    """The inverse of erf on (-1, 1); if elementary as far out as float32 has numbers."""
    if not _ELEMENTARY.get():
        return tf.math.erfinv(x)
    w = -tf.math.log((1 - x) * (1 + x))
    return x * _polynomial(_erfinv_ratio(), tf.minimum(w, _FURTHEST) * (2 / _FURTHEST) - 1)


def lgamma(x: tf.Tensor) -> tf.Tensor:
    """The logarithm of the gamma function, for `x >= 1`: if elementary by Stirling's series, eight steps further on."""
    if not _ELEMENTARY.get():
        return tf.math.lgamma(x)
    product, z = tf.math.log(x * (x + 1) * (x + 2) * (x + 3)), x + 8
    product += tf.math.log((x + 4) * (x + 5) * (x + 6) * (x + 7))
    series = (1 / 12 - (1 / 360 - 1 / (1260 * tf.square(z))) / tf.square(z)) / z
    return (z - 0.5) * tf.math.log(z) - z + 0.5 * math.log(2 * math.pi) + series - product


_FURTHEST = 17.0  # minus the logarithm of 1 - x^2 for the float32 next to 1, and a little


@functools.cache
def _log_scaled_erfc() -> np.ndarray:
    from scipy.special import erfcx  # which scikit-learn brings along

    def f(s: np.ndarray) -> np.ndarray:
        t = (s + 1) / 2
        return np.log(erfcx(2 / t - 2) / t)

    return _chebyshev(f)


@functools.cache
def _erfinv_ratio() -> np.ndarray:
    from scipy.special import erfcinv

    def f(s: np.ndarray) -> np.ndarray:
        w = (s + 1) * (_FURTHEST / 2)
        x = np.sqrt(-np.expm1(-w))
        return erfcinv(np.exp(-w) / (1 + x)) / x

    return _chebyshev(f)


def _chebyshev(f: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Coefficients of the Chebyshev polynomials that interpolate `f` on [-1, 1]."""
    return np.polynomial.chebyshev.chebinterpolate(f, _DEGREE)


def _polynomial(coefficients: np.ndarray, s: tf.Tensor) -> tf.Tensor:
    """A sum of Chebyshev polynomials at `s` in [-1, 1], by Clenshaw's recurrence."""
    first, *others = coefficients.tolist()
    b, later = tf.zeros_like(s), tf.zeros_like(s)
    for c in reversed(others):
        b, later = c + 2 * s * b - later, b
    return first + s * b - later
