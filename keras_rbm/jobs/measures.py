"""Measures, by name and in words, as tables."""

from __future__ import annotations

from collections.abc import Mapping


def lines(measured: Mapping[str, str], indent: str = "") -> list[str]:
    """For a terminal."""
    width = max(map(len, measured))
    return [f"{indent}{name:<{width}}  {value}" for name, value in measured.items()]


def markdown(measured: Mapping[str, str]) -> list[str]:
    """For a card."""
    return ["| what | figure |", "|---|---|", *(f"| {name} | {value} |" for name, value in measured.items())]
