"""`keras-rbm sample`, `export` and `evaluate` take any model of this package, by file or by name."""

import re
from dataclasses import replace
from pathlib import Path

import keras
import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

import keras_rbm
from keras_rbm import datasets
from keras_rbm.datasets import midi
from keras_rbm.jobs import cli


def run(*words) -> int:
    return cli.main([str(word) for word in words])


def saved(model, folder: Path, *shape) -> Path:
    model.build((None, *shape))
    model.save(folder / "model.keras")
    return folder / "model.keras"


@pytest.fixture
def rbm(tmp_path) -> Path:
    return saved(keras_rbm.ClassificationRBM(3, num_classes=10, seed=0), tmp_path, 64)


@pytest.fixture
def rnn(tmp_path) -> Path:
    return saved(keras_rbm.RNNRBM(3, 2, seed=0), tmp_path, None, 88)


def test_samples_of_a_file_are_pictures_or_arrays(rbm, tmp_path):
    words = ("sample", rbm, "--num", 9, "--steps", 2, "--seed", 1, "--output")
    assert run(*words, tmp_path / "a.png") == 0
    assert len(np.unique(matplotlib.image.imread(tmp_path / "a.png"))) > 2
    assert run(*words, tmp_path / "a.npy") == run(*words, tmp_path / "b.npy") == 0
    a, b = np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy")
    assert a.shape == (9, 64)
    assert set(np.unique(a)) == {0, 1}
    np.testing.assert_array_equal(a, b)


def test_samples_of_sequence_models_are_tunes(rnn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("sample", rnn, "--frames", 6, "--steps", 1, "--seed", 1, "--num", 2)
    assert run(*words) == run(*words, "--output", "tune.npy") == 0
    tunes = np.load("tune.npy").reshape(12, 88)
    read = midi.read("tune.mid", dt=0.25)
    np.testing.assert_array_equal(read, tunes[: len(read)])
    assert not tunes[len(read) :].any()


def test_a_pretrained_model_is_known_by_its_name(tmp_path, capsys):
    name = "bars-and-stripes-rbm-16"
    assert run("sample", name, "--num", 2, "--steps", 1, "--output", tmp_path / "a.npy") == 0
    assert np.load(tmp_path / "a.npy").shape == (2, 16)
    capsys.readouterr()
    assert run("evaluate", name, "--dataset", "bars_and_stripes", "--binarize", "none") == 0
    assert "-3.420 nats a case" in capsys.readouterr().out


def test_a_file_is_exported_with_its_classifier(rbm, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.models.load_model(rbm).classifier(4).save("net.keras")
    assert run("export", rbm, "--classifier", "net.keras") == 0
    assert "SavedModel with classify, class_log_probs, encode" in capsys.readouterr().out
    found = tf.saved_model.load("model-tf_saved_model").signatures["classify"](v=tf.zeros((2, 64)))
    assert found["probs"].shape == (2, 4)


def test_a_sequence_model_is_exported(rnn, tmp_path, capsys):
    assert run("export", rnn, "--output", tmp_path / "out") == 0
    assert "remember" in tf.saved_model.load(str(tmp_path / "out")).signatures
    assert run("export", rnn, "--output", tmp_path / "out") == 1
    assert "was not touched" in capsys.readouterr().err


def test_labels_are_measured(rbm, capsys):
    quick = ("--chains", 2, "--temperatures", 3, "--burn-in", 1)
    assert run("evaluate", rbm, "--dataset", "digits", *quick) == 0
    out = capsys.readouterr().out
    data = keras_rbm.load("digits")
    right = keras.models.load_model(rbm).classify(datasets.binarized(data.x_test, seed=0)) == data.y_test
    assert re.search(rf"^test accuracy, label units +{100 * right.mean():.2f} %", out, re.M)


def test_frames_are_measured(rnn, monkeypatch, capsys):
    tunes = datasets.folk_tunes()
    tunes = replace(tunes, rolls=[roll[:8] for roll in tunes.rolls])
    monkeypatch.setattr(datasets, "folk_tunes", lambda: tunes)
    assert run("evaluate", rnn) == 0
    x, mask = datasets.subsequences(tunes.split(seed=0)[2], None)
    found = keras_rbm.likelihood.frame_log_likelihood(keras.models.load_model(rnn), x, mask, verbose=0)
    assert f"{found.joined:.3f} nats a frame (log Z is exact)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sample", "net.keras"), "must be a model of this package. Received: Sequential"),
        (("sample", "rows.keras"), "Only pictures can be drawn"),
        (("sample", "none.keras"), "Pretrained models are bars-and-stripes-rbm-16"),
        (("sample", "rows.keras", "--output", "a.mid"), "--output must end in .png or .npy"),
        (("export", "rows.keras", "--format", "pmml"), "`format` must be one of"),
        (("export", "rows.keras", "--classifier", "net.keras"), "of 5 inputs. Received: one of 4"),
        (("evaluate", "rows.keras"), "needs --dataset"),
        (("evaluate", "rnn.keras", "--binarize", "sample"), "Leave it out"),
    ],
)
def test_refused(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if "net.keras" in words:
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save("net.keras")
    if "rows.keras" in words:
        saved(keras_rbm.RBM(2, seed=0), tmp_path, 5).rename("rows.keras")
    if "rnn.keras" in words:
        saved(keras_rbm.RNNRBM(2, 2, seed=0), tmp_path, None, 88).rename("rnn.keras")
    before = set(tmp_path.iterdir())
    assert run(*words) == 1
    assert message in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before
