"""How good is a model?"""

from keras_rbm.likelihood.pseudo import pseudo_log_likelihood

__all__ = ["pseudo_log_likelihood"]
