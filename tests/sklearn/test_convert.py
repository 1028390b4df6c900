"""Weights from `BernoulliRBM`, and back."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import BernoulliRBM

import keras_rbm
from keras_rbm.sklearn import from_sklearn, to_sklearn

X = (np.random.default_rng(0).random((50, 6)) < 0.4).astype("float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_there_and_back_says_the_same(dtype: str) -> None:
    x = X.astype(dtype)
    theirs = BernoulliRBM(4, learning_rate=1.0, random_state=0).fit(x)
    ours = from_sklearn(theirs)
    tolerance = {"rtol": 1e-4 if dtype == "float32" else 1e-12}
    assert ours.state_dtype == dtype
    np.testing.assert_allclose(ours.encode(x), theirs.transform(x), **tolerance)
    np.testing.assert_allclose(ours.free_energy(x), theirs._free_energy(x), **tolerance)
    back = to_sklearn(ours)
    np.testing.assert_allclose(back.transform(x), theirs.transform(x), **tolerance)
    np.testing.assert_array_equal(back.components_, theirs.components_)
    assert list(back.get_feature_names_out()) == list(theirs.get_feature_names_out())
    back.partial_fit(X)  # it learns on


def test_what_has_no_counterpart_is_refused() -> None:
    with pytest.raises(NotFittedError):
        from_sklearn(BernoulliRBM())
    with pytest.raises(TypeError, match="Received: RBM"):
        from_sklearn(keras_rbm.RBM(2))
    for rbm in (keras_rbm.RBM(2), keras_rbm.RBM(2, visible="gaussian")):
        rbm.build((None, 3)) if rbm.visible.domain.startswith("Gauss") else None
        with pytest.raises(ValueError, match="Bernoulli units on both sides"):
            to_sklearn(rbm)
