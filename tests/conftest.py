"""What all tests share."""

import gc
import os
from collections import Counter
from collections.abc import Iterator
from unittest import mock

import pytest

# One thread for each of the processes that run side by side, set before any of them imports TensorFlow; and what XLA
# compiles runs for moments here, so that to optimise it takes longer than it saves. `XLA_FLAGS= pytest` optimises.
for name, value in {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
}.items():
    os.environ.setdefault(name, value)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test with many cases, `few(n)` of them are enough each time: the others are slow.

    Those that are marked `first` come first: they run for minutes, and at the end all others would wait for them.
    """
    items.sort(key=lambda item: "first" not in item.keywords)
    seen: Counter = Counter()
    for item in items:
        marker = item.get_closest_marker("few")
        if marker and "slow" not in item.keywords:
            test = item.nodeid.split("[")[0]
            seen[test] += 1
            if seen[test] > marker.args[0]:
                item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Python's, NumPy's and TensorFlow's generators start alike in every test, in whatever order they run.

    TensorFlow lets go of every kernel when it is given a seed, for the sake of random operations with a state of their
    own, which this package has none of. Without a handle it keeps them: making them anew took a third of the time.
    """
    import keras
    from tensorflow.python.eager import context

    with mock.patch.object(context.context(), "_context_handle", None):
        keras.utils.set_random_seed(1234)


@pytest.fixture(scope="module", autouse=True)
def let_go(request: pytest.FixtureRequest) -> Iterator[None]:
    """The machines that a module keeps, and the functions compiled for them, go with it.

    What is still there then stays: the next collections need not look at a million objects each time.
    """
    yield
    import keras

    for value in vars(request.module).values():
        if hasattr(value, "cache_clear") and value.__module__ == request.module.__name__:
            value.cache_clear()
    keras.backend.clear_session()
    gc.collect()
    gc.freeze()
