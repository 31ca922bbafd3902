"""A machine's own trust in a registry: the script run here for real, with each tool that verifies."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from readiness.model import Cause, ProbeError
from readiness.probes.registry_trust import ReadRegistryTrust, RegistryTrust, Trust
from readiness.site import Endpoint
from readiness.vantage import Completed, Resolution, Vantages
from tests.lab.mapped import Authority, Mapped, free_port, gathered, listening

TOOLS = [
    pytest.param(tool, marks=pytest.mark.skipif(shutil.which(tool) is None, reason=f"needs {tool}"))
    for tool in ("curl", "openssl", "python3")
]


PROGRAMS = {tool: Path(shutil.which(tool) or tool).resolve() for tool in ("timeout", "tr", "sed", "curl", "openssl")}
PROGRAMS["python3"] = Path(sys.executable).resolve()


@dataclass
class Shell(Mapped):
    """Runs scripts in a real shell that has one of the tools, with a folder in the place of /etc/docker."""

    folder: Path = field(default_factory=Path)
    tools: tuple[str, ...] = ()
    docker: str = ""

    async def run(self, script: str, *, limit: float, privileged: bool = False) -> Completed:
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        for tool in ("timeout", "tr", "sed", *self.tools):
            if not (programs / tool).exists():
                (programs / tool).symlink_to(PROGRAMS[tool])
        if self.docker:
            (programs / "docker").write_text(f"#!/bin/sh\n{self.docker}\n")
            (programs / "docker").chmod(0o755)
        script = script.replace("/etc/docker", str(self.folder / "docker"))
        script = script.replace("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin", f"PATH={programs}")
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate(script.encode())
        return Completed(status=0, out=out, err=b"")

    async def resolve(self, name: str) -> Resolution:
        return Resolution(name=name, addresses=(name,) if name[0].isdigit() else ())

    def trust(self, registry: Endpoint, authority: Authority) -> None:
        folder = self.folder / "docker" / "certs.d" / str(registry)
        folder.mkdir(parents=True)
        shutil.copy(authority.ca_file, folder / "ca.crt")


async def asked(machine: Shell, registry: Endpoint, *, tls: bool = True) -> RegistryTrust:
    vantages: Vantages = gathered(machine)
    probe = ReadRegistryTrust(machine.name, registry, tls)
    return probe.parse(await probe.read(vantages))


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None) -> AsyncIterator[Endpoint]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with listening(talk, tls=tls) as port:
        yield Endpoint("127.0.0.1", port)


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_private_authority_counts_only_where_the_engine_looks(tmp_path: Path, tool: str) -> None:
    """Unknown to the machine's store it is untrusted; in the engine's folder for that registry it is trusted."""
    authority = Authority.found(tmp_path)
    machine = Shell("excs-1", folder=tmp_path, tools=(tool,))
    async with serving(authority.serving("127.0.0.1")) as registry:
        before = await asked(machine, registry)
        machine.trust(registry, authority)
        after = await asked(machine, registry)
    assert (before.store.trust, before.store.tool, before.folder) == (Trust.UNTRUSTED, tool, {})
    assert "certificate" in before.store.said
    assert after.store.trust is Trust.UNTRUSTED
    ((path, verified),) = after.folder.items()
    assert (Path(path).name, verified.trust, verified.tool) == ("ca.crt", Trust.TRUSTED, tool)


@pytest.mark.parametrize("tool", TOOLS)
async def test_another_name_is_not_trusted_with_the_right_authority(tmp_path: Path, tool: str) -> None:
    """The name in the certificate is verified too."""
    authority = Authority.found(tmp_path)
    machine = Shell("excs-1", folder=tmp_path, tools=(tool,))
    async with serving(authority.serving("registry.example")) as registry:
        machine.trust(registry, authority)
        found = await asked(machine, registry)
    assert {one.trust for one in (found.store, *found.folder.values())} == {Trust.UNTRUSTED}


@pytest.mark.parametrize("tool", TOOLS)
async def test_an_expired_certificate_is_not_trusted(tmp_path: Path, tool: str) -> None:
    """Nor is its end overlooked."""
    authority = Authority.found(tmp_path)
    machine = Shell("excs-1", folder=tmp_path, tools=(tool,))
    async with serving(authority.serving("127.0.0.1", days=-1)) as registry:
        machine.trust(registry, authority)
        found = await asked(machine, registry)
    assert [one.trust for one in found.folder.values()] == [Trust.UNTRUSTED]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", ["closed", "plain"])
async def test_no_tls_is_no_verdict(tmp_path: Path, tool: str, kind: str) -> None:
    """A closed port and a server without TLS say nothing about trust."""
    machine = Shell("excs-1", folder=tmp_path, tools=(tool,))
    if kind == "closed":
        found = await asked(machine, Endpoint("127.0.0.1", free_port()))
    else:
        async with serving(None) as registry:
            found = await asked(machine, registry)
    assert (found.store.trust, bool(found.store.said)) == (Trust.UNREACHED, True)


async def test_a_machine_without_tools_has_tried_nothing(tmp_path: Path) -> None:
    """No tool, no verdict."""
    authority = Authority.found(tmp_path)
    async with serving(authority.serving("127.0.0.1")) as registry:
        found = await asked(Shell("excs-1", folder=tmp_path), registry)
    assert (found.store.trust, found.tools) == (Trust.UNTRIED, "")


CONFIG = '{"InsecureRegistryCIDRs":["127.0.0.0/8"],"IndexConfigs":{"docker.io":{"Secure":true},"r.example:5000":{"Secure":false}}}'  # noqa: E501


@pytest.mark.parametrize(
    ("docker", "file", "registry", "insecure"),
    [
        (f"echo '{CONFIG}'", "", Endpoint("r.example", 5000), True),
        (f"echo '{CONFIG}'", "", Endpoint("r.example", 5001), False),
        # the engine's own word outweighs its file, which it may not have read yet
        (f"echo '{CONFIG}'", '{"insecure-registries": ["r.example:5001"]}', Endpoint("r.example", 5001), False),
        (f"echo '{CONFIG}'", "", Endpoint("127.0.0.9", 5000), True),
        ("echo denied >&2; exit 1", "", Endpoint("r.example", 5000), None),
        ("echo denied >&2; exit 1", '{"insecure-registries": ["r.example:5000"]}', Endpoint("r.example", 5000), True),
        (
            "exit 1",
            '{\n "debug": true,\n "insecure-registries" : [\n "10.0.0.0/8"\n ]\n}',
            Endpoint("10.1.2.3", 80),
            True,
        ),
        ("exit 1", '{"insecure-registries": ["r.example"]}', Endpoint("r.example", 80), True),
        ("exit 1", '{"insecure-registries": ["r.example"]}', Endpoint("r.example", 5000), None),
        ("exit 1", "{}", Endpoint("r.example", 5000), None),
        ("", "", Endpoint("r.example", 5000), None),
    ],
)
async def test_insecure_registries_are_the_engines_word(
    tmp_path: Path, docker: str, file: str, registry: Endpoint, insecure: bool | None
) -> None:
    """The engine tells; where it does not, its file may say yes and never no."""
    machine = Shell("excs-1", folder=tmp_path, docker=docker)
    if file:
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "daemon.json").write_text(file)
    found = await asked(machine, registry, tls=False)
    assert (found.insecure, found.store.trust) == (insecure, Trust.UNTRIED)


async def test_secrets_in_the_engines_file_stay_there(tmp_path: Path) -> None:
    """Of daemon.json nothing is read but the one list."""
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "daemon.json").write_text(
        '{"log-opts": {"splunk-token": "hunter2"}, "insecure-registries": []}'
    )
    machine = Shell("excs-1", folder=tmp_path)
    response = await ReadRegistryTrust("excs-1", Endpoint("r.example", 80), False).read(gathered(machine))
    assert "hunter2" not in response


def test_a_host_that_could_break_out_of_the_script_is_refused() -> None:
    """Only what a host name can hold comes near a shell."""
    from readiness.probes.registry_trust import _script

    with pytest.raises(ProbeError):
        _script(Endpoint("r'; reboot; '", 443), True)


@pytest.mark.parametrize(
    "response", ["", "{}", "[]", '{"addresses": [], "output": ""}', '{"addresses": 1, "output": ""}']
)
def test_a_recording_that_is_none_is_an_error(response: str) -> None:
    """A script that did not reach its end proves nothing."""
    with pytest.raises(ProbeError) as caught:
        ReadRegistryTrust("excs-1", Endpoint("r.example", 443), True).parse(response)
    assert caught.value.reason.code in (Cause.PARSE, Cause.TIMEOUT)


def test_what_real_tools_printed_is_understood() -> None:
    """openssl 1.1.1 (RHEL 8) and 3.0 (Debian 12), curl 7.61 (RHEL 8) and 7.88 (Debian 12)."""
    probe = ReadRegistryTrust("excs-1", Endpoint("r.example", 443), True)

    def trust(said: str, status: int) -> Trust:
        output = f"=== store\n{said}\n--- {status}\n=== end\n--- 0\n"
        return probe.parse(json.dumps({"addresses": [], "output": output})).store.trust

    for said, status, expected in (
        ("tool curl\n", 0, Trust.TRUSTED),
        (
            "tool curl\ncurl: (60) SSL certificate problem: unable to get local issuer certificate",
            60,
            Trust.UNTRUSTED,
        ),
        (
            "tool curl\ncurl: (51) SSL: no alternative certificate subject name matches target host name",
            51,
            Trust.UNTRUSTED,
        ),
        ("tool curl\ncurl: (7) Failed to connect to r.example port 443: Connection refused", 7, Trust.UNREACHED),
        (
            "tool curl\ncurl: (35) error:1408F10B:SSL routines:ssl3_get_record:wrong version number",
            35,
            Trust.UNREACHED,
        ),
        ("tool curl\ncurl: (77) error setting certificate verify locations", 77, Trust.UNTRIED),
        ("tool curl\n", 124, Trust.UNREACHED),
        (
            "tool openssl\nCONNECTED(00000003)\n-----BEGIN CERTIFICATE-----\nVerify return code: 0 (ok)",
            0,
            Trust.TRUSTED,
        ),
        (
            "tool openssl\nverify error:num=20:unable to get local issuer certificate\nVerify return code: 20 (x)",
            1,
            Trust.UNTRUSTED,
        ),
        ("tool openssl\nconnect: Connection refused\nconnect:errno=111", 1, Trust.UNREACHED),
    ):
        assert trust(said, status) is expected, said


@pytest.mark.parametrize(("can_sudo", "insecure", "runs"), [(True, True, [False, True]), (False, None, [False])])
async def test_sudo_is_called_only_for_what_is_hidden(
    tmp_path: Path, can_sudo: bool, insecure: bool | None, runs: list[bool]
) -> None:
    """An engine that shows its settings to root alone is asked again by sudo, where the site allows it."""
    asked_as: list[bool] = []

    class Sudo(Shell):
        async def run(self, script: str, *, limit: float, privileged: bool = False) -> Completed:
            asked_as.append(privileged)
            self.docker = f"echo '{CONFIG}'" if privileged else "exit 1"
            return await super().run(script, limit=limit, privileged=privileged)

    machine = Sudo("excs-1", folder=tmp_path)
    machine.can_sudo = can_sudo
    found = await asked(machine, Endpoint("r.example", 5000), tls=False)
    assert (found.insecure, asked_as) == (insecure, runs)


async def test_sudo_is_not_called_where_nothing_is_hidden(tmp_path: Path) -> None:
    """A verdict that an ordinary user can see needs no more rights."""
    machine = Shell("excs-1", folder=tmp_path, docker=f"echo '{CONFIG}'")
    machine.can_sudo = True
    assert (await asked(machine, Endpoint("r.example", 5001), tls=False)).insecure is False
