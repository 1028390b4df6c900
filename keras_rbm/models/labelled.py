"""Machines that may have label units."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm import checks
from keras_rbm import units as unit_kinds
from keras_rbm.arguments import clone
from keras_rbm.export import Endpoint, rows
from keras_rbm.models.class_head import class_metrics, with_labels
from keras_rbm.models.machine import Machine
from keras_rbm.samplers.chains import Clamp
from keras_rbm.training.faults import Batch
from keras_rbm.types import Array, Count


class Labelled(Machine):
    """A machine that classifies, and dreams of classes, if it has label units: `num_classes` of them, or 0.

    A subclass sets `_num_classes` and answers `class_log_probs`, where there are none by `_require_labels`.
    """

    @property
    def num_classes(self) -> int:
        """How many label units there are."""
        return self._num_classes

    @abstractmethod
    def class_log_probs(self, v: Array) -> tf.Tensor:
        """`log p(y | v)` of each class, `(batch, num_classes)`.

        Raises:
            ValueError: if there are no label units.
        """

    def classify(self, x: Array) -> np.ndarray:
        """The most probable class of each case: the lowest free energy; int64, `(cases,)`.

        Args:
            x: an array `(cases, visible)`, or a `tf.data.Dataset` of batches; any number of cases.

        Raises:
            ValueError: if there are no label units, the machine is not built, or the data do not fit it.
        """
        self._require_labels()
        if not self.built:
            raise ValueError("A machine must be built before it classifies. Fit it first.")
        ask = self._as_function(type(self).class_log_probs, jit_compile=True)
        classes = [np.argmax(ask(self._as_states(v)), -1) for v in self._checked_batches(x)]
        if not classes:
            raise ValueError("Data must have at least one row. Received: none")
        return np.concatenate(classes)

    def _validation_values(self, batch: Batch) -> dict[str, tf.Tensor]:
        values = super()._validation_values(batch)
        return values if batch.y is None else {**values, **class_metrics(self.class_log_probs(batch.v), batch.y)}

    def _endpoints(self) -> dict[str, Endpoint]:
        endpoints = super()._endpoints()
        if not self.num_classes:
            return endpoints
        y = [rows("y", dtype=tf.int32)]
        return {
            "class_log_probs": Endpoint(self.class_log_probs, endpoints["encode"].inputs, "log_probs"),
            **endpoints,
            "gibbs_of_class": self._clamped_step(self._class_clamp, y),
            "sample_of_class": self._clamped_samples(self._class_clamp, y),
        }

    def _class_clamp(self, y: tf.Tensor) -> Clamp:
        """What chains need to hold the label units at classes `(samples,)`."""
        free = tf.zeros((tf.shape(y)[0], self.visible.width), self.state_dtype)
        labels = tf.one_hot(y, self.num_classes, dtype=self.state_dtype)
        mask = tf.concat([free, tf.ones_like(labels)], 1) > 0
        return self._clamp(mask, tf.concat([free, labels], 1))

    @property
    def clampable(self) -> unit_kinds.Unit:
        if not self.num_classes:
            return self.visible
        units = with_labels(clone(self.visible), self.num_classes, dtype=self.dtype_policy)
        units.prepare(self.visible.width + self.num_classes)
        return units

    def sample(
        self, num_samples: Count = 1, num_steps: Count = 1000, *args: Any, y: Array | None = None, **kwargs: Any
    ) -> tf.Tensor:
        """As `RBM.sample`, of the visible units without labels; classes can be held.

        Args:
            num_samples, num_steps, args, kwargs: as in `RBM.sample`. `clamp` and `values` are over visible and label
                units, `(visible + num_classes,)` or with rows. A DBN can hold label units only: below directed layers,
                the posterior has no simple sweep.
            y: a class, or as many as samples are wanted: held, instead of `clamp`.

        Raises:
            ValueError: as `RBM.sample` does, if visible units are held below directed layers, or if `y` is no class.
        """
        if y is not None:
            self._require_labels()
            if kwargs.get("clamp") is not None or kwargs.get("values") is not None:
                raise ValueError("`y` holds label units, `clamp` any: give one of them. Received: both")
            labels = checks.checked_labels(np.atleast_1d(y), None, self.num_classes)
            if not len(labels) or (len(labels) > 1 and num_samples not in (1, len(labels))):
                raise ValueError(
                    "`y` must be one class, or one for each of num_samples. "
                    f"Received: {len(labels)} classes, num_samples={num_samples}"
                )
            unknown = np.full((len(labels), self.visible.width if self.built else 0), np.nan)
            values = np.concatenate([unknown, np.eye(self.num_classes)[labels]], 1)
            kwargs |= {"clamp": "observed", "values": values[0] if np.ndim(y) == 0 else values}
        return super().sample(num_samples, num_steps, *args, **kwargs)

    def _require_labels(self) -> None:
        if not self.num_classes:
            raise ValueError("A machine without label units knows no classes. Received: num_classes=None")
