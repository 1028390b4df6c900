"""Rows among others."""

from __future__ import annotations

import numpy as np


def nearest(rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Of each row the candidate that is nearest to it, in the dtype of the rows."""
    distances = np.abs(rows[:, None].astype("float64") - candidates).max(-1)
    return candidates[distances.argmin(1)].astype(rows.dtype)
