"""A whole audit of four real sshd's, real Redis servers and TCP peers on loopback: each fault has its status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from readiness_reports import as_json
from readiness_schemas.report import FindingDocument, ReportDocument

from readiness.audit import audit
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.site.load import load_site
from tests.lab.redis_servers import redis_7, redis_62, redis_server
from tests.lab.sockets import closed, serving, silent, swallowing
from tests.lab.sshd import Sshd, SshdLab, black_hole, make_key, sshd_lab

pytestmark = pytest.mark.server
SECRET = "c4nary-Of-Redis"


@dataclass(frozen=True)
class Hosts:
    """Four sshd's: ``exas`` forbids forwarding; ``lab`` starts more."""

    lab: SshdLab
    excs: Sshd
    exas: Sshd
    excp_1: Sshd
    excp_2: Sshd

    def yaml(self, *, excp_2: int | None = None, known_hosts: Path | None = None) -> str:
        rows = "\n".join(
            f"  - {{name: {name}, role: {role}, host: 127.0.0.1, ssh: {{port: {port}}}}}"
            for name, role, port in (
                ("excs-1", "excs", self.excs.port),
                ("exas-1", "exas", self.exas.port),
                ("excp-1", "excp", self.excp_1.port),
                ("excp-2", "excp", excp_2 or self.excp_2.port),
            )
        )
        return (
            f"ssh: {{user: {self.excs.user}, identity_file: {self.excs.key}, "
            f"known_hosts: {known_hosts or self.excs.known_hosts}}}\nvms:\n{rows}\n"
        )


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with sshd_lab(tmp_path_factory.mktemp("hosts")) as lab:
        yield Hosts(
            lab,
            excs=lab.start("excs-1"),
            exas=lab.start("exas-1", "AllowTcpForwarding no"),
            excp_1=lab.start("excp-1"),
            excp_2=lab.start("excp-2"),
        )


async def audited(text: str, folder: Path) -> tuple[ReportDocument, dict[str, FindingDocument]]:
    """Audit a site file; the document, valid by the schema, and its findings by id."""
    path = folder / "site.yaml"
    path.write_text("site: {name: Loopback}\n" + text)
    document = await audit(plan(load_site(path), load_packs()))
    as_json.seal_digest(document)
    as_json.validate(document)
    return document, {finding["id"]: finding for finding in document["findings"]}


def reason(finding: FindingDocument) -> str:
    assert finding["reason"] is not None
    return finding["reason"]["code"]


