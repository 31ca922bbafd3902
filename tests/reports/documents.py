"""Report documents for tests and for looking at: a realistic site, its variants, and one that means harm."""

# ruff: noqa: E501 (sample prose reads better unbroken)

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from fractions import Fraction
from typing import Any, cast

from readiness_reports import as_json
from readiness_schemas.report import (
    AttestationDocument,
    BeforeDocument,
    BlockerDocument,
    ChangeWord,
    EvidenceDocument,
    FindingDocument,
    ObservationDocument,
    PastRunDocument,
    ReasonDocument,
    ReportDocument,
    RequirementDocument,
    StatusWord,
    StepDocument,
    StepWord,
    VerdictWord,
    WaiverDocument,
)

AT = "2026-11-23T09:14"
WORST_FIRST: tuple[StatusWord, ...] = ("fail", "unknown", "manual", "warn", "pass", "skip")
WEIGHTS = {"mandatory": 10, "recommended": 3, "optional": 1}

CATALOGUE: Mapping[str, tuple[str, str, str, str, str]] = {
    check: (section, obligation, origin, owner, text)
    for section, rows in {
        "Planning": [
            (
                "planning.limitations-reviewed",
                "m",
                "page",
                "deployer",
                "The published limitations were read before planning.",
            )
        ],
        "Redis Cache": [
            ("redis.version", "m", "page", "dba", "The Redis database runs version 6.x."),
            ("redis.edition", "m", "page", "dba", "The Redis database is Redis Enterprise."),
            ("redis.cluster-mode", "m", "page", "dba", "Redis Cluster mode is off."),
            ("redis.memory", "m", "page", "dba", "Redis has room for the planned load."),
            ("redis.outside-docker", "m", "page", "dba", "Redis runs outside the Docker networks."),
            ("redis.scalability", "m", "page", "dba", "Redis can grow with the site."),
            ("redis.resiliency", "m", "page", "dba", "Redis survives the loss of one node."),
            ("redis.data-protection", "m", "page", "dba", "The Redis data is backed up."),
            ("redis.dba-owned", "m", "page", "dba", "The customer's DBA team runs Redis."),
            ("redis.security", "o", "beyond", "dba", "Redis asks for a password and speaks TLS."),
            ("redis.eviction", "o", "beyond", "dba", "Redis never evicts a key to make room."),
            ("redis.latency", "o", "beyond", "dba", "Redis is near every VM."),
        ],
        "Container Registry": [
            ("registry.reachable", "m", "page", "deployer", "A container registry answers."),
            ("registry.images", "m", "page", "deployer", "Every planned image is in the registry."),
            ("registry.trusted-by-vms", "m", "page", "deployer", "Every VM trusts the registry's certificate."),
        ],
        "Virtual Machines": [
            ("vm.roles", "m", "page", "virtualisation", "One EXCS, one EXAS and two EXCP VMs are planned."),
            ("vm.one-component-each", "m", "page", "virtualisation", "Each component has a machine of its own."),
            ("vm.os", "m", "page", "virtualisation", "Every VM runs a 64-bit Linux."),
            ("vm.kernel", "m", "page", "virtualisation", "Every VM's kernel is 4.18 or later."),
            ("vm.cpu", "r", "page", "virtualisation", "Every VM has 2 CPU cores or more."),
            ("vm.memory", "r", "page", "virtualisation", "Every VM has 8 GB of memory or more."),
            ("vm.disk", "r", "page", "virtualisation", "Every VM has 80 GB of disk or more."),
            ("vm.docker", "m", "page", "virtualisation", "A Docker engine of version 20 or later answers on every VM."),
            ("vm.compose", "m", "implied", "virtualisation", "Every VM can run Compose files."),
            ("vm.time-sync", "m", "page", "virtualisation", "The EXAS VM sets its clock at least every 24 hours."),
            ("vm.clock-offset", "o", "beyond", "virtualisation", "Every VM's clock agrees with Genesys Cloud."),
            ("vm.ports-free", "o", "beyond", "virtualisation", "Every component's own port is free on its VM."),
        ],
        "Network": [
            ("network.segment", "m", "page", "network", "All EXEC VMs share one network segment."),
            ("network.interconnect", "m", "page", "network", "Every EXEC VM reaches every other."),
            ("network.name-resolution", "m", "page", "network", "Every VM resolves every name it uses, and alike."),
            ("network.docker-overlap", "o", "beyond", "network", "No Docker network hides an address of the site."),
        ],
        "Connectivity": [
            ("connectivity.config-db", "m", "page", "network", "EXCS reaches the Config DB."),
            ("connectivity.stat-server-primary", "m", "page", "network", "EXAS reaches the primary Stat Server."),
            ("connectivity.stat-server-backup", "m", "page", "network", "EXAS reaches the backup Stat Server."),
            ("connectivity.sip-server", "m", "page", "network", "EXCP reaches every SIP Server."),
            ("connectivity.excs-api", "m", "page", "network", "EXAS and EXCP reach the API of EXCS."),
            ("connectivity.excs-inbound", "m", "page", "network", "EXCS can be reached by EXCP, EXAS and Prometheus."),
            ("connectivity.exas-inbound", "o", "page", "network", "EXAS can be reached by Prometheus."),
            ("connectivity.excp-inbound", "o", "page", "network", "EXCP can be reached by Prometheus."),
            ("connectivity.redis", "m", "page", "network", "Every component reaches Redis."),
            ("connectivity.logging", "o", "page", "network", "Every component reaches the logging solution."),
            ("connectivity.genesys-cloud", "m", "page", "network", "Every component reaches Genesys Cloud."),
            ("connectivity.registry", "m", "implied", "network", "Every VM reaches the registry."),
        ],
        "Bootstrap VM": [
            ("bootstrap.os", "m", "page", "deployer", "The bootstrap VM runs Linux."),
            ("bootstrap.docker", "m", "page", "deployer", "The bootstrap VM has Docker 20 or later."),
            ("bootstrap.python", "m", "page", "deployer", "The bootstrap VM has Python 3.9 or later."),
            ("bootstrap.pip", "m", "page", "deployer", "The bootstrap VM has pip3."),
            ("bootstrap.ssh", "m", "page", "network", "The bootstrap VM reaches every EXEC VM by SSH."),
        ],
        "Genesys Cloud EX Organization": [
            ("genesys-cloud.organization", "m", "page", "genesys_cloud", "The planned EX organisation exists."),
            (
                "genesys-cloud.oauth-client",
                "m",
                "page",
                "genesys_cloud",
                "An OAuth client with client credentials is active.",
            ),
            ("genesys-cloud.role", "m", "page", "genesys_cloud", "The OAuth client holds the EX Integration role."),
            ("genesys-cloud.tls-interception", "o", "beyond", "network", "Nobody reads the traffic to Genesys Cloud."),
        ],
        "Engage Environment": [
            ("engage.config-db", "m", "page", "engage", "The Config DB is deployed and running."),
            ("engage.stat-server", "m", "page", "engage", "Stat Server is deployed and running."),
            ("engage.sip-server", "m", "page", "engage", "SIP Server is deployed and running."),
            ("engage.version", "m", "page", "engage", "The Engage core services are 8.5 or later."),
            ("engage.inventory", "o", "beyond", "engage", "What the site declares is what the Config DB holds."),
            ("engage.read-only-account", "o", "beyond", "dba", "The Config DB account can only read."),
        ],
        "Optional Elements": [
            ("optional.prometheus", "o", "page", "deployer", "Prometheus is ready to scrape."),
            ("optional.grafana", "o", "page", "deployer", "Grafana answers."),
            ("optional.logging", "o", "page", "deployer", "The logging solution answers."),
            ("optional.container-monitoring", "o", "page", "deployer", "The container monitoring answers."),
        ],
    }.items()
    for check, letter, origin, owner, text in rows
    for obligation in [{"m": "mandatory", "r": "recommended", "o": "optional"}[letter]]
}


