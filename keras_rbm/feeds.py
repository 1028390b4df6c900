"""How data reach training steps that run many to a launch: rows of what lies on the device, or batches of a stream."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws

#: Bytes of a data set that lies on the device while it is learned from; of a larger one a launch's part does.
MOST_RESIDENT = 2**30

#: Inputs, labels and case weights of a batch; the last two may be `None`.
Cases = tuple[Any, Any, Any]
#: From what lies on the device to what is learned from: binary samples of grey levels, states of a layer above.
Transform = Callable[[Cases, Draws], Cases]


class Launch(NamedTuple):
    """What the steps of one launch learn from.

    Args:
        cases: arrays of many cases.
        rows: which of them are in the batch of each step, int32, `(steps, batch)`; -1 is none.
        num_steps: how many of the steps there are, int32.
    """

    cases: Cases
    rows: tf.Tensor
    num_steps: tf.Tensor

    def batch(self, step: tf.Tensor) -> Cases:
        """That of a step. A place without a case holds another one, of weight 0: all batches have one shape."""
        rows = self.rows[step]
        x, y, weights = (None if a is None else tf.gather(a, tf.maximum(rows, 0)) for a in self.cases)
        weights = tf.ones(tf.shape(rows)) if weights is None else weights
        return x, y, tf.where(rows >= 0, weights, tf.zeros_like(weights))


class Resident:
    """A data set that lies on the device, or in memory if it is too large, batches of which are taken there.

    The order of an epoch follows from the learner's random key at its start, as all else that is random does: so
    training that is taken up again goes on in the same order.

    Args:
        cases: arrays or tensors.
        batch_size: cases a step.
        shuffle: whether the order is new each epoch.
        transform: what is done with a batch before it is learned from; random numbers are the learner's.
        checked: whether the learner has looked at all cases, which nothing changes afterwards.
    """

    def __init__(
        self,
        cases: Cases,
        batch_size: int,
        shuffle: bool = True,
        transform: Transform | None = None,
        checked: bool = False,
    ) -> None:
        self.cases, self.batch_size, self.shuffle = cases, batch_size, shuffle
        self.transform, self.checked = transform, checked
        self.num_cases = len(cases[0])
        self.num_steps = -(-self.num_cases // batch_size)
        self._order = np.zeros((0, batch_size), "int32")
        self._steps_a_launch = 1

    @functools.cached_property
    def fits(self) -> bool:
        """Whether it is small enough to lie on the device."""
        arrays = [a for a in self.cases if a is not None]
        return sum(tf.as_dtype(a.dtype).size * math.prod(a.shape) for a in arrays) <= MOST_RESIDENT

    @property
    def _tensors(self) -> Cases:
        x, y, weights = (None if a is None else tf.convert_to_tensor(a) for a in self.cases)
        self.cases = x, y, weights
        return self.cases

    def _cases_of(self, rows: np.ndarray) -> Cases:
        """Those of a launch, one after the other, where not all can lie on the device."""
        rows = np.maximum(rows.ravel(), 0)
        x, y, weights = (
            a if a is None else tf.convert_to_tensor(a[rows] if isinstance(a, np.ndarray) else tf.gather(a, rows))
            for a in self.cases
        )
        return x, y, weights

    def transformed(self, transform: Transform) -> Resident:
        """The same cases, of which `transform` makes something else, after what is made of them here."""

        def both(batch: Cases, draws: Draws) -> Cases:
            return transform(self.transform(batch, draws) if self.transform else batch, draws)

        return Resident(self.cases, self.batch_size, self.shuffle, both)

    def launches(self, num_steps: int) -> tf.data.Dataset:
        """The numbers of an epoch's launches of so many steps, over and over: what Keras goes through."""
        self._steps_a_launch = num_steps
        return tf.data.Dataset.range(-(-self.num_steps // num_steps)).repeat()

    def launch(self, iterator: Iterator[Any], draws: Draws) -> Launch:
        """The one whose number comes next."""
        number, num_steps = int(next(iterator)), self._steps_a_launch
        if number == 0:
            self._order = self._new_order(draws)
        rows = self._order[number * num_steps :][:num_steps]
        padded = np.pad(rows, ((0, num_steps - len(rows)), (0, 0)), constant_values=-1)
        cases = self._tensors if self.fits else self._cases_of(padded)
        if not self.fits:
            padded = np.where(padded < 0, -1, np.arange(padded.size, dtype="int32").reshape(padded.shape))
        return Launch(cases, tf.constant(padded), tf.constant(len(rows)))

    def _new_order(self, draws: Draws) -> np.ndarray:
        order = np.full(self.num_steps * self.batch_size, -1, "int32")
        rows = np.arange(self.num_cases)
        if self.shuffle:
            rows = np.random.default_rng(draws.next_key().numpy()).permutation(rows)
        order[: self.num_cases] = rows
        return order.reshape(self.num_steps, self.batch_size)


class Stream:
    """Batches that come one after the other, and may differ in size; those of a launch are put together.

    Args:
        steps_a_launch: how many.
    """

    transform: Transform | None = None
    checked = False

    def __init__(self, steps_a_launch: int = 1) -> None:
        self._steps_a_launch, self._batch_size = steps_a_launch, 0

    def launch(self, iterator: Iterator[Any], draws: Draws) -> Launch:
        """The next batches, as many as there are.

        Raises:
            StopIteration: if there are none.
        """
        num_steps = self._steps_a_launch
        batches = [keras.utils.unpack_x_y_sample_weight(batch) for batch in itertools.islice(iterator, num_steps)]
        if not batches:
            raise StopIteration
        sizes = [len(batch[0]) for batch in batches]
        self._batch_size = max(self._batch_size, *sizes)
        rows = np.full((num_steps, self._batch_size), -1, "int32")
        for i, (start, size) in enumerate(zip(itertools.accumulate([0, *sizes]), sizes, strict=False)):
            rows[i, :size] = np.arange(start, start + size)
        missing = rows.size - sum(sizes)  # one shape for all launches: the step is compiled once
        return Launch(self._joined(batches, missing), tf.constant(rows), tf.constant(len(batches)))

    @staticmethod
    def _joined(batches: list[Cases], missing: int) -> Cases:
        def join(parts: tuple[Any, ...]) -> tf.Tensor | None:
            if parts[0] is None:
                return None
            tensors = [tf.convert_to_tensor(part) for part in parts]
            if missing:
                tensors.append(tf.zeros((missing, *tensors[0].shape[1:]), tensors[0].dtype))
            return tf.concat(tensors, 0)

        x, y, weights = (join(parts) for parts in zip(*batches, strict=True))
        return x, y, weights


_FEED = "_keras_rbm_feed"


def attach(dataset: tf.data.Dataset, feed: Resident) -> tf.data.Dataset:
    """The dataset, which knows now that its batches can be taken on the device; what is made of it does not."""
    setattr(dataset, _FEED, feed)
    return dataset


def attached(data: Any) -> Resident | None:
    """What `attach` has given a dataset."""
    return getattr(data, _FEED, None)
