"""`keras-rbm sample` and `keras-rbm export`: what a finished run is good for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from keras_rbm import plots
from keras_rbm.jobs import files
from keras_rbm.jobs.dbn.run import DBNRun

_UNTOUCHED = "was not touched. Choose another --output, or --overwrite."


def add_to(commands: Any) -> None:
    """Both commands, among the others."""
    parsers = [
        commands.add_parser("sample", help="draw fantasies of a run's DBN"),
        commands.add_parser("export", help="write the SavedModel of a run's DBN"),
    ]
    for parser, function in zip(parsers, (sample, export), strict=True):
        parser.set_defaults(command=function)
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that keras-rbm train wrote")
        parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    add = parsers[0].add_argument
    add("--num", type=int, default=64, metavar="N", help="how many (default: 64)")
    add("--steps", type=int, default=1000, metavar="N", help="Gibbs sweeps (default: 1000)")
    add("--output", type=Path, default=Path("fantasies.png"), metavar="FILE")
    add("--seed", type=int, help="for a sample that can be repeated")
    parsers[1].add_argument("--output", type=Path, metavar="DIR", help="(default: DIR/saved_model)")


def sample(options: argparse.Namespace) -> int:
    """Draws fantasies of a finished run as a picture."""
    run = DBNRun.finished(options.folder)
    if not run.data.image_shape:
        raise ValueError(f"Only pictures can be drawn. Received: {run.data.name}, whose rows are no pictures")
    if options.output.suffix != ".png":
        raise ValueError(f"--output must end in .png. Received: {options.output}")
    if options.output.exists() and not options.overwrite:
        raise FileExistsError(f"{options.output} exists, and {_UNTOUCHED}")
    if options.seed is not None:
        for i, rbm in enumerate(run.dbn.rbms):
            rbm.stream.key.assign([options.seed + i, 0])
    pictures = np.asarray(run.dbn.sample(options.num, options.steps, mean=True))
    columns = int(np.ceil(np.sqrt(len(pictures))))
    rows = np.zeros((-(-len(pictures) // columns) * columns, pictures.shape[1]))
    rows[: len(pictures)] = pictures
    figure = plots.fantasies(rows.reshape(-1, columns, rows.shape[1]), run.data.image_shape)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output)
    print(f"{options.num} fantasies after {options.steps} Gibbs sweeps: {options.output}")
    return 0


def export(options: argparse.Namespace) -> int:
    """Writes the SavedModel of a run's DBN."""
    run = DBNRun.finished(options.folder)
    target = options.output or options.folder / "saved_model"
    if not options.overwrite:
        files.check_free(target, _UNTOUCHED)
    run.dbn.export(target)
    print(f"SavedModel with signatures encode, reconstruct, sample: {target}")
    return 0
