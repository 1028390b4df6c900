"""How good are a model's samples? A likelihood does not show what they lack."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_rbm.models.machine import Machine
from keras_rbm.quality.adversarial import AdversarialAccuracy, adversarial_accuracy
from keras_rbm.quality.classes import NEIGHBOURS, ClassBalance, class_balance, classes_of, neighbours
from keras_rbm.quality.report import Quality
from keras_rbm.quality.rows import Rows, checked_rows
from keras_rbm.quality.spectra import Spectra, spectra

__all__ = [
    "AdversarialAccuracy",
    "ClassBalance",
    "Quality",
    "Spectra",
    "adversarial_accuracy",
    "class_balance",
    "sample_quality",
    "spectra",
]


def sample_quality(
    model: Any,
    x: Any,
    validation: Any = None,
    labels: Any = None,
    classifier: Any = None,
    num_samples: int = 2000,
    num_steps: int = 1000,
    seed: int = 0,
) -> Quality:
    """Do samples lie where data do, do they vary as data do, and are all classes there?

    Samples of a model are what `model.sample(num_samples, num_steps)` gives: Gibbs chains that start in the biases
    alone, nowhere near data, and are not told how many of each mode there should be. So modes that they do not find in
    so many sweeps count as missing. Samples made in another way (`anneal=`, chains of the sampler, clamped ones) can be
    given as an array instead. Training is not disturbed: random state is left alone.

    As many rows are compared as there are samples. Principal components, and the classifier if none is given, are
    fitted to other rows (half of `x`, if there are not more).

    Args:
        model: an RBM, a Hopfield network, a ClassificationRBM, a ConvRBM, a DBN or a DBM; or samples, an array.
        x: data, an array `(cases, visible)` of states, or of the shape of a case: rows that were trained on.
        validation: rows that were not; with them, copying is looked for.
        labels: a class a row of `x`, numbers or names, `(cases,)`.
        classifier: a function of rows, or what has `predict`, that returns classes or a score a class; by default, if
            there are labels, their 5 nearest neighbours.
        num_samples: chains, and rows of either kind, at most, at least 20.
        num_steps: Gibbs sweeps of the chains.

    Raises:
        TypeError: if the model is another, a sequence model say, or data are no arrays.
        ValueError: if the model is not built or not finite, if there are fewer than 20 rows of a kind, shapes differ,
            values are missing, rows are no states of the model, or labels, or what the classifier sees in rows, are no
            classes, or not the same ones. All before a sample is drawn.

    Example:

    ```python
    quality = keras_rbm.sample_quality(rbm, x_train, x_validation, labels=y_train)
    print(quality)
    quality.figure().savefig("samples.png")
    quality.aats.truth, quality.aats.syn
    ```
    """
    rows = checked_rows(model, x, validation, labels, classifier, num_samples, num_steps, seed)
    number, data = len(rows.data), rows.data
    if isinstance(model, Machine):
        with model.set_aside(f"quality {seed}"):
            samples = np.asarray(model.sample(number, num_steps))
        samples = samples.reshape(number, *data.shape[1:])
        what = f"{number} samples of {_a(type(model).__name__)}: chains from its biases after {num_steps} sweeps"
    else:
        samples, what = rows.samples, f"{number} of {len(model)} samples"
    about = f"{what}, beside {number} of {len(x)} rows"
    flat = [part.reshape(len(part), -1) for part in (data, samples)]
    own = None if rows.validation is None else rows.validation.reshape(number, -1)
    balance, words = _classes(rows, samples, classifier)
    return Quality(
        about,
        adversarial_accuracy(*flat),
        None if own is None else adversarial_accuracy(own, flat[1]),
        spectra(flat[0][: rows.judged], flat[1], rows.reference.reshape(len(rows.reference), -1)),
        balance,
        words,
    )


def _classes(rows: Rows, samples: np.ndarray, classifier: Any) -> tuple[ClassBalance | None, str]:
    """What a classifier sees, and words for it."""
    seen, words = rows.seen, "the classifier"
    if seen is None:
        if rows.known is None:
            return None, ""
        classifier = neighbours(rows.reference, rows.known)
        seen = classes_of(classifier, rows.data[: rows.judged])
        words = f"the nearest {NEIGHBOURS} of {len(rows.reference)} other rows"
    drawn = classes_of(classifier, samples)
    accuracy = None if rows.labels is None else float(np.mean(seen == rows.labels[: rows.judged]))
    return class_balance(seen, drawn, accuracy), words


def _a(name: str) -> str:
    return f"{'an' if name.startswith(('A', 'E', 'I', 'O', 'RB')) else 'a'} {name}"
