"""Tables of ratings: triples, files, MovieLens, splits and batches."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse

from keras_rbm import datasets

TRIPLES = (["b", "a", "b"], [20, 10, 10], [3, 1, 5])


def test_triples():
    found = datasets.rating_table(*TRIPLES)
    np.testing.assert_array_equal(found.table.toarray(), [[1, 0], [5, 3]])
    assert (list(found.users), list(found.items)) == (["a", "b"], [10, 20])


@pytest.mark.parametrize(
    ("triples", "message"),
    [
        ((["a", "a"], [1, 1], [3, 4]), "rates an item once. Received: 2 ratings of 1 pairs"),
        ((["a"], [1], [0]), "not 0"),
        ((["a"], [1], [np.nan]), "finite"),
        ((["a"], [1, 2], [3, 4]), "one length"),
        (([], [], []), "one length"),
    ],
)
def test_bad_triples(triples, message):
    with pytest.raises(ValueError, match=message):
        datasets.rating_table(*triples)


def test_files(tmp_path):
    (tmp_path / "u.data").write_text("7\t3\t4\t881250949\n2\t3\t1\t881250950\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n7,3,4.0,88\n2,3,1.0,89\n")
    for found in (
        datasets.read_ratings(tmp_path / "u.data"),
        datasets.read_ratings(tmp_path / "ratings.csv", ",", skip_rows=1),
    ):
        np.testing.assert_array_equal(found.table.toarray(), [[1], [4]])
        assert list(found.users) == ["2", "7"]


def test_movielens(monkeypatch):
    """What tfds would give, in its columns and types."""
    import tensorflow_datasets as tfds

    def load(name, split):
        assert (name, split) == ("movielens/100k-ratings", "train")
        columns = {"user_id": [b"7", b"2"], "movie_id": [b"3", b"3"], "user_rating": [4.0, 1.0], "timestamp": [1, 2]}
        return tf.data.Dataset.from_tensor_slices(columns)

    monkeypatch.setattr(tfds, "load", load)
    found = datasets.movielens()
    np.testing.assert_array_equal(found.table.toarray(), [[1], [4]])
    assert list(found.users) == [b"2", b"7"]


def test_movielens_that_is_not_there(monkeypatch):
    import tensorflow_datasets as tfds

    def load(name, split):
        raise ConnectionError

    monkeypatch.setattr(tfds, "load", load)
    with pytest.raises(OSError, match=r"could not be downloaded \(ConnectionError\).*read_ratings"):
        datasets.movielens()
    with pytest.raises(ValueError, match="`name` must be one of 100k"):
        datasets.movielens("2m")


def test_split():
    """A quarter of each user's ratings; nothing is lost; one rating stays; another seed is another split."""
    table = sparse.csr_array(np.pad(np.arange(1, 41, dtype="float32").reshape(2, 20), ((0, 1), (0, 0))))
    table = sparse.csr_array(table + sparse.csr_array(([9.0], ([2], [5])), shape=(3, 20)))
    train, test = datasets.split_ratings(table, seed=0)
    np.testing.assert_array_equal((train + test).toarray(), table.toarray())
    assert not train.multiply(test).nnz
    np.testing.assert_array_equal(np.diff(test.indptr), [5, 5, 0])
    again, other = (datasets.split_ratings(table, seed=seed)[1] for seed in (0, 1))
    assert not (again != test).nnz
    assert (other != test).nnz
    with pytest.raises(ValueError, match=r"`held_out` must be in \(0, 1\)"):
        datasets.split_ratings(table, 1.0)


def test_batches():
    """Each user once a pass, one-hot, in a new order."""
    table = sparse.csr_array(np.array([[1, 0], [0, 2], [2, 2], [0, 0], [1, 1]], "float32"))
    dense = [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 1, 0]]
    data = datasets.rating_batches(table, (1, 2), 2, seed=0)
    passes = [np.concatenate(list(data.as_numpy_iterator())) for _ in range(2)]
    for found in passes:
        assert sorted(found.tolist()) == sorted(dense)
    assert np.any(passes[0] != passes[1])
    in_order = datasets.rating_batches(table, (1, 2), 2, shuffle=False)
    np.testing.assert_array_equal(np.concatenate(list(in_order.as_numpy_iterator())), dense)


def test_files_as_programs_write_them(tmp_path):
    """A mark of the byte order, quotes around a comma, a number sign in a name."""
    path = tmp_path / "ratings.csv"
    path.write_text('\ufeffuser,item,rating\n1,"Me, myself",3\n1,Album #1,5\n', encoding="utf-8")
    found = datasets.read_ratings(path, delimiter=",", skip_rows=1)
    assert list(found.items) == ["Album #1", "Me, myself"]
    np.testing.assert_array_equal(found.table.toarray(), [[5, 3]])
    with pytest.raises(ValueError, match=r"one character\. Received: '::'"):
        datasets.read_ratings(path, delimiter="::")
