"""What may be wrong with a step: found inside the compiled function, told when control is back in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import checks, replicas
from keras_rbm.units import Unit

#: Gradients beyond this are near the next overflow.
_LARGEST = 1e15


class Batch(NamedTuple):
    """What a step is given.

    Args:
        v: states, `(batch, visible)`, or `(batch, time, visible)` of sequences.
        weights: what each case, or each frame, counts, `(batch,)` or `(batch, time)`.
        y: classes, int32, `(batch,)`, if there are label units.
        mask: of sequences, which frames are no padding, `(batch, time)`.
        checked: whether the data keep all rules for certain: all of them were looked at before.
    """

    v: tf.Tensor
    weights: tf.Tensor
    y: tf.Tensor | None = None
    mask: tf.Tensor | None = None
    checked: bool = False

    @property
    def rows(self) -> tf.Tensor:
        """All states, one after the other, `(rows, visible)`."""
        return self.v if self.mask is None else tf.reshape(self.v, (-1, self.v.shape[-1]))


class Rules(NamedTuple):
    """What a learner takes.

    Args:
        units: whose states data are.
        missing: as in `checks.check_domain`.
        num_classes: of labels; 0 for none.
    """

    units: Unit
    missing: int | None
    num_classes: int


class Fault(NamedTuple):
    """A rule that steps keep.

    Args:
        name: of what is wrong.
        kept: whether a batch and the tensors of its step (gradients, losses) keep the rule: booleans, one a row of the
            batch, or one in all.
        error: the exception that says so, given one row at fault `(visible,)` and the learning rate.
        of_data: whether it looks at the batch alone.
    """

    name: str
    kept: Callable[[Rules, Batch, list[tf.Tensor]], tf.Tensor]
    error: Callable[[Rules, np.ndarray, float], Exception]
    of_data: bool = True


def _in_domain(rules: Rules, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    return checks.in_domain(rules.units, batch.rows, rules.missing)


def _domain_error(rules: Rules, row: np.ndarray, learning_rate: float) -> Exception:
    return checks.domain_error(rules.units, row[None], rules.missing)


def _are_classes(rules: Rules, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    return tf.constant(True) if batch.y is None else (batch.y >= 0) & (batch.y < rules.num_classes)


def _labels_error(rules: Rules, row: np.ndarray, learning_rate: float) -> Exception:
    return ValueError(f"Labels must be integers from 0 to {rules.num_classes - 1}. Received: a batch with others")


def _has_frames(rules: Rules, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    if batch.mask is None:
        return tf.constant(True)
    return replicas.summed(tf.reduce_sum(tf.cast(batch.mask, batch.v.dtype))) > 0


def _padding_error(rules: Rules, row: np.ndarray, learning_rate: float) -> Exception:
    return ValueError("Each batch must have a frame that is not padding. Received: a batch that has none")


def _are_weights(rules: Rules, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    return (batch.weights >= 0) & tf.math.is_finite(batch.weights)


def _weights_error(rules: Rules, row: np.ndarray, learning_rate: float) -> Exception:
    return ValueError("`sample_weight` must be finite and not negative. Received: a batch where one is not")


def _converges(rules: Rules, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
    # A comparison with NaN is false; XLA's reduce_max would drop it, and its reduce_all takes twice as long as a sum.
    return tf.reduce_all([True, *(tf.reduce_sum(tf.abs(x)) < _LARGEST for x in step)])


def _divergence_error(rules: Rules, row: np.ndarray, learning_rate: float) -> Exception:
    return FloatingPointError(
        "Training diverged: gradients are not finite. The parameters are those before that update. Lower the "
        f"learning rate (now {learning_rate:g}), clip gradients (clipnorm=...), or, for "
        "Gaussian units, standardise the data."
    )


#: Of several faults of one step the first is told.
FAULTS = (
    Fault("domain", _in_domain, _domain_error),
    Fault("labels", _are_classes, _labels_error),
    Fault("padding", _has_frames, _padding_error),
    Fault("weights", _are_weights, _weights_error),
    Fault("divergence", _converges, _divergence_error, of_data=False),
)


def _first_of_all(fault: tf.Tensor) -> tf.Tensor:
    """Of the replicas' faults, a code and a row each, that with the least code but 0, if there is one."""
    if replicas.number() == 1:
        return fault
    faults = replicas.stacked(fault)
    codes = tf.where(faults[:, 0] > 0, faults[:, 0], len(FAULTS) + 1.0)
    return faults[tf.argmin(codes)]


class FaultRecord:
    """The first fault of the steps since the last look: its place in `FAULTS`, from 1, and a row at fault.

    Not a Keras variable: it is no part of what is saved.
    """

    def __init__(self, rules: Rules, dtype: str) -> None:
        self._rules = rules
        self._record = tf.Variable(tf.zeros(1 + rules.units.width, dtype), trainable=False)

    def clear(self) -> None:
        """Forgets what there was."""
        self._record.assign(tf.zeros_like(self._record))

    def note(self, batch: Batch, step: list[tf.Tensor]) -> tf.Tensor:
        """Whether this step and all before it keep every rule; if not, the first fault stays on record.

        Args:
            step: gradients and losses.
        """
        kept = [
            tf.constant(True) if batch.checked and fault.of_data else fault.kept(self._rules, batch, step)
            for fault in FAULTS
        ]
        code = tf.zeros((), batch.v.dtype)
        for number, rule in reversed(list(enumerate(kept, 1))):
            code = tf.where(tf.reduce_all(rule), code, tf.cast(number, batch.v.dtype))
        number = tf.shape(batch.rows)[0]
        places = tf.range(number)
        first = tf.reduce_min(
            tf.where(kept[0] & kept[1], number - 1, places)
        )  # the first row at fault, or the last one
        fault = _first_of_all(tf.concat([code[None], tf.gather(batch.rows, first)], 0))
        fault = tf.where(self._record[0] > 0, self._record, fault)
        self._record.assign(fault)
        return tf.equal(fault[0], 0)

    @property
    def none(self) -> tf.Tensor:
        """Whether nothing is on record."""
        return tf.equal(self._record[0], 0)

    def raise_first(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Raises what is on record of steps by an optimizer, and forgets it.

        Raises:
            ValueError: for bad data.
            FloatingPointError: if training diverged.
        """
        code, *row = self._record.numpy()
        if code:
            self.clear()
            raise FAULTS[int(code) - 1].error(
                self._rules, np.array(row), float(tf.convert_to_tensor(optimizer.learning_rate))
            )
