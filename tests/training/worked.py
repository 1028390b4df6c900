"""Two workers do what one device does. Run by `test_workers.py`, by both of them at once, each in its own process."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, RBM, RNNRBM, ClassificationRBM, feeds
from keras_rbm.likelihood import ais
from keras_rbm.models import machine
from keras_rbm.pipelines import for_workers
from keras_rbm.random import Draws
from keras_rbm.samplers import PCD, FastPCD, ParallelTempering
from tests.oracles.machines import random_rbm
from tests.oracles.rbm import Exact, assert_distributed
from tests.support.shares import rows_done
from tests.support.statistics import SIGMAS
from tests.support.still import stand_still

STRATEGY = tf.distribute.MultiWorkerMirroredStrategy()
FOLDER = Path(os.environ["WORKERS_FOLDER"])

RNG = np.random.default_rng(0)
X, Y, WEIGHTS = RNG.integers(0, 65, (21, 9)) / 64, RNG.integers(0, 3, 21), RNG.integers(1, 9, 21) / 8
ROWS = (X > 0.5).astype("float32")
SEQUENCES, MASK = (RNG.random((7, 4, 9)) > 0.5).astype("float32"), np.arange(4) < RNG.integers(1, 5, 7)[:, None]


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """There is none: workers draw what they like."""


def made(make, optimizer=lambda: keras.optimizers.Adam(0.1), **options):
    with STRATEGY.scope():
        model, optimizer = make(), optimizer()
    model.compile(optimizer, **options)
    return model


def assert_the_same_on_all(model) -> None:
    for x in [*model.weights, *model.optimizer.variables]:
        first, second = STRATEGY.gather(tf.constant(np.asarray(x))[None], 0).numpy()
        np.testing.assert_array_equal(first, second, err_msg=x.path)


def test_two_workers_do_what_one_device_does(monkeypatch):
    stand_still(monkeypatch)
    results = []
    for strategy in (tf.distribute.get_strategy(), STRATEGY):
        with strategy.scope():
            model = RBM(5, sampler=FastPCD(1, 7), seed=1, dtype="float64")
            model.compile(keras.optimizers.SGD(0.1, momentum=0.5, clipnorm=0.1), run_eagerly=True)
        model.adapt(X)
        model.sampler.reset(model, tf.constant(X))
        options = {"batch_size": 9, "epochs": 2, "shuffle": False, "verbose": 0}
        results.append((model, model.fit(X, sample_weight=WEIGHTS, **options).history))
    (one, expected), (two, logged) = results
    for x, y in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), 1e-9, 1e-12, err_msg=x.path)
    for name, values in expected.items():
        np.testing.assert_allclose(logged[name], values, 1e-5, 1e-6, err_msg=name)
    assert_the_same_on_all(two)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: RBM(5, sampler=PCD(1, 7)), (ROWS,)),
        (lambda: ClassificationRBM(5, 3), (ROWS, Y)),
        (lambda: DBN([5, 4]), (ROWS,)),
        (lambda: DBM([5, 4], sampler=ParallelTempering(1, 3, 3)), (ROWS,)),
        (lambda: RNNRBM(5, 4), (SEQUENCES, MASK)),
    ],
    ids=["RBM", "ClassificationRBM", "DBN", "DBM", "RNNRBM"],
)
def test_weights_are_the_same_to_the_bit(make, data):
    """Without seeds: what each worker draws before the first step differs."""
    compiled = {"run_eagerly": type(model := made(make)) is not RBM}
    if hasattr(model, "pretrain"):
        model.pretrain(*data, epochs=1, batch_size=9, verbose=0, **({} if isinstance(model, RNNRBM) else compiled))
    model.compile("sgd", **compiled)
    model.fit(*data, batch_size=9, verbose=0, validation_data=data)
    assert_the_same_on_all(model)


def test_a_bad_case_on_one_worker_stops_both():
    model, broken = made(lambda: RBM(5), run_eagerly=True), ROWS.copy()
    broken[14] = np.arange(9)
    with pytest.raises(ValueError, match="max=8"):
        model.fit(tf.data.Dataset.from_tensor_slices(broken).batch(9), verbose=0)
    assert_the_same_on_all(model)
    assert model.optimizer.iterations == 1


def test_a_file_has_all_chains():
    model = made(lambda: RBM(5, sampler=PCD(1, 7)))
    model.fit(ROWS, batch_size=9, steps_per_epoch=2, verbose=0)
    path = FOLDER / f"{STRATEGY.cluster_resolver.task_id}.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert loaded.sampler.chains.shape == (7, 9)
    for x, y in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def test_chains_are_shared_out(monkeypatch):
    """All workers have all of them."""
    done = rows_done(monkeypatch, machine, "run_chains")
    with STRATEGY.scope():
        rbm = random_rbm(num_visible=4, num_hidden=3, dtype="float32")
    v, found = rbm.sample(4001, 40), ais(rbm, num_chains=201, num_temperatures=50, verbose=0)
    place = STRATEGY.cluster_resolver.task_id
    assert done == [(place, 2000 + place)]
    assert_distributed(v.numpy(), Exact(rbm))
    assert abs(found.log_z - Exact(rbm).log_z) < SIGMAS * found.standard_error
    for x in (v, tf.constant(found.log_weights), rbm.stream.key.value):
        first, second = STRATEGY.gather(tf.identity(x)[None], 0).numpy()
        np.testing.assert_array_equal(first, second)


def seen(dataset: tf.data.Dataset) -> np.ndarray:
    """All cases that the workers see."""
    parts = STRATEGY.experimental_distribute_dataset(for_workers(dataset, 2))
    return np.sort(np.concatenate([STRATEGY.gather(part, 0) for part in parts]))


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("kind", [tf.data.TextLineDataset, tf.data.TFRecordDataset])
def test_files_are_shared_out(number, kind, shuffled):
    """Workers that have files of their own may shuffle as they like."""
    numbers = [range(10 * i, 10 * i + 5 + i) for i in range(number)]
    names = [str(FOLDER / f"{kind.__name__}-{number}-{i}") for i in range(number)]
    if STRATEGY.cluster_resolver.task_id == 0:
        for name, values in zip(names, numbers, strict=True):
            if kind is tf.data.TextLineDataset:
                Path(name).write_text("\n".join(map(str, values)))
            else:
                with tf.io.TFRecordWriter(name) as writer:
                    for value in values:
                        writer.write(str(value).encode())
    STRATEGY.gather(tf.zeros(1), 0)  # both wait until they are there
    data = kind(names)
    data = (data.shuffle(50) if shuffled else data).map(tf.strings.to_number).batch(4)
    if number == 1 and shuffled:
        with pytest.raises(ValueError, match="same on all"):
            for_workers(data, 2)
    else:
        np.testing.assert_array_equal(seen(data), np.concatenate(numbers))


def test_cases_of_arrays_are_shared_out():
    data = tf.data.Dataset.from_tensor_slices(np.arange(13.0))
    np.testing.assert_array_equal(seen(data.shuffle(13, seed=1).batch(4)), np.arange(13))
    for refused in (data.shuffle(13).batch(4), data.batch(4).shuffle(3).prefetch(1)):
        with pytest.raises(ValueError, match="same on all"):
            for_workers(refused, 2)
    model = made(lambda: RBM(5))
    with pytest.raises(ValueError, match="same on all"):
        model.fit(tf.data.Dataset.from_tensor_slices(ROWS).shuffle(21).batch(9), verbose=0)


def test_rows_that_lie_on_the_devices_are_shared_out():
    feed = feeds.Resident((X, None, None), batch_size=9)
    launch = feed.launch(
        iter(STRATEGY.experimental_distribute_dataset(feed.launches(3, STRATEGY))), Draws([0, 0]), STRATEGY
    )
    rows = STRATEGY.gather(launch.rows, 0).numpy()
    np.testing.assert_array_equal(np.sort(rows[rows >= 0]), np.arange(21))
