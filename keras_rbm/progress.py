"""How far something is: a line for people who watch, on stderr, and nothing for others."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from keras_rbm.types import Verbose

#: Seconds before a line shows: what is done sooner needs none.
_DELAY = 0.5
#: Multiplications in half a second, about, and what else a step or a sweep costs, in them.
_HALF_A_SECOND, _BESIDE = 2.5e10, 5e6


def is_watched() -> bool:
    """Whether stderr is a terminal, or this a notebook (with ipywidgets), and logs were not switched off by
    `keras.config.disable_interactive_logging()`."""
    console = Console(stderr=True)
    if console.is_jupyter:
        there = importlib.util.find_spec("ipywidgets") is not None
    else:
        there = console.is_terminal and not console.is_dumb_terminal
    return there and keras.config.is_interactive_logging_enabled()


class _Left(ProgressColumn):
    """The time left, which runs between two moves."""

    def render(self, task: Task) -> Text:
        ends = task.fields["ends"]
        return Text("" if ends is None else f"{in_minutes(ends - time.monotonic())} left")


def in_minutes(seconds: float) -> str:
    """Such as 1:05, or 2:00:10."""
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


class Line:
    """A line on the screen, beside those of calls around it; with `with`, it goes when the work is done.

    Args:
        title: what is done.
        total: of what is counted; `None` if nothing is.
        shows: whether it does.
        delay: seconds before it does.
    """

    _screen: Progress | None = None
    _task: TaskID | None = None
    _first: tuple[float, float] | None = None

    def __init__(self, title: str, total: int | None, shows: bool, delay: float | None = None) -> None:
        self.title, self.total, self._shows = title, total, shows
        self._began, self._after = time.monotonic(), _DELAY if delay is None else delay

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        if self._task is None or Line._screen is None:
            return
        Line._screen.remove_task(self._task)
        if not Line._screen.tasks:
            Line._screen.stop()
            Line._screen = None

    def move(self, done: float, where: str, note: str = "") -> None:
        """Says how far it is; the rest is thought to go as fast as what was done since the first move, before which
        there was something to compile.

        Args:
            done: of the total.
            where: the same in words.
            note: what else there is to say.
        """
        now = time.monotonic()
        self._first = self._first or (done, now)
        before, then = self._first
        left = (now - then) * ((self.total or 0) - done) / (done - before) if done > before else None
        self.show(done, where, note, left)

    def show(self, done: float, where: str, note: str, left: float | None) -> None:
        """As `move`, with the seconds that are left, if that is known."""
        now = time.monotonic()
        if not self._shows or now - self._began < self._after:
            return
        fields: dict[str, Any] = {"where": where, "note": note, "ends": None if left is None else now + left}
        if Line._screen is None:
            Line._screen = _screen()
            Line._screen.start()
        if self._task is None:
            self._task = Line._screen.add_task(self.title, total=self.total, **fields)
        Line._screen.update(self._task, completed=done, **fields)


def _screen() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(12),
        TextColumn("{task.fields[where]}"),
        TextColumn("{task.fields[note]}"),
        _Left(Column(no_wrap=True)),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # or what is printed meanwhile would not come where it is sent
    )


def say(text: str) -> None:
    """A line that stays, above those that move."""
    if Line._screen is None:
        print(text, file=sys.stderr, flush=True)
    else:
        Line._screen.console.print(Text(text), soft_wrap=True)


def parts(total: int, size: int, title: str, unit: str, verbose: Verbose = "auto") -> Iterator[tuple[int, int]]:
    """Where each part of some work starts and stops; a line moves between them, and Ctrl-C works.

    Args:
        total: of `unit`s.
        size: of a part.
        verbose: `"auto"`: the line shows where a person watches; 0: never; else, where nobody does, it is said once
            what was done.
    """
    watched, began = bool(verbose) and is_watched(), time.monotonic()
    with Line(title, total, watched) as line:
        for start in range(0, total, size):
            stop = min(start + size, total)
            yield start, stop
            line.move(stop, f"{unit} {stop} of {total}")
    if verbose and verbose != "auto" and not watched:
        say(f"{title}: {_counted(total, unit)} in {in_minutes(time.monotonic() - began)}")


def few(total: int, work: float) -> int:
    """How much of some work is done between two looks at the clock: half a second where a person watches, else all.

    Args:
        total: of what is counted.
        work: of one, in multiplications.
    """
    return max(1, int(_HALF_A_SECOND / (_BESIDE + work))) if is_watched() else total


def step_work(multiplications: float) -> float:
    """How long a step takes, in multiplications, with what is done beside them."""
    return _BESIDE + multiplications


class Stage(NamedTuple):
    """A training of several that make a job.

    Args:
        title: what it is.
        epochs: how many.
        work: of an epoch, in any measure that all stages share; `step_work`, say.
        log: the figure that matters, as the logs of `fit` name it.
        words: the same for people, with a place for the number.
    """

    title: str
    epochs: int
    work: float
    log: str
    words: str


class Job:
    """Stages, a line each while they run: bar, epoch, the figure that matters, the time left of all of them; and one
    that stays when they are done.

    Args:
        stages: by name, in order.
    """

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        self.stages, self.is_watched = dict(stages), is_watched()
        self._line: Line | None = None
        self._done = dict.fromkeys(self.stages, 0.0)  # epochs
        self._seconds = self._work = 0.0  # what was done of the work, and how long it took
        self._starts: list[float] = []  # what it took till a stage moved: compiling
        self._waiting = list(self.stages)  # stages that have not moved
        self._began = self._at = time.monotonic()
        self._note = ""

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *error: object) -> None:
        self._show(None)

    def watching(self, name: str) -> keras.callbacks.Callback:
        """What tells this of a stage's epochs: a callback of its `fit`."""
        return _Watching(self, name)

    def begin(self, title: str, total: int | None = None) -> None:
        """Shows a line for a stage of so many epochs, or, without a total, for what comes after all of them."""
        self._began, self._note = time.monotonic(), ""
        self._show(Line(title, total, self.is_watched, delay=0.0))
        self._move(0.0, "")

    def skip(self, name: str, epochs: int) -> None:
        """So many epochs of a stage were done before: the next one begins."""
        self._done[name], self._at = epochs, time.monotonic()
        self._move(epochs, self._epoch(name))

    def reach(self, name: str, epochs: float, logs: Mapping[str, float] | None = None) -> None:
        """So many epochs of a stage are done, a part of the present one too."""
        stage, now = self.stages[name], time.monotonic()
        if name in self._waiting:
            self._waiting.remove(name)
            self._starts.append(now - self._at)
        else:
            self._seconds += now - self._at
            self._work += stage.work * (epochs - self._done[name])
        self._at, self._done[name] = now, epochs
        if stage.log in (logs or {}):
            self._note = stage.words.format((logs or {})[stage.log])
        self._move(epochs, self._epoch(name))

    def _epoch(self, name: str) -> str:
        number = self.stages[name].epochs
        return f"epoch {min(int(self._done[name]) + 1, number)} of {number}"

    def reach_batch(self, name: str, batches: int, number: int | None) -> None:
        """So many batches of the present epoch are done, of so many, if that is known."""
        if self.is_watched and number:
            self.reach(name, int(self._done[name]) + min(batches / number, 0.999))

    def end(self, name: str) -> None:
        """A stage is done, or was before."""
        title, epochs, *_ = self.stages[name]
        self._show(None)
        took = f"{_counted(int(self._done[name]), 'epoch')} in {in_minutes(time.monotonic() - self._began)}"
        say(f"{title}: " + (f"{took}; {self._note}" if self._note else "done before"))
        self._done[name] = epochs  # if it ended early
        self._waiting = [other for other in self._waiting if other != name]

    def _show(self, line: Line | None) -> None:
        if self._line is not None:
            self._line.__exit__()
        self._line = line

    def _move(self, done: float, where: str) -> None:
        if self._line is not None:
            self._line.show(done, where, self._note, self._seconds_left())

    def _seconds_left(self) -> float | None:
        """As what was done of the work took; not known before, nor when all of it is done."""
        work = sum(stage.work * (stage.epochs - self._done[name]) for name, stage in self.stages.items())
        if not work or not self._work:
            return None
        return work * self._seconds / self._work + len(self._waiting) * sum(self._starts) / len(self._starts)


class _Watching(keras.callbacks.Callback):
    """Tells a `Job` of the epochs of a stage. A checkpoint would save what it counts: it counts nothing."""

    def __init__(self, job: Job, name: str) -> None:
        super().__init__()
        self._job, self._name = job, name

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._job.begin(self._job.stages[self._name].title, self._job.stages[self._name].epochs)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._job.skip(self._name, epoch)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._job.reach_batch(self._name, batch + 1, self.params.get("steps"))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._job.reach(self._name, epoch + 1, logs)

    def on_train_end(self, logs: dict | None = None) -> None:
        self._job.end(self._name)
