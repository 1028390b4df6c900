"""What all tests share."""

import keras
import pytest


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Python's, NumPy's and TensorFlow's generators start alike in every test, in whatever order they run."""
    keras.utils.set_random_seed(1234)
