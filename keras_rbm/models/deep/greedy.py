"""Greedy training of RBMs one above the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, feeds, pipelines, progress, samplers
from keras_rbm.arguments import clone, positive_integer
from keras_rbm.checkpoints import of_stage
from keras_rbm.models.class_head import ClassHead
from keras_rbm.models.rbm import RBM
from keras_rbm.random import Draws, spawned_seed
from keras_rbm.types import Array, Data, OptimizerLike, SamplerLike, Verbose

#: Batches from which an upper layer's visible bias is first set.
_ADAPT_BATCHES = 100


class Pretraining:
    """RBMs that are trained one after the other, each on states sampled from those below it.

    The data flow upwards a batch at a time: the hidden states of the whole set are never held. Whatever can be refused
    is refused here, before the first step.

    Args:
        rbms: built, from the lowest up.
        x, epochs, optimizer, sampler, batch_size, sample_weight, y, validation_data, callbacks, verbose,
            compile_options: as in `DBN.pretrain`.
        layers: which of them to train; all by default.
        head: of the highest one, if it has label units.
        seed: rules the order of the data and the states drawn.

    Raises:
        TypeError, ValueError: as `DBN.pretrain` does.
    """

    def __init__(
        self,
        rbms: Sequence[RBM],
        x: Data,
        epochs: int | Sequence[int] = 10,
        optimizer: OptimizerLike | Sequence[OptimizerLike] = "sgd",
        sampler: SamplerLike | Sequence[SamplerLike] = "cd",
        batch_size: int = 100,
        sample_weight: Array | None = None,
        y: Array | None = None,
        validation_data: Any = None,
        callbacks: Callable[[int], list] | list | None = None,
        verbose: Verbose = "auto",
        layers: Sequence[int] | None = None,
        head: ClassHead | None = None,
        seed: int | None = None,
        **compile_options: Any,
    ) -> None:
        self.rbms, self.head, self.seed = rbms, head, seed
        for rbm in rbms:
            rbm._missing = rbm.missing_steps or None  # a stack has no such argument
        self.layers = range(len(rbms)) if layers is None else layers
        number = len(self.layers)
        self.epochs = [positive_integer(n, "epochs") for n in per_layer(epochs, "epochs", number)]
        self.optimizers = [keras.optimizers.get(o) for o in per_layer(optimizer, "optimizer", number)]
        self.samplers = [samplers.get(s) for s in per_layer(sampler, "sampler", number)]
        self.batch_size = positive_integer(batch_size, "batch_size")
        self.callbacks, self.verbose, self.compile_options = callbacks, verbose, compile_options
        if not checks.is_array(x) and not isinstance(x, tf.data.Dataset):
            raise TypeError(f"Pretraining needs an array or a tf.data.Dataset. Received: {type(x).__name__}")
        if sample_weight is not None and not checks.is_array(x):
            raise ValueError("`sample_weight` is for arrays. A tf.data.Dataset must give (x, y, sample_weight) itself.")
        self.data = self._checked(x, y, sample_weight)
        unpacked = None if validation_data is None else keras.utils.unpack_x_y_sample_weight(validation_data)
        self.validation_data = None if unpacked is None else self._checked(*unpacked)

    def run(self) -> list[keras.callbacks.History]:
        """Trains the layers; one `History` each."""
        stages = zip(self.layers, self.epochs, self.optimizers, self.samplers, strict=True)
        in_lines = self.verbose == "auto" and progress.is_watched()
        with progress.Job(self._stages()) as job:
            return [self._train(*stage, job if in_lines else None) for stage in stages]

    def _stages(self) -> dict[str, progress.Stage]:
        """What a line a layer shows."""
        log = "reconstruction_error" if self.validation_data is None else "val_reconstruction_error"
        sizes, found = [rbm._work() for rbm in self.rbms], {}
        for layer, epochs in zip(self.layers, self.epochs, strict=True):
            work = progress.step_work(self.batch_size * (sum(sizes[:layer]) + 6 * sizes[layer]))
            words = f"{'' if self.validation_data is None else 'validation '}error {{:.2f}} nats"
            found[str(layer)] = progress.Stage(f"layer {layer + 1} of {len(self.rbms)}", epochs, work, log, words)
        return found

    def _train(
        self, layer: int, epochs: int, optimizer: Any, sampler: Any, job: progress.Job | None
    ) -> keras.callbacks.History:
        """Trains a layer as a tied RBM, from its present recognition weights on, whose weights it then takes over.

        What was learnt stays if training is interrupted.
        """
        target = self.rbms[layer]
        with target.distribute_strategy.scope():
            rbm = target._as_tied(clone(sampler))
            rbm._missing = target._missing
            optimizer = type(optimizer).from_config(optimizer.get_config())
        stream = self._upwards(self.data, layer)
        validation = None if self.validation_data is None else self._upwards(self.validation_data, layer)
        if layer and not np.any(target.visible.bias):
            rbm.adapt(stream.take(_ADAPT_BATCHES))
        rbm.compile(optimizer, **self.compile_options)
        callbacks = self.callbacks(layer) if callable(self.callbacks) else of_stage(self.callbacks, f"layer-{layer}")
        if job is not None:
            callbacks = [*(callbacks or ()), job.watching(str(layer))]
        elif self.verbose:
            print(f"Layer {layer + 1} of {len(self.rbms)}: {rbm.visible.width}-{rbm.hidden.width}")
        try:
            return rbm.fit(
                stream,
                epochs=epochs,
                validation_data=validation,
                callbacks=callbacks,
                verbose=self.verbose if job is None else 0,
            )
        finally:
            target.copy_weights_from(rbm)

    def _sees_labels(self, layer: int) -> bool:
        return self.head is not None and self.rbms[layer] is self.rbms[-1]

    def _checked(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Data that the lowest RBM takes, and labels, if some layer sees them."""
        x, y, sample_weight = self.rbms[0]._checked(x, y, sample_weight)
        if self.head is not None and any(map(self._sees_labels, self.layers)):
            if checks.is_array(x):
                y = checks.checked_labels(y, len(x), self.head.num_classes)
            else:
                batch, labels, _ = pipelines.first_batch(x)
                checks.checked_labels(labels, len(batch), self.head.num_classes)
        return x, y, sample_weight

    def _upwards(self, data: tuple[Any, Any, Any], layer: int) -> tf.data.Dataset:
        """Batches of states of the units that a layer sees, drawn anew in each epoch, with case weights.

        Args:
            data: checked `(x, y, sample_weight)` of arrays or `None`, or a dataset as `x`.
        """
        x, y, weights = data
        if checks.is_array(x):
            filled = [
                filler(len(x), "float32") if a is None else a for a, filler in ((y, np.zeros), (weights, np.ones))
            ]
            cases = tuple(tf.convert_to_tensor(a) for a in (x, *filled))
            batches = pipelines.array_batches(cases, self.batch_size, spawned_seed(self.seed, "order", layer))
            resident: feeds.Resident | None = feeds.Resident(cases, self.batch_size)
        else:
            batches, resident = x.map(_filled), feeds.attached(x)
        keyed = pipelines.with_keys(batches, spawned_seed(self.seed, "states", layer))

        @tf.autograph.experimental.do_not_convert
        def up(key: tf.Tensor, batch: feeds.Cases) -> feeds.Cases:
            return self._sample_up_to(layer, batch, Draws(key))

        states = keyed.map(up, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        if resident is not None:
            feeds.attach(states, resident.transformed(lambda batch, draws: self._sample_up_to(layer, batch, draws)))
        return states

    def _sample_up_to(self, layer: int, batch: feeds.Cases, draws: Draws) -> feeds.Cases:
        v, y, weights = batch
        x = self.rbms[0]._as_states(v)
        for rbm in self.rbms[:layer]:
            x = rbm.hidden.pooled(rbm.hidden.sample(rbm.hidden_field(x), draws))
        if self.head is not None and self._sees_labels(layer):
            x = self.head.one_hot(x, checks.as_classes(y))
        return x, tf.zeros_like(weights), weights


def _filled(*batch: Any) -> tuple:
    """A dataset's batch with all its parts: `(x, y, sample_weight)`."""
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    nothing = tf.zeros(tf.shape(x)[:1])
    return x, nothing if y is None else y, nothing + 1 if weights is None else weights


def initialize_from_below(rbms: Sequence[RBM], layer: int) -> None:
    """`DBN.initialize_from_below`, of built RBMs.

    Raises:
        ValueError: if the layer does not fit.
    """
    if positive_integer(layer, "layer") >= len(rbms):
        raise ValueError(f"A DBN of {len(rbms)} layers has none with number {layer}: the lowest is 0.")
    rbm, below = rbms[layer], rbms[layer - 1]
    width = below.visible.width
    if rbm._sees_positions or below._sees_positions:
        raise ValueError("Only a fully connected layer above another one is initialised from below.")
    if below.visible.log2_num_states == math.inf:
        raise ValueError(
            "Only a layer above units with finitely many states is initialised from below. "
            f"Received: {type(below.visible).__name__} visible units below it."
        )
    if rbm.hidden.kind != below.visible.kind or rbm.units < width:
        raise ValueError(
            f"A layer is initialised from below if it has at least {width} hidden units, "
            f"{type(below.visible).__name__} like the visible ones below. "
            f"Received: {rbm.units} {type(rbm.hidden).__name__} units."
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
