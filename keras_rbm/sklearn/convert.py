"""Between scikit-learn's `BernoulliRBM` and this package's `RBM`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import BernoulliRBM
from sklearn.utils.validation import check_is_fitted

from keras_rbm.models import RBM
from keras_rbm.units import Bernoulli


def from_sklearn(estimator: BernoulliRBM, **options: Any) -> RBM:
    """A `keras_rbm.RBM` with the parameters of a fitted `BernoulliRBM`.

    Args:
        options: further arguments of `RBM`, such as `sampler` and `seed`.

    Raises:
        TypeError: if it is no `BernoulliRBM`.
        sklearn.exceptions.NotFittedError: if it is not fitted.
    """
    if not isinstance(estimator, BernoulliRBM):
        raise TypeError(f"This takes the weights of a BernoulliRBM. Received: {type(estimator).__name__}")
    check_is_fitted(estimator)
    w = estimator.components_
    rbm = RBM(len(w), **{"dtype": w.dtype.name, **options})
    rbm.build((None, w.shape[1]))
    rbm.w_rec.assign(w.T)
    rbm.hidden.bias.assign(estimator.intercept_hidden_)
    rbm.visible.bias.assign(estimator.intercept_visible_)
    rbm.sampler.reset(rbm)  # chains start from these biases
    return rbm


def to_sklearn(rbm: RBM) -> BernoulliRBM:
    """A fitted `BernoulliRBM` with the parameters of an RBM, which needs nothing of this package.

    Of a `ConvRBM` without pools it has the weights between all units, and takes pictures as rows.

    Raises:
        TypeError: if it is no RBM.
        ValueError: if the RBM is not built, not tied, or has units that are not Bernoulli.
    """
    if not isinstance(rbm, RBM):
        raise TypeError(f"An RBM becomes a BernoulliRBM; of an estimator give `model_`. Received: {type(rbm).__name__}")
    kinds = [type(rbm.visible), type(rbm.hidden)]
    if not rbm.built or not rbm.tied or kinds != [Bernoulli, Bernoulli]:
        raise ValueError(
            "A BernoulliRBM has Bernoulli units on both sides and tied weights. Received: "
            f"{kinds[0].__name__} and {kinds[1].__name__} units, tied={rbm.tied}, built={rbm.built}"
        )
    w = np.asarray(rbm.weight_matrix()).astype(rbm.variable_dtype)
    estimator = BernoulliRBM(n_components=w.shape[1])
    estimator.components_ = np.asarray(w.T, order="F")
    estimator.intercept_hidden_ = np.asarray(rbm.hidden_bias)
    estimator.intercept_visible_ = np.asarray(rbm.visible_bias)
    estimator.h_samples_ = np.zeros((estimator.batch_size, w.shape[1]), w.dtype)
    estimator.n_features_in_, estimator._n_features_out = w.shape
    return estimator
