"""The command line: what it writes, what it leaves alone, how it stops and goes on."""

import contextlib
import errno
import io
import json
import os
import re
import shutil
import warnings
import zipfile
from dataclasses import asdict
from pathlib import Path

import keras
import matplotlib.figure
import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

import keras_rbm
from keras_rbm import checks
from keras_rbm.jobs import measures
from keras_rbm.jobs.cli import main
from keras_rbm.jobs.dbn.config import DBNConfig
from keras_rbm.jobs.dbn.run import DBNRun
from keras_rbm.jobs.files import alone_in
from tests.support.cheap import compiled, run_eagerly

SHORT = ["--epochs", 1, "--batch-size", 200, "--layers", 6, 4, "--wake-sleep-epochs", 0, "--fine-tune-epochs", 0]
TINY = ["--epochs", 1, "--batch-size", 200, "--layers", 8, 6, "--wake-sleep-epochs", 1, "--fine-tune-epochs", 1]

X = (np.random.default_rng(0).random((60, 9)) > 0.5).astype("float32")

WRITTEN = {"dbn.keras", "classifier.keras", "saved_model", "figures", "logs", "card.md", "recipe.json"}


def run(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def train(folder, *arguments) -> int:
    return run("train", "--output", folder, *arguments)


def one_line(capsys) -> str:
    """What was said on stderr, which must be a single line of the command's own."""
    error = capsys.readouterr().err
    assert error.startswith("keras-rbm: ")
    assert error.count("\n") == 1
    return error


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def fast():
    """Compiled takes longer than the rest of a tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        run_eagerly(patch, max_sweeps=3)
        patch.setattr("keras_rbm.jobs.dbn.run.SECONDS", 0.0)  # every epoch is saved
        yield patch


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run on the digits, done; tests leave it as it is."""
    folder, said, steps = tmp_path_factory.mktemp("runs") / "digits", io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(steps):
        assert train(folder, *TINY, "--json") == 0
    folder.with_name("said.json").write_text(said.getvalue())
    folder.with_name("steps.txt").write_text(steps.getvalue())
    return folder


OWN = {
    "no labels": ({"x_train": X}, {"classifier.keras"}),
    "no pictures": ({"x_train": X[:, :8], "y_train": np.arange(60) % 2}, set()),
}


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> dict[str, Path]:
    """Runs on the user's own data: over an earlier run, and into an empty folder; tests leave them as they are."""
    folders = {kind: tmp_path_factory.mktemp("own") for kind in OWN}
    (folders["no labels"] / "figures").mkdir()
    for name in ("notes.txt", "card.md", "figures/old.png"):
        (folders["no labels"] / name).write_text("before")
    for kind, (arrays, _) in OWN.items():
        data = tmp_path_factory.mktemp("data") / "mine.npz"
        np.savez(data, **arrays)
        overwrite = ["--overwrite"] if any(folders[kind].iterdir()) else []
        assert train(folders[kind], "--dataset", data, *TINY, *overwrite) == 0
    return folders


@pytest.fixture
def npz(tmp_path):
    """A function that writes arrays to a file and returns its path."""

    def write(**arrays) -> Path:
        np.savez(tmp_path / "mine.npz", **arrays)
        return tmp_path / "mine.npz"

    return write


# --- what machines and logs are told


def the_object(text: str) -> dict:
    """One JSON object in one line, all of whose numbers are finite."""
    assert text.count("\n") == 1
    return json.loads(text, parse_constant=pytest.fail)


def words(found: dict) -> dict[str, str]:
    return {name: value["words"] for name, value in found["measured"].items()}


def test_train_tells_machines_all_that_the_card_has(finished):
    found = the_object(finished.with_name("said.json").read_text())
    card = (finished / "card.md").read_text()
    assert found["output"] == str(finished)
    assert found["recipe"] == json.loads((finished / "recipe.json").read_text())
    assert f"- {found['training_cases']} cases to train on" in card
    assert [line for line in card.splitlines() if line.startswith("| ")][1:] == [
        f"| {name} | {value} |" for name, value in words(found).items()
    ]
    accuracy = found["measured"]["test accuracy, fine-tuned DBN"]
    assert accuracy["cases"] == 360
    assert accuracy["accuracy"] == pytest.approx(1 - accuracy["errors"] / 360)
    assert accuracy["words"].startswith(f"{100 * accuracy['accuracy']:.2f} % ({accuracy['errors']:.0f} errors")
    rows = (finished / "logs" / "wake-sleep" / "history.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    assert found["last_epochs"]["wake-sleep"]["val_reconstruction_error"] == float(last["val_reconstruction_error"])


def test_a_stage_is_a_line_where_nobody_watches(finished):
    lines = finished.with_name("steps.txt").read_text().splitlines()
    took = r"1 epoch in \d+:\d\d; validation"
    expected = [
        *[rf"{title}: {took} error \d+\.\d\d nats" for title in ("layer 1 of 2", "layer 2 of 2", "wake-sleep")],
        *[rf"{title}: {took} accuracy \d+\.\d%" for title in ("fine-tuning", "rectifiers beside it")],
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)


def test_evaluate_tells_machines_what_it_tells_people(finished, capsys):
    capsys.readouterr()
    assert run("evaluate", finished, *QUICK) == 0
    measured, _, diagnosis = capsys.readouterr().out.partition("\n\n")
    assert run("evaluate", finished, *QUICK, "--json") == 0
    found = the_object(capsys.readouterr().out)
    assert words(found) == rows(measured)
    assert {finding["name"] for finding in found["diagnosis"]} >= {"mixing", "correlations", "overfitting"}
    for finding in found["diagnosis"]:
        assert re.search(rf"^ *{finding['verdict']} +{finding['name']} ", diagnosis, re.M), diagnosis
    samples = found["samples"]
    assert f"\n\n{samples['about']}\n\nneighbours  " in diagnosis
    assert samples["about"].startswith(
        "360 samples of a DBN: chains from its biases after 5 sweeps, beside 360 of 1294"
    )
    for side in ("aats", "validation"):
        assert f"{samples[side]['truth']:.3f} (+- {samples[side]['truth_error']:.3f})" in diagnosis
    assert samples["classes"]["classes"] == [str(digit) for digit in range(10)]
    assert (found["test_cases"], found["num_chains"], found["binarize"], found["seed"]) == (360, 10, "sample", 0)
    bound = found["measured"]["variational lower bound of the log-likelihood, test set"]
    assert bound["words"].startswith(f"{bound['nats']:.3f} nats")


def test_sample_and_export_tell_machines_what_they_wrote(finished, tmp_path, capsys):
    capsys.readouterr()
    picture, model = tmp_path / "a.png", tmp_path / "model"
    assert run("sample", finished, "--num", 2, "--steps", 1, "--output", picture, "--json") == 0
    assert the_object(capsys.readouterr().out) == {"output": str(picture), "num": 2, "steps": 1, "seed": None}
    assert run("export", finished, "--output", model, "--json") == 0
    found = the_object(capsys.readouterr().out)
    assert (found["output"], found["format"]) == (str(model), "tf_saved_model")
    assert {"encode", "reconstruct", "gibbs", "sample"} <= set(found["signatures"])
    assert set(found["signatures"]) == set(tf.saved_model.load(str(model)).signatures) - {"serving_default", "serve"}


def test_what_is_refused_is_a_line_for_machines_too(tmp_path, capsys):
    assert run("evaluate", tmp_path, "--json") == 1
    assert capsys.readouterr().out == ""


def test_json_has_no_numbers_that_are_none():
    found = measures.plain({"a": [float("nan"), float("inf"), 1.5], "b": (Path("c"), None, True)})
    assert found == {"a": [None, None, 1.5], "b": ["c", None, True]}


# --- train


def test_a_run_leaves_models_figures_logs_and_a_card(finished):
    assert {path.name for path in finished.iterdir()} == WRITTEN
    figures = {path.stem for path in (finished / "figures").iterdir()}
    assert figures == {"filters", "reconstructions", "fantasies", "learning_curves", "fine_tuning_curves"}
    for path in (finished / "figures").iterdir():
        assert len(np.unique(matplotlib.image.imread(path))) > 2
    assert list((finished / "logs").rglob("*tfevents*"))


def test_the_models_of_a_run(finished):
    dbn = keras.models.load_model(finished / "dbn.keras")
    assert dbn.units == [8, 6]
    data = keras_rbm.load("digits")
    classifier = keras.models.load_model(finished / "classifier.keras")
    assert classifier(data.x_test).shape == (360, 10)
    assert all(type(layer).__module__.startswith("keras.") for layer in classifier.layers)
    exported = tf.saved_model.load(str(finished / "saved_model"))
    np.testing.assert_allclose(exported.encode(data.x_test), dbn.encode(data.x_test), rtol=1e-5, atol=1e-6)


def test_the_card_has_data_recipe_seed_and_figures(finished):
    card = (finished / "card.md").read_text()
    for words in (
        "digits DBN, 64-8-6",
        "load_digits",
        "CD-1",
        "seed 0",
        "reconstruction error of the DBN, test set",
        "pseudo-log-likelihood of the first RBM",
        "test accuracy, fine-tuned DBN",
        "test accuracy, rectifiers from random weights",
        "test accuracy, logistic regression on pixels",
        "test accuracy, support vector machine on pixels",
        "does pretraining pay with 1294 labels",
        "the grey levels themselves",
    ):
        assert words in card
    data, classifier = keras_rbm.load("digits"), keras.models.load_model(finished / "classifier.keras")
    correct = classifier.predict(data.x_test, verbose=0).argmax(1) == data.y_test
    assert (
        f"| test accuracy, fine-tuned DBN | {100 * correct.mean():.2f} % ({np.sum(~correct)} errors in 360) |" in card
    )


def test_an_existing_folder_is_not_touched(finished, capsys):
    before = contents(finished)
    assert train(finished, *TINY) == 1
    assert contents(finished) == before
    error = capsys.readouterr().err
    assert f"{finished} exists, and nothing in it was touched" in error
    assert "--output" in error
    assert "--resume" in error
    assert "--overwrite" in error


def test_an_existing_file_is_not_touched(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert train(tmp_path / "file", *TINY) == 1
    assert "exists" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_overwriting_removes_only_what_a_run_wrote(own):
    folder = own["no labels"]
    assert (folder / "notes.txt").read_text() == "before"
    assert (folder / "card.md").read_text() != "before"
    assert not (folder / "figures" / "old.png").exists()


@pytest.mark.parametrize(
    "arrays",
    [{"x_train": 255 * X}, {"x": X}, {"x_train": X, "x_test": 255 * X}],
    ids=["pixels", "no x_train", "x_test"],
)
def test_bad_data_cost_no_models_of_the_run_before(arrays, npz, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("dbn.keras", "card.md"):
        (folder / name).write_text("before")
    before = contents(folder)
    assert train(folder, "--dataset", npz(**arrays), *SHORT, "--overwrite") == 1
    assert contents(folder) == before


@pytest.mark.slow
def test_compiled_into_an_empty_folder(npz, tmp_path):
    """With XLA, as a user's run; an empty folder is as good as none."""
    (tmp_path / "run").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        compiled(patch)
        assert train(tmp_path / "run", "--dataset", npz(x_train=X), *SHORT) == 0
    assert (tmp_path / "run" / "card.md").exists()


@pytest.mark.parametrize("kind", OWN)
def test_the_users_own_data(kind, own, capsys):
    folder, (arrays, lacking) = own[kind], OWN[kind]
    mine = {"notes.txt"} if kind == "no labels" else set()
    assert {path.name for path in folder.iterdir()} == WRITTEN - lacking | mine
    card = (folder / "card.md").read_text()
    assert "mine DBN" in card
    assert "reconstruction error of the DBN" in card
    assert ("accuracy" in card) == ("y_train" in arrays)
    assert (folder / "figures" / "filters.png").exists() == (arrays["x_train"].shape[1] == 9)
    capsys.readouterr()
    assert run("evaluate", folder) == 0
    assert "reconstruction error" in capsys.readouterr().out


BAD_RUNS = {
    "unknown dataset": (["--dataset", "mnits"], "digits, bars_and_stripes, mnist, fashion_mnist, kmnist"),
    "missing file": (["--dataset", "not_there.npz"], "not_there.npz"),
    "unknown sampler": (["--sampler", "gibbs"], "'cd', 'pcd'"),
    "unknown word": (["--binarize", "round"], "sample, threshold, none"),
    "one layer": (["--layers", "8"], "`layers` must name at least two layers. Received: 8"),
    "layer of zero": (["--layers", "8", "0"], "`layers` must be a positive integer"),
    "no epochs": (["--epochs", "0"], "`epochs` must be a positive integer"),
    "negative epochs": (["--wake-sleep-epochs", "-1"], "`wake_sleep_epochs` must not be negative"),
    "no batch": (["--batch-size", "0"], "`batch_size` must be a positive integer"),
    "no steps": (["--gibbs-steps", "0"], "must be a positive integer"),
    "no learning": (["--learning-rate", "0"], "`learning_rate` must be positive and finite"),
    "NaN": (["--fine-tune-learning-rate", "nan"], "`fine_tune_learning_rate` must be positive and finite"),
    "nothing to resume": (["--resume"], "holds no run of keras-rbm train"),
    "layers beyond memory": (
        ["--layers", "1000000000", "1000000000"],
        "with gradients, would take 8,000,000,008.0 GB of memory, of which there are",
    ),
    "layers beyond counts": (["--layers", "8", "2147483648"], "`layers` must be at most 2147483647"),
    "epochs beyond counts": (["--fine-tune-epochs", "4294967297"], "`fine_tune_epochs` must be at most 2147483647"),
    "negative seed": (["--seed", "-5"], "`seed` must be an integer of at least 0, or None. Received: seed=-5"),
    "seed beyond NumPy's": (["--seed", str(2**32)], "`seed` must be at most 4294967295. Received: seed=4294967296"),
    "huge seed": (["--seed", str(2**70)], "`seed` must be at most 4294967295"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_RUNS.values(), ids=BAD_RUNS)
def test_bad_arguments_make_no_folder(arguments, message, tmp_path, capsys):
    assert train(tmp_path / "run", *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("keras-rbm: ")
    assert message in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": 255 * X}, "[0, 1]. Received: min=0, max=255"),
        ({"x_train": X, "x_test": 255 * X[:5]}, "Divide pixels by 255"),
        ({"x_train": np.where(np.arange(9) == 3, np.nan, X)}, "NaN"),
        ({"x_train": X, "y_train": np.zeros(60)}, "class"),
    ],
    ids=["pixels", "test pixels", "NaN", "one class"],
)
@pytest.mark.parametrize("binarize", ["sample", "none"])
def test_bad_data_make_no_folder(arrays, message, binarize, npz, tmp_path, capsys):
    folder = tmp_path / "run"
    assert train(folder, "--dataset", npz(**arrays), *SHORT, "--fine-tune-epochs", 1, "--binarize", binarize) == 1
    assert message.lower() in capsys.readouterr().err.lower()
    assert not folder.exists()


@pytest.mark.parametrize("layers", [["--layers"], ["--layers", "eight"], ["--layers", "8.5"]])
def test_layers_that_are_no_numbers(layers, capsys):
    with pytest.raises(SystemExit) as exit_status:
        run("train", *layers)
    assert exit_status.value.code == 2
    assert "--layers" in capsys.readouterr().err


# --- what is damaged

RECIPES = {
    "empty": ("", "Expecting value"),
    "half": ('{"dataset": "digits", "lay', "Unterminated string"),
    "binary": ("\x00\x01", "Expecting value"),
    "deep": ("[" * 100_000, "recursion"),
    "no object": ("[1, 2]", "it holds list, not fields"),
    "a field less": ({"layers": None, "seed": ...}, "it lacks `seed`"),
    "fields more": ({"momentum": 0.5, "decay": 1}, "it has `decay`, `momentum`"),
    "layers a word": ({"layers": "many"}, "`layers` must be a positive integer"),
    "layers a number": ({"layers": 5}, "not iterable"),
    "epochs a word": ({"epochs": "ten"}, "`epochs` must be a positive integer"),
    "rate a word": ({"learning_rate": "high"}, "not supported"),
    "dataset a number": ({"dataset": 5}, "`dataset` must be a word. Received: 5"),
    "dataset a list": ({"dataset": []}, "`dataset` must be a word"),
    "old sampler": ({"sampler": "gibbs"}, "'cd', 'pcd'"),
    "layers beyond memory": ({"layers": [10**9, 10**9]}, "GB of memory"),
}


@pytest.mark.parametrize(("recipe", "message"), RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("command", ["train", "evaluate", "sample", "export"])
def test_a_damaged_recipe(command, recipe, message, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    if isinstance(recipe, dict):
        fields = {name: value for name, value in {**asdict(DBNConfig()), **recipe}.items() if value is not ...}
        recipe = json.dumps(fields)
    (folder / "recipe.json").write_text(recipe)
    before = contents(tmp_path)
    words = ("--resume", "--output", folder) if command == "train" else (folder,)
    assert run(command, *words) == 1
    error = one_line(capsys)
    assert f"{folder / 'recipe.json'} is no recipe that this version of keras-rbm train wrote whole: " in error
    assert message in error
    assert error.endswith("Train anew, with --overwrite or into another --output.\n")
    assert contents(tmp_path) == before


def rezipped(path: Path, **changed: bytes | None) -> None:
    """Other content of files in a .keras archive, given by the first word of their names; `None` removes one."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            if (data := changed.get(name.split(".")[0], data)) is not None:
                archive.writestr(name, data)


DAMAGES = {
    "no zip": lambda path: path.write_bytes(b"hello" * 99),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no config": lambda path: rezipped(path, config=None),
    "half a config": lambda path: rezipped(path, config=b"{"),
    "another config": lambda path: rezipped(path, config=b"[]"),
    "no weights": lambda path: rezipped(path, model=None),
    "other weights": lambda path: rezipped(path, model=b"hello"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_model(damage, finished, tmp_path, capsys):
    """A file by itself, and that of a run."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("dbn.keras", "recipe.json"):
        shutil.copy(finished / name, folder)
    damage(folder / "dbn.keras")
    before = contents(tmp_path)
    assert run("evaluate", folder / "dbn.keras", "--dataset", "digits") == 1
    error = one_line(capsys)
    assert f"{folder / 'dbn.keras'} cannot be read as .keras: " in error
    assert error.endswith("Save the model anew, by model.save(path).\n")
    for words in (("evaluate", folder), ("sample", folder), ("export", folder)):
        assert run(*words) == 1
        assert f"The models of {folder} cannot be read as .keras: " in one_line(capsys)
    assert contents(tmp_path) == before


def test_a_run_without_its_model(finished, tmp_path, capsys):
    shutil.copy(finished / "recipe.json", tmp_path)
    assert run("evaluate", tmp_path) == 1
    assert "dbn.keras is missing: training has not come so far" in one_line(capsys)


def test_another_model_in_the_place_of_a_runs(finished, tmp_path, capsys):
    shutil.copy(finished / "recipe.json", tmp_path)
    shutil.copy(finished / "classifier.keras", tmp_path / "dbn.keras")
    assert run("evaluate", tmp_path) == 1
    assert "dbn.keras holds a Sequential" in one_line(capsys)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(99), b"hello"])
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_damaged_data(command, content, tmp_path, capsys):
    (tmp_path / "bad.npz").write_bytes(content)
    (tmp_path / "rbm.keras").touch()
    before = contents(tmp_path)
    words = ("--output", tmp_path / "run") if command == "train" else (tmp_path / "rbm.keras",)
    assert run(command, *words, "--dataset", tmp_path / "bad.npz") == 1
    assert "cannot be read as" in one_line(capsys)
    assert contents(tmp_path) == before


# --- where nothing can be written

COMMANDS = {
    "train": ("train", *SHORT),
    "music": ("music", "--epochs", 1),
    "sample": ("sample", "RUN", "--steps", 1),
    "export": ("export", "RUN"),
}


@pytest.fixture(params=COMMANDS.values(), ids=COMMANDS)
def command(request, finished) -> list:
    return [finished if word == "RUN" else word for word in request.param]


def test_an_output_below_a_file(command, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert run(*command, "--overwrite", "--output", tmp_path / "file" / "a" / "b.png") == 1
    assert f"b.png lies below {tmp_path / 'file'}, which is a file. Choose another --output" in one_line(capsys)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_folder_that_cannot_be_written_to(command, tmp_path, capsys, monkeypatch):
    """Whoever runs the tests may be allowed everything, so the system's answer is made up."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert run(*command, "--output", tmp_path / "new" / "b.png") == 1
    assert "b.png cannot be written: it is not allowed. Choose another --output" in one_line(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_an_output_of_the_other_kind(command, overwrite, tmp_path, capsys):
    """A file for a folder, a folder for a file."""
    target = tmp_path / "there.png"
    target.mkdir() if command[0] == "sample" else target.write_text("mine")
    assert run(*command, *overwrite, "--output", target) == 1
    assert str(target) in one_line(capsys)
    assert list(tmp_path.rglob("*")) == [target]
    assert target.is_dir() or target.read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a/b"),
            "No space left on device: a/b. Make room on the disk",
        ),
        (OSError(errno.EACCES, "Permission denied", "a/b"), "Permission denied: a/b. Change its rights, or choose"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system. Choose another --output."),
        (tf.errors.ResourceExhaustedError(None, None, "OOM\n at node"), "keras-rbm: OOM\n"),
        (
            tf.errors.ResourceExhaustedError(None, None, "{{a b}} a/b; No space left on device [Op:SaveV2]"),
            "keras-rbm: a/b; No space left on device. Make room on the disk",
        ),
        (
            RuntimeError("Disable slist failed (file write failed: time = Sat\n, errno = 28, error message = 'No'"),
            "keras-rbm: No space left on device. Make room on the disk",
        ),
        (MemoryError(), "too little memory"),
        (ValueError("one\ntwo"), "one\n"),
        (ValueError(), "ValueError"),
    ],
    ids=[
        "full",
        "denied",
        "read-only",
        "tensorflow",
        "full in tensorflow",
        "full in h5py",
        "memory",
        "lines",
        "nothing",
    ],
)
def test_an_error_is_one_line(error, message, tmp_path, capsys, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr(DBNRun, "check", fail)
    assert train(tmp_path / "run", *SHORT) == 1
    assert message in one_line(capsys)
    assert not list(tmp_path.iterdir())


def test_a_fault_of_the_program_is_no_line(tmp_path, monkeypatch):
    """Its traceback is what helps."""

    def fail(*args):
        raise RuntimeError("unexpected")

    monkeypatch.setattr(DBNRun, "check", fail)
    with pytest.raises(RuntimeError, match="unexpected"):
        train(tmp_path / "run", *SHORT)


# --- stopping and going on


class CtrlC(keras.callbacks.Callback):
    """At the start of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def stopped(fast, tmp_path_factory) -> tuple[Path, str]:
    """A run stopped by Ctrl-C in the second of three epochs of wake-sleep, and what it said."""
    parent, fit, said = tmp_path_factory.mktemp("stopped"), keras_rbm.DBN.fit, io.StringIO()
    np.savez(parent / "mine.npz", x_train=X, y_train=np.arange(60) % 2)

    def stopping(self, *args, callbacks, **kwargs):
        return fit(self, *args, callbacks=[*callbacks, CtrlC()], **kwargs)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(keras_rbm.DBN, "fit", stopping)
        arguments = ["--dataset", parent / "mine.npz", *TINY, "--wake-sleep-epochs", 3]
        assert train(parent / "run", *arguments) == 130
    return parent / "run", said.getvalue()


@pytest.fixture
def interrupted(stopped, tmp_path) -> Path:
    """A copy of that run, to go on with."""
    return shutil.copytree(stopped[0], tmp_path / "copy")


def test_ctrl_c_saves_and_says_how_to_go_on(stopped):
    folder, output = stopped
    assert "Interrupted in stage" in output
    assert "Saved what is trained so far: dbn.keras" in output
    assert f"keras-rbm train --resume --output {folder}" in output
    dbn = keras.models.load_model(folder / "dbn.keras")
    assert dbn.units == [8, 6]
    assert np.abs(dbn.rbms[0].w_rec).max() > 0
    assert not (folder / "card.md").exists()


def test_resuming_goes_on_where_it_stopped(interrupted, monkeypatch):
    """Finished stages are not repeated, the interrupted one goes on at its second epoch."""
    folder, epochs = interrupted, []

    def watched(self, epoch, logs=None):
        epochs.append((type(self.model).__name__, epoch))

    monkeypatch.setattr(keras.callbacks.CSVLogger, "on_epoch_begin", watched, raising=False)
    assert train(folder, "--resume") == 0
    assert epochs == [("DBN", 1), ("DBN", 2), ("Sequential", 0), ("Sequential", 0)]
    assert {path.name for path in folder.iterdir()} == WRITTEN
    history = next(folder.glob("logs/*wake*/history.csv")).read_text().splitlines()
    assert [line.split(",")[0] for line in history] == ["epoch", "0", "1", "2"]


def test_resuming_with_another_option_is_refused(interrupted, capsys):
    folder = interrupted
    before = contents(folder)
    assert train(folder, "--resume", "--epochs", 2) == 1
    error = capsys.readouterr().err
    assert "epochs" in error
    assert "run's own recipe" in error
    assert contents(folder) == before


def test_resuming_with_the_same_options_is_accepted(interrupted, monkeypatch):
    """It gets to where training goes on."""

    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(DBNRun, "train", stop)
    assert train(interrupted, "--resume", *TINY, "--wake-sleep-epochs", 3) == 130


def test_a_finished_run_is_left_as_it_is(finished, capsys):
    before = contents(finished)
    assert train(finished, "--resume") == 0
    assert f"The run in {finished} is finished" in capsys.readouterr().out
    assert contents(finished) == before


def test_a_run_of_an_older_version_is_not_resumed(interrupted, capsys):
    (interrupted / "progress.json").write_text("{}")
    before = contents(interrupted)
    assert train(interrupted, "--resume") == 1
    assert "is of an older version, which saved otherwise. Start anew with --overwrite" in capsys.readouterr().err
    assert contents(interrupted) == before


@pytest.mark.parametrize("words", [["train", "--resume"], ["train", "--overwrite"], ["music", "--overwrite"]])
def test_two_processes_do_not_write_to_one_folder(words, interrupted, capsys):
    before = contents(interrupted)
    with alone_in(interrupted):
        assert run(*words, "--output", interrupted) == 1
        error = one_line(capsys)
    assert f"Another process works in {interrupted}. Let it end, or choose another --output." in error
    assert contents(interrupted) == before


def test_ctrl_c_before_anything_is_trained(npz, tmp_path, monkeypatch, capsys):
    def stop(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(keras_rbm.DBN, "adapt", stop)
    assert train(tmp_path / "run", "--dataset", npz(x_train=X), *TINY) == 130
    assert "nothing yet" in capsys.readouterr().err


# --- evaluate, sample, export


QUICK = ("--chains", 10, "--temperatures", 50, "--burn-in", 5)


def rows(text: str) -> dict[str, str]:
    """What `keras-rbm evaluate` printed, by name."""
    return dict(re.split(r"  +", line, maxsplit=1) for line in text.splitlines() if "  " in line)


def test_evaluate_measures_as_the_card_does(finished, capsys):
    capsys.readouterr()
    assert run("evaluate", finished, *QUICK) == 0
    printed, card = capsys.readouterr().out, (finished / "card.md").read_text()
    assert "sample, seed 0: drawn here, not a published binary file" in printed
    assert "by: sample (seed 0, not a published binary file)." in card
    found = rows(printed)
    assert "test accuracy, fine-tuned DBN" in found
    for name, value in found.items():
        if "accuracy" in name or "reconstruction" in name:
            assert f"| {name} | {value} |" in card


@pytest.mark.parametrize("exact", [True, False])
def test_evaluate_prints_the_likelihood_of_a_run(exact, finished, capsys, monkeypatch):
    """The figures are those of `log_likelihood` on the test set, binarised with the run's seed."""
    if not exact:
        monkeypatch.setattr("keras_rbm.likelihood.exact.MAX_LOG2_STATES", 1)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run("evaluate", finished, *QUICK) == 0
        found = rows(capsys.readouterr().out)
        data = keras_rbm.load("digits")
        test, train = (keras_rbm.datasets.binarized(x, seed=0) for x in (data.x_test, data.x_train))
        dbn = keras.models.load_model(finished / "dbn.keras", compile=False)
        expected = keras_rbm.likelihood.log_likelihood(
            dbn, test, train, num_chains=10, num_temperatures=50, burn_in=5, verbose=0
        )
    bound = found["variational lower bound of the log-likelihood, test set"]
    assert expected.exact == exact
    if exact:
        assert bound == f"{expected.lower:.3f} nats a case (log Z is exact)"
    else:
        assert bound == (
            f"{expected.joined:.2f} +- {expected.standard_error:.2f} nats a case, both directions joined "
            f"({expected.lower:.2f} by reverse AIS, {expected.upper:.2f} by AIS)"
        )
        forward, backward = expected.log_partition
        for name, z in {"AIS": forward, "reverse AIS": backward, "both": expected.log_partition.joined}.items():
            assert found[f"log Z by {name} ({z.kind})"].startswith(
                f"{z.log_z:.3f}, standard error {z.standard_error:.3f}"
            )


def test_evaluate_measures_a_saved_rbm(tmp_path, capsys):
    """Exactly where it can: independent fair pixels have `16 log 2` nats."""
    rbm = keras_rbm.RBM(3, kernel_initializer="zeros", seed=0)
    rbm.build((None, 16))
    rbm.save(tmp_path / "rbm.keras")
    words = ("--dataset", "bars_and_stripes", "--binarize", "none", *QUICK, "--picture", tmp_path / "diagnosis.png")
    assert run("evaluate", tmp_path / "rbm.keras", *words) == 0
    found = rows(said := capsys.readouterr().out)
    assert "published" not in said
    assert "RBM 16-3, 30 of 30 rows, 1000 chains from data and 1000 from the biases: bad" in said
    assert "3 change without regard to data" in said
    assert "30 samples of an RBM: chains from its biases after 5 sweeps, beside 30 of 30 rows" in said
    for name in ("diagnosis.png", "diagnosis-samples.png"):
        assert matplotlib.image.imread(tmp_path / name).shape[1] > 1000
    assert found["log-likelihood, test set"] == "-11.090 nats a case (log Z is exact)"
    assert found["pseudo-log-likelihood, test set"] == "-11.09 nats a case"
    assert found["log Z, exact"] == f"{19 * np.log(2):.3f}"


def test_evaluate_gives_grey_levels_no_likelihood(tmp_path, capsys):
    rbm = keras_rbm.RBM(3, seed=0)
    rbm.build((None, 64))
    rbm.save(tmp_path / "rbm.keras")
    for words, why in (((), "Samples are states"), (("--no-quality",), "left out by --no-quality.")):
        assert run("evaluate", tmp_path / "rbm.keras", "--dataset", "digits", "--binarize", "none", *words) == 0
        said = capsys.readouterr().out
        assert "No diagnosis: Likelihoods are those of states." in said
        assert f"No word on samples: {why}" in said
    assert rows(said)["log-likelihood"] == "none, for the test cases are grey levels, not states"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rbm.keras",), "needs --dataset"),
        (("rbm.keras", "--dataset", "digits", "--picture", "a.jpg"), "--picture is a .png file"),
        (("other.npz", "--dataset", "digits"), "needs --dataset|is a .keras file"),
        (("none.keras", "--dataset", "digits"), "no run and no model"),
        (("net.keras", "--dataset", "digits"), "Received: Sequential"),
        (("rbm.keras", "--dataset", "digits"), r"Received: shape=\(360, 64\)|\(batch, 16\)"),
        (("rbm.keras", "--dataset", "digits", "--chains", "0"), "`num_chains` must be a positive integer"),
        (("rbm.keras", "--dataset", "digits", "--temperatures", "-1"), "`num_temperatures` must be a positive"),
        (("rbm.keras", "--dataset", "digits", "--seed", "-1"), "`seed` must be"),
        (("rbm.keras", "--dataset", "digits", "--binarize", "round"), "`binarize` must be one of"),
    ],
)
def test_evaluate_refuses(words, message, tmp_path, capsys):
    rbm = keras_rbm.RBM(3, seed=0)
    rbm.build((None, 16))
    rbm.save(tmp_path / "rbm.keras")
    keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)]).save(tmp_path / "net.keras")
    (tmp_path / "other.npz").write_bytes(b"")
    assert run("evaluate", tmp_path / words[0], *words[1:]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_evaluate_refuses_other_data_for_a_run(finished, capsys):
    assert run("evaluate", finished, "--dataset", "digits") == 1
    assert "A run knows its data" in capsys.readouterr().err


@pytest.mark.parametrize("number", [1, 5, 16])
def test_sample_draws_a_picture(number, finished, tmp_path, capsys):
    path = tmp_path / "new" / "fantasies.png"
    assert run("sample", finished, "--num", number, "--steps", 2, "--output", path, "--seed", 0) == 0
    assert str(path) in capsys.readouterr().out
    assert len(np.unique(matplotlib.image.imread(path))) > 2


def test_samples_with_a_seed_can_be_repeated(finished, tmp_path):
    def pixels(name, *seed):
        assert run("sample", finished, "--num", 9, "--steps", 3, "--output", tmp_path / name, *seed) == 0
        return matplotlib.image.imread(tmp_path / name)

    first = pixels("a.png", "--seed", 1)
    np.testing.assert_array_equal(first, pixels("b.png", "--seed", 1))
    assert not np.array_equal(first, pixels("c.png", "--seed", 2))


def test_an_existing_picture_is_not_touched(finished, tmp_path, capsys):
    path = tmp_path / "fantasies.png"
    path.write_text("mine")
    arguments = ["sample", finished, "--num", 2, "--steps", 1, "--output", path]
    assert run(*arguments) == 1
    assert path.read_text() == "mine"
    assert "was not touched" in capsys.readouterr().err
    assert run(*arguments, "--overwrite") == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num", 0], "positive integer"),
        (["--steps", -1], "positive integer"),
        (["--output", "fantasies.nonsense"], "nonsense"),
    ],
)
def test_bad_samples(arguments, message, finished, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("sample", finished, "--steps", 1, *arguments) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", -5], "`seed` must be an integer of at least 0, or None. Received: seed=-5"),
        (["--seed", 2**70], "`seed` must be at most 9223372036854775807"),
        (["--num", 2**32 + 1], "`num` must be at most 2147483647"),
        (["--steps", 2**32 + 1], "`steps` must be at most 2147483647"),
        (["--num", 2**31 - 1], "2147483647 fantasies would take 670.0 GB of memory"),
    ],
    ids=["negative", "huge", "wraps", "steps wrap", "memory"],
)
def test_samples_that_cannot_be(arguments, message, finished, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checks, "memory", lambda: 10**11)
    assert run("sample", finished, "--steps", 1, "--output", tmp_path / "a.png", *arguments) == 1
    assert message in one_line(capsys)
    assert not list(tmp_path.iterdir())


