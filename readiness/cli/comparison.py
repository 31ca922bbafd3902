"""A comparison of two reports, as a terminal, a ticket or a script reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from readiness_reports import as_text, words
from readiness_reports.as_markdown import code, prose
from readiness_reports.as_text import MARKS, STYLES, Line
from readiness_reports.words import clean
from readiness_schemas.report import ReportDocument
from rich.text import Text

from readiness.compare import Comparison, Continuity, Kind, Machine, Seen, Side, Step, compare_runs

TITLES: Mapping[Kind, str] = {
    Kind.REGRESSED: "Regressed",
    Kind.FIXED: "Fixed",
    Kind.NEW: "New",
    Kind.GONE: "Gone",
    Kind.CHANGED: "Changed value",
    Kind.STILL_OPEN: "Still open",
}
"""What is told finding by finding; what is unchanged or was left out is only counted."""


class Compared:
    """Two reports of a site and what differs between them."""

    def __init__(self, before: ReportDocument, after: ReportDocument) -> None:
        self.before = before
        self.after = after
        self.comparison: Comparison = compare_runs(
            Side(before["findings"], before["observations"]), Side(after["findings"], after["observations"])
        )

    @property
    def regressed(self) -> bool:
        return bool(self.comparison.of(Kind.REGRESSED))

    def caveats(self) -> Iterator[str]:
        """What a reader has to know before believing the differences."""
        before, after = self.before, self.after
        if before["site"]["slug"] != after["site"]["slug"]:
            yield f"These are two sites: {before['site']['name']} and {after['site']['name']}."
        if before["run"]["started_at"] > after["run"]["started_at"]:
            yield "The second report is of the earlier run."
        if before["page"]["revision"] != after["page"]["revision"]:
            revisions = f"{before['page']['revision']} and {after['page']['revision']}"
            yield f"They judge by two revisions of the page, {revisions}: not every difference is the site's."
        if before["site"]["capacity"] != after["site"]["capacity"]:
            yield "They are for two capacities: not every difference is the site's."
        for which, document in (("first", before), ("second", after)):
            for caveat in words.caveats(document):
                yield f"The {which} report: {caveat}."
        for machine in self.comparison.rebuilt:
            yield (
                f"{machine.name} is not the machine that it was: {machine.why}. What passed there before counts for "
                "nothing; its findings stand on the second report alone."
            )

    def asides(self) -> Iterator[str]:
        """What else became of the machines."""
        for found, said in ((Continuity.RESTARTED, "was restarted"), (Continuity.UNTOLD, "may be another machine")):
            machines = [machine for machine in self.comparison.machines if machine.continuity is found]
            by_reason: dict[str, list[Machine]] = {}
            for machine in machines:
                by_reason.setdefault(machine.why, []).append(machine)
            for why, alike in by_reason.items():
                plural = said.replace("was", "were").replace("may be another machine", "may be other machines")
                yield f"{words.joined(each.name for each in alike)} {said if len(alike) == 1 else plural}: {why}."

    def rest(self) -> str:
        """How many findings are not told one by one."""
        unchanged, left_out = (len(self.comparison.of(kind)) for kind in (Kind.UNCHANGED, Kind.LEFT_OUT))
        parts = [f"{words.count(unchanged, 'finding')} unchanged"]
        if left_out:
            parts.append(f"{left_out} left out of one of the runs and not compared")
        return f"{', '.join(parts)}."


def as_json(compared: Compared) -> str:
    """The whole comparison for a script."""
    comparison = compared.comparison
    document = {
        "before": _run(compared.before),
        "after": _run(compared.after),
        "regressed": compared.regressed,
        "counts": {kind.value: len(comparison.of(kind)) for kind in Kind},
        "caveats": list(compared.caveats()),
        "machines": [
            {"name": machine.name, "continuity": machine.continuity.value, "why": machine.why}
            for machine in comparison.machines
        ],
        "findings": {kind.value: [_step(step) for step in comparison.of(kind)] for kind in Kind},
    }
    return json.dumps(document, indent=2) + "\n"


def _run(document: ReportDocument) -> Mapping[str, object]:
    return {
        "site": document["site"]["slug"],
        "run_id": document["run"]["id"],
        "started_at": document["run"]["started_at"],
        "page": document["page"]["revision"],
        "verdict": document["verdict"],
        "score": document["score"]["value"],
    }


def _step(step: Step) -> Mapping[str, object]:
    def seen(one: Seen | None) -> Mapping[str, object] | None:
        if one is None:
            return None
        return {"status": one.status, "observed": one.observed, "settled": one.settled or None}

    return {"id": step.id, "before": seen(step.before), "after": seen(step.after), "rebuilt": list(step.rebuilt)}


def as_lines(compared: Compared) -> Iterator[Line]:
    """The comparison for a terminal."""
    before, after = compared.before, compared.after
    when = f"{words.minute(before['run']['started_at'])} -> {words.minute(after['run']['started_at'])}"
    yield Line(Text.assemble((clean(after["site"]["name"]), "bold"), "  ", (when, "dim")))
    yield Line(Text.assemble(_verdict(before), ("  ->  ", "dim"), _verdict(after)), indent=2)
    for caveat in compared.caveats():
        yield Line(Text(clean(caveat), style="bold red"), indent=2)
    for aside in compared.asides():
        yield Line(Text(clean(aside), style="dim"), indent=2)
    for kind, title in TITLES.items():
        steps = compared.comparison.of(kind)
        if steps:
            yield Line(Text())
            yield Line(Text(f"{title} ({len(steps)})", style="bold red" if kind is Kind.REGRESSED else "bold"))
        for step in steps:
            yield from _told(step)
    yield Line(Text())
    yield Line(Text(compared.rest(), style="dim"))


def _verdict(document: ReportDocument) -> Text:
    value = f", score {words.score(document['score']['value'])}"
    verdict = document["verdict"]
    return Text.assemble((words.VERDICTS[verdict], as_text.VERDICT_STYLES[verdict]), value)


def _told(step: Step) -> Iterator[Line]:
    now = step.after or step.before
    assert now is not None
    moved = Text(clean(step.id) + "  ")
    if _status(step.before) != _status(step.after):
        moved.append_text(_status(step.before)).append(" -> ", style="dim")
    moved.append_text(_status(step.after))
    if step.rebuilt:
        moved.append(f"  [rebuilt: {', '.join(step.rebuilt)}]", style="yellow")
    yield Line(Text.assemble((f"{MARKS[now.status]} ", STYLES[now.status]), moved), indent=2, hang=2)
    before, after = step.before, step.after
    same = before is not None and after is not None and before.observed == after.observed
    for label, seen in (("seen", after),) if same else (("before", before), ("now", after)):
        if seen is not None and seen.observed:
            shown = " ".join(clean(seen.observed).split())
            yield Line(Text(f"{label:<8}{shown}", style="dim"), indent=6, hang=8)


def _status(seen: Seen | None) -> Text:
    if seen is None:
        return Text("absent", style="dim")
    settled = f" ({seen.settled})" if seen.settled else ""
    return Text(f"{seen.status}{settled}", style=STYLES[seen.status])


def as_markdown(compared: Compared) -> str:
    """The comparison as a ticket's comment."""
    return "\n".join(_markdown(compared)) + "\n"


