"""Energies that are quadratic: what Ising and Potts models share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keras_rbm.scored import Scored, checked_model
from keras_rbm.units import Gaussian, Mixed, Unit


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Energies `E(x) = offset - h . x - x . J . x / 2`, where `p(x) ~ exp(-E(x))`.

    Args:
        J: couplings, symmetric, `(units, units)`.
        h: fields, `(units,)`.
        offset: a constant, nats.

    Raises:
        ValueError: if shapes do not fit, J is not symmetric, or something is not finite.
    """

    J: np.ndarray
    h: np.ndarray
    offset: float = 0.0

    def __post_init__(self) -> None:
        for name in ("J", "h"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), "float64"))
        if self.h.ndim != 1 or self.J.shape != (len(self.h), len(self.h)) or not len(self.h):
            raise ValueError(f"J must be (units, units) and h (units,). Received: {self.J.shape} and {self.h.shape}")
        if np.ndim(self.offset):
            raise ValueError(f"`offset` must be a number. Received: offset={self.offset!r}")
        if not (np.isfinite(self.J).all() and np.isfinite(self.h).all() and np.isfinite(self.offset)):
            raise ValueError("J, h and offset must be finite. Received: NaN or infinity")
        if not np.allclose(self.J, self.J.T):
            raise ValueError(
                f"J must be symmetric. Received: J - J^T up to {np.abs(self.J - self.J.T).max():g}. Where each pair "
                "stands once, give J + J^T."
            )

    def energy(self, x: npt.ArrayLike) -> np.ndarray:
        """`E(x)` of states `x` `(cases, units)`, nats, float64, `(cases,)`.

        Raises:
            ValueError: for another shape.
        """
        x = np.asarray(x, "float64")
        if x.ndim != 2 or x.shape[1] != len(self.h):
            raise ValueError(f"States must have shape (cases, {len(self.h)}). Received: shape={x.shape}")
        return self.offset - x @ self.h - ((x @ self.J) * x).sum(-1) / 2

    def at(self, a: np.ndarray, m: np.ndarray | float = 0.0) -> Quadratic:
        """The energy of `y`, where `x = m + a . y`: `a` `(units, others)`, `m` `(units,)` or one number of all."""
        m = np.broadcast_to(m, self.h.shape)
        offset = self.offset - self.h @ m - m @ self.J @ m / 2
        return Quadratic(a.T @ self.J @ a, a.T @ (self.h + self.J @ m), float(offset))


def root(j: np.ndarray) -> np.ndarray:
    """`w` `(units, rank)` with `w . w^T = J + d`, `d` on the diagonal, the least number, from 0 up, that allows it."""
    values, vectors = np.linalg.eigh(j)
    values = values - min(values[0], 0.0)
    kept = values > values[-1] * len(values) * np.finfo(float).eps
    kept[-1] = True  # an RBM has a hidden unit
    return vectors[:, kept] * np.sqrt(values[kept])


def quadratic_of(model: Scored) -> tuple[Quadratic, list[Unit]]:
    """A machine's energy, and its groups of units: Gaussian hidden ones are integrated out, others come last.

    Raises:
        TypeError, ValueError: if the model is no machine of this package, or not built, finite or tied.
    """
    rbm = checked_model(model).undirected()
    w, b, c = (np.asarray(x, "float64") for x in (rbm.weight_matrix(), rbm.visible_bias, rbm.hidden_bias))
    if isinstance(rbm.hidden, Gaussian):
        gamma = np.asarray(rbm.hidden.precision, "float64")
        offset = -(c**2 / gamma + np.log(2 * np.pi / gamma)).sum() / 2
        return Quadratic(w / gamma @ w.T, b + w @ (c / gamma), float(offset)), _parts(rbm.visible)
    joint = np.zeros((len(b) + len(c),) * 2)
    joint[: len(b), len(b) :] = w
    return Quadratic(joint + joint.T, np.concatenate([b, c])), [*_parts(rbm.visible), *_parts(rbm.hidden)]


def _parts(units: Unit) -> list[Unit]:
    return units.parts if isinstance(units, Mixed) else [units]
