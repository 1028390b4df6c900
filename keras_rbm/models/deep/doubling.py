"""Pretraining of a deep Boltzmann machine's layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm.arguments import clone
from keras_rbm.models.class_head import with_labels
from keras_rbm.models.deep.layered import Layered
from keras_rbm.models.rbm import RBM
from keras_rbm.random import spawned_seed
from keras_rbm.training.centering import centered_gradients
from keras_rbm.units import Mixed, Unit
from keras_rbm.units.unit import in_words


class Doubled(RBM):
    """An RBM whose units feel what comes in from one side twice, in place of the layer of a DBM that is still missing
    on the other side.

        hidden field  = c + up * v . w_rec
        visible field = b + down * h . w_rec^T

    It follows the gradient of `mean F(data) - mean F(samples)`, `F(v) = base(v) - b . v - log_partition(c + up * v .
    w_rec) / up`, so that the weights' is that of an RBM. Centred, its weights learn the covariance of what is on both
    sides, and biases balance what moving offsets bring in, as often as it is felt:

        dW' = dW - mu (up dc)^T - db lam^T,   db' = db - down dW' lam,   dc' = dc - up dW'^T mu

    so that units whose zeros and ones are exchanged learn the same.

    Args:
        up, down: 1 or 2.
        num_labels: how many of the visible units, the last ones, are labels, above which no layer is missing.
        kwargs: what `RBM` takes.

    Reference:
        Salakhutdinov & Hinton, 2009, "Deep Boltzmann machines", section 3.3.
    """

    def __init__(self, units: int, up: int = 1, down: int = 1, num_labels: int = 0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.up, self.down, self.num_labels = up, down, num_labels
        self._trackers.pop("pseudo_log_likelihood", None)  # it is not that of this pair of conditionals

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        return self.up * super().hidden_input(v)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        return self._down_shares(h.dtype) * super().visible_input(h)

    def _down_shares(self, dtype: tf.DType) -> tf.Tensor:
        """How often each visible unit feels what comes from above, `(visible,)`."""
        return tf.repeat(tf.constant([self.down, 1.0], dtype), [self.visible.width - self.num_labels, self.num_labels])

    def _centered(
        self, dw: tf.Tensor, db: tf.Tensor, dc: tf.Tensor, offsets: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        dh = self.up * dc  # by how much the hidden units' means differ
        (dw,), (moved_b, moved_c) = centered_gradients([dw], [db, dh], offsets)
        return dw, db + self._down_shares(db.dtype) * (moved_b - db), dc + self.up * (moved_c - dh)

    def _free_energy_of(self, v: tf.Tensor, hidden_field: tf.Tensor) -> tf.Tensor:
        return self.visible.energy(v) - self.hidden.log_partition(hidden_field) / self.up

    def get_config(self) -> dict:
        return {**super().get_config(), "up": self.up, "down": self.down, "num_labels": self.num_labels}


def doubled_rbms(dbm: Layered, doubled: bool) -> list[RBM]:
    """RBMs with the parameters of a DBM; label units are beside the other units that the highest one sees."""
    rbms = []
    for i, n in enumerate(dbm.units):
        seen, above = _seen_by(dbm, i), dbm.groups[i + 1]
        below, labels = clone(seen[0]), dbm.num_classes if len(seen) > 1 else 0
        rbm = Doubled(
            n,
            up=2 if doubled and i + 1 < len(dbm.units) else 1,
            down=2 if doubled and i else 1,
            num_labels=labels,
            visible=with_labels(below, labels, dtype=dbm.dtype_policy) if labels else below,
            hidden=clone(above),
            **dbm._coupling_options(),
            seed=spawned_seed(dbm.seed, "layer", i),
            dtype=dbm.dtype_policy,
            name=f"rbm_{i}",
        )
        rbm.build((None, sum(layer.width for layer in seen)))
        for part, layer in zip([*_parts(rbm, seen), rbm.hidden], [*seen, above], strict=True):
            _copy_others(layer, part)
        rbm.visible.bias.assign(tf.concat([layer.bias for layer in seen], 0))
        rbm.hidden.bias.assign(above.bias)
        rbm.w_rec.assign(tf.concat([dbm.kernels[i], *map(tf.transpose, dbm.kernels[i + 1 : i + len(seen)])], 0))
        rbms.append(rbm)
    return rbms


def initialize_from_rbms(dbm: Layered, rbms: Sequence[RBM]) -> None:
    """`DBM.initialize_from_rbms`."""
    if not isinstance(rbms, Sequence):
        raise TypeError(f"A DBM starts from a list of RBMs, one a hidden layer. Received: {type(rbms).__name__}")
    if len(rbms) != len(dbm.units):
        raise ValueError(f"A DBM starts from one RBM a hidden layer. Received: {len(rbms)} for {len(dbm.units)}")
    for i, rbm in enumerate(rbms):
        if not isinstance(rbm, RBM):
            raise TypeError(f"A DBM starts from a list of RBMs. Received: {type(rbm).__name__} as number {i}")
        if not rbm.built:
            raise ValueError(f"A DBM starts from built RBMs. Received: number {i}, which is not. Fit it first.")
    if not dbm.built:
        initialize_from_rbms(
            _built_like(dbm, rbms[0].visible.width), rbms
        )  # refuses what does not fit before anything is built
        dbm.build((None, rbms[0].visible.width))
    biases: list[list[np.ndarray]] = [[] for _ in dbm.groups]
    kernels: list[np.ndarray] = []
    for i, rbm in enumerate(rbms):
        seen = _seen_by(dbm, i)
        given, wanted = [*_parts(rbm, seen), rbm.hidden], [*seen, dbm.groups[i + 1]]
        if _in_words(given) != _in_words(wanted):
            raise ValueError(
                f"RBM number {i} must have the units of the layers that it stands for, {_in_words(wanted)}. "
                f"Received: {_in_words(given)}"
            )
        rows = np.cumsum([layer.width for layer in seen])[:-1]
        below, *labels = np.split(np.asarray(rbm.visible.bias), rows)
        biases[i].append(below)
        biases[i + 1].append(np.asarray(rbm.hidden.bias))
        biases[-1] += labels
        below, *labels = np.split(np.asarray(rbm.w_rec), rows)
        kernels += [below, *(kernel.T for kernel in labels)]
    for kernel, value in zip(dbm.kernels, kernels, strict=True):
        kernel.assign(value)
    for layer, both in zip(dbm.groups, biases, strict=True):
        layer.bias.assign(np.mean(both, 0))
    for i, rbm in enumerate(rbms):
        seen = _seen_by(dbm, i)
        for part, layer in zip([*_parts(rbm, seen), rbm.hidden], [*seen, dbm.groups[i + 1]], strict=True):
            _copy_others(part, layer)
    if dbm.centered:
        dbm.offset_age.assign(0.0)  # the next batch's means replace the old offsets
    dbm.sampler.reset(dbm.undirected())


def _built_like(dbm: Layered, width: int) -> Layered:
    other = type(dbm).from_config(dbm.get_config())
    other.build((None, width))
    return other


def _seen_by(dbm: Layered, i: int) -> list[Unit]:
    """The layers that RBM number `i` of a greedy stack has as visible units: labels are seen by the highest one."""
    return [dbm.groups[i], *(dbm.groups[i + 2 :] if i + 1 == len(dbm.units) else [])]


def _parts(rbm: RBM, seen: list[Unit]) -> list[Unit]:
    """The groups of an RBM's visible units that stand for these layers."""
    return rbm.visible.parts if len(seen) > 1 and isinstance(rbm.visible, Mixed) else [rbm.visible]


def _copy_others(source: Unit, target: Unit) -> None:
    """Copies what parameters there are beside the bias, trained or not."""
    of_source, of_target = (
        [variable for variable in units.weights if variable is not getattr(units, "bias", None)]
        for units in (source, target)
    )
    for variable, value in zip(of_target, of_source, strict=True):
        variable.assign(value)


def _in_words(groups: list[Unit]) -> str:
    *below, above = (f"{group.width} {in_words(group.kind)}" for group in groups)
    return f"{' + '.join(below)} below {above}"
