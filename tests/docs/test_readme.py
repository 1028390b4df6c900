"""The README does what it says."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from keras_rbm.jobs import cli
from tests.support.cheap import run_eagerly
from tests.support.documents import BRIEF, BRIEFEST, run_blocks
from tests.support.readme import README, blocks


def test_the_first_two_shell_blocks_are_the_two_commands():
    assert blocks("shell")[:2] == ["pip install . && keras-rbm train\n", 'pip install -e ".[test]" && pytest\n']


def classes_of_the_digits(names: dict) -> np.ndarray:
    """Of the network in the README's last block."""
    return names["net"].predict(names["data"].x_test.reshape(-1, 8, 8), verbose=0)


def test_python_blocks_run_one_after_the_other(tmp_path, monkeypatch):
    """As they stand, but for a few steps of training and sampling, and nothing compiled."""
    monkeypatch.chdir(tmp_path)
    run_eagerly(monkeypatch, max_sweeps=5)
    assert classes_of_the_digits(run_blocks(README, BRIEFEST)).shape == (360, 10)


@pytest.mark.slow
def test_python_blocks_run_as_they_stand(tmp_path, monkeypatch):
    """But for one epoch a training."""
    monkeypatch.chdir(tmp_path)
    assert classes_of_the_digits(run_blocks(README, BRIEF)).shape == (360, 10)


@pytest.mark.parametrize("line_of_code", ["np.zeros((3, 4))", "x, y = np.zeros((3, 4)), 1", "x = np.zeros((3, 4))"])
@pytest.mark.parametrize("shape", ["(3, 4)", "(3, 5)"])
def test_shapes_in_comments_are_those_of_the_values(line_of_code, shape, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"Text.\n\n```python\nimport numpy as np\n\n{line_of_code}  # {shape}, some\n```\n")
    with contextlib.nullcontext() if shape == "(3, 4)" else pytest.raises(AssertionError, match=r"\(3, 4\)"):
        run_blocks(path, BRIEF)


@pytest.mark.parametrize("line", re.findall(r"keras-rbm \w+[^\n&`]*", README.read_text()))
def test_commands_are_understood(line):
    words = shlex.split(line.split("#")[0])[1:]
    options = cli.parser().parse_args(words)
    assert options.command.__name__ == words[0]


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text())
    assert targets
    for target in targets:
        assert (Path(README).parent / target).exists(), target
