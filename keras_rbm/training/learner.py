"""How every machine learns: checked data, guarded updates, defaults that are fast."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, pipelines, replicas
from keras_rbm.arguments import positive_integer
from keras_rbm.checkpoints import last_in_line
from keras_rbm.compiled import Compiled
from keras_rbm.feeds import Cases, Resident, Stream, attached
from keras_rbm.files import replacing
from keras_rbm.random import RandomStream, set_aside
from keras_rbm.training.directions import Directions
from keras_rbm.training.faults import Batch, FaultRecord, Rules
from keras_rbm.training.launches import MOST_STEPS, MOST_STREAMED_STEPS, MOST_WORK, Launches, steps_a_launch
from keras_rbm.training.summary import summary_rows
from keras_rbm.units import Unit


class StepResult(NamedTuple):
    """What one batch says, before anything is changed.

    Args:
        values: to log, a case each, by name; `loss` is among them.
        watched: more of them, which cost products: not asked at every step.
        gradients: of what is minimised, by variable.
        commit: keeps what a sound step changes beside the parameters: chains, offsets.
    """

    values: dict[str, tf.Tensor]
    gradients: list[tuple[keras.Variable, tf.Tensor]]
    commit: Callable[[], None] = lambda: None
    watched: Callable[[], dict[str, tf.Tensor]] = dict

    @property
    def all_values(self) -> dict[str, tf.Tensor]:
        """All that can be logged."""
        return {**self.values, **self.watched()}


class Learner(Compiled, keras.Model, ABC):
    """A `keras.Model` whose training step asks a subclass for gradients, and applies them if the step is sound.

    A subclass has `visible` (its visible units), builds itself, and answers `_gradients(batch)`.
    """

    #: Gibbs sweeps that draw missing values; 0 if no value may be missing.
    missing_steps: int = 0
    #: The same where users can choose it.
    _missing: int | None = None
    #: How many label units there are: with some, the learner learns from labels too.
    _num_classes: int = 0

    built: bool
    steps_per_execution: int
    train_function: Any
    test_function: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self._trackers: dict[str, keras.metrics.Mean] = {}
        self._directions = Directions()
        self._faults: Any = None
        self._train_feed: Resident | Stream = Stream()
        self._test_feed: Resident | Stream = Stream()
        own_steps = type(self).train_step is not Learner.train_step or type(self).test_step is not Learner.test_step
        self._in_launches = not own_steps

    # --- what a subclass answers

    @property
    @abstractmethod
    def visible(self) -> Unit:
        """The visible units."""

    @abstractmethod
    def _gradients(self, batch: Batch) -> StepResult:
        """What a batch says at the present parameters: `loss` among the values; a trainable variable without a gradient
        stays as it is; values are logged if `_trackers` has a metric of their name."""

    def _validation_values(self, batch: Batch) -> dict[str, tf.Tensor]:
        """What `evaluate` logs of a batch, a value a case: by default what training logs."""
        return self._gradients(batch).all_values

    @property
    @abstractmethod
    def _draws(self) -> RandomStream:
        """Random numbers for the order of data, and for what is made of them on their way."""

    def set_aside(self, name: str) -> AbstractContextManager[None]:
        """A context for what only looks on: random numbers drawn in it leave those that training will draw as they are.

        Args:
            name: of what looks on; others see other numbers.
        """
        return set_aside([layer for layer in self._flatten_layers() if isinstance(layer, RandomStream)], name)

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns."""
        return [metric.name for metric in self.metrics if metric is not self._directions]

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.summary`, with a row for each weight that no layer in it has: the kernels."""
        keras.Model.summary(summary_rows(self), *args, **kwargs)

    # --- leaving

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """As `keras.Model.save`; what was there before stays whole until the new file is."""
        self._replace(super().save, filepath, overwrite, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """As `keras.Model.save_weights`; what was there before stays whole until the new file is."""
        self._replace(super().save_weights, filepath, overwrite, **kwargs)

    def _replace(self, write: Callable[..., None], filepath: Any, overwrite: bool, **kwargs: Any) -> None:
        path = Path(filepath)
        if path.suffix not in (".keras", ".h5") or "://" in str(filepath) or (path.exists() and not overwrite):
            write(filepath, overwrite, **kwargs)  # Keras refuses, knows the way, or asks
            return
        with replacing(path) as part:
            write(part, overwrite, **kwargs)

    # --- states

    @property
    def state_dtype(self) -> str:
        """The dtype of states, fields and energies: float32 under every policy but float64."""
        return "float64" if self.variable_dtype == "float64" else "float32"

    @tf.autograph.experimental.do_not_convert
    def _as_states(self, x: Any, width: int | None = None) -> tf.Tensor:
        """`x` as states `(batch, width)`; without a width, as visible states of a machine that is built if need be.

        Raises:
            ValueError: if the shape is another.
            TypeError: if these are no numbers.
        """
        x = x if isinstance(x, np.ndarray) else tf.convert_to_tensor(x)
        if not_numbers := checks.type_error(x):
            raise not_numbers
        x = tf.cast(x, self.state_dtype)
        if x.shape.rank is not None and (error := self._shape_error(x.shape, width)):
            raise error
        if not self.built:
            if width:
                raise ValueError("A machine must be built before it goes down. Fit it, adapt it or call it on data.")
            self.build(tuple(x.shape))
        return self._in_rows(x)

    def _shape_error(self, shape: Any, width: int | None = None) -> ValueError | None:
        """What is wrong with the shape of a batch, if anything is: of data, or of states of so many units."""
        return checks.shape_error(shape, width or (self.visible.width if self.built else None))

    def _in_rows(self, x: Any) -> Any:
        """Arrays or tensors of a shape without error as rows, `(batch, units)`."""
        return x

    def _work(self) -> int:
        """Multiplications that a case takes to go up once."""
        return self.count_params()

    # --- compile and fit

    def compile(
        self,
        optimizer: Any = "sgd",
        *,
        steps_per_execution: int | str = "auto",
        jit_compile: bool | str = "auto",
        run_eagerly: bool = False,
    ) -> None:
        """Says how to train.

        Args:
            optimizer: any Keras optimizer, by name, config or object, with any schedule.
            steps_per_execution: training steps of a launch, between two returns to Python (progress bar, batch
                callbacks); `"auto"` is up to 100 where data lie on the device, as many as take about half a second,
                up to 32 of a stream whose length is known, and 1 when run eagerly.
            jit_compile: whether XLA compiles the step; `"auto"` is yes, except eagerly, on several replicas of a
                distribution strategy, or where Keras says that XLA is not supported.
            run_eagerly: for debugging.

        Raises:
            ValueError: for an optimizer that scales losses or was made outside of the strategy's scope, or XLA on
                several replicas.
        """
        strategy, several = self._distribute_strategy, self.distribute_strategy.num_replicas_in_sync > 1
        with self.distribute_strategy.scope():
            optimizer = keras.optimizers.get(optimizer)
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "Energies and their gradients are float32 under every policy, so no loss is scaled. "
                "Received: a LossScaleOptimizer. Give its inner optimizer."
            )
        if strategy is not None and getattr(optimizer, "_distribution_strategy", strategy) is not strategy:
            raise ValueError(
                "An optimizer of a model under a distribution strategy must be made in the strategy's scope: "
                "`with strategy.scope(): ...`. Received: one that was made outside, or for another strategy"
            )
        if several and jit_compile is True:
            raise ValueError("XLA compiles for one device. Received: jit_compile=True for several replicas")
        self._compile_arguments = {
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "run_eagerly": run_eagerly,
        }
        if jit_compile == "auto":
            jit_compile = not run_eagerly and not several
        with self.distribute_strategy.scope():
            super().compile(
                optimizer=optimizer,
                steps_per_execution=1 if steps_per_execution == "auto" else steps_per_execution,
                jit_compile=jit_compile,
                run_eagerly=run_eagerly,
                auto_scale_loss=False,  # energies and their gradients are float32 already
            )
            if self.built:
                self.optimizer.build(self.trainable_variables)
        if several:
            replicas.apply_alike(optimizer)

    def get_compile_config(self) -> dict:
        if not self.compiled:
            return {}
        return {"optimizer": keras.optimizers.serialize(self.optimizer), **self._compile_arguments}

    def compile_from_config(self, config: dict) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        *,
        sample_weight: Any = None,
        validation_data: Any = None,
        validation_split: float = 0.0,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`. `y` is looked at if there are label units only; `sample_weight` counts without it.

        Arrays of up to 1 GiB lie on the device while they are learned from. Values that cost a product only to be
        logged (reconstruction error, pseudo-likelihood) are, while a larger machine trains, of one batch in eight.

        Raises:
            ValueError: if data are empty, of the wrong shape or outside the units' domain, or labels are no classes:
                before the first step for arrays and for the first batch of a dataset, at the end of the launch that
                meets it otherwise (the parameters are then those of the step before).
            FloatingPointError: if gradients are not finite any more (the update is skipped).
        """
        self._assert_compile_called("fit")
        if kwargs.get("class_weight") is not None:
            raise ValueError("`class_weight` needs labels, which are not looked at here. Use `sample_weight`.")
        if batch_size is not None:
            positive_integer(batch_size, "batch_size")
        if isinstance(validation_split, str) or not 0 <= (validation_split or 0.0) < 1:
            raise ValueError(f"`validation_split` must be in [0, 1). Received: validation_split={validation_split!r}")
        x, y, sample_weight = self._checked(x, y, sample_weight)
        if validation_data is not None:
            unpacked = keras.utils.unpack_x_y_sample_weight(validation_data)
            validation_data = self._checked(*unpacked)
        elif validation_split:
            (x, y, sample_weight), validation_data = _split(x, y, sample_weight, validation_split)
        if not checks.is_array(x) and (not isinstance(x, keras.utils.PyDataset) or self._num_workers > 1):
            kwargs.setdefault("shuffle", False)  # else Keras warns that it cannot, or workers differ
        feed = None
        if steps_per_epoch is None:
            feed = self._resident(x, y, sample_weight, batch_size or 32, kwargs.get("shuffle", True))
        self._settle_steps_per_execution(feed, x, batch_size or 32, steps_per_epoch)
        if feed is None and checks.is_array(x) and self._num_workers > 1:
            x = self._in_one_order((x, y, sample_weight), batch_size or 32, kwargs.get("shuffle", True))
            y, sample_weight, batch_size, kwargs["shuffle"] = None, None, None, False
        steps = self.steps_per_execution
        self._train_feed = Stream(steps) if feed is None else feed
        if validation_data is not None:
            validation_data = self._validation(validation_data, kwargs, batch_size)
        if feed is not None:
            x, y, sample_weight, batch_size = feed.launches(steps, self._distribute_strategy), None, None, None
            steps_per_epoch, kwargs["shuffle"] = feed.num_steps, False
        self._faults.clear()
        replicas.agree(self.distribute_strategy, [*self.variables, *self.optimizer.variables])
        try:
            return super().fit(
                x,
                y,
                batch_size,
                epochs,
                verbose,
                last_in_line(callbacks),
                sample_weight=sample_weight,
                validation_data=validation_data,
                steps_per_epoch=steps_per_epoch,
                **kwargs,
            )
        finally:
            self._train_feed, self._test_feed = Stream(), Stream()

    # --- many steps a launch

    def _resident(self, x: Any, y: Any, sample_weight: Any, batch_size: int, shuffle: Any) -> Resident | None:
        """Data that are taken on the device, if they can be."""
        if not self._by_launches:
            return None
        if not checks.is_array(x):
            return attached(x)
        if not isinstance(shuffle, bool):
            return None
        if tf.as_dtype(x.dtype).size > tf.as_dtype(self.state_dtype).size:
            x = tf.cast(x, self.state_dtype)
        return Resident((x, y if self._looks_at_labels else None, sample_weight), batch_size, shuffle, checked=True)

    @property
    def _num_workers(self) -> int:
        """How many processes learn together."""
        return replicas.num_workers(self.distribute_strategy)

    def _in_one_order(self, cases: Cases, batch_size: int, shuffle: bool) -> tf.data.Dataset:
        """Batches of arrays, in an order that is the same on all workers."""
        (seed,) = replicas.of_first(self.distribute_strategy, [np.array(random.randrange(2**31))])
        arrays = tuple(a for a in cases if a is not None)
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return pipelines.array_batches(arrays, batch_size, int(seed), shuffle).with_options(options)

    @property
    def _looks_at_labels(self) -> bool:
        """Whether what comes with the inputs is learned from."""
        return bool(self._num_classes)

    def _settle_steps_per_execution(
        self, feed: Resident | None, x: Any, batch_size: int, steps_per_epoch: int | None
    ) -> None:
        """`"auto"`: as many steps a launch as are worth it; if the epoch's are given, so many as divide them."""
        if self._compile_arguments["steps_per_execution"] != "auto" or self.run_eagerly:
            return
        most = MOST_STREAMED_STEPS
        if not self._in_launches and self.distribute_strategy.num_replicas_in_sync > 1:
            num_steps = 1  # Keras's loop over steps does not run on replicas
        elif feed is not None:
            num_steps = feed.num_steps
            frames = math.prod(feed.cases[0].shape[1:-1])
            most = min(MOST_STEPS, max(1, int(MOST_WORK / (feed.batch_size * frames * self._work()))))
        elif steps_per_epoch is not None:
            num_steps = steps_per_epoch
        elif checks.is_array(x):
            num_steps = -(-len(x) // batch_size)
        else:
            num_steps = int(x.cardinality()) if isinstance(x, tf.data.Dataset) else -1
        steps = steps_a_launch(num_steps, most, whole=steps_per_epoch is not None or not self._in_launches)
        if steps != self.steps_per_execution:
            self.steps_per_execution = steps
            self.train_function = self.test_function = None

    def _validation(self, data: tuple[Any, Any, Any], options: dict[str, Any], batch_size: int | None) -> Any:
        """What Keras goes through for validation, of checked `data`; `options` are those of `fit`."""
        steps = self.steps_per_execution
        feed = None
        if options.get("validation_steps") is None:
            feed = self._resident(*data, options.get("validation_batch_size") or batch_size or 32, False)
        self._test_feed = Stream(steps) if feed is None else feed
        if feed is None:
            return keras.utils.pack_x_y_sample_weight(*data)
        options |= {"validation_steps": feed.num_steps, "validation_batch_size": None}
        return (feed.launches(steps, self._distribute_strategy),)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`; returns what `fit` logs, and raises what `fit` raises."""
        self._assert_compile_called("evaluate")
        if kwargs.get("_use_cached_eval_dataset"):
            with self.set_aside("evaluate"):
                return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)
        x, y, sample_weight = self._checked(x, y, sample_weight)
        feed = None
        if kwargs.get("steps") is None and not args:
            feed = self._resident(x, y, sample_weight, kwargs.get("batch_size") or 32, False)
        self._settle_steps_per_execution(feed, x, kwargs.get("batch_size") or 32, kwargs.get("steps"))
        self._test_feed = Stream(self.steps_per_execution) if feed is None else feed
        if feed is not None:
            x, y, sample_weight = feed.launches(self.steps_per_execution, self._distribute_strategy), None, None
            kwargs |= {"batch_size": None, "steps": feed.num_steps}
        try:
            with self.set_aside("evaluate"):
                return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)
        finally:
            self._test_feed = Stream()

    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.train_on_batch`, with the checks of `fit`."""
        self._assert_compile_called("train_on_batch")
        return super().train_on_batch(*self._checked(x, y, sample_weight), **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.test_on_batch`, with the checks of `fit`."""
        self._assert_compile_called("test_on_batch")
        checked = self._checked(x, y, sample_weight)
        with self.set_aside("evaluate"):
            return super().test_on_batch(*checked, **kwargs)

    def _checked(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Data that can be trained on, with the machine built for them; `y` is filled in where weights need it."""
        if checks.is_array(x):
            x, y = self._checked_arrays(x, y)
            if sample_weight is not None:
                sample_weight = checks.checked_weights(sample_weight, len(x))
                y = np.zeros(len(x), "float32") if y is None else y  # Keras drops weights that come without `y`
        elif isinstance(x, (tf.data.Dataset, keras.utils.PyDataset, Iterator)):
            batch, labels, x = pipelines.first_batch(x)
            self._checked_arrays(batch, labels)
            if self._num_workers > 1 and isinstance(x, tf.data.Dataset) and attached(x) is None:
                x = pipelines.for_workers(x, self._num_workers)
        else:
            raise TypeError(
                "Data must be an array, a tf.data.Dataset, a keras.utils.PyDataset or a generator. "
                f"Received: {type(x).__name__}"
            )
        with self.distribute_strategy.scope():
            if self._faults is None:  # made now: XLA makes no variables in a step
                rules = Rules(self.visible, self._missing, self._num_classes)
                self._faults = FaultRecord(rules, self.state_dtype)
            if self.compiled and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
        replicas.check_mirrored(self, self.distribute_strategy)
        return x, y, sample_weight

    def _checked_arrays(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Inputs, and what comes with them if it is looked at."""
        x = self._checked_rows(x, self._missing)
        if self._num_classes:
            y = checks.checked_labels(y, len(x), self._num_classes)
        return x, y

    def _checked_rows(self, x: Any, missing: int | None = None) -> np.ndarray | tf.Tensor:
        """Rows of data, in the domain of the visible units of this learner, which is built for them if need be."""
        x = checks.as_array(x, self._shape_error)
        if not self.built:
            with self.distribute_strategy.scope():
                self.build((None, *x.shape[1:]))
        x = self._in_rows(x)
        checks.check_domain(x, self.visible, self.state_dtype, missing)
        return x

    # --- steps

    def _unpack(self, data: Any) -> Batch:
        v, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        v = self._as_states(v)
        weights = tf.ones(tf.shape(v)[:1], v.dtype) if weights is None else tf.cast(weights, v.dtype)
        return Batch(v, weights, checks.as_classes(y) if self._num_classes else None)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        return self._train_step(data)

    def _train_step(self, data: Any, watch: tf.Tensor | None = None, checked: bool = False) -> dict[str, tf.Tensor]:
        """`train_step`, which logs all values if it is told to `watch`, as it is by default.

        Args:
            checked: whether all data were looked at before.
        """
        batch = self._unpack(data)._replace(checked=checked)
        result = self._gradients(batch)
        watched = result.watched() if watch is None else _values_if(watch, result.watched, batch.weights)
        gradients = self._with_penalties(result.gradients)
        # All that is read of the parameters comes before they change, or a copy of them would be made.
        step_ok = self._faults.note(batch, [*gradients, *result.values.values(), *watched.values()])
        kept = [*self._undone_weights(), *self.optimizer.variables]
        before = [tf.convert_to_tensor(variable) for variable in kept]
        self.optimizer.apply(gradients, self.trainable_variables)
        result.commit()
        for variable, value in zip(kept, before, strict=True):
            variable.assign(tf.where(step_ok, variable, value))
        counted = batch.weights if watch is None else batch.weights * tf.cast(watch, batch.weights.dtype)
        return {**self._track(result.values, batch.weights), **self._track(watched, counted)}

    def _undone_weights(self) -> list[keras.Variable]:
        """What is as it was before a step in which there is a fault: all but what a layer says it can keep."""
        others = [layer.weights for layer in self._flatten_layers() if not getattr(layer, "undoes", True)]
        kept = {id(variable) for weights in others for variable in weights}
        return [variable for variable in self.weights if id(variable) not in kept]

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        return self._test_step(data)

    def _test_step(self, data: Any, watch: tf.Tensor | None = None, checked: bool = False) -> dict[str, tf.Tensor]:
        batch = self._unpack(data)._replace(checked=checked)
        self._faults.note(batch, [])
        return self._track(self._validation_values(batch), batch.weights)

    def _with_penalties(self, gradients: list[tuple[keras.Variable, tf.Tensor]]) -> list[tf.Tensor]:
        """Gradients in the order of `trainable_variables`, those of regularizers added: they are never centred."""
        by_id = {id(variable): gradient for variable, gradient in gradients}
        variables = self.trainable_variables
        own = [by_id.get(id(variable), tf.zeros_like(variable)) for variable in variables]
        with tf.GradientTape() as tape:
            losses = [v.regularizer(v) for v in variables if v.regularizer is not None]
            penalty = tf.add_n([tf.cast(loss, self.state_dtype) for loss in losses]) if losses else None
        if penalty is None:
            return own
        extra = tape.gradient(penalty, [v.value for v in variables], unconnected_gradients="zero")
        return [a + tf.cast(b, a.dtype) for a, b in zip(own, extra, strict=True)]

    def _track(self, values: dict[str, tf.Tensor], weights: tf.Tensor) -> dict[str, tf.Tensor]:
        trackers = {name: tracker for name, tracker in self._all_trackers.items() if name in values}
        for name, tracker in trackers.items():
            tracker.update_state(values[name], sample_weight=weights)
        return {name: tracker.result() for name, tracker in trackers.items()}

    @property
    def _all_trackers(self) -> dict[str, keras.metrics.Mean]:
        return {"loss": self._loss_tracker, **self._trackers}

    @property
    def _by_launches(self) -> bool:
        """Whether this class, not Keras, iterates steps: always but eagerly, and where a subclass has its own."""
        return self._in_launches and (self._distribute_strategy is not None or not self.run_eagerly)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing: what `fit` has looked at it has built for, and Keras's way fails where replicas differ."""

    def make_train_function(self, force: bool = False) -> Any:
        if self.train_function is None or force:
            if self._by_launches:
                launches = self._launches(self._train_step)
                self.train_function = lambda iterator: launches.run(self._train_feed, iterator)
            else:
                super().make_train_function(force)
            self.train_function = self._raising(self.train_function)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        if self.test_function is None or force:
            if self._by_launches:
                launches = self._launches(self._test_step)
                self.test_function = lambda iterator: launches.run(self._test_feed, iterator)
            else:
                super().make_test_function(force)
            self.test_function = self._raising(self.test_function)
        return self.test_function

    def _launches(self, step: Callable[..., dict[str, tf.Tensor]]) -> Launches:
        def logs(names: list[str]) -> dict[str, tf.Tensor]:
            return {name: self._all_trackers[name].result() for name in names}

        options = self.jit_compile, self.run_eagerly, self._distribute_strategy
        return Launches(step, self._work(), lambda: self._faults.none, logs, self._draws, *options)

    def _raising(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(iterator: Any) -> Any:
            logs = function(iterator)
            self._faults.raise_first(self.optimizer)
            return logs

        return run


def _values_if(
    there: tf.Tensor, values: Callable[[], dict[str, tf.Tensor]], weights: tf.Tensor
) -> dict[str, tf.Tensor]:
    """`values`, or zeros of the shape of `weights`."""
    names: list[str] = []

    def known() -> list[tf.Tensor]:
        found = values()
        names[:] = found
        return list(found.values())

    tensors = tf.cond(there, known, lambda: [tf.zeros_like(weights)] * len(names))
    return dict(zip(names, tensors, strict=True))


def _split(x: Any, y: Any, sample_weight: Any, fraction: float) -> tuple[tuple, tuple]:
    """The first cases, and the last ones, so large a part of all.

    Raises:
        ValueError: if these are no arrays, or no case would be left on a side.
    """
    if not checks.is_array(x):
        raise ValueError(
            "`validation_split` is for arrays. "
            f"Received: validation_split={fraction} of a {type(x).__name__}. Give validation_data."
        )
    at = math.floor(len(x) * (1 - fraction))
    if not 0 < at < len(x):
        raise ValueError(
            "`validation_split` must leave cases on both sides. "
            f"Received: validation_split={fraction} of {len(x)} cases"
        )
    parts = [(a, a) if a is None else (a[:at], a[at:]) for a in (x, y, sample_weight)]
    return tuple(first for first, _ in parts), tuple(last for _, last in parts)
