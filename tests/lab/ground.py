"""Ground for audits of hostile sites: a folder, hosts and peers that are left at the end, and what must hold then."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from readiness_schemas.report import FindingDocument

from tests.lab.command_line import Ended
from tests.lab.ssh_peers import Login, Obey, SshPeer, run
from tests.lab.tempers import LOOPBACK, Temper, serving

VMS = {"excs-1": "excs", "exas-1": "exas", "excp-1": "excp", "excp-2": "excp"}
HOSTS = (*VMS, "boot", "prometheus")
SHORT = "{ssh: 2, script: 3, connect: 1, conversation: 2}"
FAIR = "{ssh: 6, script: 15, connect: 1, conversation: 3}"
SECRET = "c4nary-Of-Everything"
PEAK = 160 << 20
"""Bytes of memory at the most; an audit of a quiet site of this size takes some 90 MiB."""


@dataclass
class Ground:
    """A folder, one key for every host, and what is entered to be left at the end."""

    folder: Path
    key: asyncssh.SSHKey
    entered: contextlib.AsyncExitStack

    async def host(self, name: str, obey: Obey = run) -> SshPeer:
        return await self.entered.enter_async_context(
            SshPeer(name, self.folder, Login(user="exec", key=self.key), obey=obey)
        )

    async def peer(self, temper: Temper, *, tls: ssl.SSLContext | None = None) -> int:
        return await self.entered.enter_async_context(serving(temper, tls=tls))

    def site(self, ports: Mapping[str, int], peers: tuple[SshPeer, ...], limits: str, rest: str) -> Path:
        """A site file whose machines listen on these ports."""
        known = self.folder / "known_hosts"
        known.write_text("".join(peer.known_hosts_line for peer in peers))
        rows = "".join(
            f"  - {{name: {name}, role: {role}, host: {LOOPBACK}, address: 127.0.10.{number}, "
            f"ssh: {{port: {ports[name]}}}}}\n"
            for number, (name, role) in enumerate(VMS.items(), start=11)
        )
        boot = f"host: {LOOPBACK}, ssh: {{port: {ports['boot']}}}" if "boot" in ports else "local: true"
        path = self.folder / "site.yaml"
        path.write_text(
            f"site: {{name: Hostile}}\nlimits: {limits}\n"
            f"ssh: {{user: exec, identity_file: {self.folder / 'key'}, known_hosts: {known}, sudo: true}}\n"
            f"vms:\n{rows}bootstrap: {{name: boot, {boot}}}\n{rest}"
        )
        return path


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "key").touch(mode=0o600)
    key.write_private_key(tmp_path / "key")
    async with contextlib.AsyncExitStack() as entered:
        yield Ground(tmp_path, key, entered)


def bounded(ended: Ended) -> None:
    """It ended within what the plan prints, wrote a whole report, and nothing of it was our own failure."""
    assert ended.status in (1, 3), ended.err[-2000:]
    print(f"bound {ended.bound:g} s, took {ended.whole:.1f} s, at most {ended.peak >> 20} MiB")
    assert ended.whole < ended.bound + busy(ended)
    assert ended.peak < PEAK
    assert ended.document["run"]["complete"]
    ours = [str(each["reason"]) for each in ended.findings.values() if reason_of(each) == "crash"]
    assert not [said for said in ours if "defect of readiness" in said]
    assert "Traceback" not in ended.err
    assert "Exception" not in ended.err
    assert "socket.send() raised" not in ended.err


def busy(*ended: Ended) -> float:
    """Seconds to allow for on a machine that has more to do than this test: by how slowly an audit starts there."""
    return 6 * max(0.0, *(each.start_up - 1.0 for each in ended))


def reason_of(finding: FindingDocument) -> str | None:
    return finding["reason"]["code"] if finding["reason"] is not None else None


def services(ports: Mapping[str, int], *, secure: Collection[str] = ()) -> str:
    """Every service that a site can declare, each on its port of loopback; those that are ``secure`` by HTTPS."""
    url = {name: f'"{"https" if name in secure else "http"}://{LOOPBACK}:{port}"' for name, port in ports.items()}
    account = "username: exec, password: {env: CANARY}"
    return (
        f"redis: {{host: {LOOPBACK}, port: {ports['redis']}, {account}, "
        f"enterprise_api: {{url: {url['enterprise']}, {account}}}}}\n"
        f'registry: {{url: {url["registry"]}, {account}, images: ["exec/excs:1", "exec/exas:1"]}}\n'
        f"config_db: {{host: {LOOPBACK}, port: {ports['database']}, database: cfg, user: exec, "
        "password: {env: CANARY}}\n"
        f"stat_servers: {{primary: {{host: {LOOPBACK}, port: {ports['stat-1']}}}, "
        f"backup: {{host: {LOOPBACK}, port: {ports['stat-2']}}}}}\n"
        f"sip_servers: [{{host: {LOOPBACK}, port: {ports['sip']}}}]\n"
        "genesys_cloud: {region: mypurecloud.de, client_id: 00000000-0000-0000-0000-000000000000, "
        "client_secret: {env: CANARY}, organization_id: 11111111-1111-1111-1111-111111111111, "
        f"proxy: {url['proxy']}}}\n"
        f"logging: {{url: {url['logging']}, {account}}}\n"
        f"monitoring:\n  prometheus: {{host: {LOOPBACK}, url: {url['prometheus']}, {account}, "
        f"ssh: {{port: {ports['ssh']}}}}}\n"
        f"  grafana: {{url: {url['grafana']}, {account}}}\n  portainer: {{url: {url['portainer']}, {account}}}\n"
    )
