"""What may be wrong with a step: found inside the compiled function, told when control is back in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm import checks

if TYPE_CHECKING:
    from keras_rbm.training.learner import Learner

#: Gradients beyond this are near the next overflow.
_LARGEST = 1e15


class Batch(NamedTuple):
    """What a step is given.

    Args:
        v: states, `(batch, visible)`, or `(batch, time, visible)` of sequences.
        weights: what each case, or each frame, counts, `(batch,)` or `(batch, time)`.
        y: classes, int32, `(batch,)`, if there are label units.
        mask: of sequences, which frames are no padding, `(batch, time)`.
    """

    v: tf.Tensor
    weights: tf.Tensor
    y: tf.Tensor | None = None
    mask: tf.Tensor | None = None

    @property
    def rows(self) -> tf.Tensor:
        """All states, one after the other, `(rows, visible)`."""
        return self.v if self.mask is None else tf.reshape(self.v, (-1, self.v.shape[-1]))


class Fault(NamedTuple):
    """A rule that steps keep.

    Args:
        name: of what is wrong.
        kept: whether a batch and the tensors of its step (gradients, losses) keep the rule: booleans, one a row of the
            batch, or one in all.
        error: the exception that says so, given one row at fault `(visible,)`.
    """

    name: str
    kept: Callable[[Learner, Batch, list[tf.Tensor]], tf.Tensor]
    error: Callable[[Learner, np.ndarray], Exception]


def _in_domain(learner: Learner, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    return checks.in_domain(learner.visible, batch.rows, bool(learner.missing_steps))


def _domain_error(learner: Learner, row: np.ndarray) -> Exception:
    return checks.domain_error(learner.visible, row[None], bool(learner.missing_steps))


def _are_classes(learner: Learner, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    return tf.constant(True) if batch.y is None else (batch.y >= 0) & (batch.y < learner._num_classes)


def _labels_error(learner: Learner, row: np.ndarray) -> Exception:
    return ValueError(f"Labels must be integers from 0 to {learner._num_classes - 1}. Received: a batch with others")


def _has_frames(learner: Learner, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    return tf.constant(True) if batch.mask is None else tf.reduce_any(batch.mask)


def _padding_error(learner: Learner, row: np.ndarray) -> Exception:
    return ValueError("Each batch must have a frame that is not padding. Received: a batch that has none")


def _are_weights(learner: Learner, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    return (batch.weights >= 0) & tf.math.is_finite(batch.weights)


def _weights_error(learner: Learner, row: np.ndarray) -> Exception:
    return ValueError("`sample_weight` must be finite and not negative. Received: a batch where one is not")


def _converges(learner: Learner, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    # A comparison with NaN is false; XLA's reduce_max would drop it.
    return tf.reduce_all([True, *(tf.reduce_all(tf.abs(x) < _LARGEST) for x in step)])


def _divergence_error(learner: Learner, row: np.ndarray) -> Exception:
    return FloatingPointError(
        "Training diverged: gradients are not finite. The parameters are those before that update. Lower the "
        f"learning rate (now {float(learner.optimizer.learning_rate):g}), clip gradients (clipnorm=...), or, for "
        "Gaussian units, standardise the data."
    )


#: Of several faults of one step the first is told.
FAULTS = (
    Fault("domain", _in_domain, _domain_error),
    Fault("labels", _are_classes, _labels_error),
    Fault("padding", _has_frames, _padding_error),
    Fault("weights", _are_weights, _weights_error),
    Fault("divergence", _converges, _divergence_error),
)


class FaultRecord:
    """The first fault of the steps since the last look: its place in `FAULTS`, from 1, and a row at fault.

    Not a Keras variable: it is no part of what is saved.
    """

    _record: tf.Variable = None

    def prepare(self, width: int, dtype: str) -> None:
        """Makes the variable, before the first step: XLA makes none."""
        if self._record is None:
            self._record = tf.Variable(tf.zeros(1 + width, dtype), trainable=False)

    def clear(self) -> None:
        """Forgets what there was."""
        self._record.assign(tf.zeros_like(self._record))

    def note(self, learner: Learner, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
        """Whether this step and all before it keep every rule; if not, the first fault stays on record.

        Args:
            step: gradients and losses.
        """
        kept = [fault.kept(learner, batch, step) for fault in FAULTS]
        code = tf.zeros((), batch.v.dtype)
        for number, rule in reversed(list(enumerate(kept, 1))):
            code = tf.where(tf.reduce_all(rule), code, tf.cast(number, batch.v.dtype))
        number = tf.shape(batch.rows)[0]
        places = tf.range(number)
        first = tf.reduce_min(
            tf.where(kept[0] & kept[1], number - 1, places)
        )  # the first row at fault, or the last one
        fault = tf.concat([code[None], tf.gather(batch.rows, first)], 0)
        fault = tf.where(self._record[0] > 0, self._record, fault)
        self._record.assign(fault)
        return tf.equal(fault[0], 0)

    def raise_first(self, learner: Learner) -> None:
        """Raises what is on record, and forgets it.

        Raises:
            ValueError: for bad data.
            FloatingPointError: if training diverged.
        """
        code, *row = self._record.numpy()
        if code:
            self.clear()
            raise FAULTS[int(code) - 1].error(learner, np.array(row))
