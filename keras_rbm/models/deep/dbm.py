"""The deep Boltzmann machine."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, progress
from keras_rbm import units as unit_kinds
from keras_rbm.arguments import positive_integer
from keras_rbm.export import Endpoint
from keras_rbm.models.class_head import ClassHead
from keras_rbm.models.deep.bipartite import Bipartite
from keras_rbm.models.deep.bound import bound_gradients, drawn, variational_free_energy
from keras_rbm.models.deep.doubling import doubled_rbms, initialize_from_rbms
from keras_rbm.models.deep.greedy import Pretraining
from keras_rbm.models.deep.layered import Layered
from keras_rbm.models.deep.mean_field import Posterior, field_of, mean_field
from keras_rbm.models.deep.multi_prediction import multi_prediction
from keras_rbm.models.network import plain_network
from keras_rbm.models.rbm import RBM, with_zero_gradients
from keras_rbm.random import Draws, spawned_seed
from keras_rbm.samplers.chains import Clamp
from keras_rbm.training.faults import Batch
from keras_rbm.training.learner import StepResult
from keras_rbm.types import Array, Constraint, Count, Data, OptimizerLike, SamplerLike, UnitLike

#: What a DBM can follow, and mean-field steps by default.
OBJECTIVES = {"joint": 30, "multi_prediction": 10}
_MASK_RATE = 0.5
#: Rows of data in which chains start, at most.
_CHAIN_STARTS = 1000


@keras.saving.register_keras_serializable("keras_rbm")
class DBM(Layered):
    """A deep Boltzmann machine: layers of units, and weights both ways between those that are neighbours.

        E(v, h1, ..., hL) = sum_l [base(h_l) - b_l . h_l] - sum_l h_l . W_l . h_(l+1),   h_0 = v

    It learns by the gradient of a lower bound of the likelihood: the hidden units' posterior is approximated by
    independent units (mean field, from one pass upwards to a fixed point), and what the model itself believes comes
    from a sampler, whose chains hold states of all layers. `pretrain` starts it well; `classifier` gives a plain Keras
    network. As a layer it maps visible states `(batch, visible)` to the means of the last hidden units
    `(batch, units[-1])`.

    With `num_classes` a softmax group of label units is the highest layer. `fit(x, y)` then learns from labels too,
    `classify` answers by the bound with each class, and `sample(y=...)` dreams of classes.

    With the objective `"multi_prediction"` all layers learn at once, without samples and without pretraining: of each
    case some of the data's and label units, drawn anew at each step, are masked, mean field infers them like hidden
    units from all others, in `mean_field_steps` steps, and learning goes back through these steps to minimise

        - sum over masked units of log Q(unit)

    `classify` then answers by mean field in as many steps, the label being masked. The sampler is not asked in `fit`.

    Logs of `fit`: `loss` (mean free energy of the data and hidden states drawn for them less that of the model's
    samples, nats a case: a signal, not a measure of quality; with `"multi_prediction"` the sum above, nats a case),
    `reconstruction_error` (as of an `RBM`; given data and labels where there are some) and `mean_field_residual` (the
    largest change of a mean in the last mean-field step, averaged over cases). With label units `evaluate` and
    validation log `cross_entropy` (of the classes, nats a case) and `accuracy` too.

    Args:
        units: numbers of hidden units, from the lowest layer to the top; at least two.
        visible: kind of the visible units: a name, config or `Unit`.
        hidden: kind of all hidden units, or a list of one a layer.
        sampler: where the model's samples come from: `"pcd"`, `"cd"`, ..., a config or a `Sampler`.
        num_classes: how many label units there are, at least 2; `None` for none.
        mean_field_steps: at most, a batch, at least 1; by default 30. With `"multi_prediction"` exactly, by default 10.
        tolerance: the largest change of a mean at which mean field has reached its fixed point; positive. With
            `"multi_prediction"` no step is left out.
        seed: rules initial weights, chains and all sampling. `None` takes one from Python's generator.
        objective: what `fit` follows: `"joint"` the likelihood of data and labels, by its bound; `"multi_prediction"`
            how well some units are predicted from the others.
        mask_rate: with `"multi_prediction"`, how probably a unit (of a softmax group, the group) is masked.
        multi_inference: with `"multi_prediction"`, whether `classify` takes, at each step, the average of the data and
            what is inferred of them: about what averaging over many masks would give, for three times the products.
        kwargs: centered, offset_rate, activity_regularizer, kernel_initializer, kernel_regularizer, kernel_constraint,
            as in `RBM`, for all layers. With the joint objective `adapt` starts offsets from the data's means and from
            those that the biases of hidden and label units give them; they move at `offset_rate` from then on. The
            activity regularizer penalises each hidden layer's means. With `"multi_prediction"` these are the means that
            mean field infers, centring is of them and of data and labels, and the initial weights are Glorot's by
            default: smaller ones hand on too little of the error.

    Raises:
        ValueError: for another objective, a mask rate that is not between 0 and 1, or what is for `"multi_prediction"`
            with the joint objective, if there are fewer than two hidden layers, if neighbours have no partition
            function (unbounded units on both sides without a `kernel_constraint`), or as `RBM` does.

    Warns:
        UserWarning: if mean field did not reach its fixed point, with the residual, at the end of `fit` and by
            `mean_field`, except with `"multi_prediction"`.

    Example:

    ```python
    dbm = keras_rbm.DBM([500, 1000], seed=0)
    dbm.adapt(x)
    dbm.pretrain(x, epochs=20, optimizer=keras.optimizers.SGD(0.05))
    dbm.compile(keras.optimizers.SGD(0.01))
    dbm.fit(x, batch_size=100, epochs=50)
    ```

    Reference:
        Salakhutdinov & Hinton, 2009, "Deep Boltzmann machines"; centring: Montavon & Muller, 2012, "Deep Boltzmann
        machines and the centering trick"; Goodfellow, Mirza, Courville & Bengio, 2013, "Multi-prediction deep Boltzmann
        machines", where labels that are masked start from their bias; here in every case from one pass upwards, as when
        it classifies.
    """

    def __init__(
        self,
        units: Sequence[int],
        visible: UnitLike = "bernoulli",
        hidden: UnitLike | Sequence[UnitLike] = "bernoulli",
        sampler: SamplerLike = "pcd",
        num_classes: int | None = None,
        mean_field_steps: int | None = None,
        tolerance: float = 0.01,
        seed: int | None = None,
        objective: str = "joint",
        mask_rate: float = _MASK_RATE,
        multi_inference: bool = False,
        **kwargs: Any,
    ) -> None:
        if objective == "multi_prediction" and kwargs.get("kernel_initializer") is None:
            kwargs["kernel_initializer"] = keras.initializers.GlorotNormal()  # smaller weights hand on too little
        super().__init__(units, visible, hidden, sampler, num_classes, seed, **kwargs)
        if objective not in OBJECTIVES:
            raise ValueError(f"`objective` must be one of {', '.join(OBJECTIVES)}. Received: objective={objective!r}")
        if isinstance(mask_rate, (str, bool, type(None))) or not 0 < mask_rate < 1:
            raise ValueError(f"`mask_rate` must be between 0 and 1. Received: mask_rate={mask_rate!r}")
        if not isinstance(multi_inference, (bool, np.bool_)):
            raise ValueError(f"`multi_inference` must be a boolean. Received: multi_inference={multi_inference!r}")
        for name, given in (("mask_rate", mask_rate != _MASK_RATE), ("multi_inference", multi_inference)):
            if given and objective == "joint":
                raise ValueError(f"`{name}` is for objective='multi_prediction'. Received: objective='joint'")
        self.objective, self.mask_rate, self.multi_inference = objective, float(mask_rate), bool(multi_inference)
        if mean_field_steps is None:
            mean_field_steps = OBJECTIVES[objective]
        self.mean_field_steps = positive_integer(mean_field_steps, "mean_field_steps")
        if isinstance(tolerance, (str, type(None))) or not 0 < tolerance < float("inf"):
            raise ValueError(f"`tolerance` must be positive. Received: tolerance={tolerance!r}")
        self.tolerance = float(tolerance)
        names = ["reconstruction_error", "mean_field_residual", *self.sampler.log_names]
        names += ["cross_entropy", "accuracy"] if num_classes else []
        self._trackers = {name: keras.metrics.Mean(name) for name in names}

    def undirected(self) -> Bipartite:
        return self._bipartite

    @functools.cached_property
    def _bipartite(self) -> Bipartite:
        return Bipartite(self)

    # --- the posterior

    def _known(self, v: tf.Tensor, y: tf.Tensor | None = None) -> dict[int, tf.Tensor]:
        """What is known of the layers, by number, for data and classes `(batch,)`."""
        labels = {} if y is None else {len(self.groups) - 1: tf.one_hot(y, self.num_classes, dtype=v.dtype)}
        return {0: v, **labels}

    def _posterior(self, v: Any, y: tf.Tensor | None = None) -> Posterior:
        """Mean field given `v` `(batch, visible)` and perhaps classes `(batch,)`, in at most `mean_field_steps`."""
        return self._mean_field(self._known(self._as_states(v), y))

    def _mean_field(self, known: dict[int, tf.Tensor], tell: Callable[..., None] | None = None) -> Posterior:
        """Mean field as this machine does it: to its fixed point, or exactly as it has learnt to predict."""
        stop = self.tolerance if self.objective == "joint" else 0.0
        return mean_field(self, known, self.mean_field_steps, stop, tell)

    def mean_field(self, v: Array) -> list[tf.Tensor]:
        """Means of the hidden layers given `v` `(batch, visible)`, from the lowest to the top, each `(batch, units)`.

        Raises:
            ValueError: if the data do not fit the machine.

        Warns:
            UserWarning: if the fixed point was not reached.
        """
        v, most = self._as_states(self._checked_rows(v)), self.mean_field_steps
        with progress.Line("mean field", most, progress.is_watched()) as line:

            def tell(k: tf.Tensor, residual: tf.Tensor) -> None:
                line.move(int(k), f"step {int(k)} of at most {most}", f"largest change {float(residual):.3g}")

            posterior = self._mean_field(self._known(v), tell)
        self._warn_of(float(tf.reduce_max(posterior.residual)))
        return [posterior.means[i + 1] for i in range(len(self.units))]

    def _warn_of(self, residual: float) -> None:
        if self.objective == "joint" and not residual <= self.tolerance:  # NaN, too
            warnings.warn(
                f"Mean field did not converge in mean_field_steps={self.mean_field_steps}: a mean still changed by "
                f"{residual:.3g} in the last step, more than tolerance={self.tolerance:g}. Allow more steps, or look "
                "at the weights: large ones make it slow.",
                stacklevel=3,
            )

    def variational_free_energy(self, v: Array) -> tf.Tensor:
        """Upper bound of `-log sum_h exp(-E(v, h))` at the mean-field posterior, nats, `(batch,)`.

        With `log Z` it gives the variational lower bound of `log p(v)`, minus this less `log Z`.
        """
        v = self._as_states(v)
        return variational_free_energy(self, self._known(v), self._posterior(v).fields)

    def _recognition(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        fields = self._posterior(v).fields
        x, log_q = drawn(self.undirected(), {0: v}, fields, draws)
        return x, -log_q

    def _log_score(self, v: tf.Tensor, draws: Draws) -> tf.Tensor:
        return -self.variational_free_energy(v)

    def _exact_log_score(self, v: tf.Tensor) -> tf.Tensor:
        return self.undirected().log_sum_given(tf.cast(v, tf.float64))

    def encode(self, v: Array) -> tf.Tensor:
        return self._posterior(v).means[len(self.units)]

    def _hidden_fields(self, v: tf.Tensor) -> list[tuple[unit_kinds.Unit, tf.Tensor]]:
        means = self._posterior(v).means
        return [(units, units.field(self._input_to(i, means))) for i, units in enumerate(self.hidden, 1)]

    def _first_kernel(self) -> Any:
        return self.kernels[0]

    def _reconstruction_field(self, v: Any) -> tf.Tensor:
        return self._field_below(self._posterior(v).means[1])

    def call(self, inputs: Array) -> tf.Tensor:
        unused = [tf.convert_to_tensor(x) for x in (self.visible.bias, *self.visible.other_parameters)]
        return tf.cast(with_zero_gradients(self.encode(inputs), *unused), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.units[-1])

    # --- samples

    def initial_states(self, num_samples: Count) -> tf.Tensor:
        return self.undirected().initial_states(num_samples)

    def _initial_states_from(self, v: tf.Tensor) -> tf.Tensor:
        return self._recognition(v, self.stream)[0]

    def _visible_of(self, states: tf.Tensor, visible: tf.Tensor, mean: bool) -> tf.Tensor:
        return visible[:, : self.visible.width]

    def _clamp(self, mask: np.ndarray, values: np.ndarray) -> Clamp:
        width = self.visible.width
        pair = tf.convert_to_tensor(mask), tf.cast(values, self.state_dtype)
        known = {0: [x[:, :width] for x in pair]}
        if self.num_classes:
            known[len(self.groups) - 1] = [x[:, width:] for x in pair]
        return self.undirected().clamp(known)

    # --- learning

    def _gradients(self, batch: Batch) -> StepResult:
        known = self._known(batch.v, batch.y)
        if self.objective == "multi_prediction":
            return multi_prediction(self, known, batch.weights, self.mean_field_steps, self.mask_rate)
        return bound_gradients(self.undirected(), known, self._mean_field(known), batch.weights)

    def _work(self) -> int:
        return super()._work() * (1 if self.objective == "joint" else self.mean_field_steps)

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        history = super().fit(*args, **kwargs)
        self._warn_of(history.history.get("mean_field_residual", [0.0])[-1])
        return history

    # --- pretraining

    def pretrain(
        self,
        x: Data,
        epochs: int | Sequence[int] = 10,
        optimizer: OptimizerLike | Sequence[OptimizerLike] = "sgd",
        sampler: SamplerLike | Sequence[SamplerLike] = "cd",
        doubled: bool = True,
        **options: Any,
    ) -> list[keras.callbacks.History]:
        """Trains the layers one after the other, as RBMs on states sampled from the layers below, and starts from them.

        The chains then start in data. What was learnt stays if training is interrupted.

        Args:
            x: an array `(cases, visible)`, or a `tf.data.Dataset` of batches.
            doubled: whether each RBM's units feel what comes in from one side twice, where in the DBM a layer on the
                other side will bring as much. Without, the whole believes too firmly at first.
            epochs, optimizer, sampler, options: as in `DBN.pretrain`; the sampler is `"cd"` by default.

        Returns:
            one `History` a layer.

        Raises:
            ValueError: as `DBN.pretrain` does.

        Reference:
            Salakhutdinov & Hinton, 2009, "Deep Boltzmann machines", section 3.3.
        """
        rows = self._some_rows(x)  # builds, too
        with self.distribute_strategy.scope():
            rbms = doubled_rbms(self, doubled)
        options |= {"epochs": epochs, "optimizer": optimizer, "sampler": sampler}
        head = ClassHead(self.num_classes) if self.num_classes else None
        pretraining = Pretraining(rbms, x, head=head, seed=self.seed, **options)
        try:
            return pretraining.run()
        finally:
            initialize_from_rbms(self, rbms)
            self.start_chains(rows)

    def start_chains(self, x: Data) -> None:
        """Starts the sampler's chains in rows of data and states of the hidden layers drawn given them.

        Chains that start from biases take long to forget them, and learning before that undoes what pretraining did.

        Args:
            x: an array `(cases, visible)`, or a `tf.data.Dataset` of batches, of which the first is used.

        Raises:
            ValueError: if the data do not fit the machine.
        """
        states = self._initial_states_from(self._some_rows(x))
        self.sampler.reset(self.undirected(), states)

    def _some_rows(self, x: Any) -> tf.Tensor:
        """Rows drawn from an array, or the first batch of a dataset."""
        if checks.is_array(x):
            x = np.asarray(x)
            x = x[np.random.default_rng(spawned_seed(self.seed, "chain starts")).permutation(len(x))[:_CHAIN_STARTS]]
        rows = next(self._checked_batches(x), None)
        if rows is None:
            raise ValueError("Data must have at least one row. Received: none")
        return self._as_states(rows)

    def initialize_from_rbms(self, rbms: Sequence[RBM]) -> None:
        """Starts from RBMs that were trained one on the other's hidden states.

        Weights are taken as they are, and of the two biases that a layer has, as hidden and as visible units, the mean.

        Args:
            rbms: built, of this machine's sizes and kinds of units, from the lowest up. With label units the highest
                one has them beside its other visible units.

        Raises:
            TypeError, ValueError: if it is no list of RBMs, there are more or fewer, or one is not built or differs;
                nothing has changed then.
        """
        initialize_from_rbms(self, rbms)

    # --- leaving

    def _endpoints(self) -> dict[str, Endpoint]:
        endpoints = super()._endpoints()
        nested = endpoints["denoise"]._replace(without=("onnx",))  # whose loops have none inside
        return {**endpoints, "denoise": nested}

    # --- classes

    def class_log_probs(self, v: Array) -> tf.Tensor:
        """`log p(y | v)` of each class, `(batch, num_classes)`: the softmax of the variational bounds with each class,
        or, with `"multi_prediction"`, what mean field infers of the label.

        Raises:
            ValueError: if there are no label units.
        """
        self._require_labels()
        v = self._as_states(v)
        if self.objective == "multi_prediction":
            half = {0: tf.fill(tf.shape(v), tf.constant(0.5, v.dtype))} if self.multi_inference else None
            posterior = mean_field(self, self._known(v), self.mean_field_steps, 0.0, seen=half)
            return tf.nn.log_softmax(field_of(self, posterior, len(self.groups) - 1))
        number = tf.shape(v)[0]
        # All classes of all cases are one batch.
        known = self._known(tf.repeat(v, self.num_classes, 0), tf.tile(tf.range(self.num_classes), [number]))
        posterior = self._mean_field(known)
        scores = tf.reshape(variational_free_energy(self, known, posterior.fields), (-1, self.num_classes))
        return tf.nn.log_softmax(-scores)

    # --- leaving

    def augment(self, v: Array) -> tf.Tensor:
        """What a `classifier` is given: `v` `(batch, visible)` with the mean-field means of the hidden layers from the
        second up to its right, `(batch, visible + sum(units[1:]))`."""
        means = self._posterior(v).means
        return tf.concat([means[i] for i in range(1 + len(self.units)) if i != 1], -1)

    def classifier(
        self,
        num_classes: int,
        mean_field: bool = True,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        kernel_constraint: Constraint = None,
    ) -> keras.Model:
        """A plain Keras network that starts from this machine, with a softmax over classes, ready to be fine-tuned.

        Nothing of this package is in it, so it deploys where only Keras is installed. Label units are left out.

        Args:
            num_classes: number of classes, at least 2.
            mean_field: whether its inputs are those of `augment`: data and mean-field means, each layer's
                units then feel what they feel in the machine. Otherwise its inputs are data alone, and it goes upwards
                once, what comes from below counting twice: the pass from which mean field starts.
            dropout, input_dropout, kernel_constraint: as in `DBN.classifier`.

        Raises:
            ValueError: if the machine is not built, or an argument is out of range.

        Reference:
            Salakhutdinov & Hinton, 2009, "Deep Boltzmann machines", section 3.4.
        """
        top = len(self.units)
        widths = self.units[1:] if mean_field else []

        def layer(i: int) -> tuple[np.ndarray, np.ndarray]:
            w, b = np.asarray(self.kernels[i]), np.asarray(self.groups[i + 1].bias)
            if i + 1 == top:
                # No class is known: all are taken as equally probable.
                return w, b + np.asarray(self.kernels[top]).mean(1) if self.num_classes else b
            return (np.concatenate([w, np.asarray(self.kernels[i + 1]).T]) if mean_field else 2 * w), b

        def layers() -> list[list[keras.layers.Layer]]:
            return [[units.as_layer(*layer(i), f"hidden_{i + 1}")] for i, units in enumerate(self.hidden)]

        return plain_network(self, layers, num_classes, widths, dropout, input_dropout, kernel_constraint)

    def _adapt_to_moments(self, mean: np.ndarray, variance: np.ndarray, count: np.ndarray) -> None:
        super()._adapt_to_moments(mean, variance, count)
        if self.centered and self.objective == "joint" and self.offset_age == 0:  # weights are small yet
            for offset, units in zip(self.offsets, self.groups, strict=True):
                offset.assign(units.mean(units.field(tf.zeros((1, units.width), self.state_dtype)))[0])
            self.offsets[0].assign(mean)
            self.offset_age.assign(1 / self.offset_rate)  # they move at the final rate
        self.sampler.reset(self.undirected())

    def get_config(self) -> dict:
        names = "mean_field_steps", "tolerance", "objective", "mask_rate", "multi_inference"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
