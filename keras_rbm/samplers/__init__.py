"""Where the model's own samples come from, one method a file."""

from __future__ import annotations

from typing import Any

from keras_rbm import arguments
from keras_rbm.samplers.cd import CD
from keras_rbm.samplers.gibbs import gibbs, sweep
from keras_rbm.samplers.pcd import PCD
from keras_rbm.samplers.sampler import Sampler

__all__ = ["CD", "PCD", "Sampler", "get", "gibbs", "sweep"]

_KNOWN: dict[str, type[Sampler]] = {"cd": CD, "pcd": PCD}


def get(identifier: Any, **kwargs: Any) -> Sampler:
    """The sampler that a name (`"cd"`, `"pcd"`), a config or an object means.

    Raises:
        ValueError: for anything else; the known names are listed.
    """
    return arguments.get(identifier, _KNOWN, Sampler, "A sampler", **kwargs)
