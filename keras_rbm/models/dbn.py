"""The deep belief network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import units as unit_kinds
from keras_rbm.arguments import clone, positive_integer
from keras_rbm.models import data as checks
from keras_rbm.models.labelled import checked_num_classes
from keras_rbm.models.labels import (
    BIAS_OPTIONS,
    OBJECTIVES,
    class_lesson,
    class_log_probs,
    one_hot,
    with_labels,
)
from keras_rbm.models.learner import Lesson, weighted_mean
from keras_rbm.models.network import plain_network
from keras_rbm.models.rbm import RBM
from keras_rbm.models.stack import Stack
from keras_rbm.random import Draws
from keras_rbm.samplers import Held, Samples


@keras.saving.register_keras_serializable("keras_rbm")
class DBN(Stack):
    """A deep belief network: a stack of RBMs, whose lower layers are directed and whose top is an RBM.

    `pretrain` trains the layers one after the other; `fit` is wake-sleep over the whole; `classifier` gives a plain
    Keras network that starts from the stack. As a layer it maps visible states `(batch, visible)` to the means of the
    top's hidden units `(batch, units[-1])`.

    With `num_classes` the top RBM has label units beside its other visible ones. `fit(x, y)` then learns from labels
    too, `classify` answers by free energies, and `sample(y=...)` dreams of classes.

    Logs of `fit`: `loss` (the sum of the next two and the top's free-energy difference, nats a case: a signal, not a
    measure of quality), `wake_loss` (minus log-probability of each layer's states given those above), `sleep_loss`
    (the same from below, in dreams), `reconstruction_error` (of the data by means, up and down again). With label units
    `evaluate` and validation log `cross_entropy` (of the classes, nats a case) and `accuracy` too, and so does training
    where the objective is not the joint one.

    Args:
        units: numbers of hidden units, from the lowest layer to the top.
        visible: kind of the visible units: a name, config or `Unit`.
        hidden: kind of all hidden units: a name or config, or a `Unit` to copy for each layer.
        sampler: where the top RBM's samples come from in wake-sleep.
        num_classes: how many label units there are, at least 2; `None` for none.
        objective: what the top with label units follows in `fit`: `"joint"` the likelihood of states and labels, by the
            sampler; `"discriminative"` that of labels given states, by its exact gradient; `"hybrid"` the second plus
            `generative_weight` times the first. The layers below learn by wake-sleep alone.
        generative_weight: positive; looked at by `"hybrid"` only.
        centered, offset_rate, activity_regularizer, kernel_initializer, kernel_regularizer, kernel_constraint, seed: as
            in `RBM`, for all layers (the activity regularizer counts where a layer is trained as an RBM).

    Raises:
        ValueError: if `units` is not a list of at least one positive integer, or as `RBM` does.

    Example:

    ```python
    dbn = keras_rbm.DBN([500, 500, 2000], seed=0)
    dbn.pretrain(x, epochs=30, optimizer=keras.optimizers.SGD(0.05), batch_size=100)
    net = dbn.classifier(10)
    ```

    Reference:
        Hinton, Osindero & Teh, 2006, "A fast learning algorithm for deep belief nets", sections 4 and 5, appendix B.
    """

    def __init__(
        self,
        units: Sequence[int],
        visible: Any = "bernoulli",
        hidden: Any = "bernoulli",
        sampler: Any = "cd",
        num_classes: int | None = None,
        objective: str = "joint",
        generative_weight: float = 0.01,
        centered: bool = True,
        offset_rate: float = 0.01,
        activity_regularizer: Any = None,
        kernel_initializer: Any = None,
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if isinstance(units, (str, bytes)) or not isinstance(units, (Sequence, np.ndarray)) or not len(units):
            raise ValueError(
                f"`units` must be a list of layer sizes, such as [500, 500, 2000]. Received: units={units!r}"
            )
        self.units = [positive_integer(n, "units") for n in units]
        if num_classes is not None:
            checked_num_classes(num_classes)
        if objective not in OBJECTIVES or (objective != "joint" and not num_classes):
            raise ValueError(
                f"`objective` must be one of {', '.join(OBJECTIVES)}, and all but the first need num_classes. "
                f"Received: objective={objective!r}, num_classes={num_classes}"
            )
        if not 0 < generative_weight < float("inf"):
            raise ValueError(f"`generative_weight` must be positive. Received: {generative_weight!r}")
        self.num_classes = num_classes or 0
        self.objective, self.generative_weight = objective, float(generative_weight)
        kind = unit_kinds.get(hidden, dtype=self.dtype_policy)
        self._hidden = keras.saving.serialize_keras_object(kind)  # a config: the layers have copies
        options = {
            "centered": centered,
            "offset_rate": offset_rate,
            "activity_regularizer": activity_regularizer,
            "kernel_initializer": kernel_initializer,
            "kernel_regularizer": kernel_regularizer,
            "kernel_constraint": kernel_constraint,
            "dtype": self.dtype_policy,
        }
        sides = [clone(kind) if i else visible for i in range(len(self.units))]
        if num_classes:
            sides[-1] = with_labels(sides[-1], num_classes, dtype=self.dtype_policy, name="visible")
        self.rbms = [
            RBM(
                n,
                visible=sides[i],
                hidden=clone(kind),
                sampler=sampler if i == len(self.units) - 1 else "cd",
                tied=i == len(self.units) - 1,
                seed=None if self.seed is None else self.seed + i,
                name=f"rbm_{i}",
                **options,
            )
            for i, n in enumerate(self.units)
        ]
        names = ["wake_loss", "sleep_loss", "reconstruction_error", *self.top.sampler.log_names]
        names += ["cross_entropy", "accuracy"] if num_classes else []
        self._trackers = {name: keras.metrics.Mean(name) for name in names}

    @property
    def visible(self) -> unit_kinds.Unit:
        """The visible units: those of the lowest layer, without label units."""
        return self.rbms[0].visible if self.lower else self._top_units

    @property
    def _top_units(self) -> unit_kinds.Unit:
        """The visible units of the top RBM, without label units."""
        visible = self.top.visible
        return visible.parts[0] if self.num_classes else visible

    @property
    def has_drawn_bound(self) -> bool:
        return bool(self.lower)

    @property
    def lower(self) -> list[RBM]:
        """The directed layers."""
        return self.rbms[:-1]

    @property
    def top(self) -> RBM:
        """The undirected layer."""
        return self.rbms[-1]

    def undirected(self) -> RBM:
        return self.top

    def build(self, input_shape: Any) -> None:
        shape = input_shape
        for rbm in self.rbms:
            if rbm is self.top and self.num_classes:
                if error := checks.shape_error(shape, None):
                    raise error
                shape = (shape[0], shape[1] + self.num_classes)
            rbm.build(shape)
            shape = (shape[0], rbm.units)
        self.built = True

    # --- up and down

    def encode(self, v: Any) -> tf.Tensor:
        return self.top.mean_h_from_v(self._with_beliefs(self._means_below_top(v)))

    def _means_below_top(self, v: Any) -> tf.Tensor:
        h = self.as_states(v)
        for rbm in self.lower:
            h = rbm.mean_h_from_v(h)
        return h

    def _with_beliefs(self, x: tf.Tensor) -> tf.Tensor:
        """`x` `(batch, units)` of the top with the probabilities of classes, if there are label units."""
        return tf.concat([x, tf.exp(self._top_class_log_probs(x))], -1) if self.num_classes else x

    def _without_labels(self, x: tf.Tensor) -> tf.Tensor:
        """States or fields of the top's visible units without those of label units."""
        return x[:, : -self.num_classes] if self.num_classes else x

    def first_weights(self) -> Any:
        return self.rbms[0].w_rec[: self.visible.width]

    def reconstruction_field(self, v: Any) -> tf.Tensor:
        units, field = self._top_units, self._without_labels(self.top.visible_field(self.encode(v)))
        for rbm in reversed(self.lower):
            units, field = rbm.visible, rbm.visible_field(units.mean(field))
        return field

    def call(self, inputs: Any) -> tf.Tensor:
        h = inputs
        for rbm in self.lower:
            h = rbm(h)
        return self.top(self._with_beliefs(h))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.units[-1])

    # --- samples

    def start(self, num_samples: Any) -> tf.Tensor:
        return self.top.start(num_samples)

    def start_from(self, v: tf.Tensor) -> tf.Tensor:
        return self._drawn_labels(self._up(v)[-1], self.top.stream)[0]

    def walk(
        self,
        state: tf.Tensor,
        num_steps: tf.Tensor,
        mean: bool,
        schedule: tf.Tensor | None = None,
        held: Held | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        state, top_visible = self.top.walk(state, num_steps, mean and not self.lower, schedule, held)
        if not self.lower:
            return state, self._without_labels(top_visible)
        states = self._down(state)
        return state, self.rbms[0].mean_v_from_h(states[1]) if mean else states[0]

    @property
    def clampable(self) -> unit_kinds.Unit:
        if self.lower and not self.num_classes:
            raise ValueError(
                "The visible units of a DBN cannot be held: the posterior of its layers has no simple sweep. Clamp "
                "them in an RBM, or hold the labels of a DBN with num_classes."
            )
        return super().clampable

    def held(self, mask: np.ndarray, values: np.ndarray) -> Held:
        if self.lower:
            if mask[:, : -self.num_classes].any():
                raise ValueError(
                    "The visible units of a DBN cannot be held, only its labels: the posterior of its layers has no "
                    "simple sweep. Received: a mask that holds visible units. Clamp them in an RBM."
                )
            free = np.zeros((len(mask), self._top_units.width))
            mask, values = (
                np.concatenate([free.astype(x.dtype), x[:, -self.num_classes :]], 1) for x in (mask, values)
            )
        return super().held(mask, values)

    def _up(self, v: tf.Tensor) -> list[tf.Tensor]:
        """States sampled upwards: the data, then each hidden layer below the top."""
        states = [v]
        for rbm in self.lower:
            states.append(rbm.sample_h_from_v(states[-1]))
        return states

    def ascend(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        log_ratio = tf.zeros(tf.shape(v)[:1], v.dtype)
        for rbm in self.lower:
            field = rbm.hidden_field(v)
            h = rbm.hidden.sample(field, draws)
            log_ratio += rbm.visible.log_prob(v, rbm.visible_field(h)) - rbm.hidden.log_prob(h, field)
            v = h
        x, log_p = self._drawn_labels(v, draws)
        return x, log_ratio - log_p

    def _drawn_labels(self, x: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        """`x` `(batch, units)` of the top with labels drawn given it, and `log p(labels | x)`, `(batch,)`."""
        if not self.num_classes:
            return x, tf.zeros(tf.shape(x)[:1], x.dtype)
        log_p = self._top_class_log_probs(x)
        y = self.top.visible.parts[1].sample(log_p, draws)
        return tf.concat([x, y], -1), tf.reduce_sum(y * log_p, -1)

    def _down(self, x: tf.Tensor) -> list[tf.Tensor]:
        """States sampled downwards from the top RBM's visible units, in the order of `_up`."""
        states = [self._without_labels(x)]
        for rbm in reversed(self.lower):
            states.append(rbm.sample_v_from_h(states[-1]))
        return states[::-1]

    # --- wake-sleep

    def lesson(self, v: tf.Tensor, weights: tf.Tensor, y: tf.Tensor | None = None) -> Lesson:
        if y is not None and self.objective == "discriminative" and not self.lower:  # no sample is needed
            values, gradients = class_lesson(self.top, v, y, weights, self.num_classes)
            values |= {"loss": values["cross_entropy"], "reconstruction_error": self.reconstruction_error(v)}
            return Lesson(values, gradients, lambda: None)
        awake = self._up(v)
        top_states = awake[-1] if y is None else one_hot(awake[-1], y, self.num_classes)
        samples = self.top.sampler.negative_phase(self.top, top_states, weights)
        dream, dream_weights = self._down(samples.v), samples.weights
        lesson = self._top_lesson(awake[-1], top_states, weights, y, samples)
        gradients = lesson.gradients
        wake_loss, sleep_loss = tf.zeros_like(weights), tf.zeros(tf.shape(dream[0])[:1], v.dtype)
        generative = [x for rbm in self.lower for x in (rbm.w_gen, rbm.visible.bias, *rbm.visible.other_parameters)]
        recognition = [x for rbm in self.lower for x in (rbm.w_rec, rbm.hidden.bias, *rbm.hidden.other_parameters)]
        with tf.GradientTape() as wake, tf.GradientTape() as sleep:
            wake.watch([x.value for x in generative])  # units may be frozen: then the optimizer leaves them alone
            sleep.watch([x.value for x in recognition])
            for i, rbm in enumerate(self.lower):
                wake_loss -= rbm.visible.log_prob(awake[i], rbm.visible_field(awake[i + 1]))
                sleep_loss -= rbm.hidden.log_prob(dream[i + 1], rbm.hidden_field(dream[i]))
            mean_wake, mean_sleep = weighted_mean(wake_loss, weights), weighted_mean(sleep_loss, dream_weights)
        if self.lower:
            gradients += zip(generative, wake.gradient(mean_wake, generative), strict=True)
            gradients += zip(recognition, sleep.gradient(mean_sleep, recognition), strict=True)
        mean_sleep = tf.fill(tf.shape(weights), mean_sleep)
        values = {
            **lesson.values,
            "loss": lesson.values["loss"] + wake_loss + mean_sleep,
            "wake_loss": wake_loss,
            "sleep_loss": mean_sleep,
            "reconstruction_error": self.reconstruction_error(v),
        }
        return lesson._replace(values=values, gradients=gradients)

    def _top_lesson(
        self, x: tf.Tensor, states: tf.Tensor, weights: tf.Tensor, y: tf.Tensor | None, samples: Samples
    ) -> Lesson:
        """What the top learns by its objective from `x`, the states below it, and `states`, these with labels."""
        joint = self.top.contrast(states, weights, samples)
        if y is None or self.objective == "joint":
            return joint
        values, gradients = class_lesson(self.top, x, y, weights, self.num_classes)
        values["loss"] = values["cross_entropy"]
        if self.objective == "hybrid":
            share = self.generative_weight
            values["loss"] += share * joint.values["loss"]
            generative = {id(variable): gradient for variable, gradient in joint.gradients}
            gradients = [(variable, gradient + share * generative[id(variable)]) for variable, gradient in gradients]
        return joint._replace(values={**joint.values, **values}, gradients=gradients)

    # --- classes

    def class_log_probs(self, v: Any) -> tf.Tensor:
        """`log p(y | v)` of each class, `(batch, num_classes)`: exact given the means of the layers below the top.

        Raises:
            ValueError: if there are no label units.
        """
        self._require_labels()
        return self._top_class_log_probs(self._means_below_top(v))

    def _top_class_log_probs(self, x: tf.Tensor) -> tf.Tensor:
        return class_log_probs(self.top, x, self.num_classes)

    # --- leaving

    def classifier(
        self, num_classes: int, dropout: float = 0.0, input_dropout: float = 0.0, kernel_constraint: Any = None
    ) -> keras.Model:
        """A plain Keras network that computes `encode` and then a softmax over classes, ready to be fine-tuned.

        Nothing of this package is in it, so it deploys where only Keras is installed. Label units are left out: the
        last layer starts from random weights.

        Args:
            num_classes: number of classes, at least 2.
            dropout, input_dropout: fraction of each hidden layer's units, and of the inputs, that is dropped in
                training. Keras scales what is kept, so the pretrained weights are taken as they are.
            kernel_constraint: of all layers, as in `keras.layers.Dense`: `keras.constraints.MaxNorm(4)` goes well with
                dropout.

        Raises:
            ValueError: if the DBN is not built, or an argument is out of range.
        """

        def layer(i: int) -> tuple[np.ndarray, np.ndarray]:
            rbm = self.rbms[i]
            w, c = np.asarray(rbm.w_rec), np.asarray(rbm.hidden.bias)
            if rbm is self.top and self.num_classes:  # no class is known: all are taken as equally probable
                w, c = w[: -self.num_classes], c + w[-self.num_classes :].mean(0)
            return w, c

        hidden = [rbm.hidden for rbm in self.rbms]
        return plain_network(self, hidden, layer, num_classes, [], dropout, input_dropout, kernel_constraint)

    def adapt_to_moments(self, mean: np.ndarray, variance: np.ndarray, count: np.ndarray) -> None:
        if self.lower or not self.num_classes:
            super().adapt_to_moments(mean, variance, count)
        else:
            self.top.visible.adapt_part(0, mean, variance, count)
        if not self.lower:
            self.top.sampler.reset(self.top)

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        kept = [f"kernel_{part}" for part in ("initializer", "regularizer", "constraint")]
        kept += ["centered", "offset_rate", "activity_regularizer"]
        top, visible = self.top.get_config(), serialize(self.visible)
        if self.num_classes and not self.lower:  # the group with labels has taken the options of the units' bias
            visible["config"] |= {name: top["visible"]["config"][name] for name in BIAS_OPTIONS}
        return {
            **super().get_config(),
            "units": self.units,
            "visible": visible,
            "hidden": self._hidden,
            "sampler": serialize(self.top.sampler),
            "num_classes": self.num_classes or None,
            "objective": self.objective,
            "generative_weight": self.generative_weight,
            **{name: top[name] for name in kept},
            "seed": self.seed,
        }