def evidence(
    label: str,
    value: str,
    vantage: str = "auditor",
    method: str = "site file",
    level: str = "declared",
    at: str = ":07",
    observation: str | None = None,
) -> EvidenceDocument:
    """One row of evidence; ``at`` is the end of its time, ``:07`` or ``:07.123``."""
    return {
        "label": label,
        "value": value,
        "vantage": vantage,
        "method": method,
        "level": level,
        "at": f"{AT}{at}Z",
        "observation": observation,
    }


def reason(code: str, detail: str, enable: str = "", by: str | None = None) -> ReasonDocument:
    return {"code": code, "detail": detail, "enable": enable, "by": by}


def finding(
    check: str,
    target: str,
    status: StatusWord = "pass",
    summary: str = "",
    *pieces: EvidenceDocument,
    kind: str | None = None,
    expected: str = "",
    observed: str = "",
    reasoning: str = "",
    remedy: str = "",
    why: ReasonDocument | None = None,
    lane: str | None = None,
    owner: str | None = None,
    valid_until: str | None = None,
    attestation: AttestationDocument | None = None,
    waiver: WaiverDocument | None = None,
    change: ChangeWord | None = "unchanged",
    figures: Mapping[str, float] | None = None,
) -> FindingDocument:
    """One finding; the target's parts are read from its name, what it lacks is filled in plausibly."""
    _, obligation, origin, usual, text = CATALOGUE[check]
    source, host, port = _parts(target)
    if kind is None:
        kind = "edge" if source else "site" if target == "site" else "service" if port else "vm"
    given = list(pieces)
    if not given and status in {"pass", "fail"}:
        given = [evidence("Seen", observed or "as asked for", source or target, "host script", "authenticated", ":09")]
    if status == "unknown" and why is None:
        why = reason("unreachable", f"{target} was not reached", f"Let the audit reach {target} and run it again.")
    levels = ["declared", "tcp", "protocol", "authenticated"]
    if valid_until is None and status in {"pass", "warn", "fail"}:
        valid_until = "2026-11-24T09:14:07Z" if check in {"vm.time-sync", "vm.clock-offset"} else "2026-11-30T09:14:07Z"
    made: FindingDocument = {
        "id": f"{check}[{target}]",
        "check": check,
        "target": {"kind": cast("Any", kind), "name": target, "source": source, "host": host, "port": port},
        "status": status,
        "obligation": obligation,
        "origin": origin,
        "level": max((piece["level"] for piece in given), key=levels.index, default="declared"),
        "summary": summary or text,
        "expected": expected,
        "observed": observed,
        "reasoning": reasoning,
        "evidence": given,
        "remedy": remedy,
        "reason": why,
        "lane": lane,
        "owner": owner or usual,
        "started_at": f"{AT}:07.000Z",
        "duration_s": 0.2,
        "valid_until": valid_until,
        "attestation": attestation,
        "waiver": waiver,
        "change": change,
    }
    if figures is not None:
        made["figures"] = dict(figures)
    return made


def _parts(target: str) -> tuple[str | None, str | None, int | None]:
    source, arrow, peer = target.rpartition("->" if "->" in target else ",")
    host, colon, port = peer.rpartition(":")
    if not (colon and port.isdigit()):
        return source or None, peer if arrow else None, None
    return source or None, host.strip("[]"), int(port)


def attestation(
    check: str, by: str, date: str, reference: str = "CHG0042042", target: str = "site"
) -> AttestationDocument:
    return {"check": check, "target": target, "by": by, "date": date, "reference": reference, "expires": None}


def waiver(check: str, target: str, text: str, by: str, expires: str, reference: str = "CHG0042100") -> WaiverDocument:
    return {
        "check": check,
        "target": target,
        "reason": text,
        "approved_by": by,
        "reference": reference,
        "date": "2026-11-20",
        "expires": expires,
    }


def observation(
    id: str, probe: str, vantage: str, method: str, response: str | None, error: ReasonDocument | None = None
) -> ObservationDocument:
    return {
        "id": id,
        "probe": probe,
        "vantage": vantage,
        "method": method,
        "started_at": f"{AT}:10.000Z",
        "duration_s": 0.041,
        "attempts": 1,
        "response": response,
        "error": error,
    }


def document(
    findings: Iterable[FindingDocument],
    *,
    observations: Sequence[ObservationDocument] = (),
    blockers: Sequence[BlockerDocument] = (),
    verdict: VerdictWord | None = None,
    **changes: Any,
) -> ReportDocument:
    """A sealed, valid document of these findings; its counts, coverage and score are worked out from them.

    ``changes`` replace whole parts of it by name; those of ``site`` and ``run`` are laid over what is there.
    """
    given = list(findings)
    by_check: dict[str, list[FindingDocument]] = {}
    for each in given:
        by_check.setdefault(each["check"], []).append(each)
    rows = [_requirement(check, by_check[check]) for check in CATALOGUE if check in by_check]
    earned = sum(Fraction(row["earned"]) for row in rows)
    possible = sum(Fraction(row["weight"]) for row in rows)
    dates = [group["ready_on"] for group in blockers]
    known = [date for date in dates if date is not None]
    made: dict[str, Any] = {
        "schema_version": "1.0",
        "tool": {"name": "readiness", "version": "1.0.0"},
        "page": {
            "title": "EX Engage Connector Deployment Guide: Prerequisites",
            "revision": "2023-07-27",
            "source": "Genesys documentation, EX Engage Connector Deployment Guide, page Prerequisites",
        },
        "site": {
            "name": "Northwind Leipzig",
            "slug": "northwind-leipzig",
            "change_ticket": "CHG0042042",
            "environment": "production",
            "capacity": {"agents": 2400, "caps": 8.0},
            "digest": "5" * 64,
            "declared": {
                "vms": [
                    {"name": name, "role": role, "host": host}
                    for name, role, host in (
                        ("excs-1", "excs", "10.20.1.11"),
                        ("exas-1", "exas", "10.20.1.12"),
                        ("excp-1", "excp", "10.20.1.13"),
                        ("excp-2", "excp", "10.20.1.14"),
                    )
                ]
            },
        },
        "run": {
            "id": "20261123T091407Z-4c81e0",
            "started_at": f"{AT}:07.000Z",
            "finished_at": f"{AT}:31.400Z",
            "duration_s": 24.4,
            "auditor": "h.lindner@jump-leipzig",
            "vantages": ["auditor", "excs-1", "exas-1", "excp-1", "excp-2", "boot"],
            "hosts": [
                {"name": name, "host": host, "role": role, "reached": True, "error": None}
                for name, host, role in (
                    ("excs-1", "10.20.1.11", "excs"),
                    ("exas-1", "10.20.1.12", "exas"),
                    ("excp-1", "10.20.1.13", "excp"),
                    ("excp-2", "10.20.1.14", "excp"),
                    ("boot", "10.20.1.10", "bootstrap"),
                )
            ],
            "complete": True,
            "scope": "full",
            "rejudged_from": None,
        },
        "verdict": verdict or _verdict(given),
        "score": {
            "value": int(earned * 1000 / possible) / 10 if possible else None,
            "earned": round(float(earned), 2),
            "possible": round(float(possible), 2),
        },
        "coverage": _coverage(by_check),
        "counts": {
            **{word: sum(each["status"] == word for each in given) for word in WORST_FIRST},
            "attested": sum(each["attestation"] is not None for each in given),
            "waived": sum(each["waiver"] is not None for each in given),
        },
        "requirements": rows,
        "findings": given,
        "observations": list(observations),
        "blockers": list(blockers),
        "earliest_ready": max(known) if known and len(known) == len(dates) else None,
        "notices": [],
        "baseline": None,
    }
    for key, value in changes.items():
        made[key] = {**made[key], **value} if key in {"site", "run"} else value
    return as_json.seal_digest(cast("ReportDocument", made))


