"""Log-likelihoods, exact or between two figures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm.arguments import positive_integer
from keras_rbm.likelihood.ais import LogPartition, backward, base_of, checked_schedule, forward
from keras_rbm.likelihood.exact import can_be_exact, exact_log_partition
from keras_rbm.likelihood.keys import key_at, key_of
from keras_rbm.random import Draws
from keras_rbm.units import Unit

#: Nats by which the two figures may differ before a warning.
TOLERANCE = 0.5


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """The mean log-likelihood of data, in nats a case.

    Args:
        lower: from reverse AIS, which tends to be harsh; the exact figure where `log Z` is exact.
        upper: from AIS, which tends to flatter; the exact figure where `log Z` is exact.
        variational: whether both are those of a DBN's or a DBM's variational lower bound instead of its log-likelihood.
        log_partition: `(AIS, reverse AIS)`, or the exact `log Z`.
        per_case_lower, per_case_upper: the figures of each case, `(cases,)`, float64.
    """

    lower: float
    upper: float
    variational: bool
    log_partition: float | tuple[LogPartition, LogPartition]
    per_case_lower: np.ndarray = field(repr=False)
    per_case_upper: np.ndarray = field(repr=False)

    @property
    def exact(self) -> bool:
        """Whether `log Z` is exact (of a DBN or a DBM, the bound still is one)."""
        return isinstance(self.log_partition, float)


def log_likelihood(
    model: Any,
    x: Any,
    data: Any = None,
    num_samples: int = 10,
    num_chains: int = 100,
    num_temperatures: int = 10_000,
    betas: Sequence[float] | None = None,
    burn_in: int = 10_000,
    seed: int = 0,
    verbose: Any = "auto",
) -> LogLikelihood:
    """The mean log-likelihood of `x`: exact where a side of the RBM can be enumerated, else by AIS and reverse AIS.

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
        UserWarning: if the two figures differ by more than 0.5 nats.

    Example:

    ```python
    found = keras_rbm.likelihood.log_likelihood(rbm, x_test, data=x_train)
    print(f"between {found.lower:.2f} and {found.upper:.2f} nats a case")
    ```

    Reference:
        Salakhutdinov & Murray, 2008, "On the quantitative analysis of deep belief networks", sections 4.1 and 5.
    """
    schedule = checked_schedule(model, num_chains, num_temperatures, betas, seed)
    positive_integer(num_samples, "num_samples")
    positive_integer(burn_in, "burn_in")
    rbm = model.undirected()
    scores = _scores(model, x, num_samples if model.has_drawn_bound else 1, seed)
    found: float | tuple[LogPartition, LogPartition]
    if can_be_exact(rbm):
        found = low = high = exact_log_partition(rbm)
    else:
        data = x if data is None else data
        common = (model, base_of(model, data, seed), schedule, num_chains, seed, verbose)
        found = forward(*common), backward(*common, data, burn_in)
        low, high = (estimate.log_z for estimate in found)
        if abs(high - low) > TOLERANCE:
            warnings.warn(
                f"AIS and reverse AIS differ by {abs(high - low):.2f} nats ({low:.2f} and {high:.2f}), more than "
                f"{TOLERANCE}: neither can be trusted. Use more temperatures and chains, and a longer burn_in.",
                stacklevel=2,
            )
    return LogLikelihood(
        lower=float(scores.mean() - high),
        upper=float(scores.mean() - low),
        variational=model is not rbm,
        log_partition=found,
        per_case_lower=scores - high,
        per_case_upper=scores - low,
    )


def _scores(model: Any, x: Any, num_samples: int, seed: int) -> np.ndarray:
    """`log p*(v)` of each case before the partition function is taken off, or its variational bound, float64."""
    score = model.as_function(_score)
    key, found = key_of(seed, 5), []
    for i, batch in enumerate(model.checked_batches(x)):
        v = model.as_states(batch)
        check_states(model.visible, v)
        keys = [key_at(key, i * num_samples + j) for j in range(num_samples)]
        found.append(np.mean([score(v, key) for key in keys], 0, dtype="float64"))
    if not found:
        raise ValueError("Data must have at least one row. Received: none")
    return np.concatenate(found)


def check_states(units: Unit, v: tf.Tensor) -> None:
    """Refuses means of states, such as grey levels: only states have a likelihood."""
    found = units.are_states(v)
    if not tf.reduce_all(found):
        raise ValueError(
            f"Likelihoods are those of states. Received: a grey level or another mean, in row {np.argmin(found)} of a "
            "batch. Make data states: datasets.binarized(x, seed=0)."
        )


def _score(model: Any, v: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    return model.log_score(v, Draws(key))
