"""How good recommendations are, by what was held out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from keras_rbm.datasets.ratings import checked_table


class Ranking(NamedTuple):
    """Means over the users who have something held out, each in [0, 1].

    Args:
        precision: share of the recommended items that are relevant.
        ndcg: gain 1 of a relevant item, discounted by `log2(1 + rank)`, over that of the best list.
        map: precision at the rank of each relevant item that is listed, summed, over the number of relevant items.
        users: `(users, 3)`, the three of each user, for error bars.
    """

    precision: float
    ndcg: float
    map: float
    users: np.ndarray


def score(recommended: Any, held_out: Any) -> Ranking:
    """What lists of items are worth where an item is relevant if its user's rating of it was held out.

    Args:
        recommended: columns of the table, the best first, `(users, k)`.
        held_out: a scipy.sparse table `(users, items)`.

    Raises:
        ValueError: if the users differ in number, an item is listed twice, or nothing is held out.

    Reference:
        Jarvelin & Kekalainen, 2002, "Cumulated gain-based evaluation of IR techniques"; as Microsoft's recommenders
        measure them.
    """
    table, lists = checked_table(held_out), np.asarray(recommended)
    if lists.ndim != 2 or len(lists) != table.shape[0] or lists.dtype.kind not in "iu":
        raise ValueError(f"`recommended` must be integers ({table.shape[0]}, k). Received: {lists.dtype} {lists.shape}")
    if lists.size and not 0 <= lists.min() <= lists.max() < table.shape[1]:
        raise ValueError(f"Items must be from 0 to {table.shape[1] - 1}. Received: {lists.min()} to {lists.max()}")
    if (np.diff(np.sort(lists, 1), axis=1) == 0).any():
        raise ValueError("An item is recommended once to a user. Received: a list that has one twice")
    number = np.diff(table.indptr)
    if not number.any():
        raise ValueError("Recommendations are judged by ratings that were held out. Received: none")
    k = lists.shape[1]
    relevant = (table != 0).astype(float).tocsr()
    hits = np.asarray(relevant[np.repeat(np.arange(len(lists)), k), lists.ravel()]).reshape(lists.shape)
    rank = np.arange(1, k + 1)
    discount = 1 / np.log2(1 + rank)
    some = number > 0
    hits, number = hits[some], number[some]
    ndcg = hits @ discount / np.cumsum(discount)[np.minimum(number, k) - 1]
    average = (hits * np.cumsum(hits, 1) / rank).sum(1) / number
    users = np.stack([hits.mean(1), ndcg, average], 1)
    precision, gain, mean_average = users.mean(0)
    return Ranking(float(precision), float(gain), float(mean_average), users)
