"""Kinds of stochastic units."""

from __future__ import annotations

from typing import Any

from keras_rbm import arguments
from keras_rbm.units.bernoulli import Bernoulli
from keras_rbm.units.binomial import Binomial
from keras_rbm.units.continuous import Continuous
from keras_rbm.units.gaussian import Gaussian
from keras_rbm.units.mixed import Mixed
from keras_rbm.units.relu import ReLU
from keras_rbm.units.softmax import Softmax
from keras_rbm.units.spin import Spin
from keras_rbm.units.unit import Unit

__all__ = ["Bernoulli", "Binomial", "Continuous", "Gaussian", "Mixed", "ReLU", "Softmax", "Spin", "Unit", "get"]

_KNOWN: dict[str, type[Unit]] = {"bernoulli": Bernoulli, "gaussian": Gaussian, "relu": ReLU, "spin": Spin}


def get(identifier: Any, **kwargs: Any) -> Unit:
    """The units that a name (`"bernoulli"`, `"gaussian"`, `"relu"`, `"spin"`), a config or an object means.

    Raises:
        ValueError: for anything else; the known names are listed.
    """
    return arguments.get(identifier, _KNOWN, Unit, "Units", **kwargs)
