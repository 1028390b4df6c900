"""Notebooks of the gallery: docs/gallery/NAME.ipynb is examples/gallery/NAME.py, executed.

    python docs/make_gallery.py NAME ...           (without names: all of them)
    python docs/make_gallery.py NAME ... --text    (only text has changed: outputs are kept)

A notebook is written when its script has run to the end.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).parents[1]
SCRIPTS, NOTEBOOKS = ROOT / "examples" / "gallery", ROOT / "docs" / "gallery"
MAX_BYTES = 500_000
#: What is no part of a result: colours, and what TensorFlow says of a machine when it starts.
_NOISE = re.compile(
    r"\x1b\[[0-9;]*[A-Za-z]|^(?:WARNING: All log messages before absl|WARNING:tensorflow:|[IWE]0000 ).*\n", re.M
)
_EMPTY = re.compile(r"|<[^<>]+ at 0x[0-9a-f]+>")


def notebook_of(script: Path) -> nbformat.NotebookNode:
    """A script's cells, without outputs; the same script gives the same notebook, ids too."""
    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for index, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{index}", nbformat.NotebookNode()
    return notebook


def executed(script: Path) -> nbformat.NotebookNode:
    """A script's notebook with outputs, less what says nothing: addresses of objects, how TensorFlow starts.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails.
    """
    import nbclient  # tests, which execute nothing, do without

    notebook = notebook_of(script)
    nbclient.NotebookClient(
        notebook, timeout=None, record_timing=False, coalesce_streams=True, resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    notebook.metadata.language_info = {"name": "python"}
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = _NOISE.sub("", output.text)
        cell.outputs = [output for output in cell.outputs if not _EMPTY.fullmatch(plain(output))]
    return notebook


def plain(output: nbformat.NotebookNode) -> str:
    """What an output is as text."""
    return output.text if output.output_type == "stream" else output.data.get("text/plain", "picture")


def with_new_text(script: Path, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A script's notebook with the outputs of an earlier one.

    Raises:
        ValueError: if code has changed since.
    """
    new = notebook_of(script)
    cells, before = code_cells(new), code_cells(notebook)
    if [cell.source for cell in cells] != [cell.source for cell in before]:
        raise ValueError(f"Outputs can be kept where no code has changed. Received: {script.name}. Run it again.")
    for cell, old in zip(cells, before, strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    new.metadata = notebook.metadata
    return new


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def checked(text: str, name: str) -> str:
    """A notebook's text.

    Raises:
        ValueError: if it is too large, or has a path of this machine.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(
            f"A notebook has at most {MAX_BYTES} bytes. Received: {len(text)} bytes of {name}. Draw fewer or smaller "
            "figures (figsize, dpi)."
        )
    for place in {str(ROOT), str(Path.home()), "/site-packages/"} - {"/"}:
        if place in text:
            raise ValueError(f"A notebook names no place of this machine. Received: {place!r} in {name}.")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=sorted(script.stem for script in SCRIPTS.glob("*.py")))
    parser.add_argument("--text", action="store_true", help="only text has changed: keep the outputs")
    options = parser.parse_args()
    for name in options.names:
        started = time.monotonic()
        script, target = SCRIPTS / f"{name}.py", NOTEBOOKS / f"{name}.ipynb"
        notebook = with_new_text(script, nbformat.read(target, as_version=4)) if options.text else executed(script)
        text = checked(nbformat.writes(notebook) + "\n", name)
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
        print(f"{name}: {len(text) // 1000} kB, {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
