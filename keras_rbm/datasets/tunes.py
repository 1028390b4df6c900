"""Folk tunes that need no download."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from keras_rbm.datasets.sequences import Rolls

_LOWEST, _HIGHEST = 21, 108
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

# all between C3 and B3, below the melodies
_CHORDS = {
    "C": "C3 E3 G3",
    "Dm": "D3 F3 A3",
    "D7": "C3 D3 F#3 A3",
    "D": "D3 F#3 A3",
    "E": "E3 G#3 B3",
    "F": "C3 F3 A3",
    "G": "D3 G3 B3",
    "G7": "D3 F3 G3 B3",
    "Am": "C3 E3 A3",
    "R": "",
}


class _Tune(NamedTuple):
    """Melody: note:frames, `R` for a rest; chords share their bar evenly. A bar has `bar` frames, a frame an eighth."""

    title: str
    origin: str
    bar: int
    melody: str
    chords: str


_TUNES = (
    _Tune(
        "Ah! vous dirai-je, maman",
        "France, 1761; sung as Twinkle, twinkle, little star",
        8,
        """
        C4:2 C4:2 G4:2 G4:2 | A4:2 A4:2 G4:4 | F4:2 F4:2 E4:2 E4:2 | D4:2 D4:2 C4:4 |
        G4:2 G4:2 F4:2 F4:2 | E4:2 E4:2 D4:4 | G4:2 G4:2 F4:2 F4:2 | E4:2 E4:2 D4:4 |
        C4:2 C4:2 G4:2 G4:2 | A4:2 A4:2 G4:4 | F4:2 F4:2 E4:2 E4:2 | D4:2 D4:2 C4:4
        """,
        """
        C | F C | F C | G7 C |
        C F | C G | C F | C G |
        C | F C | F C | G7 C
        """,
    ),
    _Tune(
        "Frère Jacques",
        "France, about 1780",
        8,
        """
        C5:2 D5:2 E5:2 C5:2 | C5:2 D5:2 E5:2 C5:2 | E5:2 F5:2 G5:4 | E5:2 F5:2 G5:4 |
        G5:1 A5:1 G5:1 F5:1 E5:2 C5:2 | G5:1 A5:1 G5:1 F5:1 E5:2 C5:2 | C5:2 G4:2 C5:4 | C5:2 G4:2 C5:4
        """,
        """
        C | C | C | C |
        C | C | C G7 C C | C G7 C C
        """,
    ),
    _Tune(
        "Au clair de la lune",
        "France, 18th century",
        8,
        """
        C5:2 C5:2 C5:2 D5:2 | E5:4 D5:4 | C5:2 E5:2 D5:2 D5:2 | C5:8 |
        C5:2 C5:2 C5:2 D5:2 | E5:4 D5:4 | C5:2 E5:2 D5:2 D5:2 | C5:8 |
        D5:2 D5:2 D5:2 D5:2 | A4:4 A4:4 | D5:2 C5:2 B4:2 A4:2 | G4:8 |
        C5:2 C5:2 C5:2 D5:2 | E5:4 D5:4 | C5:2 E5:2 D5:2 D5:2 | C5:8
        """,
        """
        C | C G | C G7 | C |
        C | C G | C G7 | C |
        Dm | Dm | D7 | G |
        C | C G | C G7 | C
        """,
    ),
    _Tune(
        "London Bridge is falling down",
        "England, 18th century",
        8,
        """
        G4:3 A4:1 G4:2 F4:2 | E4:2 F4:2 G4:4 | D4:2 E4:2 F4:4 | E4:2 F4:2 G4:4 |
        G4:3 A4:1 G4:2 F4:2 | E4:2 F4:2 G4:4 | D4:4 G4:4 | E4:2 C4:6
        """,
        """
        C | C | G7 | C |
        C | C | G7 | C
        """,
    ),
    _Tune(
        "Oh! Susanna",
        "United States, Stephen Foster, 1848",
        8,
        """
        R:6 C4:1 D4:1 |
        E4:2 G4:2 G4:3 A4:1 | G4:2 E4:2 C4:3 D4:1 | E4:2 E4:2 D4:2 C4:2 | D4:6 C4:1 D4:1 |
        E4:2 G4:2 G4:3 A4:1 | G4:2 E4:2 C4:3 D4:1 | E4:2 E4:2 D4:2 D4:2 | C4:8 |
        F4:4 F4:4 | A4:2 A4:4 A4:2 | G4:2 G4:2 E4:2 C4:2 | D4:6 C4:1 D4:1 |
        E4:2 G4:2 G4:3 A4:1 | G4:2 E4:2 C4:3 D4:1 | E4:2 E4:2 D4:2 D4:2 | C4:8
        """,
        """
        R |
        C | C | C | G7 |
        C | C | C G7 | C |
        F | F | C | G7 |
        C | C | C G7 | C
        """,
    ),
    _Tune(
        "Yankee Doodle",
        "England and North America, about 1755",
        8,
        """
        C5:2 C5:2 D5:2 E5:2 | C5:2 E5:2 D5:2 G4:2 | C5:2 C5:2 D5:2 E5:2 | C5:4 B4:4 |
        C5:2 C5:2 D5:2 E5:2 | F5:2 E5:2 D5:2 C5:2 | B4:2 G4:2 A4:2 B4:2 | C5:4 C5:4 |
        A4:3 B4:1 A4:2 G4:2 | A4:3 B4:1 C5:4 | G4:3 A4:1 G4:2 F4:2 | E4:4 G4:4 |
        A4:3 B4:1 A4:2 G4:2 | A4:3 B4:1 C5:2 A4:2 | G4:2 C5:2 B4:2 D5:2 | C5:4 C5:4
        """,
        """
        C | C G | C | C G |
        C | F | G7 | C |
        F | F | C | C |
        F | F | C G7 | C
        """,
    ),
    _Tune(
        "Auld Lang Syne",
        "Scotland, 18th century; words by Robert Burns, 1788",
        8,
        """
        R:6 G4:2 |
        C5:3 C5:1 C5:2 E5:2 | D5:3 C5:1 D5:2 E5:2 | C5:3 C5:1 E5:2 G5:2 | A5:6 A5:2 |
        G5:3 E5:1 E5:2 C5:2 | D5:3 C5:1 D5:2 E5:2 | C5:3 A4:1 A4:2 G4:2 | C5:6 A5:2 |
        G5:3 E5:1 E5:2 C5:2 | D5:3 C5:1 D5:2 A5:2 | G5:3 E5:1 E5:2 G5:2 | A5:6 A5:2 |
        G5:3 E5:1 E5:2 C5:2 | D5:3 C5:1 D5:2 E5:2 | C5:3 A4:1 A4:2 G4:2 | C5:8
        """,
        """
        R |
        C | G7 | C | F |
        C | G7 | F G7 | C |
        C | G7 | C | F |
        C | G7 | F G7 | C
        """,
    ),
    _Tune(
        "Greensleeves",
        "England, 1580",
        12,
        """
        R:10 A4:2 |
        C5:4 D5:2 E5:3 F5:1 E5:2 | D5:4 B4:2 G4:3 A4:1 B4:2 | C5:4 A4:2 A4:3 G#4:1 A4:2 | B4:4 G#4:2 E4:4 A4:2 |
        C5:4 D5:2 E5:3 F5:1 E5:2 | D5:4 B4:2 G4:3 A4:1 B4:2 | C5:3 B4:1 A4:2 G#4:3 F#4:1 G#4:2 | A4:12 |
        G5:6 G5:3 F#5:1 E5:2 | D5:4 B4:2 G4:3 A4:1 B4:2 | C5:4 A4:2 A4:3 G#4:1 A4:2 | B4:4 G#4:2 E4:6 |
        G5:6 G5:3 F#5:1 E5:2 | D5:4 B4:2 G4:3 A4:1 B4:2 | C5:3 B4:1 A4:2 G#4:3 F#4:1 G#4:2 | A4:12
        """,
        """
        R |
        Am | G | Am | E |
        Am | G | Am E | Am |
        C | G | Am | E |
        C | G | Am E | Am
        """,
    ),
    _Tune(
        "Scarborough Fair",
        "England, traditional; this tune 19th century",
        6,
        """
        A4:4 A4:2 | E5:4 E5:2 | B4:3 C5:1 B4:2 | A4:6 |
        R:2 E5:2 G5:2 | A5:4 G5:2 | E5:2 F#5:2 D5:2 | E5:6 |
        R:4 A5:2 | A5:4 A5:2 | G5:4 E5:2 | E5:2 D5:2 C5:2 | B4:2 G4:4 |
        R:4 A4:2 | E5:4 D5:2 | C5:2 B4:2 A4:2 | G4:6 | A4:6
        """,
        """
        Am | Am | G | Am |
        Am | Am | D | Am |
        Am | Am | C | C | G |
        Am | Am | C | G | Am
        """,
    ),
    _Tune(
        "Skip to My Lou",
        "United States, 1840s",
        8,
        """
        E5:4 C5:4 | E5:2 E5:1 E5:1 G5:4 | D5:4 B4:4 | D5:2 D5:1 D5:1 F5:4 |
        E5:4 C5:4 | E5:2 E5:1 E5:1 G5:4 | D5:2 E5:1 F5:1 E5:2 D5:2 | C5:4 C5:4
        """,
        """
        C | C | G7 | G7 |
        C | C | G7 | C
        """,
    ),
)


def folk_tunes() -> Rolls:
    """Ten folk tunes of the public domain, a melody above held chords, as in the Nottingham collection.

    All are in C major or A minor; of the black keys only F sharp and G sharp occur. A frame is an eighth note of
    0.25 s; the melodies lie between C4 and A5, the chords between C3 and B3. An upbeat stands in a bar of rests.
    """
    return Rolls(
        name="folk-tunes",
        rolls=[_roll(tune) for tune in _TUNES],
        names=[tune.title for tune in _TUNES],
        dt=0.25,
        notes=(_LOWEST, _HIGHEST),
        source="ten folk tunes of the public domain, in C major and A minor, a frame an eighth note of 0.25 s",
    )


def _roll(tune: _Tune) -> np.ndarray:
    bars = [bar.split() for bar in tune.chords.split("|")]
    held = [(_CHORDS[chord], tune.bar // len(bar)) for bar in bars for chord in bar]
    voices = (_voice(_sung(tune.melody)), _voice(held))
    return np.maximum(*voices)


def _sung(melody: str) -> list[tuple[str, int]]:
    """Notes, and frames of each."""
    pairs = (word.split(":") for word in melody.replace("|", " ").split())
    return [("" if note == "R" else note, int(length)) for note, length in pairs]


def _voice(sounds: list[tuple[str, int]]) -> np.ndarray:
    """Notes that sound together, such as `"C3 E3"`, and their frames, one after the other as a roll."""
    steps = np.zeros((len(sounds), _HIGHEST - _LOWEST + 1), "uint8")
    for step, (notes, _) in zip(steps, sounds, strict=True):
        step[[_number(note) - _LOWEST for note in notes.split()]] = 1
    return steps.repeat([length for _, length in sounds], axis=0)


def _number(note: str) -> int:
    """The MIDI note number: 60 for `C4`, 61 for `C#4`."""
    return 12 * (int(note[-1]) + 1) + _STEPS[note[0]] + ("#" in note)
