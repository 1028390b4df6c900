"""MIDI files: every note in its frames, there and back; keys; folders, their cache, and files that are broken."""

import pickle
import warnings
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest

from keras_rbm.datasets import Rolls, cache, midi
from keras_rbm.datasets.key import estimated_key

SCALE = [0, 2, 4, 5, 7, 9, 11, 12]


def written(path, notes, drums=(), key=None, bend=False) -> Path:
    """A file of notes (number, start, end), in seconds."""
    tune = pretty_midi.PrettyMIDI(resolution=960)
    for sounding, is_drum in ((notes, False), (drums, True)):
        part = pretty_midi.Instrument(0, is_drum=is_drum)
        part.notes = [pretty_midi.Note(90, *note) for note in sounding]
        tune.instruments.append(part)
    if key is not None:
        tune.key_signature_changes.append(pretty_midi.KeySignature(pretty_midi.key_name_to_key_number(key), 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    tune.write(str(path))
    return path


def scale(path, tonic=60, end=4.5, **kwargs) -> Path:
    """A major scale, 0.3 s a note, that begins and ends with a long tonic."""
    notes = [(tonic + step, 0.3 * (i + 2), 0.3 * (i + 3)) for i, step in enumerate(SCALE)]
    return written(path, [(tonic, 0.0, 0.6), *notes, (tonic, 3.0, end)], **kwargs)


def notes_of(path) -> list[tuple[int, float, float]]:
    (part,) = pretty_midi.PrettyMIDI(str(path)).instruments
    return [(note.pitch, note.start, note.end) for note in part.notes]


def random_roll(frames, width, seed=0) -> np.ndarray:
    """A roll that ends with a note, for silence at the end is not kept."""
    roll = (np.random.default_rng(seed).random((frames, width)) < 0.3).astype("uint8")
    roll[-1, width // 2] = 1
    return roll


# --- reading


def test_each_note_takes_its_frames(tmp_path):
    """A rest of a frame first; 0.28 s until 0.61 s is frame 1; the shortest note has one; drums have none."""
    notes = [(60, 0.3, 0.9), (64, 0.28, 0.61), (67, 0.9, 0.95), (60, 0.9, 1.2), (21, 0.0, 0.3), (108, 1.2, 1.5)]
    roll = midi.read(written(tmp_path / "a.mid", notes, drums=[(50, 0.0, 3.0)]))
    expected = np.zeros((5, 88), "uint8")
    expected[1:4, 60 - 21] = expected[1:2, 64 - 21] = expected[3:4, 67 - 21] = 1
    expected[0, 0] = expected[4, 87] = 1
    assert roll.dtype == np.uint8
    np.testing.assert_array_equal(roll, expected)


def test_times_are_those_of_the_tempi(tmp_path):
    """Two beats of 0.5 s, then beats of 0.25 s: the note of beats 2 to 6 sounds from 1 s until 2 s."""
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=500_000, time=0))
    track.append(mido.MetaMessage("set_tempo", tempo=250_000, time=200))
    track.append(mido.Message("note_on", note=60, velocity=64, time=0))
    track.append(mido.Message("note_off", note=60, time=400))
    mido.MidiFile(tracks=[track], ticks_per_beat=100).save(tmp_path / "a.mid")
    np.testing.assert_array_equal(midi.read(tmp_path / "a.mid", dt=0.25, notes=(60, 60))[:, 0], [0] * 4 + [1] * 4)


def test_halves_are_rounded_up(tmp_path):
    path = written(tmp_path / "a.mid", [(60, 0.25, 0.75), (61, 0.75, 1.25)])
    np.testing.assert_array_equal(midi.read(path, dt=0.5, notes=(60, 61)), [[0, 0], [1, 0], [0, 1]])


@pytest.mark.parametrize("notes", [(60, 67), [62, 64], (67, 67)])
def test_notes_outside_the_range_are_dropped(notes, tmp_path):
    path = scale(tmp_path / "a.mid")
    lowest, highest = notes
    kept = midi.read(path)[:, lowest - 21 : highest - 21 + 1]
    last = np.flatnonzero(kept.any(axis=1))[-1]
    np.testing.assert_array_equal(midi.read(path, notes=notes), kept[: last + 1])


# --- there and back


@pytest.mark.parametrize("tempo", [4, 60, 97.3, 100.0, 240])
@pytest.mark.parametrize("dt", [0.0137, 0.1, 0.25, 0.3, 1 / 3, 1.7])
def test_a_roll_comes_back_from_its_file(dt, tempo, tmp_path):
    roll = random_roll(60, 10)
    midi.write(tmp_path / "a.mid", roll, dt, (60, 69), tempo)
    np.testing.assert_array_equal(midi.read(tmp_path / "a.mid", dt, (60, 69)), roll)


@pytest.mark.parametrize("notes", [(21, 108), (0, 127)])
def test_every_note_comes_back_from_its_file(notes, tmp_path):
    roll = random_roll(60, notes[1] - notes[0] + 1)
    assert roll.any(axis=0).all()
    midi.write(tmp_path / "a.mid", roll, 0.3, notes, tempo=97.3)
    np.testing.assert_array_equal(midi.read(tmp_path / "a.mid", 0.3, notes), roll)


def test_a_long_roll_does_not_drift(tmp_path):
    """Beats of 616,649.53 microseconds, which the file holds in whole ones: 2.9 hours later the frames still fit."""
    roll = np.zeros((35_000, 1), "uint8")
    roll[::100] = roll[-1] = 1  # each of one frame
    midi.write(tmp_path / "a.mid", roll, 0.3, (60, 60), tempo=97.3)
    np.testing.assert_array_equal(midi.read(tmp_path / "a.mid", 0.3, (60, 60)), roll)


@pytest.mark.parametrize("kind", ["bool", "float32", "int64"])
def test_consecutive_frames_are_one_held_note(kind, tmp_path):
    roll = np.array([[1, 0], [1, 1], [0, 1], [1, 1]]).astype(kind)
    midi.write(tmp_path / "new" / "a.mid", roll, dt=0.5, notes=(60, 61), tempo=90, instrument="violin", velocity=33)
    tune = pretty_midi.PrettyMIDI(str(tmp_path / "new" / "a.mid"))
    expected = [(60, 0.0, 1.0), (60, 1.5, 2.0), (61, 0.5, 2.0)]
    np.testing.assert_allclose(sorted(notes_of(tmp_path / "new" / "a.mid")), expected, atol=1e-6)
    assert tune.get_tempo_changes()[1] == pytest.approx([90], rel=1e-5)
    assert tune.instruments[0].program == 40
    assert {note.velocity for note in tune.instruments[0].notes} == {33}


def test_instruments_by_number(tmp_path):
    midi.write(tmp_path / "a.mid", random_roll(3, 88), instrument=73)
    assert pretty_midi.PrettyMIDI(str(tmp_path / "a.mid")).instruments[0].program == 73


def test_a_silent_roll_is_a_silent_file(tmp_path):
    midi.write(tmp_path / "a.mid", np.zeros((5, 88)))
    with pytest.raises(ValueError, match="no notes from 21 to 108"):
        midi.read(tmp_path / "a.mid")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    midi.write(tmp_path / "a.mid", random_roll(3, 88))
    before = (tmp_path / "a.mid").read_bytes()

    def halfway(self, path):
        Path(path).write_bytes(b"MThd")
        raise OSError("No space left on device")

    monkeypatch.setattr(pretty_midi.PrettyMIDI, "write", halfway)
    with pytest.raises(OSError, match="No space left"):
        midi.write(tmp_path / "a.mid", random_roll(9, 88))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]
    assert (tmp_path / "a.mid").read_bytes() == before


