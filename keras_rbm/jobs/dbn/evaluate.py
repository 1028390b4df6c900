"""`keras-rbm evaluate`: how good a finished run or a saved model is."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np

from keras_rbm import datasets
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.diagnosis import Diagnosis, diagnose
from keras_rbm.files import replacing
from keras_rbm.jobs import measures
from keras_rbm.jobs.dbn import report, stored
from keras_rbm.models import DBM, DBN, RBM


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
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
    drawn = f", seed {seed}: drawn here, not a published binary file" if binarize == "sample" else ""
    print(f"{len(test)} test cases of {data.name}, made states by: {binarize}{drawn}")
    found |= report.likelihoods(model, test, train, **settings, seed=seed)
    print(*measures.lines(found), sep="\n")
    diagnosis = _diagnosis(model, train, test, options, seed)
    print("", diagnosis, sep="\n")
    how = {"dataset": data.name, "test_cases": len(test), "binarize": binarize, "seed": seed}
    said = diagnosis if isinstance(diagnosis, str) else [asdict(finding) for finding in diagnosis.findings]
    return {**how, **settings, "measured": measures.as_json(found), "diagnosis": said}


def _diagnosis(
    model: Any, train: np.ndarray, test: np.ndarray, options: argparse.Namespace, seed: int
) -> Diagnosis | str:
    """What was found, drawn too where that was asked for; or why there is nothing."""
    try:
        found = diagnose(model, train, test, num_steps=min(500, options.burn_in), num_temperatures=None, seed=seed)
    except ValueError as error:
        return f"No diagnosis: {error}"
    if options.picture:
        with replacing(options.picture) as part:
            found.figure().savefig(part)
    return found


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
