"""Replicas of a step under a `tf.distribute` strategy: each learns from a part of the batch, and all keep the same
state."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow.optimizer import TFOptimizer
from keras.src.optimizers.base_optimizer import BaseOptimizer

T = TypeVar("T")
N = TypeVar("N", int, tf.Tensor)


def number() -> int:
    """How many replicas run this step together: 1 where no strategy does."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def place() -> int:
    """Which of them this is, from 0."""
    context = tf.distribute.get_replica_context()
    return 0 if context is None else int(tf.get_static_value(context.replica_id_in_sync_group))


def summed(parts: T) -> T:
    """Tensors in any structure, each summed over the replicas; the same bits everywhere. One message a dtype."""
    flat = tf.nest.flatten(parts)
    if number() == 1:
        return parts
    context = tf.distribute.get_replica_context()
    for dtype in dict.fromkeys(x.dtype for x in flat):
        places = [i for i, x in enumerate(flat) if x.dtype == dtype]
        totals = context.all_reduce(tf.distribute.ReduceOp.SUM, [flat[i] for i in places])
        for i, total in zip(places, totals, strict=True):
            flat[i] = total
    return tf.nest.pack_sequence_as(parts, flat)


def whole(part: tf.Tensor) -> tf.Tensor:
    """The sum over the replicas, whose gradient is that of this one's part: those of all parts add up."""
    if number() == 1:
        return part
    return part + tf.stop_gradient(summed(tf.stop_gradient(part)) - part)


def stacked(x: tf.Tensor) -> tf.Tensor:
    """What each replica has, one a row, `(replicas, ...)`."""
    there = tf.equal(tf.range(number()), place())
    return summed(tf.where(tf.reshape(there, (-1, *[1] * x.shape.rank)), x[None], tf.zeros_like(x)))


