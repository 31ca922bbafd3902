"""The connectivity table as a firewall request: the planned edges, merged into lines that a network team can act on.

With a report, only what its evidence shows to be blocked on the way is asked for, from the addresses that were seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import groupby
from urllib.parse import urlsplit

from readiness_schemas.report import FindingDocument, ReportDocument

from readiness.model import Cause, Outcome, TargetKind
from readiness.plan import Instance, Plan
from readiness.probes.listener import CallPort, PortProof
from readiness.probes.tcp import DialTcp, TcpPath
from readiness.rejudge import Record
from readiness.site import Absent, Bootstrap, Engine, GenesysCloud, Prometheus, Site

SSH_PORT = 22
_TABLE = "connectivity."
_IMPLIED = "bootstrap.ssh"


class Group(StrEnum):
    """Whose connections they are."""

    COMPONENTS = "EXEC VMs"
    BOOTSTRAP = "Bootstrap VM"
    PROMETHEUS = "Prometheus"
    AUDITOR = "Auditor"
    JUMP_HOST = "Jump host"
    OTHER = "Other"


class Direction(StrEnum):
    """Seen from the VMs that carry EXEC's components."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    INTERNAL = "internal"


class State(StrEnum):
    """``REQUESTED``: nobody has tried it. ``BLOCKED``: a run saw it blocked. ``FULFILLED``: it was, and is no more."""

    REQUESTED = "requested"
    BLOCKED = "blocked"
    FULFILLED = "fulfilled"


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of a connection.

    ``address`` is what the site file declares, which may be a name; ``None`` where it declares nothing. ``seen`` are
    the addresses that a run saw it have.
    """

    name: str
    address: str | None
    role: str = ""
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One planned connection over TCP; ``finding`` is empty for the audit's own, which no check judges."""

    finding: str
    group: Group
    source: End
    destination: End
    port: int
    service: str
    direction: Direction
    purpose: str
    state: State = State.REQUESTED
    observed: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the request: all sources of one group that need one port of one destination."""

    state: State
    source_group: str
    sources: tuple[End, ...]
    destination: End
    port: int
    service: str
    direction: Direction
    purposes: tuple[str, ...]
    findings: tuple[str, ...]
    observed: tuple[str, ...]
    protocol: str = "TCP"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A whole request; ``notes`` are what a reader has to know beside its lines."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def request(plan: Plan) -> Request:
    """Ask for every connection that a site needs, tried or not."""
    table = _Table(plan)
    flows = [*table.flows.values(), *_audit(plan.site)]
    return Request(lines=merged(flows), notes=(*table.notes, *_standing_notes(plan.site)))


def request_of_blocked(plan: Plan, document: ReportDocument, earlier: ReportDocument | None = None) -> Request:
    """Ask for what a report saw blocked on the way; what ``earlier`` saw blocked and now passes is marked fulfilled.

    Without ``earlier`` whatever the report calls fixed counts as fulfilled.
    """
    table = _Table(plan)
    now = {finding["id"]: finding for finding in document["findings"]}
    then = None if earlier is None else {finding["id"]: finding for finding in earlier["findings"]}
    record = Record(document)
    flows: list[Flow] = []
    for instance in table.edges:
        finding = now.get(instance.id)
        if finding is None:
            continue
        if blocked(finding):
            flows.append(_as_seen(table.flows[instance.id], instance, finding, record, State.BLOCKED))
        elif finding["status"] == "pass" and _was_blocked(finding, then):
            flows.append(_as_seen(table.flows[instance.id], instance, finding, record, State.FULFILLED))
    return Request(lines=merged(flows), notes=tuple(_notes_of_run(table, document, flows)))


def blocked(finding: FindingDocument) -> bool:
    """Whether a finding's evidence shows that something on the way stops the connection.

    A path that works by turns (a warning of the lane ``route``) is no matter of rules.
    """
    if finding["status"] == "fail" or finding["obligation"] == "optional":
        return finding["status"] in {"fail", "warn"} and finding["lane"] in {"firewall", "route"}
    return finding["status"] == "warn" and finding["lane"] == "firewall"


def merged(flows: Iterable[Flow]) -> tuple[Line, ...]:
    """One line for each state, source group, destination and port, in the order of their first connection."""
    grouped: dict[tuple[State, Group, str, str | None, int], list[Flow]] = {}
    for flow in flows:
        key = (flow.state, flow.group, flow.destination.name, flow.destination.address, flow.port)
        grouped.setdefault(key, []).append(flow)
    return tuple(_line(alike) for alike in grouped.values())


def _line(alike: Sequence[Flow]) -> Line:
    first = alike[0]
    sources = {flow.source.name: flow.source for flow in alike}
    roles = dict.fromkeys(flow.source.role for flow in alike if flow.source.role)
    seen = dict.fromkeys(address for flow in alike for address in flow.destination.seen)
    return Line(
        state=first.state,
        source_group=", ".join(roles) or first.group.value,
        sources=tuple(sources.values()),
        destination=replace(first.destination, seen=tuple(seen)),
        port=first.port,
        service=first.service,
        direction=first.direction,
        purposes=tuple(dict.fromkeys(flow.purpose for flow in alike)),
        findings=tuple(dict.fromkeys(flow.finding for flow in alike if flow.finding)),
        observed=tuple(dict.fromkeys(flow.observed for flow in alike if flow.observed)),
    )


class _Table:
    """The planned edges of the connectivity table and of what it implies."""

    def __init__(self, plan: Plan) -> None:
        self.site = plan.site
        self._rows = [
            instance
            for instance in plan.instances
            if instance.check.requirement.id.startswith(_TABLE) or instance.check.requirement.id == _IMPLIED
        ]

    @cached_property
    def edges(self) -> tuple[Instance, ...]:
        """What is planned: a row that the site does not plan is settled as a skip."""
        return tuple(
            instance
            for instance in self._rows
            if instance.target.kind is TargetKind.EDGE
            and instance.target.port is not None
            and not (instance.settled is not None and instance.settled.outcome is Outcome.SKIP)
        )

    @cached_property
    def flows(self) -> Mapping[str, Flow]:
        """Each planned edge by its finding's id."""
        return {instance.id: self._flow(instance) for instance in self.edges}

    @property
    def notes(self) -> Iterator[str]:
        """What the site file leaves out, so that lines are missing or unfinished."""
        for instance in self._rows:
            reason = instance.settled.reason if instance.settled is not None else None
            missing = reason is not None and reason.code is Cause.UNDECLARED
            if missing and instance.target.kind is not TargetKind.EDGE and reason is not None:
                yield f"{instance.check.requirement.id} has no line: {reason.detail}."
        ends = {end.name: end for flow in self.flows.values() for end in (flow.source, flow.destination)}
        for end in ends.values():
            if end.address is None:
                yield f"{end.name} has no address in the site file yet."

    def _flow(self, instance: Instance) -> Flow:
        target = instance.target
        assert target.port is not None
        source = self._machines.get(target.source or "", End(name=target.source or "", address=None))
        shown = target.name.partition("->")[2].rpartition(":")[0].strip("[]")
        machine = self._machines.get(shown)
        address = target.host if machine is None or machine.address is not None else None
        destination = replace(machine, address=address) if machine is not None else End(name=shown, address=target.host)
        return Flow(
            finding=instance.id,
            group=_GROUPS.get(source.role, Group.COMPONENTS if source.role else Group.OTHER),
            source=replace(source, role="") if source.role in _GROUPS else source,
            destination=destination,
            port=target.port,
            service=_service(instance.check.requirement.id, self.site),
            direction=self._direction(source, destination),
            purpose=instance.check.requirement.text,
        )

    def _direction(self, source: End, destination: End) -> Direction:
        carriers = {vm.name for vm in self.site.vms}
        if destination.name not in carriers:
            return Direction.OUTBOUND
        return Direction.INTERNAL if source.name in carriers else Direction.INBOUND

    @cached_property
    def _machines(self) -> Mapping[str, End]:
        found = {vm.name: End(name=vm.name, address=vm.address, role=vm.role.label) for vm in self.site.vms}
        bootstrap, prometheus = self.site.bootstrap, self.site.monitoring.prometheus
        if isinstance(bootstrap, Bootstrap):
            found[bootstrap.name] = End(name=bootstrap.name, address=bootstrap.host, role=_BOOTSTRAP)
        if isinstance(prometheus, Prometheus):
            found["prometheus"] = End(name="prometheus", address=prometheus.host, role=_PROMETHEUS)
        return found


