"""Measures, by name and in words, as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_rbm.likelihood import FrameLogLikelihood, LogLikelihood


class Measure(str):
    """A measure in words, which knows the numbers that are in them.

    Args:
        words: for people.
        numbers: for machines, by name; the unit is in the name.
    """

    def __new__(cls, words: str, **numbers: float) -> Measure:
        made = super().__new__(cls, words)
        made.numbers = {name: float(number) for name, number in numbers.items()}
        return made

    numbers: dict[str, float]


def of_likelihood(found: LogLikelihood | FrameLogLikelihood, unit: str) -> Measure:
    """A log-likelihood a case or a frame: both directions joined, and each by itself."""
    if found.exact:
        return Measure(f"{found.joined:.3f} nats a {unit} (log Z is exact)", nats=found.joined)
    error = "" if math.isnan(found.standard_error) else f" +- {found.standard_error:.2f}"
    unknown = "" if error else "; a single chain has no standard error"
    return Measure(
        f"{found.joined:.2f}{error} nats a {unit}, both directions joined ({found.lower:.2f} by "
        f"reverse AIS, {found.upper:.2f} by AIS{unknown})",
        nats=found.joined,
        standard_error=found.standard_error,
        lower_nats=found.lower,
        upper_nats=found.upper,
    )


def as_json(measured: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """For machines: of each measure its words and its numbers."""
    return {name: {"words": str(words), **getattr(words, "numbers", {})} for name, words in measured.items()}


def plain(found: Any) -> Any:
    """What JSON has: numbers that are not finite become `None`, and what it knows nothing of words."""
    if isinstance(found, Mapping):
        return {str(name): plain(part) for name, part in found.items()}
    if isinstance(found, (list, tuple)):
        return [plain(part) for part in found]
    if isinstance(found, float) and not math.isfinite(found):
        return None
    return found if isinstance(found, (str, int, float, type(None))) else str(found)


def lines(measured: Mapping[str, str], indent: str = "") -> list[str]:
    """For a terminal."""
    width = max(map(len, measured))
    return [f"{indent}{name:<{width}}  {value}" for name, value in measured.items()]


def markdown(measured: Mapping[str, str]) -> list[str]:
    """For a card."""
    return ["| what | figure |", "|---|---|", *(f"| {name} | {value} |" for name, value in measured.items())]
