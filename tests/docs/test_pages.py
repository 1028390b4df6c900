"""README, guides and results: their code runs, their commands are understood, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from keras_rbm.jobs import cli
from tests.support.documents import BRIEF, run_blocks
from tests.support.readme import README

ROOT = README.parent
GUIDES = sorted((ROOT / "docs" / "guide").glob("*.md"))
RESULTS = ROOT / "docs" / "results.md"
PAGES = [README, ROOT / "docs" / "index.md", ROOT / "docs" / "versions.md", RESULTS, *GUIDES]

SITE = ROOT / "mkdocs.yml"

#: Few sweeps and temperatures, too.
BRIEFER = {**BRIEF, r"(num_steps|num_temperatures|burn_in)=\d{3,}": r"\1=10"}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def without_xla(patch: pytest.MonkeyPatch) -> None:
    """Graphs are run as they are: compiling each would take most of the time."""
    function = tf.function

    def graph(func: Any = None, **options: Any) -> Any:
        return function(func, **{**options, "jit_compile": None})

    patch.setattr(tf, "function", graph)


RUNNING = [page for page in PAGES if "```python" in page.read_text()]
FIRST_READ = ["README", "first-hour", "keras", "rbm", "dbn"]
RUNNING.sort(key=lambda page: page.stem not in FIRST_READ)


@pytest.mark.few(len(FIRST_READ))
@pytest.mark.parametrize("page", RUNNING, ids=name)
def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch):
    """But for one epoch a training and few sweeps; a shape that a comment begins with is that of the value."""
    monkeypatch.chdir(tmp_path)
    without_xla(monkeypatch)
    run_blocks(page, BRIEFER)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=name)
def test_python_blocks_run_as_they_stand(page, tmp_path, monkeypatch):
    """But for one epoch a training."""
    monkeypatch.chdir(tmp_path)
    run_blocks(page, BRIEF)


def test_a_wrong_shape_in_a_comment_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nimport numpy as np\n\nx = np.zeros((2, 3))  # (2, 3): zeros\nx.T  # (2, 3)\n```\n")
    with pytest.raises(AssertionError, match=re.escape("x.T has (3, 2)")):
        run_blocks(page, {})


def commands() -> list[str]:
    text = "\n".join(page.read_text() for page in PAGES)
    return list(dict.fromkeys(re.findall(r"keras-rbm \w+[^\n&`|]*", text)))


@pytest.mark.parametrize("line", commands())
def test_commands_are_understood(line):
    words = shlex.split(line.split("#")[0])[1:]
    options = cli.parser().parse_args(words)
    assert options.command.__name__ == words[0]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_scripts_that_are_named_are_there(page):
    for script in re.findall(r"python ([\w/]+\.py)", page.read_text()):
        assert (ROOT / script).is_file(), script


def targets(page: Path) -> list[str]:
    """What a page links to and shows, within the project."""
    return re.findall(r"\]\((?!http)([^)]+)\)", page.read_text())


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_exist(page):
    assert targets(page)
    for target in targets(page):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_guides_examples_models_and_pictures_can_be_found():
    """In the site the guides, from the results examples and cards of models, from some page each picture."""
    assert {f"guide/{guide.name}" for guide in GUIDES} <= set(re.findall(r"guide/\S+", SITE.read_text()))
    others = [*(ROOT / "examples").glob("*.py"), *(ROOT / "keras_rbm" / "pretrained").glob("*/card.md")]
    assert {f"../{name(path)}" for path in others} <= set(targets(RESULTS))
    pictures = {picture.name for picture in (ROOT / "docs").glob("*.png")}
    assert pictures <= {Path(target).name for page in PAGES for target in targets(page)}
