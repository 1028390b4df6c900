"""Density and outliers by the free energy of an RBM."""

from __future__ import annotations

import numbers
from typing import Any, Self

import keras
import numpy as np
from sklearn.base import DensityMixin, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from keras_rbm import units
from keras_rbm.arguments import positive_integer
from keras_rbm.likelihood import log_partition
from keras_rbm.likelihood.exact import can_be_exact, exact_draws
from keras_rbm.models import RBM
from keras_rbm.sklearn.estimator import MachineEstimator
from keras_rbm.sklearn.inputs import is_binary
from keras_rbm.sklearn.rbm import Weights

#: Steps of annealed importance sampling.
_TEMPERATURES = 10_000


class EnergyEstimator(Weights, MachineEstimator):
    """An RBM whose free energy says how usual a row is."""

    def __init__(
        self,
        n_components: int = 16,
        *,
        learning_rate: float = 0.01,
        batch_size: int = 20,
        n_iter: int = 200,
        alpha: float = 0.0,
        whiten: bool = False,
        visible: Any = "auto",
        sampler: Any = "pcd",
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.alpha = alpha
        self.whiten = whiten
        self.visible = visible
        self.sampler = sampler
        self.verbose = verbose
        self.random_state = random_state

    def _fit(self, X: Any) -> Any:
        X = self._look_at(X)
        penalty = keras.regularizers.L2(float(self.alpha)) if self.alpha else None
        rbm = RBM(self.n_components, sampler=self._own(self.sampler), kernel_regularizer=penalty, **self._options())
        self._train(rbm, X, decay=True)
        return X

    def _fitting(self, X: Any) -> Any:
        if is_binary(X):  # grey levels have no density under Bernoulli units
            return "bernoulli"
        return units.Gaussian(learn_precision=True, dtype=X.dtype.name)

    def _minus_free_energy(self, X: Any) -> np.ndarray:
        return -self._ask("free_energy", X)


class RBMDensity(DensityMixin, EnergyEstimator):
    """An RBM as a density (of zeros and ones: as probabilities), with samples.

    Args:
        n_components: number of hidden units; up to 20 the density is exact, otherwise its constant is estimated by
            annealed importance sampling.
        learning_rate: of stochastic gradient descent, at the start; it falls to nothing.
        batch_size, n_iter, sampler, verbose, random_state: as in `RBMTransformer`.
        alpha: L2 penalty on the weights.
        whiten: whether Gaussian units see columns without correlations (their covariance shrunk as by Ledoit and
            Wolf), which hidden units then need not learn; of dense data.
        visible: `"auto"` is `"bernoulli"` where all values are 0 or 1, otherwise Gaussian with precisions that are
            learnt; Gaussian units see columns of mean 0 and deviation 1. Or as in `keras_rbm.RBM`.

    Attributes:
        model_: the `keras_rbm.RBM`.
        components_, intercept_hidden_, intercept_visible_: its parameters, as in `RBMTransformer`.
        log_partition_: `log Z`, nats.

    Example:

    ```python
    search = GridSearchCV(RBMDensity(random_state=0), {"whiten": [False, True], "n_components": [4, 16]}).fit(X)
    search.best_estimator_.score_samples(X_new)
    ```
    """

    log_partition_: float

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from `X` `(cases, features)`, dense or sparse."""
        X = self._fit(X)
        data = self._inputs.data(X, self.batch_size, self._seed)
        bounds = log_partition(
            self.model_, data, num_temperatures=_TEMPERATURES, burn_in=_TEMPERATURES, seed=self._seed, verbose=0
        )
        self.log_partition_ = bounds.joined.log_z
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each row, nats, `(cases,)`."""
        return self._minus_free_energy(X) - self.log_partition_ + self._inputs.log_density

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-density, nats a row."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, n_steps: int = 1000) -> np.ndarray:
        """New rows, `(n_samples, n_features)`, ruled by `random_state`: drawn exactly where the density is exact, else
        by `n_steps` Gibbs sweeps."""
        check_is_fitted(self)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if can_be_exact(self.model_):
            return self._inputs.rows(exact_draws(self.model_, positive_integer(n_samples, "n_samples"), seed))
        with self.model_.set_aside("sample"):
            self.model_.stream.restart(seed, "sample")
            return self._inputs.rows(self.model_.sample(n_samples, n_steps, anneal=[0.0, 1.0]))


class RBMOutlierDetector(OutlierMixin, EnergyEstimator):
    """Outliers are rows whose free energy is high.

    Args:
        contamination: which share of the training rows are outliers, in (0, 0.5]: sets the threshold.
        n_components, learning_rate, batch_size, n_iter, alpha, whiten, visible, sampler, verbose, random_state: as in
            `RBMDensity`.

    Attributes:
        model_: the `keras_rbm.RBM`.
        offset_: the score below which a row is an outlier.

    Example:

    ```python
    RBMOutlierDetector(contamination=0.05, random_state=0).fit(X).predict(X_new)  # -1: an outlier, 1: none
    ```
    """

    offset_: float

    def __init__(
        self,
        n_components: int = 16,
        *,
        contamination: float = 0.1,
        learning_rate: float = 0.01,
        batch_size: int = 20,
        n_iter: int = 200,
        alpha: float = 0.0,
        whiten: bool = False,
        visible: Any = "auto",
        sampler: Any = "pcd",
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_components,
            learning_rate=learning_rate,
            batch_size=batch_size,
            n_iter=n_iter,
            alpha=alpha,
            whiten=whiten,
            visible=visible,
            sampler=sampler,
            verbose=verbose,
            random_state=random_state,
        )
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from `X` `(cases, features)`, dense or sparse, most of which are no outliers."""
        if not isinstance(self.contamination, numbers.Real) or not 0 < self.contamination <= 0.5:
            raise ValueError(f"`contamination` must be in (0, 0.5]. Received: contamination={self.contamination!r}")
        X = self._fit(X)
        scores = -self._inputs.ask(self.model_.free_energy, X)  # X has lost its columns' names
        self.offset_ = float(np.percentile(scores, 100 * self.contamination))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Minus the free energy of each row, nats, `(cases,)`: higher is more usual."""
        return self._minus_free_energy(X)

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` less `offset_`, `(cases,)`: negative of outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers and 1 for the others, `(cases,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1)
