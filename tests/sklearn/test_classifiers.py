"""Deep machines that learn classes."""

import pickle

import numpy as np
import pytest
from scipy import sparse

import keras_rbm
from keras_rbm.sklearn import DBMClassifier, DBNClassifier

DATA = keras_rbm.load("digits")
KEPT = np.flatnonzero(np.isin(DATA.y_train, (0, 1)))[:150]
X, Y = DATA.x_train[KEPT], np.array(["zero", "one"])[DATA.y_train[KEPT]]
BRIEF = {"batch_size": 50, "n_iter": 2, "fine_tune_iter": 4, "fine_tune_learning_rate": 0.02, "random_state": 0}


@pytest.mark.parametrize("kind", [DBNClassifier, pytest.param(DBMClassifier, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:Mean field")
def test_two_digits_are_told_apart(kind: type) -> None:
    classifier = kind((16, 8), **BRIEF).fit(X[:100], Y[:100])
    assert classifier.score(X[100:], Y[100:]) > 0.9
    assert list(classifier.classes_) == ["one", "zero"]
    np.testing.assert_allclose(classifier.predict_proba(X).sum(1), 1, rtol=1e-5)
    other = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(other.predict_proba(X), classifier.predict_proba(X))


def test_sparse_rows_have_their_labels() -> None:
    classifier = DBNClassifier((16, 8), **BRIEF).fit(sparse.csr_array(X[:100]), Y[:100])
    assert classifier.score(sparse.csr_array(X[100:]), Y[100:]) > 0.9


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 classes"):
        DBNClassifier((3, 2)).fit(X, np.zeros(len(X)))
