"""Sequences: an RBM a frame, whose biases a recurrent network sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import export, progress, replicas, samplers
from keras_rbm.arguments import positive_integer
from keras_rbm.checkpoints import of_stage
from keras_rbm.export import Endpoint, counts
from keras_rbm.formats import CONVERTED
from keras_rbm.likelihood.pseudo import one_flip
from keras_rbm.models.rbm import RBM, with_zero_gradients
from keras_rbm.models.sequence import frame_steps
from keras_rbm.models.sequence.forecast import Forecast
from keras_rbm.models.sequence.frame_rbms import FrameRBMs
from keras_rbm.models.sequence.generator import Generator, Memory
from keras_rbm.models.sequence.learner import shape_error
from keras_rbm.random import RandomStream, spawned_seed
from keras_rbm.training.faults import Batch
from keras_rbm.training.learner import StepResult
from keras_rbm.training.means import mean, shares
from keras_rbm.types import (
    Array,
    Callbacks,
    Constraint,
    File,
    Initializer,
    OptimizerLike,
    Regularizer,
    SamplerLike,
    UnitLike,
    Verbose,
)
from keras_rbm.units import Unit


@keras.saving.register_keras_serializable("keras_rbm")
class RNNRBM(Generator):
    """An RNN-RBM: a sequence model whose frames `v_t` are distributed as RBMs that share weights, with biases set by
    the past.

        b_t = b + u_{t-1} . w_uv        c_t = c + u_{t-1} . w_uh        u_0 = 0
        u_t = recurrence(v_t, u_{t-1})
        p(v_t | v_1 ... v_{t-1}) = the RBM with weights w_rec and biases b_t, c_t

    It learns from sequences `(batch, time, visible)` by the gradient of `mean F_t(v_t) - mean F_t(samples)` through
    time: one pass of the recurrence, then a few Gibbs sweeps from all frames of the batch at once. As a layer it maps
    sequences to the means of the hidden units at each frame, `(batch, time, units)`.

    Logs of `fit`, means over the frames that are not padding: `loss` (free-energy difference, nats a frame: a signal,
    not a measure of quality), `reconstruction_error` (nats a frame, or squared error) and, for visible units with two
    states, `pseudo_log_likelihood` (nats a frame).

    Args:
        units: number of hidden units of the RBM.
        recurrent: a Keras RNN layer (`SimpleRNN`, `LSTM`, `GRU`, `RNN` over any cell), a list of such, from the lowest
            up, or a number: of units of a `SimpleRNN`. Layers are told to return sequences and states.
        visible, hidden: kinds of units, as in `RBM`.
        sampler: `"cd"` or a `samplers.CD`. Others are refused: a persistent chain would belong to no frame's RBM.
        kernel_initializer, kernel_regularizer, kernel_constraint: of `w_rec`, as in `RBM`.
        seed: rules initial weights (those of layers given have seeds of their own) and all sampling.

    Raises:
        ValueError: for a sampler with persistent chains, layers that look into the future, or as `RBM` does.
        TypeError: if `recurrent` has no Keras RNN layers.

    Example:

    ```python
    model = keras_rbm.RNNRBM(150, recurrent=keras.layers.LSTM(100), sampler=keras_rbm.samplers.CD(15), seed=0)
    x, mask = keras_rbm.datasets.subsequences(rolls, max_frames=100)
    model.adapt(x, mask)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0))
    model.fit(x, mask, batch_size=16, epochs=100)
    model.generate(200, num_sequences=2)
    ```

    Reference:
        Boulanger-Lewandowski, Bengio & Vincent, 2012, "Modeling temporal dependencies in high-dimensional sequences"
    """

    rbm: RBM

    def __init__(
        self,
        units: int,
        recurrent: Any = 100,
        visible: UnitLike = "bernoulli",
        hidden: UnitLike = "bernoulli",
        sampler: SamplerLike = "cd",
        kernel_initializer: Initializer = None,
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        sampler = samplers.get(sampler)
        if not isinstance(sampler, samplers.CD):
            raise ValueError(
                "Each frame has an RBM of its own, and a persistent chain would belong to none of them. Received: "
                f"sampler={type(sampler).__name__}. Use samplers.CD(num_steps=15), which starts from the frames."
            )
        self.rbm = RBM(
            units,
            visible=visible,
            hidden=hidden,
            sampler=sampler,
            centered=False,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            kernel_constraint=kernel_constraint,
            seed=seed,
            dtype=self.dtype_policy,
            name="rbm",
        )
        self.units, self.seed = self.rbm.units, self.rbm.seed
        self.recurrent = self._recurrence(recurrent)
        self._trackers = {
            name: keras.metrics.Mean(name)
            for name in ("reconstruction_error", "pseudo_log_likelihood")[: 1 + self.visible.is_binary]
        }

    def _recurrence(self, recurrent: Any) -> list[keras.layers.Layer]:
        """The layers that `recurrent` means."""
        if isinstance(recurrent, (int, np.integer)):
            recurrent = keras.layers.SimpleRNN(
                positive_integer(recurrent, "recurrent"),
                kernel_initializer=keras.initializers.GlorotUniform(spawned_seed(self.seed, "kernel")),
                recurrent_initializer=keras.initializers.Orthogonal(seed=spawned_seed(self.seed, "recurrent_kernel")),
                dtype=self.dtype_policy,
            )
        layers = []
        for layer in recurrent if isinstance(recurrent, (list, tuple)) else [recurrent]:
            layer = keras.saving.deserialize_keras_object(layer) if isinstance(layer, dict) else layer
            if not isinstance(layer, keras.layers.RNN):
                raise TypeError(
                    "`recurrent` must be a number of units, or Keras RNN layers: SimpleRNN, LSTM, GRU or RNN. "
                    f"Received: {type(layer).__name__}"
                )
            if layer.go_backwards or layer.stateful:
                raise ValueError(
                    "A recurrence goes forward, and its state is kept by `generate` and `memory_after`. Received: a "
                    f"layer with go_backwards={layer.go_backwards}, stateful={layer.stateful}"
                )
            layer.return_sequences = layer.return_state = True
            layer.zero_output_for_mask = False
            if hasattr(layer, "use_cudnn"):  # which knows no gaps, and not XLA
                layer.use_cudnn, layer.supports_jit = False, True
            layers.append(layer)
        if not layers:
            raise ValueError("`recurrent` must name at least one layer. Received: none")
        return layers

    @property
    def visible(self) -> Unit:
        """The visible units, which own the constant part of the visible bias."""
        return self.rbm.visible

    @property
    def hidden(self) -> Unit:
        """The hidden units, which own the constant part of the hidden bias."""
        return self.rbm.hidden

    @property
    def _draws(self) -> RandomStream:
        return self.rbm.stream

    def build(self, input_shape: Any) -> None:
        if self.built:
            return
        if error := shape_error(input_shape, None):
            raise error
        width = int(input_shape[-1])
        self.rbm.build((None, width))
        shape: tuple = (None, None, self._recurrent_width)
        for layer in self.recurrent:
            if not layer.built:
                layer.build(shape)
            shape = layer.compute_output_shape(shape)[0]
        for name, to in (("w_uv", width), ("w_uh", self.units)):
            normal = keras.initializers.RandomNormal(stddev=0.01, seed=spawned_seed(self.seed, name))
            setattr(self, name, self.add_weight(shape=(shape[-1], to), initializer=normal, name=name))
        self.built = True

    # --- the past

    @property
    def _recurrent_width(self) -> int:
        """Width of what the recurrence is fed."""
        return self.visible.width

    @property
    def _recurrent_variables(self) -> list:
        """What is trained of the recurrence alone."""
        return [variable for layer in self.recurrent for variable in layer.trainable_variables]

    def _recurrent_input(self, v: tf.Tensor) -> tf.Tensor:
        """What the recurrence is fed at frames `v` `(batch, time, visible)`."""
        return v

    def _blank(self, num_sequences: Any) -> Memory:
        states = [layer.get_initial_state(num_sequences) for layer in self.recurrent]
        states = [list(state) if isinstance(state, (list, tuple)) else [state] for state in states]
        return Memory(tf.zeros((num_sequences, self.w_uv.shape[0]), self.state_dtype), states)

    def _recur(
        self, v: tf.Tensor, mask: tf.Tensor | None, memory: Memory, training: bool = False
    ) -> tuple[tf.Tensor, Memory]:
        x, states = self._recurrent_input(v), []
        for layer, state in zip(self.recurrent, memory.states, strict=True):
            x, *state = layer(x, mask=mask, initial_state=state, training=training)
            states.append(state)
        u = tf.cast(x, self.state_dtype)
        if mask is not None:  # Keras puts out zeros before the first frame
            begun = tf.cumsum(tf.cast(mask, tf.int32), 1) > 0
            u = tf.where(begun[..., None], u, memory.output[:, None])
        before = tf.concat([memory.output[:, None], u[:, :-1]], 1)
        return before, Memory(u[:, -1], states)

    def _biases(self, u: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`b_t` and `c_t` where the recurrence's output at the frame before is `u` `(..., recurrent units)`."""
        pairs = (self.visible.bias, self.w_uv), (self.hidden.bias, self.w_uh)
        b, c = (tf.cast(bias, u.dtype) + tf.tensordot(u, tf.cast(kernel, u.dtype), 1) for bias, kernel in pairs)
        return b, c

    def frame_biases(self, v: Array, mask: Array | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """The biases of each frame's RBM, which the frames before it set.

        Args:
            v: sequences, `(batch, time, visible)`.
            mask: booleans, `(batch, time)`, False where a frame is padding.

        Returns:
            `(batch, time, visible)` and `(batch, time, units)`.
        """
        v, mask = self._as_sequences(v, mask)
        return self._biases(self._before(v, mask))

    def _frame_rbms(self, u: tf.Tensor) -> FrameRBMs:
        b, c = self._biases(tf.reshape(u, (-1, u.shape[-1])))
        return FrameRBMs(self.rbm, b, c)

    # --- as a layer

    def encode(self, v: Array, mask: Array | None = None) -> tf.Tensor:
        """Means of the hidden units at each frame of `v` `(batch, time, visible)`, `(batch, time, units)`."""
        v, mask = self._as_sequences(v, mask)
        u = self._before(v, mask)
        means = self.hidden.mean(self._frame_rbms(u).hidden_field(tf.reshape(v, (-1, v.shape[-1]))))
        return tf.reshape(means, tf.concat([tf.shape(v)[:2], [self.units]], 0))

    def call(self, inputs: Array, mask: Array | None = None) -> tf.Tensor:
        h = self.encode(inputs, mask)
        unused = [self.visible.bias, *self.visible.other_parameters, self.w_uv]
        return tf.cast(with_zero_gradients(h, *(tf.convert_to_tensor(u) for u in unused)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (*input_shape[:2], self.units)

    # --- learning

    def _gradients(self, batch: Batch) -> StepResult:
        return self._frame_gradients(batch, training=True)

    def _validation_values(self, batch: Batch) -> dict[str, tf.Tensor]:
        return self._frame_gradients(batch, training=False).all_values

    def _frame_gradients(self, batch: Batch, training: bool) -> StepResult:
        v, weights, variables = batch.rows, tf.reshape(batch.weights, [-1]), self.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch([variable.value for variable in variables])
            u, _ = self._recur(batch.v, batch.mask, self._blank(tf.shape(batch.v)[0]), training)
            rbms = self._frame_rbms(u)
            hidden_input = rbms.hidden_input(v)
            field = rbms._hidden_field_of(hidden_input)
            with tape.stop_recording():
                samples = self.rbm.sampler.negative_phase(rbms, v, weights, hidden_input)
            losses = rbms._free_energy_of(v, field) - rbms.free_energy(samples.v)
            loss = mean(losses, *shares(weights))
        gradients = tape.gradient(loss, [x.value for x in variables], unconnected_gradients="zero")
        gradients = replicas.summed(gradients)

        def watched() -> dict[str, tf.Tensor]:
            values = {"reconstruction_error": rbms._reconstruction_error_of(v, field)}
            if "pseudo_log_likelihood" in self._trackers:
                values["pseudo_log_likelihood"] = one_flip(rbms, v, field, self.rbm.stream)
            return {name: tf.reshape(value, tf.shape(batch.weights)) for name, value in values.items()}

        values = {"loss": tf.reshape(losses, tf.shape(batch.weights))}
        return StepResult(values, list(zip(variables, gradients, strict=True)), watched=watched)

    def adapt(self, x: Any, mask: Array | None = None) -> None:
        """Sets the visible bias (and the precision of real units, unless it was given) from the frames' moments.

        Args:
            x, mask: arrays, as in `fit`.

        Raises:
            ValueError: as `fit` does.
        """
        x, mask = self._checked_sequences(x, mask)
        self.rbm.adapt(np.asarray(x)[mask])

    def pretrain(
        self,
        x: Any,
        mask: Array | None = None,
        epochs: int = 10,
        recurrent_epochs: int = 10,
        optimizer: OptimizerLike = "adam",
        batch_size: int = 100,
        recurrent_batch_size: int = 32,
        verbose: Verbose = "auto",
        callbacks: Callbacks | None = None,
        **kwargs: Any,
    ) -> list[keras.callbacks.History]:
        """Trains the RBM on single frames, in any order, and then the recurrence, to predict frames from the biases
        that the past gives to the visible units alone. `fit` trains both together.

        Args:
            x, mask: arrays, as in `fit`.
            epochs, batch_size: of the RBM, which starts from the frames' means; batches of frames. 0 epochs leave a
                stage out.
            recurrent_epochs, recurrent_batch_size: of the recurrence; batches of sequences.
            optimizer: of both, each with a new copy.
            callbacks: of both; a `Checkpoint` has a folder for each inside its own.
            kwargs: given to both trainings' `fit`: shuffle.

        Returns:
            a `History` for each stage.

        Raises:
            ValueError: as `fit` does; before the first step.

        Reference:
            Boulanger-Lewandowski, Bengio & Vincent, 2012, "Modeling temporal dependencies in high-dimensional
            sequences"
        """
        for name in ("validation_data", "validation_split", "sample_weight"):
            if name in kwargs:
                raise ValueError(
                    f"Pretraining is on frames first and then on sequences, which share no `{name}`. Received: {name}. "
                    "Leave it out, or give it to `fit`."
                )
        for name, value in (("epochs", epochs), ("recurrent_epochs", recurrent_epochs)):
            if value != 0 or isinstance(value, bool):
                positive_integer(value, name)  # 0 is for none
        x, mask = self._checked_sequences(x, mask)
        config = keras.optimizers.serialize(keras.optimizers.get(optimizer))
        frames = np.asarray(x)[mask]
        self.rbm.adapt(frames)
        with self.distribute_strategy.scope():
            forecast = Forecast(self, [self.w_uv, *self._recurrent_variables])
        work = self.rbm.count_params(), self.count_params()
        stages = {
            "frames": progress.Stage(
                "The RBM, on single frames", epochs, work[0], "reconstruction_error", "error {:.2f} nats"
            ),
            "recurrence": progress.Stage(
                "The recurrence, on predicting frames", recurrent_epochs, work[1], "loss", "loss {:.2f} nats"
            ),
        }
        trainings: dict[str, tuple] = {
            "frames": (self.rbm, (frames, None), batch_size),
            "recurrence": (forecast, (x, mask), recurrent_batch_size),
        }
        histories, in_lines = [], verbose == "auto" and progress.is_watched()
        with progress.Job(stages) as job:
            for name, (learner, data, size) in trainings.items():
                if not stages[name].epochs:
                    continue
                if verbose and not in_lines:
                    print(stages[name].title)
                with self.distribute_strategy.scope():
                    learner.compile(keras.optimizers.deserialize(config))
                options = {"epochs": stages[name].epochs, "verbose": 0 if in_lines else verbose, **kwargs}
                own = [*of_stage(callbacks, name), *([job.watching(name)] if in_lines else [])]
                histories.append(learner.fit(*data, size, callbacks=own, **options))
        return histories

    # --- leaving

    def _endpoints(self) -> dict[str, Endpoint]:
        """What `export` writes, by name."""
        v = tf.TensorSpec((None, None, self.visible.width), tf.float32, name="v")
        number = counts("num_frames")
        ask = {
            "generate": lambda num_frames, num_sequences: self.generate(num_frames, None, num_sequences),
            "continue": self._continuation,
        }
        return {
            "encode": Endpoint(self.encode, [v], "h", ("litert",)),  # whose lists have rows of a known number
            "generate": Endpoint(ask["generate"], [*number, *counts("num_sequences")], "frames", CONVERTED),
            "continue": Endpoint(ask["continue"], [v, *number], "frames", CONVERTED),
            **frame_steps.endpoints(self),
        }

    def export(
        self,
        filepath: File,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        endpoints: Sequence[str] | None = None,
    ) -> None:
        """Writes this model's questions for places without Keras and this package.

        `encode(v)` takes sequences `(batch, time, visible)`. Frames are made anywhere: `start(memory, noise)` gives the
        states of a frame's chains, `gibbs(states, memory, noise)` the next ones, and `gibbs_clamped(states, memory,
        mask, values, noise)` those with units held; `remember(v, memory)` gives the memory after a frame `(batch,
        visible)`, and its hidden units' means. `memory` is zeros before the first frame; `noise` is uniform in [0, 1).

        In a SavedModel `generate(num_frames, num_sequences)` and `continue(v, num_frames)`, which returns the frames
        that follow, draw by themselves, 25 Gibbs steps a frame.

        Args:
            filepath, format, verbose, endpoints: as in `RBM.export`.

        Raises:
            ValueError: if the model is not built, or the format or an endpoint is unknown.
            ImportError: if what converts to the format is not installed.
        """
        export.write(self, filepath, format, endpoints)

    def get_config(self) -> dict:
        rbm = self.rbm.get_config()
        own = ("units", "visible", "hidden", "sampler", "seed")
        kernel = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
        return {**super().get_config(), **{name: rbm[name] for name in own + kernel}, **self._recurrent_config()}

    def _recurrent_config(self) -> dict:
        """What `get_config` says of the recurrence."""
        return {"recurrent": [keras.saving.serialize_keras_object(layer) for layer in self.recurrent]}
