"""Functions that would be compiled, run as they are written: of a few steps, compiling is most of the time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def eager_functions() -> Iterator[None]:
    """Inside, no `tf.function` is traced or compiled."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