def _requirement(check: str, found: Sequence[FindingDocument]) -> RequirementDocument:
    section, obligation, origin, _, text = CATALOGUE[check]
    applying = [each for each in found if each["status"] != "skip"]
    weight = WEIGHTS[obligation] if applying and origin != "beyond" else 0
    earned = sum((_worth(each) for each in applying), Fraction(0)) * weight / max(1, len(applying))
    return {
        "id": check,
        "section": section,
        "text": text,
        "obligation": obligation,
        "origin": origin,
        "status": next(word for word in WORST_FIRST if any(each["status"] == word for each in found)),
        "weight": float(weight),
        "earned": round(float(earned), 4),
    }


def _worth(found: FindingDocument) -> Fraction:
    if found["status"] == "pass" or found["attestation"] is not None:
        return Fraction(1)
    return Fraction(1, 2) if found["status"] == "warn" else Fraction(0)


def _coverage(by_check: Mapping[str, Sequence[FindingDocument]]) -> dict[str, int]:
    tally = dict.fromkeys(("proven", "attested", "waived", "unproven"), 0)
    for found in by_check.values():
        if found[0]["origin"] == "beyond" or all(each["status"] == "skip" for each in found):
            continue
        left = [each for each in found if each["status"] in {"unknown", "manual"}]
        if any(each["attestation"] is None and each["waiver"] is None for each in left):
            tally["unproven"] += 1
        elif any(each["attestation"] is None for each in left):
            tally["waived"] += 1
        else:
            tally["attested" if left else "proven"] += 1
    return {"applicable": sum(tally.values()), **tally}


def _verdict(found: Sequence[FindingDocument]) -> VerdictWord:
    counted = [each for each in found if each["origin"] != "beyond"]
    mandatory = [each for each in counted if each["obligation"] == "mandatory"]
    if any(each["status"] == "fail" and each["waiver"] is None for each in mandatory):
        return "not_ready"
    left = [each for each in mandatory if each["status"] in {"unknown", "manual"}]
    if any(each["attestation"] is None and each["waiver"] is None for each in left):
        return "not_proven"
    clean = all(
        each["status"] in {"pass", "skip"} or (each["status"] == "manual" and each["attestation"] is not None)
        for each in counted
    )
    return "ready" if clean else "ready_with_exceptions"


def variant(base: ReportDocument, **changes: Any) -> ReportDocument:
    """A copy with whole parts replaced, sealed anew; parts of ``run`` and ``site`` are laid over what is there."""
    copy = cast("dict[str, Any]", deepcopy(base))
    for key, value in changes.items():
        copy[key] = {**copy[key], **value} if key in {"site", "run"} else value
    return as_json.seal_digest(cast("ReportDocument", copy))


VMS = ("excs-1", "exas-1", "excp-1", "excp-2")
REDIS = "redis.northwind.example:6379"
REGISTRY = "registry.northwind.example:443"
LOGIN, API = "login.mypurecloud.de:443", "api.mypurecloud.de:443"


def _each(
    check: str, names: Iterable[str], label: str, value: str, method: str, level: str, at: str
) -> list[FindingDocument]:
    return [
        finding(
            check, name, "pass", "", evidence(label, value, name.partition("->")[0], method, level, at), observed=value
        )
        for name in names
    ]


def sample() -> ReportDocument:
    """A production site a week before go-live: about 60 requirements, 130 findings, a bit of everything."""
    return document(
        _sample_findings(),
        observations=_sample_observations(),
        blockers=_sample_blockers(),
        notices=[
            {
                "kind": "expired",
                "text": "The waiver of vm.cpu for excs-1 (CHG0041800) expired on 2026-10-31 and counts for nothing.",
            },
            {"kind": "expiring", "text": "The waiver of vm.disk for excs-1 (CHG0042100) expires on 2026-12-04."},
        ],
        baseline={
            "run_id": "20261116T081502Z-90bd12",
            "started_at": "2026-11-16T08:15:02Z",
            "score": 69.4,
            "verdict": "not_ready",
            "fixed": [
                "connectivity.stat-server-backup[exas-1->stat2.northwind.example:2060]",
                "bootstrap.python[boot]",
                "registry.trusted-by-vms[exas-1]",
            ],
            "regressed": ["vm.time-sync[exas-1]"],
            "new": ["redis.latency[excp-2]"],
            "gone": ["connectivity.sip-server[excp-1->sip-old.northwind.example:8000]"],
            "changed": ["redis.data-protection[redis.northwind.example:6379]"],
            "steps": [
                step("vm.time-sync[exas-1]", "regressed", "pass", "chronyd: last set 12 min ago"),
                step(
                    "connectivity.stat-server-backup[exas-1->stat2.northwind.example:2060]", "fixed", "fail", "refused"
                ),
                step("bootstrap.python[boot]", "fixed", "warn", "Python 3.6.8"),
                step("registry.trusted-by-vms[exas-1]", "fixed", "fail", "unable to get local issuer certificate"),
                step("redis.latency[excp-2]", "new"),
                step("connectivity.sip-server[excp-1->sip-old.northwind.example:8000]", "gone", "pass", "accepts"),
                step("redis.data-protection[redis.northwind.example:6379]", "changed", "manual", "", "attested"),
                step("redis.memory[redis.northwind.example:6379]", "still_open", "fail", "1.5 GB usable"),
            ],
        },
        history=[
            past("20261102T081502Z-11aa22", "2026-11-02T08:15:02Z", "not_proven", None, 20),
            past("20261109T081502Z-33bb44", "2026-11-09T08:15:02Z", "not_ready", 51.2, 31),
            past("20261116T081502Z-90bd12", "2026-11-16T08:15:02Z", "not_ready", 69.4, 39),
        ],
    )


def step(
    finding_id: str, kind: StepWord, status: StatusWord | None = None, observed: str = "", settled: str = ""
) -> StepDocument:
    """What became of one finding; ``status`` is what the baseline said, ``None`` where it did not have it."""
    before = None if status is None else BeforeDocument(status=status, observed=observed, settled=settled)
    return StepDocument(finding=finding_id, kind=kind, before=before)


def past(run_id: str, at: str, verdict: VerdictWord, score: float | None, proven: int) -> PastRunDocument:
    """One earlier run of the site."""
    return PastRunDocument(
        run_id=run_id,
        started_at=at,
        revision="2023-07-27",
        verdict=verdict,
        score=score,
        proven=proven,
        applicable=50,
    )


