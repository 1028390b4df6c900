"""`keras-rbm sample` and `keras-rbm export`: what a finished run, or a saved model, is good for."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np

from keras_rbm import export as exports
from keras_rbm import formats, plots
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.checks import check_memory
from keras_rbm.datasets import midi
from keras_rbm.files import replacing
from keras_rbm.jobs import files
from keras_rbm.jobs.dbn import stored
from keras_rbm.models.sequence.generator import Generator
from keras_rbm.random import RandomStream

_UNTOUCHED = "was not touched. Choose another --output, or --overwrite."
_EXPORTED = {"saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra"}
_ENDPOINTS = (".onnx", ".xml", ".bin")


def sample(options: argparse.Namespace) -> dict[str, Any]:
    """Draws fantasies of a finished run or a saved model: a picture, tunes, or an array."""
    seed, path = checked_seed(options.seed), stored.named(options.path)
    run = None if path.suffix == ".keras" else stored.run_in(path)
    model = stored.machine_at(path) if run is None else run.dbn
    tunes = isinstance(model, Generator)
    output = options.output or Path("tune.mid" if tunes else "fantasies.png")
    counts, usual = {"num": options.num, "steps": options.steps}, (1, 25) if tunes else (64, 1000)
    number, num_steps = (
        positive_integer(often if value is None else value, name)
        for often, (name, value) in zip(usual, counts.items(), strict=True)
    )
    frames = positive_integer(options.frames, "frames") if tunes else 1
    shape = run.data.image_shape if run else _square(model.visible.width)
    if output.suffix == ".png" and not (shape or tunes):
        raise ValueError(f"Only pictures can be drawn. Received: {path}, whose rows are none. Give --output FILE.npy")
    _check_output(output, ".mid" if tunes else ".png", options.overwrite)
    size = model.visible.width + int(np.sum(model.units))
    check_memory(4 * number * frames * size, f"{number} fantasies", "Draw fewer.")
    if seed is not None:
        streams = [layer for layer in model._flatten_layers() if isinstance(layer, RandomStream)]
        for i, stream in enumerate(streams):
            stream.restart(seed, "sample", i)
    output.parent.mkdir(parents=True, exist_ok=True)
    if tunes:
        found = model.generate(frames, num_sequences=number, num_steps=num_steps)
    else:
        found = model.sample(number, num_steps, mean=output.suffix == ".png")
    if output.suffix == ".mid":
        notes = options.lowest, options.lowest + model.visible.width - 1
        midi.write(output, np.concatenate(found), options.dt, notes, tempo=120)
    else:
        with replacing(output) as part:
            _write(part, np.asarray(found), shape)
    print(f"{number} {'tunes' if tunes else 'fantasies'} after {num_steps} Gibbs sweeps: {output}")
    return {"output": output, "num": number, "steps": num_steps, "seed": seed}


def _write(path: Path, fantasies: np.ndarray, shape: Any) -> None:
    """Fantasies as an array, or as a picture with as many in a row as in a column."""
    if path.suffix == ".npy":
        np.save(path, fantasies)
        return
    columns = math.ceil(math.sqrt(len(fantasies)))
    rows = np.zeros((-(-len(fantasies) // columns) * columns, fantasies.shape[1]))
    rows[: len(fantasies)] = fantasies
    plots.fantasies(rows.reshape(-1, columns, rows.shape[1]), shape).savefig(path)


def _check_output(output: Path, suffix: str, overwrite: bool) -> None:
    if output.suffix not in (suffix, ".npy"):
        raise ValueError(f"--output must end in {suffix} or .npy. Received: {output}")
    if output.is_dir():
        raise IsADirectoryError(f"--output must be a file. Received: {output}, a folder")
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} exists, and {_UNTOUCHED}")


def _square(width: int) -> tuple[int, int] | None:
    """The shape of pictures of so many pixels, if they can be square."""
    side = math.isqrt(width)
    return (side, side) if side * side == width else None


def export(options: argparse.Namespace) -> dict[str, Any]:
    """Writes a finished run or a saved model for places without this package."""
    formats.check(options.format)
    path, one_file = stored.named(options.path), options.format == "litert"
    if path.suffix == ".keras":
        model, folder = stored.machine_at(path), Path()
        name = f"{options.path.stem}-{options.format}"
    else:
        model, folder = stored.run_in(path).dbn, options.path if options.path.exists() else Path(options.path.name)
        name = "saved_model" if options.format == formats.SAVED_MODEL else options.format
    classifier = None if options.classifier is None else stored.model_at(options.classifier)
    target = (options.output or folder / (f"{name}.tflite" if one_file else name)).resolve()
    if not options.overwrite:
        files.check_free(target, _UNTOUCHED)
    if target.exists() and target.is_dir() == one_file:
        wanted, there = ("a file", "a folder") if one_file else ("a folder", "a file")
        error = IsADirectoryError if one_file else NotADirectoryError
        raise error(f"--output must be {wanted}. Received: {target}, {there}, which was not touched")
    present = target.iterdir() if target.is_dir() else []
    others = sorted(each.name for each in present if each.name not in _EXPORTED and each.suffix not in _ENDPOINTS)
    if others:
        raise FileExistsError(
            f"{target} holds what no SavedModel has, so --overwrite does not touch it. Received: {', '.join(others)} "
            "there. Choose another --output."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    names = exports.write(model, target, options.format, None, classifier)
    what = "SavedModel" if options.format == formats.SAVED_MODEL else options.format
    print(f"{what} with {', '.join(names)}: {target}")
    return {"output": target, "format": options.format, "signatures": list(names)}
