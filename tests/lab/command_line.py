"""The command line as a process of its own: what it printed and wrote, how long it took, how large it grew."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from readiness_reports import as_json
from readiness_schemas.report import FindingDocument, ReportDocument

from readiness.gather import longest
from readiness.packs import load_packs
from readiness.plan import Plan
from readiness.plan import plan as make_plan
from readiness.site.load import load_site

FORMATS = "html,json,md,junit,csv"

_PROGRAM = """\
import logging, pathlib, sys
if {loud}:
    logging.basicConfig(level=logging.NOTSET, stream=sys.stderr)
from readiness.cli import main
try:
    main()
finally:
    grown = next(line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    sys.stderr.write(f"\\n{{grown}}\\n")
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One audit that has ended.

    ``seconds`` from its first line to its last file; ``start_up`` before that. ``peak``: bytes of memory at the most.
    """

    status: int
    out: str
    err: str
    seconds: float
    start_up: float
    peak: int
    folder: Path
    planned: Plan

    @cached_property
    def document(self) -> ReportDocument:
        """Its report, proven to be valid and to hold each planned finding once."""
        document = as_json.read(self.folder / "report.json")
        as_json.validate(document)
        assert [each["id"] for each in document["findings"]] == [each.id for each in self.planned.instances]
        return document

    @property
    def findings(self) -> dict[str, FindingDocument]:
        return {finding["id"]: finding for finding in self.document["findings"]}

    @property
    def whole(self) -> float:
        """Seconds from its start as a process to its last file."""
        return self.start_up + self.seconds

    @property
    def bound(self) -> float:
        """The seconds that ``readiness plan`` prints."""
        return longest(self.planned)


async def audit(
    site_file: Path,
    *,
    environment: Mapping[str, str] | None = None,
    loud: bool = False,
    began: Callable[[int], None] = lambda pid: None,
    inside: Sequence[str] = (),
) -> Ended:
    """Audit a site with every format.

    ``began`` is told the process, ``loud`` has every logger speak to stderr, ``inside`` is a command that runs it.
    """
    whole = clean_environment(site_file.parent) | dict(environment or {})
    process = await command(site_file, environment=whole, loud=loud, inside=inside)
    began(process.pid)
    return await ended(site_file, process)


async def command(
    site_file: Path, *, environment: Mapping[str, str], loud: bool = False, inside: Sequence[str] = ()
) -> asyncio.subprocess.Process:
    """Start an audit."""
    return await asyncio.create_subprocess_exec(
        *inside,
        sys.executable,
        "-c",
        _PROGRAM.format(loud=loud),
        "audit",
        str(site_file),
        "--out",
        str(_out(site_file)),
        "--format",
        FORMATS,
        cwd=site_file.parent,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(site_file: Path, process: asyncio.subprocess.Process, *, said: bytes = b"") -> Ended:
    """Wait for an audit's end; ``said`` is what was read of its output already."""
    started = time.monotonic()
    assert process.stdout is not None
    assert process.stderr is not None
    erring = asyncio.create_task(process.stderr.read())
    first = said or await process.stdout.readline()
    at_work = time.monotonic()
    rest, err = await process.stdout.read(), (await erring).decode(errors="replace")
    status = await process.wait()
    grown = re.search(r"VmHWM:\s+(\d+) kB", err)
    return Ended(
        status=status,
        out=(first + rest).decode(errors="replace"),
        err=err,
        seconds=time.monotonic() - at_work,
        start_up=at_work - started,
        peak=int(grown[1]) * 1024 if grown else 0,
        folder=_out(site_file),
        planned=make_plan(load_site(site_file), load_packs()),
    )


def _out(site_file: Path) -> Path:
    return site_file.parent / f"{site_file.stem}-out"


def clean_environment(home: Path) -> dict[str, str]:
    """An environment in which no ssh_config, agent or proxy of whoever runs the tests has a say."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV")}
    temporary = home / "tmp"
    temporary.mkdir(exist_ok=True)
    return kept | {"HOME": str(home), "TMPDIR": str(temporary), "NO_COLOR": "1"}
