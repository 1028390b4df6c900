"""TensorBoard's files, read back by TensorBoard's own readers."""

import keras
import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import plugin_data_pb2

from keras_rbm import DBN, RBM, RNNRBM
from keras_rbm.callbacks import FreeEnergyGap, TensorBoard
from tests.callbacks.test_callbacks import SHAPE, X, events, fitted, scalars

LABELS = np.arange(64) % 3


def test_scalars_stand_in_groups_training_beside_validation(tmp_path):
    history = fitted(FreeEnergyGap(X, X), TensorBoard(tmp_path), validation_data=X).history
    assert len(history) == 7
    for name, values in history.items():
        part, tag = ("validation", name[4:]) if name.startswith("val_") else ("train", name)
        group = "learning" if tag == "loss" else "quality"
        np.testing.assert_allclose(scalars(tmp_path / part, f"{group}/{tag}"), values, rtol=1e-6)
    np.testing.assert_allclose(scalars(tmp_path / "train", "learning/learning_rate"), [0.5] * 3)


def test_histograms_of_all_weights_and_of_codes(tmp_path):
    machine = DBN([4, 3], seed=0)
    fitted(TensorBoard(tmp_path, X, histogram_freq=2), machine=machine)
    found = events(tmp_path / "train")
    histograms = {tag for tag in found.Tags()["tensors"] if tag == "codes" or tag.startswith("weights/")}
    names = {"rbm_0/w_rec", "rbm_0/w_gen", "rbm_1/w_rec", "rbm_0/visible/bias"}
    assert {"codes", *(f"weights/{name}" for name in names)} <= histograms
    assert len(histograms) == 1 + len(machine.trainable_weights)
    assert [event.step for event in found.Tensors("codes")] == [0, 2]


@pytest.mark.parametrize("make", [lambda: RBM(4, seed=0), lambda: DBN([4, 3], seed=0)], ids=["RBM", "DBN"])
def test_the_graph_is_there(make, tmp_path):
    fitted(TensorBoard(tmp_path), machine=make(), epochs=1)
    assert {"MatMul", "Sigmoid"} <= {node.op for node in events(tmp_path / "train").Graph().node}


def test_codes_for_the_projector(tmp_path):
    machine = RBM(4, seed=0)
    fitted(TensorBoard(tmp_path, X, LABELS, SHAPE), machine=machine)
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), projector.ProjectorConfig())
    (embedding,) = config.embeddings
    codes = np.loadtxt(tmp_path / embedding.tensor_path, delimiter="\t")
    np.testing.assert_allclose(codes, machine.encode(X), rtol=1e-4)
    assert (tmp_path / embedding.metadata_path).read_text().split() == [str(label) for label in LABELS]
    sprite = keras.utils.load_img(tmp_path / embedding.sprite.image_path)
    assert sprite.size == (8 * SHAPE[1], 8 * SHAPE[0])
    assert list(embedding.sprite.single_image_dim) == [SHAPE[1], SHAPE[0]]


@pytest.mark.slow
def test_codes_of_sequences_are_means_over_time(tmp_path):
    x = X[:60].reshape(6, 10, 6)
    machine = RNNRBM(4, 3, seed=0)
    machine.compile("sgd")
    machine.fit(x, epochs=1, verbose=0, callbacks=[TensorBoard(tmp_path, x)])
    codes = np.loadtxt(tmp_path / "codes.tsv", delimiter="\t")
    np.testing.assert_allclose(codes, np.mean(machine.encode(x), axis=1), rtol=1e-4)


def test_hyper_parameters_of_a_sweep(tmp_path):
    fitted(TensorBoard(tmp_path / "one", hparams={"rate": 0.5, "units": 4}), epochs=1)
    found = events(tmp_path / "one")
    (said,) = [found.SummaryMetadata(tag) for tag in found.Tags()["tensors"] if tag.startswith("_hparams_")]
    start = plugin_data_pb2.HParamsPluginData.FromString(said.plugin_data.content).session_start_info
    assert {name: value.number_value for name, value in start.hparams.items()} == {"rate": 0.5, "units": 4}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X, "labels": [1]}, r"one a row of `x`. Received: labels of shape \(1,\), rows=64"),
        ({"labels": LABELS}, "rows=None"),
        ({"x": X, "image_shape": (5, 5)}, r"\(number, 25\)"),
        ({"hparams": {"units": [4, 3]}}, r"numbers, words or booleans. Received: {'units': \[4, 3\]}"),
        ({"histogram_freq": -1}, "`histogram_freq` must be a positive integer"),
    ],
)
def test_bad_arguments(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        TensorBoard(tmp_path, **arguments)
