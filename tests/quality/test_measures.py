"""Spectra beside NumPy's, and shares of classes by counting."""

import keras
import numpy as np
import pytest

from keras_rbm.quality import class_balance, spectra
from keras_rbm.quality.classes import classes_of, neighbours
from tests.support.statistics import assert_means


def rows(number: int, seed: int, columns: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(number, columns)) @ np.random.default_rng(9).normal(size=(columns, columns))


@pytest.mark.parametrize("number", [2, 9])
def test_variances_are_those_of_the_eigenvectors(number):
    """Of rows' covariance; all that is left is the last."""
    data, samples = rows(200, 0), 3 + 2 * rows(150, 1)
    found = spectra(data, samples, num_components=number)
    values, vectors = np.linalg.eigh(np.cov(data.T, bias=True))
    kept = min(number, 4)
    along = vectors[:, ::-1][:, :kept]
    cov = np.cov(samples.T, bias=True)
    np.testing.assert_allclose(found.data, [*values[::-1][:kept], values[::-1][kept:].sum()], atol=1e-12)
    own = np.diag(along.T @ cov @ along)
    np.testing.assert_allclose(found.samples, [*own, np.trace(cov) - own.sum()], atol=1e-12)
    np.testing.assert_allclose(found.ratio, np.trace(cov) / values.sum())
    expected = np.abs(np.subtract(found.samples, found.data)).sum() / values.sum()
    np.testing.assert_allclose(found.distance, expected)
    for x, plane in zip((data, samples), found.plane, strict=True):
        np.testing.assert_allclose(np.abs(plane), np.abs((x - data.mean(0)) @ along[:, :2]), atol=1e-12)


def test_the_distance_by_hand():
    """Variances 4 and 1 beside 4 and 4: 3 of 5."""
    data = np.array([[2, 1], [2, -1], [-2, 1], [-2, -1.0]])
    assert spectra(data, data * [1, 2]).distance == pytest.approx(0.6)
    assert spectra(data, data + 7).distance == pytest.approx(0)


def test_components_are_those_of_the_reference():
    """In rows of their own they look larger than they are; in others not."""
    columns = np.random.default_rng(0).normal(size=(300, 100))
    own = spectra(columns[:100], columns[100:200])
    others = spectra(columns[:100], columns[100:200], columns[200:])
    assert own.data[0] > 2 * own.samples[0]
    assert others.data[0] == pytest.approx(others.samples[0], rel=0.5)


def test_other_rows_of_one_kind_are_as_far_as_chance_says():
    found = [spectra(*(rows(100, seed + k, 12) for k in (0, 200, 400))) for seed in range(200)]
    assert_means([each.distance for each in found], np.mean([each.chance for each in found]))


@pytest.mark.parametrize(
    ("data", "samples", "message"),
    [
        (np.zeros((5, 2)), np.ones((5, 3)), "as many columns"),
        (np.zeros((5, 2)), np.ones((1, 2)), "5 rows, 1 samples"),
        (np.zeros((5, 2)), np.ones((5, 2)), "Rows of data must differ"),
    ],
)
def test_rows_without_a_spectrum(data, samples, message):
    with pytest.raises(ValueError, match=message):
        spectra(data, samples)


# --- classes


def test_shares_by_counting():
    found = class_balance(["a", "a", "b", "c"], ["a", "b", "b", "b", "d"], accuracy=0.75)
    assert found.classes == ("a", "b", "c", "d")
    assert found.data == (0.5, 0.25, 0.25, 0)
    assert found.samples == (0.2, 0.6, 0, 0.2)
    assert found.distance == pytest.approx(0.55)  # a 0.3 and c 0.25 too few
    assert found.missing == ("c",)
    assert found.accuracy == 0.75
    np.testing.assert_allclose(found.data_entropy, 1.5 * np.log(2))
    np.testing.assert_allclose(found.sample_entropy, -0.4 * np.log(0.2) - 0.6 * np.log(0.6))


def test_the_chi_square_test_of_two_classes():
    """30 of 100 and 45 of 100: 4.8 on one degree of freedom, as by hand."""
    found = class_balance(np.arange(100) < 30, np.arange(100) < 45)
    statistic = 4 * 7.5**2 * (1 / 37.5 + 1 / 62.5) / 2
    assert statistic == pytest.approx(4.8)
    assert found.p_value == pytest.approx(0.02846, abs=1e-5)  # of a table
    assert class_balance([1, 1], [1, 1, 1])[1:6] == ((1,), (1,), 0, 0, 1)


def test_equal_shares_are_as_far_as_chance_says():
    draw = np.random.default_rng(0).choice
    found = [class_balance(draw(5, 300), draw(5, 200)) for _ in range(200)]
    assert_means([each.distance for each in found], np.mean([each.chance for each in found]))
    assert 0.35 < np.mean([each.p_value < 0.5 for each in found]) < 0.65


@pytest.mark.parametrize(("data", "samples"), [([], [1]), ([[1]], [1]), (3, [1])])
def test_classes_are_one_a_row(data, samples):
    with pytest.raises(ValueError, match="Classes must be one a row"):
        class_balance(data, samples)


def test_classifiers_of_all_kinds():
    x = np.eye(3, dtype="float32")[[2, 0, 1]]

    class Named:
        def predict(self, x):
            return np.array(["a", "b", "c"])[x.argmax(1)]

    net = keras.Sequential([keras.Input((3,)), keras.layers.Activation("softmax")])
    assert classes_of(Named(), x).tolist() == ["c", "a", "b"]
    assert classes_of(net, x).tolist() == [2, 0, 1]
    assert classes_of(lambda x: x[:, :1], x).tolist() == [0, 1, 0]  # the probability of class 1
    assert classes_of(neighbours(x.repeat(5, 0), np.repeat([7, 8, 9], 5)), x).tolist() == [7, 8, 9]
    with pytest.raises(ValueError, match=r"Received: shape=\(2,\)"):
        classes_of(lambda x: x[:2, 0], x)
