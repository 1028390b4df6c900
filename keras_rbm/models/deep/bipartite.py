"""A deep Boltzmann machine as the RBM that it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM, assigned
from keras_rbm.likelihood.exact import log_sum_of_groups
from keras_rbm.models.deep.layered import Layered
from keras_rbm.random import RandomStream
from keras_rbm.samplers.chains import Clamp
from keras_rbm.units import Mixed, Unit


class Side(Mixed):
    """Layers that no weights connect, as one group: each keeps its own bias.

    Args:
        layers: built units, from the lowest layer up.
    """

    def __init__(self, layers: list[Unit], **kwargs: Any) -> None:
        Unit.__init__(self, **kwargs)
        self.parts = layers
        self.bounded = all(part.bounded for part in layers)
        self.sizes = [part.width for part in layers]
        self.widths = [*self.sizes]
        self._width = sum(self.sizes)
        self.built = True

    @property
    def bias(self) -> tf.Tensor:
        return tf.concat([tf.convert_to_tensor(part.bias) for part in self.parts], 0)


class Bipartite(AbstractRBM):
    """The layers of a DBM with odd numbers on one side, those with even ones (the data's is 0) on the other.

    Each side is independent given the other, so block Gibbs sampling, annealing and enumeration are those of an RBM,
    whose weights are zero where no layers meet. States of a side are those of its layers side by side, lowest first.

    Args:
        dbm: a built DBM.
        first: number of the lowest layer on the `visible` side, which chains carry: 0 or 1.
    """

    visible: Unit = assigned()
    hidden: Unit = assigned()

    def __init__(self, dbm: Layered, first: int = 0) -> None:
        self.dbm, self._first = dbm, first
        self._numbers = [range(start, len(dbm.groups), 2) for start in (first, 1 - first)]
        self.visible, self.hidden = (_side([dbm.groups[i] for i in own]) for own in self._numbers)

    @property
    def stream(self) -> RandomStream:
        """The DBM's."""
        return self.dbm.stream

    @property
    def state_dtype(self) -> str:
        """The DBM's."""
        return self.dbm.state_dtype

    def _annealed(self) -> Bipartite:
        """This, or its sides exchanged, so that the side that is summed out has fewer units: that is cheaper."""
        return self.exchanged if self.hidden.width > self.visible.width else self

    @cached_property
    def exchanged(self) -> Bipartite:
        """The same machine with its sides exchanged."""
        return Bipartite(self.dbm, 1 - self._first)

    @property
    def w_rec(self) -> tf.Tensor:
        """All weights between the sides, `(visible, hidden)`."""
        return self.assembled(self.dbm.kernels)

    def couplings(self) -> list[Any]:
        """The kernels between neighbouring layers."""
        return [*self.dbm.kernels]

    def assembled(self, kernels: list[Any]) -> tf.Tensor:
        """Weights (or gradients) between layers as one matrix between the sides, zero where no layers meet."""
        rows = []
        for i in self._numbers[0]:
            row = []
            for j in self._numbers[1]:
                if abs(i - j) == 1:
                    block = tf.convert_to_tensor(kernels[min(i, j)])
                    row.append(block if i < j else tf.transpose(block))
                else:
                    row.append(tf.zeros((self.dbm.groups[i].width, self.dbm.groups[j].width), self.dbm.variable_dtype))
            rows.append(tf.concat(row, 1))
        return tf.concat(rows, 0)

    def states_of(self, x: tf.Tensor, hidden: bool = False) -> dict[int, tf.Tensor]:
        """The states of each layer of a side, by the layer's number."""
        own, units = self._numbers[hidden], self.hidden if hidden else self.visible
        parts = units.columns(x) if isinstance(units, Side) else [x]
        return dict(zip(own, parts, strict=True))

    def together(self, states: Any, hidden: bool = False) -> tf.Tensor:
        """States of layers, by number, as those of a side."""
        return tf.concat([states[i] for i in self._numbers[hidden]], -1)

    def _input(self, x: tf.Tensor, hidden: bool) -> tf.Tensor:
        states = self.states_of(x, not hidden)
        return tf.concat([self.dbm._input_to(i, states) for i in self._numbers[hidden]], -1)

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        """What states of the visible side bring to the fields of the hidden one, `(batch, hidden)`."""
        return self._input(v, True)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        """What states of the hidden side bring to the fields of the visible one, `(batch, visible)`."""
        return self._input(h, False)

    def clamp(self, known: Mapping[int, Sequence[tf.Tensor]]) -> Clamp:
        """What chains need to clamp units of some layers, by number: masks and values, both `(batch, units)`."""
        number = tf.shape(known[0][0])[0]

        def of_side(hidden: bool) -> list[tf.Tensor]:
            pairs = []
            for i in self._numbers[hidden]:
                shape = (number, self.dbm.groups[i].width)
                pairs.append(known.get(i, (tf.zeros(shape, tf.bool), tf.zeros(shape, self.state_dtype))))
            return [tf.concat(parts, -1) for parts in zip(*pairs, strict=True)]

        (mask, values), hidden = of_side(False), of_side(True)
        return Clamp(mask, values, Clamp(hidden[0], hidden[1]))

    def log_sum_given(self, v: tf.Tensor) -> tf.Tensor:
        """Log of the summed weight of all states of the hidden layers, given each row `v` of the data's, `(cases,)`."""
        data, *above = self.dbm.groups[::2]
        w_data, w = tf.split(tf.cast(self.w_rec, v.dtype), [data.width, -1])
        if not above:
            return self.hidden.log_partition(self.hidden.field(v @ w_data)) - data.energy(v)
        return log_sum_of_groups(self.hidden, _side(above), w, v @ w_data) - data.energy(v)


def _side(layers: list[Unit]) -> Unit:
    return layers[0] if len(layers) == 1 else Side(layers, dtype=layers[0].dtype_policy)
