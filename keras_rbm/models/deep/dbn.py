"""The deep belief network."""

from __future__ import annotations

import itertools
import math
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

    A layer may be a `ConvRBM`: the next one sees its pools, and fully connected layers may follow.

    Args:
        units: the layers, from the lowest to the top, at least two: numbers of hidden units, or RBMs to copy, with
            options of their own, of which `tied`, and the visible units of those above the first, are set here.
        visible: kind of the visible units: a name, config or `Unit`; that of the first layer, if this is an RBM.
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
        ValueError: if `units` is not a list of at least two positive integers or RBMs, a convolutional layer lies above
            one that is not or beside label units, or as `RBM` does.

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
        given = [keras.saving.deserialize_keras_object(n) if isinstance(n, dict) else n for n in units]
        self.units = [n.units if isinstance(n, RBM) else positive_integer(n, "units") for n in given]
        if isinstance(given[0], RBM) and visible != "bernoulli":
            kinds = [type(side).__name__ for side in (unit_kinds.get(visible), given[0].visible)]
            if kinds[0] != kinds[1]:
                raise ValueError(
                    "The visible units are those of the first layer, if that is an RBM. "
                    f"Received: visible={kinds[0]} for one with {kinds[1]} units. Give them to the layer."
                )
        self._given = [keras.saving.serialize_keras_object(n) if isinstance(n, RBM) else int(n) for n in given]
        self._head = checked_head(num_classes, objective, generative_weight)
        self._num_classes = num_classes or 0
        kind = unit_kinds.get(hidden, dtype=self.dtype_policy)
        self._hidden = keras.saving.serialize_keras_object(kind)  # a config: the layers have copies
        rbms: list[RBM] = []
        for i, layer in enumerate(given):
            is_top, side = i == len(given) - 1, rbms[-1].hidden.pooled_kind() if rbms else visible
            if isinstance(layer, RBM) and layer._sees_positions:
                _check_place(layer, i, rbms, num_classes if is_top else None)
            if is_top and num_classes:
                side = with_labels(side, num_classes, dtype=self.dtype_policy, name="visible")
            own: dict[str, Any] = {
                "visible": side,
                "seed": spawned_seed(self.seed, "layer", i),
                "tied": is_top,
                "name": f"rbm_{i}",
            }
            if isinstance(layer, RBM):
                rbms.append(_copy(layer, own, is_first=not rbms))
            else:
                own["sampler"] = sampler if is_top else "cd"
                rbms.append(RBM(layer, hidden=clone(kind), dtype=self.dtype_policy, **own, **options))
        self.rbms = rbms
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
        shape = tuple(input_shape)
        for rbm in self.rbms:
            if rbm is not self.rbms[0] and not rbm._sees_positions:
                shape = (shape[0], math.prod(shape[1:]) + (self.num_classes if rbm is self.top else 0))
            rbm.build(shape)
            shape = rbm.compute_output_shape(shape)
        self.built = True

    @property
    def data_shape(self) -> tuple[int, ...]:
        return self.rbms[0].data_shape

    def _shape_error(self, shape: Any, width: int | None = None) -> ValueError | None:
        return self.rbms[0]._shape_error(shape, width)

    def _in_rows(self, x: Any) -> Any:
        return self.rbms[0]._in_rows(x)

    def _work(self) -> int:
        return sum(rbm._work() for rbm in self.rbms) if self.built else self.count_params()

    # --- up and down

    def encode(self, v: Array) -> tf.Tensor:
        return self.top.encode(self._with_probs(self._means_below_top(v)))

    def _means_below_top(self, v: Any) -> tf.Tensor:
        h = self._as_states(v)
        for rbm in self.lower:
            h = rbm.hidden.pooled_mean(rbm.hidden_field(h))
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
            h = below.hidden.pooled_mean(fields[-1])
            fields.append(rbm.hidden_field(self._with_probs(h) if rbm is self.top else h))
        return [(rbm.hidden, field) for rbm, field in zip(self.rbms, fields, strict=True)]

    def _first_kernel(self) -> Any:
        return self.rbms[0].w_rec

    def _reconstruction_field(self, v: Any) -> tf.Tensor:
        x = self._with_probs(self._means_below_top(v))
        units, field = self._top_units, self._without_labels(self.top._reconstruction_field(x))
        for rbm in reversed(self.lower):
            h = rbm.hidden.spread(units.mean(field))
            units, field = rbm.visible, rbm.visible_field(h)
        return field

    def call(self, inputs: Array) -> tf.Tensor:
        h = inputs
        for rbm in self.lower:
            h = rbm(h)
            h = tf.reshape(h, (-1, math.prod(h.shape[1:])))
        return self.top(self._with_probs(h))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        for rbm in self.rbms:
            input_shape = rbm.compute_output_shape(input_shape)
        return tuple(input_shape)

    def features(self, layer: int) -> np.ndarray:
        """What hidden units look for, as weights of the data's units: led down through the layers below as if
        these were linear, a pool's evenly to its units.

        Args:
            layer: from 0, the lowest.

        Returns:
            `(visible, units)`; of a convolutional layer, in the window that its filters see, `(height, width, channels,
            filters)`: what `plots.filters` draws.

        Raises:
            ValueError: if there is no such layer, or the DBN is not built.

        Reference:
            Lee, Ekanadham & Ng, 2008, "Sparse deep belief net model for visual area V2".
        """
        if not self.built or not 0 <= layer < len(self.rbms):
            number = len(self.rbms) if self.built else "a DBN that is not built"
            raise ValueError(f"`layer` must be that of a built layer, from 0. Received: layer={layer} of {number}")
        rbm = self.rbms[layer]
        x = rbm.visible_input(rbm._one_of_each())
        x = self._without_labels(x) if rbm is self.top else x
        for below in reversed(self.rbms[:layer]):
            x = below.visible_input(below.hidden.spread(x))
        weights = np.moveaxis(np.asarray(self._as_data(x)), 0, -1)
        if not rbm._sees_positions:
            return weights.reshape(-1, weights.shape[-1])
        seen = [
            np.flatnonzero(weights.any(tuple(set(range(weights.ndim)) - {axis}))) for axis in range(weights.ndim - 2)
        ]
        return weights[tuple(slice(places[0], places[-1] + 1) for places in seen)]

    # --- samples

    def initial_states(self, num_samples: Count) -> tf.Tensor:
        return self.top.initial_states(num_samples)

    def _initial_states_from(self, v: tf.Tensor) -> tf.Tensor:
        return self._with_drawn_labels(self._up(v)[1], self.top.stream)[0]

    def _visible_of(self, states: tf.Tensor, visible: tf.Tensor, mean: bool) -> tf.Tensor:
        v, h = self._down(states)[0]
        return self._lowest_mean(h) if mean else v

    def _lowest_mean(self, h: tf.Tensor) -> tf.Tensor:
        """Means of the visible units given the first hidden layer's states."""
        return self.visible.mean(self.rbms[0].visible_field(h))

    _clamps_visible = False

    def _step(self, states: tf.Tensor, clamp: Clamp | None = None) -> dict[str, tf.Tensor]:
        found = steps.step(self.top, states, clamp)
        return {name: found[name] for name in ("next_states", "h")}

    def _step_endpoints(self) -> dict[str, Endpoint]:
        def down(_: Any, states: tf.Tensor) -> dict[str, tf.Tensor]:
            v, h = self._down(tf.cast(states, self.state_dtype))[0]
            return {"v": self._as_data(v), "mean": self._as_data(self._lowest_mean(h))}

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

    def _up(self, v: tf.Tensor) -> tuple[list[tuple[tf.Tensor, tf.Tensor]], tf.Tensor]:
        """States sampled upwards: visible and hidden ones of each directed layer, and those that the top sees."""
        states = []
        for rbm in self.lower:
            h = rbm.hidden.sample(rbm.hidden_field(v), rbm.stream)
            states.append((v, h))
            v = rbm.hidden.pooled(h)
        return states, v

    def _recognition(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        log_ratio = tf.zeros(tf.shape(v)[:1], v.dtype)
        for rbm in self.lower:
            field = rbm.hidden_field(v)
            h = rbm.hidden.sample(field, draws)
            log_ratio += rbm.visible.log_prob(v, rbm.visible_field(h)) - rbm.hidden.log_prob(h, field)
            v = rbm.hidden.pooled(h)
            log_ratio += rbm.hidden.log_prob_of_places(v)
        x, log_p = self._with_drawn_labels(v, draws)
        return x, log_ratio - log_p

    def _with_drawn_labels(self, x: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        """`x` `(batch, units)` of the top with labels drawn given it, and `log p(labels | x)`, `(batch,)`."""
        if self._head:
            return self._head.with_drawn_labels(self.top, x, draws)
        return x, tf.zeros(tf.shape(x)[:1], x.dtype)

    def _down(self, x: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """States sampled downwards from the top RBM's visible units, in the order of `_up`."""
        states, x = [], self._without_labels(x)
        for rbm in reversed(self.lower):
            h = rbm.hidden.placed(x, rbm.stream)
            x = rbm.visible.sample(rbm.visible_field(h), rbm.stream)
            states.append((x, h))
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
                self.build((None, *checks.as_array(rows, self._shape_error).shape[1:]))
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
        awake, x = self._up(v)
        top_states = self._head.one_hot(x, y) if self._head else x
        joint, samples, _ = self.top._contrastive_gradients(top_states, weights)
        result = self._head.combined(self.top, x, y, weights, joint) if self._head else joint
        dream = self._down(samples.v)
        wake_loss, sleep_loss = tf.zeros_like(weights), tf.zeros(tf.shape(samples.v)[:1], v.dtype)
        generative = [x for rbm in self.lower for x in (rbm.w_gen, rbm.visible.bias, *rbm.visible.other_parameters)]
        recognition = [x for rbm in self.lower for x in (rbm.w_rec, rbm.hidden.bias, *rbm.hidden.other_parameters)]
        share, share_of_samples = shares(weights, samples.weights)
        with tf.GradientTape() as wake, tf.GradientTape() as sleep:
            wake.watch([x.value for x in generative])  # units may be frozen: then the optimizer leaves them alone
            sleep.watch([x.value for x in recognition])
            for rbm, (below, above), (dreamt, its_cause) in zip(self.lower, awake, dream, strict=True):
                wake_loss -= rbm.visible.log_prob(below, rbm.visible_field(above))
                sleep_loss -= rbm.hidden.log_prob(its_cause, rbm.hidden_field(dreamt))
            mean_wake, mean_sleep = mean(wake_loss, share), mean(sleep_loss, share_of_samples)
        of_lower = wake.gradient(mean_wake, generative), sleep.gradient(mean_sleep, recognition)
        of_lower, mean_sleep = replicas.summed((of_lower, mean_sleep))
        gradients = [
            *result.gradients,
            *zip(generative, of_lower[0], strict=True),
            *zip(recognition, of_lower[1], strict=True),
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

        def layers() -> list[list[keras.layers.Layer]]:
            made = [rbm._plain_layers(f"hidden_{i + 1}") for i, rbm in enumerate(self.rbms)]
            if self._head:
                own = without_classes(self.top, self.num_classes)
                made[-1] = [self.top.hidden.as_layer(*own, f"hidden_{len(made)}")]
            return made

        return plain_network(self, layers, num_classes, [], dropout, input_dropout, kernel_constraint)

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        dense = [rbm for rbm, n in zip(self.rbms, self._given, strict=True) if isinstance(n, int)]
        options = {name: dense[-1].get_config()[name] for name in COUPLING_OPTIONS} if dense else {}
        return {
            **super().get_config(),
            "units": self._given,
            "visible": serialize(self.visible),
            "hidden": self._hidden,
            "sampler": serialize(self.sampler),
            **(self._head.get_config() if self._head else {}),
            **options,
            "seed": self.seed,
        }


def _check_place(layer: RBM, i: int, below: list[RBM], num_classes: int | None) -> None:
    """Refuses a convolutional layer where there are no maps to see, or label units beside them."""
    if below and not below[-1]._sees_positions:
        raise ValueError(
            "A convolutional layer sees pictures or maps: it is the first, or lies above another one. "
            f"Received: layer {i + 1}, {layer!r}, above {below[-1].units} units without positions."
        )
    if num_classes:
        raise ValueError(
            "Label units lie beside the units of a fully connected top. "
            f"Received: num_classes={num_classes}, and {layer!r} as the top. Add a number of units as the last layer."
        )


def _copy(layer: RBM, own: dict[str, Any], is_first: bool) -> RBM:
    """A layer that is configured as another RBM is, but for what is the DBN's `own`."""
    config = layer.get_config()
    if is_first:
        del own["visible"]
    if config["seed"] is not None:
        del own["seed"]
    return type(layer).from_config({**config, **own, **({"output": "pooled"} if "output" in config else {})})
