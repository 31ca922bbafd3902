"""Looking names up on a machine: what its resolver says, what it does not say in time, and what is not ours."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, Reason
from readiness.vantage import Resolution, resolver

TOKEN = "0123456789abcdef"
TOOLS = ("sh", "sleep", "date", "timeout", "true", "cat", "echo")
OURS = ":/usr/bin:/bin:/usr/sbin:/sbin"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with a shell's bare necessities, for a test to put its own tools on."""
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (tmp_path / tool).symlink_to(found)
    return tmp_path


def put(folder: Path, name: str, script: str) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def look_up(names: Sequence[str], *, path: Path | None = None, limit: int = 3) -> dict[str, Resolution | Reason]:
    """Run the script as a vantage does; with ``path``, nothing but what lies there is to be had."""
    text = resolver.script(names, token=TOKEN, limit=limit)
    if path is not None:
        text = text.replace(OURS, "").replace("/usr/libexec/platform-python", "/nonexistent")
    done = subprocess.run(
        [shutil.which("sh") or "sh", "-s"],
        input=text.encode(),
        capture_output=True,
        check=True,
        timeout=30,
        env={"PATH": str(path) if path is not None else "/usr/bin:/bin"},
    )
    told = (resolver.understand(line, TOKEN) for line in done.stdout.split(b"\n"))
    return dict(one for one in told if one is not None)


@pytest.mark.server
def test_the_machines_own_resolver_answers() -> None:
    """A name of the hosts file, literal addresses and a name that cannot exist, in one script."""
    names = ["localhost", "127.0.0.1", "::1", "nothing.invalid"]
    found = look_up(names)
    assert list(found) == sorted(found, key=list(found).index)
    assert set(found) == set(names)
    local = found["localhost"]
    assert isinstance(local, Resolution)
    assert set(local.addresses) <= {"127.0.0.1", "::1"}
    assert local.addresses
    assert found["127.0.0.1"] == Resolution(name="127.0.0.1", addresses=("127.0.0.1",))
    assert found["::1"] == Resolution(name="::1", addresses=("::1",))
    nothing = found["nothing.invalid"]
    assert isinstance(nothing, Resolution)
    assert nothing.addresses == ()
    assert nothing.error


def test_getents_answer_is_kept_in_its_order_each_address_once(bare: Path) -> None:
    """The order is the resolver's, since programs try the addresses in that order."""
    put(bare, "getent", "echo '10.0.0.2 STREAM db'; echo '10.0.0.2 DGRAM'; echo '10.0.0.1 STREAM'; echo 'fd00::1 RAW'")
    found = look_up(["db.example"], path=bare)
    assert found["db.example"] == Resolution(name="db.example", addresses=("10.0.0.2", "10.0.0.1", "fd00::1"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("nothing Name or service not known (EAI_NONAME)", "Name or service not known (EAI_NONAME)"),
        (
            "nothing Temporary failure in name resolution (EAI_AGAIN)",
            "Temporary failure in name resolution (EAI_AGAIN)",
        ),
    ],
)
def test_an_interpreter_says_why_a_name_does_not_resolve(bare: Path, said: str, words: str) -> None:
    """getent ends with the same status whatever failed; getaddrinfo tells a missing name from a failing server."""
    put(bare, "getent", "exit 2")
    put(bare, "python3", f"printf '%s' '{said}'")
    assert look_up(["db.example"], path=bare)["db.example"] == Resolution(name="db.example", addresses=(), error=words)


def test_without_an_interpreter_getents_no_is_a_no(bare: Path) -> None:
    """A name that getent does not find does not resolve; the words are all that is missing."""
    put(bare, "getent", "exit 2")
    found = look_up(["db.example"], path=bare)["db.example"]
    assert isinstance(found, Resolution)
    assert found.addresses == ()
    assert "status 2" in found.error


@pytest.mark.parametrize("status", [1, 3, 126])
def test_a_getent_that_cannot_ask_says_nothing_of_a_name(bare: Path, status: int) -> None:
    """A getent without that database, or one that does not start, is our trouble and no answer of the resolver."""
    put(bare, "getent", f"exit {status}")
    found = look_up(["db.example"], path=bare)["db.example"]
    assert isinstance(found, Reason)
    assert found.code is Cause.TOOL_MISSING


def test_a_name_that_only_getaddrinfo_finds_is_found(bare: Path) -> None:
    """getent hides IPv6 where the machine has none configured; the addresses are shown all the same."""
    put(bare, "getent", "exit 2")
    put(bare, "python3", "printf 'found fd00::5'")
    assert look_up(["six.example"], path=bare)["six.example"] == Resolution(name="six.example", addresses=("fd00::5",))


@pytest.mark.parametrize("interpreter", ["python3", "python2", "perl"])
def test_without_getent_an_interpreter_resolves(bare: Path, interpreter: str) -> None:
    """Python and Perl each can look up a name by themselves."""
    program = shutil.which("python3" if interpreter == "python2" else interpreter, path="/usr/bin:/bin")
    if program is None:
        pytest.skip(f"{interpreter} is not installed")
    (bare / interpreter).symlink_to(program)
    found = look_up(["localhost", "nothing.invalid"], path=bare)
    local, nothing = found["localhost"], found["nothing.invalid"]
    assert isinstance(local, Resolution)
    assert "127.0.0.1" in local.addresses or "::1" in local.addresses
    assert isinstance(nothing, Resolution)
    assert nothing.addresses == ()
    assert "known" in nothing.error or "failure" in nothing.error


