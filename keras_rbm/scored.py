"""The contract of models that have a likelihood."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.compiled import Compiled
from keras_rbm.random import Draws
from keras_rbm.types import Data
from keras_rbm.units.unit import Unit

if TYPE_CHECKING:
    from keras_rbm.samplers.sampler import Sampler


class Built(Compiled, ABC):
    """A model with visible units and weights, once it is built."""

    built: bool
    weights: list

    @property
    @abstractmethod
    def visible(self) -> Unit:
        """The visible units."""

    @property
    @abstractmethod
    def state_dtype(self) -> str:
        """The dtype of states, fields and energies."""


class Scored(Built):
    """A model whose likelihood, or a lower bound of it, needs the partition function of one RBM.

    Likelihoods and diagnostics ask a model these questions and never look at what it is made of.
    """

    @abstractmethod
    def undirected(self) -> AbstractRBM:
        """The RBM whose partition function the likelihood needs."""

    @property
    @abstractmethod
    def sampler(self) -> Sampler:
        """Where that RBM's samples come from while it learns."""

    @abstractmethod
    def _recognition(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        """From visible states to those of the top's visible units, drawn by recognition.

        Returns:
            `x`, `(batch, undirected().visible)`, and `log p(v, states below x | x) - log q(states above v | v)`, nats,
            `(batch,)`: add `log p(x)` of that RBM, and the mean over draws is a lower bound of `log p(v)`.
        """

    def _log_score(self, v: tf.Tensor, draws: Draws) -> tf.Tensor:
        """`log p(v)` before the partition function is taken off, or a lower bound (drawn, if `_has_drawn_bound`); nats,
        `(batch,)`. Whatever is drawn comes from `draws`: scoring leaves the model's own random state alone."""
        x, log_ratio = self._recognition(v, draws)
        return log_ratio - self.undirected().free_energy(x)

    @property
    def _has_drawn_bound(self) -> bool:
        """Whether `_log_score` differs from draw to draw."""
        return False

    def _exact_log_score(self, v: tf.Tensor) -> tf.Tensor:
        """`log p(v)` before the partition function is taken off, all hidden units summed out, `(batch,)`.

        Raises:
            TypeError: if there is no way to do so.
        """
        raise TypeError(f"Exact likelihoods are those of an RBM or a DBM. Received: {type(self).__name__}")

    @abstractmethod
    def _checked_batches(self, data: Data) -> Iterator[np.ndarray]:
        """Batches of data that fit, each checked."""

    @abstractmethod
    def _as_states(self, x: Any) -> tf.Tensor:
        """`x` as states `(batch, visible)`."""


def checked_model(model: Any) -> Scored:
    """`model`, if it can be scored: built, with finite parameters and a top that has an energy.

    Raises:
        TypeError: if it is no machine of this package.
        ValueError: for all the rest.
    """
    if not isinstance(model, Scored):
        advice = "" if not isinstance(model, Built) else " Use likelihood.frame_log_likelihood."
        raise TypeError(f"Likelihoods are those of an RBM, a DBN or a DBM. Received: {_named(model)}.{advice}")
    checked_finite(model)
    if not model.undirected().has_free_energy:
        raise ValueError(
            "An RBM with tied=False is a pair of conditionals and has no likelihood. Received: tied=False. Use a tied "
            "RBM, or score the DBN that it belongs to."
        )
    return model


def checked_finite(model: Built) -> None:
    """Refuses a model that is not built or not finite.

    Raises:
        ValueError: if it is either.
    """
    if not model.built:
        raise ValueError("A machine must be built before it is scored. Fit it, adapt it or call it on data.")
    for weight in model.weights:
        if tf.as_dtype(weight.dtype).is_floating and not tf.reduce_all(tf.math.is_finite(weight)):
            raise ValueError(
                f"Parameters must be finite. Received: {weight.path} with NaN or infinity. Train the model again, with "
                "a lower learning rate."
            )


def _named(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