_BOOTSTRAP, _PROMETHEUS = "bootstrap", "prometheus"
_GROUPS: Mapping[str, Group] = {_BOOTSTRAP: Group.BOOTSTRAP, _PROMETHEUS: Group.PROMETHEUS}


def _service(check: str, site: Site) -> str:
    """What speaks over the connection, as far as the page or the site file says."""
    match check:
        case "connectivity.config-db" if not isinstance(site.config_db, Absent):
            return _over_tls(_ENGINES[site.config_db.engine], site.config_db.tls is not None)
        case "connectivity.redis" if not isinstance(site.redis, Absent):
            return _over_tls("Redis", site.redis.tls is not None)
        case "connectivity.registry" if not isinstance(site.registry, Absent):
            return urlsplit(site.registry.url).scheme.upper()
        case "connectivity.logging" if not isinstance(site.logging, Absent):
            return urlsplit(site.logging.url).scheme.upper()
        case "connectivity.genesys-cloud":
            return "HTTPS"
        case "connectivity.stat-server-primary" | "connectivity.stat-server-backup":
            return "Stat Server"
        case "connectivity.sip-server":
            return "T-Library"
        case "bootstrap.ssh":
            return "SSH"
        case _:
            return "EXEC component"


_ENGINES: Mapping[Engine, str] = {
    Engine.POSTGRESQL: "PostgreSQL",
    Engine.MSSQL: "SQL Server",
    Engine.ORACLE: "Oracle Database",
}


