"""Data that need no download."""

from __future__ import annotations

import numpy as np

from keras_rbm.datasets.data import Data, flattened


def bars_and_stripes(side: int = 4) -> Data:
    """All pictures of whole rows or whole columns, each once: `2 (2^side - 1)` binary patterns.

    Training and test set are the same: the best log-likelihood that any model can have is minus the logarithm of their
    number, -3.401 nats for the 30 patterns of 4x4.

    Reference:
        Hinton & Sejnowski, 1986, "Learning and relearning in Boltzmann machines"; MacKay, 2003, "Information theory,
        inference, and learning algorithms", section 43.
    """
    lines = (np.arange(2**side)[:, None] >> np.arange(side) & 1).astype("float32")
    x = np.unique(np.concatenate([np.repeat(lines, side, 1), np.tile(lines, (1, side))]), axis=0)
    return Data(
        name="bars-and-stripes",
        x_train=x,
        y_train=None,
        x_test=x,
        y_test=None,
        image_shape=(side, side),
        classes=(),
        source=f"all {len(x)} pictures of whole rows or whole columns, {side}x{side}; the test set is the training set",
    )


def digits() -> Data:
    """1,797 handwritten digits, 8x8 grey levels from 0 to 16 divided by 16, that ship with scikit-learn.

    A fifth of each class, drawn with seed 0, is the test set.

    Reference:
        Alpaydin & Kaynak, 1998, "Optical recognition of handwritten digits", UCI Machine Learning Repository.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        flattened(x) / 16, y.astype("int64"), test_size=0.2, random_state=0, stratify=y
    )
    return Data(
        name="digits",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        image_shape=(8, 8),
        classes=tuple("0123456789"),
        source="scikit-learn's load_digits (UCI optical digits, 8x8); a fifth, stratified, seed 0, is the test set",
    )
