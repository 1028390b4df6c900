"""Which rows are compared, and what is refused."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from keras_rbm import checks
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.models.machine import Machine
from keras_rbm.quality.classes import checked_classes, classes_of
from keras_rbm.scored import checked_finite

#: Rows of which anything can be said.
_LEAST_ROWS = 20
#: That components and the default classifier are fitted to, at most.
_MOST_ROWS = 10_000
#: Classes that a message names.
_FEW = 5


class Rows(NamedTuple):
    """What is compared, checked.

    Args:
        data, validation, samples: as many of each; the last two where there are any.
        judged: how many of `data` are not in `reference`.
        labels: of `data`, where there are any.
        seen: the classes of `data[:judged]` that the classifier sees, if one was given.
        reference, known: other rows of data, and their labels.
    """

    data: np.ndarray
    validation: np.ndarray | None
    samples: Any
    judged: int
    labels: np.ndarray | None
    seen: np.ndarray | None
    reference: np.ndarray
    known: np.ndarray | None


def checked_rows(
    model: Any, x: Any, validation: Any, labels: Any, classifier: Any, num_samples: Any, num_steps: Any, seed: Any
) -> Rows:
    """Rows that are compared, drawn at random; arguments as in `sample_quality`."""
    machine = model if isinstance(model, Machine) else None
    if machine is None and not checks.is_array(model):
        raise TypeError(
            f"Samples are those of an RBM, a Hopfield network, a ClassificationRBM, a DBN or a DBM, or an array. "
            f"Received: {type(model).__name__}. Of others, give samples as an array; of sequences, compare "
            "datasets.roll_statistics."
        )
    if machine is not None:
        checked_finite(machine)
    if positive_integer(num_samples, "num_samples") < _LEAST_ROWS:
        raise ValueError(f"`num_samples` must be at least {_LEAST_ROWS}. Received: num_samples={num_samples}")
    positive_integer(num_steps, "num_steps")
    if classifier is not None and not callable(getattr(classifier, "predict", classifier)):
        raise TypeError(
            f"`classifier` must be a function or have `predict`. Received: {type(classifier).__name__}. Give "
            "labels= alone for one by nearest neighbours."
        )
    sets = {"x": x, "validation": validation, "samples": None if machine else model}
    arrays = {name: _array(machine, part, name) for name, part in sets.items() if part is not None}
    shapes = {part.shape[1:] for part in arrays.values()}
    if len(shapes) > 1:
        found = ", ".join(f"{name} {part.shape}" for name, part in arrays.items())
        raise ValueError(f"Rows and samples must have one shape a case. Received: {found}")
    classes = _checked_labels(labels, len(arrays["x"]))
    number = min(num_samples, *map(len, arrays.values()))
    rng = np.random.default_rng(checked_seed(seed) or 0)
    order = rng.permutation(len(x))
    drawn = {name: part[rng.permutation(len(part))[:number]] for name, part in arrays.items() if name != "x"}
    judged = min(number, len(x) // 2)
    compared, others = order[:number], order[judged : judged + _MOST_ROWS]
    for part in (arrays["x"][np.union1d(compared, others)], drawn.get("validation"), drawn.get("samples")):
        _check_values(machine, part)
    seen = None if classifier is None else classes_of(classifier, arrays["x"][order[:judged]])
    if seen is not None and classes is not None:
        _check_known(seen, classes)
    return Rows(
        arrays["x"][compared],
        drawn.get("validation"),
        drawn.get("samples"),
        judged,
        None if classes is None else classes[compared],
        seen,
        arrays["x"][others],
        None if classes is None else classes[others],
    )


def _array(machine: Machine | None, x: Any, name: str) -> np.ndarray:
    """Cases of whatever shape, at least 20."""
    if not checks.is_array(x):
        raise TypeError(f"`{name}` must be an array. Received: {type(x).__name__}. Take some thousand rows of it.")

    def wrong(shape: Any) -> ValueError | None:
        if machine is not None:
            return machine._shape_error(shape)
        return (
            None if len(shape) > 1 else ValueError(f"`{name}` must have shape (cases, ...). Received: {tuple(shape)}")
        )

    array = np.asarray(checks.as_array(x, wrong))
    if len(array) < _LEAST_ROWS:
        raise ValueError(f"`{name}` must have at least {_LEAST_ROWS} rows. Received: {len(array)}")
    return array


def _check_values(machine: Machine | None, x: np.ndarray | None) -> None:
    """Refuses gaps, and of a machine what is no state: samples are states."""
    if x is None:
        return
    if not np.isfinite(x).all():
        raise ValueError("Rows and samples must be finite. Received: NaN or infinity. Leave rows with gaps out.")
    if machine is None:
        return
    rows = machine._checked_rows(x)
    are_states = np.asarray(machine.visible.are_states(machine._as_states(rows)))
    if not are_states.all():
        raise ValueError(
            f"Samples are states, so rows must be, too. Received: a grey level or another mean, in "
            f"{np.sum(~are_states)} rows. Make data states: datasets.binarized(x, seed=0)."
        )


def _checked_labels(labels: Any, number: int) -> np.ndarray | None:
    if labels is None:
        return None
    classes = np.asarray(labels)
    if classes.shape != (number,):
        raise ValueError(
            f"`labels` must be one class a row of `x`, ({number},). Received: shape={classes.shape}. Turn one-hot ones "
            "into numbers by labels.argmax(1), a column by labels[:, 0]."
        )
    classes = checked_classes(classes, "`labels`", "Leave rows without a class out.")
    if len(np.unique(classes)) < 2:
        raise ValueError(f"`labels` must be of at least 2 classes. Received: all are {classes[0]}")
    return classes


def _check_known(seen: np.ndarray, labels: np.ndarray) -> None:
    """Refuses a classifier that sees classes which no label names."""
    known = set(labels.tolist())
    if unknown := set(seen.tolist()) - known:
        raise ValueError(
            f"`classifier` must see the classes that `labels` name, {_few(known)}. Received: {_few(unknown)}. "
            "Translate either, or leave one of them out."
        )


def _few(classes: set) -> str:
    """Some of them, for a message."""
    names = [repr(name) for name in sorted(classes)]
    return ", ".join([*names[:_FEW], *(["..."] if len(names) > _FEW else [])])
