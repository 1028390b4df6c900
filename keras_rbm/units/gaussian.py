"""Real-valued units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws
from keras_rbm.units.unit import Unit, as_dtype


@keras.saving.register_keras_serializable("keras_rbm")
class Gaussian(Unit):
    """Real units with precision `gamma`: `base(x) = gamma x^2 / 2`, so `x | f ~ Normal(f / gamma, 1 / gamma)`.

        log_partition(f) = sum f^2 / (2 gamma) + log(2 pi / gamma) / 2

    The precision belongs to the units, so no coupling is divided by a deviation; the mean without input is
    `bias / gamma`.

    Args:
        precision: a positive number, or one for each unit. `None` means 1 until `RBM.adapt` sets it from the data's
            variances (a constant column keeps 1). It is not trained.

    Raises:
        ValueError: if a precision is not positive and finite, or if their number is not that of the units.

    Example:

    ```python
    rbm = keras_rbm.RBM(200, visible=keras_rbm.units.Gaussian(precision=4.0))
    ```

    Reference:
        Welling, Rosen-Zvi & Hinton, 2004, "Exponential family harmoniums", section 3.
    """

    domain = "Gaussian units need finite values"
    advice = "Remove or fill in the missing values."
    activation = "linear"

    def __init__(self, precision: float | Sequence[float] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if precision is not None:
            values = np.asarray(precision, dtype=float)
            if values.ndim > 1 or values.size == 0 or not (np.isfinite(values).all() and (values > 0).all()):
                raise ValueError(f"`precision` must be positive and finite. Received: precision={precision}")
            precision = values.tolist()
        self.given_precision = precision

    def build(self, input_shape: Any) -> None:
        if not self.built:
            given = 1.0 if self.given_precision is None else self.given_precision
            if np.size(given) not in (1, int(input_shape[-1])):
                raise ValueError(
                    f"`precision` must be one number, or one for each of the {input_shape[-1]} units. "
                    f"Received: {np.size(given)} numbers."
                )
            self.precision = self.add_weight(
                shape=(int(input_shape[-1]),),
                initializer=lambda shape, dtype: as_dtype(np.broadcast_to(given, shape), dtype),
                trainable=False,
                name="precision",
            )
        super().build(input_shape)

    def _gamma(self, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self.precision, dtype)

    def base(self, x: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(tf.square(x), self._gamma(x.dtype)) / 2

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        gamma = self._gamma(field.dtype)
        return tf.square(field) / (2 * gamma) + 0.5 * tf.math.log(2 * math.pi / gamma)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        return field / self._gamma(field.dtype)

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        return self.mean(field)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        return self.mean(field) + draws.normal_like(field) * tf.math.rsqrt(self._gamma(field.dtype))

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        normal = tfp.distributions.Normal(self.mean(field), tf.math.rsqrt(self._gamma(field.dtype)))
        return tfp.distributions.Independent(normal, 1)

    def reconstruction_error(self, x: tf.Tensor, field: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.square(x - self.mean(field)), -1)

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(tf.math.is_finite(x))

    def bias_for(self, mean: np.ndarray, count: float) -> np.ndarray:
        return np.asarray(self.precision) * mean

    def adapt_to_moments(self, mean: np.ndarray, variance: np.ndarray, count: float) -> None:
        if self.given_precision is None:
            # Rounding leaves a constant column a variance of about (mean * epsilon)^2, not exactly zero.
            constant = variance <= 1e-12 * np.maximum(1.0, mean**2)
            self.precision.assign(1 / np.where(constant, 1.0, variance))
        super().adapt_to_moments(mean, variance, count)

    def as_dense(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gamma = np.asarray(self.precision)
        return kernel / gamma, bias / gamma

    def get_config(self) -> dict:
        return {**super().get_config(), "precision": self.given_precision}