def own_rows(x: tf.Tensor, groups: int = 1) -> tf.Tensor:
    """This replica's part of the rows `(groups * rows, units)`: of each group as many, or one more or less."""
    if number() == 1:
        return x
    start, stop = span(x.shape[0] // groups)
    return tf.reshape(tf.reshape(x, (groups, -1, x.shape[1]))[:, start:stop], (-1, x.shape[1]))


def among_all(x: tf.Tensor, num_rows: int, groups: int = 1) -> tf.Tensor:
    """Rows that were `own_rows` in their places among all `num_rows`, the others zero: so `summed` gives all."""
    start, stop = span(num_rows // groups)
    padding = [[0, 0], [start, num_rows // groups - stop], [0, 0]]
    return tf.reshape(tf.pad(tf.reshape(x, (groups, stop - start, x.shape[1])), padding), (num_rows, x.shape[1]))


def span(num_rows: N) -> tuple[N, N]:
    """Where this replica's part of so many rows starts and stops."""
    return place() * num_rows // number(), (place() + 1) * num_rows // number()


def of(variable: keras.Variable) -> tf.distribute.Strategy | None:
    """The strategy whose several replicas can do together what is asked of a variable's owner. In graphs, which may be
    exported, and on the replicas themselves there is none."""
    strategy = getattr(variable.value, "distribute_strategy", None)
    alone = strategy is None or strategy.num_replicas_in_sync == 1 or number() > 1
    return strategy if tf.executing_eagerly() and not alone else None


def by_rows(
    owner: Any,
    strategy: tf.distribute.Strategy,
    function: Callable[..., Any],
    rows: tuple[Any, ...],
    *others: Any,
) -> Any:
    """`function(owner, *rows, *others)`, of which each replica does its part of the rows; all rows, on all."""

    def on_replica() -> Any:
        num_rows = tf.shape(rows[0])[0]
        start, stop = span(num_rows)
        own = tf.nest.map_structure(lambda x: None if x is None else x[start:stop], rows)

        def in_place(x: tf.Tensor) -> tf.Tensor:
            return tf.pad(x, [[start, num_rows - stop], *[[0, 0]] * (x.shape.rank - 1)])

        return summed(tf.nest.map_structure(in_place, function(owner, *own, *others)))

    return tf.nest.map_structure(lambda x: local(strategy, x)[0], strategy.run(on_replica))


def run(strategy: tf.distribute.Strategy | None, function: Callable[..., None], *args: Any) -> None:
    """Calls a function on each replica of a strategy, if there is one."""
    if strategy is None:
        function(*args)
    else:
        strategy.run(function, args=args)


def spread(strategy: tf.distribute.Strategy, value: Callable[[int], Any]) -> Any:
    """What `value` makes for each replica of this worker, by the replica's number among all, on its device."""
    devices = strategy.extended.worker_devices

    def of(context: Any) -> Any:
        at = context.replica_id_in_sync_group
        with tf.device(devices[at % len(devices)]):
            return value(at)

    return strategy.experimental_distribute_values_from_function(of)


def num_workers(strategy: tf.distribute.Strategy) -> int:
    """How many processes a strategy's replicas are in."""
    number = strategy.num_replicas_in_sync
    return 1 if number == 1 else number // len(strategy.extended.worker_devices)


def of_first(strategy: tf.distribute.Strategy, values: list[np.ndarray]) -> list[np.ndarray]:
    """Numbers as the first of several workers has them."""
    if num_workers(strategy) == 1:
        return values
    mine = [tf.constant(x, tf.int64 if x.dtype.kind in "biu" else x.dtype) for x in values]
    first = strategy.run(lambda: summed([tf.zeros_like(x) if place() else x for x in mine]))
    return [local(strategy, x)[0].numpy().astype(y.dtype) for x, y in zip(first, values, strict=True)]


def agree(strategy: tf.distribute.Strategy, variables: list[keras.Variable]) -> None:
    """Gives all workers the values that the first one has: what was done before steps need not be the same on all."""
    if num_workers(strategy) > 1:
        values = of_first(strategy, [np.asarray(variable) for variable in variables])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def is_first_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether this is the process of replica 0."""
    if num_workers(strategy) == 1:
        return True
    places = strategy.experimental_distribute_values_from_function(lambda context: context.replica_id_in_sync_group)
    return 0 in local(strategy, places)


def told_by_first(strategy: tf.distribute.Strategy, value: Callable[[], Any] | None) -> Any:
    """What the first of several workers finds, told to all, as one message.

    Args:
        value: finds it, on the first worker; if it fails, all workers do.
    """
    message, failure = b"", None
    if value is not None:
        try:
            message = pickle.dumps(value())
        except Exception as error:
            failure, message = error, pickle.dumps(RuntimeError(f"The first worker failed: {error}"))
    ((size,),) = of_first(strategy, [np.array([len(message)])])
    content = np.frombuffer(message, "uint8") if message else np.zeros(int(size), "uint8")
    (content,) = of_first(strategy, [content])
    told = pickle.loads(content.tobytes())
    if failure is not None:
        raise failure
    if isinstance(told, Exception):
        raise told
    return told


def local(strategy: tf.distribute.Strategy, value: Any) -> list[Any]:
    """What the replicas of this worker have of a value."""
    return list(strategy.experimental_local_results(value))


def check_mirrored(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Refuses a model whose variables are not those of a strategy.

    Raises:
        ValueError: if it was built, or given units or layers that were made, outside of the strategy's scope.
    """
    for variable in model.variables if strategy.num_replicas_in_sync > 1 else []:
        if getattr(variable.value, "distribute_strategy", None) is not strategy:
            raise ValueError(
                "A model under a distribution strategy must be made and built in the strategy's scope: "
                f"`with strategy.scope(): ...`. Received: {variable.path}, which was made outside"
            )


def on_one_device(variable: keras.Variable) -> bool:
    """Whether XLA can compile what changes a variable: of a mirrored one it sees the copy on its own device alone."""
    return len(getattr(variable.value, "values", [variable])) == 1


def apply_alike(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes an optimizer take gradients as they are, on each replica for itself: they are sums over all replicas, so
    all take the same step. Keras's own way clips them, sums them once more, and cannot accumulate them."""
    optimizer._all_reduce_sum_gradients = list
    for name in (
        "_backend_update_step",
        "_apply_weight_decay",
        "_backend_increment_gradient_accumulators",
        "_overwrite_model_variables_with_average_value",
    ):
        if getattr(type(optimizer), name) is getattr(TFOptimizer, name):
            setattr(optimizer, name, getattr(BaseOptimizer, name).__get__(optimizer))
