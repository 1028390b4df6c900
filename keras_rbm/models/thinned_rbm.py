"""Dropout: RBMs that lack some of their hidden units, or some of their weights."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM, assigned
from keras_rbm.random import Draws, RandomStream
from keras_rbm.units import Unit


class ThinnedUnits:
    """A group of which each row of states has some sites only; all that is not said here the whole group answers.

    What is dropped is not there: its state is 0, and it adds nothing to `log_partition`.

    Args:
        units: the whole group.
        kept: 1 for each site that a row has, `(rows, sites)`; further rows go round these.
    """

    def __init__(self, units: Unit, kept: tf.Tensor) -> None:
        self._units, self._kept = units, kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._units, name)

    def _kept_by(self, rows: tf.Tensor) -> tf.Tensor:
        number, known = tf.shape(rows)[0], tf.shape(self._kept)[0]
        rounds = (number + known - 1) // tf.maximum(known, 1)
        return tf.ensure_shape(tf.tile(self._kept, [rounds, 1])[:number], [rows.shape[0], self._kept.shape[1]])

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        return self._kept_by(field) * self._units.log_partitions(field)

    def log_partition(self, field: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.log_partitions(field), -1)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        return self._units.per_unit(self._kept_by(field)) * self._units.mean(field)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        return self._units.per_unit(self._kept_by(field)) * self._units.sample(field, draws)


class ThinnedRBM(AbstractRBM):
    """RBMs that share the parameters of one, and lack some of its hidden units: each row of states others. All rows
    lack the same weights.

    Args:
        rbm: the whole one. Its `w_rec` is this one's, too: `_up` and `_down` leave out what is not there.
        kept: 1 for each hidden site that a row has, `(rows, sites)`; further rows go round these.
        scales: what weights are multiplied by, like `w_rec`, 0 where there is none; `None`: all are as they are.
    """

    visible: Unit = assigned()
    hidden: Any = assigned()
    w_rec: Any = assigned()
    stream: RandomStream = assigned()
    state_dtype: str = assigned()

    def __init__(self, rbm: AbstractRBM, kept: tf.Tensor, scales: tf.Tensor | None) -> None:
        self._rbm, self._kept, self._scales = rbm, kept, scales
        self.visible, self.hidden, self.w_rec = rbm.visible, ThinnedUnits(rbm.hidden, kept), rbm.w_rec
        self.stream, self.state_dtype = rbm.stream, rbm.state_dtype

    @classmethod
    def drawn(cls, rbm: AbstractRBM, number: tf.Tensor, dropout: float, drop_connect: float) -> ThinnedRBM:
        """So many rows, each of which lacks each hidden site with probability `dropout`, and all of which lack each
        weight with probability `drop_connect`; the others are larger by as much as leaves the mean as it is."""
        scales = None
        if drop_connect:
            scales = _kept(tf.cast(rbm.w_rec, rbm.state_dtype), drop_connect, rbm.stream) / ((1 - drop_connect) or 1)
        return cls(rbm, _kept_sites(rbm, number, dropout), scales)

    def redrawn(self, number: tf.Tensor, dropout: float) -> ThinnedRBM:
        """With the same weights, and other rows."""
        return ThinnedRBM(self._rbm, _kept_sites(self._rbm, number, dropout), self._scales)

    def beside(self, other: ThinnedRBM) -> ThinnedRBM:
        """These rows, and below them those of another one."""
        return ThinnedRBM(self._rbm, tf.concat([self._kept, other._kept], 0), self._scales)

    @property
    def visible_bias(self) -> Any:
        return self._rbm.visible_bias

    @property
    def hidden_bias(self) -> Any:
        return self._rbm.hidden_bias

    def _scaled(self, w: Any) -> Any:
        if self._scales is None:
            return w
        w = tf.convert_to_tensor(w)
        return w * tf.cast(self._scales, w.dtype)

    def _up(self, v: tf.Tensor, w: Any) -> tf.Tensor:
        return self._rbm._up(v, self._scaled(w))

    def _down(self, h: tf.Tensor, w: Any) -> tf.Tensor:
        return self._rbm._down(h, self._scaled(w))

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        return self._up(v, self.w_rec)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        return self._down(h, self.w_rec)


def _kept(like: tf.Tensor, rate: float, draws: Draws) -> tf.Tensor:
    """1, or with probability `rate` 0, in the places of `like`."""
    return tf.cast(draws.uniform_like(like) >= rate, like.dtype)


def _kept_sites(rbm: AbstractRBM, number: tf.Tensor, dropout: float) -> tf.Tensor:
    """Which hidden sites each of so many rows has, `(number, sites)`."""
    all_sites = tf.ones((number, rbm.hidden.num_sites), rbm.state_dtype)
    return _kept(all_sites, dropout, rbm.stream) if dropout else all_sites