def _markdown(compared: Compared) -> Iterator[str]:
    before, after = compared.before, compared.after
    yield f"# {prose(after['site']['name'])}: what changed"
    yield ""
    for name, document in (("Before", before), ("Now", after)):
        verdict, value = words.VERDICTS[document["verdict"]], words.score(document["score"]["value"])
        run = f"{words.minute(document['run']['started_at'])}, run {code(document['run']['id'])}"
        yield f"- **{name}:** {verdict}, score {value} ({run})"
    said = [*compared.caveats(), *compared.asides()]
    if said:
        yield ""
        yield from (f"> - {prose(each)}" for each in said)
    for kind, title in TITLES.items():
        steps = compared.comparison.of(kind)
        if not steps:
            continue
        yield ""
        yield f"## {title} ({len(steps)})"
        yield ""
        yield "| finding | before | now |"
        yield "| --- | --- | --- |"
        for step in steps:
            rebuilt = f" (rebuilt: {prose(', '.join(step.rebuilt))})" if step.rebuilt else ""
            yield f"| {prose(step.id)}{rebuilt} | {_cell(step.before)} | {_cell(step.after)} |"
    yield ""
    yield prose(compared.rest())


def _cell(seen: Seen | None) -> str:
    if seen is None:
        return "absent"
    settled = f", {seen.settled}" if seen.settled else ""
    return f"`{seen.status}`{settled}" + (f" {prose(seen.observed)}" if seen.observed else "")
