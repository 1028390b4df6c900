"""Restricted Boltzmann machines as Keras citizens."""

import os as _os
import sys as _sys

if _os.path.basename(_sys.argv[0]).startswith("keras-rbm"):  # the command: fewer of TensorFlow's notes in its output
    _os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

if _os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    raise ImportError(
        "keras_rbm needs the TensorFlow backend of Keras. "
        f"Received: KERAS_BACKEND={_os.environ['KERAS_BACKEND']!r}. Unset it, or set KERAS_BACKEND=tensorflow."
    )

import keras as _keras

if _keras.config.backend() != "tensorflow":
    raise ImportError(
        "keras_rbm needs the TensorFlow backend of Keras. "
        f"Received: backend={_keras.config.backend()!r}. Set KERAS_BACKEND=tensorflow, or mend keras.json."
    )

from keras_rbm import callbacks, datasets, likelihood, plots, ranking, regularizers, samplers, units
from keras_rbm.datasets import load
from keras_rbm.models import DBM, DBN, RBM, RNNRBM, RTRBM, ClassificationRBM, Hopfield, RatingsRBM
from keras_rbm.version import __version__

__all__ = [
    "DBM",
    "DBN",
    "RBM",
    "RNNRBM",
    "RTRBM",
    "ClassificationRBM",
    "Hopfield",
    "RatingsRBM",
    "__version__",
    "callbacks",
    "datasets",
    "likelihood",
    "load",
    "plots",
    "ranking",
    "regularizers",
    "samplers",
    "units",
]