def _sample_findings() -> list[FindingDocument]:
    found: list[FindingDocument] = []
    add = found.append
    add(
        finding(
            "planning.limitations-reviewed",
            "site",
            "manual",
            "No machine can tell whether the limitations were read; a person has said so.",
            expected="a signed statement",
            reasoning="Reading leaves no trace that could be probed. The statement counts as attested, never as proven.",
            remedy="Read the page of limitations and state in the site file that you did.",
            attestation=attestation("planning.limitations-reviewed", "Jana Brandt", "2026-11-19"),
        )
    )
    redis = [
        ("redis.version", "Server", "6.2.13", "INFO through excs-1", "excs-1"),
        ("redis.edition", "Cluster", "Redis Enterprise 7.4.6, licensed until 2027-06-30", "REST API", "auditor"),
        ("redis.cluster-mode", "cluster_enabled", "0", "INFO through excs-1", "excs-1"),
    ]
    for check, label, value, method, vantage in redis:
        add(
            finding(
                check,
                REDIS,
                "pass",
                "",
                evidence(label, value, vantage, method, "authenticated", ":10"),
                observed=value,
            )
        )
    add(
        finding(
            "redis.memory",
            REDIS,
            "fail",
            "Redis may use 1.5 GB; the planned load needs 2 GB at the very least and 4.8 GB to be safe.",
            evidence(
                "maxmemory",
                "1,500,000,000 bytes",
                "excs-1",
                "INFO through excs-1",
                "authenticated",
                ":10",
                "o-redis-info",
            ),
            evidence("Planned load", "2400 agents, 8 calls a second"),
            expected="4.8 GB (never under 3.2 GB)",
            observed="1.5 GB",
            reasoning="The page documents one point, 2 GB for 1000 agents at 5 calls a second. Whatever straight line "
            "runs through it, this load lies between 3.2 GB and 4.8 GB. What is there is under the lower of them, so "
            "no reading of the page is met. The bounds are an extrapolation.",
            remedy="Raise the database's limit to 4.8 GB, twice that where it is replicated:\n\n"
            '    curl -u "$RE_ADMIN" --cacert northwind-ca.pem -X PUT \\\n'
            "      -H 'Content-Type: application/json' -d '{\"memory_size\": 9600000000}' \\\n"
            "      https://redis.northwind.example:9443/v1/bdbs/1\n\n"
            "Then run the audit again.",
            lane="capacity",
            figures={
                "usable_bytes": 1.5e9,
                "recommended_bytes": 4.8e9,
                "carried_agents": 750,
                "carried_caps": 3.7,
                "needed_agents": 2400,
                "needed_caps": 12,
            },
        )
    )
    add(
        finding(
            "redis.outside-docker",
            REDIS,
            "pass",
            "",
            evidence(
                "Address",
                "10.20.3.20, local to no EXEC VM and in none of their Docker networks",
                "4 VMs",
                "host script",
                "authenticated",
                ":09",
            ),
        )
    )
    add(
        finding(
            "redis.scalability",
            REDIS,
            "manual",
            "Whether Redis can grow with the site is the DBA team's to say.",
            expected="a signed statement",
            remedy='Ask the DBA team, then add their answer to the site file:\n\n    attestations:\n      - {check: redis.scalability, target: "redis.northwind.example:6379", by: NAME, date: 2026-11-DD, reference: CHG0042042}',
            owner="dba",
        )
    )
    add(
        finding(
            "redis.resiliency",
            REDIS,
            "pass",
            "",
            evidence(
                "replication",
                "true, master and replica on different nodes",
                "auditor",
                "REST API",
                "authenticated",
                ":10",
            ),
        )
    )
    add(
        finding(
            "redis.data-protection",
            REDIS,
            "warn",
            "Backups are planned daily, but the last one is nine days old.",
            evidence("backup_status", "failed", "auditor", "REST API", "authenticated", ":10"),
            evidence("last_backup_time", "2026-11-14 01:00:03 UTC", "auditor", "REST API", "authenticated", ":10"),
            expected="a backup of the last 48 hours",
            observed="a backup of 2026-11-14",
            reasoning="A backup exists and can be restored, so the data is not unprotected; a daily job that has been "
            "failing for nine days is no protection to rely on.",
            remedy="Read why it fails, mend that, and take one by hand:\n\n    curl -u \"$RE_ADMIN\" --cacert northwind-ca.pem 'https://redis.northwind.example:9443/v1/bdbs/1?fields=backup_failure_reason'",
            lane="service",
            change="changed",
        )
    )
    add(
        finding(
            "redis.dba-owned",
            REDIS,
            "manual",
            "Who runs this Redis is for a person to say; nobody has.",
            expected="a signed statement",
            remedy="Have the DBA team confirm it in the ticket and add an attestation of `redis.dba-owned` to the site file.",
        )
    )
    add(
        finding(
            "redis.security",
            REDIS,
            "pass",
            "",
            evidence("Without a password", "refused: NOAUTH", "excs-1", "AUTH through excs-1", "authenticated", ":10"),
            evidence("TLS", "1.3, name verified", "excs-1", "TLS handshake", "protocol", ":10"),
        )
    )
    add(
        finding(
            "redis.eviction",
            REDIS,
            "warn",
            "Under pressure this Redis throws away keys that carry an expiry (volatile-lru).",
            evidence(
                "maxmemory_policy",
                "volatile-lru",
                "excs-1",
                "INFO through excs-1",
                "authenticated",
                ":10",
                "o-redis-info",
            ),
            expected="noeviction",
            observed="volatile-lru",
            reasoning="EXEC keeps the map of call ids here; a key that is thrown away is a call counted twice. The page does not ask for it, so it warns at most.",
            remedy="Let writes fail aloud instead of losing keys:\n\n    rladmin tune db db:1 eviction_policy noeviction",
            lane="configuration",
        )
    )
    for vm, took in (("excs-1", "0.9 ms"), ("exas-1", "1.1 ms"), ("excp-1", "0.8 ms")):
        add(
            finding(
                "redis.latency",
                vm,
                "pass",
                "",
                evidence("p99 of 50 connects", took, vm, "exec prober", "tcp", ":11"),
                kind="vm",
            )
        )
    blocked = f"connectivity.redis[excp-2->{REDIS}]"
    add(
        finding(
            "redis.latency",
            "excp-2",
            "unknown",
            "Not measured: excp-2 does not reach Redis.",
            why=reason(
                "blocked", "no connect succeeded", f"Settle {blocked} first, then run the audit again.", blocked
            ),
            lane="firewall",
            owner="network",
            remedy=f"Settle {blocked} first, then run the audit again.",
            kind="vm",
            change="new",
        )
    )
    add(
        finding(
            "registry.reachable",
            REGISTRY,
            "warn",
            "The registry answers, but its certificate ends in 19 days.",
            evidence(
                "GET /v2/",
                "401 Basic, then 200 with the pull account",
                "excs-1",
                "HTTPS through excs-1",
                "authenticated",
                ":12",
            ),
            evidence(
                "Certificate",
                "ends 2026-12-12 08:00 UTC, issued by Northwind Issuing CA 2",
                "excs-1",
                "TLS handshake",
                "protocol",
                ":12",
            ),
            expected="a certificate good for 30 days or more",
            observed="19 days left",
            reasoning="Pulls work today and stop working within the month.",
            remedy="Renew the certificate before the go-live and look at it again:\n\n    openssl s_client -connect registry.northwind.example:443 </dev/null | openssl x509 -noout -enddate",
            lane="tls",
            valid_until="2026-12-12T08:00:00Z",
        )
    )
    for image in ("exec/excs:100.0.1", "exec/exas:100.0.1", "exec/excp:100.0.1"):
        add(
            finding(
                "registry.images",
                image,
                "pass",
                "",
                evidence("Manifest", "linux/amd64 offered", "excs-1", "HEAD manifest", "authenticated", ":12"),
                kind="service",
            )
        )
    found += [
        finding(
            "registry.trusted-by-vms",
            vm,
            "pass",
            "",
            evidence(
                "Chain",
                "verified with /etc/docker/certs.d" if vm == "exas-1" else "verified with the system store",
                vm,
                "TLS handshake",
                "protocol",
                ":12",
            ),
            change="fixed" if vm == "exas-1" else "unchanged",
        )
        for vm in VMS
    ]
    add(
        finding(
            "vm.roles", "site", "pass", "", evidence("VMs", "1 EXCS, 1 EXAS, 2 EXCP"), observed="1 EXCS, 1 EXAS, 2 EXCP"
        )
    )
    add(
        finding(
            "vm.one-component-each",
            "site",
            "pass",
            "",
            evidence("boot_id", "four machines, four different ids", "4 VMs", "host script", "authenticated", ":08"),
        )
    )
    found += _each("vm.os", VMS, "System", "Rocky Linux 9.4, x86_64", "host script", "authenticated", ":08")
    found += _each("vm.kernel", VMS, "uname -r", "5.14.0-427.13.1.el9_4", "host script", "authenticated", ":08")
    found += _each("vm.cpu", VMS, "Online CPUs", "4", "host script", "authenticated", ":08")
    found += _each("vm.memory", VMS[:2], "Installed", "8 GB", "host script", "authenticated", ":08")
    found += _each("vm.memory", VMS[2:], "Installed", "16 GB", "host script", "authenticated", ":08")
    add(
        finding(
            "vm.disk",
            "excs-1",
            "warn",
            "The disk has 64 GB; 80 GB are recommended.",
            evidence("sda", "64,424,509,440 bytes", "excs-1", "host script", "authenticated", ":08"),
            evidence(
                "Docker data root",
                "/var/lib/docker on sda, 41 GB free",
                "excs-1",
                "host script",
                "authenticated",
                ":08",
            ),
            expected="80 GB",
            observed="64 GB",
            reasoning="80 GB is read as 80,000,000,000 bytes, the reading that is kind to the customer. The page recommends it, so it warns.",
            remedy="Once the LUN has grown:\n\n    echo 1 | sudo tee /sys/class/block/sda/device/rescan\n    sudo growpart /dev/sda 3 && sudo xfs_growfs /",
            lane="capacity",
            waiver=waiver("vm.disk", "excs-1", "The LUN grows in the second wave.", "Change board", "2026-12-04"),
        )
    )
    found += _each("vm.disk", VMS[1:], "Disks", "107,374,182,400 bytes", "host script", "authenticated", ":08")
    found += _each("vm.docker", VMS, "Engine", "26.1.3", "docker version, server", "authenticated", ":08")
    found += _each("vm.compose", VMS, "Compose", "plugin 2.27.0", "docker compose version", "authenticated", ":08")
    add(
        finding(
            "vm.time-sync",
            "exas-1",
            "fail",
            "The clock was last set 31 hours ago; 24 are allowed.",
            evidence(
                "Ref time",
                "2026-11-22 02:07:11 UTC, 31 h 07 min before",
                "exas-1",
                "chronyc tracking",
                "authenticated",
                ":08",
                "o-clock-exas-1",
            ),
            evidence(
                "ntp1.northwind.example",
                "reach 0, no reply to the last 8 polls",
                "exas-1",
                "chronyc sources",
                "authenticated",
                ":08",
                "o-clock-exas-1",
            ),
            expected="a sync within 24 hours",
            observed="31 h 07 min ago",
            reasoning="chronyd runs and polls, but hears nothing. A running daemon alone sets no clock.",
            remedy="Open UDP 123 from exas-1 to the time server, then wait for a sync:\n\n    ssh exec@10.20.1.12 'sudo chronyc burst 4/4; chronyc waitsync 6 0.5'",
            lane="time",
            figures={"age_s": 112020, "limit_s": 86400},
            change="regressed",
        )
    )
    for vm in ("excs-1", "excp-1", "excp-2"):
        add(finding("vm.time-sync", vm, "skip", "This revision of the page asks it of the EXAS VM alone."))
    for vm, offset in (
        ("excs-1", "0.0 s ± 1.1 s"),
        ("exas-1", "+0.6 s ± 1.1 s"),
        ("excp-1", "0.0 s ± 1.1 s"),
        ("excp-2", "0.0 s ± 1.1 s"),
    ):
        add(
            finding(
                "vm.clock-offset",
                vm,
                "pass",
                "",
                evidence("Offset", offset, vm, "HTTP Date", "protocol", ":13"),
                observed=offset,
            )
        )
    found += _each("vm.ports-free", VMS, "Port", "nothing listens on it", "ss -ltn", "authenticated", ":08")
    pairs = [(a, b) for a in VMS for b in VMS if a != b]
    for a, b in [(a, b) for i, a in enumerate(VMS) for b in VMS[i + 1 :]]:
        add(
            finding(
                "network.segment",
                f"{a},{b}",
                "pass",
                "",
                evidence(
                    "Neighbour", "adjacent both ways, the MAC is the peer's", "both ends", "ip neigh", "protocol", ":09"
                ),
                kind="edge",
            )
        )
    for a, b in pairs:
        add(
            finding(
                "network.interconnect",
                f"{a}->{b}",
                "pass",
                "",
                evidence("Listener", "token echoed on the component's port", a, "listener", "protocol", ":14"),
            )
        )
    found += _each(
        "network.name-resolution",
        VMS,
        "Names",
        "11 of 11, the same addresses everywhere",
        "getent ahosts",
        "protocol",
        ":09",
    )
    found += _each(
        "network.docker-overlap",
        VMS,
        "Docker networks",
        "172.17.0.0/16 only",
        "docker network inspect",
        "authenticated",
        ":08",
    )
    add(
        finding(
            "connectivity.config-db",
            "excs-1->cfgdb.northwind.example:5432",
            "fail",
            "The database server answers, but turns this VM away: no line of pg_hba.conf admits it.",
            evidence("TCP connect", "open in 2 ms", "excs-1", "exec prober", "tcp", ":10"),
            evidence("TLS", "1.3, name verified", "excs-1", "verify-full", "protocol", ":10"),
            evidence(
                "Startup",
                'FATAL 28000: no pg_hba.conf entry for host "10.20.1.11", user "exec_ro", database "genesys_cfg", SSL encryption',
                "excs-1",
                "PostgreSQL session",
                "protocol",
                ":10",
                "o-postgres",
            ),
            expected="a session as exec_ro",
            observed="FATAL 28000",
            reasoning="Network and TLS are good up to the server; the refusal is PostgreSQL's own. No password was asked for, so it is neither right nor wrong yet.",
            remedy="Add a line to pg_hba.conf on the server and load it:\n\n    hostssl  genesys_cfg  exec_ro  10.20.1.11/32  scram-sha-256\n    sudo -u postgres psql -c 'SELECT pg_reload_conf()'",
            lane="auth",
            owner="dba",
        )
    )
    add(
        finding(
            "connectivity.stat-server-primary",
            "exas-1->stat1.northwind.example:2060",
            "pass",
            "",
            evidence("TCP connect", "open in 1 ms, silent as expected", "exas-1", "exec prober", "tcp", ":10"),
        )
    )
    add(
        finding(
            "connectivity.stat-server-backup",
            "exas-1->stat2.northwind.example:2060",
            "pass",
            "",
            evidence("TCP connect", "open in 1 ms, silent as expected", "exas-1", "exec prober", "tcp", ":10"),
            change="fixed",
        )
    )
    for vm in VMS[2:]:
        for sip in ("sip1", "sip2"):
            add(
                finding(
                    "connectivity.sip-server",
                    f"{vm}->{sip}.northwind.example:8000",
                    "pass",
                    "",
                    evidence("TCP connect", "open in 2 ms, silent as expected", vm, "exec prober", "tcp", ":10"),
                )
            )
    dropped = {
        "evidence": (
            evidence("Token echo", "no answer to 3 attempts of 5 s", "excp-2", "listener", "tcp", ":29", "o-echo"),
            evidence(
                "Listener",
                "ready on 10.20.1.11:3640, no SYN arrived",
                "excs-1",
                "listener",
                "protocol",
                ":29",
                "o-echo",
            ),
            evidence(
                "firewalld",
                "3640/tcp admits 10.20.1.12 and 10.20.1.13 only",
                "excs-1",
                "firewall-cmd",
                "authenticated",
                ":08",
            ),
        ),
        "reasoning": "exas-1 and excp-1 reached the same listener in the same second, so port and route are good. The rules on excs-1 leave 10.20.1.14 out.",
        "remedy": 'Admit excp-2 on excs-1:\n\n    sudo firewall-cmd --permanent --add-rich-rule=\'rule family="ipv4" \\\n      source address="10.20.1.14" port port="3640" protocol="tcp" accept\'\n    sudo firewall-cmd --reload',
    }
    for check, words in (
        ("connectivity.excs-api", "The host firewall of excs-1 drops connections from excp-2."),
        ("connectivity.excs-inbound", "excs-1 never received the connection of excp-2."),
    ):
        for vm in ("exas-1", "excp-1"):
            add(
                finding(
                    check,
                    f"{vm}->excs-1:3640",
                    "pass",
                    "",
                    evidence("Token echo", "path proven, nothing listens there yet", vm, "listener", "protocol", ":14"),
                )
            )
        add(
            finding(
                check,
                "excp-2->excs-1:3640",
                "fail",
                words,
                *cast("Any", dropped["evidence"]),
                expected="an answer from excs-1",
                observed="silence",
                reasoning=cast("str", dropped["reasoning"]),
                remedy=cast("str", dropped["remedy"]),
                lane="firewall",
                owner="virtualisation",
            )
        )
    no_ssh = reason(
        "unreachable", "the site file gives no SSH to Prometheus", "Let the audit in from Prometheus for one run."
    )
    for check, peer in (
        ("connectivity.excs-inbound", "excs-1:3640"),
        ("connectivity.exas-inbound", "exas-1:3630"),
        ("connectivity.excp-inbound", "excp-1:3650"),
        ("connectivity.excp-inbound", "excp-2:3650"),
    ):
        add(
            finding(
                check,
                f"prometheus->{peer}",
                "unknown",
                "Not tried: the audit has no way onto the Prometheus host.",
                evidence("Prometheus", "no ssh in the site file"),
                reasoning="Only Prometheus itself can prove its own way in; from anywhere else it would be another path.",
                remedy='Give the audit a login there, for one run and reading only:\n\n    monitoring:\n      prometheus: {host: 10.20.2.62, url: "http://10.20.2.62:9090", ssh: {user: exec}}',
                why=no_ssh,
                lane="probe",
                owner="deployer",
            )
        )
    for vm in VMS:
        if vm == "excp-2":
            add(
                finding(
                    "connectivity.redis",
                    f"{vm}->{REDIS}",
                    "fail",
                    "A firewall on the way swallows the connection: no answer to three attempts.",
                    evidence(
                        "TCP connect",
                        "timed out after 5 s, three times",
                        vm,
                        "exec prober",
                        "tcp",
                        ":25",
                        "o-dial-redis",
                    ),
                    evidence(
                        "Name",
                        "redis.northwind.example is 10.20.3.20, as on the other VMs",
                        vm,
                        "getent ahosts",
                        "protocol",
                        ":09",
                    ),
                    expected="an open connection",
                    observed="silence",
                    reasoning="Silence and no refusal, while three neighbours get through by the same route: a packet filter that does not know 10.20.1.14.",
                    remedy="Request the missing row, then try it from excp-2:\n\n    readiness firewall northwind.yaml --format csv\n    ssh exec@10.20.1.14 'timeout 5 bash -c \"</dev/tcp/10.20.3.20/6379\" && echo open'",
                    lane="firewall",
                )
            )
        else:
            add(
                finding(
                    "connectivity.redis",
                    f"{vm}->{REDIS}",
                    "pass",
                    "",
                    evidence("PING", "PONG as user exec, TLS 1.3", vm, "AUTH, PING", "authenticated", ":10"),
                )
            )
    add(finding("connectivity.logging", "site", "skip", "The site file plans no central logging."))
    for vm in VMS:
        for cloud in (LOGIN, API):
            add(
                finding(
                    "connectivity.genesys-cloud",
                    f"{vm}->{cloud}",
                    "pass",
                    "",
                    evidence(
                        "HTTPS",
                        "405 to GET, public CA" if cloud == LOGIN else "200, public CA",
                        vm,
                        "HTTPS through the VM",
                        "protocol",
                        ":13",
                    ),
                )
            )
    for vm in VMS:
        add(
            finding(
                "connectivity.registry",
                f"{vm}->{REGISTRY}",
                "pass",
                "",
                evidence("GET /v2/", "200 with the pull account", vm, "HTTPS through the VM", "authenticated", ":12"),
            )
        )
    add(
        finding(
            "bootstrap.os",
            "boot",
            "pass",
            "",
            evidence("System", "Rocky Linux 8.10, x86_64", "boot", "host script", "authenticated", ":08"),
        )
    )
    add(
        finding(
            "bootstrap.docker",
            "boot",
            "pass",
            "",
            evidence("Engine", "26.1.3", "boot", "docker version, server", "authenticated", ":08"),
        )
    )
    add(
        finding(
            "bootstrap.python",
            "boot",
            "pass",
            "",
            evidence("python3 -V", "3.11.7", "boot", "host script", "authenticated", ":08"),
            change="fixed",
        )
    )
    add(
        finding(
            "bootstrap.pip",
            "boot",
            "pass",
            "",
            evidence("pip3 -V", "22.3.1 for 3.11", "boot", "host script", "authenticated", ":08"),
        )
    )
    for vm in VMS:
        add(
            finding(
                "bootstrap.ssh",
                f"boot->{vm}:22",
                "pass",
                "",
                evidence(
                    "Banner", "SSH-2.0-OpenSSH_8.7, host key as pinned", "boot", "key exchange", "protocol", ":10"
                ),
            )
        )
    cloud = "mypurecloud.de"
    add(
        finding(
            "genesys-cloud.organization",
            cloud,
            "pass",
            "",
            evidence("Organisation", "Northwind EX, active", "excs-1", "organizations/me", "authenticated", ":14"),
            kind="service",
        )
    )
    add(
        finding(
            "genesys-cloud.oauth-client",
            cloud,
            "pass",
            "",
            evidence(
                "Client", "exec-leipzig, CLIENT-CREDENTIALS, active", "excs-1", "tokens/me", "authenticated", ":14"
            ),
            kind="service",
        )
    )
    add(
        finding(
            "genesys-cloud.role",
            cloud,
            "fail",
            "The OAuth client holds one role, Reporting API; EX Integration is missing.",
            evidence(
                "Grants", "Reporting API, in division Home", "excs-1", "subjects/me", "authenticated", ":15", "o-grants"
            ),
            evidence(
                "Policies",
                "none lets it inject conversations, presence or routing status",
                "excs-1",
                "subjects/me",
                "authenticated",
                ":15",
                "o-grants",
            ),
            expected="EX Integration",
            observed="Reporting API",
            reasoning="The names of all grants could be read, so nothing is hidden from the audit: the role is not there, nor one that does its work.",
            remedy="Admin > Integrations > OAuth > exec-leipzig > Roles: add EX Integration in division Home. Then prove it:\n\n    readiness audit northwind.yaml --only 'genesys-cloud.*'",
            lane="auth",
            kind="service",
        )
    )
    add(
        finding(
            "genesys-cloud.tls-interception",
            cloud,
            "pass",
            "",
            evidence(
                "Issuer", "Amazon RSA 2048 M02, seen alike from every VM", "4 VMs", "TLS handshake", "protocol", ":13"
            ),
            kind="service",
        )
    )
    add(
        finding(
            "engage.config-db",
            "cfgdb.northwind.example:5432",
            "pass",
            "",
            evidence(
                "Server", "PostgreSQL answers in its own protocol", "excs-1", "PostgreSQL session", "protocol", ":10"
            ),
        )
    )
    for stat in ("stat1", "stat2"):
        add(
            finding(
                "engage.stat-server",
                f"{stat}.northwind.example:2060",
                "pass",
                "",
                evidence("Connect", "accepted; no other service's banner", "exas-1", "exec prober", "tcp", ":10"),
            )
        )
    for sip in ("sip1", "sip2"):
        add(
            finding(
                "engage.sip-server",
                f"{sip}.northwind.example:8000",
                "pass",
                "",
                evidence("Connect", "accepted; no other service's banner", "excp-1", "exec prober", "tcp", ":10"),
            )
        )
    db = "connectivity.config-db[excs-1->cfgdb.northwind.example:5432]"
    for check, words in (
        ("engage.version", "Versions are kept in the Config DB, which turned the audit away."),
        ("engage.inventory", "The Config DB turned the audit away."),
        ("engage.read-only-account", "The Config DB turned the audit away."),
    ):
        add(
            finding(
                check,
                "cfgdb.northwind.example:5432",
                "unknown",
                words,
                why=reason("blocked", "no session was given", f"Settle {db} first, then run the audit again.", db),
                remedy=f"Settle {db} first, then run the audit again.",
                lane="auth",
                owner="dba",
            )
        )
    add(
        finding(
            "optional.prometheus",
            "10.20.2.62:9090",
            "pass",
            "",
            evidence("GET /-/ready", "200 Prometheus Server is Ready.", "auditor", "HTTP", "protocol", ":09"),
        )
    )
    for check in ("optional.grafana", "optional.logging", "optional.container-monitoring"):
        add(finding(check, "site", "skip", "The site file plans none."))
    order = list(CATALOGUE)
    return sorted(found, key=lambda each: order.index(each["check"]))


