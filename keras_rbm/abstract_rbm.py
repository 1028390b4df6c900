"""The contract of everything that is an RBM: two groups of units, and what each brings to the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import tensorflow as tf

from keras_rbm.compiled import Compiled
from keras_rbm.random import Draws, RandomStream
from keras_rbm.types import Array, Beta, Bias, Count
from keras_rbm.units.unit import Unit


def assigned() -> Any:
    """Stands in a class for an attribute of the contract that the constructor, or `build`, assigns."""
    return None


class AbstractRBM(Compiled, ABC):
    """A visible and a hidden group of units, each independent given the other, and the coupling between them.

        E(v, h) = base(v) - b . v + base(h) - c . h - v . w_rec . h
        F(v)    = base(v) - b . v - log_partition(c + v . w_rec)

    Samplers, annealing, enumeration and diagnostics work on any such machine and ask it nothing else. A subclass states
    the groups, the coupling, where random numbers come from and the dtype of states; what its constructor assigns it
    declares as `assigned()`. The rest follows, and is written here once. Fields, states and energies of a batch have
    shapes `(batch, units)` and `(batch,)`.
    """

    # --- what a subclass states

    @property
    @abstractmethod
    def visible(self) -> Unit:
        """The group that data or chains are states of."""

    @property
    @abstractmethod
    def hidden(self) -> Unit:
        """The group that is summed out."""

    @property
    @abstractmethod
    def w_rec(self) -> Any:
        """The weights between the groups, `(visible, hidden)`; or what they are made of."""

    @abstractmethod
    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        """What visible states bring to the hidden units' fields, `(batch, hidden)`."""

    @abstractmethod
    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        """What hidden states bring to the visible units' fields, `(batch, visible)`."""

    @property
    @abstractmethod
    def stream(self) -> RandomStream:
        """Where random numbers come from."""

    @property
    @abstractmethod
    def state_dtype(self) -> str:
        """The dtype of states, fields and energies."""

    # --- what follows

    def _up(self, v: tf.Tensor, w: Any) -> tf.Tensor:
        """What `hidden_input` would be with other weights, of the shape of `w_rec`."""
        return tf.matmul(v, w)

    def _down(self, h: tf.Tensor, w: Any) -> tf.Tensor:
        """What `visible_input` would be with other weights, of the shape of `w_rec`."""
        return tf.matmul(h, w, transpose_b=True)

    def couplings(self) -> list[Any]:
        """The variables that the weights between the groups are made of."""
        return [self.w_rec]

    def weight_matrix(self) -> tf.Tensor:
        """The weights between all units, `(visible, hidden)`, float64; `w_rec`, unless that has another shape."""
        return tf.cast(self.w_rec, tf.float64)

    def _weights_of(self, site: tf.Tensor) -> tf.Tensor:
        """The weights of visible unit `site` `(batch,)` of each row, `(batch, hidden)`."""
        return tf.cast(tf.gather(self.w_rec, site), self.state_dtype)

    @property
    def visible_bias(self) -> Any:
        """Of each visible unit, `(visible,)`, or of each unit and case, `(batch, visible)`."""
        return self.visible.biases

    @property
    def hidden_bias(self) -> Any:
        """Of each hidden unit, `(hidden,)`, or of each unit and case, `(batch, hidden)`."""
        return self.hidden.biases

    @property
    def has_free_energy(self) -> bool:
        """Whether energies are defined."""
        return True

    def _hidden_field_of(self, hidden_input: tf.Tensor, beta: Beta = 1.0, base_bias: Bias = 0.0) -> tf.Tensor:
        """`hidden_field`, where what the visible states bring is known already."""
        return self.hidden.field(hidden_input, beta, base_bias, self.hidden_bias)

    def hidden_field(self, v: tf.Tensor, beta: Beta = 1.0, base_bias: Bias = 0.0) -> tf.Tensor:
        """`(1 - beta) * base_bias + beta * (c + v . w_rec)`, `(batch, hidden)`."""
        return self._hidden_field_of(self.hidden_input(v), beta, base_bias)

    def visible_field(self, h: tf.Tensor, beta: Beta = 1.0, base_bias: Bias = 0.0) -> tf.Tensor:
        """`(1 - beta) * base_bias + beta * (b + visible_input(h))`, `(batch, visible)`."""
        return self.visible.field(self.visible_input(h), beta, base_bias, self.visible_bias)

    def free_energy(self, v: Array) -> tf.Tensor:
        """`F(v) = -log sum_h exp(-E(v, h))` of `v` `(batch, visible)`, nats, `(batch,)`."""
        return self._free_energy_of(v, self.hidden_field(v))

    def _free_energy_of(self, v: tf.Tensor, hidden_field: tf.Tensor) -> tf.Tensor:
        """`free_energy`, where the hidden units' field is known already."""
        return self.visible.energy(v, self.visible_bias) - self.hidden.log_partition(hidden_field)

    def _reconstruction_error_of(self, v: tf.Tensor, hidden_field: tf.Tensor) -> tf.Tensor:
        """How badly `v` is predicted by the means of its hidden units, in a field that is known already, `(batch,)`."""
        return self.visible.reconstruction_error(v, self.visible_field(self.hidden.mean(hidden_field)))

    def initial_states(self, num_samples: Count) -> tf.Tensor:
        """Visible states drawn from the biases alone, from which chains start, `(num_samples, visible)`."""
        return self._drawn_from_biases(tf.zeros((num_samples, self.visible.width), self.state_dtype), self.stream)

    def _drawn_from_biases(self, like: tf.Tensor, draws: Draws) -> tf.Tensor:
        """Visible states without any input, of the shape and dtype of `like` `(batch, visible)`."""
        return self.visible.sample(self.visible.field(tf.zeros_like(like), bias=self.visible_bias), draws)

    def _annealed(self) -> AbstractRBM:
        """The RBM that annealing moves: this one, or one with the same partition function that is cheaper."""
        return self
