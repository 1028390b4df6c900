"""What a run does, kept in its folder, where it is found when the run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from keras_rbm.files import replacing

Config = TypeVar("Config")

#: The file.
NAME = "recipe.json"


def save(config: Any, folder: Path) -> None:
    """Writes a configuration, a dataclass, into the folder of its run."""
    with replacing(folder / NAME) as part:
        part.write_text(json.dumps(asdict(config), indent=1, default=str) + "\n")


def load(kind: type[Config], folder: Path, command: str) -> Config:
    """The configuration of the run in a folder.

    Args:
        command: that writes such runs.

    Raises:
        FileNotFoundError: if the folder holds no run.
        ValueError: if the file is damaged, or of another version.
    """
    path = folder / NAME
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no run of keras-rbm {command}: {NAME} is missing")
    try:
        return _from_stored(kind, json.loads(path.read_text()))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{path} is no recipe that this version of keras-rbm {command} wrote whole: {error}. Train anew, with "
            "--overwrite or into another --output."
        ) from error


def _from_stored(kind: Any, stored: Any) -> Any:
    if not isinstance(stored, dict):
        raise ValueError(f"it holds {type(stored).__name__}, not fields")
    known = {field.name for field in fields(kind)}
    for what, names in (("lacks", known - stored.keys()), ("has", stored.keys() - known)):
        if names:
            raise ValueError(f"it {what} {', '.join(f'`{name}`' for name in sorted(names))}")
    return kind(**stored)


def check_same(config: Any, given: Mapping[str, Any]) -> None:
    """Refuses options, beside `--resume`, that are others than those of the run.

    Raises:
        ValueError: if there are any.
    """
    if config != replace(config, **given):
        raise ValueError(
            f"--resume goes on with the run's own recipe. Received: other values among {', '.join(given)}. Leave "
            "them out, or start anew with --overwrite."
        )
