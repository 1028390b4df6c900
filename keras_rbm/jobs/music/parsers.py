"""What `keras-rbm music` is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_rbm.jobs.music.config import add_options
from keras_rbm.jobs.startup import later


def add_to(commands: Any) -> None:
    """The command, among the others."""
    parser = commands.add_parser("music", help="train an RNN-RBM on tunes, and write music that it makes up")
    parser.set_defaults(command=later("keras_rbm.jobs.music.command", "music"))
    add = parser.add_argument
    add("--output", type=Path, metavar="DIR", help="where to write (default: saved_models/NAME-music)")
    add("--overwrite", action="store_true", help="remove what an earlier run wrote there")
    add("--resume", action="store_true", help="go on with the interrupted run in DIR")
    add("--verbose", action="store_true", help="Keras's own progress bars, one an epoch")
    add_options(parser)
