"""What a run of `keras-rbm music` leaves for people to read: figures, measures, a card."""

from __future__ import annotations

import shlex
from typing import Any

import matplotlib.figure
import numpy as np

from keras_rbm import datasets, likelihood, plots
from keras_rbm.datasets import Rolls
from keras_rbm.files import replacing
from keras_rbm.jobs import files, measures
from keras_rbm.jobs.measures import Measure
from keras_rbm.jobs.music.run import FRAMES, SWEEPS, MusicRun
from keras_rbm.version import __version__

_SCORED = 2000  # frames of a part, at most
_SHOWN = 60.0  # seconds of a roll in the figure, at most
_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_LABELS = {
    "reconstruction_error": "reconstruction error, training (nats a frame)",
    "log_likelihood_joined": "log-likelihood, validation (nats a frame)",
    "accuracy": "expected accuracy, validation",
}


def measure(run: MusicRun) -> dict[str, str]:
    """The run's figures in words."""
    training, *parts = run.parts
    frames = datasets.frames(training)
    share = (frames.sum(0) + 0.5) / (len(frames) + 1)
    found: dict[str, str] = {}
    for which, part in zip(("validation", "test"), parts, strict=True):
        x, mask = datasets.subsequences(part, None)
        of, words = datasets.frames(part), f"{which} {_counted(part)}"
        result = likelihood.frame_log_likelihood(
            run.model, x, mask, num_frames=_SCORED, seed=run.config.seed, verbose=0
        )
        drawn = f", on {_SCORED} frames drawn from {len(of)}" if len(of) > _SCORED else ""
        said = measures.of_likelihood(result, "frame")
        found[f"log-likelihood, {words}"] = Measure(f"{said}{drawn}", **said.numbers, frames=len(result.per_frame))
        alone = np.log(np.where(of > 0, share, 1 - share)).sum(1).mean()
        found[f"the same, of notes by their frequencies alone, {words}"] = Measure(
            f"{alone:.2f} nats a frame", nats=alone
        )
        if result.accuracy is not None:
            found[f"expected accuracy, {words}"] = Measure(
                f"{100 * result.accuracy:.1f} %{drawn}", accuracy=result.accuracy
            )
    return found


def as_json(run: MusicRun) -> dict[str, dict[str, Any]]:
    """`compared`, for machines."""
    return {name: {**found, "pitch_classes": found["pitch_classes"].tolist()} for name, found in _pair(run).items()}


def _pair(run: MusicRun) -> dict[str, dict[str, Any]]:
    """What training tunes and the generated music are like."""
    dt, lowest = run.tunes.dt, run.tunes.notes[0]
    both = {"training_tunes": run.parts[0].rolls, "generated": run.made_up}
    return {name: datasets.roll_statistics(rolls, dt, lowest) for name, rolls in both.items()}


def _counted(part: Rolls) -> str:
    return f"tune{'s' if len(part) > 1 else ''}"


def compared(run: MusicRun) -> tuple[list[tuple[str, str, str]], list[tuple[str, list[str]]]]:
    """Tables: what training tunes and the generated music are like; and their pitch classes, in percent."""
    pair = _pair(run).values()
    tunes, ours = (
        {
            "notes a frame": f"{found['notes_per_frame']:.2f}",
            "silent frames": f"{100 * found['silent']:.1f} %",
            "mean length of a held note": f"{found['held_seconds']:.2f} s",
        }
        for found in pair
    )
    classes = [[f"{100 * share:.0f}" for share in found["pitch_classes"]] for found in pair]
    return [(name, tunes[name], ours[name]) for name in tunes], list(
        zip(("training tunes", "generated"), classes, strict=True)
    )


def table(run: MusicRun) -> str:
    """The comparison, for a terminal."""
    rows, classes = compared(run)
    lines = [f"  {'':<32}{'training tunes':>14}  {'generated':>9}"]
    lines += [f"  {name:<32}{tunes:>14}  {ours:>9}" for name, tunes, ours in rows]
    lines += [f"  {'pitch classes, % of what sounds':<32}" + "".join(f"{name:>4}" for name in _CLASSES)]
    lines += [f"  {'  ' + name:<32}" + "".join(f"{share:>4}" for share in shares) for name, shares in classes]
    return "\n".join(lines)


