"""Means and variances of a stream of states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def moments(batches: Iterable[Any]) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and variance of each unit, `(units,)`, float64, and the number of states; read once.

    Args:
        batches: states `(batch, units)`, or pairs of them and weights `(batch,)` (or `None`), which count for numbers.

    Raises:
        ValueError: if there is not one state, or only weights of 0.

    Reference:
        Chan, Golub & LeVeque, 1983, "Algorithms for computing the sample variance", equation 2.1.
    """
    count, mean, squares = 0.0, np.zeros(1), np.zeros(1)
    for batch in batches:
        states, weights = batch if isinstance(batch, tuple) else (batch, None)
        states = np.asarray(states, dtype="float64")
        weights = np.ones(len(states)) if weights is None else np.asarray(weights, dtype="float64")
        number = weights.sum()
        if not number:
            continue
        center = weights @ states / number
        total = count + number
        shift = center - mean
        squares = squares + weights @ (states - center) ** 2 + shift**2 * count * number / total
        mean, count = mean + shift * number / total, total
    if not count:
        raise ValueError("Data must have at least one row. Received: none")
    return mean, squares / count, count
