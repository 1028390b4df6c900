"""Functions of an object, compiled once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_rbm import replicas


class Compiled:
    """What keeps the compiled functions whose first argument it is."""

    @functools.cached_property
    def _functions(self) -> dict[Any, Callable[..., Any]]:
        return {}

    def _as_function(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """`function` with this as its first argument, as a `tf.function` made once for its `options`."""
        made, key = self._functions, (function, *sorted(options.items()))
        if key not in made:
            made[key] = tf.function(
                functools.partial(function, self), reduce_retracing=True, autograph=False, **options
            )
        return made[key]

    def _by_rows(
        self,
        function: Callable[..., Any],
        strategy: tf.distribute.Strategy | None,
        rows: tuple[Any, ...],
        *others: Any,
        **options: Any,
    ) -> Any:
        """`_as_function(function, **options)(*rows, *others)`; a strategy's replicas share out the rows, in a graph."""
        if strategy is None:
            return self._as_function(function, **options)(*rows, *others)
        return self._as_function(replicas.by_rows)(strategy, function, rows, *others)
