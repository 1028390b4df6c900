"""Parallel tempering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import checked_betas, positive_integer
from keras_rbm.samplers.chains import sweep_from
from keras_rbm.samplers.pcd import PCD
from keras_rbm.samplers.sampler import Samples

#: How slowly the recorded swap rates forget.
_MEMORY = 0.9


@keras.saving.register_keras_serializable("keras_rbm")
class ParallelTempering(PCD):
    """Persistent chains at several temperatures, which exchange their states: hot ones move freely between modes, the
    coldest, at `beta = 1`, sample the model.

    A sweep first lets neighbours swap (pairs that start at an even or at an odd temperature, by a fair coin), then
    updates all units at all temperatures. States `x` at `beta` and `y` at `beta'` swap with probability

        min(1, p_beta(y) p_beta'(x) / (p_beta(x) p_beta'(y)))

    of the visible marginals, where `p_beta(v) = sum_h exp((1 - beta) b0 . v + beta (b . v + c . h + v . w_rec . h) -
    base(v) - base(h))` and `b0` is the visible bias that the machine had when the chains were started: the data's,
    after `adapt`. Logs `swap_acceptance` (mean over the pairs of neighbours) and `swap_acceptance_min` (the pair that
    swaps least, over the last ten meetings or so); `sampler.swap_rates`, of all pairs from the hottest, is a weight.

    Args:
        num_steps: sweeps an update, at least 1.
        num_chains: chains at each temperature, at least 1.
        num_temperatures: equally spaced inverse temperatures from 0 to 1, at least 2.
        betas: increasing inverse temperatures up to 1, instead.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, sampler=keras_rbm.samplers.ParallelTempering(num_chains=20, num_temperatures=10))
    ```

    Reference:
        Desjardins, Courville, Bengio, Vincent & Delalleau, 2010, "Parallel tempering for training of restricted
        Boltzmann machines"; Cho, Raiko & Ilin, 2010, "Parallel tempering is efficient for learning restricted Boltzmann
        machines". Both swap visible and hidden states together; here the hidden ones are summed out.
    """

    log_names = ("swap_acceptance", "swap_acceptance_min")

    def __init__(
        self,
        num_steps: int = 1,
        num_chains: int = 20,
        num_temperatures: int = 10,
        betas: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_steps, num_chains, **kwargs)
        if betas is None and positive_integer(num_temperatures, "num_temperatures") < 2:
            raise ValueError(f"`num_temperatures` must be at least 2. Received: {num_temperatures}")
        self.betas = checked_betas(np.linspace(0, 1, num_temperatures) if betas is None else betas)
        self._given_betas = betas is not None

    @property
    def num_temperatures(self) -> int:
        return len(self.betas)

    @property
    def num_rows(self) -> int:
        return self.num_temperatures * self.num_chains

    def prepare(self, rbm: AbstractRBM) -> None:
        if not self.built:
            options = {"dtype": rbm.state_dtype, "trainable": False}
            self.base_bias = self.add_weight(
                shape=(rbm.visible.width,),
                initializer=lambda shape, dtype: tf.cast(rbm.visible_bias, dtype),
                name="base_bias",
                **options,
            )
            self.swap_rates = self.add_weight(
                shape=(self.num_temperatures - 1,), initializer="ones", name="swap_rates", **options
            )
        super().prepare(rbm)

    def reset(self, rbm: AbstractRBM, states: tf.Tensor | None = None) -> None:
        super().reset(rbm, states)
        self.base_bias.assign(rbm.visible_bias)
        self.swap_rates.assign(tf.ones_like(self.swap_rates))

    def run_chains(self, rbm: AbstractRBM, chains: tf.Tensor) -> Samples:
        v, rates = chains, tf.identity(self.swap_rates.value)
        total = tf.zeros((), v.dtype)
        if self.num_steps == 1:
            v, rates, total = self._swap_and_sweep(rbm, v, rates, total)
        else:
            _, v, rates, total = tf.while_loop(
                lambda step, *_: step < self.num_steps,
                lambda step, *loop: (step + 1, *self._swap_and_sweep(rbm, *loop)),
                (0, v, rates, total),
            )
        logs = {"swap_acceptance": total / self.num_steps, "swap_acceptance_min": tf.reduce_min(rates)}
        cold = v[-(v.shape[0] // self.num_temperatures) :]
        return Samples(cold, tf.ones(cold.shape[0], v.dtype), {"chains": v, "swap_rates": rates}, logs)

    def _swap_and_sweep(self, rbm: AbstractRBM, v: tf.Tensor, rates: tf.Tensor, total: tf.Tensor) -> tuple:
        """One sweep of all temperatures; `v` is `(temperatures * chains, visible)`, the hottest first."""
        number, chains = self.num_temperatures, v.shape[0] // self.num_temperatures
        parity = rbm.stream.integers([], 2) if number > 2 else 0
        level = tf.range(number)
        partner = tf.where(tf.equal((level - parity) % 2, 0), level + 1, level - 1)
        partner = tf.where((partner >= 0) & (partner < number), partner, level)
        betas = tf.constant(self.betas, v.dtype)
        hidden_input = rbm.hidden_input(v)

        def log_weight(betas: tf.Tensor) -> tf.Tensor:
            """Log of the visible marginal of each row at `betas`, less `base(v)`, `(temperatures, chains)`."""
            beta = tf.repeat(betas, chains)[:, None]
            bias = rbm.visible.field(tf.zeros_like(v), beta, self.base_bias, rbm.visible_bias)
            log_partition = rbm.hidden.log_partition(rbm._hidden_field_of(hidden_input, beta))
            return tf.reshape(tf.reduce_sum(bias * v, -1) + log_partition, (number, chains))

        gain = log_weight(tf.gather(betas, partner)) - log_weight(betas)  # of moving to the partner's temperature
        probability = tf.exp(tf.minimum(gain + tf.gather(gain, partner), 0.0))
        coin = tf.gather(rbm.stream.uniform_like(probability), tf.minimum(level, partner))  # one for both
        swaps = (coin < probability) & tf.not_equal(partner, level)[:, None]
        swapped = _from_neighbours(hidden_input, swaps, partner > level)
        v_next = sweep_from(rbm, swapped, tf.repeat(betas, chains)[:, None], self.base_bias)
        met = tf.cast(tf.equal(partner[:-1], level[1:]), v.dtype)
        accepted = tf.reduce_mean(probability, 1)[:-1]
        rates = rates + met * (1 - _MEMORY) * (accepted - rates)
        return v_next, rates, total + tf.reduce_sum(met * accepted) / tf.maximum(tf.reduce_sum(met), 1)

    def get_config(self) -> dict:
        config = super().get_config()
        if self._given_betas:
            return {**config, "betas": self.betas.tolist()}
        return {**config, "num_temperatures": self.num_temperatures}


def _from_neighbours(x: tf.Tensor, swaps: tf.Tensor, colder: tf.Tensor) -> tf.Tensor:
    """Rows `x` `(temperatures * chains, units)` after some took those of a neighbour; XLA looks them up slowly.

    Args:
        swaps: which do, `(temperatures, chains)`.
        colder: whether the neighbour is the next colder temperature, `(temperatures,)`, or the next hotter one.
    """
    chains = swaps.shape[1]
    after, before = tf.concat([x[chains:], x[:chains]], 0), tf.concat([x[-chains:], x[:-chains]], 0)
    neighbours = tf.where(tf.repeat(colder, chains)[:, None], after, before)
    return tf.where(tf.reshape(swaps, [-1])[:, None], neighbours, x)
