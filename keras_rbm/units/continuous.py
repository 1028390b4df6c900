"""What units with real states share: a precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.units.unit import Unit, as_dtype


def _representable(log_precision: tf.Tensor) -> tf.Tensor:
    """Where the exponential, and fields divided by it, stay clear of 0 and infinity in float32."""
    return tf.clip_by_value(log_precision, -30.0, 30.0)


def checked_precision(precision: Any, name: str) -> Any:
    """A positive number, or a list of such; `None` as it is.

    Raises:
        ValueError: if one is not positive and finite.
    """
    if precision is None:
        return None
    values = np.asarray(precision, dtype=float)
    if values.ndim > 1 or values.size == 0 or not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"`{name}` must be positive and finite. Received: {name}={precision}")
    return values.tolist()


class Continuous(Unit):
    """Units with real states and precision `gamma`: `base(x) = gamma x^2 / 2`.

    The precision is the exponential of a weight, so it stays positive whatever is learnt.

    Args:
        precision: a positive number, or one for each unit. `None` means 1 until `RBM.adapt` sets it from the data's
            variances (a constant column keeps 1).
        learn_precision: whether it is trained.

    Raises:
        ValueError: if a precision is not positive and finite, or if their number is not that of the units.
    """

    bounded = False
    #: Whether states are not negative.
    positive: bool = False

    def __init__(
        self, precision: float | Sequence[float] | None = None, learn_precision: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.given_precision = checked_precision(precision, "precision")
        self.learn_precision = learn_precision

    def prepare(self, width: int) -> None:
        super().prepare(width)
        given = 1.0 if self.given_precision is None else self.given_precision
        self.log_precision = self._log_precision(given, "precision")

    def _log_precision(self, given: float | list[float], name: str) -> keras.Variable:
        return self._parameter(np.log(given), name, f"log_{name}", self.learn_precision, _representable)

    def _parameter(self, given: Any, argument: str, name: str, learn: bool, constraint: Any = None) -> keras.Variable:
        """A parameter of each unit, of each channel where they have positions."""
        number = self.width // self.num_positions
        if np.size(given) not in (1, number):
            raise ValueError(
                f"`{argument}` must be one number, or one for each of the {number} "
                f"{'units' if number == self.width else 'channels'}. Received: {np.size(given)} numbers."
            )
        return self.add_weight(
            shape=(number,),
            initializer=lambda shape, dtype: as_dtype(np.broadcast_to(given, shape), dtype),
            trainable=learn,
            constraint=constraint if learn else None,
            name=name,
        )

    @property
    def precision(self) -> tf.Tensor:
        """Positive, `(units,)`."""
        return self.everywhere(tf.exp(tf.convert_to_tensor(self.log_precision)))

    def _gamma(self, dtype: tf.DType) -> tf.Tensor:
        return self.everywhere(tf.exp(tf.cast(self.log_precision, dtype)))

    def base(self, x: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(tf.square(x), self._gamma(x.dtype)) / 2

    def tail_precisions(self) -> tuple[np.ndarray, np.ndarray]:
        return np.exp(np.asarray(self.everywhere(self.log_precision), "float64")), np.full(self.width, self.positive)

    def adapt_scale(self, mean: np.ndarray, variance: np.ndarray) -> None:
        if self.given_precision is None:
            # Rounding leaves a constant column a variance of about (mean * epsilon)^2, not exactly zero.
            constant = variance <= 1e-12 * np.maximum(1.0, mean**2)
            own = -np.log(np.where(constant, 1.0, variance))
            self.log_precision.assign(own[: self.width // self.num_positions])

    def as_layer(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
        gamma = np.asarray(self.precision)
        return super().as_layer(kernel / gamma, bias / gamma, name)

    def get_config(self) -> dict:
        return {**super().get_config(), "precision": self.given_precision, "learn_precision": self.learn_precision}
