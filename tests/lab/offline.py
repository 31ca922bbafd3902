"""Reports for tests of the offline commands: real checks over a site file, and answers as machines would give them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from readiness_reports import as_html, as_json
from readiness_schemas.report import FindingDocument, ReportDocument
from typer.testing import CliRunner, Result

from readiness.cli import app
from readiness.gather import Gathered, Reading, fact_of
from readiness.model import Cause, Observation, Reason
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.probe import HostProbe, Probe
from readiness.probes.linux import ReadIdentity
from readiness.probes.listener import CallPort
from readiness.probes.tcp import DialTcp
from readiness.report import Run, assemble
from readiness.site.load import load_site

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

SITE = """\
site: {name: ACME Berlin, change_ticket: CHG0031337}
capacity: {agents: 1000, caps: 5}
ssh: {user: exec}
vms:
  - {name: excs-1, role: excs, host: 10.10.1.11}
  - {name: exas-1, role: exas, host: 10.10.1.12}
  - {name: excp-1, role: excp, host: 10.10.1.13}
  - {name: excp-2, role: excp, host: 10.10.1.14}
bootstrap: {name: boot, host: 10.10.1.10}
config_db: {engine: postgresql, host: cfgdb.acme.example, tls: true}
stat_servers: {primary: {host: stat1.acme.example}, backup: {host: stat2.acme.example}}
sip_servers: [{host: sip1.acme.example}, {host: sip2.acme.example}]
redis: {host: redis.acme.example, password: {env: REDIS_PASSWORD}, tls: {ca_file: acme-ca.pem}}
registry: {url: "https://registry.acme.example", images: ["exec/excs:1"]}
genesys_cloud: {region: mypurecloud.de, ca_file: acme-ca.pem}
attestations:
  - {check: planning.limitations-reviewed, target: site, by: Jane Doe, date: 2026-11-20, reference: CHG1, expires: 2026-12-10}
waivers:
  - {check: connectivity.sip-server, target: "excp-2->*", reason: wave 2, approved_by: Change board, reference: CHG2, date: 2026-11-20, expires: 2026-12-20}
"""  # noqa: E501

Answer = Callable[[Probe[object]], str | None]
"""What a machine answers to a question; ``None`` where nobody could ask it."""


def no_answer(probe: Probe[object]) -> str | None:
    return None


ADDRESSES = {"excs-1": "10.10.1.11", "exas-1": "10.10.1.12", "excp-1": "10.10.1.13", "excp-2": "10.10.1.14"}


@dataclass(frozen=True)
class Connects:
    """Answers to connects: all open, but for the pairs of a VM and a host that are given a verdict of their own.

    A component's port has its service already, so that each call to it is no more than a connect.
    """

    verdicts: tuple[tuple[str, str, str], ...] = ()
    source: str = ""

    def __call__(self, probe: Probe[object]) -> str | None:
        match probe:
            case DialTcp():
                return self._connect(probe.vantage, probe.host)
            case CallPort():
                calls = [
                    {
                        "source": each,
                        "word": "w",
                        "path": self._connect(each, probe.address),
                        "said": False,
                        "heard": "",
                    }
                    for each in probe.sources
                ]
                document = {"nonce": "n", "held": None, "not_held": {"obstacle": "in_use", "text": "taken"}}
                return json.dumps({**document, "trouble": None, "calls": calls, "called": [], "released": None})
        return None

    def _connect(self, vm: str, host: str) -> str:
        verdict = next((word for *pair, word in self.verdicts if pair == [vm, host]), "open")
        if verdict == "dns":
            return json.dumps({"addresses": [], "error": "Name or service not known", "tried": []})
        address = host if host[:1].isdigit() else "10.20.0.9"
        attempt = {
            "verdict": verdict,
            "ms": 3000.0 if verdict == "timeout" else 1.5,
            "tool": "python",
            "source": self.source or ADDRESSES.get(vm, "10.10.1.10"),
        }
        tried = [{"address": address, "attempts": [attempt] * 3}]
        return json.dumps({"addresses": [address], "error": "", "control_port": None, "tried": tried})


@dataclass(frozen=True)
class Machines:
    """Answers to who a machine is: a machine-id, a number for the boot id and a host key for each name."""

    machine_ids: dict[str, str]
    boot: int = 1
    keys: str = "key"

    def __call__(self, probe: Probe[object]) -> str | None:
        if not isinstance(probe, ReadIdentity):
            return None
        name = probe.vantage
        shown = {
            "/proc/sys/kernel/random/boot_id": f"{self.boot:08x}-0000-4000-8000-{name.encode().hex()[:12]:0>12}",
            "/etc/machine-id": self.machine_ids.get(name, f"id-of-{name}"),
            "/etc/ssh/ssh_host_ed25519_key.pub": f"ssh-ed25519 {self.keys}-{name}",
        }
        text = "\n".join(f"=== {part}\n{value}\n--- 0" for part, value in shown.items())
        return HostProbe.recorded(text, 0)


def first_of(*answers: Answer) -> Answer:
    """Answers by the first that has one."""

    def answer(probe: Probe[object]) -> str | None:
        return next((found for each in answers if (found := each(probe)) is not None), None)

    return answer


def report_of(
    site_file: Path,
    answer: Answer = no_answer,
    *,
    at: datetime = NOON,
    baseline: ReportDocument | None = None,
    skip: Sequence[str] = (),
    ended: str = "complete",
) -> ReportDocument:
    """What an audit of a site would report if its machines answered so; whatever has no answer timed out."""
    planned = plan(load_site(site_file, files=False), load_packs(), skip=skip)
    readings = {probe: _reading(probe, answer(probe), at) for probe in planned.probes}
    hosts = {name: None for probe in planned.probes for name in probe.vantages}
    gathered = Gathered(readings, hosts, ended)  # type: ignore[arg-type]
    run = Run(started_at=at, finished_at=at + timedelta(seconds=4), auditor="me@here", gathered=gathered)
    return as_json.seal_digest(assemble(planned, run, baseline=baseline))


def _reading(probe: Probe[object], response: str | None, at: datetime) -> Reading:
    error = Reason(code=Cause.TIMEOUT, detail="no answer in time", enable="Ask again.") if response is None else None
    observation = Observation(
        id=probe.id,
        probe=probe.key,
        vantage=", ".join(probe.vantages),
        method=probe.method,
        started_at=at + timedelta(seconds=1),
        duration_s=0.25,
        attempts=1,
        response=response,
        error=error,
    )
    return Reading(observation, fact_of(probe, observation))


def written(document: ReportDocument, folder: Path) -> Path:
    """The report in a folder of its own, as JSON and HTML; gives back the JSON's path."""
    as_json.write(folder / "report.json", as_json.dumps(document))
    as_json.write(folder / "report.html", as_html.render(document))
    return folder / "report.json"


def site_file(folder: Path, text: str = SITE) -> Path:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def by_id(document: ReportDocument) -> dict[str, FindingDocument]:
    return {finding["id"]: finding for finding in document["findings"]}


def call(*arguments: object) -> Result:
    """One command line, as its user would type it."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
