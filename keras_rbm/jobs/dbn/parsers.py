"""What `keras-rbm train`, `evaluate`, `sample` and `export` are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_rbm.jobs.dbn.config import add_options
from keras_rbm.jobs.startup import later

_A_MODEL = "a folder that keras-rbm train wrote, a .keras file, or the name of a pretrained model"


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
    add("path", type=Path, metavar="PATH", help=_A_MODEL)
    add("--dataset", help="for a model: digits, mnist, ..., a .npz file; of tunes MIDI files (default: folk tunes)")
    add("--binarize", metavar="HOW", help="for a model: sample (the default), threshold or none")
    add("--seed", type=int, help="of the test set's binary samples and the chains (default: the run's, or 0)")
    add("--chains", type=int, metavar="N", help="of AIS and reverse AIS (default: 100, of tunes 10)")
    add("--temperatures", type=int, metavar="N", help="(default: 10000, of tunes 200)")
    add("--burn-in", type=int, metavar="N", help="Gibbs sweeps before reverse AIS (default: 10000, of tunes 100)")
    add(
        "--picture",
        type=Path,
        metavar="FILE",
        help="where to draw the diagnosis, and beside it, in FILE-samples.png, samples",
    )
    add("--no-quality", action="store_true", help="leave out what samples are like, which takes 2,000 chains")


def _add_sample(commands: Any) -> None:
    parser = commands.add_parser("sample", help="draw fantasies of a run or a saved model: pictures, tunes, arrays")
    parser.set_defaults(command=later("keras_rbm.jobs.dbn.use", "sample"))
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help=_A_MODEL)
    add("--overwrite", action="store_true", help="replace what is there")
    add("--num", type=int, metavar="N", help="how many (default: 64; of tunes 1, others follow in the same file)")
    add("--steps", type=int, metavar="N", help="Gibbs sweeps (default: 1000, of tunes 25 a frame)")
    add("--output", type=Path, metavar="FILE", help=".png, .npy, of tunes .mid (default: fantasies.png, tune.mid)")
    add("--seed", type=int, help="for a sample that can be repeated")
    add("--frames", type=int, default=120, metavar="N", help="of a tune (default: 120)")
    add("--dt", type=float, default=0.25, metavar="X", help="seconds a frame of a tune (default: 0.25)")
    add("--lowest", type=int, default=21, metavar="NOTE", help="MIDI note of a tune's first unit (default: 21)")


def _add_export(commands: Any) -> None:
    parser = commands.add_parser("export", help="write a run or a saved model for other places")
    parser.set_defaults(command=later("keras_rbm.jobs.dbn.use", "export"))
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help=_A_MODEL)
    add("--overwrite", action="store_true", help="replace what is there")
    add("--output", type=Path, metavar="PATH", help="(default: in a run's folder, or named after the model)")
    add("--format", default="tf_saved_model", help="tf_saved_model (the default), onnx, litert or openvino")
    add("--classifier", type=Path, metavar="FILE", help="a .keras network fine-tuned from it: one more endpoint")
