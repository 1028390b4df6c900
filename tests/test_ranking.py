"""Rankings by hand, and beside scikit-learn's."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import ndcg_score

from keras_rbm import ranking


def test_by_hand():
    """Hits at ranks 1 and 3 of three relevant items; a hit at rank 2 of one; a user without any does not count."""
    held_out = sparse.csr_array([[5, 1, 3, 0, 0], [0, 0, 0, 2, 0], [0, 0, 0, 0, 0]])
    found = ranking.score([[0, 3, 2], [1, 3, 0], [0, 1, 2]], held_out)
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    np.testing.assert_allclose(found.users[0], [2 / 3, (1 + 1 / 2) / ideal, (1 + 2 / 3) / 3])
    np.testing.assert_allclose(found.users[1], [1 / 3, 1 / np.log2(3), 1 / 2])
    assert found[:3] == pytest.approx(tuple(found.users.mean(0)))


def test_gain_is_that_of_scikit_learn():
    """With less relevant items than places, and with more."""
    rng = np.random.default_rng(0)
    relevant = rng.random((50, 30)) < rng.random((50, 1))
    scores = rng.random((50, 30))
    lists = np.argsort(-scores, 1)[:, :5]
    some = relevant.any(1)
    found = ranking.score(lists, sparse.csr_array(relevant.astype(float)))
    assert found.ndcg == pytest.approx(ndcg_score(relevant[some], scores[some], k=5))


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([[0, 0]], "recommended once"),
        ([0, 1], r"integers \(1, k\)"),
        ([[0.0, 1.0]], "integers"),
    ],
)
def test_bad_lists(lists, message):
    with pytest.raises(ValueError, match=message):
        ranking.score(lists, sparse.csr_array([[1, 0]]))


def test_nothing_held_out():
    with pytest.raises(ValueError, match=r"held out\. Received: none"):
        ranking.score([[0, 1]], sparse.csr_array((1, 2)))


@pytest.mark.parametrize("item", [-1, 3])
def test_items_that_are_none(item):
    with pytest.raises(ValueError, match=f"Items must be from 0 to 2. Received: {item} to {item}"):
        ranking.score([[item]], sparse.csr_array([[1.0, 0, 2]]))
