"""Parallel trajectory tempering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import positive_integer
from keras_rbm.random import set_aside
from keras_rbm.samplers.ladder import (
    NUM_FIGURES,
    free_energy,
    log_ratio,
    meet,
    parameters,
    with_row,
)
from keras_rbm.samplers.rungs import UNKNOWN, Rungs, State
from keras_rbm.samplers.sampler import Samples
from keras_rbm.scored import Scored, checked_model
from keras_rbm.types import Count, Data
from keras_rbm.units.moments import moments
from keras_rbm.units.unit import Unit, in_words

#: How slowly the recorded swap rates forget.
_MEMORY = 0.8
#: The least weight of a new measurement of a gain: what was measured before chains were at equilibrium is forgotten.
_LEAST = 0.01
#: Sweeps by which chains get used to a machine further up, when a ladder is built to it, and the shortest part of the
#: way to the next machine that is tried.
_SWEEPS, _SHORTEST = 20, 2.0**-12


class LogZ(NamedTuple):
    """An estimate of `log Z` along a ladder.

    Args:
        log_z: nats.
        standard_error: nats, as if successive states of a chain were independent; it knows nothing of modes that no
            rung has met.
    """

    log_z: float
    standard_error: float


@keras.saving.register_keras_serializable("keras_rbm")
class TrajectoryTempering(Rungs):
    """Persistent chains that exchange states with machines of the past: with a ladder of what the parameters were on
    the way, whose first rung has independent units (no weights, the biases that `adapt` gave) and is sampled exactly.

    Where the distribution changes by leaps as the temperature falls, `ParallelTempering` is stuck; along the trajectory
    of learning modes come up one after the other. At each step the model's chains and those of the last rung are
    swept, and swap; so do `num_pairs` pairs of neighbouring rungs, in turn from a random one: rungs do not change, so
    their states are a reservoir that need not all be drawn again at each step. States `y` of a rung and `x` of the next
    swap with probability

        min(1, exp(F_rung(y) + F_next(x) - F_rung(x) - F_next(y)))

    which leaves the distributions of all of them as they are. When the model swaps with the last rung less often than
    `target`, its parameters become a new rung, which starts from the model's chains, each in another one's place. That
    is the approximation: these have followed a model that moved, and are only as good as they are then; being swept
    and swapped they get better. When all rungs are taken the lowest is given up: the next one keeps its states, but
    exact ones no longer come in. A step that is undone (bad data, divergence) does not undo what the chains did.

    `log Z` follows along the ladder from that of independent units, by Bennett's acceptance ratio: the free energies
    that swaps take anyway give the gain of each pair, averaged over all its meetings as their variances say; that of
    the model moves with its parameters. So `fit` logs, for nothing, `log_partition` and, of an RBM, `log_likelihood`
    (nats a case, also of validation data); beside them `swap_acceptance` (with the last rung), `swap_acceptance_min`
    (of the pair that swaps least; near 0 the ladder is broken, and neither chains nor `log Z` can be trusted: learn
    more slowly, or give more chains) and `num_rungs`. What is logged while a model learns is too low, since gradients
    push those chains away that they are taken at: by as much as the learning rate times the number of weights, divided
    by `num_chains`. `log_partition(rbm, num_steps)` is without that.

    Args:
        num_steps: sweeps an update, at least 1.
        num_chains: chains of the model and of each rung, at least 1.
        target: swap rate below which a new rung is made, in (0, 1).
        max_rungs: how many there can be, at least 2; each takes the memory of the parameters and of the chains.
        num_pairs: pairs of rungs that are simulated at each sweep, at least 1.

    Raises:
        ValueError: if an argument is out of range; before the first step, with dropout (a rung is a whole machine) or
            several replicas.
        MemoryError: if the rungs would not fit into memory.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, sampler=keras_rbm.samplers.TrajectoryTempering(num_chains=1000))
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.01))
    rbm.fit(x, batch_size=100, epochs=10)  # logs log_likelihood
    rbm.sampler.log_partition(rbm, num_steps=1000)
    rbm.sampler.sample(rbm, num_samples=100)
    ```

    Reference:
        Bereux, Decelle, Furtlehner & Seoane, 2026, "Equilibrium training of energy-based models with parallel
        trajectory tempering", arXiv:2607.27077. There the reservoir is that of the last rung alone, drawn when the rung
        is made; here all rungs go on. Bennett, 1976, "Efficient estimation of free energy differences from Monte Carlo
        data".
    """

    log_names = ("log_partition", "num_rungs", "swap_acceptance", "swap_acceptance_min")

    def __init__(
        self,
        num_steps: int = 1,
        num_chains: int = 100,
        target: float = 0.25,
        max_rungs: int = 32,
        num_pairs: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_steps, num_chains, max_rungs, **kwargs)
        if isinstance(target, (str, bool, type(None))) or not 0 < target < 1:
            raise ValueError(f"`target` must be in (0, 1). Received: target={target!r}")
        self.target, self.num_pairs = float(target), positive_integer(num_pairs, "num_pairs")

    def reset(self, rbm: AbstractRBM, states: tf.Tensor | None = None) -> None:
        """Starts the ladder anew; to a machine that has weights already it is built on the way there."""
        super().reset(rbm, states)
        rate = self._moved(rbm, self._state(), 1, 1).swap_rates[0]
        if 1 - (1 - rate) / (1 - _MEMORY) < self.target / 2:
            self.build_to(rbm)

    # --- moves

    def _moved(self, rbm: AbstractRBM, state: State, num_steps: Count, num_pairs: Count) -> State:
        """After sweeps at the present parameters, and what they say of the gains."""
        count = tf.convert_to_tensor(self.num_rungs)
        last = self._slot(count - 1)
        state = self._followed(rbm, state)

        def met(lower: tf.Tensor, upper: tf.Tensor | None, chains: tf.Tensor, figures: tf.Tensor) -> tuple:
            below = [tf.gather(rung, lower) for rung in self.rungs]
            above = None if upper is None else [tf.gather(rung, upper) for rung in self.rungs]
            place = self.max_rungs if upper is None else upper
            y, x, gain = tf.gather(chains, lower), tf.gather(chains, place), tf.gather(state.gains, lower)
            meeting = meet(rbm, below, above, y, x, gain)
            chains = with_row(with_row(chains, lower, meeting.lower), place, meeting.upper)
            figures = with_row(figures, lower, tf.gather(figures, lower) + meeting.figures)
            return chains, figures, meeting.energies

        def swept(chains: tf.Tensor, figures: tf.Tensor, energies: tf.Tensor) -> tuple:
            pairs = tf.maximum(count - 1, 1)
            start = rbm.stream.integers([], pairs)

            def pair(k: tf.Tensor, chains: tf.Tensor, figures: tf.Tensor) -> tuple:
                number = (start + k) % pairs
                return k + 1, *met(self._slot(number), self._slot(number + 1), chains, figures)[:2]

            some = tf.minimum(num_pairs, count - 1)
            chains, figures = tf.while_loop(lambda k, *_: k < some, pair, (0, chains, figures))[1:]
            return met(last, None, chains, figures)

        loop = (state.chains, tf.zeros((self.max_rungs, NUM_FIGURES), state.chains.dtype), state.energies)
        if isinstance(num_steps, int) and num_steps == 1:
            chains, figures, energies = swept(*loop)
        else:
            chains, figures, energies = tf.while_loop(
                lambda k, *_: k < num_steps, lambda k, *loop: (k + 1, *swept(*loop)), (0, *loop)
            )[1:]
        return self._measured(state, figures)._replace(chains=chains, energies=energies)

    def _followed(self, rbm: AbstractRBM, state: State) -> State:
        """The last gain is that of the machine before it was updated. The last rung's states, with their weights in the
        machine, tell what it is now: not the machine's own, since it has just been taught to avoid those."""
        own, before, _ = tf.unstack(state.energies)
        now = free_energy(rbm, tf.gather(state.chains, self._slot(self.num_rungs - 1)))
        change = tf.stack(log_ratio(own - now, own - before))
        change = tf.where(tf.reduce_all(tf.math.is_finite(change)), change, [0.0, UNKNOWN])
        is_last = tf.cast(tf.equal(tf.range(self.max_rungs), self._slot(self.num_rungs - 1)), change.dtype)
        gains, variances = tf.unstack(tf.stack([state.gains, state.variances]) + change[:, None] * is_last)
        return state._replace(gains=gains, variances=variances, energies=tf.stack([own, now, state.energies[2]]))

    def _measured(self, state: State, figures: tf.Tensor) -> State:
        """Gains, their variances and swap rates after meetings, by the sums of their `figures`."""
        gains, variances, rates = state.gains, state.variances, state.swap_rates
        number, *sums = tf.unstack(figures, axis=1)
        there = (number > 0) & tf.reduce_all(tf.math.is_finite(figures), 1)
        means = [tf.where(there, x / tf.maximum(number, 1), 1.0) for x in sums]
        probability, at_lower, lower_squares, at_upper, upper_squares = (tf.maximum(x, 1e-30) for x in means)
        spread = lower_squares / at_lower**2 + upper_squares / at_upper**2 - 2
        variance = tf.maximum(spread, 1e-6) / (self.num_chains * tf.maximum(number, 1))
        weight = tf.where(there, tf.maximum(variances / (variances + variance), _LEAST), 0.0)
        gains += weight * (tf.math.log(at_lower) - tf.math.log(at_upper))
        variances = tf.minimum((1 - weight) ** 2 * variances + weight**2 * variance, UNKNOWN)
        rates += tf.where(there, (1 - _MEMORY) * (probability - rates), 0.0)
        return state._replace(gains=gains, variances=variances, swap_rates=rates)

    # --- what training asks

    def negative_phase(
        self, rbm: AbstractRBM, v_data: tf.Tensor, weights: tf.Tensor, hidden_input: tf.Tensor | None = None
    ) -> Samples:
        if rbm is not self._owner():
            raise ValueError(
                "A rung is a whole machine, and so is what learns from the ladder. Received: a machine with dropout. "
                "Use PCD, or dropout=0 and drop_connect=0."
            )
        state = self._moved(rbm, self._state(), self.num_steps, self.num_pairs)
        last = tf.gather(state.swap_rates, self._slot(self.num_rungs - 1))
        kept = self._kept(rbm, state, last < self.target)
        logs = {
            "log_partition": self._log_z(state)[0],
            "num_rungs": tf.cast(self.num_rungs, last.dtype),
            "swap_acceptance": last,
            "swap_acceptance_min": tf.reduce_min(tf.where(self._used(), state.swap_rates, 1.0)),
        }
        return Samples(state.chains[-1], tf.ones(self.num_chains, last.dtype), kept, logs)

    def run_chains(self, rbm: AbstractRBM, chains: tf.Tensor) -> Samples:
        chains = self._moved(rbm, self._state(chains), self.num_steps, self.num_pairs).chains
        ones = tf.ones(self.num_chains, chains.dtype)
        return Samples(chains[-1], ones, {"chains": tf.reshape(chains, (self.num_rows, -1))})

    # --- what users ask

    @classmethod
    def from_trajectory(
        cls, machines: Sequence[Scored], data: Data | None = None, **options: Any
    ) -> TrajectoryTempering:
        """The ladder to a machine that learnt in another way, from copies of it on the way there.

        Between two of them, and from independent units to the first one, rungs are made in between where they are too
        far apart to swap. So the trained machine alone will do: its ladder is then one of temperatures, and modes that
        came up one after the other as it learnt may come up at once.

        Args:
            machines: of one size and kind, in the order of training; the last is sampled.
            data: an array or a dataset of batches, whose means give the visible biases of the lowest rung; by default
                those of the first machine, which serve if it has not learnt much yet.
            options: as in the class.

        Raises:
            TypeError: if one is no machine of this package, or they are no list.
            ValueError: if there are none, one is not built or of another size or other units, or no ladder leads there.

        Example:

        ```python
        machines = [keras.saving.load_model(path) for path in ("early.keras", "later.keras", "trained.keras")]
        sampler = keras_rbm.samplers.TrajectoryTempering.from_trajectory(machines)
        sampler.sample(machines[-1], num_samples=100)
        ```
        """
        if isinstance(machines, Scored):
            raise TypeError(f"A ladder leads along a list of machines. Received: {type(machines).__name__}. Give [it].")
        if not machines:
            raise ValueError("A ladder leads to a machine. Received: machines=[]")
        rbms = [checked_model(machine).undirected() for machine in machines]
        kinds = ["-".join(in_words(side.kind) for side in (rbm.visible, rbm.hidden)) for rbm in rbms]
        if len(set(kinds)) > 1:
            raise ValueError(
                f"Machines on the way to one have its kinds of units. Received: {', '.join(kinds[:-1])} on the way to "
                f"{kinds[-1]} units. Leave out those that differ."
            )
        shapes = [[tuple(p.shape) for p in parameters(rbm)] for rbm in rbms]
        if any(other != shapes[-1] for other in shapes):
            raise ValueError(f"Machines on the way to one have its size. Received: weights of shapes {shapes}")
        sampler = cls(dtype=rbms[-1].visible.dtype_policy, **options)
        sampler.prepare(rbms[-1])
        bias = None
        if data is not None:
            model, draws = machines[-1], rbms[-1].stream.spawn("ladder")
            states = (model._as_states(x) for x in model._checked_batches(data))
            mean, _, count = moments(model._recognition(v, draws)[0] for v in states)
            bias = rbms[-1].visible.bias_for(mean, count)
        sampler.build_to(rbms[-1], [[p.numpy() for p in parameters(rbm)] for rbm in rbms[:-1]], bias)
        return sampler

    def build_to(
        self, rbm: AbstractRBM, path: Sequence[Sequence[np.ndarray]] = (), bias: np.ndarray | None = None
    ) -> None:
        """Builds the ladder anew, from independent units to the machine as it is.

        Args:
            path: parameters on the way, as `ladder.parameters` has them.
            bias: the visible bias of the lowest rung; by default that of the first machine on the way.

        Raises:
            ValueError: if neighbours do not swap, however near they are.
        """
        own = [p.numpy() for p in parameters(rbm)]
        points: list[Sequence[np.ndarray]] = [*path, own]
        try:
            with set_aside([rbm.stream], "ladder"):
                _assign(rbm, points[0])
                for variable in (*rbm.couplings(), *(units.bias for units in _parts(rbm.hidden))):
                    variable.assign(tf.zeros_like(variable))
                if bias is not None:
                    parts = _parts(rbm.visible)
                    for units, values in zip(parts, tf.split(bias, [units.width for units in parts]), strict=True):
                        units.bias.assign(units.over_positions(values))
                here: Sequence[np.ndarray] = [p.numpy() for p in parameters(rbm)]
                self.chains.assign(self._initial(rbm, rbm.stream))
                self._restart(rbm)
                for there in points:
                    self._build_along(rbm, here, there)
                    here = there
        finally:
            _assign(rbm, own)

    def _build_along(self, rbm: AbstractRBM, here: Sequence[np.ndarray], there: Sequence[np.ndarray]) -> None:
        """Rungs from the last one, at `here`, to `there`."""
        done, step = 0.0, 1.0
        while done < 1:
            step = min(step, 1 - done)
            _assign(rbm, [a + (done + step) * (b - a) for a, b in zip(here, there, strict=True)])
            state = self._simulated(rbm, _SWEEPS)
            if state.swap_rates[self._slot(self.num_rungs - 1)] > self.target:
                self.update(Samples(state.chains[-1], tf.ones(1), self._kept(rbm, state, tf.constant(True))), [])
                done, step = done + step, 2 * step
            elif step < _SHORTEST:
                raise ValueError(
                    "A ladder needs neighbours that swap. Received: a machine that does not swap with one whose "
                    f"parameters are {step:g} of the way to it. Give more chains, or machines on the way."
                )
            else:
                step /= 2

    def _simulate(self, rbm: AbstractRBM, state: State, num_steps: tf.Tensor) -> State:
        """All rungs and the machine, sweep by sweep."""

        def step(k: tf.Tensor, *state: tf.Tensor) -> tuple:
            return k + 1, *self._moved(rbm, State(*state), 1, self.max_rungs)

        return State(*tf.while_loop(lambda k, *_: k < num_steps, step, (0, *state))[1:])

    def _simulated(self, rbm: AbstractRBM, num_steps: int, state: State | None = None) -> State:
        run = rbm._as_function(self._simulate, jit_compile=True)
        return run(self._state() if state is None else state, tf.constant(num_steps))

    def _checked(self, model: Scored) -> Any:
        rbm = checked_model(model).undirected()
        if not self.built:
            raise ValueError(
                "A ladder belongs to a built machine. Received: a sampler that no machine has. Build the machine that "
                "has it (fit, adapt or build), or use TrajectoryTempering.from_trajectory."
            )
        if self._owner() is not rbm:
            raise ValueError(
                "A ladder leads to one machine. Received: another one than that which it was built to. Give this one a "
                f"sampler of its own: {type(self).__name__}.from_trajectory([machine])."
            )
        return model

    def log_partition(self, model: Scored, num_steps: int = 0) -> LogZ:
        """`log Z` along the ladder.

        Args:
            model: that whose sampler this is.
            num_steps: sweeps of all rungs at the present parameters, that the estimate is to come from beside what is
                known; the ladder itself stays as it is, and so does the random state. 0 takes what is known after the
                last update.

        Raises:
            TypeError: if the model is no machine of this package.
            ValueError: if it is another one, or `num_steps` no such number.
        """
        rbm = self._checked(model).undirected()
        state = self._followed(rbm, self._state())
        if num_steps != 0 or isinstance(num_steps, bool):
            with set_aside([rbm.stream], "log_partition"):
                state = self._simulated(rbm, positive_integer(num_steps, "num_steps"), state)
        log_z, variance = self._log_z(state).numpy().tolist()
        return LogZ(log_z, variance**0.5)

    def sample(self, model: Scored, num_samples: int = 1, num_steps: int = 100) -> tf.Tensor:
        """Visible states of the model, from chains that go on from where they are along the ladder, which stays.

        Args:
            model: that whose sampler this is.
            num_samples: how many: the chains are looked at as often as it takes.
            num_steps: sweeps of all rungs before the first look, and between two.

        Returns:
            `(num_samples, visible)`.

        Raises:
            TypeError: if the model is no machine of this package.
            ValueError: if it is another one, or for counts that are not positive.
        """
        machine = self._checked(model)
        num_samples, num_steps = positive_integer(num_samples, "num_samples"), positive_integer(num_steps, "num_steps")
        state, rows = self._state(), []
        for _ in range(-(-num_samples // self.num_chains)):
            state = self._simulated(machine.undirected(), num_steps, state)
            rows.append(state.chains[-1])
        states = tf.concat(rows, 0)[:num_samples]
        return machine._as_data(machine._visible_of(states, states, False))

    def get_config(self) -> dict:
        own = ("target", "num_pairs")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def _parts(side: Unit) -> list[Unit]:
    """The groups of a side that have a bias of their own."""
    return [side] if isinstance(side.bias, keras.Variable) else list(side.parts)


def _assign(rbm: AbstractRBM, values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(parameters(rbm), values, strict=True):
        variable.assign(value)
