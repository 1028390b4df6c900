"""`keras-rbm music`: trains an RNN-RBM on tunes, and writes music that it makes up."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from keras_rbm.files import remove
from keras_rbm.jobs import files, recipes
from keras_rbm.jobs.music import report
from keras_rbm.jobs.music.config import MusicConfig, add_options
from keras_rbm.jobs.music.run import MusicRun, written


def add_to(commands: Any) -> None:
    """The command, among the others."""
    parser = commands.add_parser("music", help="train an RNN-RBM on tunes, and write music that it makes up")
    parser.set_defaults(command=music)
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write (default: saved_models/NAME-music)")
    parser.add_argument("--overwrite", action="store_true", help="remove what an earlier run wrote there")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in DIR")
    add_options(parser)


def music(options: argparse.Namespace) -> int:
    """Trains an RNN-RBM on tunes, and writes music that it makes up."""
    names = [field.name for field in fields(MusicConfig) if getattr(options, field.name) is not None]
    folder, config = _where(options, {name: getattr(options, name) for name in names})
    run = MusicRun(config, folder)
    with _warnings_as_lines():
        run.check()  # before the music of an earlier run is gone
        with files.alone_in(folder):
            return _train(run, options)


def _train(run: MusicRun, options: argparse.Namespace) -> int:
    folder, config, started = run.folder, run.config, time.monotonic()
    if (folder / "card.md").exists() and options.resume:
        remove([folder / "checkpoints"])
        print(f"The run in {folder} is finished. Start anew with --overwrite.")
        return 0
    if not options.resume:
        files.begin(folder, config, written(folder))
    sizes = f"{run.tunes.notes[1] - run.tunes.notes[0] + 1}-{config.units}"
    print(
        f"An RNN-RBM {sizes}, recurrence {config.cell} of {config.recurrent}, on {run.tunes.name} "
        f"({len(run.tunes)} tunes), into {folder}"
    )
    try:
        run.train()
        print("\nMusic, figures, SavedModel, likelihoods ...")
        run.generate()
        measured = report.write(run)
    except KeyboardInterrupt:
        saved = run.save()
        print(
            f"\nInterrupted in epoch {run.epoch} of {config.epochs}. Saved what is trained so far: "
            f"{', '.join(saved) or 'nothing yet'}, in {folder}.\n"
            f"Go on with:  {shlex.join(['keras-rbm', 'music', '--resume', '--output', str(folder)])}"
        )
        return 130
    remove([folder / "checkpoints"])
    print(report.summary(run, measured, time.monotonic() - started))
    return 0


def _where(options: argparse.Namespace, given: dict[str, Any]) -> tuple[Path, MusicConfig]:
    """The folder to write to, one that is free or that of a run, and the configuration to follow."""
    midi = given["midi"].resolve() if "midi" in given else None
    name = "folk-tunes" if midi is None else midi.stem if midi.is_file() else midi.name
    folder = options.output or Path("saved_models") / f"{name}-music"
    if options.resume:
        config = recipes.load(MusicConfig, folder, "music")
        recipes.check_same(config, given)
        return folder, config
    config = MusicConfig(**given)
    if not options.overwrite:
        files.check_free(
            folder,
            "nothing in it was touched. Choose another --output, go on with --resume, or start anew with --overwrite.",
        )
    present = [path.name for path in written(folder) if path.exists()]
    if present and not any(
        (folder / sign).exists() for sign in ("card.md", "model.keras", "recipe.json", "logs/history.csv")
    ):
        raise FileExistsError(
            f"{folder} holds no run of keras-rbm music, so --overwrite does not touch it. Received: "
            f"{', '.join(present)} there. Choose another --output."
        )
    return folder, config


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Warnings are lines on stderr, without the place in the code that they come from."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: print(f"keras-rbm: {message}", file=sys.stderr)
        yield
