"""Callbacks beside a checkpoint: what they have counted goes on, and what they wrote has each epoch once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.files import replacing

#: What TensorBoard counts in batches.
_OF_BATCHES = ("batch_", "evaluation_")
#: What Keras's callbacks set anew each time: monitors when they are first asked, a log when it finds its file.
_SET_WHEN_USED = ("min_delta", "append_header")
#: How its files are named: then come the seconds since 1970.
_EVENTS = "events.out.tfevents."


class Beside:
    """Callbacks whose state is saved with that of training: what changed in them since it began.

    Args:
        callbacks: when training begins.
    """

    def __init__(self, callbacks: list[keras.callbacks.Callback]) -> None:
        self._callbacks = callbacks
        self._before = [{name: _copied(value) for name, value in vars(each).items()} for each in callbacks]

    def state(self, arrays: list[np.ndarray]) -> list[dict[str, Any]]:
        """What changed, for JSON, by callback; arrays, which are not for it, are added to `arrays`."""
        found = []
        for callback, before in zip(self._callbacks, self._before, strict=True):
            values = {
                name: value
                for name, value in vars(callback).items()
                if not _same(before.get(name, _NOTHING), value) and _is_plain(value) and name not in _SET_WHEN_USED
            }
            counted = {name: _encoded(value, arrays) for name, value in values.items()}
            found.append({"counted": counted, "size": _size_of(callback)})
        return found

    def restore(self, states: list[dict[str, Any]], arrays: list[np.ndarray]) -> None:
        """Gives callbacks what `state` said of them."""
        for callback, state in zip(self._callbacks, states, strict=False):
            for name, value in state["counted"].items():
                setattr(callback, name, _decoded(value, arrays))

    def forget(self, states: list[dict[str, Any]], epochs: int, began: float) -> None:
        """Takes out what callbacks wrote after `state` was asked.

        Args:
            epochs: how many were done then.
            began: when training did, in seconds since 1970; of files that are older nothing is taken.
        """
        for callback, state in zip(self._callbacks, states, strict=False):
            if state["size"] is not None and (_size_of(callback) or 0) > state["size"]:
                os.truncate(callback.filename, state["size"])  # the file stays the one that the logger has opened
                callback.append_header = not state["size"]
        folders = {Path(each.log_dir) for each in self._callbacks if getattr(each, "log_dir", None)}
        for path in {path for folder in folders for path in folder.rglob(f"{_EVENTS}*")}:
            if int(path.name.removeprefix(_EVENTS).split(".")[0]) >= int(began):
                _trim_events(path, epochs)


# --- what they count

_NOTHING = object()


def _copied(value: Any) -> Any:
    """A value, with copies of the lists and dicts in it, which may be changed in place."""
    if isinstance(value, (list, tuple)):
        return [_copied(part) for part in value]
    return {name: _copied(part) for name, part in value.items()} if isinstance(value, dict) else value


def _same(before: Any, now: Any) -> bool:
    if isinstance(before, list) and isinstance(now, (list, tuple)):
        return len(before) == len(now) and all(map(_same, before, now))
    if isinstance(before, dict) and isinstance(now, dict):
        return before.keys() == now.keys() and all(_same(part, now[name]) for name, part in before.items())
    return before is now or (_is_number(before) and _is_number(now) and before == now)


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, np.generic))


def _is_plain(value: Any) -> bool:
    """Whether it is numbers, text, arrays, or lists and dicts of these."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(part) for name, part in value.items())
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return value is None or _is_number(value) or isinstance(value, str)


def _encoded(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, (list, tuple)):
        return {"list": [_encoded(part, arrays) for part in value]}
    if isinstance(value, dict):
        return {"dict": {name: _encoded(part, arrays) for name, part in value.items()}}
    if isinstance(value, (np.ndarray, np.generic)):
        arrays.append(np.asarray(value))
        return {"array": len(arrays) - 1}
    return value


def _decoded(value: Any, arrays: list[np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[content] if arrays[content].ndim else arrays[content][()]
    if kind == "list":
        return [_decoded(part, arrays) for part in content]
    return {name: _decoded(part, arrays) for name, part in content.items()}


# --- what they wrote


def _size_of(callback: keras.callbacks.Callback) -> int | None:
    """Bytes of the file to which a logger adds rows."""
    if not isinstance(callback, keras.callbacks.CSVLogger) or not os.path.exists(callback.filename):
        return None
    return os.path.getsize(callback.filename)


def _trim_events(path: Path, epochs: int) -> None:
    """Leaves what TensorBoard was told of so many epochs."""
    kept, complete = [], True
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            late = event.step >= epochs and any(not v.tag.startswith(_OF_BATCHES) for v in event.summary.value)
            complete &= not late
            kept += [] if late else [record]
    except tf.errors.DataLossError:  # the writer was killed in the middle of an event
        complete = False
    if not complete:
        with replacing(path) as part, tf.io.TFRecordWriter(str(part)) as writer:
            for record in kept:
                writer.write(record)
