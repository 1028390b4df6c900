"""How good is a model?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_rbm.likelihood.accuracy import expected_accuracy
from keras_rbm.likelihood.annealing import ais, reverse_ais
from keras_rbm.likelihood.bounds import LogLikelihood, log_likelihood, log_partition
from keras_rbm.likelihood.exact import exact_log_likelihood, exact_log_partition
from keras_rbm.likelihood.frames import FrameLogLikelihood, frame_log_likelihood
from keras_rbm.likelihood.partition import LogPartition, LogPartitionBounds
from keras_rbm.likelihood.pseudo import pseudo_log_likelihood

if TYPE_CHECKING:
    from keras_rbm.likelihood.distribution import Distribution

__all__ = [
    "Distribution",
    "FrameLogLikelihood",
    "LogLikelihood",
    "LogPartition",
    "LogPartitionBounds",
    "ais",
    "exact_log_likelihood",
    "exact_log_partition",
    "expected_accuracy",
    "frame_log_likelihood",
    "log_likelihood",
    "log_partition",
    "pseudo_log_likelihood",
    "reverse_ais",
]


def __getattr__(name: str) -> Any:
    """`Distribution` brings TensorFlow Probability with it, which takes seconds to import: only when asked for."""
    if name == "Distribution":
        from keras_rbm.likelihood.distribution import Distribution

        return Distribution
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
