"""What is wrong with the machine, while it trains?"""

from __future__ import annotations

from typing import Any

import keras

from keras_rbm.arguments import positive_integer
from keras_rbm.diagnosis import Diagnosis, checked_rows, diagnose

#: What is logged, and the findings that have it.
_LOGGED = {
    "chain_memory": "mixing",
    "potential_scale_reduction": "mixing",
    "correlation_slope": "correlations",
    "mean_shift": "means",
    "free_energy_gap": "overfitting",
}


class DiagnosisMonitor(keras.callbacks.Callback):
    """Diagnoses the machine each n epochs, logs a few of the figures, and keeps the diagnosis in `last`.

    Logs `chain_memory` and `potential_scale_reduction` (do the chains mix?), `correlation_slope` (how much of the
    data's correlations samples have: near 1 when the machine is done; NaN where data have none), `mean_shift` (of the
    worst column, in deviations) and, with validation data, `free_energy_gap` (nats a case; of a DBN or a DBM that of
    its bound). In the epochs between, the last figures are logged again. When training ends, it is diagnosed once more
    unless that was just done, and what is not ok is printed. Put it before callbacks that read the logs. Training is
    not disturbed.

    Args:
        x, validation, num_cases, num_steps, num_temperatures, seed: as in `keras_rbm.diagnose`; fewer chains and sweeps
            by default, and no likelihood.
        every: epochs between two diagnoses; the first epoch is diagnosed.
        verbose: whether to print when training ends.

    Raises:
        TypeError, ValueError: as `keras_rbm.diagnose` does, before the first step.

    Example:

    ```python
    monitor = keras_rbm.callbacks.DiagnosisMonitor(x_train, x_validation, every=20)
    rbm.fit(x_train, epochs=200, callbacks=[monitor, keras.callbacks.TensorBoard("logs")])
    print(monitor.last)
    ```
    """

    def __init__(
        self,
        x: Any,
        validation: Any = None,
        every: int = 10,
        num_cases: int = 500,
        num_steps: int = 200,
        num_temperatures: int | None = None,
        seed: int = 0,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        self.every, self.verbose = positive_integer(every, "every"), verbose
        self._options: dict[str, Any] = {
            "x": x,
            "validation": validation,
            "num_cases": positive_integer(num_cases, "num_cases"),
            "num_steps": positive_integer(num_steps, "num_steps"),
            "num_temperatures": num_temperatures,
            "seed": seed,
        }
        self.last: Diagnosis | None = None
        self._fresh = False

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuses a machine that is not diagnosed, or rows that it cannot take."""
        checked_rows(self.model, **self._options)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._fresh = epoch % self.every == 0 or self.last is None
        if self._fresh:
            self.last = diagnose(self.model, **self._options)
        if logs is not None:
            logs.update(self._figures())

    def _figures(self) -> dict[str, float]:
        """The scalars that are logged."""
        found = {finding.name: finding.figures for finding in self.last.findings} if self.last else {}
        return {name: found[where].get(name, float("nan")) for name, where in _LOGGED.items() if where in found}

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.last is not None and not self._fresh:
            self.last = diagnose(self.model, **self._options)
        if self.last is not None and self.verbose and self.last.verdict != "ok":
            print(self.last.brief())
