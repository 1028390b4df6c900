"""The deep belief network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, pipelines, replicas, samplers
from keras_rbm import units as unit_kinds
from keras_rbm.arguments import clone, positive_integer
from keras_rbm.export import Endpoint, rows
from keras_rbm.models import steps
from keras_rbm.models.class_head import ClassHead, checked_head, with_labels, without_classes
from keras_rbm.models.deep.greedy import Pretraining, initialize_from_below
from keras_rbm.models.labelled import Labelled
from keras_rbm.models.network import plain_network
from keras_rbm.models.rbm import RBM
from keras_rbm.random import Draws, spawned_seed
from keras_rbm.samplers.chains import Clamp
from keras_rbm.training.couplings import COUPLING_OPTIONS
from keras_rbm.training.faults import Batch
from keras_rbm.training.learner import StepResult
from keras_rbm.training.means import mean, shares
from keras_rbm.types import Array, Constraint, Count, Data, OptimizerLike, SamplerLike, UnitLike


@keras.saving.register_keras_serializable("keras_rbm")
class DBN(Labelled):
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
        units: numbers of hidden units, from the lowest layer to the top; at least two.
        visible: kind of the visible units: a name, config or `Unit`.
        hidden: kind of all hidden units: a name or config, or a `Unit` to copy for each layer.
        sampler: where the top RBM's samples come from in wake-sleep, and those of all layers in `pretrain`.
        num_classes: how many label units there are, at least 2; `None` for none.
        objective: what the top with label units follows in `fit`: `"joint"` the likelihood of states and labels, by the
            sampler; `"discriminative"` that of labels given states, by its exact gradient; `"hybrid"` the second plus
            `generative_weight` times the first. The layers below learn by wake-sleep alone.
        generative_weight: positive; looked at by `"hybrid"` only.
        seed: rules initial weights, chains and all sampling. `None` takes one from Python's generator.
        kwargs: centered, offset_rate, activity_regularizer, kernel_initializer, kernel_regularizer, kernel_constraint,
            as in `RBM`, for all layers (the activity regularizer counts where a layer is trained as an RBM).

    Raises:
        ValueError: if `units` is not a list of at least two positive integers, or as `RBM` does.

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
        visible: UnitLike = "bernoulli",
        hidden: UnitLike | Sequence[UnitLike] = "bernoulli",
        sampler: SamplerLike = "cd",
        num_classes: int | None = None,
        objective: str = "joint",
        generative_weight: float = 0.01,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        options = {name: kwargs.pop(name) for name in COUPLING_OPTIONS if name in kwargs}
        super().__init__(seed=seed, **kwargs)
        listed = isinstance(units, (Sequence, np.ndarray)) and not isinstance(units, (str, bytes))
        if not listed or len(units) < 2:
            raise ValueError(
                "A DBN has at least two layers: `units` must be a list of their sizes, such as [500, 500, 2000]. "
                f"Received: units={units!r}. One layer is an RBM, or with classes a ClassificationRBM."
            )
        self.units = [positive_integer(n, "units") for n in units]
        self._head = checked_head(num_classes, objective, generative_weight)
        self._num_classes = num_classes or 0
        kind = unit_kinds.get(hidden, dtype=self.dtype_policy)
        self._hidden = keras.saving.serialize_keras_object(kind)  # a config: the layers have copies
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
                seed=spawned_seed(self.seed, "layer", i),
                name=f"rbm_{i}",
                dtype=self.dtype_policy,
                **options,
            )
            for i, n in enumerate(self.units)
        ]
        names = ["wake_loss", "sleep_loss", "reconstruction_error", *self.top.sampler.log_names]
        names += ["cross_entropy", "accuracy"] if num_classes else []
        self._trackers = {name: keras.metrics.Mean(name) for name in names}

    @property
    def visible(self) -> unit_kinds.Unit:
        """The visible units: those of the lowest layer."""
        return self.rbms[0].visible

    @property
    def _top_units(self) -> unit_kinds.Unit:
        """The visible units of the top RBM, without label units."""
        return self.top.visible.parts[0] if self._head else self.top.visible

    @property
    def sampler(self) -> samplers.Sampler:
        """The top's."""
        return self.top.sampler

    @property
    def _has_drawn_bound(self) -> bool:
        return True

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
            if rbm is self.top:
                shape = (shape[0], shape[1] + self.num_classes)
            rbm.build(shape)
            shape = (shape[0], rbm.units)
        self.built = True

    # --- up and down

    def encode(self, v: Array) -> tf.Tensor:
        return self.top.mean_h_from_v(self._with_probs(self._means_below_top(v)))

    def _means_below_top(self, v: Any) -> tf.Tensor:
        h = self._as_states(v)
        for rbm in self.lower:
            h = rbm.mean_h_from_v(h)
        return h

    def _with_probs(self, x: tf.Tensor) -> tf.Tensor:
        """`x` `(batch, units)` of the top with the probabilities of classes, if there are label units."""
        return self._head.with_probs(self.top, x) if self._head else x

    def _without_labels(self, x: tf.Tensor) -> tf.Tensor:
        """States or fields of the top's visible units without those of label units."""
        return self._head.without_labels(x) if self._head else x

    def _hidden_fields(self, v: tf.Tensor) -> list[tuple[unit_kinds.Unit, tf.Tensor]]:
        fields = [self.rbms[0].hidden_field(v)]
        for below, rbm in itertools.pairwise(self.rbms):
            h = below.hidden.mean(fields[-1])
            fields.append(rbm.hidden_field(self._with_probs(h) if rbm is self.top else h))
        return [(rbm.hidden, field) for rbm, field in zip(self.rbms, fields, strict=True)]

    def _first_kernel(self) -> Any:
        return self.rbms[0].w_rec

    def _reconstruction_field(self, v: Any) -> tf.Tensor:
        units, field = self._top_units, self._without_labels(self.top.visible_field(self.encode(v)))
        for rbm in reversed(self.lower):
            units, field = rbm.visible, rbm.visible_field(units.mean(field))
        return field

    def call(self, inputs: Array) -> tf.Tensor:
        h = inputs
        for rbm in self.lower:
            h = rbm(h)
        return self.top(self._with_probs(h))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.units[-1])

    # --- samples

    def initial_states(self, num_samples: Count) -> tf.Tensor:
        return self.top.initial_states(num_samples)

    def _initial_states_from(self, v: tf.Tensor) -> tf.Tensor:
        return self._with_drawn_labels(self._up(v)[-1], self.top.stream)[0]

    def _visible_of(self, states: tf.Tensor, visible: tf.Tensor, mean: bool) -> tf.Tensor:
        below = self._down(states)
        return self.rbms[0].mean_v_from_h(below[1]) if mean else below[0]

    _clamps_visible = False

    def _step(self, states: tf.Tensor, clamp: Clamp | None = None) -> dict[str, tf.Tensor]:
        found = steps.step(self.top, states, clamp)
        return {name: found[name] for name in ("next_states", "h")}

    def _step_endpoints(self) -> dict[str, Endpoint]:
        def down(_: Any, states: tf.Tensor) -> dict[str, tf.Tensor]:
            v, h, *_ = self._down(tf.cast(states, self.state_dtype))
            return {"v": v, "mean": self.rbms[0].mean_v_from_h(h)}

        return {**super()._step_endpoints(), "down": steps.by_noise(down, [rows("states", self.top.visible.width)])}

    @property
    def clampable(self) -> unit_kinds.Unit:
        if not self._head:
            raise ValueError(
                "The visible units of a DBN cannot be held: the posterior of its layers has no simple sweep. Clamp "
                "them in an RBM, or hold the labels of a DBN with num_classes."
            )
        return super().clampable

    def _clamp(self, mask: np.ndarray, values: np.ndarray) -> Clamp:
        if isinstance(mask, np.ndarray) and mask[:, : -self.num_classes].any():
            raise ValueError(
                "The visible units of a DBN cannot be held, only its labels: the posterior of its layers has no "
                "simple sweep. Received: a mask that holds visible units. Clamp them in an RBM."
            )
        free = tf.zeros((tf.shape(mask)[0], self._top_units.width))
        return super()._clamp(
            *(tf.concat([tf.cast(free, x.dtype), x[:, -self.num_classes :]], 1) for x in (mask, values))
        )

    def _up(self, v: tf.Tensor) -> list[tf.Tensor]:
        """States sampled upwards: the data, then each hidden layer below the top."""
        states = [v]
        for rbm in self.lower:
            states.append(rbm.sample_h_from_v(states[-1]))
        return states

    def _recognition(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        log_ratio = tf.zeros(tf.shape(v)[:1], v.dtype)
        for rbm in self.lower:
            field = rbm.hidden_field(v)
            h = rbm.hidden.sample(field, draws)
            log_ratio += rbm.visible.log_prob(v, rbm.visible_field(h)) - rbm.hidden.log_prob(h, field)
            v = h
        x, log_p = self._with_drawn_labels(v, draws)
        return x, log_ratio - log_p

    def _with_drawn_labels(self, x: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        """`x` `(batch, units)` of the top with labels drawn given it, and `log p(labels | x)`, `(batch,)`."""
        if self._head:
            return self._head.with_drawn_labels(self.top, x, draws)
        return x, tf.zeros(tf.shape(x)[:1], x.dtype)

    def _down(self, x: tf.Tensor) -> list[tf.Tensor]:
        """States sampled downwards from the top RBM's visible units, in the order of `_up`."""
        states = [self._without_labels(x)]
        for rbm in reversed(self.lower):
            states.append(rbm.sample_v_from_h(states[-1]))
        return states[::-1]

    # --- learning

    def pretrain(
        self,
        x: Data,
        epochs: int | Sequence[int] = 10,
        optimizer: OptimizerLike | Sequence[OptimizerLike] = "sgd",
        sampler: SamplerLike | Sequence[SamplerLike] | None = None,
        **options: Any,
    ) -> list[keras.callbacks.History]:
        """Trains the layers one after the other, each as an RBM on states sampled from the layers below it.

        The data flow upwards a batch at a time: the hidden states of the whole set are never held. A directed layer is
        trained as a tied RBM and its generative weights become the recognition weights transposed. What was learnt
        stays if training is interrupted.

        Args:
            x: an array `(cases, visible)`, or a `tf.data.Dataset` of batches of `x`, `(x, y)` or
                `(x, y, sample_weight)`.
            epochs, optimizer, sampler: one value, or a list of one a layer. Each layer gets an optimizer and a sampler
                of its own; the sampler is by default like the DBN's.
            batch_size: for arrays; 100 by default.
            sample_weight: for arrays, `(cases,)`.
            y: classes, `(cases,)`, for an array and a top with label units; a dataset gives `(x, y)` itself.
            validation_data: an array or dataset like `x`, or a pair of arrays `(x, y)`; the logs then have `val_*`.
            callbacks: Keras callbacks for each layer's `fit`, or a function from the layer's index to such a list. A
                `Checkpoint` in the list has a folder for each layer inside its own, so finished layers are remembered.
            verbose: as in `fit`; `"auto"` is a line a layer where a person watches.
            options: these, and what else `RBM.compile` takes.

        Returns:
            one `History` a layer.

        Raises:
            ValueError: if a list has not one value a layer, or as `fit` does; before the first step.
        """
        return self._pretraining(x, epochs=epochs, optimizer=optimizer, sampler=sampler, **options).run()

    def pretrain_layer(self, layer: int, x: Data, **options: Any) -> keras.callbacks.History:
        """Trains one layer on states sampled from those below it, from its present recognition weights on.

        Args:
            layer: from 0, the lowest.
            x, options: as in `pretrain`.
        """
        return self._pretraining(x, layers=[layer], **options).run()[0]

    def _pretraining(self, x: Any, sampler: Any = None, **options: Any) -> Pretraining:
        if not self.built and (checks.is_array(x) or isinstance(x, tf.data.Dataset)):
            rows = x if checks.is_array(x) else pipelines.first_batch(x)[0]
            with self.distribute_strategy.scope():
                self.build(checks.as_rows(rows, None).shape)
        sampler = self.sampler if sampler is None else sampler
        return Pretraining(self.rbms, x, sampler=sampler, head=self._head, seed=self.seed, **options)

    def initialize_from_below(self, layer: int) -> None:
        """Starts a layer as the one below upside down, so that the likelihood's bound starts where that one left it.

        The layer's first hidden units take the place of the visible units below, with their weights and biases. Its
        further ones keep their small random weights, whose mean effect is taken off the bias. Call it between
        `pretrain_layer(layer - 1, ...)` and `pretrain_layer(layer, ...)`, and train on with a low learning rate.

        Args:
            layer: at least 1; it must have at least as many hidden units as the layer below has visible ones, of their
                kind.

        Raises:
            ValueError: if it has not, or the DBN is not built.

        Reference:
            Hinton, Osindero & Teh, 2006, "A fast learning algorithm for deep belief nets", section 4.
        """
        if not self.built:
            raise ValueError(
                "A DBN must be built before a layer is initialised from below. Pretrain the layers below it first."
            )
        initialize_from_below(self.rbms, layer)

    def _gradients(self, batch: Batch) -> StepResult:
        v, weights, y = batch.v, batch.weights, batch.y
        awake = self._up(v)
        top_states = self._head.one_hot(awake[-1], y) if self._head else awake[-1]
        joint, samples, _ = self.top._contrastive_gradients(top_states, weights)
        result = self._head.combined(self.top, awake[-1], y, weights, joint) if self._head else joint
        dream = self._down(samples.v)
        wake_loss, sleep_loss = tf.zeros_like(weights), tf.zeros(tf.shape(dream[0])[:1], v.dtype)
        generative = [x for rbm in self.lower for x in (rbm.w_gen, rbm.visible.bias, *rbm.visible.other_parameters)]
        recognition = [x for rbm in self.lower for x in (rbm.w_rec, rbm.hidden.bias, *rbm.hidden.other_parameters)]
        share, share_of_samples = shares(weights, samples.weights)
        with tf.GradientTape() as wake, tf.GradientTape() as sleep:
            wake.watch([x.value for x in generative])  # units may be frozen: then the optimizer leaves them alone
            sleep.watch([x.value for x in recognition])
            for i, rbm in enumerate(self.lower):
                wake_loss -= rbm.visible.log_prob(awake[i], rbm.visible_field(awake[i + 1]))
                sleep_loss -= rbm.hidden.log_prob(dream[i + 1], rbm.hidden_field(dream[i]))
            mean_wake, mean_sleep = mean(wake_loss, share), mean(sleep_loss, share_of_samples)
        below = wake.gradient(mean_wake, generative), sleep.gradient(mean_sleep, recognition)
        below, mean_sleep = replicas.summed((below, mean_sleep))
        gradients = [
            *result.gradients,
            *zip(generative, below[0], strict=True),
            *zip(recognition, below[1], strict=True),
        ]
        mean_sleep = tf.fill(tf.shape(weights), mean_sleep)
        values = {
            **result.values,
            "loss": result.values["loss"] + wake_loss + mean_sleep,
            "wake_loss": wake_loss,
            "sleep_loss": mean_sleep,
        }

        def watched() -> dict[str, tf.Tensor]:
            return {"reconstruction_error": self.reconstruction_error(v)}

        return result._replace(values=values, gradients=gradients, watched=watched)

    # --- classes

    def class_log_probs(self, v: Array) -> tf.Tensor:
        """`log p(y | v)` of each class, `(batch, num_classes)`: exact given the means of the layers below the top.

        Raises:
            ValueError: if there are no label units.
        """
        return self._required_head().log_probs(self.top, self._means_below_top(v))

    def _required_head(self) -> ClassHead:
        self._require_labels()
        return cast(ClassHead, self._head)

    # --- leaving

    def classifier(
        self, num_classes: int, dropout: float = 0.0, input_dropout: float = 0.0, kernel_constraint: Constraint = None
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
            if rbm is self.top and self._head:
                return without_classes(rbm, self.num_classes)
            return np.asarray(rbm.w_rec), np.asarray(rbm.hidden.bias)

        hidden = [rbm.hidden for rbm in self.rbms]
        return plain_network(self, hidden, layer, num_classes, [], dropout, input_dropout, kernel_constraint)

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        top = self.top.get_config()
        return {
            **super().get_config(),
            "units": self.units,
            "visible": serialize(self.visible),
            "hidden": self._hidden,
            "sampler": serialize(self.sampler),
            **(self._head.get_config() if self._head else {}),
            **{name: top[name] for name in COUPLING_OPTIONS},
            "seed": self.seed,
        }
