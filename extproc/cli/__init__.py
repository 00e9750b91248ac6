"""The `extproc` command: one module a subcommand, put together in `commands.py`."""

from __future__ import annotations

import sys
from typing import NoReturn

from extproc.cli import stdout
from extproc.errors import UserError


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 1 what was looked for is wrong, 2 usage or environment.

    What an operator can mend is one sentence on standard error; a traceback is a bug of ours, and shows
    no local variables, since those may be secrets.
    """
    try:
        with stdout.named():
            from extproc.cli.commands import app  # in here, so that Ctrl-C is quiet while it loads, too

            app(prog_name="extproc")
    except UserError as error:
        _complain(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and error.filename == stdout.NAME:
            sys.exit(1)  # the reader has seen enough
        _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    sys.exit(0)


def _complain(text: str) -> NoReturn:
    for line in text.splitlines():
        print(f"extproc: {line}", file=sys.stderr)
    sys.exit(2)
