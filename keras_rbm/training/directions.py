"""Which way is better: for Keras's callbacks that choose by what is logged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from keras.src.trainers.compile_utils import MetricsList  # the only metrics of which Keras's monitors ask the direction

_HIGHER = (
    "accuracy",
    "effective_sample_size",
    "frame_accuracy",
    "log_likelihood",
    "log_likelihood_joined",
    "log_likelihood_lower",
    "log_likelihood_upper",
    "pseudo_log_likelihood",
    "swap_acceptance",
    "swap_acceptance_min",
)
_LOWER = (
    "aats_distance",
    "class_distance",
    "cross_entropy",
    "free_energy_gap",
    "mean_field_residual",
    "potential_scale_reduction",
    "reconstruction_error",
    "sleep_loss",
    "spectrum_distance",
    "wake_loss",
)


class Directions(MetricsList):
    """Says for each value that machines and callbacks log whether more of it is better; it logs nothing itself."""

    def __init__(self) -> None:
        ways = {**dict.fromkeys(_HIGHER, "up"), **dict.fromkeys(_LOWER, "down")}
        super().__init__([SimpleNamespace(name=name, _direction=way) for name, way in ways.items()], name="directions")

    def reset_state(self) -> None:
        """Nothing: it has none."""

    def result(self) -> dict[str, Any]:
        return {}
