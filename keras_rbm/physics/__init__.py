"""Machines as Ising and Potts models: couplings and fields, out and in."""

from keras_rbm.physics.ising import Ising
from keras_rbm.physics.potts import Potts

__all__ = ["Ising", "Potts"]