def _over_tls(protocol: str, tls: bool) -> str:
    return f"{protocol} over TLS" if tls else protocol


def _audit(site: Site) -> Iterator[Flow]:
    """SSH of the audit itself, which no row asks for."""
    auditor = End(name="auditor", address=None)
    jumps: set[tuple[str, int]] = set()
    for access in site.access:
        if access.local:
            continue
        machine = End(name=access.name, address=access.host)
        if access.jump is None:
            yield _ssh(Group.AUDITOR, auditor, machine, access.port)
            continue
        jump = End(name=access.jump.host, address=access.jump.host)
        if (jump.name, access.jump.port or SSH_PORT) not in jumps:
            jumps.add((jump.name, access.jump.port or SSH_PORT))
            yield _ssh(Group.AUDITOR, auditor, jump, access.jump.port)
        yield _ssh(Group.JUMP_HOST, jump, machine, access.port)


def _ssh(group: Group, source: End, destination: End, port: int | None) -> Flow:
    return Flow(
        finding="",
        group=group,
        source=source,
        destination=destination,
        port=port or SSH_PORT,
        service="SSH",
        direction=Direction.INBOUND,
        purpose="The readiness audit logs in; needed only while auditing.",
    )


def _as_seen(flow: Flow, instance: Instance, finding: FindingDocument, record: Record, state: State) -> Flow:
    """A connection with the addresses that the run saw at its ends."""
    path = _path(instance, record)
    sources = _told_source(finding) if path is None else path.sources
    addresses: tuple[str, ...] = ()
    if path is not None:
        failing = tuple(one.address for one in path.failing)
        addresses = failing if state is State.BLOCKED else path.addresses
    return replace(
        flow,
        state=state,
        source=replace(flow.source, seen=sources),
        destination=replace(flow.destination, seen=addresses),
        observed=finding["observed"],
    )


def _path(instance: Instance, record: Record) -> TcpPath | None:
    """The connects that decided an edge: the source's own dial, or its call to the port that was held for it."""
    for probe in instance.probes:
        if isinstance(probe, DialTcp | CallPort):
            match record.reading(probe).fact:
                case TcpPath() as path:
                    return path
                case PortProof(calls=calls):
                    return next((call.path for call in calls if call.source == instance.target.source), None)
    return None


def _told_source(finding: FindingDocument) -> tuple[str, ...]:
    """The source address as the evidence words it, for paths that were proven in another way than by connects alone."""
    for piece in finding["evidence"]:
        if piece["label"] == "Source address":
            return tuple(address.strip() for address in piece["value"].partition(";")[0].split(","))
    return ()


def _was_blocked(finding: FindingDocument, then: Mapping[str, FindingDocument] | None) -> bool:
    if then is None:
        return finding["change"] == "fixed"
    return finding["id"] in then and blocked(then[finding["id"]])


def _standing_notes(site: Site) -> Iterator[str]:
    if site.access:
        yield "auditor is the machine that readiness runs on; its address is not in the site file."
    yield (
        "Every VM needs DNS (UDP and TCP 53) and NTP (UDP 123) as well. The site file does not say from which servers, "
        "so no line stands for them."
    )
    cloud = site.genesys_cloud
    if isinstance(cloud, GenesysCloud):
        yield f"The addresses of {cloud.login.host} and {cloud.api.host} change: allow them by name."
        if cloud.proxy is not None:
            yield (
                "The page's way to Genesys Cloud is direct. The site file declares a proxy as well, for which no line "
                "stands here."
            )
    yield "Connections are set up from the source; answers return on the same connection."


def _notes_of_run(table: _Table, document: ReportDocument, flows: Sequence[Flow]) -> Iterator[str]:
    run = document["run"]
    yield f"This is what run {run['id']} of {run['started_at'][:16].replace('T', ' ')} UTC saw from the VMs themselves."
    if run["rejudged_from"] is not None:
        yield "That report was judged again from a record and proves nothing."
    found = {finding["id"]: finding for finding in document["findings"]}
    absent = [instance.id for instance in table.edges if instance.id not in found]
    if absent:
        yield f"Connections of the site file that are not in that report: {', '.join(_by_check(absent))}."
    undecided = [each.id for each in table.edges if each.id in found and found[each.id]["status"] == "unknown"]
    if undecided:
        yield f"Connections that could not be judged, and are not asked for: {', '.join(_by_check(undecided))}."
    for flow in {flow.source.name: flow for flow in flows}.values():
        seen, declared = flow.source.seen, flow.source.address
        if seen and declared is not None and declared not in seen and declared[:1].isdigit():
            yield (
                f"{flow.source.name} was seen to connect from {', '.join(seen)}, while the site file declares "
                f"{declared}: rules have to name the address that was seen."
            )


def _by_check(findings: Sequence[str]) -> Iterator[str]:
    """Ids as one line tells them: several of one check are counted."""
    for check, group in groupby(findings, key=lambda finding: finding.partition("[")[0]):
        alike = list(group)
        yield alike[0] if len(alike) == 1 else f"{check} ({len(alike)})"
