"""RBMs that lack hidden sites or weights, by brute force: what is dropped is taken out of the tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_rbm import RBM
from tests.oracles.kinds import binary_states, sites_of
from tests.oracles.rbm import Exact, exact_gradient, parameters


def masks_of(rbm: RBM) -> np.ndarray:
    """All ways to keep some hidden sites, `(2^sites, sites)`."""
    return binary_states(len(sites_of(rbm.hidden)[0]))


def probabilities(masks: np.ndarray, rate: float) -> np.ndarray:
    """Of each mask, where sites are dropped at a rate."""
    return np.prod(np.where(masks == 1, 1 - rate, rate), 1)


def columns_of(rbm: RBM, mask: np.ndarray) -> np.ndarray:
    """Which hidden units are there, `(units,)`."""
    return np.repeat(np.asarray(mask) == 1, [site.states.shape[1] for site in sites_of(rbm.hidden)[0]])


def exact_of(rbm: RBM, mask: np.ndarray, scales: Any = 1.0, *path: Any) -> Exact:
    """The RBM without the hidden sites that a mask drops, its weights multiplied by `scales`."""
    p, there = parameters(rbm), columns_of(rbm, mask)
    visible, hidden = (sites_of(side)[0] for side in (rbm.visible, rbm.hidden))
    left = [site for site, kept in zip(hidden, mask, strict=True) if kept]
    p = p._replace(w=(p.w * scales)[:, there], c=p.c[there], gamma_h=p.gamma_h[there])
    return Exact(p, *path, sites=(visible, left))


def gradient_of(rbm: RBM, v: np.ndarray, mask: np.ndarray, scales: Any = 1.0) -> list[np.ndarray]:
    """Gradient of `-mean log p(v)` of the thinned RBM in W, b and c of the whole one: 0 for what is not there."""
    there = columns_of(rbm, mask)
    dw, db, dc = exact_gradient(exact_of(rbm, mask, scales), v)
    whole_w, whole_c = np.zeros((len(db), len(there))), np.zeros(len(there))
    whole_w[:, there], whole_c[there] = dw, dc
    return [whole_w * scales, db, whole_c]
