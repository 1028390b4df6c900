"""What rolls are like, in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_rbm.datasets.sequences import Rolls, binary_roll, held_notes


def roll_statistics(rolls: Rolls | Sequence[np.ndarray], dt: float, lowest: int) -> dict[str, Any]:
    """What tunes and generated music can be compared by, whatever their lengths.

    Args:
        rolls: 0 and 1, `(frames, notes)` each.
        dt: seconds a frame.
        lowest: the MIDI note number of the first column.

    Returns:
        `notes_per_frame`, the mean; `silent`, the share of frames without a note; `held_seconds`, the mean length of a
        note, whose consecutive frames are one note (0 if there is none); `pitch_classes`, `(12,)`, the shares of C,
        C#, ... B in the time that notes sound (zeros if none does).

    Raises:
        ValueError: if there is no roll, one has no frame or other values than 0 and 1, or `dt` is not positive.

    Example:

    ```python
    tunes = keras_rbm.datasets.folk_tunes()
    keras_rbm.datasets.roll_statistics(tunes, tunes.dt, tunes.notes[0])["held_seconds"]
    ```
    """
    if not 0 < dt < math.inf:
        raise ValueError(f"`dt` must be a positive number of seconds. Received: dt={dt!r}")
    checked = [binary_roll(roll) for roll in (rolls.rolls if isinstance(rolls, Rolls) else rolls)]
    if not checked:
        raise ValueError("Rolls must be at least one. Received: none")
    sounding = np.concatenate([roll.sum(1, dtype=int) for roll in checked])
    lengths = np.concatenate([np.diff(held_notes(roll)[:, 1:])[:, 0] for roll in checked])
    classes = np.zeros(12)
    for roll in checked:
        classes += np.bincount((lowest + np.arange(roll.shape[1])) % 12, roll.sum(0), 12)
    return {
        "notes_per_frame": float(sounding.mean()),
        "silent": float(np.mean(sounding == 0)),
        "held_seconds": float(dt * lengths.mean()) if len(lengths) else 0.0,
        "pitch_classes": classes / max(1, classes.sum()),
    }
