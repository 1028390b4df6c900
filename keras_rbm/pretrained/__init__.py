"""Models that were trained before, and what is known of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_rbm import models as _models  # noqa: F401  Keras finds the classes of files by name, once they are imported

_HERE = Path(__file__).parent
#: Where the repository has those that are too large for the wheel.
_LARGE_ONES = "saved_models/pretrained"


class _Large(NamedTuple):
    """A file that the wheel leaves out, and its SHA-256."""

    name: str
    sha256: str


_LARGE = {
    "mnist-dbm-500-1000": _Large("dbm.keras", "0849954716af3d4fbc687595236d1a344e9caad9a1d022c5d12dae6d7614dece"),
    "mnist-dbn-500-2000": _Large("dbn.keras", "bdf4735e455d4d4bbeb355779c061b09091b96247d508b648fdda2fd631c9286"),
    "mnist-rbm-500": _Large("rbm.keras", "a5807a44e74af3e0c658b4210ef7a0ca72ccbaeb636f4784fcf7278ced7cf823"),
    "nottingham-rnn-rbm": _Large("rnn_rbm.keras", "da5873f1b9a8aca2ffc467ad793d58e3dbc306bf2af807b53a137d4d41d467db"),
}


def names() -> list[str]:
    """Of all pretrained models."""
    return sorted(path.parent.name for path in _HERE.glob("*/card.md"))


def card(name: str) -> str:
    """What a pretrained model is, how it was made and how good it is, in Markdown.

    Raises:
        ValueError: if there is none of that name.
    """
    return (_HERE / _checked(name) / "card.md").read_text()


def path(name: str, part: str | None = None) -> Path:
    """The `.keras` file of a pretrained model.

    Those that the wheel leaves out are looked for in `~/.keras_rbm/NAME` (or `$KERAS_RBM_HOME/NAME`), and in the
    repository that this package lies in.

    Args:
        name: one of `names()`.
        part: `"classifier"` for the network that was fine-tuned from `"digits-dbn"`; the machine by default.

    Raises:
        ValueError: if there is no such model or part, or a file is damaged.
        FileNotFoundError: if it is not here; it says where to get it and where to put it.
    """
    folder = _HERE / _checked(name)
    if part is not None:
        found = folder / f"{part}.keras"
        if not found.is_file():
            parts = ", ".join(repr(path.stem) for path in sorted(folder.glob("*.keras"))) or "none"
            raise ValueError(f"`part` of {name!r} must be one of: {parts}. Received: part={part!r}")
        return found
    if name not in _LARGE:
        return next(path for path in folder.glob("*.keras") if path.stem != "classifier")
    large = _LARGE[name]
    mine = Path(os.environ.get("KERAS_RBM_HOME") or "~/.keras_rbm").expanduser() / name / large.name
    for found in (mine, _HERE.parents[1] / _LARGE_ONES / name / large.name):
        if found.is_file():
            if hashlib.sha256(found.read_bytes()).hexdigest() != large.sha256:
                raise ValueError(
                    f"{found} is damaged, or another version's: its SHA-256 is not {large.sha256}. Get it anew from "
                    f"{_LARGE_ONES}/{name} of the repository."
                )
            return found
    raise FileNotFoundError(
        f"{name} is too large for the wheel. Get {large.name} from {_LARGE_ONES}/{name} of the repository, and put it "
        f"into {mine.parent} (or set KERAS_RBM_HOME to another place than {mine.parents[1]})."
    )


def load_pretrained(name: str, part: str | None = None) -> Any:
    """A model that was trained before, without optimizer: go on with it, sample it, or `compile` and `fit` it.

    Args:
        name: one of `pretrained.names()`; `pretrained.card(name)` says what it is.
        part: `"classifier"` for the network that was fine-tuned from `"digits-dbn"`; the machine by default.

    Raises:
        ValueError, FileNotFoundError: as `pretrained.path` does.

    Example:

    ```python
    dbn = keras_rbm.load_pretrained("digits-dbn")
    digits = dbn.sample(16, num_steps=200, mean=True)
    ```
    """
    return keras.models.load_model(path(name, part), compile=False)


def _checked(name: str) -> str:
    if name not in names():
        raise ValueError(f"Pretrained models are {', '.join(names())}. Received: {name!r}")
    return name
