"""Piano rolls: sequences of binary frames, whole, in parts and frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_rbm.arguments import checked_seed, positive_integer


@dataclass(frozen=True)
class Rolls:
    """Tunes as piano rolls.

    Args:
        name: for titles and cards.
        rolls: a tune each, uint8, `(frames, notes)`: 1 where a note sounds.
        names: of the tunes.
        dt: seconds a frame.
        notes: MIDI note numbers of the first and the last column.
        source: one sentence: where the tunes come from and how they were read.
    """

    name: str
    rolls: list[np.ndarray]
    names: list[str]
    dt: float
    notes: tuple[int, int]
    source: str

    def __len__(self) -> int:
        return len(self.rolls)

    def split(self, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> tuple[Rolls, Rolls, Rolls]:
        """Training, validation and test tunes: whole tunes, in their own order, at least one in each.

        Args:
            validation, test: shares of the tunes, in (0, 1).
            seed: rules which tunes are drawn.

        Raises:
            ValueError: for less than 3 tunes, or shares that are not in (0, 1) or leave no tune to train on.
        """
        if len(self) < 3:
            raise ValueError(f"A split in three needs at least 3 tunes. Received: {len(self)}")
        for name, share in (("validation", validation), ("test", test)):
            if not 0 < share < 1:
                raise ValueError(f"`{name}` must be a share between 0 and 1. Received: {name}={share!r}")
        sizes = [max(1, int(len(self) * share)) for share in (validation, test)]
        if sum(sizes) >= len(self):
            raise ValueError(
                "`validation` and `test` must leave tunes to train on. "
                f"Received: validation={validation!r}, test={test!r} of {len(self)} tunes"
            )
        order = np.random.default_rng(checked_seed(seed)).permutation(len(self))
        validating, testing, training = (sorted(part) for part in np.split(order, np.cumsum(sizes)))
        return self._some(training), self._some(validating), self._some(testing)

    def _some(self, which: Sequence[int]) -> Rolls:
        return replace(self, rolls=[self.rolls[i] for i in which], names=[self.names[i] for i in which])


def subsequences(rolls: Rolls | Sequence[np.ndarray], max_frames: int | None = 100) -> tuple[np.ndarray, np.ndarray]:
    """Sequences cut into consecutive parts, padded with zeros at their ends to one length, and where they are real.

    Args:
        rolls: sequences, `(frames, visible)` each.
        max_frames: the length of a part; what remains of a sequence is a shorter part. `None` cuts nothing.

    Returns:
        `x`, float32, `(parts, longest, visible)`, and `mask`, bool, `(parts, longest)`, true where `x` is no padding.

    Raises:
        ValueError: if there is no sequence, one has no frames, or their widths differ.

    Example:

    ```python
    x, mask = keras_rbm.datasets.subsequences(keras_rbm.datasets.folk_tunes(), max_frames=64)
    ```
    """
    if max_frames is not None:
        positive_integer(max_frames, "max_frames")
    sequences = _checked(rolls)
    step = max_frames or max(map(len, sequences))
    parts = [roll[start : start + step] for roll in sequences for start in range(0, len(roll), step)]
    mask = np.arange(max(map(len, parts))) < np.array([len(part) for part in parts])[:, None]
    x = np.zeros((*mask.shape, parts[0].shape[1]), "float32")
    x[mask] = np.concatenate(parts)
    return x, mask


def frames(rolls: Rolls | Sequence[np.ndarray]) -> np.ndarray:
    """All frames of all sequences below each other, float32, `(frames, visible)`.

    Arguments and errors are those of `subsequences`.
    """
    return np.concatenate(_checked(rolls)).astype("float32")


def _checked(rolls: Rolls | Sequence[np.ndarray]) -> list[np.ndarray]:
    """Sequences of one width."""
    sequences = [np.asarray(roll) for roll in (rolls.rolls if isinstance(rolls, Rolls) else rolls)]
    if not sequences:
        raise ValueError("Sequences must be at least one. Received: none")
    for roll in sequences:
        if roll.ndim != 2 or not roll.size or roll.shape[1] != sequences[0].shape[1]:
            raise ValueError(
                "Sequences must have shape (frames, visible), with at least one frame, and one width. "
                f"Received: shape={roll.shape}, the first one's is {sequences[0].shape}"
            )
    return sequences


def binary_roll(roll: Any) -> np.ndarray:
    """`roll` as uint8, `(frames, notes)`.

    Raises:
        ValueError: if it has another shape, no frame, or other values than 0 and 1.
    """
    roll = np.asarray(roll)
    if roll.ndim != 2 or not roll.size or roll.dtype.kind not in "biuf":
        raise ValueError(
            "A roll must be numbers of shape (frames, notes), with at least one frame. "
            f"Received: shape={roll.shape}, dtype={roll.dtype}"
        )
    if not np.isin(roll, (0, 1)).all():
        raise ValueError(
            f"A roll must hold 0 and 1 only. Received: min={roll.min():g}, max={roll.max():g}. Give states, not means."
        )
    return roll.astype("uint8")


def held_notes(roll: Any) -> np.ndarray:
    """Notes of a binary roll `(frames, notes)`: rows of column, first frame and the frame after the last.

    Frames of a column that follow each other are one note, for a roll does not tell a note that is struck again from
    one that is held. Notes are ordered by column, then by time.
    """
    edges = np.diff(np.pad(roll, ((1, 1), (0, 0))).astype("int8"), axis=0).T
    column, start = np.nonzero(edges == 1)
    return np.stack([column, start, np.nonzero(edges == -1)[1]], axis=1)
