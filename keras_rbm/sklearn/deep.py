"""Deep machines as transformers and classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_rbm.arguments import positive_integer
from keras_rbm.models import DBM, DBN
from keras_rbm.sklearn.estimator import MachineEstimator, how_to_run


class DeepEstimator(MachineEstimator):
    """A deep machine whose layers are trained one after the other.

    A subclass has `hidden_layer_sizes` too.
    """

    hidden_layer_sizes: Sequence[int]
    model_: DBN | DBM

    def _pretrain(self, machine: DBN | DBM, X: Any) -> None:
        data = self._inputs.data(X, self.batch_size, self._seed)
        machine.adapt(data)
        options = {"batch_size": self.batch_size, "optimizer": self._sgd(), **self._epochs()}
        if options["epochs"]:
            machine.pretrain(data, **options, **how_to_run(self._steps(X, self.n_iter)))
        self.model_ = machine


class DBNTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DeepEstimator):
    """A deep belief network whose top hidden units' means are features.

    Args:
        hidden_layer_sizes: numbers of hidden units, from the lowest layer to the top; at least two.
        learning_rate, batch_size, n_iter: of each layer's training, as in `RBMTransformer`.
        visible, verbose, random_state: as in `RBMTransformer`.

    Attributes:
        model_: the `keras_rbm.DBN`.

    Example:

    ```python
    make_pipeline(DBNTransformer([256, 64], random_state=0), LogisticRegression()).fit(X, y)
    ```
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        *,
        learning_rate: float = 0.1,
        batch_size: int = 100,
        n_iter: int = 10,
        visible: Any = "auto",
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.visible = visible
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from `X` `(cases, features)`, dense or sparse."""
        X = self._look_at(X)
        self._pretrain(DBN(self.hidden_layer_sizes, **self._options()), X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Means of the top's hidden units, `(cases, hidden_layer_sizes[-1])`."""
        return self._ask("encode", X)

    @property
    def _n_features_out(self) -> int:
        return self.model_.units[-1]


class DeepClassifier(ClassifierMixin, DeepEstimator):
    """A plain Keras network that starts from a deep machine, fine-tuned by Adam.

    A subclass answers `_learn(X)` and, where its network sees more than states, `_seen`.
    """

    classes_: np.ndarray
    classifier_: keras.Model

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        *,
        learning_rate: float = 0.1,
        batch_size: int = 100,
        n_iter: int = 10,
        fine_tune_iter: int = 20,
        fine_tune_learning_rate: float = 0.001,
        dropout: float = 0.0,
        visible: Any = "auto",
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.fine_tune_iter = fine_tune_iter
        self.fine_tune_learning_rate = fine_tune_learning_rate
        self.dropout = dropout
        self.visible = visible
        self.verbose = verbose
        self.random_state = random_state

    def _learn(self, X: Any) -> None:
        """Trains a machine, `model_`, without labels."""
        raise NotImplementedError

    def _seen(self, states: np.ndarray) -> Any:
        """What the network is given of the data's states."""
        return states

    def fit(self, X: Any, y: Any) -> Self:
        """Learns from `X` `(cases, features)`, dense or sparse, and then from classes `y` `(cases,)` too.

        Raises:
            ValueError: if there is one class only, or for arguments out of range.
        """
        X, y = self._look_at(X, y)
        check_classification_targets(y)
        self.classes_, y = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"A classifier needs at least 2 classes. Received: 1 class, {self.classes_[0]}")
        positive_integer(self.fine_tune_iter, "fine_tune_iter")
        self._learn(X)
        net = self.model_.classifier(len(self.classes_), dropout=self.dropout)
        net.compile(
            keras.optimizers.Adam(self.fine_tune_learning_rate),
            "sparse_categorical_crossentropy",
            **how_to_run(self._steps(X, self.fine_tune_iter)),
        )
        data = self._inputs.stream(X, y, self.batch_size, self._seed, self._seen)
        net.fit(data, epochs=self.fine_tune_iter, shuffle=False, verbose=2 if self.verbose else 0)
        self.classifier_ = net
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, `(cases, len(classes_))`."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
        return self._inputs.ask(lambda states: self.classifier_(self._seen(states)), X)

    def predict(self, X: Any) -> np.ndarray:
        """Classes, `(cases,)`."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]


class DBNClassifier(DeepClassifier):
    """A deep belief network trained layer by layer, then fine-tuned as a plain Keras network by Adam.

    Args:
        hidden_layer_sizes: numbers of hidden units, from the lowest layer to the top; at least two.
        learning_rate, n_iter: of each layer's training without labels.
        batch_size: rows a step.
        fine_tune_iter, fine_tune_learning_rate: epochs with labels, and Adam's rate.
        dropout: fraction of the hidden units that is dropped while it is fine-tuned.
        visible, verbose, random_state: as in `RBMTransformer`.

    Attributes:
        model_: the `keras_rbm.DBN`, before fine-tuning.
        classifier_: the network, of Keras's layers alone; it sees what `model_` sees.
        classes_: the labels, in the order of probabilities.

    Example:

    ```python
    DBNClassifier([256, 256], random_state=0).fit(X_train, y_train).score(X_test, y_test)
    ```
    """

    def _learn(self, X: Any) -> None:
        self._pretrain(DBN(self.hidden_layer_sizes, **self._options()), X)


class DBMClassifier(DeepClassifier):
    """A deep Boltzmann machine, pretrained and trained as a whole, then fine-tuned as a plain Keras network by Adam.

    Args:
        hidden_layer_sizes: numbers of hidden units, from the lowest layer to the top; at least two.
        learning_rate, n_iter: of each layer's pretraining; the whole is trained for as many epochs at a tenth of the
            rate.
        batch_size, fine_tune_iter, fine_tune_learning_rate, dropout, visible, verbose, random_state: as in
            `DBNClassifier`.

    Attributes:
        model_: the `keras_rbm.DBM`, before fine-tuning.
        classifier_: the network, of Keras's layers alone; it sees `model_.augment` of what `model_` sees.
        classes_: the labels, in the order of probabilities.

    Example:

    ```python
    DBMClassifier([256, 256], random_state=0).fit(X_train, y_train).score(X_test, y_test)
    ```
    """

    def _learn(self, X: Any) -> None:
        machine = DBM(self.hidden_layer_sizes, **self._options())
        self._pretrain(machine, X)
        data = self._inputs.data(X, self.batch_size, self._seed)
        machine.compile(keras.optimizers.SGD(self.learning_rate / 10), **how_to_run(self._steps(X, self.n_iter)))
        batch_size = self.batch_size if isinstance(data, np.ndarray) else None
        machine.fit(data, batch_size=batch_size, **self._epochs())

    def _seen(self, states: np.ndarray) -> Any:
        return self.model_.augment(states)
