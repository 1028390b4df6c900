"""Training on the replicas of one process."""

import subprocess
import sys

import pytest


@pytest.mark.first
@pytest.mark.parametrize("kind", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_two_replicas(kind):
    """Devices are divided before TensorFlow starts, so in a process of its own."""
    options = ["-q", "-n0", "-p", "no:cacheprovider", "-m", kind]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/training/replicated.py"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
