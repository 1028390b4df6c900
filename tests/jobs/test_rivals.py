"""What stands beside the fine-tuned DBN, and what is said of it."""

import numpy as np
import pytest

from keras_rbm import load
from keras_rbm.jobs.dbn import rivals

OURS = {
    "yes": (np.arange(400) < 396, "yes: +4.00 points to the best beside it (good), standard error 0.98"),
    "no": (np.arange(400) < 360, "no: -5.00 points to the best beside it (good), standard error 1.09"),
    "few": (np.arange(400) < 382, "not measurably: +0.50 points to the best beside it (good), standard error 0.35"),
    "others": (np.arange(400) >= 16, "not measurably: +1.00 points to the best beside it (good), standard error 1.50"),
}


@pytest.mark.parametrize(("ours", "words"), OURS.values(), ids=OURS)
def test_pretraining_is_judged_by_the_cases_on_which_it_and_the_best_differ(ours, words):
    assert (
        rivals.verdict(ours, {"bad": np.zeros(400, bool), "good": np.arange(400) < 380}, np.arange(400) % 10) == words
    )


def test_one_test_case_tells_nothing():
    assert rivals.verdict(np.array([True]), {"wrong": np.array([False])}, np.array([3])).startswith("not to be told")


@pytest.mark.parametrize(("right", "said"), [(40, "not to be told"), (52, "not to be told"), (60, "no: ")])
def test_a_network_that_guesses_says_nothing_of_pretraining(right, said):
    """Of ten classes a guess is right in 40 of 400 cases, give or take 6."""
    good = np.arange(400) < 380
    assert rivals.verdict(np.arange(400) < right, {"good": good}, np.arange(400) % 10).startswith(said)


def test_models_on_pixels_learn_digits():
    data = load("digits")
    found = rivals.on_pixels(data.x_train[:300], data.y_train[:300], data.x_test)
    assert list(found) == ["logistic regression on pixels", "support vector machine on pixels"]
    assert all(np.mean(classes == data.y_test) > 0.85 for classes in found.values())


def test_many_cases_are_not_for_a_support_vector_machine(monkeypatch):
    monkeypatch.setattr(rivals, "_FEW", 9)
    x = np.eye(10)
    assert list(rivals.on_pixels(x, np.arange(10) % 2, x)) == ["logistic regression on pixels"]


def test_rectifiers_are_as_wide_as_the_stack():
    net = rivals.rectifiers(64, (8, 6), 3)
    assert [layer.units for layer in net.layers] == [8, 6, 3]
    assert [layer.activation.__name__ for layer in net.layers] == ["relu", "relu", "softmax"]
    assert net.input_shape == (None, 64)
