"""The ways in which a step can run."""

from __future__ import annotations

from typing import TypeVar

from keras_rbm.models.machine import Machine

MODES = {"eager": {"run_eagerly": True}, "graph": {"jit_compile": False}, "xla": {"jit_compile": True}}

AMachine = TypeVar("AMachine", bound=Machine)


def uncompiled(machine: AMachine) -> AMachine:
    """The machine; its functions become graphs, which TensorFlow runs as they are: XLA would take most of the time."""
    plain = machine._as_function
    machine._as_function = lambda function, **_: plain(function)
    return machine
