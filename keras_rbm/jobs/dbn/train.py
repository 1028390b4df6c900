"""`keras-rbm train`: a new run, or going on with one."""

from __future__ import annotations

import argparse
import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keras_rbm.files import remove
from keras_rbm.jobs import files, measures, recipes
from keras_rbm.jobs.dbn import report
from keras_rbm.jobs.dbn.config import DBNConfig
from keras_rbm.jobs.dbn.run import WRITTEN, DBNRun


def train(options: argparse.Namespace) -> dict[str, Any]:
    """Trains a DBN and a classifier, in a new folder or going on in one."""
    if options.dataset and options.dataset.endswith(".npz"):
        options.dataset = str(Path(options.dataset).resolve())  # the run is found again from any folder
    given = {name: getattr(options, name) for name in asdict(DBNConfig()) if getattr(options, name) is not None}
    folder, config = _where(options, given)
    run = DBNRun(config, folder, options.verbose)
    run.check()  # before the models of an earlier run are gone
    with files.alone_in(folder):
        return _train(run, options)


def _train(run: DBNRun, options: argparse.Namespace) -> dict[str, Any]:
    folder, config = run.folder, run.config
    if (folder / "card.md").exists() and options.resume:
        remove([folder / "checkpoints"])
        print(f"The run in {folder} is finished. Start anew with --overwrite.")
        return {"output": folder, "finished_before": True}
    if not options.resume:
        files.begin(folder, config, [folder / name for name in WRITTEN])
    sizes = "-".join(str(n) for n in (run.data.x_train.shape[1], *config.layers))
    print(f"A DBN {sizes} on {run.data.name} ({len(run.training_rows)} training cases), into {folder}")
    if run.data.y_train is None:
        print("There are no labels, so no classifier follows.")
    started = time.monotonic()
    try:
        with run.job as job:
            run.train()
            job.begin("figures, SavedModel, logistic regression")
            measured = report.write(run)
    except KeyboardInterrupt:
        saved = run.save()
        raise KeyboardInterrupt(
            f"Interrupted in stage '{run.stage}'. Saved what is trained so far: {', '.join(saved) or 'nothing yet'}, "
            f"in {folder}.\nGo on with:  {shlex.join(['keras-rbm', 'train', '--resume', '--output', str(folder)])}"
        ) from None
    remove([folder / "checkpoints"])
    seconds = time.monotonic() - started
    _print_summary(run, measured, seconds)
    curves = {stage: {log: values[-1] for log, values in curve.items()} for stage, curve in run.histories().items()}
    found = {"output": folder, "recipe": asdict(config), "training_cases": len(run.training_rows), "seconds": seconds}
    return {**found, "last_epochs": curves, "measured": measures.as_json(measured)}


def _where(options: argparse.Namespace, given: dict[str, Any]) -> tuple[Path, DBNConfig]:
    """The folder to write to and the configuration to follow."""
    dataset = given.get("dataset", "digits")
    folder = options.output or Path("saved_models") / f"{Path(dataset).stem}-dbn"
    if options.resume:
        config = recipes.load(DBNConfig, folder, "train")
        if (folder / "progress.json").exists():
            raise ValueError(
                f"The run in {folder} is of an older version, which saved otherwise. Start anew with --overwrite."
            )
        recipes.check_same(config, given)
        return folder, config
    if not options.overwrite:
        files.check_free(
            folder,
            "nothing in it was touched. Choose another --output, go on with --resume, or start anew with --overwrite.",
        )
    return folder, DBNConfig.for_dataset(dataset, **{name: value for name, value in given.items() if name != "dataset"})


def _print_summary(run: DBNRun, measured: dict[str, str], seconds: float) -> None:
    print("\nMeasured", *measures.lines(measured, indent="  "), sep="\n")
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
