"""Pixels and notes to unit-valued tensors."""

from __future__ import annotations

from keras_rbm.datasets import embedded, files, midi, tfds
from keras_rbm.datasets.batching import BINARIZE, batches, binarized
from keras_rbm.datasets.data import Data
from keras_rbm.datasets.ratings import Ratings, movielens, rating_batches, rating_table, read_ratings, split_ratings
from keras_rbm.datasets.sequences import Rolls, frames, subsequences
from keras_rbm.datasets.statistics import roll_statistics
from keras_rbm.datasets.tunes import folk_tunes

__all__ = [
    "BINARIZE",
    "Data",
    "Ratings",
    "Rolls",
    "batches",
    "binarized",
    "folk_tunes",
    "frames",
    "load",
    "midi",
    "movielens",
    "rating_batches",
    "rating_table",
    "read_ratings",
    "roll_statistics",
    "split_ratings",
    "subsequences",
]

_EMBEDDED = {"digits": embedded.digits, "bars_and_stripes": embedded.bars_and_stripes}


def load(name: str) -> Data:
    """The data set that a name or a file means.

    Args:
        name: `"digits"` or `"bars_and_stripes"` (which need no download), `"mnist"`, `"fashion_mnist"` or `"kmnist"`
            (through TensorFlow Datasets), or the path of a `.npz` file.

    Raises:
        ValueError: for a name that is not known, or a damaged file.
        FileNotFoundError: for a file that is not there.
        OSError: if a download fails.

    Example:

    ```python
    data = keras_rbm.load("digits")
    data.x_train.shape  # (1437, 64)
    ```
    """
    if name in _EMBEDDED:
        return _EMBEDDED[name]()
    if name in tfds.NAMES:
        return tfds.pictures(name)
    if str(name).endswith(".npz"):
        return files.archive(name)
    known = ", ".join((*_EMBEDDED, *tfds.NAMES))
    tunes = " Tunes are another kind: datasets.folk_tunes(), datasets.midi.load(folder)." if "tune" in str(name) else ""
    raise ValueError(f"The data set must be one of {known}, or the path of a .npz file. Received: {name!r}.{tunes}")
