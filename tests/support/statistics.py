"""Bounds that follow from the sample size, or from the rounding of floats: a test never guesses its tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import chi2, norm

#: How many standard errors a sound sampler may be off: by chance, one comparison in 1.7 million is further.
SIGMAS = 5.0


def assert_rounded(actual: Any, expected: Any, ulps: float = 1000.0) -> None:
    """`actual` is `expected` up to so many roundings, in its own dtype, of the largest value."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=ulps * np.finfo(actual.dtype).eps * scale)


def assert_means(samples: Any, expected: Any) -> None:
    """Means over the first axis are within 5 standard errors of those expected."""
    samples = np.asarray(samples, "float64")
    standard_error = samples.std(0, ddof=1) / np.sqrt(len(samples))
    np.testing.assert_array_less(np.abs(samples.mean(0) - expected), SIGMAS * standard_error + 1e-12)


def assert_mean(value: float, number: int, mean: float, deviation: float) -> None:
    """A mean of so many independent values is within 5 standard errors; their mean and deviation are known."""
    assert abs(value - mean) < SIGMAS * deviation / np.sqrt(number) + 1e-12, f"{value} instead of {mean}"


def assert_moments(samples: Any, mean: Any, covariance: Any) -> None:
    """Means and covariances over the rows `(number, units)` are within 5 standard errors of those expected."""
    samples = np.asarray(samples, "float64")
    assert_means(samples, mean)
    centered = samples - mean
    assert_means(centered[:, :, None] * centered[:, None, :], covariance)


def assert_frequencies(indices: Any, probabilities: Any) -> None:
    """Drawn indices come from `probabilities`, by a chi-square test at the level of 5 standard deviations.

    States that are expected less than ten times are taken together.
    """
    probabilities = np.asarray(probabilities, "float64")
    expected = len(indices) * probabilities
    counts = np.bincount(indices, minlength=len(expected))
    rare = expected < 10
    counts, expected = (np.append(x[~rare], x[rare].sum()) for x in (counts, expected))
    kept = expected > 0
    assert counts[~kept].sum() == 0, "states of no probability were drawn"
    statistic = np.sum((counts[kept] - expected[kept]) ** 2 / np.maximum(expected[kept], 1.0))
    bound = chi2.isf(2 * norm.sf(SIGMAS), kept.sum() - 1)
    assert statistic < bound, f"chi-square {statistic:.1f}, bound {bound:.1f}"
