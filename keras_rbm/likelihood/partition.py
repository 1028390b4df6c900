"""What is known of a partition function."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm.likelihood.bennett import bennett

#: Groups of chains, of which each is left out once for a standard error.
_GROUPS = 20

#: `log Z` from the log-weights of both directions, `(..., chains)` each.
joined_log_z = tf.function(bennett, reduce_retracing=True)


@dataclass(frozen=True, eq=False)
class LogPartition:
    """An estimate of `log Z`, and how far to trust it.

    Args:
        log_z: nats.
        standard_error: of `log_z`, nats; NaN of a single chain, 0 where `log_z` is exact. Of one direction by the delta
            method, which knows nothing of weights larger than those met: there it is often far too small. Of both
            joined from independent groups of chains: true as long as the two directions overlap.
        effective_sample_size: how many equal weights would be as good as these: near 1, nothing can be trusted. Of both
            joined, how many chains might as well have come from the other direction. Infinite where `log_z` is exact.
        kind: what `log_z` is in expectation: `"lower bound"`, `"upper bound"`, `"estimate"`, or `"exact"`.
        log_weights: each chain's own estimate of `log Z`, `(num_chains,)`.
    """

    log_z: float
    standard_error: float
    effective_sample_size: float
    kind: str
    log_weights: np.ndarray = field(repr=False)

    @classmethod
    def exactly(cls, log_z: float) -> LogPartition:
        """A partition function without error."""
        return cls(log_z, 0.0, math.inf, "exact", np.array([log_z]))

    @classmethod
    def of_mean_weight(cls, log_weights: np.ndarray, direction: int, kind: str) -> LogPartition:
        """By the mean weight, in the direction in which weights are unbiased: of `Z` (1) or of `1 / Z` (-1)."""
        exponents = direction * log_weights
        weights = np.exp(exponents - exponents.max())
        mean, number = weights.mean(), len(weights)
        error = weights.std(ddof=1) / (mean * np.sqrt(number)) if number > 1 else math.nan
        return cls(
            log_z=float(direction * (np.log(mean) + exponents.max())),
            standard_error=float(error),
            effective_sample_size=float(weights.sum() ** 2 / (weights**2).sum()),
            kind=kind,
            log_weights=log_weights,
        )


class LogPartitionBounds(NamedTuple):
    """What is known of `log Z`: twice the same where it is exact.

    Args:
        lower: by AIS, which is too low in expectation.
        upper: by reverse AIS along the same path, which is too high from exact states of the model.
    """

    lower: LogPartition
    upper: LogPartition

    @property
    def joined(self) -> LogPartition:
        """Both directions as one figure, by Bennett's acceptance ratio: the likeliest `log Z` given all chains.

        Where weights spread it errs far less than either side, whose mean weight hangs on the few largest ones. It
        shares what both sides cannot know: modes that neither met. Its standard error leaves out one of 20 groups of
        chains at a time (or one chain, where there are fewer); of a single chain it is NaN.

        Reference:
            Bennett, 1976, "Efficient estimation of free energy differences from Monte Carlo data"; of AIS and
            reverse AIS: Krause, Fischer & Igel, 2020, "Algorithms for estimating the partition function of restricted
            Boltzmann machines".
        """
        if self.lower.kind == "exact":
            return self.lower
        forward, backward = (np.asarray(side.log_weights, "float64") for side in self)
        log_z = float(joined_log_z(forward, backward))
        m = math.log(len(forward) / len(backward))
        log_weights = np.concatenate([forward, backward])
        odds = np.abs(log_weights - log_z - m)
        return LogPartition(
            log_z=log_z,
            standard_error=float(jackknife_error(left_out(forward, backward))),
            effective_sample_size=float(np.sum(4 * np.exp(-odds) / (1 + np.exp(-odds)) ** 2)),
            kind="estimate",
            log_weights=log_weights,
        )


def left_out(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """What Bennett's ratio makes of log-weights `(..., chains)` without each of their groups, `(groups, ...)`."""
    number = min(_GROUPS, forward.shape[-1], backward.shape[-1])
    if number == 1:
        return np.full((1, *forward.shape[:-1]), math.nan)

    def without(group: int, side: np.ndarray) -> np.ndarray:
        return side[..., np.arange(side.shape[-1]) % number != group]

    return np.stack([joined_log_z(without(group, forward), without(group, backward)) for group in range(number)])


def jackknife_error(estimates: np.ndarray) -> np.ndarray:
    """The standard error of a figure whose values without each group are `estimates`, `(groups, ...)`."""
    number = len(estimates)
    return np.sqrt((number - 1) * np.mean((estimates - estimates.mean(0)) ** 2, 0))
