"""Keras runs on TensorFlow here, or importing this fails."""

import os

if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    raise ImportError(
        "keras_rbm needs the TensorFlow backend of Keras. "
        f"Received: KERAS_BACKEND={os.environ['KERAS_BACKEND']!r}. Unset it, or set KERAS_BACKEND=tensorflow."
    )

import keras

if keras.config.backend() != "tensorflow":
    raise ImportError(
        "keras_rbm needs the TensorFlow backend of Keras. "
        f"Received: backend={keras.config.backend()!r}. Set KERAS_BACKEND=tensorflow, or mend keras.json."
    )
