"""`keras-rbm evaluate`: how good a finished run or a saved model is."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from keras_rbm import datasets, likelihood
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.datasets import midi
from keras_rbm.diagnosis import Diagnosis, diagnose
from keras_rbm.files import replacing
from keras_rbm.jobs import measures
from keras_rbm.jobs.dbn import report, stored
from keras_rbm.jobs.measures import Measure
from keras_rbm.models.labelled import Labelled
from keras_rbm.models.sequence.generator import Generator
from keras_rbm.quality import Quality, sample_quality

#: Chains, temperatures and sweeps before reverse AIS.
_OF_ROWS, _OF_TUNES = (100, 10_000, 10_000), (10, 200, 100)


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """Measures a finished run or a saved model on a test set, likelihoods included."""
    settings = _settings(options, _OF_ROWS)
    checked_seed(options.seed)
    if options.picture and options.picture.suffix != ".png":
        raise ValueError(f"--picture is a .png file. Received: {options.picture}")
    found: dict[str, str] = {}
    run: stored.DBNRun | None = None
    path = stored.named(options.path)
    if path.suffix != ".keras" and not path.is_file():
        if options.dataset or options.binarize:
            raise ValueError("A run knows its data. Received: --dataset or --binarize with a folder. Leave them out.")
        run = stored.run_in(path)
        seed = run.config.seed if options.seed is None else options.seed
        model, data, binarize = run.dbn, run.data, run.config.binarize
        found = report.measure(run)
    else:
        seed, model = options.seed or 0, stored.machine_at(path)
        if isinstance(model, Generator):
            return _tunes(model, options)
        if not options.dataset:
            raise ValueError(f"A saved model needs --dataset to be measured on. Received: {options.path} alone")
        data, binarize = datasets.load(options.dataset), options.binarize or "sample"
    test, train = (datasets.binarized(x, binarize, seed) for x in (data.x_test, data.x_train))
    known, held_out = (train, test) if run is None else (train[run.training_rows], train[run.validation_rows])
    if not found:
        found["reconstruction error, test set"] = report.reconstruction(model, test)
        if isinstance(model, Labelled) and model.num_classes and data.y_test is not None:
            found["test accuracy, label units"] = report.accuracy(model.classify(test) == data.y_test)
    drawn = f", seed {seed}: drawn here, not a published binary file" if binarize == "sample" else ""
    print(f"{len(test)} test cases of {data.name}, made states by: {binarize}{drawn}")
    found |= report.likelihoods(model, test, train, **settings, seed=seed)
    print(*measures.lines(found), sep="\n")
    diagnosis = _diagnosis(model, known, held_out, options.picture, settings["burn_in"], seed)
    labels = data.y_train if run is None or data.y_train is None else data.y_train[run.training_rows]
    quality: Quality | str = "No word on samples: left out by --no-quality."
    if not options.no_quality:
        quality = _quality(model, known, test, labels, options.picture, settings["burn_in"], seed)
    print("", diagnosis, "", quality, sep="\n")
    how = {"dataset": data.name, "test_cases": len(test), "binarize": binarize, "seed": seed}
    said = diagnosis if isinstance(diagnosis, str) else [asdict(finding) for finding in diagnosis.findings]
    samples = quality if isinstance(quality, str) else quality.as_dict()
    return {**how, **settings, "measured": measures.as_json(found), "diagnosis": said, "samples": samples}


def _diagnosis(
    model: Any, known: np.ndarray, held_out: np.ndarray, picture: Path | None, num_steps: int, seed: int
) -> Diagnosis | str:
    """What was found, drawn too where that was asked for; or why there is nothing."""
    try:
        found = diagnose(model, known, held_out, num_steps=min(500, num_steps), num_temperatures=None, seed=seed)
    except ValueError as error:
        return f"No diagnosis: {error}"
    if picture:
        with replacing(picture) as part:
            found.figure().savefig(part)
    return found


def _quality(
    model: Any,
    known: np.ndarray,
    test: np.ndarray,
    labels: np.ndarray | None,
    picture: Path | None,
    num_steps: int,
    seed: int,
) -> Quality | str:
    """What samples are like, drawn beside the diagnosis where that was asked for; or why there is nothing."""
    try:
        found = sample_quality(model, known, test, labels, num_steps=min(1000, num_steps), seed=seed)
    except ValueError as error:
        return f"No word on samples: {error}"
    if picture:
        with replacing(picture.with_stem(f"{picture.stem}-samples")) as part:
            found.figure().savefig(part)
    return found


def _tunes(model: Generator, options: argparse.Namespace) -> dict[str, Any]:
    """Measures a sequence model on the test part of tunes."""
    if options.binarize:
        raise ValueError("Tunes are states. Received: --binarize with a sequence model. Leave it out.")
    tunes = midi.load(options.dataset) if options.dataset else datasets.folk_tunes()
    seed = options.seed or 0
    x, mask = datasets.subsequences(tunes.split(seed=seed)[2], None)
    settings: dict[str, Any] = _settings(options, _OF_TUNES)
    result = likelihood.frame_log_likelihood(model, x, mask, **settings, seed=seed)
    found: dict[str, str] = {"log-likelihood, test tunes": measures.of_likelihood(result, "frame")}
    if result.accuracy is not None:
        words = f"{100 * result.accuracy:.1f} %"
        found["expected accuracy, test tunes"] = Measure(words, accuracy=result.accuracy)
    print(f"{len(x)} test tunes of {tunes.name}, a tenth of them, seed {seed}")
    print(*measures.lines(found), sep="\n")
    how = {"dataset": tunes.name, "test_tunes": len(x), "seed": seed}
    return {**how, **settings, "measured": measures.as_json(found)}


def _settings(options: argparse.Namespace, usual: tuple[int, int, int]) -> dict[str, int]:
    given = {"num_chains": options.chains, "num_temperatures": options.temperatures, "burn_in": options.burn_in}
    return {
        name: positive_integer(often if value is None else value, name)
        for often, (name, value) in zip(usual, given.items(), strict=True)
    }
