"""What scikit-learn asks of every estimator."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from keras_rbm.sklearn import (
    DBMClassifier,
    DBNClassifier,
    DBNTransformer,
    RBMDensity,
    RBMOutlierDetector,
    RBMTransformer,
)

# One step an epoch, which Python runs: nothing is compiled.
SHORT = {"n_iter": 1, "batch_size": 1000}
TUNED = {"fine_tune_iter": 40, "fine_tune_learning_rate": 0.1}


@pytest.mark.filterwarnings("ignore:Mean field")
@parametrize_with_checks([RBMTransformer(3, **SHORT)])
def test_the_transformer_keeps_all_rules(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Mean field")
@parametrize_with_checks(
    [
        RBMDensity(3, **SHORT),
        RBMOutlierDetector(3, **SHORT),
        DBNTransformer((3, 2), **SHORT),
        DBNClassifier((10, 8), **SHORT, **TUNED),
        DBMClassifier((10, 8), **SHORT, **TUNED),
    ]
)
def test_the_others_keep_all_rules(estimator: Any, check: Any) -> None:
    check(estimator)
