"""Documents whose Python blocks are run, one after the other, as a reader would."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np

#: One epoch a training.
BRIEF = {r"epochs=\d+": "epochs=1", r"n_iter=\d+": "n_iter=1"}

_SHAPE = re.compile(r"# (\(\d+,[\d, ]*\))")


def run_blocks(path: Path, shorter: dict[str, str]) -> dict[str, Any]:
    """The names that a document's Python blocks leave; where a comment begins with a shape, it is that of the value.

    Args:
        shorter: patterns, and what is run in their place.
    """
    keras.utils.set_random_seed(0)
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", path.read_text(), re.S | re.M):
        for pattern, text in shorter.items():
            block = re.sub(pattern, text, block)
        for statement in ast.parse(block).body:
            shape = _SHAPE.search(block.splitlines()[statement.end_lineno - 1])
            if shape and isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), path.name, "eval"), names)
            else:
                exec(compile(ast.Module([statement], []), path.name, "exec"), names)
                value = _first_assigned(statement, names) if shape else None
            if shape:
                assert np.shape(value) == ast.literal_eval(shape[1]), f"{ast.unparse(statement)} has {np.shape(value)}"
    return names


def _first_assigned(statement: ast.stmt, names: dict[str, Any]) -> Any:
    (target,) = statement.targets
    return names[(target.elts[0] if isinstance(target, ast.Tuple) else target).id]
