"""`keras-rbm music`: what it writes and says, what it leaves alone, how it stops; statistics of rolls."""

import contextlib
import io
import json
import re
import shlex
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from types import SimpleNamespace

import keras
import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

import keras_rbm
from keras_rbm import datasets
from keras_rbm.datasets import midi
from keras_rbm.jobs import cli
from keras_rbm.jobs.music.config import MusicConfig
from keras_rbm.jobs.music.run import MusicRun
from tests.support.cheap import run_eagerly

TINY = ["--epochs", 2, "--units", 3, "--recurrent", 2, "--frames", 12, "--prime", 8, "--gibbs-steps", 2]
SHOWN = {"model.keras", "saved_model", "generated-1.mid", "generated-2.mid", "figures", "logs", "card.md"}
WRITTEN = SHOWN | {"recipe.json"}


def run(folder, *arguments) -> int:
    return cli.main(["music", "--output", str(folder), *map(str, arguments)])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def fast():
    """Nothing is compiled, the embedded tunes are cut to 24 frames, and where no sweeps are asked for, 2 are enough."""
    tunes = datasets.folk_tunes()
    tunes = replace(tunes, rolls=[roll[:24] for roll in tunes.rolls])
    with pytest.MonkeyPatch.context() as patch:
        run_eagerly(patch)
        patch.setattr(datasets, "folk_tunes", lambda: tunes)
        patch.setattr(keras_rbm.RNNRBM, "generate", partialmethod(keras_rbm.RNNRBM.generate, num_steps=2))
        yield


def without_report(patch: pytest.MonkeyPatch) -> None:
    """The music alone."""
    patch.setattr("keras_rbm.jobs.music.report.write", lambda job: {"nothing": "measured"})


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str]:
    """A run on the embedded tunes, and what it said; tests leave it as it is."""
    folder, said = tmp_path_factory.mktemp("music") / "tunes", io.StringIO()
    with contextlib.redirect_stdout(said):
        assert run(folder, *TINY) == 0
    return folder, said.getvalue()


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> tuple[Path, set[str]]:
    """A run with another seed over an earlier one, and the files there that no run wrote; no report."""
    folder, mine = tmp_path_factory.mktemp("other"), {"notes.txt", "generated-1-edited.mid", "generated-x.mid", "1.mid"}
    (folder / "figures").mkdir()
    for name in (*mine, "card.md", "generated-1.mid", "generated-17.mid", "figures/old.png"):
        (folder / name).write_text("before")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        without_report(patch)
        assert run(folder, *TINY, "--seed", 4, "--overwrite", "--json") == 0
    folder.with_name("other.json").write_text(said.getvalue())
    return folder, mine


