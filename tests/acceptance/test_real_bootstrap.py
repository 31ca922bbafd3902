"""An audit of real sshd's through a real bootstrap VM: whose SSH server answers it, and whose does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from readiness_schemas.report import FindingDocument

from readiness.audit import audit
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.site.load import load_site
from tests.lab.sshd import LOOPBACK, Sshd, SshdLab, free_port, sshd_lab

pytestmark = pytest.mark.server

ELSEWHERE = "127.0.0.2"


@dataclass(frozen=True)
class Hosts:
    lab: SshdLab
    boot: Sshd
    excs: Sshd
    exas: Sshd
    excp_1: Sshd


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with sshd_lab(tmp_path_factory.mktemp("hosts")) as lab:
        yield Hosts(
            lab,
            boot=lab.start("boot-1"),
            excs=lab.start("excs-1"),
            exas=lab.start("exas-1"),
            excp_1=lab.start("excp-1", known=False),
        )


async def audited(text: str, folder: Path) -> dict[str, FindingDocument]:
    """The findings of one audit of bootstrap.ssh, by the edge."""
    path = folder / "site.yaml"
    path.write_text("site: {name: Loopback}\n" + text)
    document = await audit(plan(load_site(path), load_packs(), only=["bootstrap.ssh"]))
    found = {each["target"]["name"]: each for each in document["findings"] if each["check"] == "bootstrap.ssh"}
    assert set(found) == {each["id"].partition("[")[2][:-1] for each in found.values()}
    return found


def login(hosts: Hosts) -> str:
    return f"ssh: {{user: {hosts.boot.user}, identity_file: {hosts.boot.key}, known_hosts: {hosts.boot.known_hosts}}}\n"


async def test_each_vm_is_told_from_whoever_else_answers(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One VM answers; behind another's address sits a machine with its own key; one is unknown, one is down."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / ".ssh/config").write_text(f"Host only-the-auditor-knows\n  HostName {LOOPBACK}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    down = free_port()
    with hosts.boot.known_hosts.open("a") as known:
        public = (hosts.exas.folder / "host_key.pub").read_text().split()
        known.write(f"[only-the-auditor-knows]:{hosts.exas.port} {public[0]} {public[1]}\n")
    impostor = await asyncssh.listen(
        ELSEWHERE, hosts.exas.port, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")]
    )
    try:
        found = await audited(
            login(hosts) + f"bootstrap: {{name: boot-1, host: {LOOPBACK}, ssh: {{port: {hosts.boot.port}}}}}\nvms:\n"
            f"  - {{name: excs-1, role: excs, host: {LOOPBACK}, ssh: {{port: {hosts.excs.port}}}}}\n"
            f"  - {{name: exas-1, role: exas, host: only-the-auditor-knows, address: {ELSEWHERE},"
            f" ssh: {{port: {hosts.exas.port}}}}}\n"
            f"  - {{name: excp-1, role: excp, host: {LOOPBACK}, ssh: {{port: {hosts.excp_1.port}}}}}\n"
            f"  - {{name: excp-2, role: excp, host: {LOOPBACK}, ssh: {{port: {down}}}}}\n"
            "limits: {ssh: 4, connect: 3, conversation: 4}\n",
            tmp_path,
        )
    finally:
        impostor.close()
        await impostor.wait_closed()

    passed = found[f"boot-1->excs-1:{hosts.excs.port}"]
    assert (passed["status"], passed["level"]) == ("pass", "protocol"), passed
    assert {each["vantage"] for each in passed["evidence"]} == {"boot-1", "auditor"}

    other = found[f"boot-1->exas-1:{hosts.exas.port}"]
    assert (other["status"], other["lane"], other["owner"]) == ("fail", "route", "network"), other
    assert ELSEWHERE in other["summary"]

    unknown = found[f"boot-1->excp-1:{hosts.excp_1.port}"]
    assert (unknown["status"], unknown["reason"] and unknown["reason"]["by"]) == ("unknown", "vm.os[excp-1]"), unknown
    assert "not known yet" in str(unknown["reason"])

    refused = found[f"boot-1->excp-2:{down}"]
    assert (refused["status"], refused["lane"]) == ("fail", "service"), refused


async def test_the_auditors_machine_as_bootstrap_vm_and_two_addresses(hosts: Hosts, tmp_path: Path) -> None:
    """Straight from here; where one of a VM's two addresses is somebody else's, that is a warning."""
    impostor = await asyncssh.listen(
        ELSEWHERE, hosts.exas.port, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")]
    )
    async with asyncio.timeout(30):
        found = await audited(
            login(hosts) + "bootstrap: {name: here, local: true}\nvms:\n"
            f"  - {{name: excs-1, role: excs, host: {LOOPBACK}, ssh: {{port: {hosts.excs.port}}}}}\n"
            f"  - {{name: exas-1, role: exas, host: {LOOPBACK}, address: {ELSEWHERE},"
            f" ssh: {{port: {hosts.exas.port}}}}}\n"
            f"  - {{name: excp-1, role: excp}}\n",
            tmp_path,
        )
    impostor.close()
    await impostor.wait_closed()
    assert found[f"here->excs-1:{hosts.excs.port}"]["status"] == "pass"
    both = found[f"here->exas-1:{hosts.exas.port}"]
    assert (both["status"], both["lane"]) == ("warn", "route"), both
    unbuilt = found["here->excp-1:22"]
    assert (unbuilt["status"], unbuilt["reason"] and unbuilt["reason"]["code"]) == ("unknown", "undeclared")


async def test_the_edges_cost_one_login_and_no_account_of_it(hosts: Hosts, tmp_path: Path) -> None:
    """The VM is logged in to once, by the auditor; the bootstrap VM twice, as everything that is dialled through."""
    before = {host.name: host.said("Accepted publickey") for host in (hosts.boot, hosts.excs, hosts.exas)}
    await audited(
        login(hosts) + f"bootstrap: {{name: boot-1, host: {LOOPBACK}, ssh: {{port: {hosts.boot.port}}}}}\nvms:\n"
        f"  - {{name: excs-1, role: excs, host: {LOOPBACK}, ssh: {{port: {hosts.excs.port}}}}}\n"
        f"  - {{name: exas-1, role: exas, host: {LOOPBACK}, ssh: {{port: {hosts.exas.port}}}}}\n",
        tmp_path,
    )
    after = {host.name: host.said("Accepted publickey") for host in (hosts.boot, hosts.excs, hosts.exas)}
    assert {name: after[name] - before[name] for name in after} == {"boot-1": 2, "excs-1": 1, "exas-1": 1}
