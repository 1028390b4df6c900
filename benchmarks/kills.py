"""Kills training processes, takes them up again, and compares where they end with a run that nobody killed.

    python benchmarks/kills.py --kills 100

Half of the kills are aimed: at the moment in which a file of the kind that is drawn (a checkpoint, the recipe, a model,
a log, a figure) appears, or grows, in the folder. The others come after a random time. A run that is killed goes on by
`--resume`, may be killed again, and in the end must have the weights of the undisturbed run, bit for bit, and each
epoch once in its logs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

#: What is run before the program, so that more time goes into writing than into compiling: no XLA, and a checkpoint
#: after each epoch, however short.
BEFORE = """
import sys
import keras
import numpy as np
import keras_rbm
from keras_rbm.callbacks import Checkpoint
from keras_rbm.training.learner import Learner
compile, init = Learner.compile, Checkpoint.__init__
Learner.compile = lambda self, *a, **k: compile(self, *a, **{**k, "jit_compile": False})
Checkpoint.__init__ = lambda self, folder, *a, **k: init(self, folder)
"""
FIT = """
x = np.random.default_rng(0).random((600, 64)).round()
rbm = keras_rbm.RBM(32, sampler="pcd", seed=0)
rbm.compile("adam")
log = keras.callbacks.CSVLogger(sys.argv[1] + "/logs/history.csv", append=True)
stop = keras.callbacks.EarlyStopping("loss", patience=50)
rbm.fit(x, epochs=40, verbose=0, callbacks=[log, stop, Checkpoint(sys.argv[1] + "/checkpoints")])
rbm.save(sys.argv[1] + "/rbm.keras")
"""
COMMAND = """
from keras_rbm.jobs import cli
sys.exit(cli.main(sys.argv[1:]))
"""


class Job(NamedTuple):
    """What is run.

    Args:
        program: after `BEFORE`.
        words: its arguments, before the folder.
        first: more of them, the first time; `--resume` takes their place afterwards.
        models: the files that it ends with.
        aims: parts of the names of files that it writes.
    """

    program: str
    words: list[str]
    first: list[str]
    models: list[str]
    aims: tuple[str, ...]


_SMALL = ["--layers", "16", "8", "--epochs", "3", "--wake-sleep-epochs", "3", "--fine-tune-epochs", "6"]
_SHORT = ["--epochs", "6", "--units", "8", "--recurrent", "8"]
_OF_FIT = ("checkpoints", ".part-", "logs", ".keras")
_OF_COMMANDS = (*_OF_FIT, "recipe", "figures", "saved_model", "card", ".lock")
JOBS = {
    "fit": Job(FIT, [], [], ["rbm.keras"], _OF_FIT),
    "train": Job(COMMAND, ["train", "--output"], _SMALL, ["dbn.keras", "classifier.keras"], _OF_COMMANDS),
    "music": Job(COMMAND, ["music", "--output"], _SHORT, ["model.keras"], _OF_COMMANDS),
}


def started(job: Job, folder: Path) -> subprocess.Popen:
    words = [*job.words, str(folder)]
    if job.first:
        words += ["--resume"] if (folder / "recipe.json").exists() else job.first
    (folder / "logs").mkdir(parents=True, exist_ok=True) if not job.first else None
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", BEFORE + job.program, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True)


def seen(folder: Path, aim: str) -> dict[str, int]:
    """The files that an aim is about, and their sizes."""
    found = {}
    for place, _, names in os.walk(folder):  # which does not mind what goes away meanwhile
        for path in (Path(place, name) for name in names):
            if aim in str(path.relative_to(folder)):
                with contextlib.suppress(OSError):
                    found[str(path)] = path.stat().st_size
    return found


def kill(process: subprocess.Popen, folder: Path, aim: str | None, rng: random.Random, seconds: float) -> bool:
    """Kills a process at its moment; `False` if it ended before."""
    start, skipped, before = time.monotonic(), rng.randrange(8), seen(folder, aim) if aim else {}
    until = rng.uniform(0, seconds)
    while process.poll() is None:
        if aim is None and time.monotonic() - start > until:
            break
        if aim is not None:
            now = seen(folder, aim)
            if now != before:
                before, skipped = now, skipped - 1
                if skipped < 0:
                    break
        time.sleep(0.0005)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def differences(job: Job, folder: Path, whole: Path) -> list[str]:
    """What a finished run has otherwise than the undisturbed one."""
    import keras

    import keras_rbm  # noqa: F401 - registers the classes that load_model finds

    found = []
    for name in job.models:
        one, other = (keras.models.load_model(path / name, compile=False).weights for path in (folder, whole))
        changed = [a.path for a, b in zip(one, other, strict=True) if not np.array_equal(a, b)]
        found += [f"{name}: {', '.join(changed)}"] if changed else []
    for path in whole.rglob("history.csv"):
        name = path.relative_to(whole)
        if path.read_bytes() != (folder / name).read_bytes():
            found.append(f"{name}: {(folder / name).read_text()}")
    litter = [path.name for path in folder.rglob("*") if path.name.startswith(".")]
    return found + [f"litter: {name}" for name in litter]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=JOBS)
    parser.add_argument("--aimed", action="store_true", help="no kill after a random time")
    parser.add_argument("--keep", type=Path, help="where to copy runs that end otherwise")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, kills, unresumable, different = random.Random(options.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        place, whole, seconds = Path(name), {}, {}
        for job in options.jobs:
            whole[job], start = place / f"whole-{job}", time.monotonic()
            process = started(JOBS[job], whole[job])
            said = process.communicate()[0]
            if process.returncode:
                sys.exit(f"The undisturbed run failed:\n{said}")
            seconds[job] = time.monotonic() - start
            print(f"{job}: the undisturbed run took {seconds[job]:.0f} s", flush=True)
        runs = 0
        while kills < options.kills:
            job, runs = options.jobs[runs % len(options.jobs)], runs + 1
            folder, moments = place / "run", []
            shutil.rmtree(folder, ignore_errors=True)
            most = rng.randint(3, 8)  # kills of one run
            while True:
                process = started(JOBS[job], folder)
                aim = rng.choice(JOBS[job].aims) if options.aimed or rng.random() < 0.5 else None
                killed = len(moments) < most and kills < options.kills and kill(process, folder, aim, rng, seconds[job])
                if not killed:
                    break
                kills += 1
                moments.append(aim or "at random")
            said = process.communicate()[0]
            problem = ""
            if process.returncode or not (folder / JOBS[job].models[-1]).exists():
                unresumable += 1
                problem = f"UNRESUMABLE: {said[-2000:]}"
            elif found := differences(JOBS[job], folder, whole[job]):
                different += 1
                problem = f"DIFFERENT: {'; '.join(found)}"
                if options.keep:
                    shutil.copytree(place, options.keep / f"{kills}")
            print(
                f"{kills:>4} kills; {job} killed: {', '.join(moments) or 'never'}. {problem or 'As undisturbed'}",
                flush=True,
            )
    print(f"{kills} kills of {runs} runs (seed {options.seed}): {unresumable} unresumable, {different} different")
    sys.exit(bool(unresumable or different))


if __name__ == "__main__":
    main()
