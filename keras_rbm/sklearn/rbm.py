"""The restricted Boltzmann machine as a transformer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_rbm import samplers
from keras_rbm.likelihood import pseudo_log_likelihood
from keras_rbm.models import RBM
from keras_rbm.sklearn.estimator import MachineEstimator, machine_streams
from keras_rbm.sklearn.inputs import own_units


class Weights:
    """The parameters of an RBM under scikit-learn's names, as the machine has them: Gaussian units see standardised
    columns."""

    model_: RBM

    @property
    def components_(self) -> np.ndarray:
        """Weights, `(n_components, n_features)`."""
        return np.asarray(self.model_.w_rec).T

    @property
    def intercept_hidden_(self) -> np.ndarray:
        """Biases of the hidden units, `(n_components,)`."""
        return np.asarray(self.model_.hidden.bias)

    @property
    def intercept_visible_(self) -> np.ndarray:
        """Biases of the visible units, `(n_features,)`."""
        return np.asarray(self.model_.visible.bias)


def _has_two_states(estimator: Any) -> bool:
    return not hasattr(estimator, "model_") or estimator.model_.visible.is_binary


class RBMTransformer(Weights, ClassNamePrefixFeaturesOutMixin, TransformerMixin, MachineEstimator):
    """An RBM whose hidden units' means are features: takes the place of `sklearn.neural_network.BernoulliRBM`.

    Unlike there, visible biases start from the data's means, rows come in a new order each epoch, and values outside
    [0, 1] are not taken for probabilities.

    Args:
        n_components: number of hidden units.
        learning_rate: of stochastic gradient descent. Gaussian units want a tenth of what Bernoulli units do.
        batch_size: rows a step.
        n_iter: epochs.
        visible: `"auto"` is `"bernoulli"` where all values are in [0, 1], otherwise `"gaussian"`, which sees columns
            of mean 0 and deviation 1; or any kind of unit that `keras_rbm.RBM` takes.
        hidden: kind of the hidden units, as in `keras_rbm.RBM`.
        sampler: `"pcd"`, persistent contrastive divergence with as many chains as a batch has rows, is what
            `BernoulliRBM` does; or as in `keras_rbm.RBM`.
        centered: whether to follow the centred gradient, which gives a better model and features that are less sparse.
        verbose: whether to log each epoch.
        random_state: an integer, a `RandomState` or `None`.

    Attributes:
        model_: the `keras_rbm.RBM`, with all that it can do.
        components_, intercept_hidden_, intercept_visible_: as of `BernoulliRBM`.

    Float32 data are learned from, and encoded, in float32, which is faster; others in float64.

    Example:

    ```python
    make_pipeline(MinMaxScaler(), RBMTransformer(100, random_state=0), LogisticRegression()).fit(X, y)
    ```
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        visible: Any = "auto",
        hidden: Any = "bernoulli",
        sampler: Any = "pcd",
        centered: bool = False,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.visible = visible
        self.hidden = hidden
        self.sampler = sampler
        self.centered = centered
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from `X` `(cases, features)`, dense or sparse."""
        X = self._look_at(X)
        self._train(self._rbm(), X)
        return self

    def _rbm(self) -> RBM:
        hidden = own_units(self.hidden, self._inputs.dtype)
        sampler = self._own(
            samplers.PCD(num_chains=self.batch_size, dtype=self._inputs.dtype)
            if self.sampler == "pcd"
            else self.sampler
        )
        return RBM(self.n_components, hidden=hidden, sampler=sampler, **self._options(centered=self.centered))

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Goes once through `X`, in batches; the first call settles the kind of visible units and their scales."""
        if first := not hasattr(self, "model_"):
            X = self._look_at(X)
        else:
            X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
        data = self._inputs.data(X, self.batch_size, self._seed)
        if first:
            self.model_ = self._rbm()
            self.model_.adapt(data)
            self.model_.compile(self._sgd(), run_eagerly=False, jit_compile=False)
        self.model_.fit(data, batch_size=None if machine_streams(data) else self.batch_size, verbose=0)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Means of the hidden units, `(cases, n_components)`."""
        return self._ask("encode", X)

    def gibbs(self, v: Any) -> np.ndarray:
        """Where a sweep of Gibbs sampling leads from `v` `(cases, features)`."""
        return self._inputs.rows(self._ask("gibbs", v))

    @available_if(_has_two_states)
    def score_samples(self, X: Any) -> np.ndarray:
        """Pseudo-log-likelihood of each row, nats, `(cases,)`: exactly, where `BernoulliRBM` estimates it; of visible
        units with two states."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
        return self._inputs.ask(lambda states: pseudo_log_likelihood(self.model_, states, exact=True), X)

    @property
    def _n_features_out(self) -> int:
        return self.model_.units
