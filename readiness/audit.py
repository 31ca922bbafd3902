"""An audit: what is planned is asked, judged and reported."""

from __future__ import annotations

import asyncio
import getpass
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from readiness_schemas.report import ReportDocument

from readiness.gather import AFTERWARDS, Event, gather, longest, unwatched
from readiness.overlay import Notice
from readiness.plan import Plan
from readiness.report import Run, assemble
from readiness.secret import Redactor, Secret, SecretError, SecretRef, resolve
from readiness.site import Site
from readiness.threads import Unawaited
from readiness.vantage import Turns, open_vantages

_PARTING = 2.0
_GRACE = 0.5
"""Seconds by which the whole asking may outlast its longest chain of limits: each of these ends with its own reason."""


async def audit(
    plan: Plan,
    *,
    deadline: float | None = None,
    stop: asyncio.Event | None = None,
    baseline: ReportDocument | None = None,
    on_event: Callable[[Event], None] = unwatched,
    turns: Turns | None = None,
) -> ReportDocument:
    """Carry out a plan and give back its report document, without its digest.

    ``deadline``: seconds for the asking; without one, and where no ``turns`` are shared, the audit ends within
    ``gather.longest``. ``stop``: set it to end early; what was found is reported, the rest is ``unknown``,
    ``cancelled``. ``turns`` at SSH servers are shared by audits that go on at the same time.
    """
    started_at, since = datetime.now(UTC), time.monotonic()
    asyncio.get_running_loop().set_default_executor(Unawaited())
    site = plan.site
    redact = Redactor()
    known, trouble = await _secrets(site, redact)
    vantages = await open_vantages(
        site.access,
        limits=site.limits,
        secrets=known,
        redact=redact,
        exec_allowed=site.probing.exec,
        turns=turns,
    )
    if deadline is None and turns is None:
        deadline = longest(plan) - AFTERWARDS + _GRACE - (time.monotonic() - since)
    try:
        gathered = await gather(plan, vantages, deadline=deadline, stop=stop, on_event=on_event)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await vantages.close()
    run = Run(started_at=started_at, finished_at=datetime.now(UTC), auditor=auditor(), gathered=gathered)
    return assemble(plan, run, notices=trouble, baseline=baseline)


async def _secrets(site: Site, redact: Redactor) -> tuple[Mapping[SecretRef, Secret], tuple[Notice, ...]]:
    known: dict[SecretRef, Secret] = {}
    trouble: list[Notice] = []

    async def fetch(ref: SecretRef, users: tuple[str, ...]) -> None:
        try:
            secret = await asyncio.to_thread(resolve, ref)
        except SecretError as error:
            trouble.append(Notice("secret", f"A secret is missing: {error}."))
        else:
            redact.learn(secret, users=users)
            known[ref] = secret

    await asyncio.gather(*(fetch(ref, users) for ref, users in site.secrets.items()))
    return known, tuple(sorted(trouble, key=lambda notice: notice.text))


def auditor() -> str:
    """Who audits, and on which machine: `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