def _sample_observations() -> list[ObservationDocument]:
    return [
        observation(
            "o-redis-info",
            "ReadRedisInfo(redis.northwind.example:6379)",
            "excs-1",
            "INFO over TLS",
            "redis_version:6.2.13\nredis_mode:standalone\nrole:master\nused_memory:52428800\nmaxmemory:1500000000\nmaxmemory_policy:volatile-lru\n",
        ),
        observation(
            "o-clock-exas-1",
            "ReadClock(exas-1)",
            "exas-1",
            "host script",
            "Reference ID    : 0A140205 (ntp1.northwind.example)\nRef time (UTC)  : Sun Nov 22 02:07:11 2026\nLeap status     : Normal\n^? ntp1.northwind.example   2  10   0   31h   +211us[ +305us] +/-   12ms\n[exit 0]",
        ),
        observation(
            "o-postgres",
            "DialPostgres(cfgdb.northwind.example:5432)",
            "excs-1",
            "PostgreSQL session",
            'FATAL 28000: no pg_hba.conf entry for host "10.20.1.11", user "exec_ro", database "genesys_cfg", SSL encryption',
        ),
        observation(
            "o-echo",
            "EchoToken(excs-1:3640)",
            "excp-2",
            "listener",
            "10.20.1.14 -> 10.20.1.11:3640 timed out, timed out, timed out\nlistener: 0 connections from 10.20.1.14",
        ),
        observation(
            "o-dial-redis",
            "DialTcp(redis.northwind.example:6379)",
            "excp-2",
            "exec prober",
            "10.20.3.20:6379 timed out, timed out, timed out",
        ),
        observation(
            "o-grants",
            "ReadGrants(mypurecloud.de)",
            "excs-1",
            "HTTPS",
            '{"grants": [{"division": {"name": "Home"}, "role": {"name": "Reporting API"}}]}',
        ),
        observation("o-prometheus", "ReadReady(10.20.2.62:9090)", "auditor", "HTTP", "200 Prometheus Server is Ready."),
        observation(
            "o-overlap",
            "ReadDockerNetworks(excs-1)",
            "excs-1",
            "host script",
            None,
            reason("timeout", "no answer within 8 s", "Look at the Docker daemon."),
        ),
    ]


