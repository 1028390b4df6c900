"""What ships in saved_models/pretrained stays readable, and does what its card says."""

from pathlib import Path

import keras
import numpy as np

from keras_rbm import load

FOLDER = Path(__file__).parent.parent / "saved_models" / "pretrained" / "digits-dbn"


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


def test_it_is_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 3e6