def test_a_machine_without_any_tool_says_so(bare: Path) -> None:
    """No tool is trouble of ours and not of the name."""
    found = look_up(["db.example"], path=bare)["db.example"]
    assert isinstance(found, Reason)
    assert found.code is Cause.TOOL_MISSING


@pytest.mark.parametrize("watch", ["timeout", "watchdog"])
def test_a_hanging_look_up_is_cut_at_its_limit_and_costs_its_own_name_only(bare: Path, watch: str) -> None:
    """The other names come at once; the hanging one is a time-out of ours, never a name that does not resolve."""
    put(bare, "getent", 'case $2 in slow.*) exec sleep 30;; *) echo "10.0.0.1 STREAM";; esac')
    if watch == "watchdog":
        (bare / "timeout").unlink()
    began = time.monotonic()
    found = look_up(["slow.example", "fast.example"], path=bare, limit=1)
    assert time.monotonic() - began < 10
    slow = found["slow.example"]
    assert isinstance(slow, Reason)
    assert slow.code is Cause.TIMEOUT
    assert found["fast.example"] == Resolution(name="fast.example", addresses=("10.0.0.1",))


def test_a_resolver_that_gives_up_slowly_is_not_asked_twice(bare: Path) -> None:
    """getent waited for dead name servers and said no: that is the resolver's own failure, and a second wait no use."""
    put(bare, "getent", "sleep 2; exit 2")
    put(bare, "python3", "exec sleep 30")
    began = time.monotonic()
    found = look_up(["db.example"], path=bare, limit=5)["db.example"]
    assert isinstance(found, Resolution)
    assert found.addresses == ()
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "$(touch HERE)",
        "`touch HERE`",
        "a;touch HERE",
        "-n",
        "x" * 64 + ".example",
        "a..b",
        "a'b",
        "ä.example",
    ],
)
def test_a_hostile_name_reaches_no_tool(bare: Path, tmp_path: Path, name: str) -> None:
    """What cannot be a host name does not resolve, and no program is asked for it."""
    put(bare, "getent", f"touch {tmp_path}/asked; echo '10.0.0.1 STREAM'")
    hostile = name.replace("HERE", str(tmp_path / "asked"))
    found = look_up([hostile], path=bare)[hostile]
    assert found == Resolution(name=hostile, addresses=(), error="not a host name")
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("name", ["db", "db.example.", "_sip._tcp.example", "a-b.c-d.example", "x" * 63 + ".example"])
def test_ordinary_names_are_asked_for(bare: Path, name: str) -> None:
    """Single labels, a dot at the end, underscores and long labels are names that resolvers know."""
    put(bare, "getent", "echo '10.0.0.1 STREAM'")
    assert look_up([name], path=bare)[name] == Resolution(name=name, addresses=("10.0.0.1",))


def test_a_name_is_matched_in_time_that_does_not_explode() -> None:
    """A name made to trap a pattern is judged at once."""
    began = time.monotonic()
    resolver.script(["a-" * 120 + "!", "a." * 126 + "!"], token=TOKEN, limit=1)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(("token", "limit"), [("short", 1), ("a b c d e f", 1), ("x;y;z;1234", 1), (TOKEN, 0)])
def test_an_unusable_token_or_limit_is_refused(token: str, limit: int) -> None:
    """Both are ours to choose, so a wrong one is a mistake of the caller."""
    with pytest.raises(ValueError):
        resolver.script([], token=token, limit=limit)


@pytest.mark.server
@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_the_script_runs_in_every_common_shell(shell: str) -> None:
    """dash, bash and BusyBox's ash read the same text, with noise before it."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    text = "printf 'MOTD without newline'\n" + resolver.script(["localhost"], token=TOKEN, limit=5)
    command = ["busybox", "sh", "-s"] if shell == "busybox" else [shell, "-s"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=30)
    told = [one for line in done.stdout.split(b"\n") if (one := resolver.understand(line, TOKEN)) is not None]
    assert [name for name, _ in told] == ["localhost"]


@pytest.mark.server
def test_the_script_is_clean_shell() -> None:
    """shellcheck finds nothing in the text for a POSIX shell."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    text = resolver.script(["localhost", "a b"], token=TOKEN, limit=5)
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=text.encode(), capture_output=True)
    assert done.stdout.decode() == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"hello", None),
        (b"db\tfound\t10.0.0.1", None),
        (f"{TOKEN}\tdb\tfound\t".encode(), None),
        (f"{TOKEN}\tdb\tfound\tnot-an-address".encode(), None),
        (f"{TOKEN}\tdb\tinvented\t10.0.0.1".encode(), None),
        (f"{TOKEN}\tdb\tfound".encode(), None),
        (f"noise {TOKEN}\tdb\tfound\t10.0.0.1\r".encode(), ("db", Resolution(name="db", addresses=("10.0.0.1",)))),
        (
            f"{TOKEN}\tdb\tnothing\t\x1b[2Jgone".encode(),
            ("db", Resolution(name="db", addresses=(), error="[2Jgone")),
        ),
    ],
)
def test_lines_are_read_with_suspicion(line: bytes, expected: tuple[str, Resolution] | None) -> None:
    """Only a whole line behind our token counts, and what it says is made printable."""
    assert resolver.understand(line, TOKEN) == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(junk: bytes) -> None:
    """No line makes the reader raise."""
    resolver.understand(junk, TOKEN)
    resolver.understand(TOKEN.encode() + b"\t" + junk, TOKEN)
    resolver.understand(TOKEN.encode() + b"\tdb\tfound\t" + junk, TOKEN)
