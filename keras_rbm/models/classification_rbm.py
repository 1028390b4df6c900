"""The classification restricted Boltzmann machine."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_rbm.arguments import positive_integer
from keras_rbm.models.dbn import DBN


@keras.saving.register_keras_serializable("keras_rbm")
class ClassificationRBM(DBN):
    """An RBM over data and their classes: a classifier that can also dream.

        E(x, y, h) = -d_y - u_y . h + E(x, h),   p(y | x) = softmax_y(-F(x, y)),   exactly

    `F` is the free energy of data and label units together: those of the RBM `undirected()`, whose last visible units
    are the labels. It is a `DBN` of one layer. As a layer it maps visible states `(batch, visible)` to class
    probabilities `(batch, num_classes)`.

    Logs of `fit`: `loss` (what the objective minimises: of the joint part a signal, not a measure), `cross_entropy` (of
    the classes, nats a case) and `accuracy` (in training where the objective is not the joint one; in validation
    always), and `reconstruction_error` as in `RBM`.

    Args:
        units: number of hidden units.
        num_classes: at least 2.
        objective: `"joint"` follows `log p(x, y)` by the sampler, `"discriminative"` `log p(y | x)` by its exact
            gradient, `"hybrid"` the second plus `generative_weight` times the first.
        generative_weight: positive; looked at by `"hybrid"` only.
        kwargs: what `DBN` takes: `visible`, `hidden`, `sampler`, `seed` and so on.

    Raises:
        ValueError: for another objective, a weight that is not positive, or as `DBN` does.

    Example:

    ```python
    rbm = keras_rbm.ClassificationRBM(500, num_classes=10, objective="hybrid", generative_weight=0.01, seed=0)
    rbm.compile(keras.optimizers.SGD(0.05))
    rbm.fit(x, y, epochs=20, validation_data=(x_validation, y_validation))
    rbm.predict(x_test)  # (cases, 10), probabilities
    rbm.sample(y=[0, 1, 2], num_steps=1000)  # (3, visible)
    ```

    Reference:
        Larochelle & Bengio, 2008, "Classification using discriminative restricted Boltzmann machines", sections 2 to 4.
    """

    def __init__(self, units: int, num_classes: int, objective: str = "hybrid", **kwargs: Any) -> None:
        positive_integer(num_classes, "num_classes")  # `None` is for stacks
        super().__init__([units], num_classes=num_classes, objective=objective, **kwargs)
        for name in ("wake_loss", "sleep_loss"):
            del self._trackers[name]

    def call(self, inputs: Any) -> tf.Tensor:
        return tf.cast(tf.exp(self.class_log_probs(inputs)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.num_classes)

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units[0]}
