"""Ratings: sparse tables of users and items, split as recommenders are judged, and fed a batch at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy import sparse

from keras_rbm import feeds, pipelines
from keras_rbm.arguments import checked_seed, positive_integer

#: Ratings of MovieLens through TensorFlow Datasets.
NAMES = ("100k", "1m", "20m", "25m", "latest-small")


class Ratings(NamedTuple):
    """A table of ratings with the names of its rows and columns.

    Args:
        table: `(users, items)`; what is not stored was not rated.
        users, items: names, in the order of rows and columns.
    """

    table: sparse.csr_array
    users: np.ndarray
    items: np.ndarray


def rating_table(users: Any, items: Any, values: Any) -> Ratings:
    """The table of `(user, item, rating)` triples, given as three columns `(ratings,)`; names may be of any type.

    Raises:
        ValueError: if the columns differ in length, a rating is 0 or not finite, or a user has rated an item twice.
    """
    users, items, values = np.asarray(users), np.asarray(items), np.asarray(values, "float32")
    if not (users.shape == items.shape == values.shape == (len(values),)) or not len(values):
        raise ValueError(
            "Ratings come as three columns of one length, at least 1. "
            f"Received: shapes {users.shape}, {items.shape} and {values.shape}"
        )
    if not np.isfinite(values).all() or not values.all():
        raise ValueError("Ratings must be finite and not 0, which means not rated. Received: others. Add 1 to all.")
    user_names, rows = np.unique(users, return_inverse=True)
    item_names, columns = np.unique(items, return_inverse=True)
    table = sparse.csr_array((values, (rows, columns)), shape=(len(user_names), len(item_names)))
    if table.nnz < len(values):  # those of one place have been added up
        raise ValueError(
            f"A user rates an item once. Received: {len(values)} ratings of {table.nnz} pairs. Keep the last of each."
        )
    return Ratings(table, user_names, item_names)


def read_ratings(path: Any, delimiter: str = "\t", skip_rows: int = 0) -> Ratings:
    """Ratings of a text file whose first three columns are user, item and rating: MovieLens' `u.data` as it stands,
    its `ratings.csv` with `delimiter=","` and `skip_rows=1`. Names are words.

    Raises:
        ValueError: if a line has fewer columns, a rating is no number, or `delimiter` is not one character.
    """
    if len(delimiter) != 1:
        raise ValueError(f"`delimiter` must be one character. Received: {delimiter!r}. Replace it in the file.")
    columns = np.loadtxt(
        Path(path),
        str,
        delimiter=delimiter,
        skiprows=skip_rows,
        usecols=(0, 1, 2),
        ndmin=2,
        comments=None,
        quotechar='"',
        encoding="utf-8-sig",
    )
    return rating_table(columns[:, 0], columns[:, 1], columns[:, 2].astype("float32"))


def movielens(name: str = "100k") -> Ratings:
    """MovieLens ratings, through TensorFlow Datasets, downloaded once to where `TFDS_DATA_DIR` says.

    Args:
        name: one of `"100k"`, `"1m"`, `"20m"`, `"25m"`, `"latest-small"`.

    Raises:
        ValueError: for another name.
        OSError: if the data are not there and cannot be downloaded.
    """
    if name not in NAMES:
        raise ValueError(f"`name` must be one of {', '.join(NAMES)}. Received: {name!r}")
    import tensorflow_datasets as tfds

    try:
        data = tfds.load(f"movielens/{name}-ratings", split="train")
    except Exception as error:  # a failed download raises whatever the network layer below happens to raise
        folder = os.environ.get("TFDS_DATA_DIR", "its default folder")
        raise OSError(
            f"movielens/{name}-ratings is not in {folder}, and could not be downloaded ({type(error).__name__}). "
            "Connect to a network, or read a file of it: datasets.read_ratings('u.data')."
        ) from error
    parts = [
        tuple(batch[column].numpy() for column in ("user_id", "movie_id", "user_rating")) for batch in data.batch(65536)
    ]
    return rating_table(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def split_ratings(table: Any, held_out: float = 0.25, seed: int = 0) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Two tables of the same shape: of each user, so large a part of the ratings, drawn at random, is in the second.

    Args:
        table: `(users, items)`, sparse.
        held_out: in (0, 1); of one rating none is held out.

    Raises:
        ValueError: if it is not.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"`held_out` must be in (0, 1). Received: held_out={held_out!r}")
    table = checked_table(table)
    number = np.diff(table.indptr)
    order = np.random.default_rng(checked_seed(seed)).random(table.nnz)
    rows = np.repeat(np.arange(table.shape[0]), number)
    place = np.empty(table.nnz, int)  # of each rating in its user's random order
    place[np.lexsort((order, rows))] = np.arange(table.nnz) - np.repeat(table.indptr[:-1], number)
    last = place < np.repeat(np.floor(held_out * number + 0.5) * (number > 1), number)

    def part(kept: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((table.data[kept], (rows[kept], table.indices[kept])), shape=table.shape)

    return part(~last), part(last)


def is_table(x: Any) -> bool:
    """Whether these are ratings: a sparse table, or one with names."""
    return isinstance(x, Ratings) or sparse.issparse(x)


def checked_table(table: Any) -> sparse.csr_array:
    """`table` as CSR without stored zeros.

    Raises:
        TypeError: if it is not sparse.
        ValueError: if it has no rows or no columns.
    """
    table = table.table if isinstance(table, Ratings) else table
    if not sparse.issparse(table):
        raise TypeError(
            "Ratings must be a scipy.sparse table (users, items). "
            f"Received: {type(table).__name__}. See datasets.rating_table."
        )
    if table.ndim != 2 or not all(table.shape):
        raise ValueError(f"Ratings must have users and items. Received: shape={table.shape}")
    table = sparse.csr_array(table, copy=True)
    table.sum_duplicates()
    table.eliminate_zeros()
    return table


class OneHot:
    """A table of ratings whose rows come one-hot, a few at a time: all else stays sparse.

    Args:
        table: `(users, items)`, sparse.
        values: what a rating can be, ascending: of each item so many columns, all 0 where it is not rated.

    Raises:
        ValueError: if there are other ratings.
    """

    def __init__(self, table: Any, values: Sequence[float]) -> None:
        self.table = checked_table(table)
        ratings = self.table.data if self.table.dtype.kind in "fc" else self.table.data.astype("float64")
        known = np.asarray(values, ratings.dtype)  # integers would cut values off
        self.codes = np.minimum(np.searchsorted(known, ratings), len(known) - 1)
        if len(wrong := ratings[known[self.codes] != ratings]):
            raise ValueError(
                f"Ratings must be among {', '.join(f'{value:g}' for value in values)}. Received: {wrong[0]:g}. Give "
                "RatingsRBM(values=...) those that there are."
            )
        self.num_values, self.width = len(known), len(known) * self.table.shape[1]

    def __len__(self) -> int:
        return self.table.shape[0]

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Those users' ratings, uint8, `(rows, items * values)`."""
        starts, number = self.table.indptr[rows], self.table.indptr[rows + 1] - self.table.indptr[rows]
        within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        places = np.repeat(starts, number) + within
        x = np.zeros((len(rows), self.width), "uint8")
        x[
            np.repeat(np.arange(len(rows)), number), self.table.indices[places] * self.num_values + self.codes[places]
        ] = 1
        return x


