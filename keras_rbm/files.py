"""Files that are written beside and renamed: whole, or not there at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PART = ".part-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside this one to write a file or a folder to, which takes its place in the end.

    Whatever happens meanwhile, a kill too, what was there before stays whole; if writing fails, nothing else is left.
    What a process that was killed had begun is removed by the next that writes there.
    """
    remove(old for old in path.parent.glob(f"{_PART}*-{path.name}") if not _is_running(old))
    part = path.with_name(f"{_PART}{os.getpid()}-{path.name}")
    try:
        yield part
        if part.is_dir():
            _exchange(part, path)
        else:
            _flush(part)
            part.replace(path)
    finally:
        remove([part])


def _is_running(part: Path) -> bool:
    """Whether the process that writes a part is there still, or may be."""
    if os.name != "posix":
        return True
    try:
        os.kill(int(part.name.removeprefix(_PART).split("-")[0]), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _flush(path: Path) -> None:
    """Lets no later rename reach the disk before what is renamed."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _exchange(part: Path, path: Path) -> None:
    """A folder cannot take another's place in one move; for a moment, neither is there."""
    before = path.with_name(f"{_PART}{os.getpid()}-before-{path.name}")
    if path.is_dir():
        path.replace(before)
    try:
        part.replace(path)
    except OSError:
        if before.exists():
            before.replace(path)
        raise
    remove([before])


def remove(paths: Iterable[Path]) -> None:
    """Removes files and folders, where they exist."""
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def sweep(folder: Path, below: bool = False) -> None:
    """Removes what processes that were killed had begun to write into a folder that is this process's alone.

    Args:
        below: whether all folders in it are, too.
    """
    remove(list((folder.rglob if below else folder.glob)(f"{_PART}*")))