async def test_paths_are_told_apart(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open, refused, dropped and unresolvable peers, a Redis of version 7, and a host without forwarding."""
    monkeypatch.setenv("REDIS_PASSWORD", SECRET)
    async with redis_server(redis_7(), tmp_path, f"requirepass {SECRET}") as redis:
        with ExitStack() as peers:
            sip, _ = peers.enter_context(serving(silent))
            stat, _ = peers.enter_context(serving(silent))
            refused = peers.enter_context(closed())
            dropped = peers.enter_context(swallowing())
            document, found = await audited(
                hosts.yaml()
                + f"redis: {{host: 127.0.0.1, port: {redis}, password: {{env: REDIS_PASSWORD}}}}\n"
                + f"sip_servers: [{{host: 127.0.0.1, port: {sip}}}, {{host: 127.0.0.1, port: {refused}}}, "
                + f"{{host: 127.0.0.1, port: {dropped}}}]\n"
                + f"stat_servers: {{primary: {{host: 127.0.0.1, port: {stat}}}, "
                + "backup: {host: no-such-host.invalid, port: 2060}}\n",
                tmp_path,
            )

    def row(check: str, source: str, peer: str) -> FindingDocument:
        return found[f"{check}[{source}->{peer}]"]

    assert document["verdict"] == "not_ready"
    for source in ("excp-1", "excp-2"):
        assert row("connectivity.sip-server", source, f"127.0.0.1:{sip}")["status"] == "pass"
        no = row("connectivity.sip-server", source, f"127.0.0.1:{refused}")
        assert (no["status"], no["lane"]) == ("fail", "service")
        silence = row("connectivity.sip-server", source, f"127.0.0.1:{dropped}")
        assert (silence["status"], silence["lane"], silence["owner"]) == ("fail", "firewall", "network")
    assert row("connectivity.stat-server-primary", "exas-1", f"127.0.0.1:{stat}")["status"] == "pass"
    nameless = row("connectivity.stat-server-backup", "exas-1", "no-such-host.invalid:2060")
    assert (nameless["status"], nameless["lane"]) == ("fail", "dns")

    assert found[f"redis.version[127.0.0.1:{redis}]"]["status"] == "fail"
    assert "7." in found[f"redis.version[127.0.0.1:{redis}]"]["observed"]
    for source in ("excs-1", "exas-1", "excp-1", "excp-2"):
        authenticated = row("connectivity.redis", source, f"127.0.0.1:{redis}")
        assert (authenticated["status"], authenticated["level"]) == ("pass", "authenticated"), authenticated
    carried = {
        each["vantage"]: json.loads(each["response"] or "{}")["how"]
        for each in document["observations"]
        if each["probe"].startswith("AskRedis(")
    }
    assert "relay" in carried["exas-1"]
    assert "relay" not in carried["excs-1"]
    assert all(f"vm.kernel[{name}]" in found for name in ("excs-1", "exas-1", "excp-1", "excp-2"))
    assert {host["name"] for host in document["run"]["hosts"] if host["reached"]} >= {"excs-1", "exas-1", "excp-1"}
    assert SECRET not in as_json.dumps(document)


async def test_redis_that_is_too_small_and_a_cluster(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two gigabytes are too few for 3000 agents and 15 CAPS; cluster mode fails by itself; 6.2 passes."""
    monkeypatch.setenv("REDIS_PASSWORD", SECRET)
    server = redis_server(redis_62(), tmp_path, f"requirepass {SECRET}", "maxmemory 2000000000", "cluster-enabled yes")
    async with server as redis:
        document, found = await audited(
            hosts.yaml()
            + "capacity: {agents: 3000, caps: 15}\n"
            + f"redis: {{host: 127.0.0.1, port: {redis}, password: {{env: REDIS_PASSWORD}}}}\n",
            tmp_path,
        )
    peer = f"127.0.0.1:{redis}"
    assert found[f"redis.version[{peer}]"]["status"] == "pass"
    assert found[f"redis.cluster-mode[{peer}]"]["status"] == "fail"
    memory = found[f"redis.memory[{peer}]"]
    assert (memory["status"], memory["lane"]) == ("fail", "capacity")
    assert found[f"redis.edition[{peer}]"]["status"] == "warn"
    assert document["verdict"] == "not_ready"


async def test_a_wrong_password_is_told_from_a_closed_path(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row fails in the lane auth, what Redis would have said is unknown, blocked, and no secret is shown."""
    monkeypatch.setenv("REDIS_PASSWORD", "wr0ng-" + SECRET)
    async with redis_server(redis_62(), tmp_path, f"requirepass {SECRET}") as redis:
        document, found = await audited(
            hosts.yaml() + f"redis: {{host: 127.0.0.1, port: {redis}, password: {{env: REDIS_PASSWORD}}}}\n", tmp_path
        )
    row = found[f"connectivity.redis[excs-1->127.0.0.1:{redis}]"]
    assert (row["status"], row["lane"]) == ("fail", "auth")
    version = found[f"redis.version[127.0.0.1:{redis}]"]
    assert (version["status"], reason(version)) == ("unknown", "blocked")
    assert SECRET not in as_json.dumps(document)


async def test_a_dead_host_costs_one_time_out_and_only_its_own_findings(hosts: Hosts, tmp_path: Path) -> None:
    """A host that swallows every packet: its findings are unknown, unreachable; the others are judged."""
    with black_hole() as dead:
        entry = f"[127.0.0.1]:{dead} {hosts.lab.key.with_suffix('.pub').read_text()}"
        known = tmp_path / "known_hosts"
        known.write_text(hosts.excs.known_hosts.read_text() + entry)
        began = time.monotonic()
        document, found = await audited(hosts.yaml(excp_2=dead, known_hosts=known) + "limits: {ssh: 2}\n", tmp_path)
        took = time.monotonic() - began
    assert took < 15
    lost = found["vm.kernel[excp-2]"]
    assert (lost["status"], reason(lost)) == ("unknown", "unreachable")
    assert found["vm.kernel[excp-1]"]["status"] == "pass"
    (host,) = [each for each in document["run"]["hosts"] if each["name"] == "excp-2"]
    assert not host["reached"]


async def test_a_changed_host_key_is_refused_and_said_aloud(hosts: Hosts, tmp_path: Path) -> None:
    """Another key than the confirmed one: nothing is asked of that host, and the reason says host_key, changed."""
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    lines = [line for line in hosts.excs.known_hosts.read_text().splitlines() if hosts.excp_2.label not in line]
    known = tmp_path / "known_hosts"
    known.write_text("\n".join([*lines, f"{hosts.excp_2.label} {other}"]))
    _, found = await audited(hosts.yaml(known_hosts=known), tmp_path)
    refused = found["vm.kernel[excp-2]"]
    assert (refused["status"], reason(refused)) == ("unknown", "host_key")
    assert refused["reason"] is not None
    assert "changed" in (refused["reason"]["detail"] + refused["reason"]["enable"]).lower()
    assert found["vm.kernel[excs-1]"]["status"] == "pass"


async def test_an_unconfirmed_host_key_is_refused(hosts: Hosts, tmp_path: Path) -> None:
    """First contact is no silent trust: it names the command that confirms."""
    known = tmp_path / "known_hosts"
    known.write_text("")
    _, found = await audited(hosts.yaml(known_hosts=known), tmp_path)
    refused = found["vm.kernel[excs-1]"]
    assert (refused["status"], reason(refused)) == ("unknown", "host_key")
    assert refused["reason"] is not None
    assert "readiness hostkeys" in refused["reason"]["enable"]


def test_the_command_line_audits_and_writes_the_report(hosts: Hosts, tmp_path: Path) -> None:
    """Exit 1 for a site that is not ready, both files written with mode 0600, and a rerun compares itself."""
    (tmp_path / "site.yaml").write_text("site: {name: Loopback}\n" + hosts.yaml())
    program = [sys.executable, "-m", "readiness", "audit", "site.yaml"]
    environment = {**os.environ, "NO_COLOR": "1"}
    first = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode in {1, 3}, first.stderr
    (folder,) = (tmp_path / "readiness-reports/loopback").iterdir()
    assert {path.name for path in folder.iterdir()} == {"report.json", "report.html"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "\x1b" not in first.stdout
    assert f"Report: readiness-reports/loopback/{folder.name}/report.html" in first.stdout

    again = subprocess.run(
        [*program, "--format", "json", "--out", str(tmp_path / "second"), "--baseline", str(folder / "report.json")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == first.returncode, again.stderr
    document = json.loads((tmp_path / "second/report.json").read_text())
    assert document["baseline"]["run_id"] == json.loads((folder / "report.json").read_text())["run"]["id"]


def test_the_report_alone_on_standard_output(hosts: Hosts, tmp_path: Path) -> None:
    """``--format json --out -`` prints one JSON document and writes nothing."""
    (tmp_path / "site.yaml").write_text("site: {name: Loopback}\n" + hosts.yaml())
    done = subprocess.run(
        [sys.executable, "-m", "readiness", "audit", "site.yaml", "--format", "json", "--out", "-", "--only", "vm.*"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    document = json.loads(done.stdout)
    assert document["run"]["scope"] == "partial"
    assert [path.name for path in tmp_path.iterdir()] == ["site.yaml"]


def test_an_interrupted_audit_writes_what_it_found(hosts: Hosts, tmp_path: Path) -> None:
    """Ctrl-C: exit 130, a whole report that is valid, marked incomplete, with every planned finding in it."""
    with swallowing() as dropped:
        (tmp_path / "site.yaml").write_text(
            "site: {name: Loopback}\n" + hosts.yaml() + f"sip_servers: [{{host: 127.0.0.1, port: {dropped}}}]\n"
        )
        program = [sys.executable, "-m", "readiness", "audit", "site.yaml", "--out", "out"]
        with subprocess.Popen(
            program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("excs-1: connected"):
                    break
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
    assert process.returncode == 130
    document = as_json.read(tmp_path / "out/report.json")
    assert document["run"]["complete"] is False
    assert document["verdict"] in {"not_proven", "not_ready"}
    (cut,) = [
        finding
        for finding in document["findings"]
        if finding["id"] == f"connectivity.sip-server[excp-1->127.0.0.1:{dropped}]"
    ]
    assert (cut["status"], reason(cut)) == ("unknown", "cancelled")


async def test_a_deadline_keeps_what_was_found(hosts: Hosts, tmp_path: Path) -> None:
    """``--timeout``: the audit ends then, and what it had not learnt is unknown, timeout."""
    with swallowing() as dropped:
        path = tmp_path / "site.yaml"
        text = "site: {name: Loopback}\n" + hosts.yaml() + f"sip_servers: [{{host: 127.0.0.1, port: {dropped}}}]\n"
        path.write_text(text)
        began = time.monotonic()
        document = await audit(plan(load_site(path), load_packs()), deadline=2.5)
        took = time.monotonic() - began
    assert took < 8
    assert document["run"]["complete"] is False
    (cut,) = [each for each in document["findings"] if each["id"].startswith("connectivity.sip-server[excp-1")]
    assert (cut["status"], reason(cut)) == ("unknown", "timeout")


async def test_what_an_audit_takes_of_a_host(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By each sshd's own log: two connections at the most, never more than four sessions on one, few in all.

    That holds for the host that forwards nothing too, where every path is a session.
    """
    monkeypatch.setenv("REDIS_PASSWORD", SECRET)
    machines = (hosts.excs, hosts.exas, hosts.excp_1, hosts.excp_2)
    before = {host.name: host.log.stat().st_size for host in machines}
    async with redis_server(redis_62(), tmp_path, f"requirepass {SECRET}") as redis:
        with ExitStack() as peers:
            sip, stat, backup = (peers.enter_context(serving(silent))[0] for _ in range(3))
            _, found = await audited(
                hosts.yaml() + f"sip_servers: [{{host: 127.0.0.1, port: {sip}}}]\n"
                f"stat_servers: {{primary: {{host: 127.0.0.1, port: {stat}}}, "
                f"backup: {{host: 127.0.0.1, port: {backup}}}}}\n"
                f"redis: {{host: 127.0.0.1, port: {redis}, password: {{env: REDIS_PASSWORD}}}}\n",
                tmp_path,
            )
    for host in machines:
        assert found[f"connectivity.redis[{host.name}->127.0.0.1:{redis}]"]["status"] == "pass"
        connections = host.served(since=before[host.name])
        assert 1 <= len(connections) <= 2
        assert all(connection.at_once <= 4 for connection in connections)
        assert 2 <= sum(connection.sessions for connection in connections) <= 16


def test_first_contact_is_one_confirmation(hosts: Hosts, tmp_path: Path) -> None:
    """``hostkeys`` shows every fingerprint, ``--write`` keeps them all, and then the audit logs in."""
    known = tmp_path / "known_hosts"
    (tmp_path / "site.yaml").write_text("site: {name: Loopback}\n" + hosts.yaml(known_hosts=known))
    known.touch(mode=0o600)

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "readiness", *words]
        return subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)

    shown = call("hostkeys", "site.yaml")
    assert shown.returncode == 1, shown.stderr
    for host in (hosts.excs, hosts.exas, hosts.excp_1, hosts.excp_2):
        assert host.label in shown.stdout
    assert shown.stdout.count("SHA256:") >= 4
    assert "--write" in shown.stdout
    assert known.read_text() == ""

    kept = call("hostkeys", "site.yaml", "--write")
    assert kept.returncode == 0, kept.stdout + kept.stderr
    assert known.stat().st_mode & 0o777 == 0o600
    assert call("hostkeys", "site.yaml").returncode == 0
    done = call("audit", "site.yaml", "--only", "vm.kernel", "--format", "json", "--out", "-")
    document = json.loads(done.stdout)
    statuses = {each["id"]: each["status"] for each in document["findings"] if each["check"] == "vm.kernel"}
    assert set(statuses.values()) == {"pass"}, statuses
