"""A machine that is compiled once, and starts anew as often as it is asked."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np


def rewinding(model: keras.Model) -> Callable[[], None]:
    """A function that puts parameters, chains, random keys and optimizer of a built model back to what they are."""
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.weights, *(optimizer.variables if optimizer else [])]
    values = [np.array(variable) for variable in variables]

    def rewind() -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    return rewind