def figures(run: MusicRun) -> dict[str, matplotlib.figure.Figure]:
    """The run's pictures by name."""
    dt, longest = run.tunes.dt, max(2, round(_SHOWN / run.tunes.dt))
    training = run.parts[0]
    shown = min(longest, max(map(len, run.generated)))
    rolls = {f"a training tune: {training.names[0]}": training.rolls[0][:shown]}
    for i, roll in enumerate(run.generated[:3]):
        name = f"generated-{i + 1}.mid"
        if i == 1 and run.prime:
            name += f"; up to the line, the beginning of {run.prime_tune[1]}, a test tune"
        rolls[name] = roll[:shown]
    picture = plots.piano_rolls(rolls, dt, run.tunes.notes[0])
    if run.prime:
        picture.axes[2].axvline(dt * run.prime, color="C1", linewidth=1)
    return {
        "rolls": picture,
        "learning_curves": plots.learning_curves({run.tunes.name: run.curves}, list(_LABELS), _LABELS),
    }


def card(run: MusicRun, measured: dict[str, str]) -> str:
    """The model card, in Markdown."""
    config, tunes = run.config, run.tunes
    width = tunes.notes[1] - tunes.notes[0] + 1
    rows, classes = compared(run)
    lines = [
        f"# {tunes.name} RNN-RBM, {width}-{config.units}",
        "",
        f"A recurrent network ({config.cell}, {config.recurrent} units) that sets the biases of an RBM a frame, "
        f"{width} notes and {config.units} hidden units, made by `keras-rbm music` (keras_rbm {__version__}):",
        "",
        f"    {config.command(run.folder)}",
        "",
        "## Data",
        "",
        f"- {tunes.source}.",
        *(f"- {_described(part, what)}" for part, what in zip(run.parts, _USES, strict=True)),
        "",
        "## Recipe",
        "",
        f"- {config.epochs} epochs of CD-{SWEEPS}, Adam with gradients clipped at norm 1, learning rate "
        f"{config.learning_rate:g} falling to 0 by a cosine. Kept: epoch {run.best_epoch}, the best on validation.",
        f"- Sequences of at most {FRAMES} frames, batches of {run.batch_size}, seed {config.seed}. Training took "
        f"{run.seconds:.0f} s.",
        f"- Generated: {config.num} of {run.frames} frames, {config.gibbs_steps} Gibbs sweeps a frame"
        + (f"; the second goes on from {run.prime} frames of {run.prime_tune[1]}." if run.prime else "."),
        "",
        "## Measured",
        "",
        *measures.markdown(measured),
        "",
        "| | training tunes | generated |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"| pitch classes, % of what sounds | {' | '.join(_CLASSES)} |",
        "|---" * 13 + "|",
        *(f"| {name} | {' | '.join(shares)} |" for name, shares in classes),
        "",
        "Frames that were given are not counted as generated.",
        "",
    ]
    return "\n".join(lines)


_USES = ("to train on", "for validation", "to test on, read only after training")


def _described(part: Rolls, use: str) -> str:
    names = f": {', '.join(part.names)}" if len(part) <= 3 else ""
    return f"{len(part)} {_counted(part)} {use} ({sum(map(len, part.rolls))} frames){names}."


def write(run: MusicRun) -> dict[str, str]:
    """Writes figures, SavedModel and card of a finished run; returns what was measured."""
    files.save_figures(figures(run), run.folder / "figures")
    run.model.export(run.folder / "saved_model")
    measured = measure(run)
    with replacing(run.folder / "card.md") as part:
        part.write_text(card(run, measured))
    return measured


def summary(run: MusicRun, measured: dict[str, str], seconds: float) -> str:
    """What a finished run says in a terminal."""
    folder = run.folder
    lines = ["", f"Measured, of epoch {run.best_epoch}, the best on validation", *measures.lines(measured, indent="  ")]
    lines += ["", "What it is like", table(run), "", f"Written to {folder} in {seconds:.0f} s"]
    primed = f"goes on from the first {run.prime} frames of {run.prime_tune[1]}, a test tune"
    what = {
        **{f"generated-{i + 1}.mid": "made up from nothing" for i in range(len(run.generated))},
        **({"generated-2.mid": primed} if run.prime else {}),
        "model.keras": "the RNN-RBM: keras.models.load_model, with keras_rbm imported; then model.generate",
        "saved_model/": "TensorFlow SavedModel: encode, generate, continue",
        "figures/": "piano rolls, learning curves",
        "logs/": "TensorBoard",
        "card.md": "data, recipe, seed, measured figures",
    }
    lines += [f"  {name:<16}  {sentence}" for name, sentence in what.items()]
    again = shlex.join(["keras-rbm", "music", "--midi", "FOLDER", "--output", str(folder.with_name("my-music"))])
    lines += ["", f"Listen to {folder}/generated-1.mid in any player of MIDI files. Log-likelihoods: higher is better."]
    return "\n".join([*lines, "", "Next", f"  tensorboard --logdir {folder}/logs", f"  {again}  # your own MIDI files"])
