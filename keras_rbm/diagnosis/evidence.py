"""What a diagnosis looks at, measured once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm.arguments import clone
from keras_rbm.diagnosis.comparison import components, varying
from keras_rbm.likelihood import LogLikelihood, log_likelihood
from keras_rbm.likelihood.bounds import scores_of
from keras_rbm.likelihood.exact import can_be_exact, exact_draws
from keras_rbm.models.machine import Machine
from keras_rbm.samplers.diagnostics import Mixing, mixing
from keras_rbm.units import Unit
from keras_rbm.units.moments import moments

#: Moments at which chains are looked at, and columns that are compared pair by pair, at most.
_MOMENTS, _MOST_COLUMNS = 9, 500
#: A field that moves a unit, and all that belong to it.
_STRONG = 10.0


class Chains(NamedTuple):
    """Chains that began in one way.

    Args:
        states: visible ones at the last sweep, `(chains, visible)`.
        energies: their mean at each moment, nats, `(moments,)`.
        scores: along the data's principal components, `(moments, chains, components)`.
    """

    states: np.ndarray
    energies: np.ndarray
    scores: np.ndarray


class Hidden(NamedTuple):
    """A hidden layer given data: fields, means and drawn states, `(rows, units)`."""

    units: Unit
    fields: np.ndarray
    means: np.ndarray
    states: np.ndarray


class Columns(NamedTuple):
    """Which visible units are compared: those that vary enough, and, pair by pair, some of these.

    Args:
        single: numbers of columns.
        paired: numbers of columns.
        pairs: which two of these do not belong together by construction, as units of a softmax group do, booleans.
        real: which of `single` have real values, booleans.
    """

    single: np.ndarray
    paired: np.ndarray
    pairs: np.ndarray
    real: np.ndarray


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured.

    Args:
        data: rows that were trained on, `(rows, visible)`.
        sweeps: after how many chains were looked at, `(moments,)`.
        start: where those that began in data did, along the data's principal components, `(chains, components)`.
        from_data, from_biases: Gibbs chains, by where they began.
        exact: states drawn exactly, where that can be done, `(chains, visible)`.
        energies: of rows of `data`, of `validation` and of samples, by the states' names: minus log-probability but for
            one constant (of a DBN or a DBM, minus its bound), nats.
        hidden: layers, from the lowest up.
        kernels: weights between layers, by their names.
        mixing: of the sampler's own chains, or of Gibbs chains where it has none.
        persistent: whether it has.
        likelihood: of data and then validation, if it was asked for.
        independent: that of columns that are independent, `(cases,)`.
    """

    data: np.ndarray
    validation: np.ndarray | None
    columns: Columns
    sweeps: np.ndarray
    start: np.ndarray
    from_data: Chains
    from_biases: Chains
    exact: np.ndarray | None
    energies: dict[str, np.ndarray]
    hidden: list[Hidden]
    kernels: dict[str, np.ndarray]
    mixing: Mixing
    persistent: bool
    likelihood: LogLikelihood | None
    independent: np.ndarray


def gather(
    model: Machine,
    data: np.ndarray,
    validation: np.ndarray | None,
    num_chains: int,
    num_steps: int,
    num_temperatures: int | None,
    seed: int,
) -> Evidence:
    """Runs chains and measures; the model's random state and its sampler's chains stay as they were.

    Args:
        data, validation: checked rows.
    """
    columns = _columns(model.visible, data, seed)
    known = data[:, columns.single]
    directions = components(known) / known.std(0)[:, None]

    def project(x: np.ndarray) -> np.ndarray:
        return (x[:, columns.single] - known.mean(0)) @ directions

    sweeps = np.unique(np.geomspace(1, num_steps, _MOMENTS).round().astype(int))
    start = np.resize(data, (num_chains, data.shape[1]))  # rows again, where there are fewer
    with model.set_aside(f"diagnosis {seed}"):
        v = model._as_states(start)
        from_data = _run(model, model._initial_states_from(v), sweeps, project, seed)
        from_biases = _run(model, model.initial_states(num_chains), sweeps, project, seed)
        exact = _exact_states(model, num_chains, seed)
        hidden = [
            Hidden(units, np.asarray(f), np.asarray(units.mean(f)), np.asarray(units.sample(f, model._draws)))
            for units, f in model._hidden_fields(v)
        ]
    rows = data if validation is None else np.concatenate([data, validation])
    sets = {"data": data, "validation": validation, "from data": from_data.states, "from biases": from_biases.states}
    return Evidence(
        data=data,
        validation=validation,
        columns=columns,
        sweeps=sweeps,
        start=project(start),
        from_data=from_data,
        from_biases=from_biases,
        exact=exact,
        energies={name: _energies(model, x, seed) for name, x in {**sets, "exact": exact}.items() if x is not None},
        hidden=hidden,
        kernels={w.path: np.asarray(w) for w in model.trainable_variables if len(w.shape) == 2},
        mixing=mixing(model, max(4, num_steps), max(2, min(100, num_chains))),
        persistent=model.sampler.chains is not None,
        likelihood=None if num_temperatures is None else _likelihood(model, rows, data, num_temperatures, seed),
        independent=_independent(model.visible, data, rows),
    )


def _columns(units: Unit, data: np.ndarray, seed: int) -> Columns:
    single = np.flatnonzero(varying(data))
    paired = np.sort(np.random.default_rng(seed).permutation(single)[:_MOST_COLUMNS])
    moved, usual = (units.mean(x) for x in (_STRONG * tf.eye(units.width), tf.zeros((1, units.width))))
    together = ~np.isclose(moved, usual, rtol=1e-3)  # a unit, and those that are driven out by it
    real = np.isfinite(units.tail_precisions()[0])
    return Columns(single, paired, ~together[np.ix_(paired, paired)], real[single])


def _run(
    model: Machine, states: tf.Tensor, sweeps: np.ndarray, project: Callable[[np.ndarray], np.ndarray], seed: int
) -> Chains:
    energies, scores = [], []
    for number in np.diff(sweeps, prepend=0):
        states, visible = model.run_chains(states, int(number), mean=False)
        energies.append(_energies(model, visible, seed, draws=1).mean())
        scores.append(project(np.asarray(visible)))
    return Chains(np.asarray(visible), np.array(energies), np.array(scores))


def _exact_states(model: Machine, number: int, seed: int) -> np.ndarray | None:
    rbm = model.undirected()
    if not can_be_exact(rbm):
        return None
    x = tf.cast(exact_draws(rbm, number, seed), model.state_dtype)
    return np.asarray(model._visible_of(x, x, False))


def _energies(model: Machine, x: np.ndarray | tf.Tensor, seed: int, draws: int = 10) -> np.ndarray:
    return -scores_of(model, x, draws if model._has_drawn_bound else 1, seed)


def _likelihood(model: Machine, rows: np.ndarray, data: np.ndarray, num_temperatures: int, seed: int) -> LogLikelihood:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the two figures differ is a finding
        return log_likelihood(
            model, rows, data, num_temperatures=num_temperatures, burn_in=num_temperatures, seed=seed, verbose=0
        )


def _independent(visible: Unit, data: np.ndarray, rows: np.ndarray) -> np.ndarray:
    units = clone(visible)
    units.build((None, data.shape[1]))
    units.adapt_to_moments(*moments([data]))
    x = tf.cast(rows, units.compute_dtype)
    return np.asarray(units.log_prob(x, units.field(tf.zeros_like(x))), "float64")
