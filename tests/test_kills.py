"""Real processes, killed while they write, and taken up again."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kills.py"


def killed(*words: str) -> str:
    result = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.splitlines()[-1]


@pytest.mark.slow
def test_ten_kills_cost_nothing():
    assert "0 unresumable, 0 different" in killed("--kills", "10", "--jobs", "fit", "--aimed")


@pytest.mark.slow
def test_kills_of_the_commands_cost_nothing():
    assert "0 unresumable, 0 different" in killed("--kills", "20", "--seed", "1")
