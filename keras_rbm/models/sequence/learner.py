"""How sequence models learn: batches (batch, time, visible), where some frames are padding."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks
from keras_rbm.training.faults import Batch
from keras_rbm.training.learner import Learner

#: Sequences that are looked at together.
_CHUNK = 256
_ADVICE = "Cut and pad those of different lengths: x, mask = datasets.subsequences(rolls)."


def shape_error(shape: Any, width: int | None) -> ValueError | None:
    """What is wrong with a batch of sequences of this shape, if anything is."""
    shape, wanted = tuple(shape), "visible" if width is None else width
    if len(shape) != 3 or shape[2] is None or shape[2] < 1 or (width is not None and shape[2] != width):
        return ValueError(f"Sequences must have shape (batch, time, {wanted}). Received: shape={shape}. {_ADVICE}")
    return None


def _mask_error(mask: Any, shape: Any) -> ValueError | None:
    """What is wrong with a mask for sequences whose batch and time are `shape`, if anything is."""
    received = tuple(mask.shape)
    if len(received) != 2 or any(a != b for a, b in zip(received, shape, strict=True) if None not in (a, b)):
        return ValueError(f"A mask must have shape (batch, time), here {tuple(shape)}. Received: shape={received}")
    return None


def _checked(x: Any, mask: Any, width: int | None) -> tuple[np.ndarray | tf.Tensor, np.ndarray]:
    """Sequences as an array, and their mask as booleans.

    Raises:
        ValueError: if a shape is another, a mask has other values than 0 and 1, or a sequence has no frame.
        TypeError: if there are no numbers.
    """
    if not isinstance(x, tf.Tensor):
        try:
            x = np.asarray(x)
        except ValueError as ragged:
            raise ValueError(f"Sequences must be one array (batch, time, visible). {_ADVICE}") from ragged
        if x.dtype.kind not in "biuf":
            raise TypeError(f"Sequences must be an array of numbers. Received: dtype={x.dtype}, shape={x.shape}")
    if error := shape_error(x.shape, width):
        raise error
    if not x.shape[0] or not x.shape[1]:
        raise ValueError(f"Data must have at least one sequence of one frame. Received: shape={tuple(x.shape)}")
    mask = np.ones(x.shape[:2], bool) if mask is None else np.asarray(mask)
    if error := _mask_error(mask, x.shape[:2]):
        raise error
    if not np.isin(mask, (0, 1)).all():
        raise ValueError(f"A mask must be booleans. Received: dtype={mask.dtype}, min={mask.min()}, max={mask.max()}")
    mask = mask.astype(bool)
    if not mask.any(1).all():
        raise ValueError(
            "Each sequence must have a frame that is not padding. "
            f"Received: a mask without any, in row {np.argmin(mask.any(1))} of {len(mask)}. Leave such sequences out."
        )
    return x, mask


class SequenceLearner(Learner):
    """A `Learner` of sequences: what a batch teaches has a value, and a weight, for each frame: `(batch, time)`."""

    def _as_sequences(self, v: Any, mask: Any = None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """`v` as states `(batch, time, visible)`, padding being some state.

        Raises:
            ValueError: if the shape of `v` or of its mask is another.
            TypeError: if these are no numbers.
        """
        v = v if isinstance(v, np.ndarray) else tf.convert_to_tensor(v)
        if not_numbers := checks.type_error(v):
            raise not_numbers
        v = tf.cast(v, self.state_dtype)
        if error := shape_error(v.shape, self.visible.width if self.built else None):
            raise error
        if not self.built:
            self.build(tuple(v.shape))
        if mask is None:
            return v, None
        mask = tf.convert_to_tensor(mask)
        if error := _mask_error(mask, v.shape[:2]):
            raise error
        mask = tf.cast(mask, tf.bool)
        return tf.where(mask[..., None], v, self.visible.mode(tf.zeros_like(v))), mask

    def fit(self, x: Any = None, y: Any = None, *args: Any, mask: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """As `keras.Model.fit`, of sequences.

        Args:
            x: states `(batch, time, visible)`, or a stream of batches `x`, `(x, mask)` or `(x, mask, sample_weight)`.
            y, mask: booleans `(batch, time)`, by either name: False where a frame is padding, which counts nowhere.
            kwargs: `sample_weight` has one weight a sequence; `validation_data` is `x` or `(x, mask)`.

        Raises:
            ValueError: for sequences or masks of another shape, frames outside the units' domain, a sequence or a batch
                without any frame; when, and what else: see `RBM`.
        """
        return super().fit(x, y if mask is None else mask, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, mask: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`; returns what `fit` logs, and raises what `fit` raises."""
        return super().evaluate(x, y if mask is None else mask, *args, **kwargs)

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, mask: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.train_on_batch`, with the checks of `fit`."""
        return super().train_on_batch(x, y if mask is None else mask, *args, **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, mask: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.test_on_batch`, with the checks of `fit`."""
        return super().test_on_batch(x, y if mask is None else mask, *args, **kwargs)

    @property
    def _looks_at_labels(self) -> bool:
        return True  # they are masks

    def _checked_arrays(self, x: Any, y: Any) -> tuple[Any, Any]:
        return self._checked_sequences(x, y)

    def _checked_sequences(self, x: Any, mask: Any = None) -> tuple[np.ndarray | tf.Tensor, np.ndarray]:
        """Sequences and their mask, which are sound; this model is built for them if need be.

        Raises:
            ValueError: if a shape is another, frames are outside the units' domain, or a sequence has none.
        """
        x, mask = _checked(x, mask, self.visible.width if self.built else None)
        if not self.built:
            with self.distribute_strategy.scope():
                self.build((None, None, x.shape[-1]))
        for start in range(0, len(x), _CHUNK):
            part = slice(start, start + _CHUNK)
            checks.check_domain(x[part][mask[part]], self.visible, self.state_dtype)
        return x, mask

    def _unpack(self, data: Any) -> Batch:
        v, mask, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        v = tf.ensure_shape(v, (None, None, self.visible.width))  # generators may not say
        mask = tf.ones(tf.shape(v)[:2], tf.bool) if mask is None else tf.ensure_shape(mask, (None, None))
        v, mask = self._as_sequences(v, mask)
        weights = tf.cast(mask, v.dtype)
        if sample_weight is not None:
            weights *= tf.cast(sample_weight, v.dtype)[:, None]
        return Batch(v, weights, mask=mask)
