"""``readiness audit`` of several site files: all at the same time, a report of each, and an index of all."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from readiness_reports import as_json, as_portfolio_text
from readiness_reports.as_text import paint
from readiness_reports.portfolio import portfolio, result
from readiness_schemas.portfolio import EntryDocument, PortfolioDocument, ResultDocument
from readiness_schemas.report import ReportDocument

from readiness import __version__
from readiness.audit import audit, auditor
from readiness.cli.audit import REPORTS, WORST_FIRST, Call, baseline_of, code_of, interrupting, own_folder, stamp
from readiness.cli.console import console
from readiness.cli.live_portfolio import LivePortfolio, PlainPortfolio, PortfolioView
from readiness.cli.reports import FORMATS, prepare, write, write_index
from readiness.gather import longest
from readiness.plan import Plan
from readiness.vantage import HostAccess, Turns
from readiness.vantage.turns import AT_ONE_SERVER

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one site, and the exit code that this is worth."""

    entry: EntryDocument
    code: int


def several(plans: Sequence[Plan], call: Call, formats: Sequence[str]) -> int:
    """Audit several sites, write a report of each and an index of all; the worst exit code."""
    started_at = datetime.now(UTC)
    audits = _Audits(plans, call, formats, started_at)
    outcomes = asyncio.run(audits.everything())
    index = portfolio(
        [outcome.entry for outcome in outcomes],
        tool={"name": "readiness", "version": __version__},
        auditor=auditor(),
        started_at=started_at,
        finished_at=datetime.now(UTC),
    )
    _told(index, write_index(index, _index_folder(call, started_at)))
    codes = {outcome.code for outcome in outcomes} | ({130} if audits.interrupted else set())
    return next(code for code in WORST_FIRST if code in codes)


class _Audits:
    """All audits of one command. Nothing that goes wrong with one of them goes further than its own site."""

    def __init__(self, plans: Sequence[Plan], call: Call, formats: Sequence[str], started_at: datetime) -> None:
        self._plans = plans
        self._call = call
        self._formats = formats
        self._started_at = started_at
        self._turns = Turns()
        self._stop = asyncio.Event()
        self._at_once = asyncio.Semaphore(call.at_once)
        self._machines: dict[tuple[str, ...], asyncio.Lock] = {}
        self._drawing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drawing")

    @property
    def interrupted(self) -> bool:
        return self._stop.is_set()

    async def everything(self) -> Sequence[Outcome]:
        """The outcome of every site, in the order of the files."""
        outcomes: dict[str, Outcome] = {}
        with interrupting(self._stop), self._drawing, _view(self._plans) as view:
            self._drawing.submit(prepare, self._formats)
            tasks = {asyncio.ensure_future(self._audited(plan, view)): plan for plan in self._plans}
            waiting = set(tasks)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    outcome = outcomes[tasks[task].site.slug] = _outcome(tasks[task], task)
                    view.ended(outcome.entry)
        return [outcomes[plan.site.slug] for plan in self._plans]

    async def _audited(self, plan: Plan, view: PortfolioView) -> Outcome:
        site, call = plan.site, self._call
        async with self._alone_at(_machines(plan)), self._at_once:
            if self._stop.is_set():
                return Outcome(
                    entry=_entry(plan, trouble="Not audited: the run was interrupted before its turn."), code=130
                )
            view.begun(plan)
            folder = self._folder(plan)
            baseline = await self._aside(partial(baseline_of, call.baseline, site, folder, alone=call.out is None))
            document = await audit(
                plan,
                deadline=call.timeout or self._bound(plan),
                stop=self._stop,
                baseline=baseline,
                on_event=partial(view.on_event, site.slug),
                turns=self._turns,
            )
            await self._aside(partial(_written, document, self._formats, folder))
        return Outcome(entry=_entry(plan, result=result(document, self._way(folder))), code=code_of(document, call))

    def _bound(self, plan: Plan) -> float:
        """Seconds after which an audit ends at the latest, with its wait for turns at servers that others use too."""
        logins = 2 * len(plan.site.access) * self._call.at_once
        return longest(plan) + plan.site.limits.ssh * logins / AT_ONE_SERVER

    def _way(self, folder: Path) -> str:
        """From the index to a site's report, as a relative URL."""
        report = folder / FORMATS["html" if "html" in self._formats else "json"]
        return quote(Path(os.path.relpath(report, _index_folder(self._call, self._started_at))).as_posix())

    async def _aside(self, work: Callable[[], T]) -> T:
        """Read or write files in the one thread for it, while the machines are heard here."""
        return await asyncio.get_running_loop().run_in_executor(self._drawing, work)

    def _folder(self, plan: Plan) -> Path:
        out = self._call.out
        return Path(out) / plan.site.slug if out is not None else own_folder(plan.site, self._started_at)

    @asynccontextmanager
    async def _alone_at(self, machines: Sequence[tuple[str, ...]]) -> AsyncIterator[None]:
        """Have some machines for one site: two that hold and call the ports of one machine would meet each other."""
        async with AsyncExitStack() as held:
            for machine in machines:
                await held.enter_async_context(self._machines.setdefault(machine, asyncio.Lock()))
            yield


def _outcome(plan: Plan, task: asyncio.Future[Outcome]) -> Outcome:
    """What an audit left; one that failed says so by its error's kind, and in full only where no secret can be."""
    error = task.exception()
    match error:
        case None:
            return task.result()
        case BrokenPipeError():
            raise error
        case _ if os.environ.get("READINESS_TRACEBACK"):
            traceback.print_exception(error)
    told = f": {error}" if isinstance(error, OSError) else "; READINESS_TRACEBACK=1 shows where"
    return Outcome(entry=_entry(plan, trouble=f"readiness itself failed: {type(error).__name__}{told}"), code=4)


def _machines(plan: Plan) -> Sequence[tuple[str, ...]]:
    """The EXEC machines of a site, by the way to them, in one order for all sites; others may be shared."""
    own = {vm.name for vm in plan.site.vms}
    return sorted({_way(access) for access in plan.site.access if access.name in own})


def _way(access: HostAccess) -> tuple[str, ...]:
    if access.local:
        return ()
    through = () if access.jump is None else (access.jump.host, str(access.jump.port or ""))
    return (access.host, str(access.port or ""), *through)


def _written(document: ReportDocument, formats: Sequence[str], folder: Path) -> None:
    as_json.seal_digest(document)
    write(document, formats, folder)


def _entry(plan: Plan, *, result: ResultDocument | None = None, trouble: str | None = None) -> EntryDocument:
    site = plan.site
    return EntryDocument(
        name=site.name,
        slug=site.slug,
        file=str(site.path),
        environment=site.environment.value,
        change_ticket=site.change_ticket,
        result=result,
        trouble=trouble,
    )


def _index_folder(call: Call, started_at: datetime) -> Path:
    return Path(call.out) if call.out is not None else REPORTS / "portfolio" / stamp(started_at)


def _view(plans: Sequence[Plan]) -> PortfolioView:
    screen = console()
    return LivePortfolio(screen, plans) if screen.is_terminal else PlainPortfolio(screen, plans)


def _told(index: PortfolioDocument, written: Sequence[Path]) -> None:
    paint(console(), as_portfolio_text.lines(index))
    console().print()
    for path in written:
        console().print(f"Index: {path}", soft_wrap=True)
