"""What ships in saved_models/pretrained stays readable, and does what its card says."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_rbm import load
from keras_rbm.likelihood import log_likelihood

PRETRAINED = Path(__file__).parents[2] / "saved_models" / "pretrained"
FOLDER = PRETRAINED / "digits-dbn"


def test_the_digits_dbn_loads_and_dreams_digits():
    dbn = keras.models.load_model(FOLDER / "dbn.keras")
    data = load("digits")
    dreams = dbn.sample(num_samples=500, num_steps=200, mean=True)
    # The means of pixels over many dreams are those of the data, which an untrained stack is far from.
    far = np.abs(np.mean(dreams, 0) - data.x_train.mean(0))
    assert far.mean() < 0.05


def test_the_classifier_makes_the_errors_of_its_card():
    net = keras.models.load_model(FOLDER / "classifier.keras")
    data = load("digits")
    wrong = np.sum(net.predict(data.x_test, verbose=0).argmax(1) != data.y_test)
    assert f"({wrong} errors in 360)" in (FOLDER / "card.md").read_text()


def test_the_rbm_of_bars_and_stripes_has_the_likelihood_of_its_card():
    folder = PRETRAINED / "bars-and-stripes-rbm-16"
    rbm = keras.models.load_model(folder / "rbm.keras")
    found = log_likelihood(rbm, load("bars_and_stripes").x_train)
    assert found.exact
    assert f"{found.lower:.3f} nats a case" in (folder / "card.md").read_text()
    assert found.lower > -np.log(30) - 0.05


@pytest.mark.parametrize(
    "path", sorted(PRETRAINED.glob("*/*.keras")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_models_load_without_optimizer_and_have_a_card(path):
    model = keras.models.load_model(path)
    assert not getattr(model, "compiled", False)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert (path.parent / "card.md").exists()


def test_all_of_it_is_small():
    assert sum(path.stat().st_size for path in PRETRAINED.rglob("*")) < 16e6