def _sample_blockers() -> list[BlockerDocument]:
    return [
        {
            "owner": "network",
            "lead_time": "10d",
            "ready_on": "2026-12-07",
            "jobs": [
                {
                    "text": "Let excp-2 through to redis.northwind.example:6379",
                    "status": "fail",
                    "findings": [f"connectivity.redis[excp-2->{REDIS}]"],
                }
            ],
        },
        {
            "owner": "dba",
            "lead_time": "5d",
            "ready_on": "2026-11-30",
            "jobs": [
                {
                    "text": "Raise the memory of Redis from 1.5 GB to 4.8 GB",
                    "status": "fail",
                    "findings": [f"redis.memory[{REDIS}]"],
                },
                {
                    "text": "Admit excs-1 in pg_hba.conf of the Config DB",
                    "status": "fail",
                    "findings": [
                        "connectivity.config-db[excs-1->cfgdb.northwind.example:5432]",
                        "engage.version[cfgdb.northwind.example:5432]",
                    ],
                },
                {
                    "text": "State that Redis can grow, and that the DBA team runs it",
                    "status": "manual",
                    "findings": [f"redis.scalability[{REDIS}]", f"redis.dba-owned[{REDIS}]"],
                },
            ],
        },
        {
            "owner": "deployer",
            "lead_time": "3d",
            "ready_on": "2026-11-26",
            "jobs": [
                {
                    "text": "Give the audit a login on the Prometheus host",
                    "status": "unknown",
                    "findings": ["connectivity.excs-inbound[prometheus->excs-1:3640]"],
                }
            ],
        },
        {
            "owner": "virtualisation",
            "lead_time": "2d",
            "ready_on": "2026-11-25",
            "jobs": [
                {
                    "text": "Admit excp-2 to port 3640 in the host firewall of excs-1",
                    "status": "fail",
                    "findings": [
                        "connectivity.excs-api[excp-2->excs-1:3640]",
                        "connectivity.excs-inbound[excp-2->excs-1:3640]",
                    ],
                },
                {"text": "Bring the time sync of exas-1 back", "status": "fail", "findings": ["vm.time-sync[exas-1]"]},
            ],
        },
        {
            "owner": "genesys_cloud",
            "lead_time": "1d",
            "ready_on": "2026-11-24",
            "jobs": [
                {
                    "text": "Grant EX Integration to the OAuth client exec-leipzig",
                    "status": "fail",
                    "findings": ["genesys-cloud.role[mypurecloud.de]"],
                }
            ],
        },
    ]


