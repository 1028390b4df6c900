"""What you watch while a machine trains."""

from keras_rbm.callbacks.diagnosis_monitor import DiagnosisMonitor
from keras_rbm.callbacks.frame_likelihood_monitor import FrameLikelihoodMonitor
from keras_rbm.callbacks.free_energy_gap import FreeEnergyGap
from keras_rbm.callbacks.likelihood_monitor import LikelihoodMonitor
from keras_rbm.callbacks.mixing_monitor import MixingMonitor
from keras_rbm.callbacks.piano_rolls import PianoRolls
from keras_rbm.callbacks.pictures import Pictures
from keras_rbm.callbacks.quality_monitor import QualityMonitor
from keras_rbm.callbacks.tensorboard import TensorBoard
from keras_rbm.checkpoints import Checkpoint

__all__ = [
    "Checkpoint",
    "DiagnosisMonitor",
    "FrameLikelihoodMonitor",
    "FreeEnergyGap",
    "LikelihoodMonitor",
    "MixingMonitor",
    "PianoRolls",
    "Pictures",
    "QualityMonitor",
    "TensorBoard",
]
