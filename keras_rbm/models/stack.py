"""Greedy pretraining of stacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import samplers
from keras_rbm.arguments import clone, positive_integer
from keras_rbm.models import data as checks
from keras_rbm.models.labelled import Labelled
from keras_rbm.models.labels import one_hot
from keras_rbm.models.rbm import RBM
from keras_rbm.random import Draws

#: Batches from which an upper layer's visible bias is first set.
_ADAPT_BATCHES = 100


class Stack(Labelled):
    """RBMs one above the other, `rbms`, which are trained one after the other."""

    rbms: list[RBM]

    def pretrain(
        self,
        x: Any,
        epochs: Any = 10,
        optimizer: Any = "sgd",
        sampler: Any = "cd",
        batch_size: int = 100,
        sample_weight: Any = None,
        y: Any = None,
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
            y: classes, `(cases,)`, for an array and a top with label units; a dataset gives `(x, y)` itself.
            validation_data: an array or dataset like `x`, or a pair of arrays `(x, y)`; the logs then have `val_*`.
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
        if self.num_classes:
            self._checked(x, y, sample_weight)  # before the first layer, not when the top's turn has come
        return [
            self.pretrain_layer(
                i,
                x,
                epochs=plan["epochs"][i],
                optimizer=plan["optimizer"][i],
                sampler=plan["sampler"][i],
                batch_size=batch_size,
                sample_weight=sample_weight,
                y=y,
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
        y: Any = None,
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
        labelled = self._sees_labels(layer)
        data = self._checked(x, y, sample_weight, labelled)
        target = self.rbms[layer]
        machine = target.as_tied(clone(samplers.get(sampler)))
        stream = self._upwards(data, layer, batch_size)
        validation_stream = None
        if validation_data is not None:
            held_x, held_y, held_weights = keras.utils.unpack_x_y_sample_weight(validation_data)
            held = self._checked(held_x, held_y, held_weights, labelled)
            validation_stream = self._upwards(held, layer, batch_size)
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
        if below.visible.log2_num_states == math.inf:
            raise ValueError(
                "Only a layer above units with finitely many states is unrolled. "
                f"Received: {type(below.visible).__name__} visible units below it."
            )
        if rbm.hidden.kind != below.visible.kind or rbm.units < width:
            raise ValueError(
                f"A layer is unrolled into at least {width} hidden units, {type(below.visible).__name__} like the "
                f"visible ones below. Received: {rbm.units} {type(rbm.hidden).__name__} units."
            )
        w, b = np.array(rbm.w_rec), np.array(rbm.visible.bias)
        known = below.units  # label units are further rows
        resting = np.asarray(rbm.hidden.mean(tf.zeros((1, rbm.units))))[0]
        c = np.array(rbm.hidden.bias)
        w[:known, :width], c[:width] = below.w_gen, below.visible.bias
        b[:known] = np.asarray(below.hidden.bias) - w[:known, width:] @ resting[width:]
        rbm.w_rec.assign(w)
        if not rbm.tied:
            rbm._w_gen.assign(w.T)
        rbm.hidden.bias.assign(c)
        rbm.visible.bias.assign(b)
        rbm.sampler.reset(rbm)

    def _sees_labels(self, layer: int) -> bool:
        return bool(self.num_classes) and self.rbms[layer] is self.rbms[-1]

    def _upwards(self, data: tuple, layer: int, batch_size: int) -> tf.data.Dataset:
        """Batches of states of the units that layer number `layer` sees, drawn anew in each epoch, with case weights.

        Args:
            data: checked `(x, y, sample_weight)` of arrays or `None`, or a dataset as `x`.
        """
        x, y, weights = data
        if checks.is_array(x):
            filled = [
                filler(len(x), "float32") if a is None else a for a, filler in ((y, np.zeros), (weights, np.ones))
            ]
            batches = checks.array_batches((x, *filled), batch_size, self.seed)
        else:
            batches = x.map(_filled)
        keyed = checks.with_keys(batches, None if self.seed is None else self.seed + layer)
        found = keyed.map(
            lambda key, batch: self._sample_up_to(layer, batch, Draws(key)), num_parallel_calls=tf.data.AUTOTUNE
        )
        return found.prefetch(tf.data.AUTOTUNE)

    def _sample_up_to(self, layer: int, batch: tuple, draws: Draws) -> tuple:
        v, y, weights = batch
        x = self.as_states(v)
        for rbm in self.rbms[:layer]:
            x = rbm.hidden.sample(rbm.hidden_field(x), draws)
        if self._sees_labels(layer):
            x = one_hot(x, checks.as_classes(y), self.num_classes)
        return x, tf.zeros_like(weights), weights


def _filled(*batch: Any) -> tuple:
    """A dataset's batch with all its parts: `(x, y, sample_weight)`."""
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    nothing = tf.zeros(tf.shape(x)[:1])
    return x, nothing if y is None else y, nothing + 1 if weights is None else weights


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
