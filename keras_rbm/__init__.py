"""Restricted Boltzmann machines as Keras citizens."""

import os as _os

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

from keras_rbm import datasets, likelihood, samplers, units
from keras_rbm.datasets import load
from keras_rbm.models import DBN, RBM

__version__ = "0.1.0"

__all__ = ["DBN", "RBM", "datasets", "likelihood", "load", "samplers", "units"]
