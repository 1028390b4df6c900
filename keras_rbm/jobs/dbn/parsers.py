"""What `keras-rbm train`, `evaluate`, `sample` and `export` are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_rbm.jobs.dbn.config import add_options
from keras_rbm.jobs.startup import later

_A_RUN = "a folder that keras-rbm train wrote"


def add_to(commands: Any) -> None:
    """The commands, among the others."""
    _add_train(commands)
    _add_evaluate(commands)
    _add_sample(commands)
    _add_export(commands)


def _add_train(commands: Any) -> None:
    parser = commands.add_parser("train", help="train a DBN and a classifier that starts from it")
    parser.set_defaults(command=later("keras_rbm.jobs.dbn.train", "train"))
    add = parser.add_argument
    add("--dataset", help="digits (embedded, the default), mnist, fashion_mnist, kmnist, or a .npz file with x_train")
    add("--output", type=Path, metavar="DIR", help="where to write (default: saved_models/DATASET-dbn)")
    add("--overwrite", action="store_true", help="remove what an earlier run wrote there")
    add("--resume", action="store_true", help="go on with the interrupted run in DIR")
    add("--verbose", action="store_true", help="Keras's own progress bars, one an epoch")
    add_options(parser)


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="measure a run or a saved model on a test set: likelihoods too")
    parser.set_defaults(command=later("keras_rbm.jobs.dbn.evaluate", "evaluate"))
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help=f"{_A_RUN}, or an RBM, DBN or DBM, .keras")
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


def _add_sample(commands: Any) -> None:
    parser = commands.add_parser("sample", help="draw fantasies of a run's DBN")
    parser.set_defaults(command=later("keras_rbm.jobs.dbn.use", "sample"))
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help=_A_RUN)
    add("--overwrite", action="store_true", help="replace what is there")
    add("--num", type=int, default=64, metavar="N", help="how many (default: 64)")
    add("--steps", type=int, default=1000, metavar="N", help="Gibbs sweeps (default: 1000)")
    add("--output", type=Path, default=Path("fantasies.png"), metavar="FILE")
    add("--seed", type=int, help="for a sample that can be repeated")


def _add_export(commands: Any) -> None:
    parser = commands.add_parser("export", help="write the SavedModel of a run's DBN")
    parser.set_defaults(command=later("keras_rbm.jobs.dbn.use", "export"))
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help=_A_RUN)
    add("--overwrite", action="store_true", help="replace what is there")
    add("--output", type=Path, metavar="DIR", help="(default: DIR/saved_model)")
