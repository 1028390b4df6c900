"""How good is a model?"""

from keras_rbm.likelihood.accuracy import expected_accuracy
from keras_rbm.likelihood.annealing import LogPartition, ais, reverse_ais
from keras_rbm.likelihood.bounds import LogLikelihood, LogPartitionBounds, log_likelihood
from keras_rbm.likelihood.exact import exact_log_likelihood, exact_log_partition
from keras_rbm.likelihood.frames import FrameLogLikelihood, frame_log_likelihood
from keras_rbm.likelihood.pseudo import pseudo_log_likelihood

__all__ = [
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
    "pseudo_log_likelihood",
    "reverse_ais",
]