def test_a_sample_that_fails_leaves_the_picture_before(finished, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_text("before")

    def fill(self, path, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", fill)
    assert run("sample", finished, "--num", 1, "--steps", 1, "--output", tmp_path / "a.png", "--overwrite") == 1
    assert contents(tmp_path) == {"a.png": b"before"}


def test_the_largest_seed_of_a_sample(finished, tmp_path):
    arguments = ("--num", 1, "--steps", 1, "--seed", 2**63 - 1, "--output", tmp_path / "a.png")
    assert run("sample", finished, *arguments) == 0


def test_rows_that_are_no_pictures_are_not_drawn(own, tmp_path, capsys):
    assert run("sample", own["no pictures"], "--output", tmp_path / "fantasies.png") == 1
    assert "Only pictures can be drawn" in capsys.readouterr().err


def test_export_writes_elsewhere_and_touches_nothing(finished, tmp_path, capsys):
    before = contents(finished)
    assert run("export", finished) == 1
    assert "was not touched" in capsys.readouterr().err
    assert run("export", finished, "--output", tmp_path / "model") == 0
    assert contents(finished) == before
    model = tf.saved_model.load(str(tmp_path / "model"))
    assert model.sample(tf.constant(3), tf.constant(2)).shape == (3, 64)


def test_overwriting_an_export_replaces_a_saved_model_alone(finished, tmp_path, capsys):
    model = tmp_path / "model"
    (model / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/old", "notes.txt"):
        (model / name).write_text("before")
    before = contents(model)
    assert run("export", finished, "--output", model, "--overwrite") == 1
    assert "holds what no SavedModel has, so --overwrite does not touch it. Received: notes.txt" in one_line(capsys)
    assert contents(model) == before
    (model / "notes.txt").unlink()
    assert run("export", finished, "--output", model, "--overwrite") == 0
    assert not (model / "variables" / "old").exists()
    assert tf.saved_model.load(str(model)).sample(tf.constant(3), tf.constant(2)).shape == (3, 64)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("command", "exists"),
    [("evaluate", True), ("sample", True), ("sample", False), ("export", True), ("export", False)],
)
def test_folders_without_a_run(command, exists, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "nothing"
    if exists:
        folder.mkdir()
    assert run(command, folder) == 1
    said = "holds no run of keras-rbm train" if exists else "There is no run and no model at"
    assert said in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path != folder] == []


@pytest.mark.parametrize(
    "arguments", [["--help"], *([name, "--help"] for name in ("train", "evaluate", "sample", "export"))]
)
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as exit_status:
        main(arguments)
    assert exit_status.value.code == 0
    assert "usage: keras-rbm" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_status:
        main(["--version"])
    assert exit_status.value.code == 0
    assert capsys.readouterr().out.strip() == keras_rbm.__version__


def test_no_command(capsys):
    with pytest.raises(SystemExit) as exit_status:
        main([])
    assert exit_status.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_one_case_costs_no_models_of_the_run_before(npz, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "card.md").write_text("before")
    assert train(folder, "--dataset", npz(x_train=X[:1], x_test=X), *SHORT, "--overwrite") == 1
    assert (folder / "card.md").read_text() == "before"


def test_a_picture_has_a_pictures_name(finished, tmp_path, capsys):
    assert run("sample", finished, "--output", tmp_path / "fantasies") == 1
    assert "must end in .png" in capsys.readouterr().err
