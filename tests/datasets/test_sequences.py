"""Sequences: cut, padded and masked without a frame lost; splits by whole tunes; the folk tunes, bar by bar."""

import numpy as np
import pytest

from keras_rbm.datasets import Rolls, folk_tunes, frames, subsequences, tunes
from keras_rbm.datasets.sequences import held_notes

LENGTHS = (7, 3, 1, 9)


def some(lengths=LENGTHS, width=5) -> list[np.ndarray]:
    """Rolls without a silent frame, so that padding can be told from them."""
    rng = np.random.default_rng(0)
    rolls = [(rng.random((length, width)) < 0.5).astype("uint8") for length in lengths]
    for roll in rolls:
        roll[:, 0] = 1
    return rolls


def rolls_of(number) -> Rolls:
    names = [str(i) for i in range(number)]
    return Rolls("some", [np.full((i + 1, 2), i) for i in range(number)], names, 0.3, (60, 61), "made up")


# --- parts


def test_parts_follow_each_other_and_remainders_are_padded():
    rolls = some()
    x, mask = subsequences(rolls, max_frames=4)
    first, second, _, last = rolls
    assert x.dtype == np.float32
    assert mask.dtype == bool
    assert mask.sum(1).tolist() == [4, 3, 3, 1, 4, 4, 1]
    np.testing.assert_array_equal(x[0], first[:4])
    np.testing.assert_array_equal(x[1], np.concatenate([first[4:], np.zeros((1, 5))]))
    np.testing.assert_array_equal(x[2, :3], second)
    np.testing.assert_array_equal(x[6], np.concatenate([last[8:], np.zeros((3, 5))]))


@pytest.mark.parametrize("max_frames", [1, 2, 3, 7, 9, 100, None])
def test_no_frame_is_lost(max_frames):
    rolls = some()
    x, mask = subsequences(rolls, max_frames)
    np.testing.assert_array_equal(x[mask], np.concatenate(rolls))
    np.testing.assert_array_equal(x[~mask], 0)
    assert mask.shape[1] == min(max_frames or 9, 9)
    assert mask[:, 0].all()
    assert (np.diff(mask.astype(int), axis=1) <= 0).all(), "padding is at the end"
    if max_frames in (9, 100, None):
        assert mask.sum(1).tolist() == list(LENGTHS)


def test_frames_stand_below_each_other():
    x = frames(some())
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, np.concatenate(some()))


def test_rolls_are_taken_as_lists_are():
    found = folk_tunes()
    np.testing.assert_array_equal(frames(found), frames(found.rolls))
    for of_rolls, of_list in zip(subsequences(found), subsequences(found.rolls), strict=True):
        np.testing.assert_array_equal(of_rolls, of_list)


@pytest.mark.parametrize("use", [subsequences, frames])
@pytest.mark.parametrize(
    ("rolls", "message"),
    [
        ([], "at least one. Received: none"),
        ([np.ones((3, 2)), np.ones((0, 2))], r"at least one frame.*Received: shape=\(0, 2\)"),
        ([np.ones((3, 2)), np.ones((3, 4))], r"one width. Received: shape=\(3, 4\), the first one's is \(3, 2\)"),
        ([np.ones(3)], r"shape \(frames, visible\).*Received: shape=\(3,\)"),
        (np.ones((3, 2)), r"Received: shape=\(2,\)"),
        ([np.ones((3, 0))], r"Received: shape=\(3, 0\)"),
    ],
    ids=["none", "no frames", "widths", "a frame", "one roll", "no notes"],
)
def test_what_is_no_list_of_sequences(use, rolls, message):
    with pytest.raises(ValueError, match=message):
        use(rolls)


@pytest.mark.parametrize("max_frames", [0, -1, 2.5, True])
def test_bad_lengths_of_parts(max_frames):
    with pytest.raises(ValueError, match="`max_frames` must be a positive integer"):
        subsequences(some(), max_frames)


def test_held_notes_are_runs_of_ones():
    roll = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 1], [1, 0, 1]])
    assert held_notes(roll).tolist() == [[0, 0, 2], [0, 3, 4], [2, 0, 1], [2, 2, 4]]
    assert held_notes(np.zeros((3, 2))).shape == (0, 3)


# --- splits


