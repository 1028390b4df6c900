"""How good samples are, for people to read."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import matplotlib.figure
import numpy as np

from keras_rbm.quality.adversarial import AdversarialAccuracy
from keras_rbm.quality.classes import ClassBalance
from keras_rbm.quality.spectra import Spectra

#: Standard errors, and a difference that somebody may care about: what is smaller is not spoken of.
_SIGMAS, _SMALL = 3.0, 0.02
_SURE = 0.001  # a chance
#: Characters of a line, and before what it says.
_WIDTH, _MARGIN = 112, 20

#: What the figures of rows and of samples say, each too low, right or too high.
_READINGS = {
    (0, 0): "Neighbours cannot tell samples from rows.",
    (1, 1): "Samples lie apart from rows, or modes are missing.",
    (-1, 1): "Samples are more alike than rows: too little variety.",
    (1, -1): "Samples are more scattered than rows: noise.",
    (-1, -1): "Samples lie nearer to rows than other rows do: copies.",
    (1, 0): "Some rows have no samples near them.",
    (0, 1): "Some samples have no rows near them.",
    (-1, 0): "Samples lie where rows are dense.",
    (0, -1): "Samples lie one by one among rows.",
}


@dataclass(frozen=True, eq=False)
class Quality:
    """Samples beside data.

    Args:
        about: what was compared.
        aats: nearest-neighbour adversarial accuracy of samples and rows.
        validation: the same of rows that were not trained on, if there were any.
        spectra: variances along the data's principal components.
        classes: shares of the classes that a classifier sees, if there was one, or labels.
        classifier: words for it.
    """

    about: str
    aats: AdversarialAccuracy
    validation: AdversarialAccuracy | None
    spectra: Spectra
    classes: ClassBalance | None = None
    classifier: str = ""

    @property
    def privacy_loss(self) -> float | None:
        """AATS beside rows that were not trained on, less that beside rows that were: more than 0 where samples are
        copies, as far as they are; `None` without validation rows."""
        return None if self.validation is None else self.validation.mean - self.aats.mean

    @property
    def privacy_error(self) -> float | None:
        """The standard error of `privacy_loss`, as if both were independent."""
        return None if self.validation is None else float(np.hypot(self.validation.mean_error, self.aats.mean_error))

    def as_dict(self) -> dict[str, Any]:
        """All figures, for JSON: numbers, words, lists and dicts of them."""
        found: dict[str, Any] = {"about": self.about, "aats": _plain(self.aats)}
        if self.validation is not None:
            found |= {"validation": _plain(self.validation), "privacy_loss": self.privacy_loss}
            found["privacy_error"] = self.privacy_error
        found["spectra"] = _plain(self.spectra, "plane")
        if self.classes is not None:
            found["classes"] = {"classifier": self.classifier, **_plain(self.classes)}
        return found

    def __str__(self) -> str:
        says = {"neighbours": _neighbours(self.aats)}
        if self.validation is not None:
            says["not trained on"] = _neighbours(self.validation)
            says["copies"] = self._copies()
        says["spectrum"] = self._spectrum()
        if self.classes is not None:
            says["classes"] = _classes(self.classes, self.classifier)
        lines = [*textwrap.wrap(self.about, _WIDTH), ""]
        for name, text in says.items():
            whole = text.replace(" (+- ", "\N{NO-BREAK SPACE}(+-\N{NO-BREAK SPACE}")
            lines += textwrap.wrap(whole, _WIDTH, initial_indent=f"{name:<{_MARGIN}}", subsequent_indent=" " * _MARGIN)
        return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")

    def _copies(self) -> str:
        loss, error = self.privacy_loss or 0.0, self.privacy_error or 0.0
        surely = loss > max(_SIGMAS * error, _SMALL)
        reading = "Samples copy rows that were trained on." if surely else "No sign of copies."
        return (
            f"{reading} Privacy loss {loss:+.3f} (+- {error:.3f}): the mean of both is {self.aats.mean:.3f} beside "
            f"rows, {self.aats.mean + loss:.3f} beside rows not trained on."
        )

    def _spectrum(self) -> str:
        found = self.spectra
        words = "differ in" if found.distance > 2 * found.chance + _SMALL else "agree but for"
        return (
            f"Variances along {len(found.data) - 1} principal components {words} {found.distance:.1%} of the rows' "
            f"variance (other rows: about {found.chance:.1%}); samples have {found.ratio:.2f} times as much in all."
        )

    def figure(self) -> matplotlib.figure.Figure:
        """Data and samples in the plane where data differ most, and a panel for each of the other figures."""
        from keras_rbm.quality.picture import figure

        return figure(self)


def _plain(part: Any, *but: str) -> dict[str, Any]:
    return {name: value for name, value in part._asdict().items() if name not in but}


def _neighbours(found: AdversarialAccuracy) -> str:
    reading = _READINGS[_side(found.truth, found.truth_error), _side(found.syn, found.syn_error)]
    return (
        f"{reading} What is nearest to a row is a row in {found.truth:.3f} (+- {found.truth_error:.3f}) of cases, what "
        f"is nearest to a sample a sample in {found.syn:.3f} (+- {found.syn_error:.3f}); 0.5 is ideal."
    )


def _side(value: float, error: float) -> int:
    """-1 where it surely is too low, 1 where too high."""
    return int(np.sign(value - 0.5)) if abs(value - 0.5) > max(_SIGMAS * error, _SMALL) else 0


def _classes(found: ClassBalance, classifier: str) -> str:
    right = "" if found.accuracy is None else f" (right in {found.accuracy:.1%} of rows)"
    where = int(np.argmax(np.abs(np.subtract(found.samples, found.data))))
    worst = f"most with {found.classes[where]}: {found.data[where]:.1%} of rows, {found.samples[where]:.1%} of samples"
    reading = "Shares differ" if found.p_value < _SURE else "Shares may well be alike"
    missing = f" No samples of {', '.join(found.missing)}." if found.missing else ""
    return (
        f"{reading}, judged by {classifier}{right}: they differ by {found.distance:.1%} in all (other rows: about "
        f"{found.chance:.1%}; p = {found.p_value:.2g}), {worst}.{missing} Entropy {found.data_entropy:.2f} nats of "
        f"rows, {found.sample_entropy:.2f} of samples."
    )
