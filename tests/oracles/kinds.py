"""Every kind of unit by brute force: the definitions alone, summed over states.

Nothing here calls the package's formulas: only kinds and parameters are read. What is discrete is listed; real units
are put on nodes of a quadrature that is as good as the integral in float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import comb

from keras_rbm import units

#: Of real units side by side.
PRECISIONS = (1.5, 0.7, 2.5)


class Site(NamedTuple):
    """What is independent of all else in its group: a unit, or a softmax group.

    Args:
        states: `(states, units)`.
        log_measure: the log of what each weighs without field and precision, `(states,)`.
        real: whether there are states in between.
        base: of a real unit, what its energy has beside field and precision, of states; minus that is in the measure.
    """

    states: np.ndarray
    log_measure: np.ndarray
    real: bool = False
    base: Callable[[Any], Any] | None = None


class Kind(NamedTuple):
    """A kind with a width: `make(dtype=...)` gives the unit, `sites` and `gamma` `(units,)` say what it should be."""

    make: Callable[..., units.Unit]
    sites: list[Site]
    gamma: np.ndarray

    @property
    def width(self) -> int:
        return len(self.gamma)

    @property
    def real(self) -> bool:
        return any(site.real for site in self.sites)


def listed(*states: float) -> Site:
    return Site(np.array(states, "float64")[:, None], np.zeros(len(states)))


def counts(n: int) -> Site:
    return Site(np.arange(n + 1.0)[:, None], np.log(comb(n, np.arange(n + 1))))


def one_of(n: int) -> Site:
    return Site(np.eye(n), np.zeros(n))


def at_most_one_of(n: int) -> Site:
    return Site(np.eye(n + 1)[:, 1:], np.zeros(n + 1))


def quadrature(low: float, high: float, panels: int) -> Site:
    """Nodes of the Gauss-Legendre rule in equal parts of an interval, 15 in each."""
    x, weights = np.polynomial.legendre.leggauss(15)
    half = (high - low) / panels / 2
    centers = low + half * (1 + 2 * np.arange(panels))
    nodes = (centers[:, None] + half * x).reshape(-1, 1)
    return Site(nodes, np.tile(np.log(weights * half), panels), True)


#: Where units of `PRECISIONS` in moderate fields can be; the trapezoidal rule on bell curves of them errs by 1e-13.
LINE = Site(np.linspace(-16, 16, 65)[:, None], np.full(65, np.log(0.5)), True)
HALF_LINE = quadrature(0, 18, 6)


def nodes(field: float, gamma: float, positive: bool) -> Site:
    """Where a real unit in a field has its mass, to e^-40: normal about `field / gamma`, or exponential beside 0."""
    reach, mean = 10 / np.sqrt(gamma), field / gamma
    low, high = mean - reach, mean + reach
    if positive:
        low, high = max(low, 0.0), high if field >= 0 else min(reach, 50 / -field)
    return quadrature(low, high, 12)


#: Of the absolute values of two-sided units with the precisions below.
_EITHER_SIDE = quadrature(0, 8, 3)


def two_sided(gamma: Any, negative: Any, threshold: Any, field: float | None = None) -> Site:
    """A double rectified unit, whose parameters may be complex, with nodes for a field, by default a moderate one."""

    def base(x: Any) -> Any:
        return np.where(x > 0, gamma, negative) * x**2 / 2 + threshold * np.abs(x)

    halves = [_EITHER_SIDE] * 2
    if field is not None:
        halves = [nodes(field - threshold, gamma, True), nodes(-field - threshold, negative, True)]
    x = np.concatenate([halves[0].states, -halves[1].states])
    return Site(x, np.concatenate([half.log_measure for half in halves]) - base(x)[:, 0], True, base)


def _mixed(*parts: Any, **kwargs: Any) -> units.Mixed:
    return units.Mixed(parts, **kwargs)


def _real(cls: type, precision: Any, learn: bool, **kwargs: Any) -> units.Unit:
    return cls(precision, learn_precision=learn, **kwargs)


#: Precisions of the positive and of the negative sides of two units, and thresholds.
TWO_SIDED = ([2.5, 1.5], [1.5, 2.5], [0.5, -0.7])
#: Kinds whose constructor takes options; of those with real units, `learn` says whether precisions are learnt.
KINDS = {
    "bernoulli": Kind(lambda learn=False, **o: units.Bernoulli(**o), [listed(0, 1)] * 3, np.zeros(3)),
    "spin": Kind(lambda learn=False, **o: units.Spin(**o), [listed(-1, 1)] * 3, np.zeros(3)),
    "softmax": Kind(lambda learn=False, **o: units.Softmax(3, **o), [one_of(3)] * 2, np.zeros(6)),
    "optional": Kind(lambda learn=False, **o: units.OptionalSoftmax(2, **o), [at_most_one_of(2)] * 2, np.zeros(4)),
    "binomial": Kind(lambda learn=False, **o: units.Binomial(4, **o), [counts(4)] * 2, np.zeros(2)),
    "discrete": Kind(
        lambda learn=False, **o: _mixed(("spin", 1), (units.Binomial(2, **o), 1), (units.Softmax(3, **o), 3), **o),
        [listed(-1, 1), counts(2), one_of(3)],
        np.zeros(5),
    ),
    "gaussian": Kind(
        lambda learn=False, **o: _real(units.Gaussian, PRECISIONS[:2], learn, **o), [LINE] * 2, np.array(PRECISIONS[:2])
    ),
    "relu": Kind(
        lambda learn=False, **o: _real(units.ReLU, PRECISIONS[:2], learn, **o),
        [HALF_LINE] * 2,
        np.array(PRECISIONS[:2]),
    ),
    "drelu": Kind(
        lambda learn=False, **o: units.DReLU(*TWO_SIDED, **{"learn_precision": learn, "learn_threshold": learn, **o}),
        [two_sided(*own) for own in np.transpose(TWO_SIDED)],
        np.zeros(2),
    ),
    "mixed": Kind(
        lambda learn=False, **o: _mixed(
            ("bernoulli", 1), (units.Softmax(3, **o), None), (_real(units.Gaussian, 1.5, learn, **o), 1), **o
        ),
        [listed(0, 1), one_of(3), LINE],
        np.array([0, 0, 0, 0, 1.5]),
    ),
}


def _pooled(learn: bool = False, **options: Any) -> units.MaxPooled:
    unit = units.MaxPooled((1, 2), **options)
    unit.build((None, 1, 5, 1))
    return unit


#: Pools of a line of one channel, the last one smaller. No RBM but a `ConvRBM` gives units positions, so it is none of
#: `KINDS`; `tests.oracles.conv` has maps of any shape.
POOLED = Kind(_pooled, [*[at_most_one_of(2)] * 2, listed(0, 1)], np.zeros(5))
REAL = [name for name, kind in KINDS.items() if kind.real]
#: All ordered pairs with a partition function whatever the weights.
PAIRS = [(v, h) for v, h in itertools.product(KINDS, KINDS) if not (KINDS[v].real and KINDS[h].real)]


def log_sum_exp(x: np.ndarray) -> np.ndarray:
    """Over the last axis; of complex numbers too, so that derivatives can be taken by complex steps."""
    most = x.real.max(-1, keepdims=True)
    return np.log(np.exp(x - most).sum(-1)) + most[..., 0]


def joint(sites: list[Site]) -> tuple[np.ndarray, np.ndarray]:
    """All states of a group, `(states, units)`, and the log measure of each; the first site changes fastest."""
    states, log_measure = np.zeros((1, 0)), np.zeros(1)
    for site in sites:
        old, new = len(states), len(site.states)
        states = np.concatenate([np.tile(states, (new, 1)), np.repeat(site.states, old, 0)], 1)
        log_measure = np.tile(log_measure, new) + np.repeat(site.log_measure, old)
    return states, log_measure


def binary_states(n: int) -> np.ndarray:
    """All states of n binary units, `(2^n, n)`."""
    return joint([listed(0, 1)] * n)[0]


def sites_of(group: units.Unit) -> tuple[list[Site], np.ndarray]:
    """The sites that units of a kind should have, and their precisions, zero where they have none."""
    name, *details = group.kind
    if name == "Mixed":
        parts = [sites_of(part) for part in group.parts]
        return [site for sites, _ in parts for site in sites], np.concatenate([gamma for _, gamma in parts])
    if name in ("Gaussian", "ReLU"):
        line = LINE if name == "Gaussian" else HALF_LINE
        return [line] * group.width, np.exp(np.asarray(group.log_precision, "float64"))
    if name == "DReLU":
        own = (np.exp(group.log_precision), np.exp(group.log_negative_precision), np.asarray(group.threshold))
        return [two_sided(*x) for x in np.transpose(own).astype("float64")], np.zeros(group.width)
    if name == "Softmax":
        return [one_of(*details)] * (group.width // details[0]), np.zeros(group.width)
    if name == "OptionalSoftmax":
        return [at_most_one_of(*details)] * (group.width // details[0]), np.zeros(group.width)
    site = {"Bernoulli": listed(0, 1), "Spin": listed(-1, 1)}[name] if name != "Binomial" else counts(*details)
    return [site] * group.width, np.zeros(group.width)


def _site_log_weights(sites: list[Site], field: Any, gamma: Any) -> Any:
    """Of each site the columns, the states, and the log weights of the states in `field` `(batch, units)`."""
    stop = 0
    for site in sites:
        start, stop = stop, stop + site.states.shape[1]
        columns = slice(start, stop)
        base = site.states**2 @ gamma[columns] / 2
        yield columns, site.states, site.log_measure + field[:, columns] @ site.states.T - base


def log_partition(sites: list[Site], field: Any, gamma: Any) -> np.ndarray:
    """Of units in `field` `(batch, units)`, `(batch,)`."""
    return sum(log_sum_exp(log_weights) for *_, log_weights in _site_log_weights(sites, field, gamma))


def log_counts(sites: list[Site], x: np.ndarray) -> np.ndarray:
    """The log of how many ways there are to each state of discrete units, `(batch,)`; one to means of binary units. Of
    real ones minus what is in their base beside a precision."""
    start, total = 0, np.zeros(len(x))
    for site in sites:
        stop = start + site.states.shape[1]
        if site.base:
            total = total - site.base(x[:, start])
        elif not site.real and site.log_measure.any():
            total += site.log_measure[index(site.states, x[:, start:stop])]
        start = stop
    return total


def moments(sites: list[Site], field: Any, gamma: Any) -> tuple[np.ndarray, np.ndarray]:
    """Means `(batch, units)` and covariances `(batch, units, units)` of units in `field` `(batch, units)`."""
    mean, covariance = np.zeros(field.shape), np.zeros((*field.shape, field.shape[1]))
    for columns, x, log_weights in _site_log_weights(sites, field, gamma):
        p = np.exp(log_weights - log_sum_exp(log_weights)[:, None])
        mean[:, columns] = p @ x
        deviations = x - mean[:, None, columns]
        covariance[:, columns, columns] = np.einsum("bs,bsi,bsj->bij", p, deviations, deviations)
    return mean, covariance


def index(states: np.ndarray, x: Any) -> np.ndarray:
    """The row of `states` that each row of `x` is."""
    primes = np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37])
    key = np.sqrt(primes[: states.shape[1]])  # no two rows of integers have one product with it
    order = np.argsort(states @ key)
    found = order[np.minimum(np.searchsorted((states @ key)[order], np.asarray(x) @ key - 1e-6), len(states) - 1)]
    np.testing.assert_array_equal(states[found], x)
    return found
