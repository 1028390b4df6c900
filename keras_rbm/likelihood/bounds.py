"""Log-likelihoods, exact or between two figures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from keras_rbm.arguments import positive_integer
from keras_rbm.likelihood.annealing import backward, check_arguments, check_start, forward, path_of
from keras_rbm.likelihood.exact import can_be_exact, exact_log_partition
from keras_rbm.likelihood.keys import Use, key_at, key_of
from keras_rbm.likelihood.partition import LogPartition, LogPartitionBounds
from keras_rbm.random import Draws
from keras_rbm.scored import Scored
from keras_rbm.types import Betas, Data, Verbose
from keras_rbm.units import Unit

#: Nats by which the two figures may differ before a warning.
TOLERANCE = 0.5


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """The mean log-likelihood of data, in nats a case.

    Args:
        joined: from both directions by Bennett's acceptance ratio: the figure to quote; the exact one where `log Z` is.
        standard_error: of `joined`, because of `log Z`; 0 where that is exact, NaN of a single chain. (That there are
            so many cases only is not in it: see the deviation of `per_case`.)
        lower: from reverse AIS, which tends to be harsh; the exact figure where `log Z` is exact.
        upper: from AIS, which tends to flatter; the exact figure where `log Z` is exact.
        variational: whether all are those of a DBN's or a DBM's variational lower bound instead of its log-likelihood.
        log_partition: `log Z` by AIS, `log_partition.lower`, by reverse AIS, `log_partition.upper`, and by both,
            `log_partition.joined`, each with its `kind` and `standard_error`; where `log Z` is exact, all are that.
        per_case, per_case_lower, per_case_upper: the figures of each case, `(cases,)`, float64.
    """

    joined: float
    standard_error: float
    lower: float
    upper: float
    variational: bool
    log_partition: LogPartitionBounds
    per_case: np.ndarray = field(repr=False)
    per_case_lower: np.ndarray = field(repr=False)
    per_case_upper: np.ndarray = field(repr=False)

    @property
    def exact(self) -> bool:
        """Whether `log Z` is exact (of a DBN or a DBM, the bound still is one)."""
        return self.log_partition.lower.kind == "exact"


def log_likelihood(
    model: Scored,
    x: Data,
    data: Data | None = None,
    num_samples: int = 10,
    num_chains: int = 100,
    num_temperatures: int = 10_000,
    betas: Betas | None = None,
    burn_in: int = 10_000,
    seed: int = 0,
    verbose: Verbose = "auto",
) -> LogLikelihood:
    """The mean log-likelihood of `x`: exact where a side of the RBM can be enumerated, else by AIS and reverse AIS,
    each by itself and both joined.

    Of a DBN, the variational lower bound: the mean, over states of the lower layers drawn by recognition, of
    `log p(v, those states) - log q(those states | v)`, with the top RBM's partition function. Recognition and
    generative weights need not be tied. Of a DBM, the bound at its mean-field posterior, which nothing is drawn for.

    Args:
        model: an RBM, a DBN or a DBM.
        x: the cases to score, an array or a `tf.data.Dataset` of batches. Where they were binarised by sampling, name
            the seed beside the figure.
        data: training data, where the annealing's base and reverse AIS's chains start; `x` by default.
        num_samples: draws by recognition a case, for a DBN.
        num_chains, num_temperatures, betas, burn_in, seed, verbose: as in `ais` and `reverse_ais`.

    Raises:
        TypeError, ValueError: as `ais` does.

    Warns:
        UserWarning: if the two directions differ by more than 0.5 nats.

    Example:

    ```python
    result = keras_rbm.likelihood.log_likelihood(rbm, x_test, data=x_train)
    print(f"{result.joined:.2f} +- {result.standard_error:.2f} nats a case")
    print(f"by reverse AIS {result.lower:.2f}, by AIS {result.upper:.2f}")
    ```

    Reference:
        Salakhutdinov & Murray, 2008, "On the quantitative analysis of deep belief networks", sections 4.1 and 5.
    """
    _check_arguments(model, num_samples, num_chains, num_temperatures, betas, burn_in, seed)
    scores = scores_of(model, x, num_samples if model._has_drawn_bound else 1, seed)
    data = x if data is None else data
    bounds = _log_partition(model, data, num_chains, num_temperatures, betas, burn_in, seed, verbose)
    joined = bounds.joined
    low, high = (side.log_z for side in bounds)
    return LogLikelihood(
        joined=float(scores.mean() - joined.log_z),
        standard_error=joined.standard_error,
        lower=float(scores.mean() - high),
        upper=float(scores.mean() - low),
        variational=model is not model.undirected(),
        log_partition=bounds,
        per_case=scores - joined.log_z,
        per_case_lower=scores - high,
        per_case_upper=scores - low,
    )


def check_scoring(
    model: Scored,
    x: Data,
    data: Data | None,
    num_samples: int,
    num_chains: int,
    num_temperatures: int,
    burn_in: int,
    seed: int,
) -> None:
    """Refuses what `log_likelihood` refuses on its way, all data being read, before anything is computed."""
    _check_arguments(model, num_samples, num_chains, num_temperatures, None, burn_in, seed)
    for batches in (_states(model, x), () if data is None else model._checked_batches(data)):
        for _ in batches:
            pass


def log_partition(
    model: Scored,
    data: Data | None = None,
    num_chains: int = 100,
    num_temperatures: int = 10_000,
    betas: Betas | None = None,
    burn_in: int = 10_000,
    seed: int = 0,
    verbose: Verbose = "auto",
) -> LogPartitionBounds:
    """`log Z`: exact where a side of the RBM can be enumerated, else by AIS and reverse AIS along one path.

    Args, and errors, are those of `ais` and `reverse_ais`.

    Warns:
        UserWarning: if the two directions differ by more than 0.5 nats.

    Example:

    ```python
    forward, backward = bounds = keras_rbm.likelihood.log_partition(rbm, x_train)
    print(f"{bounds.joined.log_z:.2f} +- {bounds.joined.standard_error:.2f}")
    ```
    """
    _check_arguments(model, 1, num_chains, num_temperatures, betas, burn_in, seed)
    return _log_partition(model, data, num_chains, num_temperatures, betas, burn_in, seed, verbose)


def _check_arguments(
    model: Scored,
    num_samples: int,
    num_chains: int,
    num_temperatures: int,
    betas: Betas | None,
    burn_in: int,
    seed: int,
) -> None:
    check_arguments(model, num_chains, num_temperatures, betas, seed)
    positive_integer(num_samples, "num_samples")
    positive_integer(burn_in, "burn_in")


def _log_partition(
    model: Scored,
    data: Data | None,
    num_chains: int,
    num_temperatures: int,
    betas: Betas | None,
    burn_in: int,
    seed: int,
    verbose: Verbose,
) -> LogPartitionBounds:
    if can_be_exact(model.undirected()):
        exact = LogPartition.exactly(exact_log_partition(model))
        return LogPartitionBounds(exact, exact)
    check_start(model, data)
    path = path_of(model, data, num_temperatures, betas, seed)
    common = (model, path, num_chains, seed, verbose)
    bounds = LogPartitionBounds(forward(*common), backward(*common, data, burn_in))
    low, high = (side.log_z for side in bounds)
    if not abs(high - low) <= TOLERANCE:
        warnings.warn(
            f"AIS and reverse AIS differ by {abs(high - low):.2f} nats ({low:.2f} and {high:.2f}), more than "
            f"{TOLERANCE}: neither can be trusted, and both joined only where their weights overlap (its "
            f"effective_sample_size is {bounds.joined.effective_sample_size:.1f}). Use more temperatures and chains, "
            "and a longer burn_in.",
            stacklevel=3,
        )
    return bounds


def scores_of(model: Scored, x: Data, num_samples: int, seed: int) -> np.ndarray:
    """`log p*(v)` of each case before the partition function is taken off, or its variational bound, float64."""
    score = model._as_function(_score)
    key, scores = key_of(seed, Use.SCORES), []
    for i, v in enumerate(_states(model, x)):
        keys = [key_at(key, i * num_samples + j) for j in range(num_samples)]
        scores.append(np.mean([score(v, key) for key in keys], 0, dtype="float64"))
    return np.concatenate(scores)


def _states(model: Scored, x: Data) -> Iterator[tf.Tensor]:
    """Batches of cases, states all of them; there is one."""
    v = None
    for batch in model._checked_batches(x):
        v = model._as_states(batch)
        check_states(model.visible, v)
        yield v
    if v is None:
        raise ValueError("Data must have at least one row. Received: none")


def check_states(units: Unit, v: tf.Tensor) -> None:
    """Refuses means of states, such as grey levels: only states have a likelihood."""
    are_states = units.are_states(v)
    if not tf.reduce_all(are_states):
        raise ValueError(
            f"Likelihoods are those of states. Received: a grey level or another mean, in row {np.argmin(are_states)} "
            "of a batch. Make data states: datasets.binarized(x, seed=0)."
        )


def _score(model: Scored, v: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    return model._log_score(v, Draws(key))