class SparseFeed(feeds.Resident):
    """Ratings that stay sparse in memory, of which those of a launch are made one-hot."""

    def __init__(self, ratings: OneHot, batch_size: int, shuffle: bool = True) -> None:
        super().__init__((np.arange(len(ratings)), None, None), batch_size, shuffle, checked=True)
        self._ratings = ratings

    fits = property(lambda self: False)

    def _cases_of(self, rows: np.ndarray) -> feeds.Cases:
        return tf.constant(self._ratings.rows(np.maximum(rows.ravel(), 0))), None, None


def rating_batches(
    table: Any, values: Sequence[float], batch_size: int = 32, shuffle: bool = True, seed: int | None = None
) -> tf.data.Dataset:
    """Batches of users, one-hot, uint8, `(batch, items * values)`, in a new order each pass; see `OneHot`."""
    encoded = OneHot(table, values)
    positive_integer(batch_size, "batch_size")
    if not encoded.table.nnz:
        raise ValueError(f"There must be ratings to learn from. Received: none in a table {encoded.table.shape}")

    @tf.autograph.experimental.do_not_convert
    def dense(rows: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(encoded.rows, [rows], tf.uint8), (None, encoded.width))

    numbers = pipelines.array_batches(np.arange(len(encoded)), batch_size, seed, shuffle)
    batches = numbers.map(dense).prefetch(2)
    return feeds.attach(batches, SparseFeed(encoded, batch_size, shuffle))
