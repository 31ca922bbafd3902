"""How the command line speaks: one console, and errors that say what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from readiness.plan import AnyCheck
    from readiness.site import Site


@cache
def console(*, stderr: bool = False) -> Console:
    """The console of standard output (or error); where that is no terminal it is 100 columns and plain."""
    from rich.console import Console

    shown = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not shown.is_terminal:
        shown = Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=100)
    return shown


def on_a_terminal() -> bool:
    """Whether standard output is a terminal, or is to be taken for one; a pipe is known for one without rich."""
    wished = any(name in os.environ for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))
    return (sys.stdout.isatty() or wished) and console().is_terminal


def say(text: str) -> None:
    """Say something on standard output, in one paragraph."""
    from readiness_reports.words import clean

    typer.echo(clean(text))


def complain(text: str) -> None:
    """Say what went wrong, on standard error, in one paragraph."""
    from readiness_reports.words import clean

    typer.echo(clean(text), err=True)


@cache
def pack() -> tuple[type[AnyCheck], ...]:
    """Every check of the installed packs."""
    from readiness.packs import PackError, load_packs

    try:
        return load_packs()
    except PackError as error:
        complain(str(error))
        raise typer.Exit(4) from None


def known_checks() -> Collection[str]:
    """The id of every check of the installed packs."""
    return [check.requirement.id for check in pack()]


def load(file: Path) -> Site | None:
    """Load a site file, or say every problem of it and give back nothing."""
    from readiness.site.load import load_site
    from readiness.site.problems import SiteFileError

    try:
        return load_site(file, known_checks=known_checks)
    except SiteFileError as error:
        for problem in error.problems:
            complain(str(problem))
        found = len(error.problems)
        complain(f"{file}: {found} {'problem' if found == 1 else 'problems'}; nothing was audited.")
        return None
