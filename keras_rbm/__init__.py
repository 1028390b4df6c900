"""Restricted Boltzmann machines as Keras citizens."""

import os as _os
import sys as _sys

from keras_rbm.version import __version__


def _is_command() -> bool:
    """Whether this process is the command, which imports what it needs when it knows what it is to do."""
    if _sys.argv[:1] == ["-m"]:  # the module, as it was typed, stands before the other words
        return _sys.orig_argv[-len(_sys.argv)].removeprefix("-m") == "keras_rbm"
    return _os.path.basename("".join(_sys.argv[:1])) in ("keras-rbm", "keras-rbm.exe")


# In any other process all of it is imported at once: Keras loads a saved model only if its classes are there.
if not _is_command():
    from keras_rbm import backend as _backend  # noqa: F401  first: it refuses what cannot work
    from keras_rbm import (
        callbacks,
        datasets,
        likelihood,
        physics,
        plots,
        pretrained,
        quality,
        ranking,
        regularizers,
        samplers,
        units,
    )
    from keras_rbm.datasets import load
    from keras_rbm.diagnosis import diagnose
    from keras_rbm.models import DBM, DBN, RBM, RNNRBM, RTRBM, ClassificationRBM, ConvRBM, Hopfield, RatingsRBM
    from keras_rbm.pretrained import load_pretrained
    from keras_rbm.quality import sample_quality

__all__ = [
    "DBM",
    "DBN",
    "RBM",
    "RNNRBM",
    "RTRBM",
    "ClassificationRBM",
    "ConvRBM",
    "Hopfield",
    "RatingsRBM",
    "__version__",
    "callbacks",
    "datasets",
    "diagnose",
    "likelihood",
    "load",
    "load_pretrained",
    "physics",
    "plots",
    "pretrained",
    "quality",
    "ranking",
    "regularizers",
    "sample_quality",
    "samplers",
    "units",
]
