"""Many steps a launch: one compiled loop between two returns to Python."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from keras_rbm import replicas
from keras_rbm.feeds import Launch, Resident, Stream
from keras_rbm.random import Draws

#: Most steps of a launch, by default, where data lie on the device, and where they are streamed.
MOST_STEPS, MOST_STREAMED_STEPS = 100, 32
#: Cases (or frames) times parameters of a launch, by default, at most: about half a second, so that progress shows.
MOST_WORK = 4e9
#: Of larger steps (cases times parameters) one in so many logs, while it learns, what costs a product.
LARGE_STEP, WATCH_EVERY = 1e6, 8


class Launches:
    """The steps of a learner, run in launches.

    Args:
        step: what one does with `(x, y, weights)`, a boolean that says whether to log all there is (`None`: yes), and
            whether data were looked at as a whole; what it logs, by name.
        num_parameters: of the learner.
        go_on: says, in a graph, whether no step before met a fault.
        logs: what is logged under some names, when all steps are done.
        draws: random numbers for the order of data, and for what a feed makes of its batches.
        jit_compile, run_eagerly: as `Learner.compile` has them.
        strategy: whose replicas share out each batch; `None` for none.
    """

    def __init__(
        self,
        step: Callable[..., dict[str, tf.Tensor]],
        num_parameters: int,
        go_on: Callable[[], tf.Tensor],
        logs: Callable[[list[str]], dict[str, tf.Tensor]],
        draws: Draws,
        jit_compile: bool,
        run_eagerly: bool = False,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self._step, self._num_parameters = step, num_parameters
        self._go_on, self._logs, self._draws, self._jit_compile = go_on, logs, draws, jit_compile
        self._run_eagerly, self._strategy = run_eagerly, strategy
        self._functions: dict[Any, Callable[[Launch], dict[str, tf.Tensor]]] = {}

    def run(self, feed: Resident | Stream, iterator: Iterator[Any]) -> dict[str, tf.Tensor]:
        """One launch: the next steps of `feed`."""
        launch, kind = feed.launch(iterator, self._draws, self._strategy), (feed.transform, feed.checked)
        if kind not in self._functions:
            self._functions = {kind: self._compiled(*kind)}
        with contextlib.nullcontext() if self._jit_compile else _in_order():
            return self._functions[kind](launch)

    def _compiled(self, transform: Any, checked: bool) -> Callable[[Launch], dict[str, tf.Tensor]]:
        def steps(launch: Launch) -> dict[str, tf.Tensor]:
            names: list[str] = []

            def on_replica(launch: Launch, k: tf.Tensor) -> None:
                large = (launch.rows.shape[1] or math.inf) * self._num_parameters > LARGE_STEP
                batch = launch.batch(k)
                batch = transform(batch, self._draws) if transform else batch
                names[:] = self._step(batch, tf.equal(k % WATCH_EVERY, 0) if large else None, checked)

            def one(k: tf.Tensor) -> tuple[tf.Tensor]:
                replicas.run(self._strategy, on_replica, launch, k)
                return (k + 1,)

            tf.while_loop(lambda k: (k < launch.num_steps) & self._go_on(), one, (0,), parallel_iterations=1)
            return self._logs(names)

        if self._run_eagerly:
            return steps
        return tf.function(steps, reduce_retracing=True, autograph=False, jit_compile=self._jit_compile)


@contextlib.contextmanager
def _in_order() -> Iterator[None]:
    """Graphs run without TensorFlow's optimizer of dependencies: with it, wake-sleep steps were seen, one in some
    thousands, that took weights for what they were an update earlier or later, so that two runs of a seed differed."""
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"dependency_optimization": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"dependency_optimization": True, **options})


def steps_a_launch(num_steps: int, most: int, whole: bool) -> int:
    """How many of an epoch's steps, if that is known, go into a launch: `most`, or not many less.

    Args:
        whole: whether there are launches of one size only.
    """
    if num_steps < 1:
        return 1
    divisor = max(n for n in range(1, most + 1) if num_steps % n == 0)
    if whole or 2 * divisor >= min(most, num_steps):
        return divisor
    return -(-num_steps // -(-num_steps // most))  # all of one size but the last, which is smaller