@pytest.mark.parametrize(
    ("number", "shares", "sizes"),
    [(100, (0.1, 0.2), [70, 10, 20]), (3, (0.1, 0.1), [1, 1, 1]), (19, (0.1, 0.1), [17, 1, 1])],
)
def test_a_split_is_of_whole_tunes_each_once(number, shares, sizes):
    parts = rolls_of(number).split(*shares)
    assert [len(part) for part in parts] == sizes
    assert sorted(name for part in parts for name in part.names) == sorted(rolls_of(number).names)
    for part in parts:
        assert part.names == sorted(part.names, key=int)
        assert [str(roll[0, 0]) for roll in part.rolls] == part.names
        assert (part.name, part.dt, part.notes, part.source) == ("some", 0.3, (60, 61), "made up")


def test_the_seed_rules_the_split():
    tunes = rolls_of(50)
    drawn = [tuple(tunes.split(seed=seed)[2].names) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("number", "arguments", "message"),
    [
        (2, {}, "at least 3 tunes. Received: 2"),
        (9, {"validation": 0}, "`validation` must be a share between 0 and 1. Received: validation=0"),
        (9, {"test": 1.0}, "`test` must be a share between 0 and 1. Received: test=1.0"),
        (9, {"test": np.nan}, "`test` must be a share between 0 and 1. Received: test=nan"),
        (10, {"validation": 0.5, "test": 0.5}, "leave tunes to train on. Received: validation=0.5, test=0.5 of 10"),
        (9, {"seed": -1}, "`seed` must be an integer"),
    ],
)
def test_what_cannot_be_split(number, arguments, message):
    with pytest.raises(ValueError, match=message):
        rolls_of(number).split(**arguments)


# --- the folk tunes


@pytest.mark.parametrize("tune", tunes._TUNES, ids=lambda tune: tune.title)
def test_every_bar_is_full_and_has_its_chords(tune):
    melody, chords = ([bar.split() for bar in part.split("|")] for part in (tune.melody, tune.chords))
    lengths = [sum(int(word.split(":")[1]) for word in bar) for bar in melody]
    assert lengths == [tune.bar] * len(chords)
    assert all(tune.bar % len(bar) == 0 for bar in chords)


def test_folk_tunes_are_rolls():
    found = folk_tunes()
    assert len(found) == len(set(found.names)) == 10
    assert (found.dt, found.notes) == (0.25, (21, 108))
    for roll, tune in zip(found.rolls, tunes._TUNES, strict=True):
        assert roll.dtype == np.uint8
        assert roll.shape == (tune.bar * (tune.chords.count("|") + 1), 88)
        assert set(np.unique(roll)) == {0, 1}


@pytest.mark.parametrize("tune", tunes._TUNES, ids=lambda tune: tune.title)
def test_melodies_lie_above_chords_in_c_major_or_a_minor(tune):
    """Of the black keys only F sharp and G sharp occur."""
    roll = tunes._roll(tune)
    used = np.flatnonzero(roll.any(axis=0)) + 21
    assert used.min() >= 48
    assert used.max() <= 81
    melody, chords = roll[:, 60 - 21 :], roll[:, : 60 - 21]
    assert melody.sum(axis=1).max() == 1
    assert set(chords.sum(axis=1)) <= {0, 3, 4}
    assert set(used % 12) <= {0, 2, 4, 5, 7, 9, 11, 6, 8}
    end = set((np.flatnonzero(roll[-1]) + 21) % 12)
    assert end in ({0, 4, 7}, {9, 0, 4}), "it ends on its tonic chord"


def test_a_tune_frame_by_frame():
    """The first two bars of Ah! vous dirai-je, maman: C C G G A A G, above C, F and C again."""
    roll = folk_tunes().rolls[folk_tunes().names.index("Ah! vous dirai-je, maman")][:16]
    sounding = [tuple(np.flatnonzero(frame) + 21) for frame in roll]
    c, f = (48, 52, 55), (48, 53, 57)
    assert sounding == [(*c, 60)] * 4 + [(*c, 67)] * 4 + [(*f, 69)] * 4 + [(*c, 67)] * 4


@pytest.mark.parametrize(("note", "number"), [("C4", 60), ("A4", 69), ("G#4", 68), ("F#5", 78), ("B3", 59)])
def test_notes_have_their_midi_numbers(note, number):
    assert tunes._number(note) == number


def test_upbeats_follow_rests():
    roll = folk_tunes().rolls[folk_tunes().names.index("Auld Lang Syne")]
    assert not roll[:6].any()
    assert (np.flatnonzero(roll[6]) + 21).tolist() == [67]
