"""The command line: the one place that prints, exits and knows that reports exist."""

from __future__ import annotations

import gc
import os
import sys
import traceback

from readiness.cli.app import app

__all__ = ["app", "main"]

_COLLECT_AFTER = 50_000
"""New objects between two looks for cycles of garbage: what a command loads is none, and is a quarter million."""


def main() -> None:
    """Run the command of this process's arguments and exit with its code; no traceback reaches a user."""
    if os.name == "nt":
        sys.stderr.write("readiness runs on Linux, macOS and WSL: on Windows, run it inside WSL.\n")
        sys.exit(2)
    gc.set_threshold(_COLLECT_AFTER)
    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:  # noqa: BLE001 (the last resort, so that the exit code tells it from a verdict)
        if os.environ.get("READINESS_TRACEBACK"):
            traceback.print_exc()
            sys.exit(4)
        sys.stderr.write(
            f"readiness itself failed: {type(error).__name__}: {str(error)[:500]}\n"
            "This is a defect of readiness and says nothing about the site. To see where it happened, "
            "run the same command with READINESS_TRACEBACK=1.\n"
        )
        sys.exit(4)
