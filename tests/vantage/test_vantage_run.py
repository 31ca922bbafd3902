"""Scripts on a machine: over SSH and on the auditor's own."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from readiness.model import Cause, ProbeError
from readiness.secret import Secret, SecretRef
from readiness.vantage import AUDITOR, Completed, shell
from readiness.vantage.host import Host
from tests.lab.sshd import Account, Sshd, SshdLab
from tests.vantage.conftest import Open

pytestmark = pytest.mark.server

NOISE = """\
echo "WELCOME FROM BASHRC"
printf 'no newline at the end'
echo "and some on standard error" >&2
alias echo='echo aliased'
"""


@pytest.fixture(scope="session")
def noisy(lab: SshdLab) -> Sshd:
    """A host whose start-up files, banner and message of the day all talk."""
    banner = lab.folder / "banner"
    banner.write_text("\x1b[31mAUTHORISED USE ONLY\x1b[0m\n" * 20)
    return lab.start("noisy", f"Banner {banner}", "PrintMotd yes", "PermitTTY no", home={".bashrc": NOISE})


@pytest.fixture(params=["ssh", "noisy", "local"])
def where(request: pytest.FixtureRequest) -> Sshd | None:
    """Three machines that must behave alike; ``None`` is the auditor's own."""
    fixture = {"ssh": "plain", "noisy": "noisy"}.get(request.param)
    return request.getfixturevalue(fixture) if fixture else None


def chosen(where: Sshd | None) -> tuple[list[object], str]:
    return ([where.access()], where.name) if where is not None else ([], AUDITOR)


async def run(opened: Open, where: Sshd | None, script: str, *, limit: float = 5.0) -> Completed:
    accesses, name = chosen(where)
    async with opened(*accesses) as vantages:
        return await vantages[name].run(script, limit=limit)


