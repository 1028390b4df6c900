"""What is wrong with a model, and what to change?"""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_rbm import checks
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.diagnosis import comparison
from keras_rbm.diagnosis.evidence import gather
from keras_rbm.diagnosis.findings import findings
from keras_rbm.diagnosis.report import Diagnosis, Finding
from keras_rbm.likelihood.bounds import check_states
from keras_rbm.models.machine import Machine
from keras_rbm.scored import checked_model

__all__ = ["Diagnosis", "Finding", "diagnose"]

#: Rows of which anything can be said.
_LEAST_ROWS = 20


def diagnose(
    model: Any,
    x: Any,
    validation: Any = None,
    num_cases: int = 1000,
    num_steps: int = 500,
    num_temperatures: int | None = 1000,
    seed: int = 0,
) -> Diagnosis:
    """Is the model done, and if not, what should change? A verdict and a sentence of advice for each thing looked at.

    Chains start in data and, as many, in the biases, so what was not learnt and what does not mix are told apart: both
    agree on what is missing, or they do not agree. Where a side can be enumerated, samples are exact. Training is not
    disturbed: chains and random state are left alone.

    Args:
        model: an RBM, a Hopfield network, a ClassificationRBM, a DBN or a DBM, trained on `x`.
        x: training data, an array `(cases, visible)` of states.
        validation: rows that were not trained on; without, nothing is said about overfitting.
        num_cases: rows at most, drawn with `seed`, and chains of either kind, at least 20.
        num_steps: Gibbs sweeps of the chains.
        num_temperatures: of AIS and reverse AIS, where the likelihood is not exact; `None` leaves it out.

    Raises:
        TypeError: if the model is another, a sequence model say, or the data are no arrays.
        ValueError: if it is not built, not finite or without energy, if there are fewer than 20 rows, none of the
            columns varies, or rows are no states of the model.

    Example:

    ```python
    diagnosis = keras_rbm.diagnose(rbm, x_train, x_validation)
    print(diagnosis)
    diagnosis.figure().savefig("diagnosis.png")
    diagnosis["correlations"].figures["correlation_slope"]
    ```
    """
    data, held_out, notes = checked_rows(model, x, validation, num_cases, num_steps, num_temperatures, seed)
    evidence = gather(model, data, held_out, num_cases, num_steps, num_temperatures, seed or 0)
    if len(evidence.columns.paired) < len(evidence.columns.single):
        notes.append(f"Correlations are those of {len(evidence.columns.paired)} columns drawn at random.")
    if left := data.shape[1] - len(evidence.columns.single):
        notes.append(f"{left} columns hardly vary in these rows, and were left out of the comparisons.")
    layers = "-".join(str(layer.means.shape[1]) for layer in evidence.hidden)
    about = (
        f"{type(model).__name__} {data.shape[1]}-{layers}, {len(data)} of {len(x)} rows, {num_cases} chains from "
        f"data and {num_cases} from the biases"
    )
    return Diagnosis(about, findings(evidence), tuple(notes), evidence)


def checked_rows(
    model: Any, x: Any, validation: Any, num_cases: Any, num_steps: Any, num_temperatures: Any, seed: Any
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Rows of `x` and of `validation` that are looked at, and notes of what is not; arguments as in `diagnose`."""
    if not isinstance(model, Machine):
        raise TypeError(
            f"diagnose looks at an RBM, a Hopfield network, a ClassificationRBM, a DBN or a DBM. Received: "
            f"{type(model).__name__}. Of sequences, use likelihood.frame_log_likelihood, and "
            "datasets.roll_statistics of what the model generates beside that of data."
        )
    checked_model(model)
    if positive_integer(num_cases, "num_cases") < _LEAST_ROWS:
        raise ValueError(f"`num_cases` must be at least {_LEAST_ROWS}. Received: num_cases={num_cases}")
    positive_integer(num_steps, "num_steps")
    if num_temperatures is not None:
        positive_integer(num_temperatures, "num_temperatures")
    seed = checked_seed(seed) or 0
    notes: list[str] = []
    data = _rows(model, x, "x", num_cases, seed, notes)
    if not comparison.varying(data).any():
        raise ValueError(
            f"Some column of `x` must differ from its usual value in at least {comparison.LEAST_EVENTS} rows, or "
            f"nothing can be compared. Received: none of {data.shape[1]} columns in {len(data)} rows. Give more rows."
        )
    held_out = None if validation is None else _rows(model, validation, "validation", num_cases, seed, notes)
    if held_out is None:
        notes.append("Overfitting was not looked at: give validation=, rows that were not trained on.")
    return data, held_out, notes


def _rows(model: Machine, x: Any, name: str, number: int, seed: int, notes: list[str]) -> np.ndarray:
    """So many rows, drawn at random and checked; with gaps, where a model takes them, those that have none."""
    if not checks.is_array(x):
        raise TypeError(f"`{name}` must be an array. Received: {type(x).__name__}. Take some thousand rows of it.")
    rows = np.asarray(model._in_rows(checks.as_array(x, model._shape_error)))
    if model.missing_steps and np.isnan(rows).any():
        whole = ~np.isnan(rows).any(1)
        notes.append(f"{int(whole.sum())} of {len(rows)} rows of `{name}` have no gap; only these were looked at.")
        rows = rows[whole]
    if len(rows) < _LEAST_ROWS:
        raise ValueError(f"`{name}` must have at least {_LEAST_ROWS} rows. Received: {len(rows)}")
    rows = rows[np.random.default_rng(seed).permutation(len(rows))[:number]].astype(model.state_dtype)
    model._checked_rows(rows)
    check_states(model.visible, model._as_states(rows))
    return rows
