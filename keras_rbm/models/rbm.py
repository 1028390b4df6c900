"""The restricted Boltzmann machine."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import samplers
from keras_rbm import units as unit_kinds
from keras_rbm.arguments import positive_integer
from keras_rbm.likelihood.pseudo import one_flip
from keras_rbm.models import data as checks
from keras_rbm.models.centering import balanced, centred, moved
from keras_rbm.models.learner import Lesson, weighted_mean
from keras_rbm.models.machine import Machine, as_count, gibbs_average
from keras_rbm.random import Draws, RandomStream
from keras_rbm.units.unit import as_dtype


def check_bounded(
    visible: unit_kinds.Unit, hidden: unit_kinds.Unit, kernel_constraint: Any, both_hidden: bool = False
) -> None:
    """Refuses two sides that have no partition function unless the weights between them stay small.

    Args:
        both_hidden: whether these are neighbours higher up in a deep machine.

    Raises:
        ValueError: if the states of both are unbounded and no constraint bounds the weights.
    """
    if not visible.bounded and not hidden.bounded and kernel_constraint is None:
        visible_kind, hidden_kind = (type(side).__name__ for side in (visible, hidden))
        raise ValueError(
            f"{visible_kind} {'' if both_hidden else 'visible '}and {hidden_kind} hidden units have no partition "
            "function unless the weights stay small. Received: unbounded states on both sides. Use hidden='bernoulli', "
            "or bound the weights by a kernel_constraint."
        )


@tf.custom_gradient
def with_zero_gradients(h: tf.Tensor, *unused: tf.Tensor) -> tuple:
    """`h`, whose gradient in the parameters that it does not depend on is zero, not missing: Keras warns of those."""
    return tf.identity(h), lambda dh: (dh, *(tf.zeros_like(u) for u in unused))


@keras.saving.register_keras_serializable("keras_rbm")
class RBM(Machine):
    """A restricted Boltzmann machine: a layer you can stack, a model you can fit.

        E(v, h) = base(v) - b . v + base(h) - c . h - v . w_rec . h
        F(v)    = base(v) - b . v - log_partition(c + v . w_rec)

    As a layer it maps visible states `(batch, visible)` to the means of its hidden units `(batch, units)`. As a model
    it learns by the gradient of `mean F(data) - mean F(samples of the model)`, samples that its `sampler` provides.

    Logs of `fit`: `loss` (free-energy difference, nats a case: a signal, not a measure of quality),
    `reconstruction_error` (of the data from the means of their hidden units: cross-entropy in nats a case, for Gaussian
    units squared error a case) and, for visible units with two states, `pseudo_log_likelihood` (nats a case).

    Args:
        units: number of hidden units.
        visible, hidden: kinds of units: `"bernoulli"`, `"gaussian"`, `"relu"`, `"spin"`, a config or a `Unit`. An
            object given to two models is shared by both, with its bias (save such models one by one: Keras does not
            restore units that are shared inside one file).
        sampler: `"cd"`, `"pcd"`, `"fast_pcd"`, `"parallel_tempering"`, a config or a `Sampler`.
        tied: whether the generative weights are the transposed recognition weights. `False` gives `w_gen` values of its
            own: a pair of conditionals, for wake-sleep inside a `DBN`, without energy.
        centered: whether to follow the centred gradient, which the data's and hidden units' means do not disturb.
        offset_rate: how fast those means move to the batch's, in (0, 1]; 1 takes each batch's own. The first steps
            average all batches so far.
        activity_regularizer: penalty on the batch mean of the hidden units' means, `(1, units)`: see
            `keras_rbm.regularizers.Sparsity`.
        kernel_initializer: `None` is a normal distribution of deviation 0.01, drawn with `seed`.
        kernel_regularizer, kernel_constraint: as in `keras.layers.Dense`.
        missing_steps: Gibbs sweeps that draw missing values, at least 1, if NaN in the data is to mean missing:
            learning then follows the likelihood of what was observed. 0 refuses NaN.
        seed: rules initial weights, chains and all sampling. `None` takes one from Python's generator.

    Raises:
        ValueError: for counts that are not positive, unknown names, or Gaussian or ReLU units on both sides without a
            `kernel_constraint` (their partition function diverges unless the weights stay small).

    Example:

    ```python
    rbm = keras_rbm.RBM(500, sampler="pcd", seed=0)
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.05))
    rbm.fit(x, batch_size=100, epochs=10)
    ```

    Reference:
        Hinton, 2002, "Training products of experts by minimizing contrastive divergence"; centring: Melchior, Fischer &
        Wiskott, 2016, "How to center deep Boltzmann machines".
    """

    def __init__(
        self,
        units: int,
        visible: Any = "bernoulli",
        hidden: Any = "bernoulli",
        sampler: Any = "cd",
        tied: bool = True,
        centered: bool = True,
        offset_rate: float = 0.01,
        activity_regularizer: Any = None,
        kernel_initializer: Any = None,
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        missing_steps: int = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, activity_regularizer=activity_regularizer, **kwargs)
        self.units = positive_integer(units, "units")
        self.stream = RandomStream(seed, name="stream")
        self._visible = unit_kinds.get(visible, dtype=self.dtype_policy, name="visible")
        self.hidden = unit_kinds.get(hidden, dtype=self.dtype_policy, name="hidden")
        check_bounded(self.visible, self.hidden, kernel_constraint)
        if missing_steps != 0 or isinstance(missing_steps, bool):
            positive_integer(missing_steps, "missing_steps")  # 0 is for none
        self.missing_steps = missing_steps
        if not 0 < offset_rate <= 1:
            raise ValueError(f"`offset_rate` must be in (0, 1]. Received: offset_rate={offset_rate!r}")
        self.sampler = samplers.get(sampler, dtype=self.dtype_policy, name="sampler")
        self.tied = tied
        self.centered = centered
        self.offset_rate = float(offset_rate)
        self.kernel_initializer = keras.initializers.get(
            keras.initializers.RandomNormal(stddev=0.01, seed=seed)
            if kernel_initializer is None
            else kernel_initializer
        )
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self._trackers = {"reconstruction_error": keras.metrics.Mean("reconstruction_error")}
        for name in self.sampler.log_names:
            self._trackers[name] = keras.metrics.Mean(name)
        if self.visible.is_binary:
            self._trackers["pseudo_log_likelihood"] = keras.metrics.Mean("pseudo_log_likelihood")

    @property
    def visible(self) -> unit_kinds.Unit:
        """The visible units, which own the visible bias."""
        return self._visible

    def build(self, input_shape: Any) -> None:
        if error := checks.shape_error(input_shape, self.visible.width if self.built else None):
            raise error
        if self.built:
            return
        num_visible = int(input_shape[1])
        self.visible.build((None, num_visible))
        self.hidden.build((None, self.units))
        options = {"regularizer": self.kernel_regularizer, "constraint": self.kernel_constraint}
        self.w_rec = self.add_weight(
            shape=(num_visible, self.units), initializer=self.kernel_initializer, name="w_rec", **options
        )
        if not self.tied:
            self._w_gen = self.add_weight(
                shape=(self.units, num_visible),
                initializer=lambda shape, dtype: tf.cast(tf.transpose(self.w_rec), dtype),
                name="w_gen",
                **options,
            )
        if self.centered:
            for name, width in (("visible_offset", num_visible), ("hidden_offset", self.units), ("offset_age", None)):
                offset = self.add_weight(
                    shape=() if width is None else (width,),
                    dtype=self.state_dtype,
                    initializer="zeros",
                    trainable=False,
                    aggregation="mean",
                    name=name,
                )
                setattr(self, name, offset)
        self.sampler.prepare(self)
        self.built = True

    def undirected(self) -> RBM:
        return self

    def ascend(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        return v, tf.zeros(tf.shape(v)[:1], v.dtype)

    def annealed(self) -> RBM:
        """The machine that annealing moves."""
        return self

    @property
    def w_gen(self) -> tf.Tensor:
        """The generative weights, `(units, visible)`: `w_rec` transposed where they are tied."""
        return tf.transpose(self.w_rec) if self.tied else self._w_gen

    # --- conditionals

    def hidden_field(self, v: tf.Tensor, beta: Any = 1.0) -> tf.Tensor:
        """`beta * (c + v . w_rec)`, `(batch, units)`."""
        return self.hidden.field(self.hidden_input(v), beta)

    def visible_field(self, h: tf.Tensor, beta: Any = 1.0, base_bias: Any = 0.0) -> tf.Tensor:
        """`(1 - beta) * base_bias + beta * (b + h . w_gen)`, `(batch, visible)`."""
        return self.visible.field(self.visible_input(h), beta, base_bias)

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        """What visible states bring to the hidden units' fields: `v . w_rec`, `(batch, units)`."""
        return self.product(v, self.w_rec)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        """What hidden states bring to the visible units' fields: `h . w_gen`, `(batch, visible)`."""
        return self.product(h, self.w_rec, True) if self.tied else self.product(h, self._w_gen)

    def product(self, x: tf.Tensor, kernel: Any, transpose: bool = False) -> tf.Tensor:
        """`x . kernel` in the policy's compute dtype; the result has the dtype of states."""
        dtype = self.compute_dtype
        return tf.cast(tf.matmul(tf.cast(x, dtype), tf.cast(kernel, dtype), transpose_b=transpose), x.dtype)

    def mean_h_from_v(self, v: Any, beta: Any = 1.0) -> tf.Tensor:
        """Means of the hidden units given `v` `(batch, visible)`, `(batch, units)`."""
        return self.hidden.mean(self.hidden_field(self.as_states(v), beta))

    def sample_h_from_v(self, v: Any, beta: Any = 1.0) -> tf.Tensor:
        """Hidden states drawn given `v` `(batch, visible)`, `(batch, units)`."""
        return self.hidden.sample(self.hidden_field(self.as_states(v), beta), self.stream)

    def mean_v_from_h(self, h: Any, beta: Any = 1.0) -> tf.Tensor:
        """Means of the visible units given `h` `(batch, units)`, `(batch, visible)`."""
        return self.visible.mean(self.visible_field(self.as_states(h, self.units), beta))

    def sample_v_from_h(self, h: Any, beta: Any = 1.0) -> tf.Tensor:
        """Visible states drawn given `h` `(batch, units)`, `(batch, visible)`."""
        return self.visible.sample(self.visible_field(self.as_states(h, self.units), beta), self.stream)

    def encode(self, v: Any) -> tf.Tensor:
        return self.mean_h_from_v(v)

    def call(self, inputs: Any) -> tf.Tensor:
        h = self.mean_h_from_v(inputs)
        unused = [self.visible.bias, *self.visible.other_parameters, *([] if self.tied else [self._w_gen])]
        return tf.cast(with_zero_gradients(h, *(tf.convert_to_tensor(u) for u in unused)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.units)

    # --- energies

    def energy(self, v: Any, h: Any) -> tf.Tensor:
        """`E(v, h)` of `v` `(batch, visible)` and `h` `(batch, units)`, nats, `(batch,)`."""
        self._require_energy()
        v, h = self.as_states(v), self.as_states(h, self.units)
        coupling = tf.reduce_sum(self.product(v, self.w_rec) * h, -1)
        return self.visible.energy(v) + self.hidden.energy(h) - coupling

    def free_energy(self, v: Any) -> tf.Tensor:
        """`F(v) = -log sum_h exp(-E(v, h))` of `v` `(batch, visible)`, nats, `(batch,)`."""
        self._require_energy()
        v = self.as_states(v)
        return self.visible.energy(v) - self.hidden.log_partition(self.hidden_field(v))

    @property
    def has_free_energy(self) -> bool:
        """Whether energies are defined: those of tied weights are."""
        return self.tied

    def _require_energy(self) -> None:
        if not self.tied:
            raise ValueError(
                "An RBM with tied=False is a pair of conditionals and has no energy. Received: tied=False. Use a tied "
                "RBM, or train it inside a DBN."
            )

    # --- samples

    def gibbs(self, v: Any, num_steps: Any = 1, beta: Any = 1.0) -> tf.Tensor:
        """Block Gibbs sampling from given states, compiled.

        Args:
            v: visible states, `(batch, visible)`.
            num_steps: sweeps, at least 1.
            beta: inverse temperature, which scales the fields: a number, or `(batch, 1)`.
        """
        v = self.as_states(v)
        return self.as_function(samplers.gibbs)(v, as_count(num_steps, "num_steps"), as_dtype(beta, v.dtype))

    def start(self, num_samples: Any) -> tf.Tensor:
        zeros = tf.zeros((num_samples, self.visible.width), self.state_dtype)
        return self.visible.sample(self.visible.field(zeros), self.stream)

    def walk(
        self,
        state: tf.Tensor,
        num_steps: tf.Tensor,
        mean: bool,
        schedule: tf.Tensor | None = None,
        held: samplers.Held | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return samplers.walk(self, state, num_steps, mean, schedule, held)

    def impute(self, x: Any, num_steps: int = 1000, burn_in: int = 100) -> tf.Tensor:
        """Fills in what is missing, NaN, with its mean given what is there: an average along Gibbs chains.

        Args:
            x: visible states, `(batch, visible)`; of a softmax group all units are missing or none.
            num_steps: sweeps that are averaged, at least 1.
            burn_in: sweeps before these, at least 1.

        Raises:
            ValueError: if an argument is out of range, nothing is missing, or the RBM is not built.
        """
        x = checks.as_rows(x, self.visible.width if self.built else None)
        if not np.isnan(x).any():
            raise ValueError("`x` must have missing values, NaN, to be filled in. Received: none")
        burn_in = as_count(burn_in, "burn_in")
        held = self._held("observed", x)
        state, _ = self.advance(held.put(self.start(len(held.mask))), burn_in, False, None, held)
        averaged = self.as_function(gibbs_average)(state, as_count(num_steps, "num_steps"), held)
        return held.put(averaged)

    def first_weights(self) -> Any:
        return self.w_rec

    def reconstruction_field(self, v: Any) -> tf.Tensor:
        return self.visible_field(self.mean_h_from_v(v))

    # --- learning

    def lesson(self, v: tf.Tensor, weights: tf.Tensor, y: tf.Tensor | None = None) -> Lesson:
        if self.missing_steps:
            v = self._completed(v)
        lesson = self.contrast(v, weights, self.sampler.negative_phase(self, v, weights))
        lesson.values["reconstruction_error"] = self.reconstruction_error(v)
        if "pseudo_log_likelihood" in self._trackers:
            lesson.values["pseudo_log_likelihood"] = one_flip(self, v, self.stream)
        return lesson

    def _completed(self, v: tf.Tensor) -> tf.Tensor:
        """`v` with its missing values drawn given the others."""
        held = samplers.Held(~tf.math.is_nan(v), v)
        start = held.put(self.visible.sample(self.visible.field(tf.zeros_like(v)), self.stream))
        return samplers.gibbs(self, start, self.missing_steps, held=held)

    def contrast(self, v: tf.Tensor, weights: tf.Tensor, samples: samplers.Samples) -> Lesson:
        """Free energy of data against that of samples, and its gradient, centred if this RBM is.

        Offsets are moving averages of the means of the data and of their hidden units (see `offset_rate`). Each is
        balanced by the bias on the other side, and is 0 if that is not trained.

        Args:
            v: data, `(batch, visible)`, with case weights `(batch,)`.
            samples: of the model, taken as constants.

        Returns:
            the `loss` of each case, `(batch,)`, and what the sampler logs; the gradients; and what to keep: offsets and
            the sampler's state.

        Reference:
            Melchior, Fischer & Wiskott, 2016, "How to center deep Boltzmann machines".
        """
        b, c = self.visible.bias, self.hidden.bias
        variables = [self.w_rec, b, c, *self.visible.other_parameters, *self.hidden.other_parameters]
        v_model = tf.stop_gradient(samples.v)
        with tf.GradientTape() as tape:
            tape.watch([variable.value for variable in variables])
            losses = self.free_energy(v) - weighted_mean(self.free_energy(v_model), samples.weights)
            loss = weighted_mean(losses, weights)
        dw, db, dc, *others = tape.gradient(loss, variables)
        offsets = self._moved_offsets(v, weights) if self.centered else []
        if offsets:
            now = [tf.cast(x, dw.dtype) for _, x in offsets[:2]]
            (dw,), (db, dc) = centred([dw], [db, dc], balanced(now, [b, c], self.trainable_variables))
        gradients = [dw, db, dc]

        def keep() -> None:
            for variable, value in offsets:
                variable.assign(value)
            self.sampler.update(samples, gradients)

        # What penalises the activity is added after centring, or it would leak into the visible bias.
        penalty = self._activity_gradient(v, weights)
        total = gradients if penalty is None else [a + p for a, p in zip(gradients, penalty, strict=True)]
        values = {"loss": losses, **{name: tf.fill(tf.shape(weights), x) for name, x in samples.logs.items()}}
        return Lesson(values, list(zip(variables, [*total, *others], strict=True)), keep)

    def _moved_offsets(self, v: tf.Tensor, weights: tf.Tensor) -> list[tuple[keras.Variable, tf.Tensor]]:
        """The means of data and hidden units with this batch in them, and how many batches that makes."""
        offsets, means = [self.visible_offset, self.hidden_offset], [v, self.mean_h_from_v(v)]
        return moved(offsets, self.offset_age, means, weights, self.offset_rate)

    def _activity_gradient(self, v: tf.Tensor, weights: tf.Tensor) -> list[tf.Tensor] | None:
        """Gradient of the activity regularizer's penalty in W, b and c."""
        if self.activity_regularizer is None:
            return None
        with tf.GradientTape() as tape:
            penalty = self.activity_regularizer(weighted_mean(self.mean_h_from_v(v), weights)[None])
        dw, dc = tape.gradient(penalty, [self.w_rec, self.hidden.bias])
        return [dw, tf.zeros_like(self.visible.bias), dc]

    def as_tied(self, sampler: Any) -> RBM:
        """A tied RBM with these units (shared), these recognition weights and random key, and a sampler of its own."""
        config = {**self.get_config(), "tied": True, "sampler": sampler}
        tied = type(self).from_config({**config, "visible": self.visible, "hidden": self.hidden})
        tied.build((None, self.visible.width))
        tied.w_rec.assign(self.w_rec)
        tied.stream.key.assign(self.stream.key)
        return tied

    def take_weights(self, tied: RBM) -> None:
        """Takes over what a tied RBM of the same sizes and units has learnt: one made by `as_tied`, or one trained
        before, which a DBN's layer then starts from.

        Raises:
            ValueError: if the sizes or kinds of units differ, or either is not built.
        """
        sizes = [(rbm.built and rbm.visible.width, rbm.units) for rbm in (self, tied)]
        if sizes[0] != sizes[1] or not self.built:
            raise ValueError(
                "Weights are taken over between built RBMs of one size. Received: (visible, units) "
                f"{sizes[1]} for {sizes[0]}, where False is an RBM that is not built."
            )
        sides = (self.visible, tied.visible), (self.hidden, tied.hidden)
        for own, learnt in sides:
            if own.kind != learnt.kind:
                raise ValueError(
                    "Weights are taken over between RBMs of the same kinds of units. "
                    f"Received: {in_words(learnt.kind)} for {in_words(own.kind)} units."
                )
        for own, learnt in sides:
            if own is not learnt:
                for variable, value in zip(own.weights, learnt.weights, strict=True):
                    variable.assign(value)
        self.w_rec.assign(tied.w_rec)
        self.stream.key.assign(tied.stream.key)
        self.sampler.reset(self)
        if not self.tied:
            self._w_gen.assign(tied.w_gen)

    def adapt_to_moments(self, mean: Any, variance: Any, count: Any) -> None:
        super().adapt_to_moments(mean, variance, count)
        self.sampler.reset(self)

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "units": self.units,
            "visible": serialize(self.visible),
            "hidden": serialize(self.hidden),
            "sampler": serialize(self.sampler),
            "tied": self.tied,
            "centered": self.centered,
            "offset_rate": self.offset_rate,
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "missing_steps": self.missing_steps,
            "seed": self.seed,
        }


def in_words(kind: tuple) -> str:
    """A kind of units, for messages."""
    name, *details = kind
    return f"{name}({', '.join(in_words(x) if isinstance(x, tuple) else str(x) for x in details)})" if details else name
