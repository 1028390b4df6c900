"""Whether anything was learnt."""

from __future__ import annotations

import keras
import numpy as np


def weights_of(machine: keras.Model) -> list[np.ndarray]:
    return [np.array(w) for w in machine.trainable_variables]


def assert_equal_weights(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
