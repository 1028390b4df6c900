"""RBMs and DBNs in pipelines, searches and frames, on dense and sparse data."""

import pickle
from unittest import mock

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import keras_rbm
from keras_rbm.sklearn import DBNTransformer, RBMTransformer

RNG = np.random.default_rng(0)
BITS = (RNG.random((60, 8)) < 0.2).astype("float32")
REALS = RNG.normal(size=(40, 5))
BRIEF = {"batch_size": 30, "n_iter": 2, "random_state": 0}


def test_zeros_and_ones_are_bernoulli_and_reals_are_gaussian_whatever_their_units() -> None:
    assert isinstance(RBMTransformer(2, **BRIEF).fit(BITS).model_.visible, keras_rbm.units.Bernoulli)
    rbm = RBMTransformer(2, learning_rate=0.5, **BRIEF)
    features = rbm.fit(REALS).transform(REALS)
    assert isinstance(rbm.model_.visible, keras_rbm.units.Gaussian)
    assert features.std() > 1e-3
    scaled = REALS * [1, 10, 100, 1e3, 1e4] - 7
    np.testing.assert_allclose(rbm.fit(scaled).transform(scaled), features, rtol=1e-9)


def test_a_kind_of_unit_is_not_changed_by_what_is_fitted() -> None:
    kind = keras_rbm.units.Binomial(4)
    counts = RNG.integers(0, 5, (20, 3)).astype("float32")
    estimator = RBMTransformer(2, visible=kind, **BRIEF).fit(counts)
    assert estimator.visible is kind
    assert not kind.built
    assert estimator.transform(counts).shape == (20, 2)


def test_values_that_the_units_cannot_take_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need values in \[0, 1\]"):
        RBMTransformer(2, visible="bernoulli", **BRIEF).fit(REALS)


@pytest.mark.parametrize("name", ["learning_rate", "batch_size", "n_iter", "n_components"])
def test_arguments_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"must be.*Received: \w+=-1"):
        RBMTransformer().set_params(**{name: -1}).fit(BITS)


def test_a_random_state_settles_all() -> None:
    def features(state: object) -> np.ndarray:
        return RBMTransformer(3, **{**BRIEF, "random_state": state}).fit_transform(BITS)

    np.testing.assert_array_equal(features(3), features(3))
    np.testing.assert_array_equal(features(np.random.RandomState(3)), features(np.random.RandomState(3)))
    assert not np.array_equal(features(3), features(4))


def test_sparse_rows_are_dense_a_batch_at_a_time_and_mean_the_same() -> None:
    X = sparse.csr_matrix(BITS)
    largest = 0
    dense = sparse.csr_matrix.toarray

    def counted(self: sparse.csr_matrix) -> np.ndarray:
        nonlocal largest
        largest = max(largest, self.shape[0])
        return dense(self)

    rbm = RBMTransformer(3, batch_size=10, n_iter=1, random_state=0)
    with mock.patch.object(sparse.csr_matrix, "toarray", counted):
        rbm.fit(X)
    assert largest == 10
    np.testing.assert_allclose(rbm.transform(X), rbm.transform(BITS))
    np.testing.assert_allclose(
        rbm.intercept_visible_, RBMTransformer(3, n_iter=0).fit(BITS).intercept_visible_, atol=0.1
    )


def test_sparse_reals_are_standardised() -> None:
    X = sparse.csr_matrix(np.where(BITS > 0, 5.0, 0.0))
    inputs = RBMTransformer(2, n_iter=0).fit(X)._inputs
    np.testing.assert_allclose(inputs.states(X).mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(inputs.states(X).std(0), 1)


def test_partial_fits_go_on_also_after_pickling() -> None:
    rbm = RBMTransformer(3, learning_rate=10, batch_size=60, random_state=0).partial_fit(BITS)
    before = rbm.components_
    other = pickle.loads(pickle.dumps(rbm))
    np.testing.assert_array_equal(other.transform(BITS), rbm.transform(BITS))
    rbm.partial_fit(BITS)
    assert np.abs(rbm.components_ - before).max() > 1e-3
    np.testing.assert_allclose(other.partial_fit(BITS).components_, rbm.components_, rtol=1e-5)


def test_gibbs_sweeps_stay_in_the_units_of_the_data() -> None:
    rbm = RBMTransformer(3, **BRIEF).fit(REALS * 100 + 1000)
    swept = rbm.gibbs(np.repeat(REALS * 100 + 1000, 10, 0))
    np.testing.assert_allclose(swept.mean(0), 1000, atol=5 * 100 / np.sqrt(400))
    np.testing.assert_allclose(swept.std(0), 100, rtol=0.4)


def test_pseudo_likelihood_is_of_two_states() -> None:
    rbm = RBMTransformer(3, **BRIEF).fit(BITS)
    expected = keras_rbm.likelihood.pseudo_log_likelihood(rbm.model_, BITS, exact=True)
    np.testing.assert_allclose(rbm.score_samples(BITS), expected)
    assert not hasattr(RBMTransformer(3, **BRIEF).fit(REALS), "score_samples")


def test_a_frame_has_named_columns() -> None:
    pytest.importorskip("pandas")
    frame = RBMTransformer(2, **BRIEF).set_output(transform="pandas").fit_transform(BITS)
    assert list(frame.columns) == ["rbmtransformer0", "rbmtransformer1"]
    frame = DBNTransformer((3, 2), **BRIEF).set_output(transform="pandas").fit_transform(BITS)
    assert list(frame.columns) == ["dbntransformer0", "dbntransformer1"]


def _search(n_jobs: int | None) -> GridSearchCV:
    y = BITS[:, 0].astype(int)
    pipeline = make_pipeline(RBMTransformer(**{**BRIEF, "n_iter": 1, "batch_size": 60}), LogisticRegression())
    grid = {"rbmtransformer__n_components": [2, 3]}
    return GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(BITS, y)


def test_a_grid_is_searched() -> None:
    search = _search(None)
    assert search.best_estimator_[0].model_.units == search.best_params_["rbmtransformer__n_components"]
    assert not hasattr(clone(search.best_estimator_[0]), "model_")


@pytest.mark.slow
def test_a_grid_is_searched_by_two_processes() -> None:
    np.testing.assert_allclose(
        _search(2).cv_results_["mean_test_score"], _search(None).cv_results_["mean_test_score"], rtol=1e-6
    )


def test_a_deep_network_encodes_what_its_machine_encodes() -> None:
    dbn = DBNTransformer((4, 3), **BRIEF).fit(sparse.csr_matrix(BITS))
    np.testing.assert_allclose(dbn.transform(BITS), dbn.model_.encode(BITS), rtol=1e-6)
    assert dbn.transform(BITS).dtype == np.float32
