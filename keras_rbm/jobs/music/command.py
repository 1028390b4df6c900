"""`keras-rbm music`: trains an RNN-RBM on tunes, and writes music that it makes up."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from keras_rbm.files import remove
from keras_rbm.jobs import files, measures, recipes
from keras_rbm.jobs.music import report
from keras_rbm.jobs.music.config import MusicConfig
from keras_rbm.jobs.music.run import MusicRun, written


def music(options: argparse.Namespace) -> dict[str, Any]:
    """Trains an RNN-RBM on tunes, and writes music that it makes up."""
    names = [field.name for field in fields(MusicConfig) if getattr(options, field.name) is not None]
    folder, config = _where(options, {name: getattr(options, name) for name in names})
    run = MusicRun(config, folder, options.verbose)
    with _warnings_as_lines():
        run.check()  # before the music of an earlier run is gone
        with files.alone_in(folder):
            return _train(run, options)


def _train(run: MusicRun, options: argparse.Namespace) -> dict[str, Any]:
    folder, config, started = run.folder, run.config, time.monotonic()
    if (folder / "card.md").exists() and options.resume:
        remove([folder / "checkpoints"])
        print(f"The run in {folder} is finished. Start anew with --overwrite.")
        return {"output": folder, "finished_before": True}
    if not options.resume:
        files.begin(folder, config, written(folder))
    sizes = f"{run.tunes.notes[1] - run.tunes.notes[0] + 1}-{config.units}"
    print(
        f"An RNN-RBM {sizes}, recurrence {config.cell} of {config.recurrent}, on {run.tunes.name} "
        f"({len(run.tunes)} tunes), into {folder}"
    )
    try:
        with run.job as job:
            run.train()
            job.begin("music, figures, SavedModel, likelihoods")
            run.generate()
            measured = report.write(run)
    except KeyboardInterrupt:
        saved = run.save()
        raise KeyboardInterrupt(
            f"Interrupted in epoch {run.epoch} of {config.epochs}. Saved what is trained so far: "
            f"{', '.join(saved) or 'nothing yet'}, in {folder}.\n"
            f"Go on with:  {shlex.join(['keras-rbm', 'music', '--resume', '--output', str(folder)])}"
        ) from None
    remove([folder / "checkpoints"])
    seconds = time.monotonic() - started
    print(report.summary(run, measured, seconds))
    found = {"output": folder, "recipe": asdict(config), "tunes": len(run.tunes), "seconds": seconds}
    last = {log: values[-1] for log, values in run.curves.items()}
    return {**found, "last_epoch": last, "measured": measures.as_json(measured), **report.as_json(run)}


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
