"""Data against samples: how large is a difference, and how large would chance alone make it?"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

#: Differences, in standard deviations or as a share of what should be there: small and medium ones of Cohen, 1988,
#: "Statistical power analysis for the behavioral sciences".
SMALL, MEDIUM = 0.2, 0.5
#: Standard errors that a difference must be larger than these by: of 700 that are that small one is found larger.
SIGMAS = 3.0
#: Rows that must differ from a column's usual value: of fewer events a mean is not normal, as in chi-square tests.
LEAST_EVENTS = 5
_GROUPS = 20
_COMPONENTS = 10


class Effect(NamedTuple):
    """A difference, and how far to trust it.

    Args:
        size: in deviations, or as a share of what should be there; not negative.
        error: its standard error.
        tests: of how many it is the worst.
    """

    size: float
    error: float = 0.0
    tests: int = 1

    @property
    def verdict(self) -> str:
        """`"ok"`, `"look"` where it surely is more than a small one, `"bad"` where it surely is more than medium."""
        sure = self.size - self.error * NormalDist().inv_cdf(1 - NormalDist().cdf(-SIGMAS) / self.tests)
        return "bad" if sure > MEDIUM else "look" if sure > SMALL else "ok"


def varying(x: np.ndarray) -> np.ndarray:
    """Which columns have enough events to be compared; booleans, `(columns,)`."""
    return np.sum(x != np.median(x, 0), 0) >= LEAST_EVENTS


def shifts(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of `b` less those of `a`, in pooled deviations (Cohen's d), and their standard errors, `(columns,)`."""
    pooled = np.sqrt((a.var(0) + b.var(0)) / 2)
    pooled = np.where(pooled > 0, pooled, np.inf)
    return (b.mean(0) - a.mean(0)) / pooled, np.sqrt(a.var(0) / len(a) + b.var(0) / len(b)) / pooled


def worst(sizes: np.ndarray, errors: np.ndarray) -> tuple[int, Effect]:
    """The one that is surest to be large."""
    sizes = np.abs(sizes)
    where = int(np.argmax(sizes - SIGMAS * errors))
    return where, Effect(float(sizes[where]), float(errors[where]), len(sizes))


def spreads(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log of the ratio of deviations, of `b` to `a`, and standard errors by the fourth moments, `(columns,)`."""

    def error(x: np.ndarray) -> np.ndarray:
        z = standardized(x)
        return (np.mean(z**4, 0) - 1) / (4 * len(x))

    ratio = np.maximum(b.std(0), 1e-6 * a.std(0)) / a.std(0)
    return np.log(ratio), np.sqrt(error(a) + error(b))


def standardized(x: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and deviation 1; constant ones are 0."""
    deviation = x.std(0)
    return (x - x.mean(0)) / np.where(deviation > 0, deviation, 1)


def correlations(x: np.ndarray) -> np.ndarray:
    """Of the columns, `(columns, columns)`; 0 with constant ones."""
    z = standardized(x)
    return z.T @ z / len(z)


class Slope(NamedTuple):
    """How much of the data's correlations samples have, all pairs of columns together: 1 where all of it.

    Args:
        slope: of the samples' correlations on the data's, through the origin.
        error: its standard error.
        strength: the sum of the data's squared correlations, less what chance adds to it, in deviations of what it
            would be for independent columns; where that is too little, there is no slope, NaN.
    """

    slope: float
    error: float
    strength: float


def slope(data: np.ndarray, samples: np.ndarray, pairs: np.ndarray) -> Slope:
    """The slope of correlations; standard errors by the jackknife, a twentieth of data and samples left out at a time.

    The noise of the data's correlations counts neither for nor against: a model that has it all (slope `least`), and
    one that has nothing of it (slope `most`), have 1 between the two.

    Args:
        pairs: which to look at, booleans, `(columns, columns)`.
    """
    pairs = pairs.astype(data.dtype)

    def parts(data: np.ndarray, samples: np.ndarray) -> np.ndarray:
        z, number = standardized(data), len(data)
        own = z.T @ z / number * pairs
        noise = np.sum((z**2 @ pairs) * z**2) / number
        square = np.sum(own**2)
        return np.array([np.sum(own * correlations(samples)), square, (number * square - noise) / (number - 1)])

    groups = min(_GROUPS, len(data))
    left = [parts(*(x[np.arange(len(x)) % groups != g] for x in (data, samples))) for g in range(groups)]

    def error(values: np.ndarray) -> float:
        return float(np.sqrt((groups - 1) * np.var(values)))

    cross, noisy, true = parts(data, samples)
    each_cross, _, each_true = np.transpose(left)
    strength = len(data) * true / (2 * np.sqrt(max(pairs.sum(), 1)))  # squares of independent columns: chi-square
    if not strength > SIGMAS:
        return Slope(float("nan"), float("nan"), float(strength))
    least, most = cross / noisy, cross / true
    return Slope(float(min(max(1.0, least), most)), error(each_cross / each_true), float(strength))


def components(x: np.ndarray) -> np.ndarray:
    """Directions in which the rows differ most, `(columns, components)`."""
    return np.linalg.svd(standardized(x), full_matrices=False)[2][:_COMPONENTS].T


def memory(start: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The correlation of each column of where chains are with where they began, `(columns,)`; not below 0."""
    return np.maximum(np.mean(standardized(start) * standardized(now), 0), 0)
