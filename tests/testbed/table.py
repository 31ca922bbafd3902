"""The confusion table of a run: by fault, by section of the catalogue's findings, and by check."""

from __future__ import annotations

import os
import platform
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.testbed.faults import UNCHANGED
from tests.testbed.trial import BEDS, Extent, Run, Tried, line

HEAD = f"{'fault':48} {'detected':8}  {'missed':6}  {'false alarms':12}  kept  unsteady  seconds"


def as_text(run: Run) -> str:
    """For a terminal."""
    lines = [HEAD, *(line(one) for one in _sorted(run)), "", f"{'findings of':48} detected  missed  false alarms  kept"]
    for section, sums in _sections(run).items():
        lines.append(
            f"{section:48} {sums['detected']:8}  {sums['missed']:6}  {sums['false alarms']:12}  {sums['kept']:4}"
        )
    lines += ["", *(f"changed by no fault: {check}: {why}" for check, why in unchanged(run).items()), "", summary(run)]
    return "\n".join(lines)


def summary(run: Run) -> str:
    sums = Counter[str]()
    for one in run.tried:
        sums.update(
            detected=len(one.detected), missed=len(one.missed), false=len(one.false_alarms), kept=one.kept.total(),
            unsteady=bool(one.unsteady), noise=len(one.noise),
        )  # fmt: skip
    built = ", ".join(f"{seconds:.1f}" for seconds in run.built)
    return (
        f"{len(run.tried)} trials of {run.findings} findings: {sums['detected']} detected, {sums['missed']} missed,"
        f" {sums['false']} false alarms, {sums['kept']} kept; {sums['unsteady']} trials unsteady,"
        f" {sums['noise']} times noise of redis.latency.\n"
        f"{run.seconds:.0f} s on {BEDS} testbeds ({run.cpu:.0f} s of processor time by all that ran meanwhile);"
        f" they were up in {built} s, and {len(run.left)} things were left of them."
    )


def as_markdown(run: Run, command: str) -> str:
    """For the file that is kept beside the catalogue."""
    return "\n".join(_pieces(run, command)) + "\n"


def _pieces(run: Run, command: str) -> Iterator[str]:
    yield "# The confusion table of the catalogue of faults"
    yield ""
    yield "Written by the run itself; run it again with:"
    yield ""
    yield f"```sh\n{command}\n```"
    yield ""
    yield f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors, Python {platform.python_version()},"
    yield f"seed {run.seed if run.extent is Extent.PAIRS else 'none (every fault once)'}."
    yield ""
    yield summary(run)
    yield ""
    yield "**detected**: a finding that a fault must change, with the status and lane (or reason) that it must have."
    yield "**missed**: such a finding that said something else. **false alarm**: a finding that the fault has"
    yield "nothing to do with and that changed all the same. **kept**: one that did not change. A trial that went wrong"
    yield "is audited once more before its fault is undone; what was wrong in the first audit alone is **unsteady**."
    yield ""
    yield "| findings of | detected | missed | false alarms | kept |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for section, sums in _sections(run).items():
        yield (f"| {section} | {sums['detected']} | {sums['missed']} | {sums['false alarms']} | {sums['kept']} |")
    yield ""
    yield "## Checks"
    yield ""
    yield "How many faults change a finding of each check, and to what."
    yield ""
    yield "| check | faults | to |"
    yield "| --- | ---: | --- |"
    changed = _changed(run)
    for check in sorted(run.checks):
        faults, statuses = changed.get(check, (0, ""))
        yield f"| {check} | {faults} | {statuses or UNCHANGED.get(check, '')} |"
    yield ""
    yield "## Faults"
    yield ""
    yield "| fault | detected | missed | false alarms | kept | unsteady | s |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for one in _sorted(run):
        yield (
            f"| {one.trial.name} | {len(one.detected)} | {len(one.missed)} | {len(one.false_alarms)} | "
            f" {one.kept.total()} | {len(one.unsteady) or ''} | {one.seconds:.1f} |"
        )
    odd = [
        f"- {one.trial.name}, {kind}: {said}"
        for one in _sorted(run)
        for kind, every in (
            ("missed", one.missed), ("false alarm", one.false_alarms), ("unsteady", one.unsteady), ("noise", one.noise)
        )
        for said in every
    ]  # fmt: skip
    if odd:
        yield ""
        yield "## What was not as it should be, or not at once"
        yield ""
        yield from odd


def _sorted(run: Run) -> list[Tried]:
    return sorted(run.tried, key=lambda one: one.trial.at)


def _sections(run: Run) -> dict[str, Counter[str]]:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for one in run.tried:
        for kind, every in (("detected", one.detected), ("missed", one.missed), ("false alarms", one.false_alarms)):
            for saw in every:
                sums[saw.section][kind] += 1
        for section, kept in one.kept.items():
            sums[section]["kept"] += kept
    return dict(sorted(sums.items()))


def _changed(run: Run) -> dict[str, tuple[int, str]]:
    """By check: how many trials changed a finding of it, and to what."""
    trials: dict[str, set[str]] = defaultdict(set)
    to: dict[str, set[str]] = defaultdict(set)
    for one in run.tried:
        for saw in one.detected:
            if saw.status != saw.usual:
                trials[saw.check].add(one.trial.name)
                to[saw.check].add(f"{saw.status} {saw.why}".strip())
    return {check: (len(names), ", ".join(sorted(to[check]))) for check, names in trials.items()}


def unchanged(run: Run) -> dict[str, str]:
    """Checks that no trial changed, and why not."""
    return {check: UNCHANGED.get(check, "no fault does") for check in sorted(run.checks - _changed(run).keys())}
