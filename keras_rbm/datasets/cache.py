"""What was read once, kept beside the files that it was read from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_rbm.files import replacing

#: The file, in the folder that was read.
NAME = "rolls.npz"

_FORMAT = 1


class Readings(NamedTuple):
    """Rolls, uint8, `(frames, notes)`, and their names; and why some files were left out."""

    rolls: list[np.ndarray]
    names: list[str]
    left_out: list[str]


def fingerprint(folder: Path, files: Sequence[Path], *settings: Any) -> str:
    """A word that is another one when a setting, or the name, the size or the time of a file is."""
    listing = [(file.relative_to(folder).as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps([_FORMAT, settings, listing]).encode()).hexdigest()


def store(path: Path, mark: str, readings: Readings) -> None:
    """Keeps what was read, if the folder can be written to, and has no other file of that name."""
    if _is_anothers(path):
        return
    try:
        with replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                fingerprint=np.array(mark),
                bits=np.packbits(np.concatenate(readings.rolls), axis=1),
                lengths=np.array([len(roll) for roll in readings.rolls]),
                names=np.array(readings.names, dtype=str),
                left_out=np.array(readings.left_out, dtype=str),
            )
    except OSError:
        pass  # the files are read again next time


def _is_anothers(path: Path) -> bool:
    """Whether there is an archive that `store` did not write."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return "fingerprint" not in stored
    except Exception:  # there is none, or it is damaged
        return False


def fetch(path: Path, mark: str, width: int) -> Readings | None:
    """What was kept, or nothing if that is missing, damaged or of other files or settings; nothing is unpickled."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if stored["fingerprint"].item() != mark:
                return None
            bits, lengths, names, left_out = (stored[name] for name in ("bits", "lengths", "names", "left_out"))
        rolls = np.split(np.unpackbits(bits, axis=1, count=width), np.cumsum(lengths)[:-1])
        return Readings(rolls, names.tolist(), left_out.tolist())
    except Exception:  # whatever a damaged archive leads to: the files themselves are there to be read
        return None