def living(mark: str) -> list[str]:
    """The processes whose command line holds ``mark``; the dead that nobody buried do not count."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line and process.name != str(os.getpid()):
            found.append(line)
    return found


async def gone(mark: str, *, within: float = 3.0) -> bool:
    until = time.monotonic() + within
    while living(mark):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.02)
    return True


async def there(mark: str) -> None:
    async with asyncio.timeout(5):
        while not living(mark):  # noqa: ASYNC110 (another process's start has no event)
            await asyncio.sleep(0.01)


class TestAnswers:
    async def test_status_output_and_errors(self, opened: Open, where: Sshd | None) -> None:
        """A script's status, output and errors come back alone, whatever the login shell said before."""
        done = await run(opened, where, "echo out; echo err >&2; exit 7")
        assert done == Completed(status=7, out=b"out\n", err=b"err\n")

    async def test_bytes_stay_bytes(self, opened: Open, where: Sshd | None) -> None:
        """Output that is no UTF-8 comes back as it is, and the connection lives on."""
        accesses, name = chosen(where)
        async with opened(*accesses) as vantages:
            done = await vantages[name].run(r"printf '\377\376\0x\200'", limit=5)
            again = await vantages[name].run("echo still here", limit=5)
        assert (done.out, again.out) == (b"\xff\xfe\0x\x80", b"still here\n")

    async def test_a_long_script(self, opened: Open, where: Sshd | None) -> None:
        """A script longer than any argument may be arrives whole, since it travels on standard input."""
        filler = "".join(f": line {number} of a long script\n" for number in range(10_000))
        done = await run(opened, where, f"{filler}echo end")
        assert (done.status, done.out) == (0, b"end\n")

    async def test_standard_input_is_empty(self, opened: Open, where: Sshd | None) -> None:
        """A command that reads standard input finds its end, never the rest of the script."""
        done = await run(opened, where, "cat; read line; echo after $?\n")
        assert done.out == b"after 1\n"

    async def test_lines_as_they_come(self, opened: Open, where: Sshd | None) -> None:
        """Each line is handed over when it is printed, long before the script ends."""
        accesses, name = chosen(where)
        came: list[tuple[bytes, float]] = []
        async with opened(*accesses) as vantages:
            host = vantages[name]
            assert isinstance(host, Host)
            begun = time.monotonic()
            await host.run(
                "echo one; echo two; sleep 0.6; printf three",
                limit=5,
                on_line=lambda line: came.append((line, time.monotonic() - begun)),
            )
        assert [line for line, _ in came] == [b"one", b"two", b"three"]
        assert came[1][1] < came[2][1] - 0.4

    async def test_nothing_in_argv(self, opened: Open, where: Sshd | None) -> None:
        """No process of the machine carries the script in its command line."""
        mark = secrets.token_hex(12)
        done = await run(opened, where, f"# {mark}\ncat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert done.status == 0
        assert mark.encode() not in done.out


class TestBounds:
    @pytest.mark.parametrize(
        "flood",
        ["while :; do echo flooding the auditor; done", "while :; do echo flooding the auditor >&2; done", "yes"],
    )
    async def test_a_flood(self, opened: Open, where: Sshd | None, flood: str) -> None:
        """Output without end is cut at once, is no answer, and leaves the connection usable."""
        accesses, name = chosen(where)
        mark = secrets.token_hex(8)
        async with opened(*accesses) as vantages:
            with pytest.raises(ProbeError) as caught:
                await vantages[name].run(f"sh -c ': {mark}; {flood}'", limit=5)
            assert (await vantages[name].run("echo usable", limit=5)).out == b"usable\n"
            assert caught.value.reason.code is Cause.OVERLOAD
            assert await gone(mark)

    async def test_a_script_that_hangs(self, opened: Open, where: Sshd | None) -> None:
        """A script that does not end in time is no answer, and none of its processes lives on."""
        mark = secrets.token_hex(8)
        accesses, name = chosen(where)
        script = f"sh -c ': {mark}; sleep 300 & sleep 301; :' & timeout 300 sh -c ': {mark}; sleep 302; :'; :"
        async with opened(*accesses) as vantages:
            with pytest.raises(ProbeError) as caught:
                await vantages[name].run(script, limit=0.5)
            assert caught.value.reason.code is Cause.TIMEOUT
            assert await gone(mark)

    async def test_a_run_that_is_cancelled(self, opened: Open, where: Sshd | None) -> None:
        """Cancelling a run ends its processes on the machine."""
        mark = secrets.token_hex(8)
        accesses, name = chosen(where)
        async with opened(*accesses) as vantages:
            running = asyncio.create_task(vantages[name].run(f"sh -c ': {mark}; sleep 300; :'; :", limit=30))
            await there(mark)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert await gone(mark)

    async def test_closing_ends_what_runs(self, opened: Open, where: Sshd | None) -> None:
        """Closing a vantage ends a script that still runs there; whoever waits for it is told."""
        mark = secrets.token_hex(8)
        accesses, name = chosen(where)
        async with opened(*accesses) as vantages:
            running = asyncio.create_task(vantages[name].run(f"sh -c ': {mark}; sleep 300; :'; :", limit=30))
            await there(mark)
            await vantages[name].close()
            with pytest.raises(ProbeError):
                await running
        assert await gone(mark)

    async def test_what_a_script_leaves_behind(self, opened: Open, where: Sshd | None) -> None:
        """A process that a script left in the background holds nobody up and does not live on."""
        mark = secrets.token_hex(8)
        begun = time.monotonic()
        done = await run(opened, where, f"sh -c ': {mark}; sleep 300; :' & echo left")
        assert (done.status, done.out) == (0, b"left\n")
        assert time.monotonic() - begun < 3
        assert await gone(mark)


@pytest.mark.parametrize("kind", ["dash", "bash", "busybox"])
def test_a_shell_alone_ends_what_is_left(kind: str) -> None:
    """Without grep, sleep or anything else a shell looks through the processes itself, and ends those of the script."""
    path = shutil.which(kind)
    if path is None:
        pytest.skip(f"needs {kind}")
    mark = secrets.token_hex(8)
    text = shell.framed("while :; do :; done & echo begun", token=shell.token(), seconds=20)
    with subprocess.Popen(
        [path, *(["sh"] if kind == "busybox" else []), "-s", mark],
        env={"PATH": "/nonexistent"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text.encode())
        process.stdin.flush()
        said = process.stdout.read()
    assert b"begun" in said
    assert not living(mark)


class TestSessions:
    async def test_one_session_at_a_time(self, opened: Open, lab: SshdLab) -> None:
        """Where sshd allows one session, scripts that are asked together run one after the other."""
        server = lab.start("one-session", "MaxSessions 1")
        async with opened(server.access()) as vantages:
            done = await asyncio.gather(*(vantages[server.name].run(f"echo {n}", limit=5) for n in range(6)))
        assert [answer.out for answer in done] == [b"%d\n" % n for n in range(6)]

    async def test_no_session_at_all(self, opened: Open, lab: SshdLab) -> None:
        """Where sshd allows none, a script says so, and what needs no session still works."""
        server = lab.start("no-session", "MaxSessions 0")
        async with opened(server.access()) as vantages:
            with pytest.raises(ProbeError) as caught:
                await vantages[server.name].run("echo", limit=5)
            stream = await vantages[server.name].stream("127.0.0.1", server.port, limit=3)
            assert (await stream.reader.readline()).startswith(b"SSH-2.0-")
            await stream.close()
        assert caught.value.reason.code is Cause.OVERLOAD
        assert "MaxSessions" in caught.value.reason.enable

    async def test_four_sessions_at_most(self, opened: Open, lab: SshdLab) -> None:
        """However many scripts are asked at once, four run at the same time over one connection."""
        server = lab.start("four-sessions")
        script = "mkdir -p ~/now; : >~/now/$$; sleep 0.1; ls ~/now | wc -l; sleep 0.1; rm ~/now/$$"
        async with opened(server.access()) as vantages:
            done = await asyncio.gather(*(vantages[server.name].run(script, limit=5) for _ in range(12)))
        assert max(int(answer.out) for answer in done) == 4
        assert server.said("Starting session") == 12
        assert server.said("Accepted publickey") == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("forced", "cause", "words"),
        [
            ("echo 'This account is currently not available.'; exit 1", Cause.PERMISSION, "currently not available"),
            ("exit 1", Cause.PERMISSION, "without a word"),
            (
                "echo 'Password change required but no TTY available.' >&2; exit 1",
                Cause.AUTH,
                "Password change required",
            ),
            ("echo 'Welcome to the appliance'; echo '% Unknown command'", Cause.UNSUPPORTED, "Unknown command"),
        ],
        ids=["nologin", "false", "expired", "appliance"],
    )
    async def test_another_program_instead_of_a_shell(
        self, opened: Open, lab: SshdLab, forced: str, cause: Cause, words: str, request: pytest.FixtureRequest
    ) -> None:
        """An account that may log in but run nothing says so in its own words; forwarding still works for it."""
        server = lab.start(f"forced-{request.node.callspec.id}", f"ForceCommand {forced}")
        async with opened(server.access()) as vantages:
            with pytest.raises(ProbeError) as caught:
                await vantages[server.name].run("echo hello", limit=5)
            with pytest.raises(ProbeError) as again:
                await vantages[server.name].resolve("localhost")
            stream = await vantages[server.name].stream("127.0.0.1", server.port, limit=3)
            await stream.close()
        assert caught.value.reason.code is cause
        assert words in caught.value.reason.detail
        assert again.value.reason == caught.value.reason

    async def test_a_server_that_dies(self, opened: Open, lab: SshdLab) -> None:
        """A connection that breaks under a script is no answer, and every later question says the same at once."""
        server = lab.start("dies")
        async with opened(server.access()) as vantages:
            host = vantages[server.name]
            parent = "$(sed 's/.*) . \\([0-9]*\\) .*/\\1/' /proc/$PPID/stat)"
            with pytest.raises(ProbeError) as caught:
                await host.run(f"kill -9 $PPID {parent}; sleep 5", limit=10)
            with pytest.raises(ProbeError) as again:
                await host.run("echo", limit=10)
        assert {caught.value.reason.code, again.value.reason.code} == {Cause.UNREACHABLE}


PASSWORD = "correct horse 'battery' \"staple\""
REF = SecretRef(env="SUDO_PASSWORD")


@pytest.mark.root
class TestSudo:
    """Real sudo, with an account, a password and a sudoers file of its own."""

    def server(self, lab: SshdLab, name: str, sudoers: str, *, defaults: str = "") -> Sshd:
        if shutil.which("sudo") is None or shutil.which("openssl") is None:
            pytest.skip("needs sudo and openssl")
        account = Account(name="auditee", password=PASSWORD, sudoers=sudoers, defaults=defaults)
        return lab.start(name, "UsePAM yes", account=account)

    @pytest.mark.parametrize("defaults", ["use_pty", "!use_pty"])
    async def test_without_a_password(self, opened: Open, lab: SshdLab, defaults: str) -> None:
        """Where sudo wants no password, none is sent, even if one is declared."""
        server = self.server(lab, f"nopasswd-{defaults}", "ALL=(ALL) NOPASSWD: ALL", defaults=defaults)
        async with opened(server.access(sudo=REF), secrets={REF: Secret(PASSWORD)}) as vantages:
            assert vantages[server.name].can_sudo
            done = await vantages[server.name].run("id -un; cat; echo err >&2; exit 3", limit=5, privileged=True)
            plain = await vantages[server.name].run("id -un", limit=5)
        assert done == Completed(status=3, out=b"root\n", err=b"err\n")
        assert plain.out == b"auditee\n"

    @pytest.mark.parametrize("defaults", ["use_pty", "!use_pty"])
    async def test_with_a_password(self, opened: Open, lab: SshdLab, defaults: str) -> None:
        """A password reaches sudo's prompt alone: the script is root's, and no process shows the password."""
        server = self.server(lab, f"passwd-{defaults}", "ALL=(ALL) ALL", defaults=defaults)
        look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c '[b]attery' || :"
        async with opened(server.access(sudo=REF), secrets={REF: Secret(PASSWORD)}) as vantages:
            host = vantages[server.name]
            done = await asyncio.gather(*(host.run(f"id -un; {look}", limit=5, privileged=True) for _ in range(3)))
        assert {(answer.status, answer.out, answer.err) for answer in done} == {(0, b"root\n0\n", b"")}

    async def test_a_wrong_password(self, opened: Open, lab: SshdLab) -> None:
        """A wrong password is shown once for all who ask, and stands in no text."""
        server = self.server(lab, "wrong", "ALL=(ALL) ALL")
        wrong = Secret("not the password")
        async with opened(server.access(sudo=REF), secrets={REF: wrong}) as vantages:
            host = vantages[server.name]
            asked = [host.run("echo", limit=6, privileged=True) for _ in range(3)]
            failures = await asyncio.gather(*asked, return_exceptions=True)
            assert (await host.run("echo fine", limit=5)).out == b"fine\n"
        reasons = {failure.reason for failure in failures if isinstance(failure, ProbeError)}
        assert {reason.code for reason in reasons} == {Cause.AUTH}
        assert len(reasons) == 1
        assert wrong.reveal() not in repr(failures)

    @pytest.mark.parametrize(
        ("sudoers", "sudo", "words"),
        [
            ("ALL=(ALL) ALL", True, "a password is required"),
            ("", REF, "not in the sudoers"),
            ("ALL=(ALL) NOPASSWD: /usr/bin/true", REF, "not allowed"),
        ],
        ids=["no-password-declared", "not-in-sudoers", "one-command-only"],
    )
    async def test_what_sudo_refuses(
        self,
        opened: Open,
        lab: SshdLab,
        sudoers: str,
        sudo: bool | SecretRef,
        words: str,
        request: pytest.FixtureRequest,
    ) -> None:
        """Where sudo refuses, its words are the reason, and the same from run to run."""
        server = self.server(lab, f"refuses-{request.node.callspec.id}", sudoers)
        reasons = []
        for _ in range(2):
            async with opened(server.access(sudo=sudo), secrets={REF: Secret(PASSWORD)}) as vantages:
                with pytest.raises(ProbeError) as caught:
                    await vantages[server.name].run("echo", limit=5, privileged=True)
                reasons.append(caught.value.reason)
        assert reasons[0] == reasons[1]
        assert (reasons[0].code, words in reasons[0].detail) == (Cause.PERMISSION, True)

    async def test_what_root_runs_ends_too(self, opened: Open, lab: SshdLab) -> None:
        """Cancelling a privileged run ends root's processes as well."""
        server = self.server(lab, "root-ends", "ALL=(ALL) ALL", defaults="use_pty")
        mark = secrets.token_hex(8)
        async with opened(server.access(sudo=REF), secrets={REF: Secret(PASSWORD)}) as vantages:
            script = f"sh -c ': {mark}; sleep 300; :'; :"
            running = asyncio.create_task(vantages[server.name].run(script, limit=30, privileged=True))
            await there(mark)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert await gone(mark)


async def test_sudo_needs_consent(opened: Open, plain: Sshd) -> None:
    """Without leave in the site file sudo is never called."""
    async with opened(plain.access()) as vantages:
        assert not vantages[plain.name].can_sudo
        with pytest.raises(ProbeError) as caught:
            await vantages[plain.name].run("echo", limit=5, privileged=True)
    assert caught.value.reason.code is Cause.PERMISSION
    assert "ssh.sudo" in caught.value.reason.enable


async def test_scripts_need_consent(opened: Open, plain: Sshd) -> None:
    """With `probing.exec` off no command runs on a host, and the reason names the switch."""
    async with opened(plain.access(), exec_allowed=False) as vantages:
        for question in (vantages[plain.name].run("echo", limit=5), vantages[plain.name].resolve("localhost")):
            with pytest.raises(ProbeError) as caught:
                await question
            assert caught.value.reason.code is Cause.UNSUPPORTED
            assert "probing.exec" in caught.value.reason.detail
        assert (await vantages[AUDITOR].run("echo mine", limit=5)).out == b"mine\n"