BAD_WRITES = {
    "means": ({"roll": np.full((4, 88), 0.5)}, "0 and 1 only. Received: min=0.5, max=0.5. Give states, not means"),
    "nan": ({"roll": np.full((4, 88), np.nan)}, "0 and 1 only"),
    "spins": ({"roll": -np.ones((4, 88))}, "0 and 1 only. Received: min=-1"),
    "width": ({"roll": np.zeros((4, 87))}, r"notes 21 to 108 must have 88 columns. Received: shape=\(4, 87\)"),
    "one frame": ({"roll": np.zeros(88)}, r"shape \(frames, notes\).*Received: shape=\(88,\)"),
    "no frames": ({"roll": np.zeros((0, 88))}, "at least one frame"),
    "words": ({"roll": np.array([["a"]])}, "must be numbers"),
    "instrument": ({"instrument": "Kazoo"}, "General MIDI name.*127. Received: instrument='Kazoo'"),
    "program": ({"instrument": 128}, "`instrument`.*127. Received: instrument=128"),
    "half a program": ({"instrument": 3.5}, "Received: instrument=3.5"),
    "no tempo": ({"tempo": 0}, "`tempo` must be a number from 4 to 1000. Received: tempo=0"),
    "tempo nan": ({"tempo": np.nan}, "`tempo` must be a number from 4 to 1000. Received: tempo=nan"),
    "velocity": ({"velocity": 0}, "`velocity` must be an integer from 1 to 127. Received: velocity=0"),
    "short frames": (
        {"dt": 0.0015, "tempo": 4},
        "At 4 beats a minute `dt` must be at least 0.0018 s. Received: dt=0.0015",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_WRITES.values(), ids=BAD_WRITES)
def test_what_cannot_be_written(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        midi.write(**{"path": tmp_path / "new" / "a.mid", "roll": random_roll(4, 88), **arguments})
    assert not list(tmp_path.iterdir())


BAD_SETTINGS = {
    "dt 0": ({"dt": 0}, "`dt` must be a positive number of seconds. Received: dt=0"),
    "negative dt": ({"dt": -0.3}, "`dt` must be a positive number of seconds. Received: dt=-0.3"),
    "dt nan": ({"dt": np.nan}, "`dt` must be a positive number of seconds. Received: dt=nan"),
    "dt infinite": ({"dt": np.inf}, "`dt` must be a positive number of seconds. Received: dt=inf"),
    "tiny dt": (
        {"dt": 1e-9},
        "`dt` must be from 0.001 to 60 seconds. Received: dt=1e-09, which makes 3.6e[+]12 frames",
    ),
    "huge dt": ({"dt": 1e300}, "`dt` must be from 0.001 to 60 seconds. Received: dt=1e[+]300"),
    "dt a word": ({"dt": "0.3"}, "`dt` must be a positive number of seconds. Received: dt='0.3'"),
    "upside down": ({"notes": (108, 21)}, r"from the lowest to the highest.*\(108, 21\). Give notes=\(21, 108\)"),
    "too high": ({"notes": (21, 128)}, "`notes` must be two MIDI note numbers from 0 to 127"),
    "negative": ({"notes": (-1, 20)}, "`notes` must be two MIDI note numbers from 0 to 127"),
    "one note": ({"notes": 21}, "`notes` must be two MIDI note numbers.*Received: notes=21"),
    "halves": ({"notes": (20.5, 30.5)}, "`notes` must be two MIDI note numbers"),
}


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings(settings, message, tmp_path):
    path = scale(tmp_path / "a.mid")
    for use in (midi.read, midi.load, lambda path, **kwargs: midi.write(path, random_roll(4, 88), **kwargs)):
        with pytest.raises(ValueError, match=message):
            use(path, **settings)


# --- keys


@pytest.mark.parametrize("tonic", range(12))
def test_the_key_is_estimated(tonic):
    """A tonic chord that is held, and the scale."""
    minor = [0, 2, 3, 5, 7, 8, 11, 12]
    for steps, third, first in ((SCALE, 4, 0), (minor, 3, 12)):
        notes = 48 + tonic + np.array([*steps, 0, third, 7])
        assert estimated_key(notes, np.array([1.0] * 8 + [4.0] * 3)) == first + tonic


def test_the_key_counts_durations_not_notes():
    """Many short notes of F sharp major within C major that is held."""
    notes = np.array([*([66, 70, 73] * 20), 60, 64, 67, 62, 65])
    assert estimated_key(notes, np.array([0.01] * 60 + [5.0, 3.0, 4.0, 1.0, 1.0])) == 0


@pytest.mark.parametrize("shift", range(-5, 7))
def test_to_c_by_the_nearest_way(shift, tmp_path):
    """From a tritone above, down."""
    np.testing.assert_array_equal(
        midi.read(scale(tmp_path / "a.mid", 60 + shift), to_c=True), midi.read(scale(tmp_path / "c.mid", 60))
    )


@pytest.mark.parametrize(("key", "shift"), [("G", 5), ("D", -2), ("Bb", 2), ("Am", 3), ("F#", -6), ("C", 0)])
def test_the_key_signature_goes_before_the_estimate(key, shift, tmp_path):
    path = scale(tmp_path / "a.mid", 60, key=key)
    np.testing.assert_array_equal(midi.read(path, to_c=True), np.roll(midi.read(path), shift, axis=1))


def test_a_later_key_signature_is_not_the_key(tmp_path):
    tune = pretty_midi.PrettyMIDI(str(scale(tmp_path / "a.mid", 62)))
    tune.key_signature_changes.append(pretty_midi.KeySignature(7, 1.0))
    tune.write(str(tmp_path / "a.mid"))
    assert midi.read(tmp_path / "a.mid", to_c=True)[0, 60 - 21] == 1


# --- many files


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "tunes"
    for i, name in enumerate(("b.mid", "a.MID", "more/c.midi", "more/deeper/d.MiDi")):
        scale(folder / name, 60 + i, 4.5 + i)
    (folder / "notes.txt").write_text("no music")
    return folder


NAMES = ["a.MID", "b.mid", "more/c.midi", "more/deeper/d.MiDi"]


def same(first: Rolls, second: Rolls) -> bool:
    return (
        len(first) == len(second)
        and all(map(np.array_equal, first.rolls, second.rolls))
        and all(getattr(first, name) == getattr(second, name) for name in ("name", "names", "dt", "notes", "source"))
    )


@pytest.mark.parametrize("kept", [False, True])
def test_a_folder_is_read_with_its_folders_sorted(kept, folder):
    for _ in range(2):
        tunes = midi.load(folder, dt=0.15, notes=(60, 80), cache=kept)
        assert tunes.names == NAMES
        assert (tunes.name, tunes.dt, tunes.notes) == ("tunes", 0.15, (60, 80))
        assert tunes.source == "4 MIDI files, a frame each 0.15 s, notes 60 to 80"
        for name, roll in zip(tunes.names, tunes.rolls, strict=True):
            assert roll.dtype == np.uint8
            np.testing.assert_array_equal(roll, midi.read(folder / name, dt=0.15, notes=(60, 80)))
    assert (folder / "rolls.npz").exists() == kept


def test_one_file_and_a_list_of_files(folder):
    assert midi.load(folder / "b.mid").names == ["b.mid"]
    assert midi.load(str(folder / "b.mid"), to_c=True).source.endswith("notes 21 to 108, transposed to C")
    tunes = midi.load([folder / "more/c.midi", str(folder / "a.MID")])
    assert tunes.names == ["c.midi", "a.MID"]
    np.testing.assert_array_equal(tunes.rolls[1], midi.read(folder / "a.MID"))
    assert not (folder / "rolls.npz").exists()


@pytest.fixture
def readings(monkeypatch) -> list[str]:
    """Names of the files that are parsed."""
    names, parsed = [], midi._parsed

    def watched(path):
        names.append(path.name)
        return parsed(path)

    monkeypatch.setattr(midi, "_parsed", watched)
    return names


def test_a_folder_is_read_once(folder, readings):
    first = midi.load(folder)
    assert len(readings) == 4
    assert same(midi.load(folder), first)
    assert len(readings) == 4


CHANGES = {
    "dt": lambda folder: {"dt": 0.2},
    "notes": lambda folder: {"notes": (21, 107)},
    "to_c": lambda folder: {"to_c": True},
    "another tune": lambda folder: scale(folder / "b.mid", 71) and {},
    "a new file": lambda folder: scale(folder / "e.mid", 71) and {},
    "a file less": lambda folder: (folder / "b.mid").unlink() or {},
    "another name": lambda folder: (folder / "b.mid").rename(folder / "bb.mid") and {},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_is_read_again(change, folder, readings):
    midi.load(folder)
    settings = change(folder)
    del readings[:]
    tunes = midi.load(folder, **settings)
    assert len(readings) == len(tunes)
    assert same(tunes, midi.load(folder, **settings, cache=False))
    assert same(tunes, midi.load(folder, **settings))
    assert len(readings) == 2 * len(tunes)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def flipped(path):
    """The bits of the rolls, where they lie in the archive."""
    content = bytearray(path.read_bytes())
    start = content.index(b"bits.npy") + 60
    content[start : start + 30] = bytes(255 - byte for byte in content[start : start + 30])
    path.write_bytes(content)


def a_pickle(path):
    path.write_bytes(pickle.dumps({"fingerprint": 3}))


def objects(path):
    with np.load(path) as stored:
        arrays = {**stored, "names": np.array([print], dtype=object)}
    np.savez(path, **arrays)


@pytest.mark.parametrize("damage", [truncated, flipped, a_pickle, objects, lambda path: path.write_bytes(b"")])
def test_a_damaged_cache_is_read_anew(damage, folder, readings):
    first = midi.load(folder)
    damage(folder / cache.NAME)
    assert same(midi.load(folder), first)
    assert len(readings) == 8
    assert same(midi.load(folder), first)
    assert len(readings) == 8


def test_an_archive_of_ones_own_is_left_alone(folder, readings):
    np.savez(folder / cache.NAME, mine=np.arange(3))
    before = (folder / cache.NAME).read_bytes()
    for _ in range(2):
        assert len(midi.load(folder)) == 4
    assert len(readings) == 8
    assert (folder / cache.NAME).read_bytes() == before


def test_a_folder_that_cannot_be_written_to_goes_without_cache(folder, readings):
    """Nothing can take the place of a folder of that name."""
    (folder / cache.NAME).mkdir()
    for _ in range(2):
        with warnings.catch_warnings(action="error"):
            assert len(midi.load(folder)) == 4
    assert len(readings) == 8
    assert not list(folder.glob(".*")), "parts are left"


def test_a_cache_is_written_whole_or_not_at_all(folder, monkeypatch):
    def halfway(file, **arrays):
        file.write(b"PK")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", halfway)
    assert len(midi.load(folder)) == 4
    assert sorted(path.name for path in folder.iterdir()) == ["a.MID", "b.mid", "more", "notes.txt"]


# --- what is broken


def endless(path):
    """Beats of 16.8 s, of one tick each: 1,000 are 4.7 hours."""
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=2**24 - 1, time=0))
    track.append(mido.Message("note_on", note=60, velocity=64, time=0))
    track.append(mido.Message("note_off", note=60, time=1000))
    mido.MidiFile(tracks=[track], ticks_per_beat=1).save(path)


def far(path):
    track = mido.MidiTrack()
    track.append(mido.Message("note_on", note=60, velocity=64, time=0))
    track.append(mido.Message("note_off", note=60, time=2**27))
    mido.MidiFile(tracks=[track]).save(path)


def cut(path):
    content = scale(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


BROKEN = {
    "text": (lambda path: path.write_text("hello, world\n" * 9), "no MIDI file that can be parsed.*MThd not found"),
    "empty": (lambda path: path.write_bytes(b""), "no MIDI file that can be parsed.*ends too early"),
    "cut": (cut, "no MIDI file that can be parsed.*ends too early"),
    "no notes": (lambda path: written(path, []), r"no notes from 21 to 108 \(drums are left out\)"),
    "drums": (lambda path: written(path, [], drums=[(50, 0, 1)]), "no notes from 21 to 108"),
    "out of range": (lambda path: written(path, [(120, 0, 1)]), "no notes from 21 to 108"),
    "no tracks": (lambda path: mido.MidiFile().save(path), "no MIDI file that can be parsed"),
    "endless": (endless, "from 0 s to 16777.2 s, not within 10800 s"),
    "far": (far, "no MIDI file that can be parsed.*likely corrupt"),
}


@pytest.mark.parametrize(("make", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_and_left_out(make, reason, folder):
    make(folder / "broken.mid")
    for use in (midi.read, midi.load):
        with warnings.catch_warnings(action="ignore"), pytest.raises(ValueError, match=f"broken.mid.*{reason}"):
            use(folder / "broken.mid")
    for _ in range(2):  # read, and kept
        with pytest.warns(UserWarning, match=f"^broken.mid is left out: .*{reason}") as seen:
            tunes = midi.load(folder)
        assert tunes.names == NAMES
        assert len(seen) == 1
        assert seen[0].filename == __file__


def test_only_broken_files(tmp_path):
    for name in ("a.mid", "b.mid"):
        (tmp_path / name).write_text("no music")
    with (
        pytest.warns(UserWarning, match=r"[ab]\.mid is left out") as seen,
        pytest.raises(ValueError, match=r"At least one MIDI file must be readable. Received: 2; a\.mid is left out"),
    ):
        midi.load(tmp_path)
    assert len(seen) == 2
    assert not (tmp_path / cache.NAME).exists()


@pytest.mark.parametrize("source", [lambda folder: folder, lambda folder: []], ids=["an empty folder", "an empty list"])
def test_no_files(source, tmp_path):
    (tmp_path / "a.txt").write_text("no music")
    with pytest.raises(ValueError, match=r"at least one \.mid or \.midi file"):
        midi.load(source(tmp_path))


def test_missing_files(folder):
    for use in (lambda: midi.read(folder / "no.mid"), lambda: midi.load(folder / "no"), lambda: midi.read(folder)):
        with pytest.raises(FileNotFoundError, match="A MIDI file must exist"):
            use()
    with pytest.raises(FileNotFoundError, match=r"no\.mid"):
        midi.load([folder / "a.MID", folder / "no.mid"])
