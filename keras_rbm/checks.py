"""What data a machine takes, and what it says of the rest."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.units import Unit

_CHUNK = 4096
#: What to do about missing values where a model takes them, or would with an argument more.
_OF_GAPS = "Of a softmax group all are missing, or none."
_WITH_STEPS = f"Or give missing_steps=10, which draws them. {_OF_GAPS}"
_UNKNOWN_MEMORY = 2**40  # where a system does not tell


def is_array(x: Any) -> bool:
    """Whether `x` holds all its values, so that they can be looked at before the first step."""
    streams = (tf.data.Dataset, tf.distribute.DistributedDataset, keras.utils.PyDataset)
    return not isinstance(x, streams) and (hasattr(x, "__array__") or isinstance(x, (list, tuple)))


def shape_error(shape: Any, width: int | None) -> ValueError | None:
    """What is wrong with a batch of this shape, if anything is."""
    shape = tuple(shape)
    wanted = "visible" if width is None else width
    if len(shape) != 2:
        return ValueError(
            f"Inputs must have shape (batch, {wanted}). Received: shape={shape}. Flatten images first: "
            "x.reshape(len(x), -1), or keras.layers.Flatten() in front of the model."
        )
    if shape[1] is None or shape[1] < 1 or (width is not None and shape[1] != width):
        return ValueError(f"Inputs must have shape (batch, {wanted}). Received: shape={shape}.")
    return None


def type_error(x: Any) -> TypeError | None:
    """What is wrong with the type of an array or a tensor, if anything is."""
    try:
        dtype = tf.as_dtype(x.dtype)
    except TypeError:  # dates, records
        dtype = tf.string
    if dtype.is_floating or dtype.is_integer or dtype.is_bool:
        return None
    return TypeError(
        f"Inputs must be an array of numbers. Received: dtype={x.dtype}, shape={tuple(x.shape)}. If they are numbers: "
        "x.astype('float32')."
    )


def as_rows(x: Any, width: int | None) -> np.ndarray | tf.Tensor:
    """`x` as an array of rows of a width, if it is known; integers are left to be cast a batch at a time.

    Raises: as `as_array` does.
    """
    return as_array(x, lambda shape: shape_error(shape, width))


def as_array(x: Any, shape_error: Callable[[Any], ValueError | None]) -> np.ndarray | tf.Tensor:
    """`x` as an array of cases; integers are left to be cast a batch at a time.

    Args:
        shape_error: what is wrong with its shape, if anything is.

    Raises:
        ValueError: if it is empty, or of the wrong shape.
        TypeError: if it does not hold numbers.
    """
    if not isinstance(x, tf.Tensor):
        try:
            x = np.asarray(x)
        except ValueError as ragged:
            raise ValueError(
                "Inputs must be one array (give `y` as an argument of its own). " + str(ragged)
            ) from ragged
    if not_numbers := type_error(x):
        raise not_numbers
    if x.ndim and not x.shape[0]:
        raise ValueError(f"Data must have at least one row. Received: shape={tuple(x.shape)}")
    if error := shape_error(x.shape):
        raise error
    return x


def check_domain(x: np.ndarray | tf.Tensor, units: Unit, dtype: str, missing: int | None = None) -> None:
    """Looks at all rows of `x`, a chunk at a time.

    Args:
        missing: the model's `missing_steps`: with some, NaN is allowed, as a value that is missing; `None` where there
            is no such argument, or it does not help.

    Raises:
        ValueError: if there are values outside the units' domain.
    """
    bad = []
    for start in range(0, x.shape[0], _CHUNK):
        chunk = tf.cast(x[start : start + _CHUNK], dtype)
        good = in_domain(units, chunk, missing)
        if not tf.reduce_all(good):
            bad.append(tf.boolean_mask(chunk, ~good).numpy())
    if bad:
        raise domain_error(units, np.concatenate(bad), missing)


def in_domain(units: Unit, x: tf.Tensor, missing: int | None = None) -> tf.Tensor:
    """Whether each row of `x` `(batch, units)` can be data; where asked for, NaN means missing; `(batch,)`."""
    return units.in_domain(units.fill(x) if missing else x)


def domain_error(units: Unit, x: np.ndarray, missing: int | None = None) -> ValueError:
    """What is wrong with rows that are not `in_domain`."""
    x = units.fill(tf.constant(x)).numpy() if missing else x
    error = units.domain_error(x)
    if missing is None or not np.isnan(x).any():
        return error
    return ValueError(f"{error} {_OF_GAPS if missing else _WITH_STEPS}")


def memory() -> int:
    """How many bytes this machine has, or a terabyte where the system does not tell."""
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        size = 0
    return size if size > 0 else _UNKNOWN_MEMORY


def check_memory(num_bytes: int, what: str, advice: str) -> None:
    """Refuses what this machine could not hold, before anything of it is there.

    Args:
        num_bytes: what it takes at least.
        what, advice: the words for it, and the way out.

    Raises:
        ValueError: if that is more than there is.
    """
    if num_bytes > (there := memory()):
        raise ValueError(
            f"{what} would take {num_bytes / 1e9:,.1f} GB of memory, of which there are {there / 1e9:,.1f}. {advice}"
        )


def as_classes(y: Any) -> tf.Tensor:
    """Labels of a batch as int32, `(batch,)`, and -1 where one is no integer."""
    y = tf.reshape(y, [-1])
    whole = tf.cast(y, tf.int32)
    return tf.where(tf.cast(whole, y.dtype) == y, whole, -1)


def checked_clamp(
    units: Unit, clamp: Any, values: Any, number: int | None, dtype: str, shape: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Which units are held, and at what: both `(samples, units)`; where nothing is held `values` are in the domain too.

    Args:
        clamp, values: as in `Machine.sample`.
        number: of samples: 1 is as many as there are rows, `None` too.
        shape: of a case as users know it, where that is no row.

    Raises:
        ValueError: for masks and values that do not fit the units, each other or the number.
    """
    if clamp is None or values is None:
        raise ValueError("`clamp` says which units are held, `values` at what: give both or neither.")
    values = np.array(values, dtype)
    mask = ~np.isnan(values) if isinstance(clamp, str) and clamp == "observed" else np.asarray(clamp)
    if mask.dtype != bool:
        raise ValueError(f"`clamp` must be booleans or 'observed'. Received: dtype={mask.dtype}")
    for name, array in (("clamp", mask), ("values", values)):
        if array.ndim not in (1, 2) or array.shape[-1] != units.width:
            case = shape if math.prod(shape) == units.width else (units.width,)
            form = ", ".join(map(str, case))
            raise ValueError(f"`{name}` must have shape {case} or (num_samples, {form}). Received: shape={array.shape}")
    rows = {len(a) for a in (mask, values) if a.ndim == 2} | ({number} if number and number > 1 else set())
    if len(rows) > 1 or 0 in rows:
        raise ValueError(
            "`clamp` and `values` must have a row for each sample, or one for all. "
            f"Received: shapes {mask.shape} and {values.shape} for {number} samples"
        )
    shape = (max(rows, default=1), units.width)
    mask, values = np.broadcast_to(mask, shape), np.broadcast_to(values, shape)
    if mask.all():
        raise ValueError("`clamp` must leave units to sample. Received: a mask that holds all of them")
    whole = np.asarray(units.respects_groups(tf.constant(mask)))
    if not whole.all():
        raise ValueError(
            "`clamp` must hold all units of a softmax group or none. "
            f"Received: a part of one, in row {np.argmin(whole)}"
        )
    values = np.where(mask, values, np.asarray(units.mode(tf.zeros(shape, dtype))))
    check_domain(values, units, dtype)
    return mask, values


