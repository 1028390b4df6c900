"""How the command starts: with what it needs, and without noise."""

import importlib
import logging
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_rbm
from keras_rbm.jobs import startup

HEAVY = {"tensorflow", "keras", "numpy", "rich", "matplotlib", "tensorflow_datasets", "sklearn"}
COMMANDS = ("train", "evaluate", "sample", "export", "music")
SCRIPT = "import sys\nfrom keras_rbm.jobs.cli import main\nsys.exit(main())\n"


def started(*words: str, **environment: str) -> subprocess.CompletedProcess:
    """A process of Python's own; what it imports is among what it says on stderr."""
    root = str(Path(keras_rbm.__file__).parents[1])
    settings = {**os.environ, "PYTHONPATH": root, **environment}
    return subprocess.run([sys.executable, "-X", "importtime", *words], capture_output=True, text=True, env=settings)


def imported(process: subprocess.CompletedProcess) -> set[str]:
    """The packages of what it imported."""
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    return {line.split("|")[-1].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        ([], 2),
        (["no-such-command"], 2),
        (["train", "--no-such-option"], 2),
        *([[command, "--help"], 0] for command in COMMANDS),
    ],
    ids=lambda x: " ".join(x) or "nothing" if isinstance(x, list) else "",
)
def test_to_read_a_command_line_nothing_heavy_is_imported(words, status):
    process = started("-m", "keras_rbm", *words)
    assert process.returncode == status, process.stderr
    assert "keras_rbm" in imported(process)
    assert not imported(process) & HEAVY


def test_the_installed_script_is_the_command(tmp_path):
    (tmp_path / "keras-rbm").write_text(SCRIPT)
    process = started(str(tmp_path / "keras-rbm"), "--version")
    assert process.stdout.strip() == keras_rbm.__version__
    assert not imported(process) & HEAVY


@pytest.mark.parametrize(
    ("argv", "orig_argv", "is_command"),
    [
        (["/usr/bin/keras-rbm", "train"], ["python", "/usr/bin/keras-rbm", "train"], True),
        (["-m", "train"], ["python", "-X", "dev", "-m", "keras_rbm", "train"], True),
        (["-m"], ["python", "-mkeras_rbm"], True),
        (["-m", "keras_rbm"], ["python", "-m", "pytest", "keras_rbm"], False),
        (["keras-rbm.py"], ["python", "keras-rbm.py"], False),
        (["train.py", "keras-rbm"], ["python", "train.py", "keras-rbm"], False),
        ([""], ["python"], False),
        ([], [], False),
    ],
)
def test_only_the_command_leaves_classes_for_later(argv, orig_argv, is_command, monkeypatch):
    """In every other process saved models can be loaded, so all of them must be there."""
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    assert keras_rbm._is_command() == is_command


@pytest.mark.parametrize("level", [None, "0"])
def test_tensorflow_says_nothing_unless_a_user_asked_for_it(level, monkeypatch, capfd):
    """What it writes to the file of stderr while it is imported, and the level that it looks at."""
    levels = []

    def noisy(name):
        levels.append(os.environ.get("TF_CPP_MIN_LOG_LEVEL"))
        os.write(2, b"Could not find cuda drivers\n")

    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(importlib, "import_module", noisy)
    monkeypatch.setattr(logging.getLogger("tensorflow"), "level", logging.WARNING)  # put back afterwards
    if level is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    else:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    startup._import_tensorflow()
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"
    assert levels == (["3"] if level is None else [])


@pytest.mark.slow
def test_what_a_command_says_is_its_own(tmp_path):
    """With the real TensorFlow, which a test's process has imported long ago."""
    quiet = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    words = [sys.executable, "-m", "keras_rbm", "evaluate", str(tmp_path)]
    process = subprocess.run(words, capture_output=True, text=True, env=quiet, cwd=Path(keras_rbm.__file__).parents[1])
    assert process.returncode == 1
    assert process.stdout == ""
    assert process.stderr == f"keras-rbm: {tmp_path} holds no run of keras-rbm train: recipe.json is missing\n"


@pytest.mark.slow
def test_the_command_knows_all_that_a_saved_model_may_be_made_of(tmp_path):
    """It does not import all of the package."""
    lines = ("import keras", "import keras_rbm.jobs.dbn.stored", "print(*keras.saving.get_custom_objects())")
    (tmp_path / "keras-rbm").write_text("\n".join(lines))
    process = started(str(tmp_path / "keras-rbm"))
    ours = {name for name, cls in keras.saving.get_custom_objects().items() if cls.__module__.startswith("keras_rbm.")}
    assert ours <= set(process.stdout.split()), process.stderr
