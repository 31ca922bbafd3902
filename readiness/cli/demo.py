"""``readiness demo``: the embedded site audited, mended and audited again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from readiness_reports import as_text, words
from readiness_schemas.report import ReportDocument

from readiness.cli.audit import watched
from readiness.cli.console import complain, console, load, pack
from readiness.cli.reports import write
from readiness.plan import plan


def run(out: Path) -> int:
    """Run the demo and write ``before/`` and ``after/`` below ``out``; 0 when it worked, whatever the verdicts are."""
    try:
        from readiness.lab.demo import Lab
        from readiness.lab.machine import Unprepared
    except ModuleNotFoundError as error:
        complain(f"The demo needs {error.name}: install readiness with its demo extra, or run ./run demo in a clone.")
        return 4

    async def whole() -> int:
        try:
            async with Lab() as lab:
                _say(f"Demo Harbour stands on this machine's loopback: five hosts behind SSH, {lab.redis.origin},")
                _say("a registry, a log store and a stand-in for Genesys Cloud, under a private certificate authority.")
                before = await _audited(lab.site_file, out / "before", None)
                if before is None:
                    return 130
                told = [fault.story for fault in lab.faults]
                await lab.remediate()
                _say()
                _say("The site's people mend what was built wrong on purpose:")
                for story in told:
                    _say(f"  - {story}")
                after = await _audited(lab.site_file, out / "after", before)
                if after is None:
                    return 130
        except Unprepared as error:
            complain(f"The demo cannot run here: {error}.")
            return 4
        _compared(before, after)
        _say()
        _say(f"Reports: {out / 'before' / 'report.html'}")
        _say(f"         {out / 'after' / 'report.html'}")
        return 0

    return asyncio.run(whole())


async def _audited(site_file: Path, folder: Path, baseline: ReportDocument | None) -> ReportDocument | None:
    """Audit, write the report, show its head; nothing where it was interrupted."""
    site = await asyncio.to_thread(load, site_file)
    assert site is not None, "the embedded site file is valid"
    _say()
    document, interrupted = await watched(plan(site, pack()), baseline=baseline, formats=("html",))
    await asyncio.to_thread(write, document, ("html",), folder)
    as_text.paint(console(), as_text.lines(document, details=False))
    return None if interrupted else document


def _compared(before: ReportDocument, after: ReportDocument) -> None:
    _say()
    _say(f"{_standing(before)}  ->  {_standing(after)}")


def _standing(document: ReportDocument) -> str:
    return f"{words.VERDICTS[document['verdict']]}, score {words.score(document['score']['value'])}"


def _say(text: str = "") -> None:
    console().print(words.clean(text), soft_wrap=True)
