"""Models through files, and whether two are in the same state."""

from __future__ import annotations

import warnings

import keras
import numpy as np


def through_disk(model: keras.Model, folder, **kwargs) -> keras.Model:
    """The model saved and loaded again; a warning on the way is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.save(folder / "model.keras")
        return keras.models.load_model(folder / "model.keras", **kwargs)


def config_of(layer: keras.Layer) -> dict:
    """The layer's configuration without the numbers by which Keras knows shared objects."""

    def stripped(x):
        if isinstance(x, dict):
            return {key: stripped(value) for key, value in x.items() if key != "shared_object_id"}
        return [stripped(value) for value in x] if isinstance(x, (list, tuple)) else x

    return stripped(layer.get_config())


def state(model: keras.Model) -> dict[str, np.ndarray]:
    """Every weight by path: parameters, chains, random keys, optimizer."""
    weights = {str(i): weight.numpy() for i, weight in enumerate(model.weights)}
    if model.compiled:
        weights |= {f"optimizer {v.path}": np.asarray(v) for v in model.optimizer.variables}
    return weights


def assert_same_state(a: keras.Model, b: keras.Model) -> None:
    first, second = state(a), state(b)
    assert len(first) == len(second)
    for (name, x), y in zip(first.items(), second.values(), strict=True):
        assert x.dtype == y.dtype, name
        np.testing.assert_array_equal(x, y, err_msg=name)
