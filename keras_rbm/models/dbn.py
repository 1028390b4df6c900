"""The deep belief network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import samplers
from keras_rbm import units as unit_kinds
from keras_rbm.arguments import clone, positive_integer
from keras_rbm.models import data as checks
from keras_rbm.models.learner import Lesson, weighted_mean
from keras_rbm.models.machine import Machine
from keras_rbm.models.rbm import RBM
from keras_rbm.random import Draws

#: Batches from which an upper layer's visible bias is first set.
_ADAPT_BATCHES = 100


@keras.saving.register_keras_serializable("keras_rbm")
class DBN(Machine):
    """A deep belief network: a stack of RBMs, whose lower layers are directed and whose top is an RBM.

    `pretrain` trains the layers one after the other; `fit` is wake-sleep over the whole; `classifier` gives a plain
    Keras network that starts from the stack. As a layer it maps visible states `(batch, visible)` to the means of the
    top's hidden units `(batch, units[-1])`.

    Logs of `fit`: `loss` (the sum of the next two and the top's free-energy difference, nats a case: a signal, not a
    measure of quality), `wake_loss` (minus log-probability of each layer's states given those above), `sleep_loss`
    (the same from below, in dreams), `reconstruction_error` (of the data by means, up and down again).

    Args:
        units: numbers of hidden units, from the lowest layer to the top.
        visible: kind of the visible units: a name, config or `Unit`.
        hidden: kind of all hidden units: a name or config, or a `Unit` to copy for each layer.
        sampler: where the top RBM's samples come from in wake-sleep.
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
        self.rbms = [
            RBM(
                n,
                visible=clone(kind) if i else visible,
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
        self._trackers = {name: keras.metrics.Mean(name) for name in names}

    @property
    def visible(self) -> unit_kinds.Unit:
        """The visible units: those of the lowest layer."""
        return self.rbms[0].visible

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
            rbm.build(shape)
            shape = (shape[0], rbm.units)
        self.built = True

    # --- up and down

    def encode(self, v: Any) -> tf.Tensor:
        h = self.as_states(v)
        for rbm in self.rbms:
            h = rbm.mean_h_from_v(h)
        return h

    def reconstruction_field(self, v: Any) -> tf.Tensor:
        x = self.encode(v)
        for rbm in reversed(self.rbms[1:]):
            x = rbm.mean_v_from_h(x)
        return self.rbms[0].visible_field(x)

    def call(self, inputs: Any) -> tf.Tensor:
        h = inputs
        for rbm in self.rbms:
            h = rbm(h)
        return h

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.units[-1])

    # --- samples

    def start(self, num_samples: Any) -> tf.Tensor:
        return self.top.start(num_samples)

    def start_from(self, v: tf.Tensor) -> tf.Tensor:
        return self._up(v)[-1]

    def walk(self, state: tf.Tensor, num_steps: tf.Tensor, mean: bool) -> tuple[tf.Tensor, tf.Tensor]:
        state, top_visible = self.top.walk(state, num_steps, mean and not self.lower)
        if not self.lower:
            return state, top_visible
        states = self._down(state)
        return state, self.rbms[0].mean_v_from_h(states[1]) if mean else states[0]

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
        return v, log_ratio

    def _down(self, x: tf.Tensor) -> list[tf.Tensor]:
        """States sampled downwards from the top RBM's visible units, in the order of `_up`."""
        states = [x]
        for rbm in reversed(self.lower):
            states.append(rbm.sample_v_from_h(states[-1]))
        return states[::-1]

    # --- wake-sleep

    def lesson(self, v: tf.Tensor, weights: tf.Tensor) -> Lesson:
        awake = self._up(v)
        samples = self.top.sampler.negative_phase(self.top, awake[-1], weights)
        dream, dream_weights = self._down(samples.v), samples.weights
        lesson = self.top.contrast(awake[-1], weights, samples)
        gradients = lesson.gradients
        wake_loss, sleep_loss = tf.zeros_like(weights), tf.zeros(tf.shape(dream[0])[:1], v.dtype)
        generative = [x for rbm in self.lower for x in (rbm.w_gen, rbm.visible.bias)]
        recognition = [x for rbm in self.lower for x in (rbm.w_rec, rbm.hidden.bias)]
        with tf.GradientTape() as wake, tf.GradientTape() as sleep:
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

    # --- greedy pretraining

    def pretrain(
        self,
        x: Any,
        epochs: Any = 10,
        optimizer: Any = "sgd",
        sampler: Any = "cd",
        batch_size: int = 100,
        sample_weight: Any = None,
        validation_data: Any = None,
        callbacks: Callable[[int], list] | list | None = None,
        verbose: Any = "auto",
        **kwargs: Any,
    ) -> list[keras.callbacks.History]:
        """Trains the layers one after the other, each as an RBM on states sampled from the layers below it.

        The data flow upwards a batch at a time: the hidden states of the whole set are never held.

        Args:
            x: an array `(cases, visible)`, or a `tf.data.Dataset` of batches of `x`, `(x, y)` or
                `(x, y, sample_weight)`.
            epochs, optimizer, sampler: one value, or a list of one a layer. Each layer gets an optimizer and a sampler
                of its own.
            batch_size, sample_weight: for arrays; weights have shape `(cases,)`.
            validation_data: an array or dataset like `x`; the logs then have `val_*`.
            callbacks: Keras callbacks for each layer's `fit`, or a function from the layer's index to such a list.
            verbose: as in `fit`.
            kwargs: what else `RBM.compile` takes.

        Returns:
            one `History` a layer.

        Raises:
            ValueError: if a list has not one value a layer, or as `fit` does; before the first step.
        """
        plan = {
            name: per_layer(value, name, len(self.rbms))
            for name, value in {"epochs": epochs, "optimizer": optimizer, "sampler": sampler}.items()
        }
        plan["epochs"] = [positive_integer(n, "epochs") for n in plan["epochs"]]
        plan["optimizer"] = [keras.optimizers.get(o) for o in plan["optimizer"]]
        plan["sampler"] = [samplers.get(s) for s in plan["sampler"]]
        positive_integer(batch_size, "batch_size")
        return [
            self.pretrain_layer(
                i,
                x,
                epochs=plan["epochs"][i],
                optimizer=plan["optimizer"][i],
                sampler=plan["sampler"][i],
                batch_size=batch_size,
                sample_weight=sample_weight,
                validation_data=validation_data,
                callbacks=callbacks(i) if callable(callbacks) else callbacks,
                verbose=verbose,
                **kwargs,
            )
            for i in range(len(self.rbms))
        ]

    def pretrain_layer(
        self,
        layer: int,
        x: Any,
        epochs: int = 10,
        optimizer: Any = "sgd",
        sampler: Any = "cd",
        batch_size: int = 100,
        sample_weight: Any = None,
        validation_data: Any = None,
        callbacks: list | None = None,
        verbose: Any = "auto",
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains one layer on states sampled from those below it, from its present recognition weights on.

        A directed layer is trained as a tied RBM and its generative weights become the recognition weights
        transposed. What was learnt stays if training is interrupted. Arguments are those of `pretrain`.
        """
        if not checks.is_array(x) and not isinstance(x, tf.data.Dataset):
            raise TypeError(f"Pretraining needs an array or a tf.data.Dataset. Received: {type(x).__name__}")
        if sample_weight is not None and not checks.is_array(x):
            raise ValueError("`sample_weight` is for arrays. A tf.data.Dataset must give (x, y, sample_weight) itself.")
        x, _, weights = self._checked(x, None, sample_weight)
        target = self.rbms[layer]
        machine = target.as_tied(clone(samplers.get(sampler)))
        stream = self._upwards(x, layer, batch_size, weights)
        validation_stream = None
        if validation_data is not None:
            validation_data, _, _ = keras.utils.unpack_x_y_sample_weight(validation_data)
            validation_data, _, _ = self._checked(validation_data, None, None)
            validation_stream = self._upwards(validation_data, layer, batch_size)
        if layer and not np.any(target.visible.bias):
            machine.adapt(stream.take(_ADAPT_BATCHES))
        optimizer = keras.optimizers.get(optimizer)
        machine.compile(type(optimizer).from_config(optimizer.get_config()), **kwargs)
        if verbose:
            print(f"Layer {layer + 1} of {len(self.rbms)}: {machine.visible.width}-{machine.units}")
        try:
            return machine.fit(
                stream, epochs=epochs, validation_data=validation_stream, callbacks=callbacks, verbose=verbose
            )
        finally:
            target.take_weights(machine)

    def unroll(self, layer: int) -> None:
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
            raise ValueError("A DBN must be built before a layer is unrolled. Pretrain the layers below it first.")
        if positive_integer(layer, "layer") >= len(self.rbms):
            raise ValueError(f"A DBN of {len(self.rbms)} layers has none with number {layer}: the lowest is 0.")
        rbm, below = self.rbms[layer], self.rbms[layer - 1]
        width = below.visible.width
        if below.visible.states is None:
            raise ValueError(
                "Only a layer above units with finitely many states is unrolled. "
                f"Received: {type(below.visible).__name__} visible units below it."
            )
        if type(rbm.hidden) is not type(below.visible) or rbm.units < width:
            raise ValueError(
                f"A layer is unrolled into at least {width} hidden units, {type(below.visible).__name__} like the "
                f"visible ones below. Received: {rbm.units} {type(rbm.hidden).__name__} units."
            )
        w = np.array(rbm.w_rec)
        resting = np.asarray(rbm.hidden.mean(tf.zeros((1, rbm.units))))[0]
        c = np.array(rbm.hidden.bias)
        w[:, :width], c[:width] = below.w_gen, below.visible.bias
        rbm.w_rec.assign(w)
        if not rbm.tied:
            rbm._w_gen.assign(w.T)
        rbm.hidden.bias.assign(c)
        rbm.visible.bias.assign(np.asarray(below.hidden.bias) - w[:, width:] @ resting[width:])
        rbm.sampler.reset(rbm)

    def _upwards(self, x: Any, layer: int, batch_size: int, weights: Any = None) -> tf.data.Dataset:
        """Batches of states of the units that layer number `layer` sees, drawn anew in each epoch, with case weights
        where there are some."""
        if checks.is_array(x):
            arrays = x if weights is None else (x, np.zeros(len(weights)), weights)
            batches = checks.array_batches(arrays, batch_size, self.seed)
        else:
            batches = x.map(without_labels)
        if layer:
            keyed = checks.with_keys(batches, None if self.seed is None else self.seed + layer)
            batches = keyed.map(
                lambda key, batch: self._sample_up_to(layer, batch, Draws(key)), num_parallel_calls=tf.data.AUTOTUNE
            )
        return batches.prefetch(tf.data.AUTOTUNE)

    def _sample_up_to(self, layer: int, batch: Any, draws: Draws) -> Any:
        v, *rest = batch if isinstance(batch, tuple) else (batch,)
        x = self.as_states(v)
        for rbm in self.rbms[:layer]:
            x = rbm.hidden.sample(rbm.hidden_field(x), draws)
        return (x, *rest) if rest else x

    # --- leaving

    def classifier(self, num_classes: int, dropout: float = 0.0) -> keras.Sequential:
        """A plain Keras network that computes `encode` and then a softmax over classes, ready to be fine-tuned.

        Nothing of this package is in it, so it deploys where only Keras is installed.

        Args:
            num_classes: number of classes, at least 2.
            dropout: fraction of each hidden layer's units that is dropped in training. Keras scales what is kept, so
                the pretrained weights are taken as they are.

        Raises:
            ValueError: if the DBN is not built, or an argument is out of range.
        """
        if positive_integer(num_classes, "num_classes") < 2:
            raise ValueError(f"`num_classes` must be at least 2. Received: num_classes={num_classes}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        if not self.built:
            raise ValueError("A DBN must be built before a classifier starts from it. Pretrain it, or call it on data.")
        net = keras.Sequential([keras.Input((self.visible.width,))], name="classifier")
        for i, rbm in enumerate(self.rbms):
            net.add(keras.layers.Dense(rbm.units, rbm.hidden.activation, name=f"hidden_{i + 1}"))
            net.layers[-1].set_weights(rbm.hidden.as_dense(np.asarray(rbm.w_rec), np.asarray(rbm.hidden.bias)))
            if dropout:
                net.add(keras.layers.Dropout(dropout, seed=self.seed))
        initializer = keras.initializers.GlorotUniform(seed=self.seed)
        net.add(keras.layers.Dense(num_classes, "softmax", kernel_initializer=initializer, name="classes"))
        return net

    def after_adapt(self) -> None:
        if not self.lower:
            self.top.after_adapt()

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        kept = [f"kernel_{part}" for part in ("initializer", "regularizer", "constraint")]
        kept += ["centered", "offset_rate", "activity_regularizer"]
        top = self.top.get_config()
        return {
            **super().get_config(),
            "units": self.units,
            "visible": serialize(self.visible),
            "hidden": self._hidden,
            "sampler": serialize(self.top.sampler),
            **{name: top[name] for name in kept},
            "seed": self.seed,
        }


def without_labels(*batch: Any) -> Any:
    """A dataset's batch of `x`, `(x, y)` or `(x, y, sample_weight)`: `x`, or `(x, 0, sample_weight)`."""
    x, _, weights = keras.utils.unpack_x_y_sample_weight(batch)
    return x if weights is None else (x, tf.zeros_like(weights), weights)


def per_layer(value: Any, name: str, num_layers: int) -> list:
    """One value a layer: a list as it is, anything else for every layer.

    Raises:
        ValueError: if a list has another length.
    """
    if not isinstance(value, (list, tuple)):
        return [value] * num_layers
    if len(value) != num_layers:
        raise ValueError(f"`{name}` must be one value or {num_layers}, one a layer. Received: {len(value)} values")
    return list(value)
