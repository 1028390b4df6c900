"""Models and runs that are read back from files, which may be damaged, or others than they should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from keras_rbm import models, regularizers  # noqa: F401  all that a saved model may be made of
from keras_rbm.jobs import recipes
from keras_rbm.jobs.dbn.config import DBNConfig
from keras_rbm.jobs.dbn.run import DBNRun
from keras_rbm.models import DBN


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