def ready() -> ReportDocument:
    """The same site with everything met: verdict ``ready``."""
    found = [_met(each) for each in sample()["findings"]]
    return document(found, observations=_sample_observations())


def _met(given: FindingDocument) -> FindingDocument:
    if given["status"] in {"pass", "skip"}:
        return {**given, "change": None}
    if given["status"] == "manual":
        signed = attestation(given["check"], "Jana Brandt", "2026-11-19", target=given["target"]["name"])
        return {**given, "attestation": signed, "change": None}
    return finding(given["check"], given["target"]["name"], kind=given["target"]["kind"], change=None)


PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=https://evil.example/x onerror=alert(2)>',
    "'-alert(3)-'",
    "</style></script></title><svg onload=alert(4)>",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "\u202egnp.exe\u202c \u2066left\u2069 \u200b\ufeff",
    "{{ 7*7 }} {% raw %} ${7*7}",
    "](javascript:alert(5)) ![x](https://evil.example/y) <!-- | `code` ***",
    "@everyone #1 https://evil.example/z www.evil.example",
    "]]> &amp; &lt; \ufffe \ufffd \x00 \x9b31m",
)
"""Text that means harm to HTML, Markdown, spreadsheets, XML or a terminal."""

LONG = "a-host-with-a-name-as-long-as-names-may-get-in-some-places.sub.department.northwind.example"


