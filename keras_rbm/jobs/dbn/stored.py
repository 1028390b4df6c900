"""Models and runs that are read back from files, which may be damaged, or others than they should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from keras_rbm import models, pretrained, regularizers  # noqa: F401  all that a saved model may be made of
from keras_rbm.jobs import recipes
from keras_rbm.jobs.dbn.config import DBNConfig
from keras_rbm.jobs.dbn.run import DBNRun
from keras_rbm.models import DBN
from keras_rbm.models.machine import Machine
from keras_rbm.models.sequence.generator import Generator


def run_in(folder: Path) -> DBNRun:
    """The finished run in a folder, with its models.

    Raises:
        FileNotFoundError: if the folder holds no run, or one without a model.
        ValueError: if what it holds is damaged.
    """
    run = DBNRun(recipes.load(DBNConfig, folder, "train"), folder)
    path = folder / "dbn.keras"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: training has not come so far. Go on with: keras-rbm train --resume"
        )
    with _reading(f"The models of {folder}", "Train anew, or take a copy that is whole."):
        run.dbn = keras.models.load_model(path, compile=False)
        if (folder / "classifier.keras").exists():
            run.classifier = keras.models.load_model(folder / "classifier.keras")
        if not isinstance(run.dbn, DBN):
            raise TypeError(f"dbn.keras holds a {type(run.dbn).__name__}")
    return run


def named(path: Path) -> Path:
    """A path or, where there is nothing and it is the name of a pretrained model, that of its run or its file.

    Raises:
        FileNotFoundError: if there is neither.
    """
    if path.exists():
        return path
    if str(path) not in pretrained.names():
        raise FileNotFoundError(
            f"There is no run and no model at {path}. Pretrained models are {', '.join(pretrained.names())}"
        )
    file = pretrained.path(str(path))
    return file.parent if (file.parent / recipes.NAME).exists() else file


def machine_at(path: Path) -> Machine | Generator:
    """The model of this package in a `.keras` file.

    Raises:
        ValueError: if it cannot be read, or is another file.
        TypeError: if the model is another.
    """
    if path.suffix != ".keras":
        raise ValueError(f"A saved model is a .keras file. Received: {path}")
    model = model_at(path)
    if not isinstance(model, (Machine, Generator)):
        raise TypeError(f"It must be a model of this package. Received: {type(model).__name__}")
    return model


def model_at(path: Path) -> keras.Model:
    """The model in a `.keras` file.

    Raises:
        ValueError: if it cannot be read.
    """
    with _reading(str(path), "Save the model anew, by model.save(path)."):
        return keras.models.load_model(path, compile=False)


@contextmanager
def _reading(what: str, advice: str) -> Iterator[None]:
    """Keras raises whatever a damaged byte leads it to: one line is made of it."""
    try:
        yield
    except Exception as error:
        reason = str(error).split("\n")[0].strip("\"'. ") or type(error).__name__
        raise ValueError(f"{what} cannot be read as .keras: {reason}. {advice}") from error
