"""The rungs of a ladder: weights of a sampler, how they start and how one more comes up."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import positive_integer
from keras_rbm.samplers.ladder import at, check_memory, free_energy, parameters, with_row
from keras_rbm.samplers.pcd import PCD
from keras_rbm.samplers.sampler import Samples

#: The variance of a gain of which nothing is known, and what is added to that of a new rung, whose chains followed a
#: model that moved.
UNKNOWN, _MOVED = 1e6, 0.05


class State(NamedTuple):
    """What moves while the rungs stay.

    Args:
        chains: of the rungs, by slot, and last those of the machine itself, `(slots + 1, chains, visible)`.
        gains: of each rung, `log Z` of the next one (after the last rung: of the machine) less its own, `(slots,)`.
        variances: of these.
        swap_rates: with the next one, `(slots,)`.
        energies: free energies of the last rung's states: in that rung, and in the machine as it was when they were
            drawn; and those of the machine's own states, `(3, chains)`.
    """

    chains: tf.Tensor
    gains: tf.Tensor
    variances: tf.Tensor
    swap_rates: tf.Tensor
    energies: tf.Tensor


class Rungs(PCD):
    """Persistent chains beside those of a ladder of rungs: what the parameters were before.

    The rungs are places in a ring; the chains are theirs, by place, and then the model's. A step that is undone does
    not undo what the chains did: they moved at parameters that stay.

    Args:
        num_steps, num_chains, max_rungs: as in `TrajectoryTempering`.
    """

    undoes = False

    def __init__(self, num_steps: int, num_chains: int, max_rungs: int, **kwargs: Any) -> None:
        super().__init__(num_steps, num_chains, **kwargs)
        if positive_integer(max_rungs, "max_rungs") < 2:
            raise ValueError(f"`max_rungs` must be at least 2. Received: max_rungs={max_rungs}")
        self.max_rungs = int(max_rungs)

    @property
    def num_rows(self) -> int:
        return (self.max_rungs + 1) * self.num_chains

    def prepare(self, rbm: AbstractRBM) -> None:
        new = not self.built
        if new:
            if tf.distribute.get_strategy().num_replicas_in_sync > 1:
                raise ValueError(
                    "A ladder of rungs is on one device. Received: TrajectoryTempering for several replicas of a "
                    "distribution strategy. Use PCD or ParallelTempering there."
                )
            numbers = sum(int(np.prod(p.shape)) for p in parameters(rbm)) + self.num_chains * rbm.visible.width
            check_memory(
                (self.max_rungs + 1) * numbers * tf.as_dtype(rbm.state_dtype).size,
                f"A ladder with max_rungs={self.max_rungs}",
                "Use a smaller max_rungs.",
            )
        super().prepare(rbm)
        if new:
            self._add_ladder(rbm)

    def _add_ladder(self, rbm: AbstractRBM) -> None:
        def add(name: str, shape: tuple[int, ...], start: Any, dtype: str = rbm.state_dtype) -> keras.Variable:
            initializer = (lambda shape, dtype: tf.cast(start(), dtype)) if callable(start) else start
            return self.add_weight(shape=shape, dtype=dtype, initializer=initializer, trainable=False, name=name)

        def rung(i: int, p: keras.Variable) -> keras.Variable:
            return add(f"rung_{p.name}", (self.max_rungs + 1, *p.shape), lambda: self._first_rung(rbm)[i], p.dtype)

        #: A ring; in the last row is what the machine was at its last update.
        self.rungs = [rung(i, p) for i, p in enumerate(parameters(rbm))]
        self.gains = add("gains", (self.max_rungs,), "zeros")
        self.variances = add("variances", (self.max_rungs,), lambda: tf.fill([self.max_rungs], UNKNOWN))
        self.swap_rates = add("swap_rates", (self.max_rungs,), "ones")
        #: `log Z` of the lowest rung, and its variance.
        self.lowest = add("lowest", (2,), lambda: self._log_z_of_units(rbm))
        self.energies = add("energies", (3, self.num_chains), lambda: self._first_energies(rbm))
        self.num_rungs, self.first = add("num_rungs", (), "ones", "int32"), add("first", (), "zeros", "int32")

    def reset(self, rbm: AbstractRBM, states: tf.Tensor | None = None) -> None:
        super().reset(rbm, states)
        self._restart(rbm)

    def _restart(self, rbm: AbstractRBM) -> None:
        """A ladder of one rung, at the biases that the machine has."""
        for rung, value in zip(self.rungs, self._first_rung(rbm), strict=True):
            rung.assign(value)
        self.gains.assign(tf.zeros_like(self.gains))
        self.variances.assign(tf.fill([self.max_rungs], tf.cast(UNKNOWN, self.variances.dtype)))
        self.swap_rates.assign(tf.ones_like(self.swap_rates))
        self.lowest.assign(self._log_z_of_units(rbm))
        self.energies.assign(self._first_energies(rbm))
        self.num_rungs.assign(1)
        self.first.assign(0)

    def _independent(self, rbm: AbstractRBM) -> list[tf.Tensor]:
        """The machine's parameters, without weights."""
        values = [tf.convert_to_tensor(p) for p in parameters(rbm)]
        number = len(rbm.couplings())
        return [*map(tf.zeros_like, values[:number]), *values[number:]]

    def _first_rung(self, rbm: AbstractRBM) -> list[tf.Tensor]:
        """Those in the first place of `rungs`."""
        return [tf.pad(x[None], [[0, self.max_rungs], *[[0, 0]] * x.shape.rank]) for x in self._independent(rbm)]

    def _log_z_of_units(self, rbm: AbstractRBM) -> tf.Tensor:
        """`log Z` of independent units, and its variance, which is 0."""
        zeros = [tf.zeros((1, side.width), tf.float64) for side in (rbm.visible, rbm.hidden)]
        sides = zip((rbm.visible, rbm.hidden), zeros, (rbm.visible_bias, rbm.hidden_bias), strict=True)
        return tf.stack([sum(side.log_partition(side.field(x, bias=bias))[0] for side, x, bias in sides), 0.0])

    def _first_energies(self, rbm: AbstractRBM) -> tf.Tensor:
        y, x = self.chains[: self.num_chains], self.chains[-self.num_chains :]
        with at(rbm, self._independent(rbm)):
            own = free_energy(rbm, y)
        return tf.stack([own, free_energy(rbm, y), free_energy(rbm, x)])

    def _state(self, chains: tf.Tensor | None = None) -> State:
        rows = tf.convert_to_tensor(self.chains) if chains is None else chains
        groups = tf.reshape(rows, (self.max_rungs + 1, self.num_chains, rows.shape[1]))
        others = (self.gains, self.variances, self.swap_rates, self.energies)
        return State(groups, *map(tf.convert_to_tensor, others))

    def _slot(self, number: Any) -> tf.Tensor:
        """Where the rung of that number is, from 0 for the lowest."""
        return (tf.convert_to_tensor(self.first) + number) % self.max_rungs

    def _used(self) -> tf.Tensor:
        """Whether there is a rung in each slot, `(slots,)`."""
        return (tf.range(self.max_rungs) - self.first) % self.max_rungs < self.num_rungs

    def _log_z(self, state: State) -> tf.Tensor:
        """`log Z` of the machine, and its variance, `(2,)`."""
        steps = tf.where(self._used(), tf.stack([state.gains, state.variances]), 0.0)
        return self.lowest + tf.reduce_sum(steps, 1)

    def _kept(self, rbm: AbstractRBM, state: State, added: tf.Tensor) -> dict[str, tf.Tensor]:
        """New values of the weights, and `parameters`; if a rung is `added`, it is one at the present ones."""
        count, chains, slots = tf.convert_to_tensor(self.num_rungs), state.chains, tf.range(self.max_rungs)
        new = self._slot(count)
        is_new = tf.equal(slots, new) & added
        full = added & tf.equal(count, self.max_rungs)
        is_first = tf.cast(tf.equal(slots, self.first) & full, state.gains.dtype)
        given_up = tf.reduce_sum(is_first * tf.stack([state.gains, state.variances]), 1)
        moved = tf.where(tf.equal(slots, self._slot(count - 1)) & added, _MOVED, 0.0)
        variances = state.variances + tf.cast(moved, state.variances.dtype)
        # Where it is written depends on all that was read of the ladder: so XLA need not copy it.
        place = tf.where(added, new, self.max_rungs)
        shift = max(1, self.num_chains // 2)
        chains = with_row(chains, place, tf.where(added, tf.roll(chains[-1], shift, 0), chains[-1]))
        return {
            "chains": tf.reshape(chains, (self.num_rows, -1)),
            "gains": tf.where(is_new, 0.0, state.gains),
            "variances": tf.where(is_new, 0.0, variances),
            "swap_rates": tf.where(is_new, 1.0, state.swap_rates),
            "energies": tf.where(added, tf.roll(tf.stack([state.energies[2]] * 3), shift, 1), state.energies),
            "lowest": self.lowest + given_up,
            "num_rungs": count + tf.cast(added & ~full, count.dtype),
            "first": (self.first + tf.cast(full, count.dtype)) % self.max_rungs,
            "place": place,
            **{f"parameters_{i}": tf.convert_to_tensor(p) for i, p in enumerate(parameters(rbm))},
        }

    def update(self, samples: Samples, gradients: list[tf.Tensor]) -> None:
        state = dict(samples.state)
        place = state.pop("place")
        for i, rung in enumerate(self.rungs):
            rung.value.scatter_update(tf.IndexedSlices(state.pop(f"parameters_{i}")[None], place[None]))
        super().update(samples._replace(state=state), gradients)

    def get_config(self) -> dict:
        return {**super().get_config(), "max_rungs": self.max_rungs}
