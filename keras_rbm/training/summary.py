"""What `summary` shows of a machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np


def summary_rows(model: keras.Model) -> Any:
    """A model as `keras.Model.summary` reads it, whose own weights are layers as well; so are those of models in it."""
    layers = [summary_rows(each) if isinstance(each, keras.Model) else each for each in model.layers]
    return _named(
        type(model).__name__,
        name=model.name,
        layers=[*map(_row, _own_weights(model)), *layers],
        built=model.built,
        weights=model.weights,
        trainable=model.trainable,
        trainable_weights=model.trainable_weights,
        non_trainable_weights=model.non_trainable_weights,
        compiled=model.compiled,
        optimizer=getattr(model, "optimizer", None),
        count_params=model.count_params,
        output_shape=None,
    )


def _own_weights(model: keras.Model) -> list[keras.Variable]:
    """The weights of a model that none of its layers has."""
    in_layers = {id(weight) for layer in model.layers for weight in layer.weights}
    return [weight for weight in model.weights if id(weight) not in in_layers]


def _row(weight: keras.Variable) -> Any:
    return _named(
        "weights",
        name=weight.name,
        built=True,
        weights=[weight],
        trainable=weight.trainable,
        count_params=lambda: int(np.prod(weight.shape)),
        output_shape=tuple(weight.shape),
    )


def _named(kind: str, **attributes: Any) -> Any:
    """An object of so called a type, which `summary` writes beside its name."""
    made = type(kind, (SimpleNamespace,), {})(**attributes)
    made._inbound_nodes, made._build_shapes_dict = [], attributes["output_shape"] is not None
    return made
