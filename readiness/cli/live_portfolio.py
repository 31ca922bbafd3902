"""What a person sees while several sites are audited: those at work, and a line for each that is done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from readiness_reports import as_portfolio_text
from readiness_reports.words import clean
from readiness_schemas.portfolio import EntryDocument

from readiness.gather import Event, HostEvent, ProbeEvent
from readiness.plan import Plan

if TYPE_CHECKING:
    from rich.console import Console, Group


class PortfolioView(Protocol):
    """Watches several audits; used as a context manager around them. A site is told apart by its slug."""

    def __enter__(self) -> PortfolioView: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begun(self, plan: Plan) -> None: ...

    def on_event(self, slug: str, event: Event) -> None: ...

    def ended(self, entry: EntryDocument) -> None: ...


class PlainPortfolio:
    """One line for each machine as it answers or does not, and for each site as it is done; for logs and pipes."""

    def __init__(self, console: Console, plans: Sequence[Plan]) -> None:
        self._console = console
        self._plans = plans
        self._since = time.monotonic()

    def __enter__(self) -> PlainPortfolio:
        findings = sum(len(plan.instances) for plan in self._plans)
        questions = sum(len(plan.probes) for plan in self._plans)
        self._say(f"Auditing {len(self._plans)} sites: {findings} findings, {questions} questions.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._say(f"Audited {len(self._plans)} sites in {time.monotonic() - self._since:.1f} s.")

    def begun(self, plan: Plan) -> None:
        self._say(f"{plan.site.slug}: auditing {plan.site.name}, {len(plan.instances)} findings")

    def on_event(self, slug: str, event: Event) -> None:
        if isinstance(event, HostEvent) and event.state != "connecting":
            how = "connected" if event.state == "ready" else f"not reached: {event.detail}"
            self._say(f"{slug}: {event.name} {how}")

    def ended(self, entry: EntryDocument) -> None:
        self._say(f"{entry['slug']}: {as_portfolio_text.said(entry)}")

    def _say(self, text: str) -> None:
        self._console.print(clean(text), markup=False, highlight=False, soft_wrap=True)


@dataclass
class _AtWork:
    """How far one site's audit is."""

    plan: Plan
    since: float = field(default_factory=time.monotonic)
    hosts: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    unread: int = 0


class LivePortfolio:
    """A table of the sites at work, redrawn in place; each site that is done leaves a line above it."""

    def __init__(self, console: Console, plans: Sequence[Plan]) -> None:
        from rich.live import Live

        self._console = console
        self._plans = plans
        self._since = time.monotonic()
        self._at_work: dict[str, _AtWork] = {}
        self._done = 0
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=5, transient=True, redirect_stderr=False
        )

    def __enter__(self) -> LivePortfolio:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begun(self, plan: Plan) -> None:
        self._at_work[plan.site.slug] = _AtWork(plan)

    def on_event(self, slug: str, event: Event) -> None:
        site = self._at_work[slug]
        match event:
            case HostEvent():
                site.hosts[event.state] += 1
            case ProbeEvent(state="answered"):
                site.answered += 1
                site.unread += event.reason is not None

    def ended(self, entry: EntryDocument) -> None:
        self._at_work.pop(entry["slug"], None)
        self._done += 1
        as_portfolio_text.paint_row(self._console, entry)

    def _picture(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        total, seconds = len(self._plans), time.monotonic() - self._since
        waiting = total - self._done - len(self._at_work)
        progress = f"{self._done} done, {len(self._at_work)} at work, {waiting} waiting"
        title = f"Auditing {total} sites: {progress}, {seconds:.0f} s"
        table = Table(box=None, padding=(0, 2))
        for column in ("site", "machines", "answers", "time"):
            table.add_column(column, no_wrap=True)
        for slug, site in self._at_work.items():
            lost = site.hosts["lost"]
            reached = f"{site.hosts['ready']}/{site.hosts['connecting']}" + (f", {lost} not reached" if lost else "")
            answers = f"{site.answered}/{len(site.plan.probes)}" + (
                f", {site.unread} without one" if site.unread else ""
            )
            table.add_row(
                slug,
                Text(reached, style="bold red" if lost else ""),
                answers,
                f"{time.monotonic() - site.since:.0f} s",
            )
        return Group(Text(title, style="bold"), table)
