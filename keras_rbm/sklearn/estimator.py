"""What all estimators share: arguments as they were given, data that are looked at, a machine that learns from them."""

from __future__ import annotations

import numbers
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_rbm import samplers
from keras_rbm.arguments import clone, positive_integer
from keras_rbm.models.machine import Machine
from keras_rbm.sklearn.inputs import Inputs, is_unit_interval

#: Training steps up to which Python runs them, and up to which a graph does; more are worth XLA's compilation.
_EAGER_STEPS, _GRAPH_STEPS = 12, 2000
#: Longest gradient that is followed as it is: of real data with columns far out it is the first steps that need it.
_CLIPNORM = 10.0


def how_to_run(num_steps: int) -> dict[str, Any]:
    """Arguments of `compile` for so many steps: compiling takes seconds, and a search makes many short trainings."""
    return {"run_eagerly": num_steps <= _EAGER_STEPS, "jit_compile": num_steps > _GRAPH_STEPS}


class MachineEstimator(BaseEstimator):
    """An estimator around a machine, which after `fit` is its `model_`.

    A subclass has `learning_rate`, `batch_size`, `n_iter`, `visible`, `verbose` and `random_state`.
    """

    learning_rate: float
    batch_size: int
    n_iter: int
    visible: Any
    verbose: int
    random_state: Any
    model_: Machine
    _inputs: Inputs

    def _look_at(self, X: Any, y: Any = "no_validation") -> Any:
        """The data that `fit` is given, checked; what else it needs is drawn.

        Raises:
            ValueError: for data that are no finite numbers, or arguments out of range.
        """
        options = {"accept_sparse": "csr", "dtype": (np.float64, np.float32)}
        X = validate_data(self, X, y, **options)
        self._check_arguments()
        self._inputs = self._inputs_of(X[0] if isinstance(X, tuple) else X)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return X

    def _inputs_of(self, X: Any) -> Inputs:
        automatic = isinstance(self.visible, str) and self.visible == "auto"
        return Inputs.of(X, self._fitting(X) if automatic else self.visible, getattr(self, "whiten", False))

    def _fitting(self, X: Any) -> Any:
        """What `visible="auto"` means for these data."""
        return "bernoulli" if is_unit_interval(X) else "gaussian"

    def _check_arguments(self) -> None:
        positive_integer(self.batch_size, "batch_size")
        if not isinstance(self.learning_rate, numbers.Real) or not self.learning_rate > 0:
            raise ValueError(f"`learning_rate` must be positive. Received: learning_rate={self.learning_rate!r}")
        if not isinstance(self.n_iter, numbers.Integral) or self.n_iter < 0:
            raise ValueError(f"`n_iter` must be an integer of at least 0. Received: n_iter={self.n_iter!r}")

    def _ask(self, question: str, X: Any) -> np.ndarray:
        """The answers of a method of the machine, a row each."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
        return self._inputs.ask(getattr(self.model_, question), X)

    def _steps(self, X: Any, epochs: int) -> int:
        return epochs * -(-X.shape[0] // self.batch_size)

    def _sgd(self, decay_steps: int = 0) -> keras.optimizers.Optimizer:
        """Gradient descent, whose rate falls to nothing in so many steps, or stays."""
        rate = float(self.learning_rate)
        decay = keras.optimizers.schedules.PolynomialDecay(rate, decay_steps, 0.0) if decay_steps else rate
        return keras.optimizers.SGD(decay, clipnorm=_CLIPNORM)

    def _options(self, **options: Any) -> dict[str, Any]:
        """Of every machine."""
        return {"visible": self._inputs.visible, "seed": self._seed, "dtype": self._inputs.dtype, **options}

    def _own(self, sampler: Any) -> samplers.Sampler:
        """A sampler that no other machine has."""
        return clone(samplers.get(sampler, dtype=self._inputs.dtype))

    def _train(self, machine: Machine, X: Any, decay: bool = False) -> None:
        """Starts the machine from the data's means, and trains it."""
        data, num_steps = self._inputs.data(X, self.batch_size, self._seed), self._steps(X, self.n_iter)
        machine.adapt(data)
        machine.compile(self._sgd(num_steps if decay else 0), **how_to_run(num_steps))
        machine.fit(data, batch_size=None if machine_streams(data) else self.batch_size, **self._epochs())
        self.model_ = machine

    def _epochs(self) -> dict[str, Any]:
        return {"epochs": int(self.n_iter), "verbose": 2 if self.verbose else 0}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def machine_streams(data: Any) -> bool:
    """Whether a data set comes in batches."""
    return not isinstance(data, np.ndarray)
