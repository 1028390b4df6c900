"""The restricted Boltzmann machine."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, progress, replicas, samplers
from keras_rbm import units as unit_kinds
from keras_rbm.abstract_rbm import AbstractRBM, assigned
from keras_rbm.arguments import checked_rate, positive_integer
from keras_rbm.export import Endpoint, counts
from keras_rbm.formats import CONVERTED
from keras_rbm.likelihood.pseudo import one_flip
from keras_rbm.models.machine import Machine, as_count, gibbs_sum
from keras_rbm.models.network import plain_network
from keras_rbm.models.thinned_rbm import ThinnedRBM
from keras_rbm.random import Draws, RandomStream
from keras_rbm.samplers.chains import Clamp
from keras_rbm.training.centering import balanced_offsets, centered_gradients, updated_offsets
from keras_rbm.training.couplings import Coupled
from keras_rbm.training.faults import Batch
from keras_rbm.training.learner import StepResult
from keras_rbm.training.means import mean, shares
from keras_rbm.types import Array, Beta, Constraint, Count, SamplerLike, UnitLike
from keras_rbm.units.unit import as_dtype, in_words


def check_bounded(
    visible: unit_kinds.Unit, hidden: unit_kinds.Unit, kernel_constraint: Constraint, both_hidden: bool = False
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


class Contrast(NamedTuple):
    """Data against samples.

    Args:
        result: the `loss` of each case, and what the sampler logs; gradients; what to keep.
        samples: of the model.
        hidden_field: of the data, `(batch, hidden)`.
    """

    result: StepResult
    samples: samplers.Samples
    hidden_field: tf.Tensor


@keras.saving.register_keras_serializable("keras_rbm")
class RBM(AbstractRBM, Coupled, Machine):
    """A restricted Boltzmann machine: a layer you can stack, a model you can fit.

        E(v, h) = base(v) - b . v + base(h) - c . h - v . w_rec . h
        F(v)    = base(v) - b . v - log_partition(c + v . w_rec)

    As a layer it maps visible states `(batch, visible)` to the means of its hidden units `(batch, units)`. As a model
    it learns by the gradient of `mean F(data) - mean F(samples of the model)`, samples that its `sampler` provides.

    Logs of `fit`: `loss` (free-energy difference, nats a case: a signal, not a measure of quality),
    `reconstruction_error` (of the data from the means of their hidden units: cross-entropy in nats a case, for Gaussian
    units squared error a case) and, for visible units with two states, `pseudo_log_likelihood` (nats a case).

    With dropout each case learns by an RBM of its own, which lacks some of the hidden units:

        F_r(v) = base(v) - b . v - sum of the log_partition of the units that are kept, at c + v . w_rec

    That is for learning alone. Features, energies, samples, likelihoods and `evaluate` are those of the whole RBM, and
    nothing rescales its parameters; an `activity_regularizer` sees all hidden units, dropped or not. Features of MNIST
    served a linear classifier better for it; as a density the whole RBM is far worse than one that learnt without.

    Args:
        units: number of hidden units.
        visible, hidden: kinds of units: `"bernoulli"`, `"drelu"`, `"gaussian"`, `"relu"`, `"spin"`, a config or a
            `Unit`. An object given to two models is shared by both, with its bias (save such models one by one: Keras
            does not restore units that are shared inside one file).
        sampler: `"cd"`, `"pcd"`, `"fast_pcd"`, `"parallel_tempering"`, `"trajectory_tempering"`, a config or a
            `Sampler`.
        tied: whether the generative weights are the transposed recognition weights. `False` gives `w_gen` values of its
            own: a pair of conditionals, for wake-sleep inside a `DBN`, without energy.
        missing_steps: Gibbs sweeps that draw missing values, at least 1, if NaN in the data is to mean missing:
            learning then follows the likelihood of what was observed. 0 refuses NaN.
        seed: rules initial weights, chains and all sampling. `None` takes one from Python's generator.
        dropout: fraction of the hidden units that is dropped, in [0, 1]: other ones for each case, and for each chain
            of a persistent sampler, at each step. Units of which one is on are dropped together. At 1 only the visible
            biases learn.
        drop_connect: fraction of the weights that is dropped, in [0, 1]: other ones at each step, the same for all of
            its cases. Those that are kept are multiplied by `1 / (1 - drop_connect)`, so that the mean is `w_rec`.
        centered: whether to follow the centred gradient, which the data's and hidden units' means do not disturb.
        offset_rate: how fast those means move to the batch's, in (0, 1]; 1 takes each batch's own. The first steps
            average all batches so far.
        activity_regularizer: penalty on the batch mean of the hidden units' means, `(1, units)`: see
            `keras_rbm.regularizers.Sparsity`.
        kernel_initializer: `None` is a normal distribution of deviation 0.01; drawn with `seed` unless it has its own.
        kernel_regularizer, kernel_constraint: as in `keras.layers.Dense`.

    Raises:
        ValueError: for counts that are not positive, unknown names, or unbounded units on both sides (Gaussian, ReLU or
            DReLU) without a `kernel_constraint` (their partition function diverges unless the weights stay small), or
            dropout with weights that are not tied.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, sampler="pcd", seed=0)
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.05))
    rbm.fit(x, batch_size=100, epochs=10)
    ```

    Reference:
        Hinton, 2002, "Training products of experts by minimizing contrastive divergence"; centring: Melchior, Fischer &
        Wiskott, 2016, "How to center deep Boltzmann machines"; dropout: Srivastava, Hinton, Krizhevsky, Sutskever &
        Salakhutdinov, 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 8; of weights:
        Wan, Zeiler, Zhang, LeCun & Fergus, 2013, "Regularization of neural networks using DropConnect", where each case
        has a mask of its own.
    """

    hidden: unit_kinds.Unit = assigned()
    w_rec: keras.Variable = assigned()
    stream: RandomStream = assigned()
    sampler: samplers.Sampler = assigned()
    state_dtype = Machine.state_dtype

    def __init__(
        self,
        units: int,
        visible: UnitLike = "bernoulli",
        hidden: UnitLike = "bernoulli",
        sampler: SamplerLike = "cd",
        tied: bool = True,
        missing_steps: int = 0,
        seed: int | None = None,
        dropout: float = 0.0,
        drop_connect: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.units = positive_integer(units, "units")
        self._visible = unit_kinds.get(visible, dtype=self.dtype_policy, name="visible")
        self.hidden = unit_kinds.get(hidden, dtype=self.dtype_policy, name="hidden")
        check_bounded(self.visible, self.hidden, self.kernel_constraint)
        if missing_steps != 0 or isinstance(missing_steps, bool):
            positive_integer(missing_steps, "missing_steps")  # 0 is for none
        self.missing_steps = self._missing = missing_steps
        self.sampler = samplers.get(sampler, dtype=self.dtype_policy, name="sampler")
        self.tied = tied
        self.dropout, self.drop_connect = checked_rate(dropout, "dropout"), checked_rate(drop_connect, "drop_connect")
        if not tied and (self.dropout or self.drop_connect):
            raise ValueError(
                "Dropout follows the likelihood of thinned RBMs, which have tied weights. Received: tied=False, "
                f"dropout={dropout!r}, drop_connect={drop_connect!r}. Use tied=True: of a DBN's layers only the top is."
            )
        names = ["reconstruction_error", *self.sampler.log_names]
        names += ["pseudo_log_likelihood"] if self.visible.is_binary else []
        names += ["log_likelihood"] if "log_partition" in self.sampler.log_names and not missing_steps else []
        self._trackers = {name: keras.metrics.Mean(name) for name in names}

    @property
    def visible(self) -> unit_kinds.Unit:
        """The visible units, which own the visible bias."""
        return self._visible

    def build(self, input_shape: Any) -> None:
        if error := self._shape_error(input_shape):
            raise error
        if self.built:
            return
        kernel, offsets = self._build_units(tuple(int(n) for n in input_shape[1:]))
        self.w_rec = self._add_kernel(kernel, "w_rec")
        if not self.tied:
            shape = tuple(self._w_gen_from(tf.zeros(kernel)).shape)
            self._w_gen = self._add_kernel(
                shape, "w_gen", lambda shape, dtype: tf.cast(self._w_gen_from(self.w_rec), dtype)
            )
        if self.centered:
            self.visible_offset = self._add_offset(offsets[0], "visible_offset")
            self.hidden_offset = self._add_offset(offsets[1], "hidden_offset")
            self.offset_age = self._add_offset((), "offset_age")
        self.sampler.prepare(self)
        self.built = True

    def _build_units(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
        """Builds both groups for data of a `shape`; that of the weights between them, and of the offsets of each."""
        self.visible.build((None, *shape))
        self.hidden.build((None, self.units))
        return (*shape, self.units), [shape, (self.units,)]

    def undirected(self) -> RBM:
        return self

    def _recognition(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        return v, tf.zeros(tf.shape(v)[:1], v.dtype)

    def _exact_log_score(self, v: tf.Tensor) -> tf.Tensor:
        return -self.free_energy(v)

    @property
    def w_gen(self) -> tf.Tensor:
        """The generative weights, `(units, visible)`: `w_rec` transposed where they are tied."""
        return self._w_gen_from(self.w_rec) if self.tied else self._w_gen

    def _w_gen_from(self, w_rec: Any) -> tf.Tensor:
        return tf.transpose(w_rec)

    # --- conditionals

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        return self._up(v, self.w_rec)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        return self._down(h, self.w_rec) if self.tied else self._up(h, self._w_gen)

    def _up(self, v: tf.Tensor, w: Any) -> tf.Tensor:
        return self._product(v, w)

    def _down(self, h: tf.Tensor, w: Any) -> tf.Tensor:
        return self._product(h, w, True)

    def mean_h_from_v(self, v: Array, beta: Beta = 1.0) -> tf.Tensor:
        """Means of the hidden units given `v` `(batch, visible)`, `(batch, units)`."""
        return self.hidden.mean(self.hidden_field(self._as_states(v), beta))

    def sample_h_from_v(self, v: Array, beta: Beta = 1.0) -> tf.Tensor:
        """Hidden states drawn given `v` `(batch, visible)`, `(batch, units)`."""
        return self.hidden.sample(self.hidden_field(self._as_states(v), beta), self.stream)

    def mean_v_from_h(self, h: Array, beta: Beta = 1.0) -> tf.Tensor:
        """Means of the visible units given `h` `(batch, units)`, `(batch, visible)`."""
        return self._as_data(self.visible.mean(self.visible_field(self._as_hidden_states(h), beta)))

    def sample_v_from_h(self, h: Array, beta: Beta = 1.0) -> tf.Tensor:
        """Visible states drawn given `h` `(batch, units)`, `(batch, visible)`."""
        return self._as_data(self.visible.sample(self.visible_field(self._as_hidden_states(h), beta), self.stream))

    def _as_hidden_states(self, h: Any) -> tf.Tensor:
        return self._as_states(h, self.hidden.width if self.built else self.units)

    def encode(self, v: Array) -> tf.Tensor:
        return self.mean_h_from_v(v)

    def call(self, inputs: Array) -> tf.Tensor:
        h = self.encode(inputs)
        unused = [self.visible.bias, *self.visible.other_parameters, *([] if self.tied else [self._w_gen])]
        return tf.cast(with_zero_gradients(h, *(tf.convert_to_tensor(u) for u in unused)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], self.units)

    # --- what the layer above sees

    #: Whether data have positions and channels.
    _sees_positions = False

    def _one_of_each(self) -> tf.Tensor:
        """Hidden states, in each of which another unit is on; of units that share weights, one of them."""
        return tf.eye(self.units, dtype=self.state_dtype)

    # --- energies

    def energy(self, v: Array, h: Array) -> tf.Tensor:
        """`E(v, h)` of `v` `(batch, visible)` and `h` `(batch, units)`, nats, `(batch,)`."""
        self._require_energy()
        v, h = self._as_states(v), self._as_hidden_states(h)
        coupling = tf.reduce_sum(self.hidden_input(v) * h, -1)
        return self.visible.energy(v) + self.hidden.energy(h) - coupling

    def free_energy(self, v: Array) -> tf.Tensor:
        self._require_energy()
        return super().free_energy(self._as_states(v))

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

    def gibbs(self, v: Array, num_steps: Count = 1, beta: Beta = 1.0) -> tf.Tensor:
        """Block Gibbs sampling from given states, compiled.

        Args:
            v: visible states, `(batch, visible)`.
            num_steps: sweeps, at least 1.
            beta: inverse temperature, which scales the fields: a number, or `(batch, 1)`.
        """
        v = self._as_states(v)
        states = self._as_function(samplers.gibbs)(v, as_count(num_steps, "num_steps"), as_dtype(beta, v.dtype))
        return self._as_data(states)

    def impute(self, x: Array, num_steps: int = 1000, burn_in: int = 100) -> tf.Tensor:
        """Fills in what is missing, NaN, with its mean given what is there: an average along Gibbs chains.

        Args:
            x: visible states, `(batch, visible)`; of a softmax group all units are missing or none.
            num_steps: sweeps that are averaged, at least 1.
            burn_in: sweeps before these, at least 1.

        Raises:
            ValueError: if an argument is out of range, nothing is missing, or the RBM is not built.
        """
        x = self._in_rows(checks.as_array(x, self._shape_error))
        if not np.isnan(x).any():
            raise ValueError("`x` must have missing values, NaN, to be filled in. Received: none")
        num_steps, burn_in = positive_integer(num_steps, "num_steps"), positive_integer(burn_in, "burn_in")
        observed = self._checked_clamp("observed", x)
        states = observed.apply(self.initial_states(len(observed.mask)))
        states, _ = self.run_chains(states, burn_in, False, None, observed)
        total, work = tf.zeros_like(states), len(states) * self._work()
        for start, stop in progress.parts(num_steps, progress.few(num_steps, work), "imputing", "sweep"):
            states, total = self._as_function(gibbs_sum)(states, total, tf.constant(stop - start), observed)
        return self._as_data(observed.apply(total / num_steps))

    def _hidden_fields(self, v: tf.Tensor) -> list[tuple[unit_kinds.Unit, tf.Tensor]]:
        return [(self.hidden, self.hidden_field(v))]

    def _first_kernel(self) -> Any:
        return self.w_rec

    def _reconstruction_field(self, v: Any) -> tf.Tensor:
        return self.visible_field(self.mean_h_from_v(v))

    # --- learning

    def _gradients(self, batch: Batch) -> StepResult:
        return self._lesson(batch, self._thinned(tf.shape(batch.v)[0]))

    def _validation_values(self, batch: Batch) -> dict[str, tf.Tensor]:
        return self._lesson(batch, self).all_values  # nothing is dropped

    def _lesson(self, batch: Batch, rbm: AbstractRBM) -> StepResult:
        """What a batch says of `rbm`: this one, or what dropout leaves of it."""
        v = self._completed(batch.v, rbm) if self.missing_steps else batch.v
        contrast = self._contrastive_gradients(v, batch.weights, rbm)

        def watched() -> dict[str, tf.Tensor]:
            field = self.hidden_field(v) if self.drop_connect else contrast.hidden_field  # of the whole RBM
            values = {"reconstruction_error": self._reconstruction_error_of(v, field)}
            if "pseudo_log_likelihood" in self._trackers:
                values["pseudo_log_likelihood"] = one_flip(self, v, field, self.stream)
            return values

        return contrast.result._replace(watched=watched)

    def _thinned(self, number: tf.Tensor) -> AbstractRBM:
        """What learns from so many cases: this RBM, or what dropout leaves of it for each of them."""
        if not self.dropout and not self.drop_connect:
            return self
        return ThinnedRBM.drawn(self, number, self.dropout, self.drop_connect)

    def _completed(self, v: tf.Tensor, rbm: AbstractRBM) -> tf.Tensor:
        """`v` with its missing values drawn given the others."""
        observed = Clamp(~tf.math.is_nan(v), v)
        start = observed.apply(self._drawn_from_biases(v, self.stream))
        return samplers.gibbs(rbm, start, self.missing_steps, clamp=observed)

    def _contrastive_gradients(self, v: tf.Tensor, weights: tf.Tensor, rbm: AbstractRBM | None = None) -> Contrast:
        """Free energy of data against that of the sampler's samples, and its gradient, centred if this RBM is.

        Offsets are moving averages of the means of the data and of their hidden units (see `offset_rate`). Each is
        balanced by the bias on the other side, and is 0 if that is not trained. The data's field is computed once.

        Args:
            v: data, `(batch, visible)`, with case weights `(batch,)`.
            rbm: what `_thinned` gave for these cases, if it was asked before.

        Reference:
            Melchior, Fischer & Wiskott, 2016, "How to center deep Boltzmann machines".
        """
        self._require_energy()
        b, c = self.visible.bias, self.hidden.bias
        variables = [self.w_rec, b, c, *self.visible.other_parameters, *self.hidden.other_parameters]
        penalized = self.activity_regularizer is not None
        number = tf.shape(v)[0]
        rbm = chained = self._thinned(number) if rbm is None else rbm
        hidden_input = rbm.hidden_input(v)
        if isinstance(rbm, ThinnedRBM) and self.sampler.chains is not None:  # other rows than the data's
            start, stop = replicas.span(self.sampler.num_chains)
            chained = rbm.redrawn(stop - start, self.dropout)
            rbm = rbm.beside(chained)
        samples = self._negative_phase(chained, v, weights, hidden_input)
        share, share_of_samples = shares(weights, samples.weights)
        x = tf.concat([v, samples.v], 0)
        inputs = tf.concat([hidden_input, rbm.hidden_input(samples.v)], 0)
        with tf.GradientTape(persistent=penalized) as tape:
            tape.watch([inputs, *(variable.value for variable in variables)])
            field = rbm._hidden_field_of(inputs)
            energies = rbm._free_energy_of(x, field)
            field = field[:number]
            energy_of_samples = mean(energies[number:], share_of_samples)
            loss = mean(energies[:number], share) - energy_of_samples
            if penalized:
                activities = replicas.whole(mean(self.hidden.mean(field), share))
                evened = self.hidden.everywhere(self.hidden.over_positions(activities))  # of units that share a bias
                penalty = self.activity_regularizer(evened[None])
        d_inputs, *d_others = tape.gradient(loss, [inputs, *variables[1:]])
        plain, extra, means = [self._kernel_gradient(rbm, x, d_inputs), *d_others], [], []
        if penalized:
            d_inputs, penalty_dc = tape.gradient(penalty, [inputs, c])
            extra = [self._kernel_gradient(rbm, x, d_inputs), penalty_dc]
        if self.centered:
            means = self._offset_means(mean(v, share), mean(rbm.hidden.mean(field), share))
            means.append(tf.reduce_sum(share))
        plain, extra, means, energy_of_samples = replicas.summed((plain, extra, means, energy_of_samples))
        dw, db, dc, *others = plain
        offsets = []
        if self.centered:
            own, some = [self.visible_offset, self.hidden_offset], tf.cast(means.pop() > 0, v.dtype)
            offsets = updated_offsets(own, self.offset_age, means, some, self.offset_rate)
            now = [tf.cast(x, dw.dtype) for _, x in offsets[:2]]
            now = balanced_offsets(now, [b, c], self.trainable_variables)
            dw, db, dc = self._centered(dw, db, dc, now)
        gradients = [dw, db, dc]

        def commit() -> None:
            for variable, value in offsets:
                variable.assign(value)
            self.sampler.update(samples, gradients)

        total = [dw, db, dc, *others]
        if penalized:  # added after centring, or it would leak into the visible bias
            total[0] += extra[0]
            total[2] += extra[1]
        losses = energies[:number] - energy_of_samples
        values = {"loss": losses, **{name: tf.fill(tf.shape(weights), x) for name, x in samples.logs.items()}}
        if "log_partition" in samples.logs:
            values["log_likelihood"] = -energies[:number] - samples.logs["log_partition"]
        return Contrast(StepResult(values, list(zip(variables, total, strict=True)), commit), samples, field)

    def _offset_means(self, v: tf.Tensor, h: tf.Tensor) -> list[tf.Tensor]:
        """What offsets follow, given the means of visible and hidden units, `(units,)`."""
        return [v, h]

    def _centered(
        self, dw: tf.Tensor, db: tf.Tensor, dc: tf.Tensor, offsets: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The centred gradients that follow from those in the weights, the visible and the hidden bias."""
        (dw,), (db, dc) = centered_gradients([dw], [db, dc], offsets)
        return dw, db, dc

    def _negative_phase(
        self, rbm: AbstractRBM, v: tf.Tensor, weights: tf.Tensor, hidden_input: tf.Tensor
    ) -> samplers.Samples:
        """Samples of what the likelihood of data `v` `(batch, visible)` is of, which learns by `rbm`."""
        return self.sampler.negative_phase(rbm, v, weights, hidden_input)

    def _kernel_gradient(self, rbm: AbstractRBM, x: tf.Tensor, d_inputs: tf.Tensor) -> tf.Tensor:
        """The gradient in `w_rec`, given that in what `x` brings to the hidden units: one product for both phases."""
        with tf.GradientTape() as tape:
            tape.watch(self.w_rec.value)
            inputs = rbm.hidden_input(x)  # known already: a graph leaves this product out
        return tape.gradient(inputs, self.w_rec, output_gradients=d_inputs)

    # --- leaving

    def _endpoints(self) -> dict[str, Endpoint]:
        endpoints = super()._endpoints()
        v = endpoints["encode"].inputs
        if self.has_free_energy:
            endpoints["free_energy"] = Endpoint(self.free_energy, v, "free_energies")
        endpoints["impute"] = Endpoint(self._imputed, [*v, *counts("num_steps", "burn_in")], "imputed", CONVERTED)
        return endpoints

    def _imputed(self, v: tf.Tensor, num_steps: tf.Tensor, burn_in: tf.Tensor) -> tf.Tensor:
        """`impute`, in a graph."""
        v = self._as_states(v)
        observed = Clamp(~tf.math.is_nan(v), v)
        states = observed.apply(self._drawn_from_biases(v, self.stream))
        states, _ = self._run_chains(states, observed, burn_in, False)
        total = gibbs_sum(self, states, tf.zeros_like(states), num_steps, observed)[1]
        return self._as_data(observed.apply(total / tf.cast(num_steps, v.dtype)))

    def classifier(
        self, num_classes: int, dropout: float = 0.0, input_dropout: float = 0.0, kernel_constraint: Constraint = None
    ) -> keras.Model:
        """A plain Keras network that computes `encode` and then a softmax over classes, ready to be fine-tuned.

        Nothing of this package is in it, so it deploys where only Keras is installed.

        Args:
            num_classes: number of classes, at least 2.
            dropout, input_dropout: fraction of the hidden units, and of the inputs, that is dropped in training. Keras
                scales what is kept, so the pretrained weights are taken as they are.
            kernel_constraint: of both layers, as in `keras.layers.Dense`: `keras.constraints.MaxNorm(4)` goes well with
                dropout.

        Raises:
            ValueError: if the RBM is not built, or an argument is out of range.
        """

        def layers() -> list[list[keras.layers.Layer]]:
            return [self._plain_layers("hidden_1")]

        return plain_network(self, layers, num_classes, [], dropout, input_dropout, kernel_constraint)

    def _plain_layers(self, name: str) -> list[keras.layers.Layer]:
        """Plain Keras layers that compute what the layer gives."""
        return [self.hidden.as_layer(np.asarray(self.w_rec), np.asarray(self.hidden.bias), name)]

    def _as_tied(self, sampler: Any) -> RBM:
        """A tied RBM with these units (shared), these recognition weights and random key, and a sampler of its own."""
        config = {**self.get_config(), "tied": True, "sampler": sampler}
        tied = type(self).from_config({**config, "visible": self.visible, "hidden": self.hidden})
        tied.build((None, *self.data_shape))
        tied.w_rec.assign(self.w_rec)
        tied.stream.key.assign(self.stream.key)
        return tied

    def copy_weights_from(self, tied: RBM) -> None:
        """Takes over what a tied RBM of the same sizes and units has learnt: one made by `_as_tied`, or one trained
        before, which a DBN's layer then starts from.

        Raises:
            ValueError: if the sizes or kinds of units differ, or either is not built.
        """
        sizes = [(rbm.built and rbm.visible.width, rbm.built and tuple(rbm.w_rec.shape[1:])) for rbm in (self, tied)]
        if sizes[0] != sizes[1] or not self.built:
            sizes = [(width, *(shape or (rbm.units,))) for (width, shape), rbm in zip(sizes, (self, tied), strict=True)]
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

    def _adapt_to_moments(self, mean: Any, variance: Any, count: Any) -> None:
        super()._adapt_to_moments(mean, variance, count)
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
            "missing_steps": self.missing_steps,
            "dropout": self.dropout,
            "drop_connect": self.drop_connect,
        }
