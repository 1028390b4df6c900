"""Kinds of stochastic units."""

from __future__ import annotations

from typing import Any

from keras_rbm import arguments
from keras_rbm.units.bernoulli import Bernoulli
from keras_rbm.units.binomial import Binomial
from keras_rbm.units.continuous import Continuous
from keras_rbm.units.drelu import DReLU
from keras_rbm.units.gaussian import Gaussian
from keras_rbm.units.max_pooled import MaxPooled
from keras_rbm.units.mixed import Mixed
from keras_rbm.units.optional_softmax import OptionalSoftmax
from keras_rbm.units.relu import ReLU
from keras_rbm.units.softmax import Softmax
from keras_rbm.units.spin import Spin
from keras_rbm.units.unit import Unit

__all__ = [
    "Bernoulli",
    "Binomial",
    "Continuous",
    "DReLU",
    "Gaussian",
    "MaxPooled",
    "Mixed",
    "OptionalSoftmax",
    "ReLU",
    "Softmax",
    "Spin",
    "Unit",
    "get",
]

_KNOWN: dict[str, type[Unit]] = {
    "bernoulli": Bernoulli,
    "drelu": DReLU,
    "gaussian": Gaussian,
    "relu": ReLU,
    "spin": Spin,
}
_WITH_ARGUMENTS = {
    "binomial": "Binomial(n=16)",
    "max_pooled": "MaxPooled(pool_size=2)",
    "mixed": "Mixed([('bernoulli', 2), ('gaussian', 3)])",
    "optional_softmax": "OptionalSoftmax(num_states=5)",
    "softmax": "Softmax(num_states=4)",
}


def get(identifier: Any, **kwargs: Any) -> Unit:
    """The units that a name (`"bernoulli"`, `"drelu"`, `"gaussian"`, `"relu"`, `"spin"`), a config or an object
    means.

    Raises:
        ValueError: for anything else; the known names are listed.
    """
    if isinstance(identifier, str) and identifier.lower() in _WITH_ARGUMENTS:
        example = _WITH_ARGUMENTS[identifier.lower()]
        raise ValueError(f"Such units need arguments: give an object, units.{example}. Received: {identifier!r}")
    return arguments.get(identifier, _KNOWN, Unit, "Units", **kwargs)
