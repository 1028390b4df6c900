"""The Hopfield network."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import units as unit_kinds
from keras_rbm.arguments import positive_integer
from keras_rbm.export import Endpoint, counts, rows
from keras_rbm.likelihood.pseudo import site_log_odds
from keras_rbm.models.rbm import RBM
from keras_rbm.types import Array, UnitLike


@keras.saving.register_keras_serializable("keras_rbm")
class Hopfield(RBM):
    """A Hopfield network, as the RBM that it is: two-state visible units, fixed standard Gaussian hidden ones.

        p(v) ~ exp(b . v + v . J . v / 2),   J = w_rec . w_rec^T

    It is trained like any RBM, or it stores patterns, one to a hidden unit, by Hebb's rule; `recall` goes downhill from
    a corrupted pattern. All that an RBM answers (likelihoods, sampling at a temperature, clamping) it answers too.

    Args:
        units: hidden units: the rank of the couplings, and how many patterns can be stored.
        visible: `"spin"`, `"bernoulli"`, a config or a `Unit` with two states.
        kwargs: what `RBM` takes, but `hidden` and `tied`.

    Raises:
        ValueError: if the visible units have not two states, or as `RBM` does.

    Example:

    ```python
    net = keras_rbm.Hopfield(units=30, visible="spin")
    net.store(patterns)  # (30, visible), -1 and 1
    net.recall(corrupted)  # (cases, visible)
    ```

    Reference:
        Hopfield, 1982, "Neural networks and physical systems with emergent collective computational abilities"; as an
        RBM: Barra, Bernacchia, Santucci & Contucci, 2012, "On the equivalence of Hopfield networks and Boltzmann
        machines".
    """

    def __init__(self, units: int, visible: UnitLike = "spin", **kwargs: Any) -> None:
        for name in ("hidden", "tied"):
            if name in kwargs:
                raise ValueError(
                    f"A Hopfield network has fixed Gaussian hidden units and tied weights. Received: {name}"
                )
        dtype = kwargs.get("dtype")
        hidden = unit_kinds.Gaussian(1.0, trainable=False, name="hidden", **({"dtype": dtype} if dtype else {}))
        kind = unit_kinds.get(visible)
        if not kind.is_binary:
            raise ValueError(
                "A Hopfield network needs visible units with two states. "
                f"Received: {type(kind).__name__} units. Use visible='spin' or visible='bernoulli'."
            )
        super().__init__(units, visible=visible, hidden=hidden, **kwargs)

    def store(self, patterns: Array, beta: float = 1.0) -> None:
        """Stores patterns by Hebb's rule: `J = beta / n * sum of s s^T` for spins `s`, the two states as -1 and 1.

        What was learnt or stored before is forgotten. The visible bias is set so that states of Bernoulli units have
        the probabilities of the spins that they stand for.

        Args:
            patterns: states, `(patterns, visible)`, at most as many as there are hidden units.
            beta: inverse temperature, positive: patterns can be retrieved at a temperature only where it exceeds 1.

        Raises:
            ValueError: if there are more patterns, or values that are no states.
        """
        if not 0 < beta < float("inf"):
            raise ValueError(f"`beta` must be positive. Received: beta={beta!r}")
        x = np.asarray(self._checked_rows(patterns), "float64")
        low, high = self.visible.states or (0.0, 1.0)
        if len(x) > self.units or not np.isin(x, (low, high)).all():
            raise ValueError(
                f"A network of {self.units} hidden units stores as many patterns, of {low:g} and {high:g}. "
                f"Received: {len(x)} patterns, from {x.min():g} to {x.max():g}"
            )
        middle, scale = (low + high) / 2, 2 / (high - low)
        w = np.zeros((x.shape[1], self.units))
        w[:, : len(x)] = np.sqrt(beta / x.shape[1]) * scale * scale * (x - middle).T
        self.w_rec.assign(w)
        self.visible.bias.assign(-w @ (w.sum(0) * middle))  # so that the energy is that of the spins
        self.sampler.reset(self)

    def recall(self, v: Array, num_sweeps: int = 100) -> tf.Tensor:
        """The stored state nearest downhill: units take, one after the other, the state that is more probable.

        Each change makes the state more probable, so this ends, at the latest after `num_sweeps` passes over all units.

        Args:
            v: states to start from, `(batch, visible)`.
            num_sweeps: at least 1.

        Returns:
            states, `(batch, visible)`.

        Raises:
            ValueError: if the network is not built, or `v` does not fit it.
        """
        if not self.built:
            raise ValueError("A network must be built before it recalls. Store patterns, or fit it.")
        v = self._as_states(v)
        if not tf.reduce_all(self.visible.are_states(v)):
            low, high = self.visible.states or (0.0, 1.0)
            raise ValueError(f"Recall starts from states, {low:g} and {high:g}. Received: other values")
        return self._as_function(_descend, jit_compile=True)(v, tf.constant(positive_integer(num_sweeps, "num_sweeps")))

    def _endpoints(self) -> dict[str, Endpoint]:
        recall = Endpoint(
            lambda v, n: _descend(self, self._as_states(v), n),
            [rows("v", self.visible.width), *counts("num_sweeps")],
            "recalled",
            ("openvino",),
        )
        return {**super()._endpoints(), "recall": recall}

    def get_config(self) -> dict:
        config = super().get_config()
        return {name: value for name, value in config.items() if name not in ("hidden", "tied")}


def _descend(net: Hopfield, v: tf.Tensor, num_sweeps: tf.Tensor) -> tf.Tensor:
    low, high = (tf.cast(state, v.dtype) for state in net.visible.states or (0.0, 1.0))

    def update(site: tf.Tensor, v: tf.Tensor, hidden_input: tf.Tensor) -> tuple[tf.Tensor, ...]:
        sites = tf.repeat(site, tf.shape(v)[0])
        log_odds = site_log_odds(net, v, net._hidden_field_of(hidden_input), sites)
        old = v[:, site]
        new = tf.where(log_odds > 0, high, tf.where(log_odds < 0, low, old))
        v += (new - old)[:, None] * tf.one_hot(site, tf.shape(v)[1], dtype=v.dtype)
        return site + 1, v, hidden_input + (new - old)[:, None] * tf.cast(net.w_rec[site], v.dtype)

    def sweep(k: tf.Tensor, v: tf.Tensor, changed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        loop = (0, v, net.hidden_input(v))
        after = tf.while_loop(lambda site, *_: site < net.visible.width, update, loop)[1]
        return k + 1, after, tf.reduce_any(after != v)

    def goes_on(k: tf.Tensor, v: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
        return (k < num_sweeps) & changed

    return tf.while_loop(goes_on, sweep, (0, v, tf.constant(True)))[1]
