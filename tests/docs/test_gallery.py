"""The gallery: each script has a notebook that it has made, and a page."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "examples" / "gallery").glob("*.py"))
spec = importlib.util.spec_from_file_location("make_gallery", ROOT / "docs" / "make_gallery.py")
make_gallery = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_gallery)


def sources(notebook: nbformat.NotebookNode) -> list[tuple[str, str, str]]:
    return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_notebook_is_the_script_that_ran(script):
    """After a change of a script: python docs/make_gallery.py NAME (with --text, if it is one of text alone)."""
    path = ROOT / "docs" / "gallery" / f"{script.stem}.ipynb"
    text = make_gallery.checked(path.read_text(), script.name)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert sources(notebook) == sources(make_gallery.notebook_of(script))
    cells = make_gallery.code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)


def test_each_script_has_a_notebook_and_a_page():
    names = {script.stem for script in SCRIPTS}
    (pages,) = (
        part["Gallery"] for part in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"] if "Gallery" in part
    )
    assert {path.stem for path in (ROOT / "docs" / "gallery").glob("*.ipynb")} == names
    assert {Path(page).stem for page in pages} == names


@pytest.mark.parametrize("change", ["print(1)\n", "# %%\nprint(2)\n"])
def test_outputs_are_not_kept_when_code_has_changed(tmp_path, change):
    script = tmp_path / "page.py"
    script.write_text("# %% [markdown]\n# # Title\n\n# %%\nprint(2)\n")
    before = make_gallery.notebook_of(script)
    script.write_text("# %% [markdown]\n# # Another title\n\n# %%\nprint(2)\n")
    assert make_gallery.with_new_text(script, before).cells[0].source == "# Another title"
    script.write_text(script.read_text() + change)
    with pytest.raises(ValueError, match=r"no code has changed\. Received: page\.py"):
        make_gallery.with_new_text(script, before)
