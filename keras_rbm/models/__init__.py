"""Things you fit."""

from keras_rbm.models.classification_rbm import ClassificationRBM
from keras_rbm.models.dbm import DBM
from keras_rbm.models.dbn import DBN
from keras_rbm.models.hopfield import Hopfield
from keras_rbm.models.rbm import RBM
from keras_rbm.models.rnn_rbm import RNNRBM
from keras_rbm.models.rtrbm import RTRBM

__all__ = ["DBM", "DBN", "RBM", "RNNRBM", "RTRBM", "ClassificationRBM", "Hopfield"]
