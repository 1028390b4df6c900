"""How jobs treat the folder that they write to: one at a time, and nothing of others' is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import matplotlib.figure

from keras_rbm.files import remove, replacing, sweep
from keras_rbm.jobs import recipes

_LOCK = ".lock"


def check_free(path: Path, rest: str) -> None:
    """Refuses what exists, unless it is an empty folder.

    Args:
        rest: how the message goes on, with the way out.

    Raises:
        FileExistsError: if anything is there.
    """
    if path.exists() and (not path.is_dir() or any(each.name != _LOCK for each in path.iterdir())):
        raise FileExistsError(f"{path} exists, and {rest}")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """A folder, which is made, for this process alone; what a killed one had begun to write is removed.

    Raises:
        NotADirectoryError: if it is a file.
        FileExistsError: if another process works in it.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, and no folder to write to. Choose another --output.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _LOCK
    try:
        lock = filelock.FileLock(path).acquire(timeout=0)
    except filelock.Timeout:
        raise FileExistsError(f"Another process works in {folder}. Let it end, or choose another --output.") from None
    with lock:
        sweep(folder, below=True)
        try:
            yield
        finally:
            with suppress(OSError):  # where open files cannot be removed, this one stays
                path.unlink()


def begin(folder: Path, config: Any, written: Iterable[Path]) -> None:
    """Writes the recipe of a new run, and removes what an earlier one wrote; killed at any moment, it leaves a run."""
    remove([folder / "checkpoints", folder / "card.md"])  # first, or they would be taken for those of the new recipe
    recipes.save(config, folder)
    remove(path for path in written if path.name != recipes.NAME)


def save_figures(figures: Mapping[str, matplotlib.figure.Figure], folder: Path) -> None:
    """Each as a picture of its name."""
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        with replacing(folder / f"{name}.png") as part:
            figure.savefig(part)
