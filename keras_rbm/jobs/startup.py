"""How a command starts: what it does not need is not imported, and TensorFlow says nothing of itself."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def later(module: str, name: str) -> Callable[[Namespace], dict[str, Any]]:
    """A function of a module that is imported when it is called."""

    def run(options: Namespace) -> dict[str, Any]:
        _import_tensorflow()
        importlib.import_module("keras_rbm.backend")
        return getattr(importlib.import_module(module), name)(options)

    run.__name__ = name
    return run


def _import_tensorflow() -> None:
    """Imports TensorFlow without its notes on CUDA, the processor and retracing; a user's own `TF_CPP_MIN_LOG_LEVEL`
    wins."""
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _nothing_on_stderr():  # some notes come before it looks at the level
        importlib.import_module("tensorflow")


@contextmanager
def _nothing_on_stderr() -> Iterator[None]:
    """What libraries write to the file of stderr is lost; exceptions are not."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
