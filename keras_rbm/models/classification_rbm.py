"""The classification restricted Boltzmann machine."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, samplers
from keras_rbm import units as unit_kinds
from keras_rbm.arguments import clone, positive_integer
from keras_rbm.models.class_head import BIAS_OPTIONS, ClassHead, with_labels, without_classes
from keras_rbm.models.labelled import Labelled
from keras_rbm.models.network import plain_network
from keras_rbm.models.rbm import RBM
from keras_rbm.random import Draws
from keras_rbm.training.couplings import COUPLING_OPTIONS
from keras_rbm.training.faults import Batch
from keras_rbm.training.learner import StepResult
from keras_rbm.types import Array, Constraint, Count, SamplerLike, UnitLike


@keras.saving.register_keras_serializable("keras_rbm")
class ClassificationRBM(Labelled):
    """An RBM over data and their classes: a classifier that can also dream.

        E(x, y, h) = -d_y - u_y . h + E(x, h),   p(y | x) = softmax_y(-F(x, y)),   exactly

    `F` is the free energy of data and label units together: those of the RBM `undirected()`, whose last visible units
    are the labels. As a layer it maps visible states `(batch, visible)` to class probabilities
    `(batch, num_classes)`.

    Logs of `fit`: `loss` (what the objective minimises: of the joint part a signal, not a measure), `cross_entropy` (of
    the classes, nats a case) and `accuracy` (in training where the objective is not the joint one; in validation
    always), and `reconstruction_error` as in `RBM`.

    Args:
        units: number of hidden units.
        num_classes: at least 2.
        objective: `"joint"` follows `log p(x, y)` by the sampler, `"discriminative"` `log p(y | x)` by its exact
            gradient, `"hybrid"` the second plus `generative_weight` times the first.
        generative_weight: positive; looked at by `"hybrid"` only.
        visible, hidden: kinds of units, as in `RBM`.
        sampler: where samples of data and labels come from, as in `RBM`.
        seed: rules initial weights, chains and all sampling. `None` takes one from Python's generator.
        kwargs: centered, offset_rate, activity_regularizer and kernel options, as in `RBM`.

    Raises:
        ValueError: for another objective, a weight that is not positive, or as `RBM` does.

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

    def __init__(
        self,
        units: int,
        num_classes: int,
        objective: str = "hybrid",
        generative_weight: float = 0.01,
        visible: UnitLike = "bernoulli",
        hidden: UnitLike = "bernoulli",
        sampler: SamplerLike = "cd",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        options = {name: kwargs.pop(name) for name in COUPLING_OPTIONS if name in kwargs}
        super().__init__(seed=seed, **kwargs)
        self.units = positive_integer(units, "units")
        positive_integer(num_classes, "num_classes")
        self._head = ClassHead(num_classes, objective, generative_weight)
        self._num_classes = self._head.num_classes
        joint_units = with_labels(visible, num_classes, dtype=self.dtype_policy, name="visible")
        hidden = clone(unit_kinds.get(hidden, dtype=self.dtype_policy))
        options |= {"sampler": sampler, "seed": seed, "dtype": self.dtype_policy, "name": "rbm_0"}
        self.rbms = [RBM(units, visible=joint_units, hidden=hidden, **options)]  # a list, as files have it
        names = ["reconstruction_error", *self.sampler.log_names, "cross_entropy", "accuracy"]
        self._trackers = {name: keras.metrics.Mean(name) for name in names}

    @property
    def visible(self) -> unit_kinds.Unit:
        """The visible units without label units."""
        return self.undirected().visible.parts[0]

    @property
    def sampler(self) -> samplers.Sampler:
        """That of the RBM over data and labels."""
        return self.undirected().sampler

    def undirected(self) -> RBM:
        """The RBM over data and labels, which are its last visible units."""
        return self.rbms[0]

    def build(self, input_shape: Any) -> None:
        if error := checks.shape_error(input_shape, None):
            raise error
        self.undirected().build((input_shape[0], input_shape[1] + self.num_classes))
        self.built = True

    # --- up and down

    def class_log_probs(self, v: Array) -> tf.Tensor:
        """`log p(y | v)` of each class, `(batch, num_classes)`, exactly."""
        return self._head.log_probs(self.undirected(), self._as_states(v))

    def encode(self, v: Array) -> tf.Tensor:
        """Means of the hidden units given `v` `(batch, visible)` and the probabilities of its classes,
        `(batch, units)`."""
        rbm = self.undirected()
        return rbm.mean_h_from_v(self._head.with_probs(rbm, self._as_states(v)))

    def _reconstruction_field(self, v: Any) -> tf.Tensor:
        return self._head.without_labels(self.undirected().visible_field(self.encode(v)))

    def _hidden_fields(self, v: tf.Tensor) -> list[tuple[unit_kinds.Unit, tf.Tensor]]:
        rbm = self.undirected()
        return [(rbm.hidden, rbm.hidden_field(self._head.with_probs(rbm, v)))]

    def _first_kernel(self) -> Any:
        return self.undirected().w_rec[: self.visible.width]

    def call(self, inputs: Array) -> tf.Tensor:
        return tf.cast(tf.exp(self.class_log_probs(inputs)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.num_classes)

    # --- samples

    def _recognition(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        x, log_p = self._head.with_drawn_labels(self.undirected(), v, draws)
        return x, -log_p

    def initial_states(self, num_samples: Count) -> tf.Tensor:
        return self.undirected().initial_states(num_samples)

    def _initial_states_from(self, v: tf.Tensor) -> tf.Tensor:
        return self._recognition(v, self.undirected().stream)[0]

    def _visible_of(self, states: tf.Tensor, visible: tf.Tensor, mean: bool) -> tf.Tensor:
        return self._head.without_labels(visible)

    # --- learning

    def _gradients(self, batch: Batch) -> StepResult:
        v, weights, y = batch.v, batch.weights, batch.y
        rbm, head = self.undirected(), self._head
        if head.objective == "discriminative":  # no sample is needed
            result = head.gradients(rbm, v, y, weights)
        else:
            joint = rbm._contrastive_gradients(head.one_hot(v, y), weights).result
            result = head.combined(rbm, v, y, weights, joint)
        return result._replace(watched=lambda: {"reconstruction_error": self.reconstruction_error(v)})

    def _adapt_to_moments(self, mean: np.ndarray, variance: np.ndarray, count: np.ndarray) -> None:
        rbm = self.undirected()
        rbm.visible.adapt_part(0, mean, variance, count)
        rbm.sampler.reset(rbm)

    # --- leaving

    def classifier(
        self, num_classes: int, dropout: float = 0.0, input_dropout: float = 0.0, kernel_constraint: Constraint = None
    ) -> keras.Model:
        """As `RBM.classifier`; label units are left out: the last layer starts from random weights."""

        def layers() -> list[list[keras.layers.Layer]]:
            rbm = self.undirected()
            return [[rbm.hidden.as_layer(*without_classes(rbm, self.num_classes), "hidden_1")]]

        return plain_network(self, layers, num_classes, [], dropout, input_dropout, kernel_constraint)

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        joint = self.undirected().get_config()
        visible = serialize(self.visible)  # whose bias options the group with labels has taken
        visible["config"] |= {name: joint["visible"]["config"][name] for name in BIAS_OPTIONS}
        return {
            **super().get_config(),
            "units": self.units,
            "visible": visible,
            "hidden": serialize(self.undirected().hidden),
            "sampler": serialize(self.sampler),
            **self._head.get_config(),
            **{name: joint[name] for name in COUPLING_OPTIONS},
            "seed": self.seed,
        }
