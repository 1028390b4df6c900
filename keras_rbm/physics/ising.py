"""Ising models: two-state units as spins, with couplings and fields."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from keras_rbm.models import RBM, Hopfield
from keras_rbm.physics.quadratic import Quadratic, quadratic_of, root
from keras_rbm.scored import Scored


class Ising(Quadratic):
    """Spins `s` of -1 and 1 with couplings and fields, at the temperature 1.

        E(s) = offset - h . s - s . J . s / 2,   p(s) ~ exp(-E(s))

    Each pair counts once; a positive coupling makes spins alike. Programs for annealers often count the other way:
    they take `-h` and `-J`, or `qubo()`.

    Args:
        J: couplings, symmetric, `(spins, spins)`; what the diagonal adds is constant, and goes to the offset.
        h: fields, `(spins,)`.
        offset: a constant, nats.

    Raises:
        ValueError: if shapes do not fit, J is not symmetric, or something is not finite.

    Example:

    ```python
    ising = keras_rbm.physics.Ising.of(rbm)  # of visible and hidden units
    ising.J, ising.h  # (units, units), (units,)
    ```

    Reference:
        Gaussian hidden units for couplings, after Hubbard, 1959, "Calculation of partition functions".
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        own = np.diag(self.J)
        object.__setattr__(self, "J", self.J - np.diag(own))
        object.__setattr__(self, "offset", float(self.offset - own.sum() / 2))

    @classmethod
    def of(cls, model: Scored) -> Ising:
        """The Ising model that a machine of two-state units is, its energy the same, constant included.

        Bernoulli units are spins `2 x - 1`. Gaussian hidden units are integrated out: the energy is the free energy of
        visible states. Otherwise it is that of visible and hidden states side by side (of a DBM those of the even
        layers, the data's first, then of the odd ones). Of a DBN, the top RBM.

        Raises:
            TypeError: if the model is no machine of this package.
            ValueError: if it has units of other kinds, or is not built, finite or tied.
        """
        energy, groups = quadratic_of(model)
        for group in groups:
            if not group.is_binary:
                raise ValueError(
                    "An Ising model has units with two states, and perhaps Gaussian hidden ones. "
                    f"Received: {type(group).__name__} units. Categories are Potts models: physics.Potts.of."
                )
        low, high = np.array([group.states for group in groups for _ in range(group.width)]).T
        spins = energy.at(np.diag((high - low) / 2), (low + high) / 2)
        return cls(spins.J, spins.h, spins.offset)

    @classmethod
    def from_qubo(cls, Q: npt.ArrayLike, offset: float = 0.0) -> Ising:
        """Of `E(x) = x . Q . x + offset` over zeros and ones, `Q` `(units, units)`, in either triangle or both.

        Raises:
            ValueError: if `Q` is not square and finite.
        """
        q = np.asarray(Q, "float64")
        if q.ndim != 2 or q.shape[0] != q.shape[1]:
            raise ValueError(f"Q must be (units, units). Received: {q.shape}")
        own = np.diag(q)
        spins = Quadratic(2 * np.diag(own) - q - q.T, -own, offset).at(np.eye(len(q)) / 2, 0.5)
        return cls(spins.J, spins.h, spins.offset)

    def qubo(self) -> tuple[np.ndarray, float]:
        """`Q`, upper triangular, and a constant: `E = x . Q . x + constant` with `x = (1 + s) / 2`, for annealers."""
        bits = self.at(2 * np.eye(len(self.h)), -1.0)
        return -np.triu(bits.J) - np.diag(bits.h), bits.offset

    def rbm(self, num_visible: int, **options: Any) -> RBM:
        """The RBM of spins that this is, if the first `num_visible` spins meet only the others, and those only them.

        Its `energy(v, h)` is this one less `offset`.

        Args:
            num_visible: how many of the spins are visible, at least 1 and not all.
            options: of `RBM`.

        Raises:
            ValueError: if there are couplings within a side.
        """
        if not 0 < num_visible < len(self.h):
            raise ValueError(
                f"`num_visible` must be from 1 to {len(self.h) - 1}, less than all. Received: num_visible={num_visible}"
            )
        visible = np.arange(len(self.h)) < num_visible
        within = np.where(visible[:, None] == visible, np.abs(self.J), 0.0)
        if within.any():
            i, j = np.unravel_index(np.argmax(within), within.shape)
            raise ValueError(
                "An RBM has no couplings between spins of a side. Received: "
                f"J[{i}, {j}]={self.J[i, j]:g} with num_visible={num_visible}. Order the spins so that each side comes "
                "together, or use hopfield(), which takes any couplings."
            )
        rbm = RBM(len(self.h) - num_visible, visible="spin", hidden="spin", **options)
        rbm.build((None, num_visible))
        rbm.w_rec.assign(self.J[visible][:, ~visible])
        rbm.visible.bias.assign(self.h[visible])
        rbm.hidden.bias.assign(self.h[~visible])
        return rbm

    def hopfield(self, **options: Any) -> Hopfield:
        """The Hopfield network whose visible spins have this energy, up to a constant: any couplings will do.

        It has as many Gaussian hidden units as `J`, made positive by a constant on its diagonal, has rank.

        Args:
            options: of `Hopfield`.
        """
        w = root(self.J)
        net = Hopfield(w.shape[1], visible="spin", **options)
        net.build((None, len(w)))
        net.w_rec.assign(w)
        net.visible.bias.assign(self.h)
        return net
