"""Training on two workers of this machine."""

import json
import os
import socket
import subprocess
import sys


def test_two_workers(tmp_path):
    """Real processes, which talk over the loopback address."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", "tests/training/worked.py"]
    workers, logs = [], [tmp_path / f"{i}.log" for i in range(2)]
    for i, log in enumerate(logs):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(config), "WORKERS_FOLDER": str(tmp_path)}
        with log.open("w") as file:
            workers.append(subprocess.Popen(command, stdout=file, stderr=file, env=environment))
    try:
        codes = [worker.wait(timeout=300) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert codes == [0, 0], "\n".join(log.read_text() for log in logs)
