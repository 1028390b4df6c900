"""What stands beside the fine-tuned DBN: others that learn from the same labelled cases, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

#: Of Adam; as for fine-tuning, the best of four by cross-entropy on the validation cases of the digits.
LEARNING_RATE = 1e-3
#: Cases up to which a support vector machine is fitted: its time grows with their square.
_FEW = 10_000


def rectifiers(num_visible: int, layers: Sequence[int], num_classes: int) -> keras.Model:
    """The network that one would take today, as wide as the DBN."""
    hidden = [keras.layers.Dense(width, "relu") for width in layers]
    return keras.Sequential([keras.Input((num_visible,)), *hidden, keras.layers.Dense(num_classes, "softmax")])


def on_pixels(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> dict[str, np.ndarray]:
    """The classes that models without hidden layers find, `(cases,)`, by name.

    Args:
        x, y: the cases to learn from, `(cases, visible)` and `(cases,)`.
        x_test: those to classify.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    models = {"logistic regression": LogisticRegression(max_iter=300, tol=1e-3)}
    if len(x) <= _FEW:
        models["support vector machine"] = SVC(C=10)
    return {f"{name} on pixels": model.fit(x, y).predict(x_test) for name, model in models.items()}


def verdict(ours: np.ndarray, others: Mapping[str, np.ndarray], y: np.ndarray) -> str:
    """Whether pretraining pays, in words.

    Args:
        ours, others: which test cases were classified correctly, `(cases,)`; the others by name.
        y: their classes.
    """
    guessed = np.unique(y, return_counts=True)[1].max() / len(y)
    if ours.mean() <= guessed + 2 * np.sqrt(guessed * (1 - guessed) / len(y)):
        return (
            "not to be told: the fine-tuned DBN is no better than a guess. Train longer, or with a lower "
            "--fine-tune-learning-rate"
        )
    best = max(others, key=lambda name: others[name].mean())
    gain = 100 * (ours.astype(float) - others[best])  # a case that both get right says nothing
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
    answer = "not measurably" if abs(gain.mean()) <= 2 * error else "yes" if gain.mean() > 0 else "no"
    return f"{answer}: {gain.mean():+.2f} points to the best beside it ({best}), standard error {error:.2f}"
