"""``readiness size``."""

from __future__ import annotations

from readiness_reports.as_text import Line, paint
from rich.text import Text

from readiness.cli.console import console
from readiness.site import DEFAULT_PAGE
from readiness.sizing import redis_memory


def size(agents: int, caps: float) -> int:
    """Say how much Redis memory is needed, and why."""
    need = redis_memory(DEFAULT_PAGE, agents, caps)
    paint(console(), [Line(Text(row)) for row in need.explain().splitlines()])
    return 0
