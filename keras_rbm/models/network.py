"""Plain Keras networks that start from what a machine has learnt."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras

from keras_rbm.arguments import checked_num_classes
from keras_rbm.models.machine import Machine
from keras_rbm.random import spawned_seed
from keras_rbm.types import Constraint


def plain_network(
    machine: Machine,
    hidden: Callable[[], list[list[keras.layers.Layer]]],
    num_classes: int,
    beside: list[int],
    dropout: float,
    input_dropout: float,
    kernel_constraint: Constraint,
) -> keras.Model:
    """Layers that compute the means of hidden units from below, and a softmax over classes.

    Args:
        hidden: makes, once all arguments are known to be sound, what computes each hidden layer.
        beside: widths of what the layers but the last see beside the units below; these are further inputs, to the
            right of the data. Empty for none.

    Raises:
        ValueError: if the machine is not built, or an argument is out of range.
    """
    checked_num_classes(num_classes)
    for name, value in (("dropout", dropout), ("input_dropout", input_dropout)):
        if isinstance(value, str) or not 0 <= value < 1:
            raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value!r}")
    if not machine.built:
        kind = type(machine).__name__
        raise ValueError(f"A {kind} must be built before a classifier starts from it. Pretrain it, or call it on data.")
    initializer = keras.initializers.GlorotUniform(seed=spawned_seed(machine.seed, "classes"))
    steps: list[list[keras.layers.Layer]] = [_dropped(input_dropout, spawned_seed(machine.seed, "input_dropout"))]
    in_maps = False
    for i, layers in enumerate([*hidden(), None]):
        flat = [keras.layers.Flatten()] if in_maps and not _makes_maps(layers) else []
        if layers is None:
            steps.append(
                [*flat, keras.layers.Dense(num_classes, "softmax", kernel_initializer=initializer, name="classes")]
            )
        else:
            steps.append([*flat, *layers, *_dropped(dropout, spawned_seed(machine.seed, "dropout", i))])
            in_maps = _makes_maps(layers)
    inputs = keras.Input((machine.visible.width + sum(beside),) if beside else machine.data_shape)
    if len(beside) < 2:  # the first layer sees all inputs
        net = keras.Sequential([inputs, *itertools.chain(*steps)], name="classifier")
    else:
        seen, *others = _split(_through(steps[0], inputs), [machine.visible.width, *beside])
        for layers, other in itertools.zip_longest(steps[1:], others):
            seen = _through(layers, seen if other is None else keras.layers.Concatenate()([seen, other]))
        net = keras.Model(inputs, seen, name="classifier")
    constraint = keras.constraints.get(kernel_constraint)
    if constraint is not None:
        for layer in net._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.Dense):
                layer.kernel_constraint = layer._kernel.constraint = constraint
    return net


def _makes_maps(layers: list[keras.layers.Layer] | None) -> bool:
    return any(isinstance(layer, (keras.layers.Conv1D, keras.layers.Conv2D)) for layer in layers or ())


def _dropped(rate: float, seed: int | None) -> list[keras.layers.Layer]:
    return [keras.layers.Dropout(rate, seed=seed)] if rate else []


def _through(layers: list[keras.layers.Layer], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def _split(x: Any, widths: list[int]) -> list[Any]:
    stops = list(itertools.accumulate(widths))
    return [x[:, stop - width : stop] for width, stop in zip(widths, stops, strict=True)]
