"""MIDI files to piano rolls, and back."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_rbm.datasets import cache as caches
from keras_rbm.datasets.key import estimated_key
from keras_rbm.datasets.sequences import Rolls, binary_roll, held_notes
from keras_rbm.files import replacing

_LONGEST = 3 * 3600.0  # seconds; what lasts longer has a damaged tempo or time
_FRAMES = 0.001, 60  # seconds; of shorter ones a tune has millions, of longer ones none
_TICKS = 192  # a beat, unless a frame is shorter than 4 of them
_MOST_TICKS = 2**15 - 1  # a beat, in the file's header
_NUMBER = (int, float, np.integer, np.floating)


def read(path: str | Path, dt: float = 0.3, notes: tuple[int, int] = (21, 108), to_c: bool = False) -> np.ndarray:
    """A MIDI file as a piano roll, uint8, `(frames, highest - lowest + 1)`: 1 where a note sounds.

    A note from second `start` to second `end` takes the frames from `round(start / dt)` until `round(end / dt)`, halves
    rounded up, and at least one. The roll starts at the file's second 0 and ends with its last note. Drums, and notes
    outside `notes`, are left out. Tempi count on the first track, which is where the format puts them.

    Args:
        dt: seconds a frame, from 0.001 to 60.
        notes: the lowest and the highest MIDI note number, both included; by default those of a piano.
        to_c: whether to transpose, by the nearest way, from the key to C major or C minor. The key is that of the key
            signature at the start, or else that of `estimated_key`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no MIDI file, has no notes that are kept, or lasts longer than 3 hours; for a `dt` or notes
            out of their range.

    Example:

    ```python
    roll = keras_rbm.datasets.midi.read("tune.mid", dt=0.25)
    ```
    """
    dt, notes = _checked(dt, notes)
    path = _existing(path)
    try:
        return _read(path, dt, notes, to_c)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _read(path: Path, dt: float, notes: tuple[int, int], to_c: bool) -> np.ndarray:
    midi = _parsed(path)
    sounding = [note for part in midi.instruments if not part.is_drum for note in part.notes]
    pitch = np.array([note.pitch for note in sounding], dtype=int)
    times = np.array([(note.start, note.end) for note in sounding]).reshape(-1, 2)
    if to_c and sounding:
        signs = [sign.key_number for sign in midi.key_signature_changes if sign.time == 0]
        key = signs[0] if signs else estimated_key(pitch, times[:, 1] - times[:, 0])
        pitch -= (key + 5) % 12 - 5  # from 5 up to 6 down
    lowest, highest = notes
    kept = (pitch >= lowest) & (pitch <= highest)
    if not kept.any():
        raise ValueError(f"it has no notes from {lowest} to {highest} (drums are left out)")
    first, last = times[kept].min(), times[kept].max()
    if not 0 <= first <= last <= _LONGEST:
        raise ValueError(f"its notes last from {first:g} s to {last:g} s, not within {_LONGEST:g} s: times are damaged")
    start, end = np.floor(times[kept] / dt + 0.5 + 1e-6).astype(int).T
    end = np.maximum(end, start + 1)
    roll = np.zeros((end.max(), highest - lowest + 1), "uint8")
    for column, since, until in zip(pitch[kept] - lowest, start, end, strict=True):
        roll[since:until, column] = 1
    return roll


def _parsed(path: Path) -> Any:
    import pretty_midi

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of key signatures on each track, which do no harm
            return pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # the parsers raise whatever a damaged byte leads them to
        reason = "it ends too early" if isinstance(error, EOFError) else error
        raise ValueError(f"it is no MIDI file that can be parsed ({reason})") from error


def write(
    path: str | Path,
    roll: Any,
    dt: float = 0.3,
    notes: tuple[int, int] = (21, 108),
    tempo: float = 100.0,
    instrument: str | int = "Acoustic Grand Piano",
    velocity: int = 80,
) -> None:
    """A piano roll as a MIDI file, which `read` reads as that roll (but for silence at its end).

    Consecutive frames of a note are one held note. The file is written whole or not at all; its folder is made.

    Args:
        roll: 0 and 1, `(frames, highest - lowest + 1)`.
        dt: seconds a frame.
        notes: MIDI note numbers of the first and the last column.
        tempo: beats a minute that the file notates, from 4 to 1000; times in seconds are those of `dt` at any tempo.
        instrument: a General MIDI name, or a program number from 0 to 127.
        velocity: how hard notes are struck, from 1 to 127.

    Raises:
        ValueError: for a roll of another width or of other values than 0 and 1, an unknown instrument, or a number out
            of its range.

    Example:

    ```python
    keras_rbm.datasets.midi.write("tune.mid", roll, dt=0.25, instrument="Violin")
    ```
    """
    dt, (lowest, highest) = _checked(dt, notes)
    roll = binary_roll(roll)
    if roll.shape[1] != highest - lowest + 1:
        raise ValueError(
            f"A roll of notes {lowest} to {highest} must have {highest - lowest + 1} columns. "
            f"Received: shape={roll.shape}"
        )
    _check_number(tempo, "tempo", 4, 1000, _NUMBER)
    _check_number(velocity, "velocity", 1, 127)
    beat = round(6e7 / tempo)  # microseconds
    ticks = max(_TICKS, math.ceil(4 * beat / (1e6 * dt)))
    if ticks > _MOST_TICKS:
        raise ValueError(
            f"At {tempo:g} beats a minute `dt` must be at least {4e-6 * beat / _MOST_TICKS:.2g} s. "
            f"Received: dt={dt!r}. Give a faster tempo."
        )
    import pretty_midi

    # a thousandth of a microsecond more, for the writer cuts beats down to whole ones
    midi = pretty_midi.PrettyMIDI(resolution=ticks, initial_tempo=6e7 / (beat + 1e-3))
    part = pretty_midi.Instrument(_program(instrument))
    part.notes = [
        pretty_midi.Note(int(velocity), lowest + column, start * dt, end * dt)
        for column, start, end in held_notes(roll).tolist()
    ]
    midi.instruments.append(part)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        midi.write(str(unfinished))


def _program(instrument: str | int) -> int:
    import pretty_midi

    try:
        if isinstance(instrument, str):
            return pretty_midi.instrument_name_to_program(instrument)
        _check_number(instrument, "instrument", 0, 127)
        return int(instrument)
    except ValueError as error:
        raise ValueError(
            "`instrument` must be a General MIDI name, such as 'Acoustic Grand Piano', or a program number from 0 to "
            f"127. Received: instrument={instrument!r}"
        ) from error


def load(
    source: str | Path | Sequence[str | Path],
    dt: float = 0.3,
    notes: tuple[int, int] = (21, 108),
    to_c: bool = False,
    cache: bool = True,
) -> Rolls:
    """Piano rolls of a MIDI file, of several, or of all in a folder and the folders in it (`.mid`, `.midi`; sorted).

    A file that `read` cannot read is named by a warning and left out.

    Args:
        source: a file, a list of files, or a folder.
        dt, notes, to_c: as in `read`.
        cache: whether to keep what was read of a folder in its `rolls.npz`, which is read instead until a setting or a
            file changes. A folder that cannot be written to goes without.

    Raises:
        FileNotFoundError: if a file, or the folder, is not there.
        ValueError: if no file can be read, or for settings that `read` refuses.

    Example:

    ```python
    tunes = keras_rbm.datasets.midi.load("midi", dt=0.25, to_c=True)
    train, validation, test = tunes.split()
    ```
    """
    dt, notes = _checked(dt, notes)
    paths = [source] if isinstance(source, (str, Path)) else list(source)
    folder = Path(source) if isinstance(source, (str, Path)) and Path(source).is_dir() else None
    files = _files_in(folder) if folder else [_existing(path) for path in paths]
    if not files:
        raise ValueError(f"There must be at least one .mid or .midi file. Received: {source!r}, which has none")
    readings, mark, kept = None, "", folder / caches.NAME if folder and cache else None
    if folder and kept:
        mark = caches.fingerprint(folder, files, dt, notes, bool(to_c))
        readings = caches.fetch(kept, mark, notes[1] - notes[0] + 1)
    if readings is None:
        names = [file.relative_to(folder).as_posix() if folder else file.name for file in files]
        readings = _read_each(files, names, dt, notes, to_c)
        if kept and readings.rolls:
            caches.store(kept, mark, readings)
    for message in readings.left_out:
        warnings.warn(message, stacklevel=2)
    if not readings.rolls:
        raise ValueError(f"At least one MIDI file must be readable. Received: {len(files)}; {readings.left_out[0]}")
    return Rolls(
        name=folder.resolve().name if folder else files[0].stem,
        rolls=readings.rolls,
        names=readings.names,
        dt=dt,
        notes=notes,
        source=f"{len(readings.rolls)} MIDI files, a frame each {dt:g} s, notes {notes[0]} to {notes[1]}"
        + (", transposed to C" if to_c else ""),
    )


def _read_each(
    files: Sequence[Path], names: Sequence[str], dt: float, notes: tuple[int, int], to_c: bool
) -> caches.Readings:
    readings = caches.Readings([], [], [])
    for file, name in zip(files, names, strict=True):
        try:
            readings.rolls.append(_read(file, dt, notes, to_c))
            readings.names.append(name)
        except ValueError as error:
            readings.left_out.append(f"{name} is left out: {error}")
    return readings


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".mid", ".midi") and file.is_file())


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"A MIDI file must exist. Received: {path}")
    return path


def _checked(dt: float, notes: tuple[int, int]) -> tuple[float, tuple[int, int]]:
    """Seconds a frame, and the lowest and the highest note."""
    if isinstance(dt, bool) or not isinstance(dt, _NUMBER) or not 0 < dt < math.inf:
        raise ValueError(f"`dt` must be a positive number of seconds. Received: dt={dt!r}")
    if not _FRAMES[0] <= dt <= _FRAMES[1]:
        raise ValueError(
            f"`dt` must be from {_FRAMES[0]:g} to {_FRAMES[1]:g} seconds. Received: dt={dt!r}, which makes "
            f"{3600 / dt:.3g} frames of an hour. Give about 0.25."
        )
    if (
        not isinstance(notes, (tuple, list))
        or len(notes) != 2
        or any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 0 <= n <= 127 for n in notes)
    ):
        raise ValueError(f"`notes` must be two MIDI note numbers from 0 to 127. Received: notes={notes!r}")
    lowest, highest = map(int, notes)
    if lowest > highest:
        raise ValueError(
            f"`notes` must go from the lowest to the highest. Received: notes={notes!r}. "
            f"Give notes=({highest}, {lowest})."
        )
    return float(dt), (lowest, highest)


def _check_number(value: Any, name: str, least: int, most: int, kinds: tuple = (int, np.integer)) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        kind = "a number" if float in kinds else "an integer"
        raise ValueError(f"`{name}` must be {kind} from {least} to {most}. Received: {name}={value!r}")
