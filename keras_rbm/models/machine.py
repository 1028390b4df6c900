"""What every machine can be asked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, export, pipelines, progress, replicas
from keras_rbm.arguments import checked_betas, checked_seed, positive_integer
from keras_rbm.export import Endpoint, counts, rows
from keras_rbm.formats import CONVERTED
from keras_rbm.models import steps
from keras_rbm.random import RandomStream
from keras_rbm.samplers.chains import Clamp, clamped, gibbs, run_chains
from keras_rbm.scored import Scored
from keras_rbm.training.learner import Learner
from keras_rbm.types import Array, Count, Data, File
from keras_rbm.units import Unit
from keras_rbm.units.moments import moments


def as_count(value: Any, name: str) -> tf.Tensor:
    """A positive integer as a tensor; tensors, as in exported functions, pass."""
    if not isinstance(value, tf.Tensor):
        return tf.constant(positive_integer(value, name), tf.int32)
    tf.debugging.assert_positive(value, f"`{name}` must be a positive integer.")
    return value


#: Chains times sweeps times parameters that take about a second.
_LONG = 5e10


class Machine(Learner, Scored):
    """A learner that encodes, reconstructs, adapts to data, samples and exports.

    A subclass also answers `undirected`, `sampler`, `_recognition`, `encode`, `_reconstruction_field`,
    `_hidden_fields`, `_first_kernel` and `initial_states`.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = checked_seed(seed)

    @abstractmethod
    def encode(self, v: Array) -> tf.Tensor:
        """Means of the last hidden units given `v` `(batch, visible)`, `(batch, units)`."""

    @abstractmethod
    def _reconstruction_field(self, v: Any) -> tf.Tensor:
        """The visible units' field after going up and down by means, `(batch, visible)`."""

    @abstractmethod
    def _hidden_fields(self, v: tf.Tensor) -> list[tuple[Unit, tf.Tensor]]:
        """The hidden layers, from the lowest up, and their fields given `v` `(batch, visible)` by means below."""

    @abstractmethod
    def _first_kernel(self) -> Any:
        """Weights from the data's units to the first hidden ones, `(visible, units)`."""

    def reconstruct(self, v: Array) -> tf.Tensor:
        """Means of the visible units after going up and down by means, `(batch, visible)`."""
        return self._as_data(self.visible.mean(self._reconstruction_field(v)))

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Of a case: `(visible,)`, or height, width and channels of pictures. States inside are rows all the same."""
        return (self.visible.width,)

    def _as_data(self, v: tf.Tensor) -> tf.Tensor:
        """Rows of visible states or means, `(..., visible)`, in the shape of data."""
        shape = self.data_shape
        return v if len(shape) == 1 else tf.reshape(v, tf.concat([tf.shape(v)[:-1], shape], 0))

    def reconstruction_error(self, v: Array) -> tf.Tensor:
        """How badly `v` `(batch, visible)` is reconstructed, `(batch,)`: cross-entropy from logits in nats, for
        Gaussian units the squared error."""
        v = self._as_states(v)
        return self.visible.reconstruction_error(v, self._reconstruction_field(v))

    def adapt(self, data: Data) -> None:
        """Sets the visible bias (and the precision of real units, unless it was given) from the data's moments.

        Args:
            data: an array `(cases, visible)`, or a `tf.data.Dataset` of batches of `x`, `(x, y)` or
                `(x, y, sample_weight)`; read once.

        Raises:
            ValueError: if the data are empty, of another width, or outside the units' domain.
        """
        checked = ((self._checked_rows(x, self._missing), weights) for x, weights in pipelines.batches(data))
        mean, variance, count = moments(checked)
        self._adapt_to_moments(mean, variance, count)

    def _adapt_to_moments(self, mean: np.ndarray, variance: np.ndarray, count: np.ndarray) -> None:
        """`adapt`, when the moments of each visible unit and how often it was seen are known, `(visible,)`."""
        self.visible.adapt_to_moments(mean, variance, count)

    def _checked_batches(self, data: Data) -> Iterator[np.ndarray]:
        """Batches of an array or a `tf.data.Dataset`, each checked.

        Raises:
            ValueError: if one is empty, of another width, or outside the units' domain.
        """
        return (self._checked_rows(x) for x, _ in pipelines.batches(data))

    @property
    def _draws(self) -> RandomStream:
        return self.undirected().stream

    # --- samples

    @abstractmethod
    def initial_states(self, num_samples: Count) -> tf.Tensor:
        """States from which Gibbs chains start: drawn from the biases alone."""

    def _initial_states_from(self, v: tf.Tensor) -> tf.Tensor:
        """The states of Gibbs chains that start from visible states `v`."""
        return v

    def _run_chains(
        self,
        states: tf.Tensor,
        clamp: Clamp | None,
        num_steps: tf.Tensor,
        mean: bool,
        schedule: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The chains' states after `num_steps` sweeps, and the visible states that belong to them, or their means.

        Args:
            clamp: units of `states` that keep their values.
            schedule: inverse temperatures of the sweeps, `(num_steps,)`; 1 by default.
        """
        states, visible = run_chains(self.undirected(), states, num_steps, mean, schedule, clamp)
        return states, self._visible_of(states, visible, mean)

    def _visible_of(self, states: tf.Tensor, visible: tf.Tensor, mean: bool) -> tf.Tensor:
        """The data's units that belong to the states of chains, or their means.

        Args:
            visible: the visible states of `undirected()`, or means.
        """
        return visible

    def sample(
        self,
        num_samples: Count = 1,
        num_steps: Count = 1000,
        v: np.ndarray | tf.Tensor | None = None,
        mean: bool = False,
        anneal: Sequence[float] | None = None,
        clamp: Array | str | None = None,
        values: Array | None = None,
    ) -> tf.Tensor:
        """Fantasies: where Gibbs chains are after a while.

        Args:
            num_samples: how many, if the chains start from the biases alone.
            num_steps: sweeps, at least 1.
            v: visible states to start from instead, `(num_samples, visible)`.
            mean: whether to return the means of the visible units at the last sweep: smoother pictures.
            anneal: inverse temperatures that increase to 1, such as `[0.0, 1.0]`: the sweeps go along them, evenly and
                with straight lines in between, so that chains start hot and move freely. `None` stays at 1.
            clamp: which visible units to hold while the others are sampled: booleans, `(visible,)` or
                `(num_samples, visible)`, or `"observed"`, which holds what is not NaN in `values`.
            values: what they are held at, `(visible,)` or `(num_samples, visible)`; elsewhere anything, NaN too. As
                many rows as it has are sampled.

        Returns:
            visible states, `(num_samples, visible)`.

        Raises:
            ValueError: for counts that are not positive, a schedule that does not increase to 1, a mask of another
                shape or one that holds everything or a part of a softmax group, values outside the units' domain, or if
                the machine is not built.
        """
        clamped_units = None
        if clamp is not None or values is not None:
            clamped_units = self._checked_clamp(
                clamp, values, positive_integer(num_samples, "num_samples") if v is None else len(v)
            )
            num_samples = len(clamped_units.mask)
        schedule = None
        if anneal is not None:
            betas = checked_betas(anneal, name="anneal")
            at = np.linspace(0, len(betas) - 1, positive_integer(num_steps, "num_steps"))
            schedule = tf.constant(
                np.interp(at, np.arange(len(betas)), betas) if len(at) > 1 else [1], self.state_dtype
            )
        states = clamped(self._chain_starts(num_samples, v), clamped_units)
        return self._as_data(self.run_chains(states, num_steps, mean, schedule, clamped_units)[1])

    def _clamp(self, mask: np.ndarray, values: np.ndarray) -> Clamp:
        """What `_run_chains` needs to clamp visible units to checked `values` where the mask says so, both
        `(samples, visible)`.

        Raises:
            ValueError: if the machine cannot clamp them.
        """
        return Clamp(tf.convert_to_tensor(mask), tf.cast(values, self.state_dtype))

    def _checked_clamp(self, clamp: Any, values: Any, number: int | None = None) -> Clamp:
        if not self.built:
            raise ValueError("A machine must be built before it is sampled. Fit it, adapt it or call it on data.")
        clamp, values = (
            x if x is None or isinstance(x, str) else self._clamp_rows(np.asarray(x)) for x in (clamp, values)
        )
        held = checks.checked_clamp(self.clampable, clamp, values, number, self.state_dtype, self.data_shape)
        return self._clamp(*held)

    def _clamp_rows(self, x: np.ndarray) -> np.ndarray:
        """A mask or values of the shape of a case, or of many, as rows."""
        rank = len(self.data_shape)
        return x.reshape(*x.shape[:-rank], -1) if rank > 1 and x.shape[-rank:] == self.data_shape else x

    @property
    def clampable(self) -> Unit:
        """The units that `clamp` and `values` are of in `sample`."""
        return self.visible

    def denoise(self, x: Array, num_steps: int = 1, method: str = "mean_field") -> tf.Tensor:
        """Means of the visible units when the machine goes on from corrupted states.

        Args:
            x: visible states, `(batch, visible)`.
            num_steps: how often to go up and down, at least 1. More steps clean more, and forget more of `x`.
            method: `"mean_field"` passes on means, and returns the last ones; `"gibbs"` passes on states drawn, and
                returns the average of the means on the way.

        Raises:
            ValueError: if an argument is out of range, or the machine is not built.

        Example:

        ```python
        flipped = np.where(np.random.default_rng(0).random(x.shape) < 0.15, 1 - x, x)
        np.mean((rbm.denoise(flipped) > 0.5) != x)
        ```
        """
        if method not in _DENOISERS:
            raise ValueError(f"`method` must be 'mean_field' or 'gibbs'. Received: method={method!r}")
        if not self.built:
            raise ValueError("A machine must be built before it denoises. Fit it, adapt it or call it on data.")
        num_steps = as_count(num_steps, "num_steps")
        return self._as_data(self._as_function(_DENOISERS[method])(self._as_states(self._checked_rows(x)), num_steps))

    def trajectories(
        self, num_chains: int = 20, num_rows: int = 10, num_steps: int = 1000, v: Array | None = None
    ) -> tf.Tensor:
        """Means of the visible units along Gibbs chains, each row `num_steps` sweeps after the one before.

        Returns:
            `(num_rows, num_chains, visible)`: what `plots.fantasies` draws.

        Raises:
            ValueError: as `sample` does.
        """
        states, rows = self._chain_starts(num_chains, v), []
        for _ in progress.parts(positive_integer(num_rows, "num_rows"), 1, "trajectories", "row"):
            states, visible = self.run_chains(states, num_steps)
            rows.append(visible)
        return self._as_data(tf.stack(rows))

    def run_chains(
        self,
        states: tf.Tensor,
        num_steps: Count,
        mean: bool = True,
        schedule: tf.Tensor | None = None,
        clamp: Clamp | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Gibbs chains that began in `initial_states`, or were returned by this, go on from where they are; compiled.
        Several replicas share them out.

        Args:
            states: of the chains, `(num_chains, units)`.
            num_steps: sweeps, at least 1.
            mean: whether to return means of the visible units at the last sweep, or states.
            schedule: inverse temperatures of the sweeps, `(num_steps,)`; 1 by default.
            clamp: units of `states` that keep their values.

        Returns:
            the states of the chains, and the visible states that belong to them, `(num_chains, visible)`, or means.
        """
        # Worth XLA's compilation where a second or more is ahead; in a graph, of an export, that cannot be known.
        long = tf.executing_eagerly() and len(states) * int(num_steps) * self._work() > _LONG
        key, run = self.undirected().stream.key, type(self)._run_chains
        compiled = {"jit_compile": True} if long and replicas.on_one_device(key) else {}
        strategy, num_steps = replicas.of(key), as_count(num_steps, "num_steps")
        if tf.executing_eagerly() and strategy is None:
            # All but the last part, as sweeps that draw the same numbers; a line moves between the parts.
            total, work = int(num_steps), len(states) * self._work()
            for start, stop in progress.parts(total, progress.few(total, work), "sampling", "sweep"):
                num_steps = tf.constant(stop - start)
                part = None if schedule is None else schedule[start:stop]
                if stop == total:
                    return self._by_rows(run, None, (states, clamp), num_steps, mean, part, **compiled)
                states = self._by_rows(_sweeps, None, (states, clamp), num_steps, part, **compiled)
        return self._by_rows(run, strategy, (states, clamp), num_steps, mean, schedule, **compiled)

    def _chain_starts(self, num_samples: Count, v: Any) -> tf.Tensor:
        if v is not None:
            return self._initial_states_from(self._as_states(self._checked_rows(v)))
        num_samples = as_count(num_samples, "num_samples")
        if not self.built:
            raise ValueError("A machine must be built before it is sampled. Fit it, adapt it or call it on data.")
        return self.initial_states(num_samples)

    # --- leaving

    #: Whether visible units can be clamped.
    _clamps_visible = True

    def _endpoints(self) -> dict[str, Endpoint]:
        """What `export` writes, by name."""
        v, num_steps = rows("v", *self.data_shape), counts("num_steps")
        found = {
            "encode": Endpoint(self.encode, [v], "h"),
            "reconstruct": Endpoint(self.reconstruct, [v], "reconstruction"),
            "denoise": Endpoint(self._denoised, [v, *num_steps], "denoised"),
            **self._step_endpoints(),
            "sample": Endpoint(self.sample, counts("num_samples", "num_steps"), "samples", CONVERTED),
        }
        if self._clamps_visible:
            held = steps.held(self.clampable.width)
            found["gibbs_clamped"] = self._clamped_step(self._clamp, held)
            found["sample_clamped"] = self._clamped_samples(self._clamp, held)
        return found

    def _denoised(self, v: tf.Tensor, num_steps: tf.Tensor) -> tf.Tensor:
        return self._as_data(_mean_field(self, self._as_states(v), num_steps))

    def _step_endpoints(self) -> dict[str, Endpoint]:
        """Where chains start, and their next states: in the end, the visible states that belong to them."""
        states = rows("states", self.undirected().visible.width)
        return {
            "start": steps.by_noise(lambda n: tf.cast(self.initial_states(n), tf.float32), [], "states"),
            "gibbs": steps.by_noise(lambda _, states: self._step(states), [states]),
        }

    def _step(self, states: tf.Tensor, clamp: Clamp | None = None) -> dict[str, tf.Tensor]:
        """A sweep of the chains: their next states, hidden states, visible states and the means of these."""
        found = steps.step(self.undirected(), states, clamp)
        visible = {
            name: self._as_data(self._visible_of(found["v"], found[name], name == "mean")) for name in ("v", "mean")
        }
        return {**found, **visible}

    def _clamped_step(self, clamp_of: Callable[..., Clamp], inputs: list[tf.TensorSpec]) -> Endpoint:
        """A sweep in which units are held: `clamp_of` makes a clamp of `inputs`."""
        states = rows("states", self.undirected().visible.width)
        return steps.by_noise(lambda _, states, *held: self._step(states, clamp_of(*held)), [states, *inputs])

    def _clamped_samples(self, clamp_of: Callable[..., Clamp], inputs: list[tf.TensorSpec]) -> Endpoint:
        """`sample` with units held."""

        def ask(*tensors: tf.Tensor) -> tf.Tensor:
            *held, num_steps = tensors
            clamp = clamp_of(*held)
            states = clamp.apply(self.initial_states(tf.shape(held[0])[0]))
            return self._as_data(self._run_chains(states, clamp, num_steps, False)[1])

        return Endpoint(ask, [*inputs, *counts("num_steps")], "samples", CONVERTED)

    def export(
        self,
        filepath: File,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        endpoints: Sequence[str] | None = None,
        classifier: keras.Model | None = None,
    ) -> None:
        """Writes this machine's questions for places without Keras and this package.

        `encode(v)`, `reconstruct(v)`, `free_energy(v)` (machines that have one), `class_log_probs(v)` (machines with
        label units: their first endpoint) and `denoise(v, num_steps)` take float32 `(batch, visible)`.

        Chains go anywhere: `start(noise)` gives their states, `gibbs(states, noise)` the next ones, hidden and visible
        states and the means of these; `gibbs_clamped(states, mask, values, noise)` holds units, `gibbs_of_class(states,
        y, noise)` a class. `noise` is uniform in [0, 1), as many numbers a row as the endpoint's signature says.

        In a SavedModel `sample(num_samples, num_steps)`, `sample_clamped(mask, values, num_steps)`, `sample_of_class(y,
        num_steps)` and an RBM's `impute(v, num_steps, burn_in)` draw by themselves: the random state goes on from call
        to call.

        Args:
            filepath: a folder to write, with a file for each endpoint if they are `"onnx"` or `"openvino"`; of
                `"litert"` a file.
            format: `"tf_saved_model"`, `"onnx"`, `"litert"` or `"openvino"`.
            verbose: as Keras has it; nothing is printed.
            endpoints: the names of those to write; all by default.
            classifier: a network that this machine's `classifier` made and that was fine-tuned, as one more endpoint,
                the first: `classify(v)`. What a DBM's `augment` adds to `v` is computed inside.

        Raises:
            ValueError: if the machine is not built, the format or an endpoint is unknown, or the classifier another's.
            ImportError: if what converts to the format is not installed.
        """
        export.write(self, filepath, format, endpoints, classifier)


def _mean_field(machine: Machine, v: tf.Tensor, num_steps: tf.Tensor) -> tf.Tensor:
    def again(k: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return k + 1, machine.visible.mean(machine._reconstruction_field(v))

    return tf.while_loop(lambda k, v: k < num_steps, again, (0, v))[1]


def _sweeps(
    machine: Machine, states: tf.Tensor, clamp: Clamp | None, num_steps: tf.Tensor, schedule: tf.Tensor | None
) -> tf.Tensor:
    return gibbs(machine.undirected(), states, num_steps, schedule=schedule, clamp=clamp)


def _gibbs_average(machine: Machine, v: tf.Tensor, num_steps: tf.Tensor) -> tf.Tensor:
    states, total = machine._initial_states_from(v), tf.zeros_like(v)
    return gibbs_sum(machine, states, total, num_steps, None)[1] / tf.cast(num_steps, v.dtype)


def gibbs_sum(
    machine: Machine, states: tf.Tensor, total: tf.Tensor, num_steps: tf.Tensor, clamp: Clamp | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Chains that go on, and the `total` of the means of visible units on their way."""

    def step(k: tf.Tensor, states: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, ...]:
        states, mean = machine._run_chains(states, clamp, tf.constant(1), True)
        return k + 1, states, total + mean

    return tf.while_loop(lambda k, *_: k < num_steps, step, (0, states, total))[1:]


_DENOISERS = {"mean_field": _mean_field, "gibbs": _gibbs_average}
