"""The README does what it says; test_pages.py looks at its code, commands and links."""

from __future__ import annotations

from tests.support.readme import README, blocks


def test_the_first_two_shell_blocks_are_the_two_commands():
    assert blocks("shell")[:2] == ["pip install . && keras-rbm train\n", 'pip install -e ".[test]" && pytest\n']


def test_it_is_short():
    assert len(README.read_text().splitlines()) <= 150
