"""Layers of units one above the other, and the weights between neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, samplers
from keras_rbm import units as unit_kinds
from keras_rbm.abstract_rbm import assigned
from keras_rbm.arguments import checked_num_classes, clone, positive_integer
from keras_rbm.models.deep.greedy import per_layer
from keras_rbm.models.labelled import Labelled
from keras_rbm.models.rbm import check_bounded
from keras_rbm.training.couplings import Coupled
from keras_rbm.types import SamplerLike, UnitLike


class Layered(Coupled, Labelled):
    """A machine whose `groups` are layers of units, the data's first, with `kernels` both ways between neighbours.

    With `num_classes` a softmax group of label units is the highest layer.

    Args:
        units, visible, hidden, sampler, num_classes, seed, kwargs: as in `DBM`.
    """

    #: Fewer hidden layers are an RBM.
    _least_layers = 2

    sampler: samplers.Sampler = assigned()

    def __init__(
        self,
        units: Sequence[int],
        visible: UnitLike = "bernoulli",
        hidden: UnitLike | Sequence[UnitLike] = "bernoulli",
        sampler: SamplerLike = "pcd",
        num_classes: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        listed = isinstance(units, (Sequence, np.ndarray)) and not isinstance(units, (str, bytes))
        if not listed or len(units) < self._least_layers:
            raise ValueError(
                "A DBM has at least two hidden layers: `units` must be a list of their sizes, such as [500, 1000]. "
                f"Received: units={units!r}. One hidden layer is an RBM."
            )
        self.units = [positive_integer(n, "units") for n in units]
        self._num_classes = 0 if num_classes is None else checked_num_classes(num_classes)
        policy = self.dtype_policy
        kinds = per_layer(hidden, "hidden", len(self.units))
        self.groups = [unit_kinds.get(visible, dtype=policy, name="visible")]
        self.groups += [clone(unit_kinds.get(kind, dtype=policy)) for kind in kinds]
        if self.num_classes:
            self.groups.append(unit_kinds.Softmax(self.num_classes, dtype=policy, name="labels"))
        for i, (below, above) in enumerate(itertools.pairwise(self.groups)):
            check_bounded(below, above, self.kernel_constraint, both_hidden=i > 0)
        self.sampler = samplers.get(sampler, dtype=policy, name="sampler")

    @property
    def visible(self) -> unit_kinds.Unit:
        return self.groups[0]

    @property
    def hidden(self) -> list[unit_kinds.Unit]:
        """The hidden layers, without label units."""
        return self.groups[1 : 1 + len(self.units)]

    def build(self, input_shape: Any) -> None:
        if error := checks.shape_error(input_shape, self.visible.width if self.built else None):
            raise error
        if self.built:
            return
        widths = [int(input_shape[1]), *self.units, *([self.num_classes] if self.num_classes else [])]
        for layer, width in zip(self.groups, widths, strict=True):
            layer.build((None, width))
        self.kernels = [self._add_kernel(shape, f"kernel_{i}") for i, shape in enumerate(itertools.pairwise(widths))]
        if self.centered:
            self.offsets = [self._add_offset((width,), f"offset_{i}") for i, width in enumerate(widths)]
            self.offset_age = self._add_offset((), "offset_age")
        self.sampler.prepare(self.undirected())
        self.built = True

    def _input_to(self, i: int, states: dict[int, tf.Tensor], bottom: tf.Tensor | None = None) -> tf.Tensor:
        """What states of the layers beside it, by number, bring to the fields of layer `i`, `(batch, units)`.

        Args:
            bottom: what the data bring to the first hidden layer, where that is known already.
        """
        inputs = []
        if i - 1 in states:
            known = bottom is not None and i == 1
            inputs.append(bottom if known else self._product(states[i - 1], self.kernels[i - 1]))
        if i + 1 in states:
            inputs.append(self._product(states[i + 1], self.kernels[i], transpose=True))
        return tf.add_n(inputs)

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "units": self.units,
            "visible": serialize(self.visible),
            "hidden": [serialize(layer) for layer in self.hidden],
            "sampler": serialize(self.sampler),
            "num_classes": self.num_classes or None,
        }
