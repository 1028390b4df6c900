"""What every machine can be asked."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm import export
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.models import data as checks
from keras_rbm.models.learner import Learner
from keras_rbm.random import Draws
from keras_rbm.units.moments import moments


def as_count(value: Any, name: str) -> tf.Tensor:
    """A positive integer as a tensor; tensors, as in exported functions, pass."""
    if not isinstance(value, tf.Tensor):
        return tf.constant(positive_integer(value, name), tf.int32)
    tf.debugging.assert_positive(value, f"`{name}` must be a positive integer.")
    return value


class Machine(Learner):
    """A learner that encodes, reconstructs, adapts to data, samples and exports.

    A subclass also answers `undirected`, `ascend`, `encode`, `reconstruction_field`, `start` and `walk`.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = checked_seed(seed)
        self._compiled = SimpleNamespace(functions={})  # a bare dict would be tracked, and saved

    def as_function(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """A function whose first argument is a machine, as a `tf.function` of this one: made once, with `options`."""
        made = self._compiled.functions
        if function not in made:
            made[function] = tf.function(functools.partial(function, self), reduce_retracing=True, **options)
        return made[function]

    @property
    def has_free_energy(self) -> bool:
        """Whether `free_energy` is defined."""
        return False

    @abstractmethod
    def undirected(self) -> Any:
        """The RBM whose partition function the model's likelihood needs."""

    @abstractmethod
    def ascend(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        """From visible states to those of the top's visible units, drawn by recognition.

        Returns:
            `x`, `(batch, undirected().visible)`, and `log p(v, states below x | x) - log q(states above v | v)`, nats,
            `(batch,)`: add `log p(x)` of that RBM, and the mean over draws is a lower bound of `log p(v)`.
        """

    @abstractmethod
    def encode(self, v: Any) -> tf.Tensor:
        """Means of the last hidden units given `v` `(batch, visible)`, `(batch, units)`."""

    @abstractmethod
    def reconstruction_field(self, v: Any) -> tf.Tensor:
        """The visible units' field after going up and down by means, `(batch, visible)`."""

    def reconstruct(self, v: Any) -> tf.Tensor:
        """Means of the visible units after going up and down by means, `(batch, visible)`."""
        return self.visible.mean(self.reconstruction_field(v))

    def reconstruction_error(self, v: Any) -> tf.Tensor:
        """How badly `v` `(batch, visible)` is reconstructed, `(batch,)`: cross-entropy from logits in nats, for
        Gaussian units the squared error."""
        v = self.as_states(v)
        return self.visible.reconstruction_error(v, self.reconstruction_field(v))

    def adapt(self, data: Any) -> None:
        """Sets the visible bias (and the precision of Gaussian units, unless it was given) from the data's moments.

        Args:
            data: an array `(cases, visible)`, or a `tf.data.Dataset` of batches of `x`, `(x, y)` or
                `(x, y, sample_weight)`; read once.

        Raises:
            ValueError: if the data are empty, of another width, or outside the units' domain.
        """
        mean, variance, count = moments(self._checked_pairs(data))
        if not self.built:
            self.build((None, len(mean)))
        self.visible.adapt_to_moments(mean, variance, count)
        self.after_adapt()

    def checked_batches(self, data: Any) -> Iterator[np.ndarray]:
        """Batches of an array or a `tf.data.Dataset`, each checked.

        Raises:
            ValueError: if one is empty, of another width, or outside the units' domain.
        """
        return (x for x, _ in self._checked_pairs(data))

    def _checked_pairs(self, data: Any) -> Iterator[tuple[np.ndarray, Any]]:
        for x, weights in checks.batches(data):
            width = self.visible.width if self.built else None
            yield checks.checked_array(x, self.visible, width, "float32"), weights

    def after_adapt(self) -> None:
        """Called when the visible bias has been set anew."""

    # --- samples

    @abstractmethod
    def start(self, num_samples: Any) -> tf.Tensor:
        """States from which Gibbs chains start: drawn from the biases alone."""

    def start_from(self, v: tf.Tensor) -> tf.Tensor:
        """The states of Gibbs chains that start from visible states `v`."""
        return v

    @abstractmethod
    def walk(self, state: tf.Tensor, num_steps: tf.Tensor, mean: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """The chains' states after `num_steps` sweeps, and the visible states that belong to them, or their means."""

    def sample(self, num_samples: Any = 1, num_steps: Any = 1000, v: Any = None, mean: bool = False) -> tf.Tensor:
        """Fantasies: where Gibbs chains are after a while.

        Args:
            num_samples: how many, if the chains start from the biases alone.
            num_steps: sweeps, at least 1.
            v: visible states to start from instead, `(num_samples, visible)`.
            mean: whether to return the means of the visible units at the last sweep: smoother pictures.

        Returns:
            visible states, `(num_samples, visible)`.

        Raises:
            ValueError: for counts that are not positive, or if the machine is not built.
        """
        return self.advance(self._begin(num_samples, v), num_steps, mean)[1]

    def trajectories(self, num_chains: int = 20, num_rows: int = 10, num_steps: int = 1000, v: Any = None) -> tf.Tensor:
        """Means of the visible units along Gibbs chains, each row `num_steps` sweeps after the one before.

        Returns:
            `(num_rows, num_chains, visible)`: what `plots.fantasies` draws.

        Raises:
            ValueError: as `sample` does.
        """
        state, rows = self._begin(num_chains, v), []
        for _ in range(positive_integer(num_rows, "num_rows")):
            state, visible = self.advance(state, num_steps)
            rows.append(visible)
        return tf.stack(rows)

    def advance(self, state: tf.Tensor, num_steps: Any, mean: bool = True) -> tuple[tf.Tensor, tf.Tensor]:
        """`walk`, compiled: chains that began with `start` or `start_from` go on from where they are."""
        return self.as_function(type(self).walk)(state, as_count(num_steps, "num_steps"), mean)

    def _begin(self, num_samples: Any, v: Any) -> tf.Tensor:
        if v is not None:
            return self.start_from(self.as_states(v))
        num_samples = as_count(num_samples, "num_samples")
        if not self.built:
            raise ValueError("A machine must be built before it is sampled. Fit it, adapt it or call it on data.")
        return self.start(num_samples)

    # --- leaving

    def export(self, filepath: Any, format: str = "tf_saved_model", verbose: bool | None = None) -> None:
        """Writes a SavedModel whose signatures are this machine's questions; see `keras_rbm.export`.

        Raises:
            ValueError: if the machine is not built, or the format another.
        """
        if format != "tf_saved_model":
            raise ValueError(f"`format` must be 'tf_saved_model'. Received: format={format!r}")
        if not self.built:
            raise ValueError("A machine must be built before it is exported. Fit it, adapt it or call it on data.")
        export.write(self, filepath)
