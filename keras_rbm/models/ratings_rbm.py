"""The restricted Boltzmann machine of ratings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, samplers
from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import positive_integer
from keras_rbm.datasets.ratings import OneHot, is_table, rating_batches
from keras_rbm.models.rbm import RBM
from keras_rbm.models.sequence.frame_rbms import FrameRBMs
from keras_rbm.units import OptionalSoftmax

OBJECTIVES = ("ratings", "joint")
#: Added to the fields of an item's units, or taken from them, it makes sure that the item is rated, or is not.
_CERTAIN = 40.0
#: Users, and pairs of a user and an item, that are answered together.
_USERS, _PAIRS = 256, 2048


@keras.saving.register_keras_serializable("keras_rbm")
class RatingsRBM(RBM):
    """An RBM of users who rated some of many items: it says what they would say of the others, and what to show them.

    Each item has a unit for each value of a rating, of which one is on, or none where the user has not rated it
    (`units.OptionalSoftmax`): what was not rated has no part in a user's energy.

        E(v, h) = -b . v - c . h - v . w_rec . h,   v (items * values) one-hot, 0 where there is no rating

    `fit`, `evaluate` and `adapt` take a scipy.sparse table `(users, items)` of ratings, which stays sparse: the users
    of a launch alone are made one-hot. They take dense one-hot rows, too, as an `RBM`. Logs are those of `RBM`.

    Args:
        units: number of hidden units.
        values: what a rating can be, ascending, at least 2; 0 is for no rating.
        objective: what is learnt: `"ratings"` the likelihood of the ratings given which items were rated, where each
            user has an RBM of the rated items alone (best for predicting ratings); `"joint"` the likelihood of which
            items were rated, and how (best for what to recommend).
        sampler: as in `RBM`; for `"ratings"` a `CD`: chains that go on belong to no user.
        kwargs: what `RBM` takes, but `visible` and `tied`.

    Raises:
        ValueError: for another objective, values or sampler, or as `RBM` does.

    Example:

    ```python
    known, held_out = keras_rbm.datasets.split_ratings(keras_rbm.datasets.movielens("100k").table)
    rbm = keras_rbm.RatingsRBM(100, objective="joint", seed=0)
    rbm.adapt(known)
    rbm.compile("adam")
    rbm.fit(known, batch_size=100, epochs=50)
    items, scores = rbm.recommend(known, k=10)  # (users, 10), the best first
    rbm.predict_ratings(known, users=[0, 0, 7], items=[3, 4, 3])  # (3,)
    ```

    Reference:
        Salakhutdinov, Mnih & Hinton, 2007, "Restricted Boltzmann machines for collaborative filtering", sections 2
        and 2.2.
    """

    def __init__(
        self,
        units: int,
        values: Sequence[float] = (1, 2, 3, 4, 5),
        objective: str = "ratings",
        sampler: Any = "cd",
        **kwargs: Any,
    ) -> None:
        for name in ("visible", "tied"):
            if name in kwargs:
                raise ValueError(f"An RBM of ratings has OptionalSoftmax units and tied weights. Received: {name}")
        if objective not in OBJECTIVES:
            raise ValueError(f"`objective` must be one of {', '.join(OBJECTIVES)}. Received: objective={objective!r}")
        self.values = tuple(float(value) for value in values)
        if len(self.values) < 2 or 0 in self.values or not (np.diff(self.values) > 0).all():
            raise ValueError(
                f"`values` must be at least 2, ascending, and not 0, which is no rating. Received: values={values}"
            )
        super().__init__(units, visible=OptionalSoftmax(len(self.values)), sampler=sampler, **kwargs)
        if objective == "ratings" and isinstance(self.sampler, samplers.PCD):
            raise ValueError(
                "Each user has an RBM of the rated items, so no chain can go on from one batch to the next. Received: "
                f"objective='ratings', sampler={type(self.sampler).__name__}. Use 'cd', or objective='joint'."
            )
        self.objective = objective

    # --- data

    def _one_hot(self, x: Any, batch_size: int | None, shuffle: bool = False) -> tuple[Any, int | None]:
        """Batches of a table of ratings, which have a size already; all else as it is."""
        if is_table(x):
            return rating_batches(x, self.values, 32 if batch_size is None else batch_size, shuffle), None
        if checks.is_array(x) and np.size(x) and np.max(x) > 1:
            raise ValueError(
                f"Ratings come as a scipy.sparse table. Received: an array, max={np.max(x):g}. Give "
                "scipy.sparse.csr_array(x), where 0 is no rating."
            )
        return x, batch_size

    def _as_states(self, x: Any, width: int | None = None) -> tf.Tensor:
        if not is_table(x):
            return super()._as_states(x, width)
        encoded = self._encoded(x) if self.built else OneHot(x, self.values)
        return super()._as_states(encoded.rows(np.arange(len(encoded))), width)

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, **kwargs: Any) -> Any:
        held_out = kwargs.get("validation_data")
        held_out = held_out[0] if isinstance(held_out, tuple) and not is_table(held_out) else held_out
        if is_table(held_out):
            kwargs["validation_data"] = self._one_hot(held_out, batch_size)[0]
        x, batch_size = self._one_hot(x, batch_size, kwargs.get("shuffle", True))
        return super().fit(x, y, batch_size, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, **kwargs: Any) -> Any:
        x, kwargs["batch_size"] = self._one_hot(x, batch_size)
        return super().evaluate(x, y, *args, **kwargs)

    def adapt(self, data: Any) -> None:
        super().adapt(self._one_hot(data, _USERS)[0])

    # --- learning

    def _by_item(self, x: tf.Tensor) -> tf.Tensor:
        """`(batch, visible)` as `(batch, items, values)`."""
        return tf.reshape(x, (-1, self.visible.width // len(self.values), len(self.values)))

    def _given_rated(self, v: tf.Tensor, rbm: AbstractRBM | None = None) -> FrameRBMs:
        """Each user's own RBM: that of the items rated in `v` `(batch, visible)`, of this RBM or of `rbm`."""
        rated = tf.reduce_any(self._by_item(v) > 0, -1)
        certain = tf.repeat(tf.where(rated, tf.constant(_CERTAIN, v.dtype), -_CERTAIN), len(self.values), -1)
        return FrameRBMs(rbm or self, tf.cast(self.visible.bias, v.dtype) + certain, self.hidden.bias)

    def _negative_phase(
        self, rbm: AbstractRBM, v: tf.Tensor, weights: tf.Tensor, hidden_input: tf.Tensor
    ) -> samplers.Samples:
        given = rbm if self.objective == "joint" else self._given_rated(v, rbm)
        return super()._negative_phase(given, v, weights, hidden_input)

    def _reconstruction_error_of(self, v: tf.Tensor, hidden_field: tf.Tensor) -> tf.Tensor:
        if self.objective == "joint":
            return super()._reconstruction_error_of(v, hidden_field)
        return self._given_rated(v)._reconstruction_error_of(v, hidden_field)

    # --- answers

    def predict_ratings(self, known: Any, users: Any, items: Any) -> np.ndarray:
        """The expected rating of each pair of a user and an item, given what else the user has rated, exactly;
        `(pairs,)`.

        Args:
            known: a scipy.sparse table `(users, items)`; what it says of the pair itself is left out.
            users, items: rows and columns of it, `(pairs,)`.

        Raises:
            ValueError: if the table or the pairs do not fit.
        """
        encoded = self._encoded(known)
        users, items = (np.asarray(numbers) for numbers in (users, items))
        for name, numbers, most in zip(("users", "items"), (users, items), encoded.table.shape, strict=True):
            if numbers.ndim != 1 or numbers.shape != users.shape or numbers.dtype.kind not in "iu":
                raise ValueError(f"`{name}` must be integers (pairs,). Received: {numbers.dtype} {numbers.shape}")
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < most:
                raise ValueError(f"`{name}` must be from 0 to {most - 1}. Received: {numbers.min()} to {numbers.max()}")
        answers, order = np.empty(len(users)), np.argsort(users, kind="stable")
        for start in range(0, len(order), _PAIRS):
            pairs = order[start : start + _PAIRS]
            rows, row = np.unique(users[pairs], return_inverse=True)
            answers[pairs] = self._expected(self._as_states(encoded.rows(rows)), row, items[pairs])
        return answers

    def _expected(self, v: tf.Tensor, row: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Ratings of `items` `(pairs,)` by the users who are the rows `row` of `v` `(users, visible)`."""
        columns = items[:, None] * len(self.values) + np.arange(len(self.values))
        weights = tf.cast(tf.gather(self.w_rec, columns), v.dtype)  # (pairs, values, units)
        own = tf.gather_nd(v, np.stack(np.broadcast_arrays(row[:, None], columns), -1))
        field = tf.gather(self.hidden_field(v), row) - tf.einsum("pk,pku->pu", own, weights)
        fields = tf.reshape(field[:, None] + weights, (-1, self.units))
        log_weights = tf.reshape(self.hidden.log_partition(fields), columns.shape)
        log_weights += tf.cast(tf.gather(self.visible.bias, columns), v.dtype)
        return tf.linalg.matvec(tf.nn.softmax(log_weights), tf.constant(self.values, v.dtype)).numpy()

    def recommend(self, known: Any, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The best items that each user has not rated.

        They are ranked by the expected rating, from the means of the hidden units (once up and down); with
        `objective="joint"` no rating counts 0, so that what is seldom rated comes last.

        Args:
            known: a scipy.sparse table `(users, items)` of what has been rated.
            k: how many, at least 1.

        Returns:
            columns of the table, the best first, and their scores, both `(users, k)`.

        Raises:
            ValueError: if the table does not fit, or a user has less than `k` items left.
        """
        encoded, k = self._encoded(known), positive_integer(k, "k")
        rated = np.diff(encoded.table.indptr)
        left = encoded.table.shape[1] - int(rated.max())
        if k > left:
            raise ValueError(
                f"`k` must be at most {left}: the user of row {rated.argmax()} has no more items left. "
                f"Received: k={k}. Take fewer, or leave such rows out."
            )
        best, scores = zip(*self._ranked(encoded, k), strict=True)
        return np.concatenate(best), np.concatenate(scores)

    def _ranked(self, encoded: OneHot, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Items and scores of some users after the other."""
        values = tf.constant(self.values, self.state_dtype)
        for start in range(0, len(encoded), _USERS):
            v = self._as_states(encoded.rows(np.arange(start, min(start + _USERS, len(encoded)))))
            field = self.visible_field(self.mean_h_from_v(v))
            joint = self.objective == "joint"
            p = self._by_item(self.visible.mean(field)) if joint else tf.nn.softmax(self._by_item(field))
            scores = tf.linalg.matvec(p, values)
            scores = tf.where(tf.reduce_any(self._by_item(v) > 0, -1), -np.inf, scores)
            top = tf.math.top_k(scores, k)
            yield top.indices.numpy(), top.values.numpy()

    def _encoded(self, known: Any) -> OneHot:
        """A table that fits."""
        if not self.built:
            raise ValueError("A machine must be built before it is asked. Fit it, adapt it or call it on data.")
        encoded = OneHot(known, self.values)
        if encoded.width != self.visible.width:
            raise ValueError(
                f"Ratings must be of {self.visible.width // len(self.values)} items. "
                f"Received: shape={encoded.table.shape}"
            )
        return encoded

    def get_config(self) -> dict:
        config = {name: value for name, value in super().get_config().items() if name not in ("visible", "tied")}
        return {**config, "values": self.values, "objective": self.objective}
