"""Layers of units one above the other, and the weights between neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, replicas, samplers
from keras_rbm import units as unit_kinds
from keras_rbm.abstract_rbm import assigned
from keras_rbm.arguments import checked_num_classes, clone, positive_integer
from keras_rbm.models.deep.greedy import per_layer
from keras_rbm.models.labelled import Labelled
from keras_rbm.models.rbm import check_bounded
from keras_rbm.training.centering import balanced_offsets, centered_gradients, updated_offsets
from keras_rbm.training.couplings import Coupled
from keras_rbm.training.means import mean
from keras_rbm.types import SamplerLike, UnitLike


class Settled(NamedTuple):
    """What a batch teaches the parameters of layers.

    Args:
        gradients: by variable.
        kernels, biases: the gradients of those, without penalties: what samplers with weights of their own see.
        offsets: new values, by variable.
        sums: of what else was to be added up over the replicas.
    """

    gradients: list[tuple[keras.Variable, tf.Tensor]]
    kernels: list[tf.Tensor]
    biases: list[tf.Tensor]
    offsets: list[tuple[keras.Variable, tf.Tensor]]
    sums: tuple[tf.Tensor, ...]

    def keep_offsets(self) -> None:
        """Gives the offsets their new values."""
        for variable, value in self.offsets:
            variable.assign(value)


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

    def _field_below(self, h: tf.Tensor) -> tf.Tensor:
        """The field of the data's units given states of the first hidden layer."""
        return self.visible.field(self._input_to(0, {1: h}))

    def _settled(
        self, plain: list[list[tf.Tensor]], states: list[tf.Tensor], share: tf.Tensor, *sums: tf.Tensor
    ) -> Settled:
        """What the optimizer is given, of plain gradients: of all replicas, centred, with those of activity penalties.

        Args:
            plain: this replica's part, in `_parameters()`.
            states: of each layer given the data, or means, `(batch, units)`.
            share: what each case counts, `(batch,)`.
            sums: what else is added up over the replicas.
        """
        kernels, biases, others = self._parameters()
        variables = [*kernels, *biases, *others]
        penalties = [] if self.activity_regularizer is None else self._activity_gradients(states, share, variables)
        means = [*(mean(x, share) for x in states), tf.reduce_sum(share)] if self.centered else []
        (dws, dbs, dothers), penalties, means, sums = replicas.summed((plain, penalties, means, sums))
        offsets: list[Any] = []
        if self.centered:
            some = tf.cast(means.pop() > 0, share.dtype)
            offsets = updated_offsets(self.offsets, self.offset_age, means, some, self.offset_rate)
            now = [tf.cast(x, dws[0].dtype) for _, x in offsets[:-1]]
            dws, dbs = centered_gradients(dws, dbs, balanced_offsets(now, biases, self.trainable_variables))
        total = [*dws, *dbs, *dothers]
        if penalties:
            total = [a + b for a, b in zip(total, penalties, strict=True)]
        return Settled(list(zip(variables, total, strict=True)), dws, dbs, offsets, sums)

    def _parameters(self) -> list[list[keras.Variable]]:
        """Kernels, biases, and what layers have beside these."""
        others = [x for layer in self.groups for x in layer.other_parameters]
        return [list(self.kernels), [layer.bias for layer in self.groups], others]

    def _activity_gradients(self, means: list[tf.Tensor], share: tf.Tensor, variables: list) -> list[tf.Tensor]:
        """Gradients of the activity regularizer's penalties, each layer's means given those of its neighbours."""
        with tf.GradientTape() as tape:
            penalty = tf.zeros((), share.dtype)
            for i, layer in enumerate(self.hidden, 1):
                beside = {j: tf.stop_gradient(means[j]) for j in (i - 1, i + 1) if j < len(means)}
                x = layer.mean(layer.field(self._input_to(i, beside)))
                penalty += self.activity_regularizer(replicas.whole(mean(x, share))[None])
        return tape.gradient(penalty, [x.value for x in variables], unconnected_gradients="zero")

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
