"""Things you fit."""

from keras_rbm.models.classification_rbm import ClassificationRBM
from keras_rbm.models.conv_rbm import ConvRBM
from keras_rbm.models.deep.dbm import DBM
from keras_rbm.models.deep.dbn import DBN
from keras_rbm.models.hopfield import Hopfield
from keras_rbm.models.ratings_rbm import RatingsRBM
from keras_rbm.models.rbm import RBM
from keras_rbm.models.sequence.rnn_rbm import RNNRBM
from keras_rbm.models.sequence.rtrbm import RTRBM

__all__ = ["DBM", "DBN", "RBM", "RNNRBM", "RTRBM", "ClassificationRBM", "ConvRBM", "Hopfield", "RatingsRBM"]
