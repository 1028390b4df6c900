"""Pretrained models stay readable, and do what their cards say; those that are not here are asked for."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_rbm import load, load_pretrained, pretrained
from keras_rbm.likelihood import log_likelihood

LARGE = Path(__file__).parents[2] / "saved_models" / "pretrained"
PACKAGE = Path(pretrained.__file__).parent


def test_the_digits_dbn_loads_and_dreams_digits():
    dbn = load_pretrained("digits-dbn")
    data = load("digits")
    dreams = dbn.sample(num_samples=500, num_steps=200, mean=True)
    # The means of pixels over many dreams are those of the data, which an untrained stack is far from.
    far = np.abs(np.mean(dreams, 0) - data.x_train.mean(0))
    assert far.mean() < 0.05


def test_the_classifier_makes_the_errors_of_its_card():
    net = load_pretrained("digits-dbn", "classifier")
    data = load("digits")
    wrong = np.sum(net.predict(data.x_test, verbose=0).argmax(1) != data.y_test)
    assert f"({wrong} errors in 360)" in pretrained.card("digits-dbn")


def test_the_rbm_of_bars_and_stripes_has_the_likelihood_of_its_card():
    found = log_likelihood(load_pretrained("bars-and-stripes-rbm-16"), load("bars_and_stripes").x_train)
    assert found.exact
    assert f"{found.lower:.3f} nats a case" in pretrained.card("bars-and-stripes-rbm-16")
    assert found.lower > -np.log(30) - 0.05


@pytest.mark.parametrize("name", pretrained.names())
def test_models_load_without_optimizer_and_have_a_card(name):
    model = load_pretrained(name)
    assert not getattr(model, "compiled", False)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert pretrained.card(name).startswith("# ")


def test_all_models_of_the_repository_are_known():
    assert {path.parent.name for path in [*LARGE.glob("*/*.keras"), *PACKAGE.glob("*/*.keras")]} == set(
        pretrained.names()
    )


def test_they_are_small():
    """Those of the wheel more than the others."""
    for folder, most in ((PACKAGE, 1.2e6), (LARGE, 15e6)):
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.suffix != ".pyc") < most


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """As after an installation from a wheel: the repository is not there."""
    monkeypatch.setenv("KERAS_RBM_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "_LARGE_ONES", "nowhere")
    return tmp_path / "mnist-rbm-500"


def test_a_model_that_is_not_here_is_asked_for(home):
    with pytest.raises(FileNotFoundError, match=rf"Get rbm\.keras from .* and put it into {home}"):
        load_pretrained("mnist-rbm-500")
    assert "784-500" in pretrained.card("mnist-rbm-500")
    home.mkdir()
    shutil.copy(LARGE / "mnist-rbm-500" / "rbm.keras", home)
    assert pretrained.path("mnist-rbm-500") == home / "rbm.keras"


def test_a_model_that_is_damaged_is_refused(home):
    home.mkdir()
    content = bytearray((LARGE / "mnist-rbm-500" / "rbm.keras").read_bytes())
    content[1000] ^= 1
    (home / "rbm.keras").write_bytes(content)
    with pytest.raises(ValueError, match="is damaged, or another version's"):
        load_pretrained("mnist-rbm-500")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mnist-rbm-50",), "Pretrained models are bars-and-stripes-rbm-16, .*Received: 'mnist-rbm-50'"),
        (("../digits-dbn",), "Pretrained models are"),
        (("digits-dbn", "net"), "must be one of: 'classifier', 'dbn'. Received: part='net'"),
    ],
)
def test_other_names_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        load_pretrained(*words)
