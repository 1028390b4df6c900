"""A trained machine for TensorFlow Probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tensorflow_probability as tfp

from keras_rbm.arguments import clone, positive_integer
from keras_rbm.likelihood.annealing import ais, sweeps
from keras_rbm.likelihood.bounds import log_partition as bounds_of
from keras_rbm.likelihood.exact import can_be_exact, check_normalizable
from keras_rbm.likelihood.keys import key_at
from keras_rbm.likelihood.partition import LogPartition
from keras_rbm.random import Draws
from keras_rbm.scored import checked_model
from keras_rbm.types import Data

if TYPE_CHECKING:
    from keras_rbm.models.machine import Machine


class Distribution(tfp.distributions.Distribution):
    """What a machine believes about data, as a `tfp.distributions.Distribution`.

        log_prob(v) = log sum_h exp(-E(v, h)) - log Z

    The event is a row of visible states, `(visible,)`, of the machine's dtype; there is no batch. It is a copy: if the
    machine learns on, this stays as it is, `log Z` too. A seed of two integers rules `sample` alone (a single one is
    stateful in TensorFlow Probability); the machine's own random state is not touched.

    Args:
        model: a built RBM, or a DBM whose hidden layers are so small that they can be summed out exactly.
        log_partition: what `likelihood.ais` or `reverse_ais` found, or `likelihood.log_partition(...).joined`. `None`
            computes `log Z` exactly where a side has at most 2^20 states, else, with its defaults, that joined figure,
            or `ais` where there are no data: `log_prob` then tends to flatter.
        data: training data for these, as there.
        num_steps: Gibbs sweeps that each sample is away from independent units, at least 1: every sample is the end of
            a chain of its own, and as good as these mix (see `samplers.mixing`).
        validate_args: whether `log_prob` refuses what is no state of the units (not under XLA, which drops assertions).

    Attributes:
        log_partition: the `LogPartition` in use: `log_z`, `standard_error` (that of each `log_prob`), `kind`.

    Raises:
        TypeError: if the model has no exact `log p(v)` up to `log Z`: a DBN, or a machine with label units.
        ValueError: if it is not built, not finite or not tied, has no partition function or too many hidden states, or
            an argument is out of range.

    Example:

    ```python
    p = keras_rbm.likelihood.Distribution(rbm, data=x_train)
    p.log_prob(x_test)  # (cases,), nats
    p.sample(16, seed=(0, 1))  # (16, visible)
    ```
    """

    def __init__(
        self,
        model: Machine,
        log_partition: LogPartition | None = None,
        data: Data | None = None,
        num_steps: int = 1000,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Machine",
    ) -> None:
        checked_model(model)
        check_normalizable(model.undirected())
        if log_partition is not None and not isinstance(log_partition, LogPartition):
            raise ValueError(
                "`log_partition` must be what likelihood.ais or reverse_ais returns, what two are joined, or None. "
                f"Received: {type(log_partition).__name__}"
            )
        self._num_steps = positive_integer(num_steps, "num_steps")
        self._machine = _copied(model)
        self._machine._exact_log_score(self._machine.visible.mode(self._zeros(1)))  # raises what there is to raise
        if log_partition is None and data is None and not can_be_exact(self._machine.undirected()):
            log_partition = ais(self._machine)
        self.log_partition = bounds_of(self._machine, data).joined if log_partition is None else log_partition
        super().__init__(
            dtype=tf.as_dtype(self._machine.state_dtype),
            reparameterization_type=tfp.distributions.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters={
                "model": self._machine,
                "log_partition": self.log_partition,
                "num_steps": num_steps,
                "validate_args": validate_args,
                "allow_nan_stats": allow_nan_stats,
                "name": name,
            },
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {}  # no parameter is a tensor with a batch shape

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self._machine.visible.width])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([self._machine.visible.width])

    def _zeros(self, number: int | tf.Tensor) -> tf.Tensor:
        return tf.zeros((number, self._machine.visible.width), self._machine.state_dtype)

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        rows = tf.cast(tf.reshape(value, (-1, self._machine.visible.width)), self.dtype)
        log_prob = self._machine._exact_log_score(rows)
        log_prob = tf.cast(log_prob, self.dtype) - tf.constant(self.log_partition.log_z, self.dtype)
        return tf.reshape(log_prob, tf.shape(value)[:-1])

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        # Split, seeds that are neighbours become strangers: sweeps use keys that follow one another.
        key = tf.cast(tfp.random.split_seed(seed, 1)[0], tf.int64)
        return self._machine._as_function(_ends_of_chains)(n, tf.constant(self._num_steps), key)

    def _sample_control_dependencies(self, value: tf.Tensor, **kwargs: Any) -> list:
        if not self.validate_args:
            return []
        units, rows = self._machine.visible, tf.cast(tf.reshape(value, (-1, self._machine.visible.width)), self.dtype)
        sound = tf.reduce_all(units.in_domain(rows) & units.are_states(rows))
        return [tf.debugging.assert_equal(sound, True, f"{units.domain}, states and no means between them.")]


def _copied(model: Machine) -> Machine:
    """A machine of its own with the same weights."""
    copy = clone(model)
    copy.build((None, model.visible.width))
    for own, weight in zip(copy.weights, model.weights, strict=True):
        own.assign(weight)
    return copy


def _ends_of_chains(machine: Machine, n: tf.Tensor, num_steps: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    rbm = machine.undirected()
    like = tf.zeros((n, rbm.visible.width), rbm.state_dtype)
    states = rbm._drawn_from_biases(like, Draws(key_at(key, 0)))
    states = sweeps(rbm, states, tf.constant(1), num_steps + 1, key)
    return machine._visible_of(states, states, False)
