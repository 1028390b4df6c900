"""How data reach training steps that run many to a launch: rows of what lies on the device, or batches of a stream."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import replicas
from keras_rbm.random import Draws

#: Bytes of a data set that lies on the device while it is learned from; a larger one is streamed.
MOST_RESIDENT = 2**30

#: Inputs, labels and case weights of a batch; the last two may be `None`.
Cases = tuple[Any, Any, Any]
#: From what lies on the device to what is learned from: binary samples of grey levels, states of a layer above.
Transform = Callable[[Cases, Draws], Cases]


class Launch(NamedTuple):
    """What the steps of one launch learn from.

    Args:
        cases: arrays of many cases.
        rows: which of them are in the batch of each step, int32, `(steps, batch)`; -1 is none. Under a strategy each
            replica has some of the rows, and cases on its device.
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


def _shared_out(rows: np.ndarray, number: int, place: int) -> tf.Tensor:
    """One of a `number` of equal parts of the rows of each step."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % number)), constant_values=-1)
    return tf.constant(padded[:, place % number :: number])


class Resident:
    """A data set that lies on the device, batches of which are taken there.

    Args:
        cases: arrays or tensors.
        batch_size: cases a step.
        shuffle: whether the order is new each epoch.
        seed: rules the order; `None`: TensorFlow's own seed does.
        transform: what is done with a batch before it is learned from; random numbers are the learner's.
        checked: whether the learner has looked at all cases, which nothing changes afterwards.
    """

    def __init__(
        self,
        cases: Cases,
        batch_size: int,
        shuffle: bool = True,
        seed: int | None = None,
        transform: Transform | None = None,
        checked: bool = False,
    ) -> None:
        self.cases, self.batch_size, self.shuffle = cases, batch_size, shuffle
        self.transform, self.checked = transform, checked
        self.num_cases = len(cases[0])
        self.num_steps = -(-self.num_cases // batch_size)
        self._rng = None if seed is None else np.random.default_rng(seed)
        self._order = np.zeros((0, batch_size), "int32")
        self._steps_a_launch = 1
        self._copies: tuple[tf.distribute.Strategy, Cases] | None = None

    @property
    def fits(self) -> bool:
        """Whether it is small enough."""
        arrays = [a for a in self.cases if a is not None]
        return sum(tf.as_dtype(a.dtype).size * math.prod(a.shape) for a in arrays) <= MOST_RESIDENT

    @property
    def _tensors(self) -> Cases:
        x, y, weights = (None if a is None else tf.convert_to_tensor(a) for a in self.cases)
        self.cases = x, y, weights
        return self.cases

    def transformed(self, transform: Transform) -> Resident:
        """The same cases, of which `transform` makes something else, after what is made of them here."""

        def both(batch: Cases, draws: Draws) -> Cases:
            return transform(self.transform(batch, draws) if self.transform else batch, draws)

        seed = None if self._rng is None else int(self._rng.integers(2**31))
        return Resident(self.cases, self.batch_size, self.shuffle, seed, both)

    def launches(self, num_steps: int, strategy: tf.distribute.Strategy | None = None) -> tf.data.Dataset:
        """The numbers of an epoch's launches of so many steps, over and over: what Keras goes through."""
        self._steps_a_launch = num_steps
        numbers = tf.data.Dataset.range(-(-self.num_steps // num_steps)).repeat()
        if strategy is None:
            return numbers
        return numbers.map(lambda number: tf.repeat(number, strategy.num_replicas_in_sync))  # one for each

    def launch(self, iterator: Iterator[Any], strategy: tf.distribute.Strategy | None = None) -> Launch:
        """The one whose number comes next."""
        number, num_steps = next(iterator), self._steps_a_launch
        number = int(number if strategy is None else replicas.local(strategy, number)[0][0])
        if number == 0:
            self._order = self._new_order()
            if strategy is not None:
                (self._order,) = replicas.of_first(strategy, [self._order])
        rows = self._order[number * num_steps :][:num_steps]
        padded = np.pad(rows, ((0, num_steps - len(rows)), (0, 0)), constant_values=-1)
        if strategy is None:
            return Launch(self._tensors, tf.constant(padded), tf.constant(len(rows)))
        all_replicas = strategy.num_replicas_in_sync
        shared_out = replicas.spread(strategy, lambda place: _shared_out(padded, all_replicas, place))
        return Launch(self._copied(strategy), shared_out, tf.constant(len(rows)))

    def _copied(self, strategy: tf.distribute.Strategy) -> Cases:
        """The cases on the device of each replica."""
        if self._copies is None or self._copies[0] is not strategy:
            self._copies = strategy, _spread(strategy, [self._tensors] * len(strategy.extended.worker_devices))
        return self._copies[1]

    def _new_order(self) -> np.ndarray:
        order = np.full(self.num_steps * self.batch_size, -1, "int32")
        rows = np.arange(self.num_cases)
        if self.shuffle:
            rows = tf.random.shuffle(rows).numpy() if self._rng is None else self._rng.permutation(rows)
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
        self._spare: Cases = None, None, None

    def launch(self, iterator: Iterator[Any], strategy: tf.distribute.Strategy | None = None) -> Launch:
        """The next batches, as many as there are.

        Raises:
            StopIteration: if there are none.
        """
        num_steps = self._steps_a_launch
        batches = [keras.utils.unpack_x_y_sample_weight(batch) for batch in itertools.islice(iterator, num_steps)]
        if not batches:
            raise StopIteration
        number = tf.constant(len(batches))
        parts = [batches]
        if strategy is not None:
            parts = [list(part) for part in zip(*(_parts(strategy, batch) for batch in batches), strict=True)]
        self._batch_size = max(self._batch_size, *(len(batch[0]) for part in parts for batch in part))
        joined = [self._joined(part) for part in parts]
        if strategy is None:
            return Launch(*joined[0], number)
        cases, rows = zip(*joined, strict=True)
        return Launch(_spread(strategy, cases), _spread(strategy, rows), number)

    def _joined(self, batches: list[Cases]) -> tuple[Cases, tf.Tensor]:
        """Cases of batches one after the other, and the rows of each."""
        sizes = [len(batch[0]) for batch in batches]
        rows = np.full((self._steps_a_launch, self._batch_size), -1, "int32")
        for i, (start, size) in enumerate(zip(itertools.accumulate([0, *sizes]), sizes, strict=False)):
            rows[i, :size] = np.arange(start, start + size)
        missing = rows.size - sum(sizes)  # one shape for all launches: the step is compiled once
        if any(sizes):
            self._spare = _first_of(next(batch for batch in batches if len(batch[0])))

        def join(parts: tuple[Any, ...], spare: Any) -> tf.Tensor | None:
            if parts[0] is None:
                return None
            tensors = [tf.convert_to_tensor(part) for part in parts]
            if missing:  # with some case: a replica without any has it, with weight 0
                spare = tf.zeros((1, *tensors[0].shape[1:]), tensors[0].dtype) if spare is None else spare
                tensors.append(tf.repeat(spare, missing, 0))
            return tf.concat(tensors, 0)

        x, y, weights = (join(*part) for part in zip(zip(*batches, strict=True), self._spare, strict=True))
        return (x, y, weights), tf.constant(rows)


def _spread(strategy: tf.distribute.Strategy, values: Sequence[Any]) -> Any:
    """Tensors in any structure, one for each replica of this worker, each on its device."""

    def spread(*of_each: Any) -> Any:
        if of_each[0] is None:
            return None
        return replicas.spread(strategy, lambda place: tf.identity(of_each[place % len(of_each)]))

    return tf.nest.map_structure(spread, *values)


def _parts(strategy: tf.distribute.Strategy, batch: Cases) -> list[Cases]:
    """What each replica of this worker has of a batch that Keras has split; one that it has not is split here."""
    number = len(strategy.extended.worker_devices)

    def part(a: Any, place: int) -> Any:
        values = replicas.local(strategy, a)
        return a if a is None else values[place] if len(values) == number else a[place::number]

    return [tuple(part(a, place) for a in batch) for place in range(number)]


def _first_of(batch: Cases) -> Cases:
    x, y, weights = (None if a is None else tf.convert_to_tensor(a[:1]) for a in batch)
    return x, y, weights


_FEED = "_keras_rbm_feed"


def attach(dataset: tf.data.Dataset, feed: Resident) -> tf.data.Dataset:
    """The dataset, which knows now that its batches can be taken on the device; what is made of it does not."""
    setattr(dataset, _FEED, feed)
    return dataset


def attached(data: Any) -> Resident | None:
    """What `attach` has given a dataset, if it is small enough."""
    feed = getattr(data, _FEED, None)
    return feed if feed is not None and feed.fits else None
