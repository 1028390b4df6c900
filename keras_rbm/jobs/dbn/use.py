"""`keras-rbm sample` and `keras-rbm export`: what a finished run is good for."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from keras_rbm import plots
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.checks import check_memory
from keras_rbm.files import replacing
from keras_rbm.jobs import files
from keras_rbm.jobs.dbn import stored

_UNTOUCHED = "was not touched. Choose another --output, or --overwrite."
_SAVED_MODEL = {"saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra"}


def sample(options: argparse.Namespace) -> dict[str, Any]:
    """Draws fantasies of a finished run as a picture."""
    seed = checked_seed(options.seed)
    number, num_steps = positive_integer(options.num, "num"), positive_integer(options.steps, "steps")
    run = stored.run_in(options.folder)
    if not run.data.image_shape:
        raise ValueError(f"Only pictures can be drawn. Received: {run.data.name}, whose rows are no pictures")
    if options.output.suffix != ".png":
        raise ValueError(f"--output must end in .png. Received: {options.output}")
    if options.output.is_dir():
        raise IsADirectoryError(f"--output must be a file. Received: {options.output}, a folder")
    if options.output.exists() and not options.overwrite:
        raise FileExistsError(f"{options.output} exists, and {_UNTOUCHED}")
    check_memory(4 * number * (run.dbn.visible.width + sum(run.config.layers)), f"{number} fantasies", "Draw fewer.")
    if seed is not None:
        for i, rbm in enumerate(run.dbn.rbms):
            rbm.stream.restart(seed, "sample", i)
    pictures = np.asarray(run.dbn.sample(number, num_steps, mean=True))
    columns = int(np.ceil(np.sqrt(len(pictures))))
    rows = np.zeros((-(-len(pictures) // columns) * columns, pictures.shape[1]))
    rows[: len(pictures)] = pictures
    figure = plots.fantasies(rows.reshape(-1, columns, rows.shape[1]), run.data.image_shape)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(options.output) as part:
        figure.savefig(part)
    print(f"{number} fantasies after {num_steps} Gibbs sweeps: {options.output}")
    return {"output": options.output, "num": number, "steps": num_steps, "seed": seed}


def export(options: argparse.Namespace) -> dict[str, Any]:
    """Writes the SavedModel of a run's DBN."""
    run = stored.run_in(options.folder)
    target = (options.output or options.folder / "saved_model").resolve()
    if not options.overwrite:
        files.check_free(target, _UNTOUCHED)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"--output must be a folder. Received: {target}, a file, which was not touched")
    others = sorted({path.name for path in target.iterdir()} - _SAVED_MODEL) if target.is_dir() else []
    if others:
        raise FileExistsError(
            f"{target} holds what no SavedModel has, so --overwrite does not touch it. Received: {', '.join(others)} "
            "there. Choose another --output."
        )
    run.dbn.export(target)
    signatures = ["encode", "reconstruct", "sample"]
    print(f"SavedModel with signatures {', '.join(signatures)}: {target}")
    return {"output": target, "signatures": signatures}
