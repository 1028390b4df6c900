"""Kinds of stochastic units."""

from __future__ import annotations

from typing import Any

from keras_rbm import arguments
from keras_rbm.units.bernoulli import Bernoulli
from keras_rbm.units.gaussian import Gaussian
from keras_rbm.units.unit import Unit

__all__ = ["Bernoulli", "Gaussian", "Unit", "get"]

_KNOWN: dict[str, type[Unit]] = {"bernoulli": Bernoulli, "gaussian": Gaussian}


def get(identifier: Any, **kwargs: Any) -> Unit:
    """The units that a name (`"bernoulli"`, `"gaussian"`), a config or an object means.

    Raises:
        ValueError: for anything else; the known names are listed.
    """
    return arguments.get(identifier, _KNOWN, Unit, "Units", **kwargs)