def checked_labels(y: Any, num_cases: int | None, num_classes: int) -> np.ndarray:
    """Class labels, one a case.

    Raises:
        ValueError: if there are none, or another number of them, or one is no class.
    """
    if y is None:
        raise ValueError(f"A machine with num_classes={num_classes} learns from labels too. Received: y=None")
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or (num_cases is not None and len(y) != num_cases) or y.dtype.kind not in "iuf":
        wanted = "(cases,)" if num_cases is None else f"({num_cases},)"
        raise ValueError(
            f"Labels must be integers of shape {wanted}. Received: shape={y.shape}, dtype={y.dtype}. Turn one-hot ones "
            "into integers by y.argmax(1), names by np.unique(y, return_inverse=True)[1]."
        )
    bad = y[~((y >= 0) & (y < num_classes) & (y == np.round(y)))]
    if len(bad):
        raise ValueError(f"Labels must be integers from 0 to {num_classes - 1}. Received: {bad[0]:g}")
    return y.astype("int32")


def checked_weights(sample_weight: Any, num_cases: int) -> np.ndarray:
    """Weights, one a case.

    Raises:
        ValueError: if their number differs, or one is negative or not finite, or all are zero.
    """
    if np.asarray(sample_weight).dtype.kind not in "biuf":
        raise TypeError(f"`sample_weight` must be numbers. Received: dtype={np.asarray(sample_weight).dtype}")
    weights = np.asarray(sample_weight, dtype="float32")
    if weights.shape != (num_cases,):
        raise ValueError(f"`sample_weight` must have shape ({num_cases},). Received: shape={weights.shape}")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
        raise ValueError(
            "`sample_weight` must be finite and not negative, and not zero everywhere. "
            f"Received: min={weights.min()}, max={weights.max()}"
        )
    return weights
