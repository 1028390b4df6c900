"""Whole jobs and documents where compilation is not what is tested: most of a tiny run's time is its compiler's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from keras.src.trainers.trainer import Trainer
from keras_rbm.models.learner import Learner

from keras_rbm.compiled import Compiled
from keras_rbm.models.machine import Machine

#: What `run_eagerly` replaces, as users have it.
_USUAL = [
    (Learner, "compile", Learner.compile),
    (Trainer, "compile", Trainer.compile),
    (Compiled, "_as_function", Compiled._as_function),
    (Machine, "advance", Machine.advance),
]


def compiled(patch: pytest.MonkeyPatch) -> None:
    """As users have it, where `run_eagerly` is in force."""
    for cls, name, usual in _USUAL:
        patch.setattr(cls, name, usual)


def run_eagerly(patch: pytest.MonkeyPatch, max_sweeps: int | None = None) -> None:
    """Nothing is compiled: neither steps of training, of this package's models and of Keras's own, nor chains.

    Args:
        max_sweeps: what `Machine.advance` is cut to, where somebody asks for more; `None`: nothing is cut.
    """

    def eagerly(compile_usual: Callable[..., None]) -> Callable[..., None]:
        def compile_less(self: Any, *args: Any, **kwargs: Any) -> None:
            compile_usual(self, *args, **{**kwargs, "jit_compile": False, "run_eagerly": True})

        return compile_less

    def advance(self: Any, state: Any, num_steps: Any, *args: Any, usual: Any = Machine.advance, **kwargs: Any) -> Any:
        symbolic = hasattr(num_steps, "graph")  # in an export: as many as the user of it asks for
        return usual(self, state, num_steps if symbolic else min(num_steps, max_sweeps), *args, **kwargs)

    for cls in (Learner, Trainer):
        patch.setattr(cls, "compile", eagerly(cls.compile))
    patch.setattr(Compiled, "_as_function", lambda self, function, **_: functools.partial(function, self))
    if max_sweeps is not None:
        patch.setattr(Machine, "advance", advance)
