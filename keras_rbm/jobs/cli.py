"""The command `keras-rbm`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from keras_rbm.jobs.dbn import evaluate, train, use
from keras_rbm.jobs.music import command
from keras_rbm.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit status: 0, 1 for bad input, 130 after Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("\nkeras-rbm: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        print(f"keras-rbm: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """What reads a command line; `options.command` is the function to call with the options."""
    found = argparse.ArgumentParser(
        prog="keras-rbm", description="Train, judge, sample and deploy deep belief networks; learn and make up music."
    )
    found.add_argument("--version", action="version", version=__version__)
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    for module in (train, evaluate, use, command):
        module.add_to(commands)
    return found


if __name__ == "__main__":
    sys.exit(main())
