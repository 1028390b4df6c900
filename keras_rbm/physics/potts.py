"""Potts models: sites of several states, with couplings and fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_rbm import units
from keras_rbm.models import RBM
from keras_rbm.physics.quadratic import Quadratic, quadratic_of, root
from keras_rbm.scored import Scored


@dataclass(frozen=True, eq=False)
class Potts(Quadratic):
    """Sites of several states each, one-hot side by side, with couplings and fields, at the temperature 1.

        E(x) = offset - h . x - x . J . x / 2,   p(x) ~ exp(-E(x))

    Each pair of sites counts once. The same distribution has many couplings and fields: compare them in the gauge of
    `zero_sum()`.

    Args:
        J: couplings of states, symmetric, `(units, units)`; those of a site with itself go to the fields.
        h: fields of states, `(units,)`.
        offset: a constant, nats.
        num_states: of each site, at least 2; `(sites,)`.

    Raises:
        ValueError: if shapes do not fit, J is not symmetric, or something is not finite.

    Example:

    ```python
    potts = keras_rbm.physics.Potts.of(rbm).zero_sum()
    potts.coupling(0, 1)  # (states of site 0, states of site 1)
    ```

    Reference:
        The gauge: Ekeberg, Lovkvist, Lan, Weigt & Aurell, 2013, "Improved contact prediction in proteins".
    """

    num_states: Sequence[int] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.num_states, default=0) < 2 or sum(self.num_states) != len(self.h):
            raise ValueError(
                f"`num_states` must be at least 2 of each site, and {len(self.h)} in all, as h has. "
                f"Received: num_states={self.num_states}"
            )
        site = self._site
        between = np.where(site[:, None] != site, self.J, 0.0)
        object.__setattr__(self, "h", self.h + np.diag(self.J) / 2)
        object.__setattr__(self, "J", between)

    @property
    def _site(self) -> np.ndarray:
        """The number of the site that each unit is of, `(units,)`."""
        return np.repeat(np.arange(len(self.num_states)), self.num_states)

    @classmethod
    def of(cls, model: Scored) -> Potts:
        """The Potts model that a machine of softmax units is, its energy the same, constant included.

        Gaussian hidden units are integrated out: the energy is the free energy of visible states. Otherwise it is that
        of visible and hidden states side by side. A unit with two states is a site with these, the lower one first.

        Raises:
            TypeError: if the model is no machine of this package.
            ValueError: if it has units of other kinds, or is not built, finite or tied.
        """
        energy, groups = quadratic_of(model)
        blocks = [block for group in groups for block in _sites(group)]
        a = np.zeros((len(energy.h), sum(block.shape[1] for block in blocks)))
        row = column = 0
        for block in blocks:
            a[row : row + len(block), column : column + block.shape[1]] = block
            row, column = row + len(block), column + block.shape[1]
        states = energy.at(a)
        return cls(states.J, states.h, states.offset, tuple(block.shape[1] for block in blocks))

    def coupling(self, i: int, j: int) -> np.ndarray:
        """Couplings of the states of sites `i` and `j`, `(states of i, states of j)`.

        Raises:
            ValueError: if there is no such site.
        """
        if not 0 <= min(i, j) <= max(i, j) < len(self.num_states):
            raise ValueError(f"Sites are from 0 to {len(self.num_states) - 1}. Received: i={i}, j={j}")
        start = np.cumsum([0, *self.num_states])
        return self.J[start[i] : start[i + 1], start[j] : start[j + 1]]

    def zero_sum(self) -> Potts:
        """The same energies with fields and couplings that sum to 0 over the states of each site."""
        site = self._site
        mean = 1 / np.repeat(self.num_states, self.num_states)
        same = self.at(np.eye(len(mean)) - (site[:, None] == site) * mean, mean)
        return Potts(same.J, same.h, same.offset, self.num_states)

    def rbm(self, **options: Any) -> RBM:
        """An RBM of softmax visible and Gaussian hidden units whose visible states have this energy, up to a constant.

        It has as many hidden units as `J`, made positive by a constant on its diagonal, has rank.

        Args:
            options: of `RBM`.
        """
        w, dtype = root(self.J), {name: options[name] for name in ("dtype",) if name in options}
        sites = [(units.Softmax(q, **dtype), q) for q in self.num_states]
        visible = sites[0][0] if len(set(self.num_states)) == 1 else units.Mixed(sites, **dtype)
        rbm = RBM(w.shape[1], visible, units.Gaussian(1.0, trainable=False, **dtype), **options)
        rbm.build((None, len(w)))
        rbm.w_rec.assign(w)
        rbm.visible.bias.assign(self.h)
        return rbm


def _sites(group: units.Unit) -> list[np.ndarray]:
    """What the states of each site of a group are in its units, `(units, states)`.

    Raises:
        ValueError: if units are of another kind.
    """
    if isinstance(group, units.OptionalSoftmax):  # none is a state, the first
        return [np.eye(group.num_states + 1)[1:]] * (group.width // group.num_states)
    if isinstance(group, units.Softmax):
        return [np.eye(group.num_states)] * (group.width // group.num_states)
    if group.is_binary:
        return [np.array([group.states])] * group.width
    raise ValueError(
        "A Potts model has softmax units or such with two states, and perhaps Gaussian hidden ones. "
        f"Received: {type(group).__name__} units."
    )
