"""How every machine learns: checked data, guarded updates, defaults that are fast."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.arguments import positive_integer
from keras_rbm.models import data as checks
from keras_rbm.units import Unit

#: Most training steps between two returns to Python, by default: measured in benchmarks/train_step.py.
_MOST_STEPS = 32


class Lesson(NamedTuple):
    """What one batch teaches: values to log (a case each), gradients by variable, and what to keep of the step."""

    values: dict[str, tf.Tensor]
    gradients: list[tuple[keras.Variable, tf.Tensor]]
    keep: Callable[[], None]


def weighted_mean(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mean over the batch, `(batch,)` to a scalar or `(batch, n)` to `(n,)`; all weights `(batch,)` 0 give 0."""
    share = tf.math.divide_no_nan(weights, tf.reduce_sum(weights))
    return tf.tensordot(share, x, 1)


class Learner(keras.Model):
    """A `keras.Model` whose training step asks a subclass what a batch teaches, and takes only sound lessons.

    A subclass has `visible` (its visible units), builds itself, and answers `lesson(v, weights, y)`.
    """

    #: How many label units there are: with some, the learner learns from labels too.
    num_classes: int = 0
    #: Gibbs sweeps that draw missing values; 0 if no value may be missing.
    missing_steps: int = 0
    #: What is said of a batch with unsound weights.
    weights_error = "`sample_weight` must be finite and not negative. Received: a batch where one is not"

    built: bool
    steps_per_execution: int
    train_function: Any
    test_function: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self._trackers: dict[str, keras.metrics.Mean] = {}

    # --- what a subclass answers

    @property
    @abstractmethod
    def visible(self) -> Unit:
        """The visible units."""

    @abstractmethod
    def lesson(self, v: tf.Tensor, weights: tf.Tensor, y: tf.Tensor | None = None) -> Lesson:
        """What a batch teaches at the present parameters.

        Args:
            v: states, `(batch, visible)`.
            weights: what each case counts, `(batch,)`.
            y: classes, int32, `(batch,)`, if there are label units.
        """

    def examination(self, v: tf.Tensor, weights: tf.Tensor, y: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """What `evaluate` logs of a batch, a value a case: by default what training logs."""
        return self.lesson(v, weights, y).values

    # --- states

    @property
    def state_dtype(self) -> str:
        """The dtype of states, fields and energies: float32 under every policy but float64."""
        return "float64" if self.variable_dtype == "float64" else "float32"

    def as_states(self, x: Any, width: int | None = None) -> tf.Tensor:
        """`x` as states `(batch, width)`; without a width, as visible states of a machine that is built if need be.

        Raises:
            ValueError: if the shape is another.
        """
        x = tf.cast(tf.convert_to_tensor(x), self.state_dtype)
        if x.shape.rank is not None:
            known = width or (self.visible.width if self.built else None)
            if error := checks.shape_error(x.shape, known):
                raise error
        if not self.built:
            if width:
                raise ValueError("A machine must be built before it goes down. Fit it, adapt it or call it on data.")
            self.build(tuple(x.shape))
        return x

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
            steps_per_execution: training steps between two returns to Python (progress bar, batch callbacks);
                `"auto"` is a divisor of the epoch's steps up to 32, or 1 when run eagerly.
            jit_compile: whether XLA compiles the step; `"auto"` is yes, except eagerly, under a distribution
                strategy, or where Keras says that XLA is not supported.
            run_eagerly: for debugging.
        """
        optimizer = keras.optimizers.get(optimizer)
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "Energies and their gradients are float32 under every policy, so no loss is scaled. "
                "Received: a LossScaleOptimizer. Give its inner optimizer."
            )
        self._compile_arguments = {
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "run_eagerly": run_eagerly,
        }
        if jit_compile == "auto":
            jit_compile = not run_eagerly and not tf.distribute.has_strategy()
        super().compile(
            optimizer=optimizer,
            steps_per_execution=1 if steps_per_execution == "auto" else steps_per_execution,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
            auto_scale_loss=False,  # energies and their gradients are float32 already
        )
        if self.built:
            self.optimizer.build(self.trainable_variables)

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
        *args: Any,
        sample_weight: Any = None,
        validation_data: Any = None,
        validation_split: float = 0.0,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`. `y` is looked at if there are label units only; `sample_weight` counts without it.

        Raises:
            ValueError: if data are empty, of the wrong shape or outside the units' domain, or labels are no classes:
                before the first step for arrays and for the first batch of a dataset, at the step that meets it
                otherwise (the parameters are then those of the step before).
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
            validation_data = keras.utils.pack_x_y_sample_weight(*self._checked(*unpacked))
        if not checks.is_array(x) and not isinstance(x, keras.utils.PyDataset):
            kwargs.setdefault("shuffle", False)  # else Keras warns that it cannot
        if steps_per_epoch is None and checks.is_array(x):
            num_steps = -(-int(len(x) * (1 - validation_split)) // (batch_size or 32))
        elif steps_per_epoch is None and isinstance(x, tf.data.Dataset):
            num_steps = int(x.cardinality())
        else:
            num_steps = steps_per_epoch or -1
        self._settle_steps_per_execution(num_steps)
        self._fault.assign(tf.zeros_like(self._fault))
        return super().fit(
            x,
            y,
            batch_size,
            *args,
            sample_weight=sample_weight,
            validation_data=validation_data,
            validation_split=validation_split,
            steps_per_epoch=steps_per_epoch,
            **kwargs,
        )

    def _settle_steps_per_execution(self, num_steps: int) -> None:
        """`"auto"`: as many steps as divide the epoch's, so that it ends where it should."""
        if self._compile_arguments["steps_per_execution"] != "auto" or self.run_eagerly:
            return
        if self.distribute_strategy.num_replicas_in_sync > 1:
            num_steps = 1  # TensorFlow's loop over steps does not run on replicas
        steps = max(n for n in range(1, _MOST_STEPS + 1) if num_steps % n == 0) if num_steps > 0 else 1
        if steps != self.steps_per_execution:
            self.steps_per_execution = steps
            self.train_function = self.test_function = None

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`; returns what `fit` logs, and raises what `fit` raises."""
        self._assert_compile_called("evaluate")
        if not kwargs.get("_use_cached_eval_dataset"):
            x, y, sample_weight = self._checked(x, y, sample_weight)
        return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)

    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.train_on_batch`, with the checks of `fit`."""
        self._assert_compile_called("train_on_batch")
        return super().train_on_batch(*self._checked(x, y, sample_weight), **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.test_on_batch`, with the checks of `fit`."""
        self._assert_compile_called("test_on_batch")
        return super().test_on_batch(*self._checked(x, y, sample_weight), **kwargs)

    def _checked(self, x: Any, y: Any, sample_weight: Any, labelled: bool = True) -> tuple[Any, Any, Any]:
        """Data that can be trained on, with the machine built for them; `y` is filled in where weights need it.

        Args:
            labelled: whether the labels are looked at, if there are label units.
        """
        if checks.is_array(x):
            x, y = self._checked_arrays(x, y, labelled)
            if sample_weight is not None:
                sample_weight = checks.checked_weights(sample_weight, len(x))
                y = np.zeros(len(x), "float32") if y is None else y  # Keras drops weights that come without `y`
        elif isinstance(x, (tf.data.Dataset, keras.utils.PyDataset, Iterator)):
            batch, labels, x = checks.first_batch(x)
            self._checked_arrays(batch, labels, labelled)
        else:
            raise TypeError(
                "Data must be an array, a tf.data.Dataset, a keras.utils.PyDataset or a generator. "
                f"Received: {type(x).__name__}"
            )
        with self.distribute_strategy.scope():
            if not hasattr(self, "_fault"):
                # Code, then the row at fault. Not a Keras variable: it is no part of what is saved.
                self._fault = tf.Variable(tf.zeros(1 + self.visible.width, self.state_dtype), trainable=False)
            if self.compiled and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)  # not in the step: XLA makes no variables
        return x, y, sample_weight

    def _checked_arrays(self, x: Any, y: Any, labelled: bool) -> tuple[Any, Any]:
        """Inputs, and what comes with them if it is looked at."""
        x = self._checked_rows(x, bool(self.missing_steps))
        if self.num_classes and labelled:
            y = checks.checked_labels(y, len(x), self.num_classes)
        return x, y

    def _checked_rows(self, x: Any, missing: bool = False) -> np.ndarray | tf.Tensor:
        """Rows of data, in the domain of the visible units of this learner, which is built for them if need be."""
        x = checks.as_rows(x, self.visible.width if self.built else None)
        if not self.built:
            with self.distribute_strategy.scope():
                self.build((None, x.shape[1]))
        checks.check_domain(x, self.visible, self.state_dtype, missing)
        return x

    # --- steps

    def _unpack(self, data: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        v, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        v = self.as_states(v)
        y = checks.as_classes(y) if self.num_classes else None
        return v, tf.ones(tf.shape(v)[:1], v.dtype) if weights is None else tf.cast(weights, v.dtype), y

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        v, weights, y = self._unpack(data)
        lesson = self.lesson(v, weights, y)
        gradients = self._with_penalties(lesson.gradients)
        # Beyond 1e15 the next overflow is near. A comparison with NaN is false; XLA's reduce_max would drop it.
        finite = tf.reduce_all([tf.reduce_all(tf.abs(x) < 1e15) for x in (*gradients, lesson.values["loss"])])
        sound = self._note_faults(v, weights, y, finite)

        def update() -> tf.Tensor:
            self.optimizer.apply(gradients, self.trainable_variables)
            lesson.keep()
            return sound

        if tf.distribute.has_strategy():  # replicas cannot meet inside a branch
            update()
        else:
            tf.cond(sound, update, lambda: sound)
        return self._track(lesson.values, weights)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        v, weights, y = self._unpack(data)
        self._note_faults(v, weights, y, tf.constant(True))
        return self._track(self.examination(v, weights, y), weights)

    def _with_penalties(self, gradients: list[tuple[keras.Variable, tf.Tensor]]) -> list[tf.Tensor]:
        """Gradients in the order of `trainable_variables`, those of regularizers added: they are never centred."""
        by_id = {id(variable): gradient for variable, gradient in gradients}
        variables = self.trainable_variables
        found = [by_id.get(id(variable), tf.zeros_like(variable)) for variable in variables]
        with tf.GradientTape() as tape:
            losses = [v.regularizer(v) for v in variables if v.regularizer is not None]
            penalty = tf.add_n([tf.cast(loss, self.state_dtype) for loss in losses]) if losses else None
        if penalty is None:
            return found
        extra = tape.gradient(penalty, [v.value for v in variables], unconnected_gradients="zero")
        return [a + tf.cast(b, a.dtype) for a, b in zip(found, extra, strict=True)]

    def _note_faults(self, v: tf.Tensor, weights: tf.Tensor, y: tf.Tensor | None, finite: tf.Tensor) -> tf.Tensor:
        """Whether this step and all before it were sound; the first fault stays on record."""
        good_rows = checks.in_domain(self.visible, v, bool(self.missing_steps))
        good_labels = tf.ones_like(good_rows) if y is None else (y >= 0) & (y < self.num_classes)
        tests = [good_rows, good_labels, (weights >= 0) & tf.math.is_finite(weights), finite[None]]
        code = tf.zeros((), v.dtype)
        for number, test in enumerate(reversed(tests), 1):
            code = tf.where(tf.reduce_all(test), code, tf.cast(number, v.dtype))
        # The first row at fault, or the last one.
        places = tf.range(tf.shape(v)[0])
        first = tf.reduce_min(tf.where(good_rows & good_labels, tf.shape(v)[0] - 1, places))
        fault = tf.concat([code[None], tf.gather(v, first)], 0)
        fault = tf.where(self._fault[0] > 0, self._fault, fault)
        self._fault.assign(fault)
        return tf.equal(fault[0], 0)

    def _raise_fault(self) -> None:
        code, *row = self._fault.numpy()
        if code == 0:
            return
        self._fault.assign(tf.zeros_like(self._fault))
        if code == 4:
            raise checks.domain_error(self.visible, np.array([row]), bool(self.missing_steps))
        if code == 3:
            raise ValueError(f"Labels must be integers from 0 to {self.num_classes - 1}. Received: a batch with others")
        if code == 2:
            raise ValueError(self.weights_error)
        raise FloatingPointError(
            "Training diverged: gradients are not finite. The parameters are those before that update. Lower the "
            f"learning rate (now {float(self.optimizer.learning_rate):g}), clip gradients (clipnorm=...), or, for "
            "Gaussian units, standardise the data."
        )

    def _track(self, values: dict[str, tf.Tensor], weights: tf.Tensor) -> dict[str, tf.Tensor]:
        trackers = {"loss": self._loss_tracker, **self._trackers}
        trackers = {name: tracker for name, tracker in trackers.items() if name in values}
        for name, tracker in trackers.items():
            tracker.update_state(values[name], sample_weight=weights)
        return {name: tracker.result() for name, tracker in trackers.items()}

    def make_train_function(self, force: bool = False) -> Any:
        if self.train_function is None or force:
            super().make_train_function(force)
            self.train_function = self._raising(self.train_function)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = self._raising(self.test_function)
        return self.test_function

    def _raising(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(iterator: Any) -> Any:
            logs = function(iterator)
            self._raise_fault()
            return logs

        return run