def hostile(count: int = 200) -> ReportDocument:
    """A valid document whose every free text means harm, with ``count`` findings and 90-character host names."""
    checks = list(CATALOGUE)
    found: list[FindingDocument] = []
    for number in range(count):
        bad = PAYLOADS[number % len(PAYLOADS)]
        status = WORST_FIRST[number % 6]
        check = checks[number % len(checks)]
        edge = check.startswith("connectivity.")
        target = f"vm-{number % 7}->{LONG}:{1024 + number}" if edge else f"{LONG}-{number} {bad[:20].strip(chr(0))}"
        made = finding(
            check,
            "x",
            status,
            f"{bad} {number}",
            evidence(bad, f"{bad} {number}", bad, bad, "tcp", ":10", f"o-{number % 50}"),
            kind="edge" if edge else "vm",
            expected=bad,
            observed=bad,
            reasoning=bad,
            remedy=f"{bad}\n\n    {bad}\n",
            why=reason("parse", bad, bad) if status == "unknown" else None,
            waiver=waiver(check, bad, bad, bad, "2027-01-01", bad) if status == "warn" else None,
            attestation=attestation(check, bad, "2026-11-01", bad, bad) if status == "manual" else None,
            change="changed",
        )
        made["id"] = f"{check}[{target}]".translate(dict.fromkeys(range(0x20), "?"))
        made["target"] = {
            "kind": cast("Any", "edge" if edge else "vm"),
            "name": target,
            "source": f"vm-{number % 7}" if edge else None,
            "host": LONG if edge else bad,
            "port": 1024 + number if edge else None,
        }
        found.append(made)
    ids = [each["id"] for each in found]
    return document(
        found,
        observations=[
            observation(
                f"o-{number}",
                PAYLOADS[number % len(PAYLOADS)],
                PAYLOADS[number % len(PAYLOADS)],
                PAYLOADS[number % len(PAYLOADS)],
                PAYLOADS[number % len(PAYLOADS)] * 20,
            )
            for number in range(50)
        ],
        blockers=[
            {
                "owner": "network",
                "lead_time": None,
                "ready_on": None,
                "jobs": [{"text": bad, "status": "fail", "findings": ids[:9]} for bad in PAYLOADS],
            }
        ],
        site={
            "name": " ".join(PAYLOADS),
            "change_ticket": PAYLOADS[1],
            "declared": {"vms": [{"name": PAYLOADS[0], "role": 7}, "no vm"], PAYLOADS[3]: [PAYLOADS[4]]},
        },
        run={
            "auditor": PAYLOADS[1],
            "hosts": [
                {
                    "name": f"vm-{n}",
                    "host": PAYLOADS[n],
                    "role": PAYLOADS[n],
                    "reached": n % 2 == 0,
                    "error": None if n % 2 == 0 else PAYLOADS[n],
                }
                for n in range(7)
            ],
        },
        notices=[{"kind": "expired", "text": bad} for bad in PAYLOADS],
        page={"title": PAYLOADS[0], "revision": PAYLOADS[1], "source": PAYLOADS[9]},
        baseline={
            "run_id": "old-1",
            "started_at": "2026-11-16T08:15:02Z",
            "score": None,
            "verdict": "ready",
            "fixed": ids[:3],
            "regressed": ids[3:6],
            "new": ids[6:9],
            "gone": ["vm.os[<b>gone</b>]"],
            "changed": ids[9:12],
            "steps": [
                *(step(ids[n], "regressed", "pass", bad) for n, bad in enumerate(PAYLOADS)),
                *(step(f"vm.os[<b>{n}|`]", "gone", "fail", bad, "waived") for n, bad in enumerate(PAYLOADS)),
            ],
        },
        history=[past("old-1", "2026-11-16T08:15:02Z", "ready", 99.9, 3)],
    )


def wide(vms: int = 10, sips: int = 40) -> ReportDocument:
    """A large site with long names: many VMs, many SIP Servers, a bit of everything broken between them."""
    names = [f"excp-{number}" for number in range(1, vms + 1)]
    statuses: tuple[StatusWord, ...] = ("pass", "pass", "pass", "fail", "pass", "unknown", "pass", "warn")
    found = [
        finding(
            "connectivity.sip-server",
            f"{name}->sip-{sip}.{LONG}:8000",
            statuses[(at * 5 + sip) % 8] if sip % 4 == 0 else "pass",
            "" if sip % 4 else f"SIP Server {sip % 12} is not reached as it should be.",
        )
        for at, name in enumerate(names)
        for sip in range(1, sips + 1)
    ]
    found += [
        finding("connectivity.redis", f"{name}->{REDIS}", "fail" if at == 3 else "pass")
        for at, name in enumerate(names)
    ]
    found += [finding("connectivity.excs-api", f"{name}->{names[0]}:3640", "pass") for name in names[1:]]
    found += [
        finding("network.interconnect", f"{a}->{b}", "unknown" if (a, b) == ("excp-2", "excp-3") else "pass")
        for a in names
        for b in names
        if a != b
    ]
    found += [finding("bootstrap.ssh", f"boot->{name}:22") for name in names]
    return document(
        found,
        site={"name": "Wide " + LONG, "declared": {}},
        run={
            "hosts": [
                {"name": name, "host": f"10.20.1.{at}", "role": "excp", "reached": True, "error": None}
                for at, name in enumerate(names)
            ]
        },
    )
