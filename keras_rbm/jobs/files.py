"""How jobs treat the files of a folder: nothing of others' is touched, and what is written is written whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import matplotlib.figure


def check_free(path: Path, rest: str) -> None:
    """Refuses what exists, unless it is an empty folder.

    Args:
        rest: how the message goes on, with the way out.

    Raises:
        FileExistsError: if anything is there.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} exists, and {rest}")


def remove(paths: Iterable[Path]) -> None:
    """Removes files and folders, where they exist."""
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside this one to write to, which takes its place in the end: whole, or not at all if killed."""
    part = path.with_name(f"part-{path.name}")
    yield part
    part.replace(path)


def save_figures(figures: Mapping[str, matplotlib.figure.Figure], folder: Path) -> None:
    """Each as a picture of its name."""
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png")
