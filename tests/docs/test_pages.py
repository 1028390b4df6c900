"""README, guides and results: their code runs, their commands are understood, their links lead somewhere."""

from __future__ import annotations

import ast
import re
import shlex
import tokenize
from io import StringIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import cli
from tests.support.readme import README

ROOT = README.parent
GUIDES = sorted((ROOT / "docs" / "guide").glob("*.md"))
PAGES = [README, ROOT / "docs" / "results.md", *GUIDES]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M)


def promised_shapes(code: str) -> dict[int, tuple[int, ...]]:
    """Shapes with which comments begin, such as `# (360, 64): means`, by line number."""
    found = {}
    for token in tokenize.generate_tokens(StringIO(code).readline):
        if token.type == tokenize.COMMENT and (shape := re.match(r"# (\(\d+,(?: \d+(?:, \d+)*)?\))", token.string)):
            found[token.start[0]] = ast.literal_eval(shape[1])
    return found


def run(code: str, names: dict[str, Any], title: str) -> int:
    """Runs a block, statement after statement; returns how many promised shapes were found to be so."""
    shapes, checked = promised_shapes(code), 0
    for statement in ast.parse(code).body:
        value = None
        if isinstance(statement, ast.Expr):
            value = eval(compile(ast.Expression(statement.value), title, "eval"), names)
        else:
            exec(compile(ast.Module([statement], []), title, "exec"), names)
        if (shape := shapes.get(statement.end_lineno)) is not None:
            if isinstance(statement, ast.Assign):  # of the first name that is assigned
                value = next(names[node.id] for node in ast.walk(statement.targets[0]) if isinstance(node, ast.Name))
            assert np.shape(value) == shape, f"{title}: {ast.unparse(statement)}"
            checked += 1
    return checked


def without_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are run as they are: compiling each would take most of the time, and is proved elsewhere."""
    function = tf.function

    def graph(func: Any = None, **options: Any) -> Any:
        return function(func, **{**options, "jit_compile": None})

    monkeypatch.setattr(tf, "function", graph)


@pytest.mark.parametrize("page", [README, *GUIDES], ids=name)
def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch):
    """As they stand, but for one epoch a training, and without XLA; comments that begin with a shape are true."""
    monkeypatch.chdir(tmp_path)
    without_xla(monkeypatch)
    keras.utils.set_random_seed(0)
    names: dict[str, Any] = {}
    blocks = [re.sub(r"epochs=\d+", "epochs=1", block) for block in python_blocks(page)]
    checked = sum([run(block, names, f"{name(page)}, block {i + 1}") for i, block in enumerate(blocks)])
    assert checked == sum(len(promised_shapes(block)) for block in blocks)


def commands() -> list[str]:
    text = "\n".join(page.read_text() for page in PAGES)
    return list(dict.fromkeys(re.findall(r"keras-rbm \w+[^\n&`|]*", text)))


@pytest.mark.parametrize("line", commands())
def test_commands_are_understood(line):
    words = shlex.split(line.split("#")[0])[1:]
    options = cli._parser().parse_args(words)
    assert options.command.__name__ == words[0]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_scripts_that_are_named_are_there(page):
    for script in re.findall(r"python ([\w/]+\.py)", page.read_text()):
        assert (ROOT / script).is_file(), script


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_exist(page):
    targets = re.findall(r"\]\((?!http)([^)]+)\)", page.read_text())
    assert targets or page in GUIDES
    for target in targets:
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_guide_example_and_pretrained_model_can_be_found():
    """From the README the guides, from the results the examples, benchmarks and cards."""
    linked = {page: set(re.findall(r"\]\((?!http)([^)#]+)", page.read_text())) for page in PAGES}
    assert {name(guide) for guide in GUIDES} <= linked[README]
    others = [*(ROOT / "examples").glob("*.py"), *(ROOT / "saved_models" / "pretrained").glob("*/card.md")]
    assert others
    assert {f"../{name(path)}" for path in others} <= linked[ROOT / "docs" / "results.md"]


def test_checks_find_what_is_wrong():
    names: dict[str, Any] = {"np": np}
    assert run("x = np.zeros((2, 3))  # (2, 3): zeros\nx[0]\n", names, "") == 1
    with pytest.raises(AssertionError):
        run("x.T  # (2, 3)\n", names, "")
