"""The live view of one audit: it counts what is decided, each question once."""

from __future__ import annotations

import io

from rich.console import Console

from readiness.cli.live import LiveView
from readiness.gather import HostEvent, ProbeEvent
from readiness.plan import plan
from readiness.probe import Probe
from tests.lab.engine import Speaks, site


def test_a_finding_is_decided_once_its_questions_are_answered() -> None:
    """Two machines, a question each: none, one, both findings decided; a second answer counts for nothing."""
    planned = plan(site(), [Speaks])
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with LiveView(console, planned) as view:

        def seen() -> str:
            console.print(view._picture())
            text = out.getvalue()
            out.truncate(0)
            out.seek(0)
            return text

        questions: list[Probe[object]] = sorted(planned.probes, key=lambda probe: probe.key)
        assert "0 of 2 findings decided" in seen()
        view.on_event(HostEvent(questions[0].vantages[0], "ready"))
        view.on_event(ProbeEvent(questions[0], "answered"))
        view.on_event(ProbeEvent(questions[0], "answered"))
        assert "1 of 2 findings decided" in seen()
        view.on_event(ProbeEvent(questions[1], "answered"))
        assert "2 of 2 findings decided" in seen()
