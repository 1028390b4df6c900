"""Are all classes there, and as often as in data?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

#: What the default classifier asks.
NEIGHBOURS = 5


class ClassBalance(NamedTuple):
    """Shares of the classes that a classifier sees.

    Args:
        classes: their names.
        data, samples: shares, in the order of `classes`.
        distance: total variation, half the sum of the differences without sign: the share of samples that is of a
            wrong class; 0 to 1.
        chance: what `distance` would be, in the mean, of data and other data.
        p_value: of the chi-square test that both are draws of the same shares; 1 where there is one class alone.
        data_entropy, sample_entropy: nats; at most the log of the number of classes.
        missing: classes in data that no sample is of.
        accuracy: of the classifier on these rows of data, where their labels are known.
    """

    classes: tuple[str, ...]
    data: tuple[float, ...]
    samples: tuple[float, ...]
    distance: float
    chance: float
    p_value: float
    data_entropy: float
    sample_entropy: float
    missing: tuple[str, ...]
    accuracy: float | None = None


def class_balance(data: Any, samples: Any, accuracy: float | None = None) -> ClassBalance:
    """Compares the classes of rows with those of samples.

    Args:
        data, samples: a class each, numbers or names, `(rows,)`.
        accuracy: to be kept beside.

    Raises:
        ValueError: if either is empty or has another shape.
    """
    from scipy.stats import chi2_contingency, entropy

    sides = [np.asarray(x) for x in (data, samples)]
    if any(x.ndim != 1 or not len(x) for x in sides):
        raise ValueError(f"Classes must be one a row. Received: shapes {sides[0].shape} and {sides[1].shape}")
    classes, numbers = np.unique(np.concatenate(sides), return_inverse=True)
    parts = np.split(numbers, [len(sides[0])])
    counts = np.stack([np.bincount(part, minlength=len(classes)) for part in parts])
    shares = counts / counts.sum(1, keepdims=True)
    pooled = counts.sum(0) / counts.sum()
    noise = np.sqrt(pooled * (1 - pooled) * np.sum(1 / counts.sum(1)))  # normal ones have a mean of sqrt(2 / pi) of it
    names = [str(name) for name in classes]
    return ClassBalance(
        classes=tuple(names),
        data=tuple(map(float, shares[0])),
        samples=tuple(map(float, shares[1])),
        distance=float(np.abs(shares[1] - shares[0]).sum() / 2),
        chance=float(np.sqrt(2 / np.pi) * noise.sum() / 2),
        p_value=float(chi2_contingency(counts, correction=False).pvalue) if len(classes) > 1 else 1.0,
        data_entropy=float(entropy(shares[0])),
        sample_entropy=float(entropy(shares[1])),
        missing=tuple(name for name, (there, drawn) in zip(names, counts.T, strict=True) if there and not drawn),
        accuracy=accuracy,
    )


def classes_of(classifier: Any, x: np.ndarray) -> np.ndarray:
    """The class of each row that a classifier sees, `(rows,)`.

    Args:
        classifier: a function of rows, or something with `predict`, as Keras and scikit-learn have it. It returns
            classes, or a score a class.

    Raises:
        ValueError: if it returns something else, or scores that are not finite.
    """
    if isinstance(classifier, keras.Model):
        found = classifier.predict(x, verbose=0)
    else:
        found = getattr(classifier, "predict", classifier)(x)
    found = np.asarray(found)
    if found.ndim == 2 and found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError("Scores that `classifier` returns must be finite. Received: NaN or infinity.")
    if found.ndim == 2:  # a single score is the probability of class 1
        found = found.argmax(1) if found.shape[1] > 1 else (found[:, 0] > 0.5).astype(int)
    if found.shape != (len(x),):
        raise ValueError(
            f"`classifier` must return a class a row, ({len(x)},), or a score a class. Received: shape={found.shape}"
        )
    return checked_classes(found, "What `classifier` returns", "Of probabilities, let it return one a class.")


def checked_classes(classes: np.ndarray, what: str, advice: str) -> np.ndarray:
    """Classes `(rows,)` that are whole numbers or names.

    Args:
        what, advice: words for them, and the way out.

    Raises:
        ValueError: if they are not.
    """
    if classes.dtype == object and len({isinstance(name, str) for name in classes}) == 1:
        classes = np.array(classes.tolist())
    kind, bad = classes.dtype.kind, f"dtype={classes.dtype}"
    if kind == "f":
        odd = classes[~(np.isfinite(classes) & (classes == np.round(classes)))]
        kind, bad = ("f", f"{odd[0]:g}") if len(odd) else ("i", "")
    if kind not in "biuSU":
        raise ValueError(f"{what} must be whole numbers or names, one a row. Received: {bad}. {advice}")
    return classes


def neighbours(rows: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A classifier that asks the nearest of labelled rows."""
    from sklearn.neighbors import KNeighborsClassifier

    flat = rows.reshape(len(rows), -1)
    net = KNeighborsClassifier(min(NEIGHBOURS, len(rows))).fit(flat, labels)
    return lambda x: net.predict(x.reshape(len(x), -1))
