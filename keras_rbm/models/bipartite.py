"""A deep Boltzmann machine as the RBM that it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import tensorflow as tf

from keras_rbm.models.machine import Compiling
from keras_rbm.samplers import Held
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


class Bipartite(Compiling):
    """The layers of a DBM with odd numbers on one side, those with even ones (the data's is 0) on the other.

    Each side is independent given the other, so block Gibbs sampling, annealing and enumeration are those of an RBM,
    whose weights are zero where no layers meet. States of a side are those of its layers side by side, lowest first.

    Args:
        dbm: a built DBM.
        first: number of the lowest layer on the `visible` side, which chains carry: 0 or 1.
    """

    built = True
    has_free_energy = True

    def __init__(self, dbm: Any, first: int = 0) -> None:
        super().__init__()
        self.dbm, self._first = dbm, first
        self._numbers = [range(start, len(dbm.groups), 2) for start in (first, 1 - first)]
        self.visible, self.hidden = (_side([dbm.groups[i] for i in own]) for own in self._numbers)

    @property
    def data(self) -> Unit:
        """The data's layer."""
        return self.dbm.groups[0]

    @cached_property
    def layers_above(self) -> Unit | None:
        """The other layers with even numbers, if there are any."""
        above = self.dbm.groups[2::2]
        return _side(above) if above else None

    @property
    def sampler(self) -> Any:
        """The DBM's."""
        return self.dbm.sampler

    @property
    def stream(self) -> Any:
        """The DBM's."""
        return self.dbm.stream

    @property
    def state_dtype(self) -> str:
        """The DBM's."""
        return self.dbm.state_dtype

    @property
    def weights(self) -> list:
        """The DBM's."""
        return self.dbm.weights

    def undirected(self) -> Bipartite:
        return self

    def annealed(self) -> Bipartite:
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
        return tf.concat([self.dbm.input_to(i, states) for i in self._numbers[hidden]], -1)

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        """What states of the visible side bring to the fields of the hidden one, `(batch, hidden)`."""
        return self._input(v, True)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        """What states of the hidden side bring to the fields of the visible one, `(batch, visible)`."""
        return self._input(h, False)

    def held(self, known: Mapping[int, Sequence[tf.Tensor]]) -> Held:
        """What `walk` needs to hold units of some layers, by number: masks and values, both `(batch, units)`."""
        number = tf.shape(known[0][0])[0]

        def of_side(hidden: bool) -> list[tf.Tensor]:
            pairs = []
            for i in self._numbers[hidden]:
                shape = (number, self.dbm.groups[i].width)
                pairs.append(known.get(i, (tf.zeros(shape, tf.bool), tf.zeros(shape, self.state_dtype))))
            return [tf.concat(parts, -1) for parts in zip(*pairs, strict=True)]

        (mask, values), hidden = of_side(False), of_side(True)
        return Held(mask, values, Held(hidden[0], hidden[1]))

    def free_energy(self, v: tf.Tensor) -> tf.Tensor:
        """Of states of the visible side, the other one summed out, nats, `(batch,)`."""
        return self.visible.energy(v) - self.hidden.log_partition(self.hidden.field(self.hidden_input(v)))

    def start(self, num_samples: Any) -> tf.Tensor:
        """States of the visible side drawn from its biases alone, `(num_samples, visible)`."""
        zeros = tf.zeros((num_samples, self.visible.width), self.state_dtype)
        return self.visible.sample(self.visible.field(zeros), self.stream)


def _side(layers: list[Unit]) -> Unit:
    return layers[0] if len(layers) == 1 else Side(layers, dtype=layers[0].dtype_policy)
