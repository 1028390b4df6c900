"""The quality of samples in the logs."""

import keras
import numpy as np
import pytest

from keras_rbm import RBM, callbacks, sample_quality
from tests.support.modes import uncompiled

X = np.random.default_rng(0).integers(0, 2, (60, 6)).astype("float32")
Y = X[:, 0].astype(int)
FEW = {"num_samples": 20, "num_steps": 2}
LOGGED = ["aats_truth", "aats_syn", "aats_distance", "spectrum_distance", "class_distance", "privacy_loss"]


def machine(learning_rate: float = 0.1) -> RBM:
    rbm = uncompiled(RBM(3, sampler="pcd", seed=0))
    rbm.build((None, 6))
    rbm.compile(keras.optimizers.SGD(learning_rate), run_eagerly=True)
    return rbm


def test_it_logs_and_keeps_what_is_found():
    rbm, monitor = machine(), callbacks.QualityMonitor(X, X[:30], Y, every=2, **FEW)
    history = rbm.fit(X, batch_size=60, epochs=3, verbose=0, callbacks=[monitor]).history
    found = sample_quality(rbm, X, X[:30], Y, **FEW)  # the third epoch was the last that was measured
    assert monitor.last.as_dict() == found.as_dict()
    assert [history[name][2] for name in LOGGED] == [
        found.aats.truth,
        found.aats.syn,
        found.aats.distance,
        found.spectra.distance,
        found.classes.distance,
        found.privacy_loss,
    ]
    for name in LOGGED:
        assert history[name][0] == history[name][1]
    plain = machine().fit(X, batch_size=60, epochs=1, verbose=0, callbacks=[callbacks.QualityMonitor(X, **FEW)]).history
    assert not {"class_distance", "privacy_loss"} & set(plain)


def test_training_is_not_disturbed():
    weights = []
    for monitors in ([], [callbacks.QualityMonitor(X, every=1, **FEW)]):
        rbm = machine()
        rbm.fit(X, batch_size=60, epochs=2, verbose=0, callbacks=monitors)
        weights.append(rbm.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_keras_knows_that_less_is_better(tmp_path, monkeypatch):
    """Of distances that grow, the first is the best, and training stops."""
    grow = iter(range(1, 10))
    monkeypatch.setattr(
        "keras_rbm.callbacks.quality_monitor.sample_quality",
        lambda *args, **options: _Growing(sample_quality(*args, **options), next(grow)),
    )
    monitor = callbacks.QualityMonitor(X, labels=Y, every=1, **FEW)
    stop = [keras.callbacks.EarlyStopping(name, patience=2) for name in (LOGGED[2], LOGGED[3], LOGGED[4])]
    best = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", monitor="aats_distance", save_best_only=True)
    history = machine().fit(X, batch_size=60, epochs=9, verbose=0, callbacks=[monitor, *stop, best]).history
    for each in stop:
        assert each.stopped_epoch == 2
        assert each.best == min(history[each.monitor])
    assert [path.name for path in tmp_path.iterdir()] == ["1.keras"]


class _Growing:
    """What was found, but for distances."""

    privacy_loss = None

    def __init__(self, found, distance):
        self.aats = found.aats._replace(truth=0.5 + distance / 100, syn=0.5)
        self.spectra = found.spectra._replace(distance=distance)
        self.classes = found.classes._replace(distance=distance)


def test_a_run_that_is_taken_up_again_logs_the_same(tmp_path):
    """Between two measurements, those of before."""
    histories = []
    for parts in ((2,), (1, 2)):
        folder = tmp_path / str(len(parts))
        for epochs in parts:
            monitor = callbacks.QualityMonitor(X, every=5, **FEW)
            log = keras.callbacks.CSVLogger(folder.with_suffix(".csv"), append=True)
            machine().fit(
                X, batch_size=60, epochs=epochs, verbose=0, callbacks=[callbacks.Checkpoint(folder), monitor, log]
            )
        histories.append(folder.with_suffix(".csv").read_text())
    assert histories[0] == histories[1]
    assert histories[0].count("\n") == 3


def test_it_refuses_before_the_first_step():
    rbm = machine()
    before = rbm.get_weights()
    for options, message in (
        ({"x": X / 2}, "grey level"),
        ({"x": X, "labels": Y[:5]}, "`labels` must be one class"),
        ({"x": X, "classifier": lambda x: x[:3]}, "must return a class a row"),
        ({"x": X, "seed": "a"}, "`seed` must be an integer"),
    ):
        with pytest.raises(ValueError, match=message):
            rbm.fit(X, verbose=0, callbacks=[callbacks.QualityMonitor(**options)])
    for a, b in zip(rbm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="`every` must be"):
        callbacks.QualityMonitor(X, every=0)
