"""Data that need no download."""

from __future__ import annotations

from keras_rbm.datasets.data import Data, flattened


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
