"""Label units: a softmax group beside the other visible units of an RBM, the last ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm import replicas
from keras_rbm import units as unit_kinds
from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import checked_num_classes
from keras_rbm.models.rbm import RBM
from keras_rbm.random import Draws
from keras_rbm.training.learner import StepResult
from keras_rbm.training.means import mean, shares

#: What a machine with label units can follow.
OBJECTIVES = ("joint", "discriminative", "hybrid")
#: What a group of units side by side has in common.
BIAS_OPTIONS = ("bias_initializer", "bias_regularizer", "bias_constraint")


def with_labels(units: Any, num_classes: int, **kwargs: Any) -> unit_kinds.Mixed:
    """Units of a kind, as many as there will be, and a group of label units to their right, with one bias for all."""
    config = unit_kinds.get(units, **kwargs).get_config()
    options = {name: config.pop(name) for name in BIAS_OPTIONS if name in config}
    part = type(unit_kinds.get(units, **kwargs)).from_config(config)
    return unit_kinds.Mixed([(part, None), (unit_kinds.Softmax(num_classes), num_classes)], **options, **kwargs)


def class_metrics(log_p: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
    """How well `log_p` `(batch, classes)` tells the classes `y`: `cross_entropy`, nats, and `accuracy`, `(batch,)`."""
    right = tf.cast(tf.argmax(log_p, -1, tf.int32) == y, log_p.dtype)
    y = tf.clip_by_value(y, 0, log_p.shape[-1] - 1)  # labels that are no classes are reported after the step
    return {"cross_entropy": -tf.gather(log_p, y, batch_dims=1), "accuracy": right}


class ClassHead:
    """What an RBM with label units says of classes, and how it learns from them.

    Args:
        num_classes: at least 2; so many of the RBM's visible units, the last ones, are label units.
        objective: what the RBM follows: `"joint"` the likelihood of states and labels, by its sampler;
            `"discriminative"` that of labels given states, by its exact gradient; `"hybrid"` the second plus
            `generative_weight` times the first.
        generative_weight: positive; looked at by `"hybrid"` only.

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Larochelle & Bengio, 2008, "Classification using discriminative restricted Boltzmann machines".
    """

    def __init__(self, num_classes: int, objective: str = "joint", generative_weight: float = 0.01) -> None:
        self.num_classes = checked_num_classes(num_classes)
        if objective not in OBJECTIVES:
            raise _objective_error(objective, num_classes)
        if not 0 < generative_weight < float("inf"):
            raise ValueError(f"`generative_weight` must be positive. Received: {generative_weight!r}")
        self.objective, self.generative_weight = objective, float(generative_weight)
        self._labels = unit_kinds.Softmax(self.num_classes)
        self._labels.prepare(self.num_classes)

    def get_config(self) -> dict:
        """The arguments."""
        return {
            "num_classes": self.num_classes,
            "objective": self.objective,
            "generative_weight": self.generative_weight,
        }

    def one_hot(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """States `x` `(batch, units)` with those of label units to their right, for classes `y` `(batch,)`."""
        return tf.concat([x, tf.one_hot(y, self.num_classes, dtype=x.dtype)], -1)

    def without_labels(self, x: Any) -> Any:
        """States or fields of the other units."""
        return x[:, : -self.num_classes]

    def log_probs(self, rbm: AbstractRBM, x: tf.Tensor) -> tf.Tensor:
        """`log p(y | x)` of each class, `(batch, num_classes)`, exactly: the softmax of `-F(x, y)` (equation 2).

        Args:
            x: states of the other visible units, `(batch, units)`.
        """
        unknown = tf.zeros((tf.shape(x)[0], self.num_classes), x.dtype)
        inputs = rbm.hidden_input(tf.concat([x, unknown], -1))
        w, b = tf.convert_to_tensor(rbm.w_rec)[-self.num_classes :], tf.cast(rbm.visible_bias, x.dtype)
        field = rbm._hidden_field_of(inputs)
        # One sum over (cases * classes, hidden), which XLA fuses: these fields are never held at once.
        fields = tf.reshape(field[:, None] + tf.cast(w, x.dtype), (-1, rbm.hidden.width))
        scores = tf.reshape(rbm.hidden.log_partition(fields), (-1, self.num_classes))
        return tf.nn.log_softmax(b[-self.num_classes :] + scores)

    def with_probs(self, rbm: AbstractRBM, x: tf.Tensor) -> tf.Tensor:
        """`x` `(batch, units)` with the probabilities of classes given it to its right."""
        return tf.concat([x, tf.exp(self.log_probs(rbm, x))], -1)

    def with_drawn_labels(self, rbm: AbstractRBM, x: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        """`x` `(batch, units)` with labels drawn given it to its right, and `log p(labels | x)`, `(batch,)`."""
        log_p = self.log_probs(rbm, x)
        y = self._labels.sample(log_p, draws)
        return tf.concat([x, y], -1), tf.reduce_sum(y * log_p, -1)

    def gradients(self, rbm: RBM, x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor) -> StepResult:
        """The `class_metrics` of `x`, the first as `loss`, and the exact gradient of the mean of minus `log p(y | x)`
        in all that the RBM trains (section 4)."""
        variables = rbm.trainable_variables
        with tf.GradientTape() as tape:
            metrics = class_metrics(self.log_probs(rbm, x), y)
            loss = mean(metrics["cross_entropy"], *shares(weights))
        gradients = tape.gradient(loss, [v.value for v in variables], unconnected_gradients="zero")
        gradients = replicas.summed(gradients)
        return StepResult({**metrics, "loss": metrics["cross_entropy"]}, list(zip(variables, gradients, strict=True)))

    def combined(self, rbm: RBM, x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor, joint: StepResult) -> StepResult:
        """What the objective makes of `joint`, the contrastive gradients of states `x` and labels together."""
        if self.objective == "joint":
            return joint
        exact = self.gradients(rbm, x, y, weights)
        values, gradients = exact.values, exact.gradients
        if self.objective == "hybrid":
            share = self.generative_weight
            values["loss"] += share * joint.values["loss"]
            generative = {id(variable): gradient for variable, gradient in joint.gradients}
            gradients = [(variable, gradient + share * generative[id(variable)]) for variable, gradient in gradients]
        return joint._replace(values={**joint.values, **values}, gradients=gradients)


def checked_head(num_classes: int | None, objective: str, generative_weight: float) -> ClassHead | None:
    """The class head that these arguments mean, if there are classes.

    Raises:
        ValueError: if one is out of range, or an objective needs classes that are not there.
    """
    if num_classes is not None:
        return ClassHead(num_classes, objective, generative_weight)
    if objective != "joint":
        raise _objective_error(objective, num_classes)
    return None


def _objective_error(objective: str, num_classes: int | None) -> ValueError:
    return ValueError(
        f"`objective` must be one of {', '.join(OBJECTIVES)}, and all but the first need num_classes. "
        f"Received: objective={objective!r}, num_classes={num_classes}"
    )


def without_classes(rbm: RBM, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and hidden bias of an RBM without its label units: no class is known, all are equally probable."""
    w, c = np.asarray(rbm.w_rec), np.asarray(rbm.hidden.bias)
    return w[:-num_classes], c + w[-num_classes:].mean(0)
