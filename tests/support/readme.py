"""The README's fenced blocks: `python tests/readme.py 2` prints its second shell block."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    """The texts of the fenced blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.S | re.M)


if __name__ == "__main__":
    print(blocks("shell")[int(sys.argv[1]) - 1], end="")