@pytest.fixture(scope="module")
def tunes_folder(tmp_path_factory) -> Path:
    """Four MIDI files that can be read, in C# major, and one that cannot."""
    folder = tmp_path_factory.mktemp("midi") / "mine"
    for i in range(4):
        roll = np.zeros((20 + i, 88), "uint8")
        for t in range(len(roll)):
            roll[t, 61 - 21 + (0, 4, 7, 11, 12)[(t // 2 + i) % 5]] = 1
        midi.write(folder / f"{i}.mid", roll, dt=0.5)
    (folder / "broken.mid").write_bytes(b"MThd, but not for long")
    return folder


@pytest.fixture(scope="module")
def own(tunes_folder, tmp_path_factory) -> tuple[Path, str, str]:
    """A run on those files, and what it said to stdout and stderr."""
    folder, said, warned = tmp_path_factory.mktemp("own") / "run", io.StringIO(), io.StringIO()
    reading = ["--midi", tunes_folder, "--dt", 0.5, "--notes", 48, 72, "--to-c"]
    playing = ["--num", 3, "--prime", 2, "--tempo", 90, "--instrument", "Violin", "--cell", "gru"]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(warned):
        assert run(folder, *TINY, *reading, *playing) == 0
    return folder, said.getvalue(), warned.getvalue()


# --- what is told


def test_machines_are_told_all_that_people_are(other):
    folder, _ = other
    (line,) = folder.with_name("other.json").read_text().splitlines()
    found = json.loads(line, parse_constant=pytest.fail)
    assert found["output"] == str(folder)
    assert found["recipe"] == json.loads((folder / "recipe.json").read_text())
    assert found["measured"] == {"nothing": {"words": "measured"}}
    assert np.isfinite(found["last_epoch"]["log_likelihood_joined"])
    for which in ("training_tunes", "generated"):
        assert found[which]["notes_per_frame"] > 0
        assert sum(found[which]["pitch_classes"]) == pytest.approx(1)


# --- what is written


def test_a_run_leaves_music_models_figures_logs_and_a_card(finished):
    folder, _ = finished
    assert {path.name for path in folder.iterdir()} == WRITTEN
    assert {path.stem for path in (folder / "figures").iterdir()} == {"rolls", "learning_curves"}
    for path in (folder / "figures").iterdir():
        assert len(np.unique(matplotlib.image.imread(path))) > 2
    assert len((folder / "logs" / "history.csv").read_text().splitlines()) == 3
    assert list((folder / "logs" / "rolls").rglob("*tfevents*"))


def test_the_music_can_be_read_and_the_second_file_goes_on_from_a_test_tune(finished):
    folder, _ = finished
    _, _, test = datasets.folk_tunes().split(seed=0)
    first, second = (midi.read(folder / f"generated-{i}.mid", dt=0.25) for i in (1, 2))
    assert 0 < len(first) <= 12
    assert 8 < len(second) <= 12
    np.testing.assert_array_equal(second[:8], test.rolls[0][:8])


def test_the_models_can_be_loaded(finished):
    folder, _ = finished
    model = keras.models.load_model(folder / "model.keras")
    assert (model.units, model.recurrent[0].units, model.rbm.sampler.num_steps) == (3, 2, 15)
    x, _ = datasets.subsequences(datasets.folk_tunes(), 10)
    exported = tf.saved_model.load(str(folder / "saved_model"))
    np.testing.assert_allclose(exported.encode(x), model.encode(x), rtol=1e-5, atol=1e-6)
    assert exported.generate(tf.constant(5), tf.constant(2)).shape == (2, 5, 88)


def test_the_card_has_data_recipe_seed_and_figures(finished):
    """Figures are those of `frame_log_likelihood` and `roll_statistics`."""
    card = (finished[0] / "card.md").read_text()
    training, validating, test = datasets.folk_tunes().split(seed=0)
    for words in ("folk-tunes RNN-RBM, 88-3", "public domain", "CD-15", "seed 0", *validating.names, *test.names):
        assert words in card
    model = keras.models.load_model(finished[0] / "model.keras", compile=False)
    for which, part in (("validation", validating), ("test", test)):
        found = keras_rbm.likelihood.frame_log_likelihood(model, *datasets.subsequences(part, None), verbose=0)
        assert f"| log-likelihood, {which} tune | {found.joined:.3f} nats a frame (log Z is exact) |" in card
        assert f"| expected accuracy, {which} tune | {100 * found.accuracy:.1f} % |" in card
    played = [midi.read(finished[0] / f"generated-{i}.mid", dt=0.25) for i in (1, 2)]
    played = [np.pad(roll, ((0, 12 - len(roll)), (0, 0))) for roll in played]
    pair = [datasets.roll_statistics(x, 0.25, 21) for x in (training, [played[0], played[1][8:]])]
    assert "| notes a frame | {:.2f} | {:.2f} |".format(*(found["notes_per_frame"] for found in pair)) in card
    assert "| mean length of a held note | {:.2f} s | {:.2f} s |".format(*(x["held_seconds"] for x in pair)) in card
    for name, found in zip(("training tunes", "generated"), pair, strict=True):
        shares = " | ".join(f"{100 * share:.0f}" for share in found["pitch_classes"])
        assert f"| {name} | {shares} |" in card


def test_the_output_says_what_the_card_says_and_where_to_go_on(finished):
    folder, said = finished
    card = (folder / "card.md").read_text()
    rows = re.findall(r"^\| (.*?) \| ([^|]*) \|$", card.split("## Measured")[1].split("| |")[0], re.M)
    assert len(rows) > 6
    for name, value in rows[1:]:
        assert re.search(rf"^  {re.escape(name)} +{re.escape(value)}$", said, re.M) or name == "what"
    for name in SHOWN:
        assert name in said
    assert f"tensorboard --logdir {folder}/logs" in said


def test_commands_in_output_and_card_are_understood(finished, own):
    lines = re.findall(r"^ *(keras-rbm .*)$", "".join([finished[1], own[1]]), re.M)
    cards = [re.search(r"^    (keras-rbm .*)$", (x[0] / "card.md").read_text(), re.M)[1] for x in (finished, own)]
    assert len(lines) == 2
    for line in [*lines, *cards]:
        options = cli.parser().parse_args(shlex.split(line, comments=True)[1:])
        assert options.command.__name__ == "music"
    assert (options.dt, options.notes, options.to_c, options.instrument) == (0.5, [48, 72], True, "Violin")


@pytest.mark.slow
def test_the_same_seed_makes_the_same_music(finished, other, tmp_path, monkeypatch):
    without_report(monkeypatch)
    assert run(tmp_path / "run", *TINY) == 0
    for name in ("generated-1.mid", "generated-2.mid"):
        tune = (finished[0] / name).read_bytes()
        assert (tmp_path / "run" / name).read_bytes() == tune
        assert (other[0] / name).read_bytes() != tune


@pytest.mark.slow
def test_the_epoch_that_was_best_on_validation_is_kept(tmp_path, monkeypatch, capsys):
    without_report(monkeypatch)
    epochs, figures = [], [-3.0, -1.0, -2.0]

    def judged(model, *_, **__):
        joined = figures[len(epochs)]
        epochs.append(model.get_weights())
        sides = {"lower": -9.0 - joined, "upper": 0.0}  # reverse AIS alone would keep another epoch
        return SimpleNamespace(joined=joined, **sides, accuracy=0.5, frame_accuracy=0.5)

    monkeypatch.setattr("keras_rbm.callbacks.frame_likelihood_monitor.frame_log_likelihood", judged)
    assert run(tmp_path / "run", *TINY, "--epochs", 3) == 0
    kept = keras.models.load_model(tmp_path / "run" / "model.keras").get_weights()
    for a, b in zip(kept, epochs[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert "epoch 2, the best on validation" in capsys.readouterr().out


# --- the user's own files


def test_own_files_are_read_as_asked(own, tunes_folder):
    folder, said, _ = own
    assert {path.name for path in folder.iterdir()} == WRITTEN | {"generated-3.mid"}
    model = keras.models.load_model(folder / "model.keras", compile=False)
    assert model.visible.width == 25
    assert isinstance(model.recurrent[0], keras.layers.GRU)
    assert "on mine (4 tunes)" in said
    assert "4 MIDI files, a frame each 0.5 s, notes 48 to 72, transposed to C" in (folder / "card.md").read_text()
    tunes = midi.load([tunes_folder / f"{i}.mid" for i in range(4)], dt=0.5, notes=(48, 72), to_c=True)
    second = midi.read(folder / "generated-2.mid", dt=0.5, notes=(48, 72))
    np.testing.assert_array_equal(second[:2], tunes.split()[2].rolls[0][:2])


def test_music_sounds_as_asked(own):
    import pretty_midi

    played = pretty_midi.PrettyMIDI(str(own[0] / "generated-1.mid"))
    assert pretty_midi.program_to_instrument_name(played.instruments[0].program) == "Violin"
    assert played.get_tempo_changes()[1] == pytest.approx([90], abs=0.01)


def test_a_broken_file_is_a_line_of_stderr(own):
    lines = [line for line in own[2].splitlines() if "broken.mid" in line]
    assert len(lines) == 1
    assert lines[0].startswith("keras-rbm: broken.mid is left out: it is no MIDI file")
    assert "Warning" not in own[2]


@pytest.mark.parametrize("number", [1, 2])
def test_one_file_or_two_are_cut_in_three(number, tunes_folder, tmp_path):
    for i in range(number):
        (tmp_path / f"{i}.mid").write_bytes((tunes_folder / f"{i}.mid").read_bytes())
    job = MusicRun(
        MusicConfig(midi=tmp_path if number == 2 else tmp_path / "0.mid", dt=0.5), tmp_path.with_name("elsewhere")
    )
    job.check()
    for tune, *cut in zip(job.tunes.rolls, *(part.rolls for part in job.parts), strict=True):
        np.testing.assert_array_equal(np.concatenate(cut), tune)
        assert [len(part) for part in cut] == ([16, 2, 2] if len(tune) == 20 else [16, 2, 3])
    assert job.prime_tune[1] == "0.mid, its end"
    assert job.prime == 2


# --- what is refused


BAD = {
    "no epochs": (["--epochs", 0], "`epochs` must be a positive integer"),
    "no units": (["--units", 0], "`units` must be a positive integer"),
    "no recurrence": (["--recurrent", 0], "`recurrent` must be a positive integer"),
    "no frames": (["--frames", 0], "`frames` must be a positive integer"),
    "no files": (["--num", 0], "`num` must be a positive integer"),
    "no sweeps": (["--gibbs-steps", 0], "`gibbs_steps` must be a positive integer"),
    "unknown cell": (["--cell", "rnn"], "`cell` must be one of simple, lstm, gru"),
    "no learning": (["--learning-rate", 0], "`learning_rate` must be positive and finite"),
    "NaN": (["--learning-rate", "nan"], "`learning_rate` must be positive and finite"),
    "dt": (["--dt", 0.5], "frames of 0.25 s, notes 21 to 108, in C major and A minor. Received: --dt without --midi"),
    "notes": (["--notes", 40, 80], "Received: --notes without --midi"),
    "to C": (["--to-c"], "Received: --to-c without --midi"),
    "negative prime": (["--prime", -1], "`prime` must not be negative"),
    "prime over the frames": (["--frames", 8], "counts those of `prime` too, and must be more. Received: frames=8"),
    "prime over the tune": (["--prime", 25, "--frames", 200], "Received: prime=25; Auld Lang Syne has 24"),
    "prime of no file": (["--num", 1], "the second file that `prime` begins"),
    "tempo": (["--tempo", 0], "`tempo` must be a number from 4 to 1000"),
    "instrument": (["--instrument", "Theremin"], "Received: instrument='Theremin'"),
    "instrument number": (["--instrument", 128], "Received: instrument=128"),
    "seed": (["--seed", -1], "`seed` must be an integer of at least 0"),
    "huge seed": (["--seed", 2**32], "`seed` must be at most 4294967295"),
    "units beyond memory": (["--units", 10**9, "--recurrent", 10**9], "would take 16,000,002,112.0 GB of memory"),
    "recurrence beyond memory": (["--recurrent", 10**8], "with gradients, would take"),
    "units beyond counts": (["--units", 2**31], "`units` must be at most 2147483647"),
    "prime beyond counts": (["--prime", 2**31], "`prime` must be at most 2147483647"),
    "nothing there": (["--midi", "not_there"], "no MIDI file and no folder at"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_arguments_make_no_folder(arguments, message, tmp_path, capsys):
    assert run(tmp_path / "run", *TINY, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("keras-rbm: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_bad_midi_costs_no_music_of_the_run_before(tmp_path, tunes_folder, capsys):
    folder, empty = tmp_path / "run", tmp_path / "empty"
    for path in (folder, empty):
        path.mkdir()
    for name in ("generated-1.mid", "card.md"):
        (folder / name).write_text("before")
    before = contents(folder)
    bad = (
        (["--midi", empty], "at least one .mid or .midi file"),
        (["--midi", tunes_folder / "broken.mid"], "At least one MIDI file must be readable"),
        (["--midi", tunes_folder, "--dt", 0], "`dt` must be a positive number"),
        (
            ["--midi", tunes_folder, "--dt", 1e-9],
            "`dt` must be from 0.001 to 60 seconds. Received: dt=1e-09, which makes",
        ),
        (["--midi", tunes_folder, "--dt", 1e9], "`dt` must be from 0.001 to 60 seconds"),
        (["--midi", tunes_folder, "--dt", "nan"], "`dt` must be a positive number"),
        (["--midi", tunes_folder, "--notes", 80, 40], "Give notes=(40, 80)"),
        (["--midi", tunes_folder / "0.mid", "--dt", 5, "--prime", 1], "Tunes that are less than 3 are cut in tenths"),
        (["--midi", tunes_folder, "--prime", 40, "--frames", 50], "`prime` must be at most the frames"),
    )
    for arguments, message in bad:
        assert run(folder, *TINY, "--overwrite", *arguments) == 1
        assert message in capsys.readouterr().err
        assert contents(folder) == before


def test_music_is_not_written_among_the_tunes(tunes_folder, capsys):
    before = contents(tunes_folder)
    assert run(tunes_folder / "new", *TINY, "--midi", tunes_folder, "--prime", 1) == 1
    assert "must not lie among the tunes" in capsys.readouterr().err
    assert contents(tunes_folder) == before


# --- what is there already


def test_an_existing_folder_is_not_touched(finished, capsys):
    before = contents(finished[0])
    assert run(finished[0], *TINY) == 1
    assert contents(finished[0]) == before
    error = capsys.readouterr().err
    assert f"{finished[0]} exists, and nothing in it was touched" in error
    assert "--overwrite" in error


def test_overwriting_removes_only_what_a_run_wrote(other):
    folder, mine = other
    assert {path.name for path in folder.iterdir()} == mine | WRITTEN - {"figures", "saved_model", "card.md"}
    assert all((folder / name).read_text() == "before" for name in mine)
    assert (folder / "generated-1.mid").read_bytes().startswith(b"MThd")


# --- Ctrl-C


def test_ctrl_c_saves_what_is_trained(tmp_path, monkeypatch, capsys):
    """In the second epoch of three."""
    folder = tmp_path / "a run"

    def stop(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(keras_rbm.callbacks.PianoRolls, "on_epoch_begin", stop, raising=False)
    assert run(folder, *TINY, "--epochs", 3, "--learning-rate", 0.1) == 130
    said = capsys.readouterr().err
    assert f"Interrupted in epoch 2 of 3. Saved what is trained so far: model.keras, in {folder}" in said
    model = keras.models.load_model(folder / "model.keras")
    assert np.abs(model.w_uv).max() > 0.05  # from 0.01 times a normal number, by steps of 0.1
    assert model.generate(3).shape == (1, 3, 88)
    assert {path.name for path in folder.iterdir()} == {"model.keras", "logs", "checkpoints", "recipe.json"}
    again = shlex.split(re.search(r"(keras-rbm music .*)", said)[1])
    options = cli.parser().parse_args(again[1:])
    assert (options.output, options.resume) == (folder, True)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_ends_where_it_would_have_ended(tmp_path, monkeypatch, capsys):
    """Model, music and curves; each epoch is logged once."""
    words = [*TINY, "--epochs", 3, "--learning-rate", 0.1]
    assert run(tmp_path / "whole", *words) == 0

    def stop(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras_rbm.callbacks.PianoRolls, "on_epoch_begin", stop, raising=False)
        assert run(tmp_path / "killed", *words) == 130
    assert run(tmp_path / "killed", "--resume", "--epochs", 4) == 1
    assert "--resume goes on with the run's own recipe" in capsys.readouterr().err
    assert run(tmp_path / "killed", "--resume") == 0
    whole, resumed = (tmp_path / name for name in ("whole", "killed"))
    for a, b in zip(*(keras.models.load_model(x / "model.keras").get_weights() for x in (whole, resumed)), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("generated-1.mid", "generated-2.mid", "logs/history.csv"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()
    assert {path.name for path in resumed.iterdir()} == WRITTEN
    assert run(resumed, "--resume") == 0
    assert "is finished" in capsys.readouterr().out


def test_ctrl_c_before_anything_is_trained(tmp_path, tunes_folder, monkeypatch, capsys):
    """The folder is named after the tunes."""

    def stop(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras_rbm.RBM, "adapt", stop)
    for path, name in ((None, "folk-tunes"), (tunes_folder, "mine"), (tunes_folder / "0.mid", "0")):
        given = ["--midi", str(path), "--frames", "20"] if path else []
        assert cli.main(["music", *given]) == 130
        assert f"nothing yet, in saved_models/{name}-music" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.keras"))


def test_help(capsys):
    with pytest.raises(SystemExit) as exit_status:
        cli.main(["music", "--help"])
    assert exit_status.value.code == 0
    assert "--gibbs-steps K" in capsys.readouterr().out


# --- statistics


def test_statistics_by_hand():
    """Notes 59 to 62. First roll: B for frames 0 and 1, C for 1 to 3, silence; second: silence, D, silence, D."""
    first = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    second = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]])
    found = datasets.roll_statistics([first, second], dt=0.5, lowest=59)
    assert found["notes_per_frame"] == pytest.approx(7 / 9)
    assert found["silent"] == pytest.approx(3 / 9)
    assert found["held_seconds"] == pytest.approx(0.5 * (2 + 3 + 1 + 1) / 4)
    np.testing.assert_allclose(found["pitch_classes"], np.array([3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2]) / 7)


def test_octaves_are_one_pitch_class():
    found = datasets.roll_statistics([np.ones((3, 25))], dt=1.0, lowest=21)
    shares = np.full(12, 2 / 25)
    shares[21 % 12] = 3 / 25
    np.testing.assert_allclose(found["pitch_classes"], shares)
    assert found["held_seconds"] == 3


def test_statistics_of_silence():
    found = datasets.roll_statistics([np.zeros((3, 5))], dt=0.25, lowest=60)
    assert (found["notes_per_frame"], found["silent"], found["held_seconds"]) == (0, 1, 0)
    np.testing.assert_array_equal(found["pitch_classes"], 0)


@pytest.mark.parametrize(
    ("rolls", "dt", "message"),
    [
        ([], 0.25, "at least one. Received: none"),
        ([np.full((3, 5), 0.5)], 0.25, "0 and 1 only"),
        ([np.ones(5)], 0.25, r"shape \(frames, notes\)"),
        ([np.ones((3, 5))], 0.0, "`dt` must be a positive number of seconds"),
    ],
)
def test_statistics_refuse(rolls, dt, message):
    with pytest.raises(ValueError, match=message):
        datasets.roll_statistics(rolls, dt, 21)


@pytest.mark.parametrize("name", ["figures", "generated-7.mid"])
def test_tunes_that_overwriting_would_remove_are_refused(name, tunes_folder, tmp_path, capsys):
    source = tmp_path / name
    if source.suffix:
        source.write_bytes((tunes_folder / "0.mid").read_bytes())
    else:
        source.mkdir()
        for i in range(4):
            (source / f"{i}.mid").write_bytes((tunes_folder / f"{i}.mid").read_bytes())
    (tmp_path / "card.md").write_text("of a run")
    before = contents(tmp_path)
    assert run(tmp_path, "--midi", source, "--overwrite", *TINY) == 1
    assert contents(tmp_path) == before
    assert "The tunes must not be what a run writes and --overwrite removes" in capsys.readouterr().err


def test_overwriting_needs_a_run_to_overwrite(tmp_path, capsys):
    (tmp_path / "generated-1.mid").write_text("mine")
    assert run(tmp_path, "--overwrite", *TINY) == 1
    assert contents(tmp_path) == {"generated-1.mid": b"mine"}
    assert "holds no run of keras-rbm music" in capsys.readouterr().err
