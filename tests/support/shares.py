"""Who does which part of what replicas share out."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import tensorflow as tf

from keras_rbm import replicas


def rows_done(patch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[tuple[int, int]]:
    """Whenever a function of `(rbm, v, ...)` runs: on which replica of this process, and with how many rows."""
    done: list[tuple[int, int]] = []
    usual = getattr(module, name)

    def counted(rbm: Any, v: tf.Tensor, *args: Any) -> Any:
        tf.numpy_function(lambda *each: done.append(tuple(map(int, each))), [replicas.place(), tf.shape(v)[0]], [])
        return usual(rbm, v, *args)

    patch.setattr(module, name, counted)
    return done
