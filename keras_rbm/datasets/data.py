"""What a data set is here: arrays, with a test set kept apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Data:
    """Training and test arrays.

    Args:
        name: for titles and cards.
        x_train, x_test: float32, `(cases, visible)`.
        y_train, y_test: class numbers, int64, `(cases,)`, or `None` where there are no labels.
        image_shape: height and width of the pictures that rows are, or `None`.
        classes: names of the classes, in the order of their numbers.
        source: one sentence: where the data come from and how they were split.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray | None
    x_test: np.ndarray
    y_test: np.ndarray | None
    image_shape: tuple[int, int] | None
    classes: tuple[str, ...]
    source: str

    @property
    def num_classes(self) -> int:
        return len(self.classes)


def square(width: int) -> tuple[int, int] | None:
    """The shape of a square picture of so many pixels (more than one), if there is one."""
    side = math.isqrt(width)
    return (side, side) if side * side == width > 1 else None


def flattened(x: np.ndarray) -> np.ndarray:
    """Rows, `(cases, visible)`, float32."""
    return np.asarray(x, dtype="float32").reshape(len(x), -1)
