"""Data through TensorFlow Datasets."""

from __future__ import annotations

import os

from keras_rbm.datasets.data import Data, flattened

#: Grey-level pictures of one size, with labels.
NAMES = ("mnist", "fashion_mnist", "kmnist")


def pictures(name: str) -> Data:
    """A data set of small grey pictures, grey levels divided by 255, as TensorFlow Datasets prepares it.

    It is downloaded once, to the folder that `TFDS_DATA_DIR` names (or TensorFlow Datasets' own default).

    Args:
        name: one of `NAMES`.

    Raises:
        ValueError: for another name.
        OSError: if the data are not there and cannot be downloaded.
    """
    if name not in NAMES:
        raise ValueError(f"The data set must be one of {', '.join(NAMES)}. Received: {name!r}")
    import tensorflow_datasets as tfds

    try:
        (train, test), info = tfds.load(name, split=["train", "test"], batch_size=-1, with_info=True)
    except Exception as error:  # a failed download raises whatever the network layer below happens to raise
        folder = os.environ.get("TFDS_DATA_DIR", "its default folder")
        raise OSError(
            f"{name} is not in {folder}, and could not be downloaded ({type(error).__name__}). Connect to a network, "
            "or set TFDS_DATA_DIR to a folder that holds it."
        ) from error
    image_shape = tuple(train["image"].shape[1:3])
    return Data(
        name=name,
        x_train=flattened(train["image"]) / 255,
        y_train=train["label"].numpy(),
        x_test=flattened(test["image"]) / 255,
        y_test=test["label"].numpy(),
        image_shape=(int(image_shape[0]), int(image_shape[1])),
        classes=tuple(info.features["label"].names),
        source=f"{name} {info.version} of TensorFlow Datasets, its own training and test split",
    )
