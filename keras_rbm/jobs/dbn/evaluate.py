"""`keras-rbm evaluate`: how good a finished run or a saved model is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from keras_rbm import datasets, likelihood
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.datasets import midi
from keras_rbm.jobs import measures
from keras_rbm.jobs.dbn import report, stored
from keras_rbm.models.labelled import Labelled
from keras_rbm.models.sequence.generator import Generator

#: Chains, temperatures and sweeps before reverse AIS.
_OF_ROWS, _OF_TUNES = (100, 10_000, 10_000), (10, 200, 100)


def add_to(commands: Any) -> None:
    """The command, among the others."""
    parser = commands.add_parser("evaluate", help="measure a run or a saved model on a test set: likelihoods too")
    parser.set_defaults(command=evaluate)
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="a folder that keras-rbm train wrote, a .keras file, or a name")
    add(
        "--dataset",
        help="for a .keras file: digits, mnist, ..., a .npz file; of tunes MIDI files (default: folk tunes)",
    )
    add("--binarize", metavar="HOW", help="for a .keras file: sample (the default), threshold or none")
    add("--seed", type=int, help="of the test set's binary samples and the chains (default: the run's, or 0)")
    add("--chains", type=int, metavar="N", help="of AIS and reverse AIS (default: 100, of tunes 10)")
    add("--temperatures", type=int, metavar="N", help="(default: 10000, of tunes 200)")
    add(
        "--burn-in",
        type=int,
        metavar="N",
        help="Gibbs sweeps from training data before reverse AIS (default: 10000, of tunes 100)",
    )


def evaluate(options: argparse.Namespace) -> int:
    """Measures a finished run or a saved model on a test set, likelihoods included."""
    settings = _settings(options, _OF_ROWS)
    checked_seed(options.seed)
    found: dict[str, str] = {}
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
    if not found:
        found["reconstruction error, test set"] = report.reconstruction(model, test)
        if isinstance(model, Labelled) and model.num_classes and data.y_test is not None:
            found["test accuracy, label units"] = report.accuracy(model.classify(test) == data.y_test)
    print(f"{len(test)} test cases of {data.name}, made states by: {binarize}, seed {seed}")
    found |= report.likelihoods(model, test, train, **settings, seed=seed, verbose=sys.stdout.isatty())
    print(*measures.lines(found), sep="\n")
    return 0


def _tunes(model: Generator, options: argparse.Namespace) -> int:
    """Measures a sequence model on the test part of tunes."""
    if options.binarize:
        raise ValueError("Tunes are states. Received: --binarize with a sequence model. Leave it out.")
    tunes = midi.load(options.dataset) if options.dataset else datasets.folk_tunes()
    seed = options.seed or 0
    x, mask = datasets.subsequences(tunes.split(seed=seed)[2], None)
    settings: dict[str, Any] = _settings(options, _OF_TUNES)
    result = likelihood.frame_log_likelihood(model, x, mask, **settings, seed=seed, verbose=0)
    figures = f"{result.lower:.2f} (by reverse AIS) and {result.upper:.2f} (by AIS)"
    found = {"log-likelihood, test tunes": f"{result.lower:.2f} (log Z is exact)" if result.exact else figures}
    found = {name: f"{value} nats a frame" for name, value in found.items()}
    if result.accuracy is not None:
        found["expected accuracy, test tunes"] = f"{100 * result.accuracy:.1f} %"
    print(f"{len(x)} test tunes of {tunes.name}, a tenth of them, seed {seed}")
    print(*measures.lines(found), sep="\n")
    return 0


def _settings(options: argparse.Namespace, usual: tuple[int, int, int]) -> dict[str, int]:
    given = {"num_chains": options.chains, "num_temperatures": options.temperatures, "burn_in": options.burn_in}
    return {
        name: positive_integer(often if value is None else value, name)
        for often, (name, value) in zip(usual, given.items(), strict=True)
    }
