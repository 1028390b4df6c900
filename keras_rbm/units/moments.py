"""Means and variances of a stream of states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def moments(batches: Iterable[Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and variance of each unit, `(units,)`, float64, and the number of states; read once.

    Raises:
        ValueError: if there is not one state.

    Reference:
        Chan, Golub & LeVeque, 1983, "Algorithms for computing the sample variance", equation 2.1.
    """
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for batch in batches:
        batch = np.asarray(batch, dtype="float64")
        total = count + len(batch)
        shift = batch.mean(0) - mean
        squares = squares + ((batch - batch.mean(0)) ** 2).sum(0) + shift**2 * count * len(batch) / total
        mean, count = mean + shift * len(batch) / total, total
    if not count:
        raise ValueError("Data must have at least one row. Received: none")
    return mean, squares / count, count
