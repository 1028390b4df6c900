"""Can samples be told from data by whom they lie next to?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Megabytes of distances that are held at once.
_MEGABYTES = 64
#: Squared distances that differ by less, times the largest square, are equal: so much is lost in the products.
_ROUNDING = 1e-11


class AdversarialAccuracy(NamedTuple):
    """How often a nearest neighbour gives away where a row comes from: 0.5 where data and samples are alike.

    Args:
        truth: how often the nearest of a data row is a data row.
        syn: how often the nearest of a sample is a sample.
        truth_error, syn_error: standard errors.
        num_rows: of each of the two. Of unlike ones the figures depend on it.
    """

    truth: float
    syn: float
    truth_error: float
    syn_error: float
    num_rows: int

    @property
    def mean(self) -> float:
        """Of both, AATS: 0.5 also where one is as much too high as the other too low."""
        return (self.truth + self.syn) / 2

    @property
    def mean_error(self) -> float:
        """A standard error of the mean, as if both were wrong together."""
        return (self.truth_error + self.syn_error) / 2

    @property
    def distance(self) -> float:
        """Of the worse of both from 0.5."""
        return max(abs(self.truth - 0.5), abs(self.syn - 0.5))


def adversarial_accuracy(data: np.ndarray, samples: np.ndarray) -> AdversarialAccuracy:
    """The nearest-neighbour adversarial accuracy (AATS) of samples beside as many rows of data.

    Of several that are equally near, one is drawn: what is returned is the mean over such draws. So rows that occur
    more than once, as discrete ones do, count by how often they do, and data beside other data of their kind have
    `(n - 1) / (2 n - 1)` exactly, in the mean. Memory grows with n alone, time with its square.

    The standard errors hold for those that are not alike, too. They count what neighbours share: in many dimensions a
    few rows are the nearest of many, and errors of independent cases would be half as large as they should be.

    Args:
        data, samples: `(n, columns)` each, at least 2 rows. Distances are Euclidean: give columns of one scale.

    Raises:
        ValueError: if the shapes differ, there are less than 2 rows, or a value is not finite.

    Reference:
        Yale et al., 2020, "Generation and evaluation of privacy preserving synthetic health data". Random labels of
        neighbours: Henze, 1988, "A multivariate two-sample test based on the number of nearest neighbor type
        coincidences".
    """
    from sklearn.metrics import pairwise_distances_chunked

    data, samples = np.asarray(data, "float64"), np.asarray(samples, "float64")
    if data.shape != samples.shape or data.ndim != 2 or len(data) < 2:
        raise ValueError(
            f"`data` and `samples` must be as many rows of as many columns, at least 2. Received: shapes {data.shape} "
            f"and {samples.shape}. Take as many of either."
        )
    rows = np.concatenate([data, samples])
    if not np.isfinite(rows).all():
        raise ValueError("`data` and `samples` must be finite. Received: NaN or infinity. Leave such rows out.")
    rows -= rows.mean(0)
    n, number = len(data), len(rows)
    rounding = _ROUNDING * np.max(np.sum(rows**2, 1))
    own, ties, pointed = np.empty(number), np.empty(number), np.zeros((2, number))
    stop = 0
    for distances in pairwise_distances_chunked(rows, metric="euclidean", squared=True, working_memory=_MEGABYTES):
        start, stop = stop, stop + len(distances)
        here = np.arange(start, stop)
        distances[here - start, here] = np.inf
        nearest = distances <= distances.min(1, keepdims=True) + rounding
        ties[here] = nearest.sum(1)
        own[here] = np.where(here < n, nearest[:, :n].sum(1), nearest[:, n:].sum(1)) / ties[here]
        for side in (0, 1):
            pointed[side] += ((here < n) == (side == 0)) / ties[here] @ nearest
    truth_error = _error(own[:n], ties[:n], pointed[0, :n], pointed[0, n:])
    syn_error = _error(own[n:], ties[n:], pointed[1, n:], pointed[1, :n])
    return AdversarialAccuracy(float(own[:n].mean()), float(own[n:].mean()), truth_error, syn_error, n)


def _error(own: np.ndarray, ties: np.ndarray, pointed: np.ndarray, others: np.ndarray) -> float:
    """The standard error of the mean of `own`, `(n,)`, shares of nearest ones from the own set.

    The variance of which rows are there to be pointed at; what two that point at each other have in common, at most;
    and what neighbours do not decide, because it is averaged over ties.

    Args:
        ties: how many are equally near.
        pointed, others: how many of this set each row of it, and each of the other, is the nearest of.
    """
    p = own.mean()
    hubs = (1 - p) ** 2 * np.sum((pointed - p) ** 2) + p**2 * np.sum((others - (1 - p)) ** 2)
    mutual = np.sum((own * (1 - p) ** 2 + (1 - own) * p**2) / ties) / 2
    places = np.sum((own - p) ** 2 * (1 - 1 / ties))
    return float(np.sqrt(hubs + mutual + places) / len(own))
