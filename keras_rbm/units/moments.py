"""Means and variances of a stream of states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def moments(batches: Iterable[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and variance of each unit, and how often it was seen, all `(units,)`, float64; read once.

    Args:
        batches: states `(batch, units)`, or pairs of them and weights `(batch,)` (or `None`), which count for numbers.
            NaN is a value that was not seen.

    Raises:
        ValueError: if there is not one state, or only weights of 0, or a unit was never seen.

    Reference:
        Chan, Golub & LeVeque, 1983, "Algorithms for computing the sample variance", equation 2.1.
    """
    count, mean, squares = np.zeros(1), np.zeros(1), np.zeros(1)
    for batch in batches:
        states, weights = batch if isinstance(batch, tuple) else (batch, None)
        states = np.asarray(states, dtype="float64")
        weights = np.ones(len(states)) if weights is None else np.asarray(weights, dtype="float64")
        seen = weights[:, None] * ~np.isnan(states)
        states = np.nan_to_num(states)
        number = seen.sum(0)
        total = count + number
        share = number / np.where(total, total, 1)
        center = (seen * states).sum(0) / np.where(number, number, 1)
        shift = center - mean
        squares = squares + (seen * (states - center) ** 2).sum(0) + shift**2 * count * share
        mean, count = mean + shift * share, total
    if not count.any():
        raise ValueError("Data must have at least one row. Received: none")
    if not count.all():
        raise ValueError(f"Each column must have at least one value. Received: none in column {np.argmin(count)}")
    return mean, squares / count, count
