"""SavedModel signatures: a model's questions, for places where Keras and this package are not installed."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from keras_rbm.files import replacing


def write(model: keras.Model, filepath: str | os.PathLike, format: str) -> list[str]:
    """Writes a SavedModel with an endpoint for each question that the model can answer; the first serves by default.

    Args:
        model: a built model, whose `_endpoints()` are functions and their signatures, by name.
        filepath: the folder to write.
        format: `"tf_saved_model"`.

    Returns:
        the names of the endpoints.

    Raises:
        ValueError: if the model is not built, or the format another.
    """
    if format != "tf_saved_model":
        raise ValueError(f"`format` must be 'tf_saved_model'. Received: format={format!r}")
    if not model.built:
        raise ValueError("A machine must be built before it is exported. Fit it, adapt it or call it on data.")
    archive, endpoints = keras.export.ExportArchive(), model._endpoints()
    archive.track(model)
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=signature)
    with replacing(Path(filepath)) as part:
        archive.write_out(str(part), verbose=False)
    return list(endpoints)
