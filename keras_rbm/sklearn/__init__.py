"""Estimators for scikit-learn's pipelines and searches."""

from keras_rbm.sklearn.convert import from_sklearn, to_sklearn
from keras_rbm.sklearn.deep import DBMClassifier, DBNClassifier, DBNTransformer
from keras_rbm.sklearn.density import RBMDensity, RBMOutlierDetector
from keras_rbm.sklearn.rbm import RBMTransformer

__all__ = [
    "DBMClassifier",
    "DBNClassifier",
    "DBNTransformer",
    "RBMDensity",
    "RBMOutlierDetector",
    "RBMTransformer",
    "from_sklearn",
    "to_sklearn",
]
