"""The command `keras-rbm`."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rbm import datasets, music_report, plots, report
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.models import DBM, DBN, RBM
from keras_rbm.music import Music, written
from keras_rbm.recipe import Recipe
from keras_rbm.run import WRITTEN, Run
from keras_rbm.score import Score, add_options
from keras_rbm.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit status: 0, 1 for bad input, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("\nkeras-rbm: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        print(f"keras-rbm: {error}", file=sys.stderr)
        return 1


def train(options: argparse.Namespace) -> int:
    """Trains a DBN and a classifier, in a new folder or going on in one."""
    if options.dataset and options.dataset.endswith(".npz"):
        options.dataset = str(Path(options.dataset).resolve())  # the run is found again from any folder
    given = {name: getattr(options, name) for name in asdict(Recipe()) if getattr(options, name) is not None}
    folder, recipe = _where(options, given)
    run = Run(recipe, folder)
    run.check()  # before the models of an earlier run are gone
    if options.overwrite and not options.resume:
        _clear(folder / name for name in WRITTEN)
    sizes = "-".join(str(n) for n in (run.data.x_train.shape[1], *recipe.layers))
    print(f"A DBN {sizes} on {run.data.name} ({len(run.training_rows)} training cases), into {folder}")
    if run.data.y_train is None:
        print("There are no labels, so no classifier follows.")
    started = time.monotonic()
    try:
        run.train()
        print("\nFigures, SavedModel, logistic regression ...")
        measured = report.write(run)
    except KeyboardInterrupt:
        saved = run.save()
        print(
            f"\nInterrupted in stage '{run.stage}'. Saved what is trained so far: {', '.join(saved) or 'nothing yet'}, "
            f"in {folder}.\nGo on with:  keras-rbm train --resume --output {folder}"
        )
        return 130
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    _summary(run, measured, time.monotonic() - started)
    return 0


def _where(options: argparse.Namespace, given: dict[str, Any]) -> tuple[Path, Recipe]:
    """The folder to write to and the recipe to follow."""
    dataset = given.get("dataset", "digits")
    folder = options.output or Path("saved_models") / f"{Path(dataset).stem}-dbn"
    if options.resume:
        recipe = Recipe.load(folder / "recipe.json")
        if (folder / "card.md").exists():
            raise ValueError(f"The run in {folder} is finished. Start anew with --overwrite.")
        if recipe != replace(recipe, **given):
            raise ValueError(
                f"--resume goes on with the run's own recipe. Received: other values among {', '.join(given)}. Leave "
                "them out, or start anew with --overwrite."
            )
        return folder, recipe
    if folder.exists() and not options.overwrite and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"{folder} exists, and nothing in it was touched. Choose another --output, go on with --resume, or start "
            "anew with --overwrite."
        )
    return folder, Recipe.for_dataset(dataset, **{name: value for name, value in given.items() if name != "dataset"})


def _clear(paths: Iterable[Path]) -> None:
    """Removes what an earlier run wrote, and nothing else."""
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _summary(run: Run, measured: dict[str, str], seconds: float) -> None:
    width = max(len(name) for name in measured)
    print("\nMeasured")
    for name, value in measured.items():
        print(f"  {name:<{width}}  {value}")
    what = {
        "dbn.keras": "the deep belief network: keras.models.load_model, with keras_rbm imported",
        "classifier.keras": "the classifier: plain Keras, needs nothing of this package",
        "saved_model/": "TensorFlow SavedModel: encode, reconstruct, sample",
        "figures/": "filters, reconstructions, fantasies, learning curves",
        "logs/": "TensorBoard",
        "card.md": "data, recipe, seed, measured figures",
    }
    print(f"\nWritten to {run.folder} in {seconds:.0f} s")
    for name, sentence in what.items():
        if (run.folder / name).exists():
            print(f"  {name:<16}  {sentence}")
    print(
        f"\nNext\n  tensorboard --logdir {run.folder}/logs\n  keras-rbm sample {run.folder} --num 64 --steps 1000 "
        f"--output fantasies.png\n  keras-rbm evaluate {run.folder}"
    )


def evaluate(options: argparse.Namespace) -> int:
    """Measures a finished run or a saved model on a test set, likelihoods included."""
    settings = {"num_chains": options.chains, "num_temperatures": options.temperatures, "burn_in": options.burn_in}
    for name, value in settings.items():
        positive_integer(value, name)
    checked_seed(options.seed)
    if options.path.is_dir():
        if options.dataset or options.binarize:
            raise ValueError("A run knows its data. Received: --dataset or --binarize with a folder. Leave them out.")
        run = _finished(options.path)
        seed = run.recipe.seed if options.seed is None else options.seed
        model, data, binarize = run.dbn, run.data, run.recipe.binarize
        found = report.measure(run)
    else:
        if not options.path.is_file():
            raise FileNotFoundError(f"There is no run and no model at {options.path}")
        if options.path.suffix != ".keras" or not options.dataset:
            raise ValueError(
                "A saved model is a .keras file, and needs --dataset to be measured on. "
                f"Received: {options.path}, --dataset {options.dataset}"
            )
        seed = options.seed or 0
        model = keras.models.load_model(options.path, compile=False)
        if not isinstance(model, (RBM, DBN, DBM)):
            raise TypeError(f"Likelihoods are those of an RBM, a DBN or a DBM. Received: {type(model).__name__}")
        data, binarize = datasets.load(options.dataset), options.binarize or "sample"
        found = {}
    test, train = (datasets.binarized(x, binarize, seed) for x in (data.x_test, data.x_train))
    if not found:
        found["reconstruction error, test set"] = report.reconstruction(model, test)
    print(f"{len(test)} test cases of {data.name}, made states by: {binarize}, seed {seed}")
    found |= report.likelihoods(model, test, train, **settings, seed=seed, verbose=sys.stdout.isatty())
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:<{width}}  {value}")
    return 0


def sample(options: argparse.Namespace) -> int:
    """Draws fantasies of a finished run as a picture."""
    run = _finished(options.folder)
    if not run.data.image_shape:
        raise ValueError(f"Only pictures can be drawn. Received: {run.data.name}, whose rows are no pictures")
    if options.output.suffix != ".png":
        raise ValueError(f"--output must end in .png. Received: {options.output}")
    if options.output.exists() and not options.overwrite:
        raise FileExistsError(f"{options.output} exists, and was not touched. Choose another --output, or --overwrite.")
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
    run = _finished(options.folder)
    target = options.output or options.folder / "saved_model"
    if target.exists() and not options.overwrite and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} exists, and was not touched. Choose another --output, or --overwrite.")
    run.dbn.export(target)
    print(f"SavedModel with signatures encode, reconstruct, sample: {target}")
    return 0


def music(options: argparse.Namespace) -> int:
    """Trains an RNN-RBM on tunes, and writes music that it makes up."""
    names = [field.name for field in fields(Score) if getattr(options, field.name) is not None]
    score = Score(**{name: getattr(options, name) for name in names})
    name = "folk-tunes" if score.midi is None else score.midi.stem if score.midi.is_file() else score.midi.name
    folder = options.output or Path("saved_models") / f"{name}-music"
    if folder.exists() and not options.overwrite and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"{folder} exists, and nothing in it was touched. Choose another --output, or start anew with --overwrite."
        )
    present = [path.name for path in written(folder) if path.exists()]
    if present and not any((folder / sign).exists() for sign in ("card.md", "model.keras", "logs/history.csv")):
        raise FileExistsError(
            f"{folder} holds no run of keras-rbm music, so --overwrite does not touch it. Received: "
            f"{', '.join(present)} there. Choose another --output."
        )
    job, started = Music(score, folder), time.monotonic()
    with _warnings_as_lines():
        job.check()  # before the music of an earlier run is gone
        if options.overwrite:
            _clear(written(folder))
        sizes = f"{job.tunes.notes[1] - job.tunes.notes[0] + 1}-{score.units}"
        print(
            f"An RNN-RBM {sizes}, recurrence {score.cell} of {score.recurrent}, on {job.tunes.name} "
            f"({len(job.tunes)} tunes), into {folder}"
        )
        try:
            job.train()
            print("\nMusic, figures, SavedModel, likelihoods ...")
            job.generate()
            measured = music_report.write(job)
        except KeyboardInterrupt:
            saved = job.save()
            print(
                f"\nInterrupted in epoch {job.epoch} of {score.epochs}. Saved what is trained so far: "
                f"{', '.join(saved) or 'nothing yet'}, in {folder}.\n"
                f"Start anew with:  {score.command(folder)} --overwrite"
            )
            return 130
    print(music_report.summary(job, measured, time.monotonic() - started))
    return 0


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Warnings are lines on stderr, without the place in the code that they come from."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: print(f"keras-rbm: {message}", file=sys.stderr)
        yield


def _finished(folder: Path) -> Run:
    run = Run(Recipe.load(folder / "recipe.json"), folder)
    run.dbn = keras.models.load_model(folder / "dbn.keras", compile=False)
    if (folder / "classifier.keras").exists():
        run.classifier = keras.models.load_model(folder / "classifier.keras")
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-rbm", description="Train, judge, sample and deploy deep belief networks; learn and make up music."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("train", help="train a DBN and a classifier that starts from it")
    command.set_defaults(command=train)
    usual = Recipe()
    add = command.add_argument
    add("--dataset", help="digits (embedded, the default), mnist, fashion_mnist, kmnist, or a .npz file with x_train")
    add("--output", type=Path, metavar="DIR", help="where to write (default: saved_models/DATASET-dbn)")
    add("--overwrite", action="store_true", help="remove what an earlier run wrote there")
    add("--resume", action="store_true", help="go on with the interrupted run in DIR")
    add("--layers", type=int, nargs="+", metavar="N", help="hidden units, from the lowest layer to the top")
    add("--epochs", type=int, metavar="N", help="of greedy pretraining, a layer")
    add("--wake-sleep-epochs", type=int, metavar="N", help="of wake-sleep (0: none)")
    add("--fine-tune-epochs", type=int, metavar="N", help="of the classifier (0: none)")
    add("--learning-rate", type=float, metavar="X", help=f"of pretraining (default: {usual.learning_rate:g})")
    add("--wake-sleep-learning-rate", type=float, metavar="X", help=f"(default: {usual.wake_sleep_learning_rate:g})")
    add("--fine-tune-learning-rate", type=float, metavar="X", help=f"(default: {usual.fine_tune_learning_rate:g})")
    add("--gibbs-steps", type=int, metavar="K", help="Gibbs sweeps an update (default: 1)")
    add("--sampler", metavar="NAME", help="cd (the default), pcd, fast_pcd or parallel_tempering")
    add(
        "--binarize",
        metavar="HOW",
        help="grey levels become states by sample (afresh each epoch; the default), threshold or none",
    )
    add("--batch-size", type=int, metavar="N", help="cases a step")
    add("--seed", type=int, help="rules weights, order and samples (default: 0)")

    for name, function, sentence in (
        ("evaluate", evaluate, "measure a run or a saved model on a test set: likelihoods too"),
        ("sample", sample, "draw fantasies of a run's DBN"),
        ("export", export, "write the SavedModel of a run's DBN"),
    ):
        command = commands.add_parser(name, help=sentence)
        command.set_defaults(command=function)
        if name == "evaluate":
            add = command.add_argument
            add(
                "path",
                type=Path,
                metavar="PATH",
                help="a folder that keras-rbm train wrote, or an RBM, DBN or DBM, .keras",
            )
            add("--dataset", help="for a .keras file: digits, mnist, ..., or a .npz file")
            add("--binarize", metavar="HOW", help="for a .keras file: sample (the default), threshold or none")
            add("--seed", type=int, help="of the test set's binary samples and the chains (default: the run's, or 0)")
            add("--chains", type=int, default=100, metavar="N", help="of AIS and reverse AIS (default: 100)")
            add("--temperatures", type=int, default=10_000, metavar="N", help="(default: 10000)")
            add(
                "--burn-in",
                type=int,
                default=10_000,
                metavar="N",
                help="Gibbs sweeps from training data before reverse AIS (default: 10000)",
            )
        else:
            command.add_argument("folder", type=Path, metavar="DIR", help="a folder that keras-rbm train wrote")
            command.add_argument("--overwrite", action="store_true", help="replace what is there")
        if name == "sample":
            command.add_argument("--num", type=int, default=64, metavar="N", help="how many (default: 64)")
            command.add_argument("--steps", type=int, default=1000, metavar="N", help="Gibbs sweeps (default: 1000)")
            command.add_argument("--output", type=Path, default=Path("fantasies.png"), metavar="FILE")
            command.add_argument("--seed", type=int, help="for a sample that can be repeated")
        if name == "export":
            command.add_argument("--output", type=Path, metavar="DIR", help="(default: DIR/saved_model)")

    command = commands.add_parser("music", help="train an RNN-RBM on tunes, and write music that it makes up")
    command.set_defaults(command=music)
    command.add_argument("--output", type=Path, metavar="DIR", help="where to write (default: saved_models/NAME-music)")
    command.add_argument("--overwrite", action="store_true", help="remove what an earlier run wrote there")
    add_options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
