"""Have samples the variance of data, and where they have it?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Spectra(NamedTuple):
    """Variances along the data's principal components, the largest first, and at the end of all that is left.

    Args:
        data, samples: variances, `components + 1` each; their sums are the total ones.
        distance: the sum of their differences without sign, as a share of the data's variance: 0 where they are equal.
        chance: what `distance` would be, in the mean, of data and other data.
        plane: where rows and samples lie along the first two components (or the only one), `(rows, 2)` each.
    """

    data: tuple[float, ...]
    samples: tuple[float, ...]
    distance: float
    chance: float
    plane: tuple[np.ndarray, np.ndarray]

    @property
    def ratio(self) -> float:
        """The samples' total variance to the data's."""
        return sum(self.samples) / sum(self.data)


def spectra(
    data: np.ndarray, samples: np.ndarray, reference: np.ndarray | None = None, num_components: int = 50
) -> Spectra:
    """Variances of data and samples along the principal components of data.

    Args:
        data, samples: `(rows, columns)`, at least 2 rows each.
        reference: rows whose principal components are taken; `data` by default. Other rows of data are better: the
            variance along components that were fitted to the same rows is too large.
        num_components: at most; there are no more than columns, or than rows of `reference` less one.

    Raises:
        ValueError: if the columns differ in number, there are too few rows, or rows of data are all the same.
    """
    from sklearn.decomposition import PCA

    data, samples = np.asarray(data, "float64"), np.asarray(samples, "float64")
    reference = data if reference is None else np.asarray(reference, "float64")
    if len({x.shape[1:] for x in (data, samples, reference)}) > 1 or data.ndim != 2:
        raise ValueError(f"Rows must have as many columns in all. Received: shapes {data.shape} and {samples.shape}")
    if min(map(len, (data, samples, reference))) < 2:
        raise ValueError(f"Variances need at least 2 rows. Received: {len(data)} rows, {len(samples)} samples")
    if not (np.ptp(data, 0).any() and np.ptp(reference, 0).any()):
        raise ValueError("Rows of data must differ, or they have no spectrum. Received: rows that are all the same")
    number = min(num_components, data.shape[1], len(reference) - 1)
    pca = PCA(number, random_state=0).fit(reference)
    places = [pca.transform(x) for x in (data, samples)]
    squares = [_squares(x, place) for x, place in zip((data, samples), places, strict=True)]
    variances = [part.mean(0) for part in squares]
    total = variances[0].sum()
    noise = np.sqrt(sum(part.var(0) / len(part) for part in squares))  # normal ones have a mean of sqrt(2 / pi) of it
    return Spectra(
        data=tuple(map(float, variances[0])),
        samples=tuple(map(float, variances[1])),
        distance=float(np.abs(variances[1] - variances[0]).sum() / total),
        chance=float(np.sqrt(2 / np.pi) * noise.sum() / total),
        plane=(places[0][:, :2], places[1][:, :2]),
    )


def _squares(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Squared deviations from the mean along each component, and of what is left, `(rows, components + 1)`."""
    along = (places - places.mean(0)) ** 2
    left = np.maximum(np.sum((x - x.mean(0)) ** 2, 1) - along.sum(1), 0)
    return np.column_stack([along, left])
