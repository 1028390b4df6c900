"""The command `keras-rbm`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_rbm.jobs import measures
from keras_rbm.jobs.dbn import parsers as dbn
from keras_rbm.jobs.music import parsers as music
from keras_rbm.version import __version__

_H5PY = r"errno = (\d+)"  # how it names what the system said, in errors of any type
_ELSEWHERE = "Choose another --output."
_WAYS_OUT = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        "Make room on the disk: what was begun goes on with --resume. Or choose another --output.",
    ),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EROFS), _ELSEWHERE),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "Change its rights, or choose another place."),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit status: 0, 1 for bad input, 130 after Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        check_place(getattr(options, "output", None))
        with _lines_for_people(options):
            found = options.command(options)
    except KeyboardInterrupt as stop:
        print(f"\nkeras-rbm: {stop.args[0] if stop.args else 'interrupted'}", file=sys.stderr)
        return 130
    except Exception as error:
        if not _is_of_users(error):
            raise
        print(f"keras-rbm: {in_a_line(error)}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(measures.plain(found)))
    return 0


@contextlib.contextmanager
def _lines_for_people(options: argparse.Namespace) -> Iterator[None]:
    """Where a command prints to: nowhere if one JSON object is all that stdout is to have."""
    with contextlib.ExitStack() as back:
        if options.json:
            nowhere = back.enter_context(open(os.devnull, "w"))
            asked_for = getattr(options, "verbose", False)
            back.enter_context(contextlib.redirect_stdout(sys.stderr if asked_for else nowhere))
        yield


def check_place(output: Path | None) -> None:
    """Refuses a place that cannot be written to, before anything is computed for it.

    Raises:
        OSError: if it lies below a file, or in a folder that is another user's.
    """
    if output is None:
        return
    above = next(path for path in output.absolute().parents if path.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"{output} lies below {above}, which is a file. {_ELSEWHERE}")
    if not os.access(output if output.is_dir() else above, os.W_OK):
        raise PermissionError(f"{output} cannot be written: it is not allowed. {_ELSEWHERE}")


def _is_of_users(error: Exception) -> bool:
    """Whether its line says what to do; of any other error the traceback is what helps."""
    known = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError)
    in_h5py = isinstance(error, RuntimeError) and re.search(_H5PY, str(error))
    return bool(isinstance(error, known) or in_h5py or _is_tensorflows(error))


def _is_tensorflows(error: Exception) -> bool:
    """Without importing it."""
    return any(cls.__name__ == "OpError" for cls in type(error).__mro__)


def in_a_line(error: Exception) -> str:
    """What an error says, and the way out where it is the system's."""
    said = str(getattr(error, "message", error) if _is_tensorflows(error) else error).strip()
    if isinstance(error, MemoryError):
        return f"There is too little memory. {said or 'No more is given.'} Give less data, or smaller numbers."
    if in_h5py := re.search(_H5PY, said):
        said = os.strerror(int(in_h5py[1]))
    elif isinstance(error, OSError) and error.strerror:
        said = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    elif _is_tensorflows(error):
        said = re.sub(r"\{\{.*?\}\} | \[Op:\w+\]", "", said)
    said = said.split("\n")[0] or type(error).__name__
    ways_out = {way for number, way in _WAYS_OUT.items() if os.strerror(number) in said}
    return ". ".join([said, *ways_out])


def parser() -> argparse.ArgumentParser:
    """What reads a command line, without what the commands need; `options.command(options)` runs one."""
    found = argparse.ArgumentParser(
        prog="keras-rbm", description="Train, judge, sample and deploy deep belief networks; learn and make up music."
    )
    found.add_argument("--version", action="version", version=__version__)
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    for module in (dbn, music):
        module.add_to(commands)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print one JSON object, at the end, instead of lines")
    return found


if __name__ == "__main__":
    sys.exit(main())
