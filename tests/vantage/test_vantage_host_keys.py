"""The first contact: what hosts show, next to what is confirmed."""

# ruff: noqa: ASYNC240 (preparing files blocks a test, and nobody else)

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from readiness.model import Cause
from readiness.vantage import JumpAccess
from readiness.vantage.host_keys import HostKeys, KeyState, append_known_hosts, host_keys
from readiness.vantage.known_hosts import append
from tests.lab.sshd import LOOPBACK, Sshd, SshdLab, free_port, make_key
from tests.vantage.conftest import LIMITS, Open

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("opened")]


@pytest.fixture(scope="module")
def two_kinds(lab: SshdLab) -> Sshd:
    """A host with two host keys that nobody confirmed."""
    second = make_key(lab.folder / "second-kind", kind="ecdsa")
    return lab.start("two-kinds", f"HostKey {second}", known=False)


def shown(*keys: Path) -> set[str]:
    """Fingerprints as ssh-keygen prints them."""
    lines = (
        subprocess.run(["ssh-keygen", "-l", "-f", key], check=True, capture_output=True, text=True).stdout
        for key in keys
    )
    return {line.split()[1] for line in lines}


async def test_first_contact(opened: Open, two_kinds: Sshd, tmp_path: Path) -> None:
    """An unknown host shows every key it has; confirming it once makes it known, and the login works."""
    known = tmp_path / "ssh" / "known_hosts"
    access = two_kinds.access(known_hosts=known)
    (found,) = await host_keys([access], limits=LIMITS)
    assert (found.state, found.label, found.names) == (KeyState.UNKNOWN, two_kinds.label, (two_kinds.name,))
    ecdsa = two_kinds.folder.parent / "second-kind.pub"
    assert {key.fingerprint for key in found.keys} == shown(two_kinds.folder / "host_key.pub", ecdsa)
    assert found.path == known
    assert append_known_hosts(found.path, [found]) == 2
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    assert append_known_hosts(found.path, [found]) == 0
    (again,) = await host_keys([access], limits=LIMITS)
    assert (again.state, {key.state for key in again.keys}) == (KeyState.KNOWN, {KeyState.KNOWN})
    assert again.new_lines == ()
    async with opened(access) as vantages:
        await vantages[two_kinds.name].connect()
    assert two_kinds.said("Accepted publickey") == 1


async def test_nobody_is_logged_in(two_kinds: Sshd, tmp_path: Path) -> None:
    """Asking for keys shows the server no credential, and tries none."""
    before = two_kinds.said("Accepted"), two_kinds.said("Failed")
    await host_keys([two_kinds.access(known_hosts=tmp_path / "none")], limits=LIMITS)
    assert (two_kinds.said("Accepted"), two_kinds.said("Failed")) == before


async def test_a_changed_key(two_kinds: Sshd, tmp_path: Path) -> None:
    """A host whose confirmed key was another is changed, and adding what it shows adds nothing."""
    known = tmp_path / "known_hosts"
    old = make_key(tmp_path / "old")
    text = f"{two_kinds.label} {' '.join(Path(f'{old}.pub').read_text().split()[:2])}\n"
    known.write_text(text)
    (found,) = await host_keys([two_kinds.access(known_hosts=known)], limits=LIMITS)
    assert found.state is KeyState.CHANGED
    assert set(found.known) == shown(Path(f"{old}.pub"))
    assert append_known_hosts(known, [found]) == 0
    assert known.read_text() == text


async def test_a_dead_host(plain: Sshd) -> None:
    """A host that does not answer says why, and stands in nobody's way."""
    dead, alive = await host_keys([plain.access(name="dead", port=free_port()), plain.access()], limits=LIMITS)
    assert (dead.state, dead.names) == (KeyState.UNREACHABLE, ("dead",))
    assert dead.reason is not None
    assert dead.reason.code is Cause.UNREACHABLE
    assert alive.state is KeyState.KNOWN


async def test_behind_a_jump_host(lab: SshdLab, tmp_path: Path) -> None:
    """The jump host comes first; those behind it follow once it is confirmed."""
    bastion, first, second = (lab.start(f"keys-{name}", known=False) for name in ("bastion", "first", "second"))
    known = tmp_path / "known_hosts"
    jump = JumpAccess(host=LOOPBACK, port=bastion.port, user=bastion.user, identity_file=bastion.key)
    accesses = [server.access(jump=jump, known_hosts=known) for server in (first, second)]
    before = await host_keys(accesses, limits=LIMITS)
    assert [(found.label, found.state, found.behind) for found in before] == [
        (bastion.label, KeyState.UNKNOWN, None),
        (first.label, KeyState.UNREACHABLE, bastion.label),
        (second.label, KeyState.UNREACHABLE, bastion.label),
    ]
    assert (before[0].jump, before[0].names) == (True, (first.name, second.name))
    append_known_hosts(known, before)
    after = await host_keys(accesses, limits=LIMITS)
    assert [found.state for found in after] == [KeyState.KNOWN, KeyState.UNKNOWN, KeyState.UNKNOWN]
    append_known_hosts(known, after)
    assert {found.state for found in await host_keys(accesses, limits=LIMITS)} == {KeyState.KNOWN}


async def test_a_certified_host(lab: SshdLab, tmp_path: Path) -> None:
    """A host whose certificate a confirmed authority signed is known without its key standing anywhere."""
    authority = make_key(tmp_path / "authority")
    server = lab.start("keys-certified", f"HostCertificate {lab.folder}/keys-certified/host_key-cert.pub", known=False)
    sign = ["ssh-keygen", "-q", "-s", authority, "-h", "-I", "vm", "-n", LOOPBACK, server.folder / "host_key.pub"]
    subprocess.run(sign, check=True, stderr=subprocess.DEVNULL)  # noqa: ASYNC221 (takes no time)
    lab.reload(server)
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority {server.label} {Path(f'{authority}.pub').read_text()}")
    (found,) = await host_keys([server.access(known_hosts=known)], limits=LIMITS)
    assert found.state is KeyState.KNOWN


async def test_one_server_for_two_hosts(plain: Sshd) -> None:
    """Two hosts of the site on one server are one line to confirm; a local one is none."""
    accesses = [plain.access(name="one"), plain.access(name="two"), plain.access(name="here", local=True)]
    (found,) = await host_keys(accesses, limits=LIMITS)
    assert found.names == ("one", "two")


def test_adding_loses_nothing(tmp_path: Path) -> None:
    """A file without a last newline keeps its last line, and what nobody understands stays."""
    known = tmp_path / "known_hosts"
    known.write_bytes(b"# mine\n\xff nonsense")
    host = HostKeys(names=("vm",), label="vm", state=KeyState.UNKNOWN, path=known)
    assert append_known_hosts(known, [host]) == 0

    assert append(known, ["vm ssh-ed25519 AAAA", "vm ssh-ed25519 AAAA"]) == 1
    assert known.read_bytes() == b"# mine\n\xff nonsense\nvm ssh-ed25519 AAAA\n"
