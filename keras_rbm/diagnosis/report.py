"""What was found, for people to read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import matplotlib.figure

from keras_rbm.diagnosis.evidence import Evidence

#: Verdicts, from the best.
ORDER = ("ok", "look", "bad")
#: Characters of a line, of a finding's name, and before what it says.
_WIDTH, _NAME, _MARGIN = 112, 14, 20


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what.
        verdict: `"ok"`; `"look"` where it surely is more than a small effect, or cannot be told; `"bad"` where it is
            more than a medium one.
        says: what is seen, a sentence.
        advice: what to change, a sentence; empty where nothing.
        figures: numbers by name.
    """

    name: str
    verdict: str
    says: str
    advice: str = ""
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Findings, in the order in which they should be read: what comes first can be the cause of what follows.

    Args:
        about: the machine, and what was looked at.
        findings: each with a verdict.
        notes: what was left out, and why.
        evidence: the arrays behind them.
    """

    about: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    evidence: Evidence = field(repr=False)

    @property
    def verdict(self) -> str:
        """The worst of all."""
        return max((finding.verdict for finding in self.findings), key=ORDER.index)

    def __getitem__(self, name: str) -> Finding:
        found = {finding.name: finding for finding in self.findings}
        if name not in found:
            raise KeyError(f"There is no finding {name!r}. There are {', '.join(found)}.")
        return found[name]

    def __str__(self) -> str:
        return self._text(self.findings, self.notes)

    def brief(self) -> str:
        """What is not ok."""
        return self._text([finding for finding in self.findings if finding.verdict != "ok"], ())

    def _text(self, findings: Iterable[Finding], notes: Sequence[str]) -> str:
        lines = [f"{self.about}: {self.verdict}", ""]
        for finding in findings:
            lines += _wrapped(finding.says, f"{finding.verdict:<4} {finding.name:<{_NAME}} ")
            if finding.advice:
                lines += _wrapped("-> " + finding.advice, " " * _MARGIN)
        return "\n".join(lines + [""] * bool(notes) + [line for note in notes for line in textwrap.wrap(note, _WIDTH)])

    def figure(self) -> matplotlib.figure.Figure:
        """All that was looked at, a panel each."""
        from keras_rbm.diagnosis.picture import figure

        return figure(self)


def _wrapped(text: str, first: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * _MARGIN)
