"""Where the model's own samples come from, one method a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_rbm import arguments
from keras_rbm.samplers.cd import CD
from keras_rbm.samplers.chains import Clamp, gibbs, run_chains, sweep
from keras_rbm.samplers.diagnostics import Mixing, mixing
from keras_rbm.samplers.fast_pcd import FastPCD
from keras_rbm.samplers.pcd import PCD
from keras_rbm.samplers.sampler import Sampler, Samples
from keras_rbm.samplers.tempering import ParallelTempering
from keras_rbm.samplers.trajectory import LogZ, TrajectoryTempering

if TYPE_CHECKING:
    from keras_rbm.samplers.kernel import BlockGibbs

__all__ = [
    "CD",
    "PCD",
    "BlockGibbs",
    "Clamp",
    "FastPCD",
    "LogZ",
    "Mixing",
    "ParallelTempering",
    "Sampler",
    "Samples",
    "TrajectoryTempering",
    "get",
    "gibbs",
    "mixing",
    "run_chains",
    "sweep",
]

_KNOWN: dict[str, type[Sampler]] = {
    "cd": CD,
    "pcd": PCD,
    "fast_pcd": FastPCD,
    "parallel_tempering": ParallelTempering,
    "trajectory_tempering": TrajectoryTempering,
}


def get(identifier: Any, **kwargs: Any) -> Sampler:
    """The sampler that a name (`"cd"`, `"pcd"`, `"fast_pcd"`, `"parallel_tempering"`, `"trajectory_tempering"`), a
    config or an object means.

    Raises:
        ValueError: for anything else; the known names are listed.
    """
    return arguments.get(identifier, _KNOWN, Sampler, "A sampler", **kwargs)


def __getattr__(name: str) -> Any:
    """`BlockGibbs` brings TensorFlow Probability with it, which takes seconds to import: only when asked for."""
    if name == "BlockGibbs":
        from keras_rbm.samplers.kernel import BlockGibbs

        return BlockGibbs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
