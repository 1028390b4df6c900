"""Training on two workers of this machine: real processes, which talk over the loopback address."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


def started(folder: Path, words: list[list[str]], **variables: str) -> list[subprocess.Popen]:
    """Two workers, each with its own words; what they say is in `folder`."""
    sockets = [socket.socket() for _ in words]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    workers = []
    for i, own in enumerate(words):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(config), **variables}
        with (folder / f"{i}.log").open("a") as log:
            workers.append(subprocess.Popen([sys.executable, *own], stdout=log, stderr=log, env=environment))
    return workers


def ended(folder: Path, workers: list[subprocess.Popen], seconds: float = 300) -> list[int]:
    """The workers' exit statuses; none is left behind."""
    try:
        return [worker.wait(timeout=seconds) for worker in workers]
    except subprocess.TimeoutExpired:
        raise AssertionError(said(folder)) from None
    finally:
        for worker in workers:
            worker.kill()


def said(folder: Path) -> str:
    return "\n".join(log.read_text() for log in sorted(folder.glob("*.log")))


@pytest.mark.slow
def test_two_workers(tmp_path):
    """All of them, slow ones too."""
    words = ["-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", "-m", "", str(HERE / "worked.py")]
    workers = started(tmp_path, [words, words], WORKERS_FOLDER=str(tmp_path))
    assert ended(tmp_path, workers) == [0, 0], said(tmp_path)


@pytest.mark.slow
def test_workers_of_which_one_was_killed_end_where_they_would_have_ended(tmp_path):
    """The other one ends with an error; both are started again, and go on after the last checkpoint."""

    def trained(name: str, seed: int) -> list[subprocess.Popen]:
        words = [[str(HERE / "killed.py"), str(tmp_path / name), str(tmp_path / f"{name}-{i}.npz")] for i in (0, 1)]
        return started(tmp_path, words, WORKER_SEED=str(seed))

    assert ended(tmp_path, trained("whole", 0)) == [0, 0], said(tmp_path)
    workers, until = trained("killed", 0), time.monotonic() + 120
    while not (tmp_path / "killed" / "epoch-00000003.npz").exists():
        assert time.monotonic() < until, said(tmp_path)
        time.sleep(0.01)
    workers[1].kill()
    first, _ = ended(tmp_path, workers)
    assert first != 0, said(tmp_path)
    assert not list(tmp_path.glob("killed-*.npz"))
    again = trained("killed", 9)  # all of a new process's own numbers are others
    assert ended(tmp_path, again) == [0, 0], said(tmp_path)
    weights = [np.load(tmp_path / f"{name}-{i}.npz") for name in ("whole", "killed") for i in (0, 1)]
    for name in weights[0].files:
        for other in weights[1:]:
            np.testing.assert_array_equal(other[name], weights[0][name])
