"""Double rectified units: a half of a normal distribution on either side of 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws
from keras_rbm.units.continuous import Continuous, checked_precision
from keras_rbm.units.softplus import softplus
from keras_rbm.units.truncated import excess, inverse, log_mass, where_reached


class _Side(NamedTuple):
    """The field of a side in units of its deviation, the root of its precision, its part of the partition function."""

    z: tf.Tensor
    root: tf.Tensor
    log_partition: tf.Tensor

    @property
    def mean(self) -> tf.Tensor:
        """Of the absolute value of states of this side."""
        return excess(-self.z) / self.root


@keras.saving.register_keras_serializable("keras_rbm")
class DReLU(Continuous):
    """Real units with a precision for positive states, one for negative ones, and a threshold `d` between the sides:

        base(x) = d |x| + (gamma x^2 if x > 0 else gamma' x^2) / 2
        log_partition(f) = sum log[ Z(f - d, gamma) + Z(-f - d, gamma') ],   Z(f, gamma) that of `ReLU` units

    With one precision and `d = 0` they are Gaussian units, with a stiff negative side `ReLU` ones. A positive threshold
    holds states near 0 in weaker fields, a negative one drives them away from 0, to either side. All of it is learnt by
    default. Formulas hold their digits at any field. `as_layer`, and so `DBN.classifier`, makes the difference of two
    rectifiers of it, right in strong fields, which is an approximation.

    In the literature the potential is `gamma_+ x^2 / 2 + theta_+ x` for `x > 0`, with `gamma_-` and `theta_-` for
    `x < 0`: the bias is `-(theta_+ + theta_-) / 2`, the threshold `(theta_+ - theta_-) / 2`. Precisions of hidden units
    and weights share a scale: with half a unit's weights, bias and threshold, and a quarter of its precisions, the
    visible units' distribution is the same.

    Args:
        precision: of positive states, as in `Gaussian`.
        negative_precision: of negative states; `None` means as `precision` (to begin with).
        threshold: a number, or one for each unit.
        learn_precision, learn_threshold: whether both precisions, and the threshold, are trained. Use a lower learning
            rate than for fixed ones.

    Raises:
        ValueError: if a precision is not positive and finite, a threshold not finite, or if their number is not that of
            the units.

    Example:

    ```python
    rbm = keras_rbm.RBM(100, visible=keras_rbm.units.Softmax(21), hidden="drelu")  # motifs of aligned proteins
    ```

    Reference:
        Tubiana, Cocco & Monasson, 2019, "Learning protein constitutive motifs from sequence data".
    """

    domain = "DReLU units need finite values"
    advice = "Remove infinite values, or fill them in as missing values."

    def __init__(
        self,
        precision: float | Sequence[float] | None = None,
        negative_precision: float | Sequence[float] | None = None,
        threshold: float | Sequence[float] = 0.0,
        learn_precision: bool = True,
        learn_threshold: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(precision, learn_precision, **kwargs)
        self.given_negative_precision = checked_precision(negative_precision, "negative_precision")
        values = np.asarray(threshold, dtype=float)
        if values.ndim > 1 or values.size == 0 or not np.isfinite(values).all():
            raise ValueError(f"`threshold` must be finite. Received: threshold={threshold}")
        self.given_threshold = values.tolist()
        self.learn_threshold = learn_threshold

    def prepare(self, width: int) -> None:
        super().prepare(width)
        given = next(x for x in (self.given_negative_precision, self.given_precision, 1.0) if x is not None)
        self.log_negative_precision = self._log_precision(given, "negative_precision")
        self.threshold = self._parameter(self.given_threshold, "threshold", "threshold", self.learn_threshold)

    @property
    def negative_precision(self) -> tf.Tensor:
        """That of negative states, positive, `(units,)`."""
        return self.everywhere(tf.exp(tf.convert_to_tensor(self.log_negative_precision)))

    def _parameters(self, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Both precisions, that of positive states first, and the threshold, `(units,)`."""
        own = (tf.cast(x, dtype) for x in (self.log_precision, self.log_negative_precision, self.threshold))
        log_gamma, log_negative, threshold = map(self.everywhere, own)
        return tf.exp(log_gamma), tf.exp(log_negative), threshold

    def _sides(self, field: tf.Tensor) -> tuple[_Side, _Side]:
        """The positive one and the negative one."""
        gamma, negative, threshold = self._parameters(field.dtype)

        def side(field: tf.Tensor, root: tf.Tensor) -> _Side:
            z = (field - threshold) / root
            return _Side(z, root, log_mass(z) - tf.math.log(root))

        return side(field, tf.sqrt(gamma)), side(-field, tf.sqrt(negative))

    def base(self, x: tf.Tensor) -> tf.Tensor:
        gamma, negative, threshold = self._parameters(x.dtype)
        return tf.reduce_sum(tf.where(x > 0, gamma, negative) * tf.square(x) / 2 + threshold * tf.abs(x), -1)

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        positive, negative = (side.log_partition for side in self._sides(field))
        return negative + softplus(positive - negative)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        positive, negative = self._sides(field)
        odds = positive.log_partition - negative.log_partition
        return tf.sigmoid(odds) * positive.mean - tf.sigmoid(-odds) * negative.mean

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        positive, negative = self._sides(field)
        higher = tf.nn.relu(positive.z) >= tf.nn.relu(negative.z)
        return tf.where(higher, tf.nn.relu(positive.z) / positive.root, -tf.nn.relu(negative.z) / negative.root)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        positive, negative = self._sides(field)
        on = draws.uniform_like(field) < tf.sigmoid(positive.log_partition - negative.log_partition)
        x = inverse(tf.where(on, positive.z, negative.z), 1 - draws.uniform_like(field))
        return tf.where(on, x / positive.root, -x / negative.root)

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        sides = self._sides(field)
        z, root, logits = (tf.stack([getattr(side, name) for side in sides], -1) for name in _Side._fields)
        far = (tf.abs(z) + 1e4) / root  # as good as infinity, from which moments are NaN
        up, tiny = tf.constant([1, 0], field.dtype), np.finfo(field.dtype.as_numpy_dtype).tiny  # 0 is on one side
        low, high = (up - 1) * far, up * far - (1 - up) * tiny
        halves = tfp.distributions.TruncatedNormal((2 * up - 1) * z / root, 1 / root, low, high)
        mixture = tfp.distributions.MixtureSameFamily(tfp.distributions.Categorical(logits), halves)
        return tfp.distributions.Independent(mixture, 1)

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(tf.math.is_finite(x), -1)

    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        return self.in_domain(x)

    def tail_precisions(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each unit the smaller precision: weights that it allows are small enough on both sides."""
        gamma, negative, _ = self._parameters(tf.float64)
        return np.minimum(gamma, negative), np.zeros(self.width, bool)

    def adapt_scale(self, mean: np.ndarray, variance: np.ndarray) -> None:
        super().adapt_scale(mean, variance)
        if self.given_precision is None and self.given_negative_precision is None:
            self.log_negative_precision.assign(self.log_precision)

    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        powers = np.tile(2.0 ** np.arange(-10, 64)[:, None], self.width)
        return where_reached(lambda x: self.mean(tf.constant(x)).numpy(), mean, np.concatenate([-powers[::-1], powers]))

    def as_layer(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
        gamma, negative, threshold = (np.asarray(x) for x in self._parameters(tf.float32))
        inputs, rectified = keras.Input((len(kernel),)), []
        for side, sign, own in (("positive", 1, gamma), ("negative", -1, negative)):
            layer = keras.layers.Dense(self.width, "relu", name=f"{name}_{side}")
            rectified.append(layer(inputs))
            layer.set_weights([sign * kernel / own, (sign * bias - threshold) / own])
        return keras.Model(inputs, keras.layers.Subtract()(rectified), name=name)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "negative_precision": self.given_negative_precision,
            "threshold": self.given_threshold,
            "learn_threshold": self.learn_threshold,
        }
