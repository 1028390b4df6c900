"""`keras-rbm evaluate`: how good a finished run or a saved model is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from keras_rbm import datasets
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.diagnosis import diagnose
from keras_rbm.files import replacing
from keras_rbm.jobs import measures
from keras_rbm.jobs.dbn import report, stored
from keras_rbm.models import DBM, DBN, RBM


def add_to(commands: Any) -> None:
    """The command, among the others."""
    parser = commands.add_parser("evaluate", help="measure a run or a saved model on a test set: likelihoods too")
    parser.set_defaults(command=evaluate)
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="a folder that keras-rbm train wrote, or an RBM, DBN or DBM, .keras")
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
    add("--picture", type=Path, metavar="FILE", help="where to draw the diagnosis that is printed: a .png file")


def evaluate(options: argparse.Namespace) -> int:
    """Measures a finished run or a saved model on a test set, likelihoods included."""
    settings = {"num_chains": options.chains, "num_temperatures": options.temperatures, "burn_in": options.burn_in}
    for name, value in settings.items():
        positive_integer(value, name)
    checked_seed(options.seed)
    if options.picture and options.picture.suffix != ".png":
        raise ValueError(f"--picture is a .png file. Received: {options.picture}")
    found: dict[str, str] = {}
    if options.path.is_dir():
        if options.dataset or options.binarize:
            raise ValueError("A run knows its data. Received: --dataset or --binarize with a folder. Leave them out.")
        run = stored.run_in(options.path)
        seed = run.config.seed if options.seed is None else options.seed
        model, data, binarize = run.dbn, run.data, run.config.binarize
        found = report.measure(run)
    else:
        seed, model = options.seed or 0, _saved_model(options)
        data, binarize = datasets.load(options.dataset), options.binarize or "sample"
    test, train = (datasets.binarized(x, binarize, seed) for x in (data.x_test, data.x_train))
    if not found:
        found["reconstruction error, test set"] = report.reconstruction(model, test)
    print(f"{len(test)} test cases of {data.name}, made states by: {binarize}, seed {seed}")
    found |= report.likelihoods(model, test, train, **settings, seed=seed, verbose=sys.stdout.isatty())
    print(*measures.lines(found), sep="\n")
    print("", *_diagnosis(model, train, test, options, seed), sep="\n")
    return 0


def _diagnosis(model: Any, train: np.ndarray, test: np.ndarray, options: argparse.Namespace, seed: int) -> list[str]:
    """The report, drawn too where that was asked for; or why there is none."""
    try:
        found = diagnose(model, train, test, num_steps=min(500, options.burn_in), num_temperatures=None, seed=seed)
    except ValueError as error:
        return [f"No diagnosis: {error}"]
    if options.picture:
        with replacing(options.picture) as part:
            found.figure().savefig(part)
    return [str(found)]


def _saved_model(options: argparse.Namespace) -> RBM | DBN | DBM:
    if not options.path.is_file():
        raise FileNotFoundError(f"There is no run and no model at {options.path}")
    if options.path.suffix != ".keras" or not options.dataset:
        raise ValueError(
            "A saved model is a .keras file, and needs --dataset to be measured on. "
            f"Received: {options.path}, --dataset {options.dataset}"
        )
    model = stored.model_at(options.path)
    if not isinstance(model, (RBM, DBN, DBM)):
        raise TypeError(f"Likelihoods are those of an RBM, a DBN or a DBM. Received: {type(model).__name__}")
    return model
