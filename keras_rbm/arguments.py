"""How arguments are read: names, configs and objects; counts."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import keras
import numpy as np

T = TypeVar("T")

_MOST = 2**31 - 1  # counts become int32, which would wrap
_LARGEST_SEED = 2**63 - 1  # keys are int64
LARGEST_NUMPY_SEED = 2**32 - 1  #: of `keras.utils.set_random_seed`


def get(identifier: Any, known: dict[str, type[T]], base: type, what: str, **kwargs: Any) -> T:
    """The object that `identifier` means: a name in `known`, a Keras config, or an object of type `base`.

    Args:
        what: the word for such objects in error messages.
        kwargs: given to the constructor where `identifier` is a name.

    Raises:
        ValueError: for a name that is not known (they are listed) or a thing of another kind.
    """
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, base):
        return cast(T, identifier)
    if isinstance(identifier, str) and identifier.lower() in known:
        return known[identifier.lower()](**kwargs)
    names = ", ".join(repr(name) for name in known)
    raise ValueError(f"{what} must be one of {names}, or a {base.__name__} object. Received: {identifier!r}")


def clone(layer: Any) -> Any:
    """A new object with the same configuration and none of the weights."""
    config = layer.get_config()
    config.pop("name", None)
    return type(layer).from_config(config)


def positive_integer(value: Any, name: str) -> int:
    """`value` as an `int`.

    Raises:
        ValueError: if it is not an integer of at least 1 and at most `2^31 - 1`; the argument is named.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    if value > _MOST:
        raise ValueError(f"`{name}` must be at most {_MOST}. Received: {name}={value!r}")
    return int(value)


def checked_rate(value: Any, name: str) -> float:
    """A fraction, from 0 to 1.

    Raises:
        ValueError: if it is no such number; the argument is named.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be in [0, 1]. Received: {name}={value!r}")
    return float(value)


def per_axis(value: Any, name: str, rank: int) -> tuple[int, ...]:
    """One positive integer an axis: a list as it is, a number for each.

    Raises:
        ValueError: if there are more or less, or one is no positive integer; the argument is named.
    """
    values = list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] * rank
    if len(values) != rank:
        raise ValueError(f"`{name}` must be one number, or {rank}, one an axis. Received: {name}={value!r}")
    return tuple(positive_integer(n, name) for n in values)


def checked_num_classes(num_classes: Any) -> int:
    """How many classes, at least 2.

    Raises:
        ValueError: if it is no such number.
    """
    if positive_integer(num_classes, "num_classes") < 2:
        raise ValueError(f"`num_classes` must be at least 2. Received: num_classes={num_classes}")
    return int(num_classes)


def checked_betas(betas: Any, first: float | None = None, name: str = "betas") -> np.ndarray:
    """Inverse temperatures as float64.

    Args:
        first: what the schedule must start at; anything from 0 up by default.
        name: of the argument.

    Raises:
        ValueError: if they do not increase up to 1, or there are less than two.
    """
    betas = np.asarray(betas, dtype="float64")
    if betas.ndim != 1 or len(betas) < 2:
        raise ValueError(f"`{name}` must be a list of at least 2 inverse temperatures. Received: shape={betas.shape}")
    start = "at 0" if first == 0 else "from 0 up"
    if not (betas[0] == first if first is not None else betas[0] >= 0) or betas[-1] != 1:
        raise ValueError(f"`{name}` must start {start} and end at 1. Received: {betas[0]:g} ... {betas[-1]:g}")
    if not (np.diff(betas) > 0).all():
        where = int(np.argmin(np.diff(betas) > 0))
        raise ValueError(
            f"`{name}` must increase. Received: {betas[where]:g} then {betas[where + 1]:g}, at position {where + 1}."
        )
    return betas


def checked_seed(seed: Any, largest: int = _LARGEST_SEED) -> int | None:
    """`seed` as an `int`, or `None`.

    Raises:
        ValueError: if it is neither, negative or larger than `largest`.
    """
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"`seed` must be an integer of at least 0, or None. Received: seed={seed!r}")
    if seed > largest:
        raise ValueError(f"`seed` must be at most {largest}. Received: seed={seed!r}")
    return int(seed)
