"""The user's own data, from a NumPy archive."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from keras_rbm.checks import check_memory
from keras_rbm.datasets.data import Data, flattened, square

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def archive(path: str | Path) -> Data:
    """Reads `x_train`, and `y_train`, `x_test`, `y_test` where they are, from a `.npz` file; nothing is unpickled.

    Inputs are `(cases, visible)` or pictures `(cases, height, width)`, labels, integers or names, are `(cases,)`.
    Without `x_test` a fifth of the training set, drawn with seed 0, is set apart.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, lacks `x_train`, holds Python objects or more than memory does, or its arrays do
            not fit together.
    """
    path = Path(path)
    arrays = _read(path)
    for split in ("train", "test"):
        x, y = arrays.get(f"x_{split}"), arrays.get(f"y_{split}")
        if x is not None and (x.ndim < 2 or not x.size or x.dtype.kind not in "biuf"):
            raise ValueError(
                f"`x_{split}` must be numbers of shape (cases, visible) or (cases, height, width), with at least one "
                f"case. Received: shape={x.shape}, dtype={x.dtype}"
            )
        if split == "test" and x is not None and y is None and "y_train" in arrays:
            raise ValueError("`y_test` is missing: with `y_train` and `x_test`, give the test set's labels too")
        if y is not None and (x is None or y.shape != (len(x),)):
            cases = "nothing" if x is None else f"{len(x)} cases"
            raise ValueError(f"`y_{split}` must have one label a case. Received: shape={y.shape} for {cases}")
        if y is not None and len(strange := _no_labels(y)):
            raise ValueError(
                f"`y_{split}` must be integers, or names. Received: {strange[0]}, dtype={y.dtype}. Leave out cases "
                "without a label."
            )
    x_train, y_train = arrays["x_train"], arrays.get("y_train")
    source = f"{path.name}, its own test set"
    if "x_test" in arrays:
        x_test, y_test = arrays["x_test"], arrays.get("y_test")
        if x_test.shape[1:] != x_train.shape[1:]:
            raise ValueError(
                f"`x_test` must have the width of `x_train`. Received: {x_test.shape[1:]} and {x_train.shape[1:]}"
            )
    else:
        if len(x_train) < 5:
            raise ValueError(f"Without `x_test`, `x_train` needs at least 5 cases. Received: {len(x_train)}")
        order = np.random.default_rng(0).permutation(len(x_train))
        test, train = np.split(order, [len(order) // 5])
        x_train, x_test = x_train[train], x_train[test]
        y_train, y_test = (None, None) if y_train is None else (y_train[train], y_train[test])
        source = f"{path.name}; a fifth, drawn with seed 0, is the test set"
    classes: tuple[str, ...] = ()
    if y_train is None or y_test is None:
        y_train = y_test = None
    else:
        names = np.unique(np.concatenate([y_train, y_test]))
        classes = tuple(str(name) for name in names)
        y_train, y_test = np.searchsorted(names, y_train), np.searchsorted(names, y_test)
    shape = x_train.shape[1:]
    return Data(
        name=path.stem,
        x_train=flattened(x_train),
        y_train=y_train,
        x_test=flattened(x_test),
        y_test=y_test,
        image_shape=(shape[0], shape[1]) if len(shape) == 2 else square(int(np.prod(shape))),
        classes=classes,
        source=source,
    )


def _no_labels(y: np.ndarray) -> np.ndarray:
    """What of `y` is neither an integer nor a name."""
    if y.dtype.kind == "f":
        return y[~(np.isfinite(y) & (y == np.round(y)))]
    return y[:0] if y.dtype.kind in "biuSU" else y


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"The data set must be a .npz file that exists. Received: {path}")
    with _reading(path):
        num_bytes = _claimed(path)
    check_memory(num_bytes, str(path), "Give fewer cases, or smaller ones.")
    with _reading(path), np.load(path, allow_pickle=False) as stored:
        if "x_train" not in stored:
            raise ValueError(f"it lacks `x_train` and holds {', '.join(stored.files) or 'nothing'}")
        return {name: stored[name] for name in _ARRAYS if name in stored}


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever a damaged archive leads to is said in a line."""
    try:
        yield
    except Exception as error:
        reason = str(error).split("\n")[0].rstrip(".")
        if "Object arrays cannot be loaded" in reason:
            reason = "it holds Python objects, which are never unpickled"
        raise ValueError(
            f"{path} cannot be read as a .npz file: {reason}. Write it by numpy.savez(path, x_train=..., y_train=...)."
        ) from error


def _claimed(path: Path) -> int:
    """The bytes that the arrays would take, as they are and as float32, by what the headers say."""
    with path.open("rb") as file:
        if file.read(6) == np.lib.format.MAGIC_PREFIX:
            raise ValueError("it holds a single array, not named ones")
    total = 0
    with zipfile.ZipFile(path) as stored:
        for member in stored.infolist():
            if member.filename.removesuffix(".npy") in _ARRAYS:
                with stored.open(member) as file:
                    old = np.lib.format.read_magic(file) == (1, 0)
                    header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
                    shape, _, dtype = header(file)
                size = math.prod(shape)
                total += max(member.file_size, size * dtype.itemsize) + 4 * size
    return total
