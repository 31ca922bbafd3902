"""What a person sees while an audit runs: machines and questions progressing, or plain lines."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import typer
from readiness_reports.words import clean

from readiness.gather import Event, HostEvent, ProbeEvent
from readiness.plan import Plan
from readiness.probe import Probe

if TYPE_CHECKING:
    from rich.console import Console, Group


class View(Protocol):
    """Watches one audit; used as a context manager around it."""

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def on_event(self, event: Event) -> None: ...


class PlainView:
    """One line for each machine as it answers or does not; for logs and pipes."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._since = time.monotonic()

    def __enter__(self) -> PlainView:
        plan = self._plan
        self._say(
            f"Auditing {plan.site.name}: {len(plan.requirements)} requirements, {len(plan.instances)} findings, "
            f"{len(plan.probes)} questions."
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._say(f"Asked everything in {time.monotonic() - self._since:.1f} s.")

    def on_event(self, event: Event) -> None:
        if isinstance(event, HostEvent) and event.state != "connecting":
            self._say(f"{event.name}: " + ("connected" if event.state == "ready" else f"not reached: {event.detail}"))

    def _say(self, text: str) -> None:
        typer.echo(clean(text))


class LiveView:
    """A table of machines with the questions asked of each, redrawn in place while the audit runs."""

    def __init__(self, console: Console, plan: Plan) -> None:
        from rich.live import Live

        self._plan = plan
        self._since = time.monotonic()
        self._hosts: dict[str, HostEvent] = {}
        self._asked: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        for probe in plan.probes:
            for name in probe.vantages:
                self._hosts.setdefault(name, HostEvent(name, "connecting"))
                self._asked[name] += 1
        self._open: Counter[str] = Counter()
        self._waiting: dict[Probe[object], list[str]] = {}
        for instance in plan.instances:
            for probe in set(instance.probes):
                self._open[instance.id] += 1
                self._waiting.setdefault(probe, []).append(instance.id)
        self._decided = len(plan.instances) - len(self._open)
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=10, transient=True, redirect_stderr=False
        )

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def on_event(self, event: Event) -> None:
        match event:
            case HostEvent():
                self._hosts[event.name] = event
            case ProbeEvent(state="answered"):
                for name in event.probe.vantages:
                    self._answered[name] += 1
                    self._unread[name] += event.reason is not None
                for waiting in self._waiting.pop(event.probe, ()):
                    self._open[waiting] -= 1
                    self._decided += not self._open[waiting]

    def _picture(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        title = (
            f"Auditing {clean(self._plan.site.name)}: {self._decided} of {len(self._plan.instances)} findings decided, "
            f"{time.monotonic() - self._since:.0f} s"
        )
        table = Table(box=None, padding=(0, 2))
        for column in ("machine", "state", "answers", ""):
            table.add_column(column, style="dim" if not column else "")
        for name, event in sorted(self._hosts.items(), key=lambda item: self._order(item[0])):
            mark, style = {"ready": ("✓ connected", "green"), "lost": ("✗ not reached", "bold red")}.get(
                event.state, ("… connecting", "dim")
            )
            unread = self._unread[name]
            table.add_row(
                clean(name),
                Text(mark, style=style),
                f"{self._answered[name]}/{self._asked[name]}" + (f", {unread} without one" if unread else ""),
                Text(clean(event.detail), overflow="ellipsis", no_wrap=True),
            )
        return Group(Text(title, style="bold"), table)

    def _order(self, name: str) -> int:
        names = [vm.name for vm in self._plan.site.vms]
        return names.index(name) if name in names else len(names)
