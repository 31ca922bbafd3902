"""The listener that holds a port, with each engine that this machine has, in the frame that vantages put it in."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, Reason
from readiness.vantage import Limits, listener, shell
from readiness.vantage.listener import Called, Held, Holder, NotHeld, Obstacle
from tests.lab.sockets import LOOPBACK, serving, silent

TOKEN = "0123456789abcdef"
NONCE = "n0nce0123456789"
WORD = "w0rd0123456789"
NEWS = Held | NotHeld | Called | Reason
EXACT = (Holder.PYTHON, Holder.PERL)


def needs(holder: Holder) -> Holder:
    program = "python3" if holder is Holder.PYTHON else holder.value
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return holder


def free_port() -> int:
    """A port that nobody has; below the ephemeral ones, so that no other test's connect takes it meanwhile."""
    for port in range(21000 + os.getpid() % 5000, 32000):
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.bind(("0.0.0.0", port))
            return port
    raise AssertionError("no free port")


class Listening:
    """A listener as a vantage runs it: its frame on the standard input of a shell that stays open."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.news: list[NEWS] = []
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = listener.understand(line, TOKEN)
            if told is not None:
                with self._arrived:
                    self.news.append(told)
                    self._arrived.notify_all()

    def until(self, met: Callable[[list[NEWS]], bool], seconds: float = 10) -> list[NEWS]:
        with self._arrived:
            self._arrived.wait_for(lambda: met(self.news), seconds)
            return list(self.news)

    def first(self) -> NEWS:
        return self.until(bool)[0]

    def hang_up(self) -> None:
        """What the machine sees when the connection or the auditor dies."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self._reader.join(5)
        self.process.stdout.close()


@contextlib.contextmanager
def listening(
    address: str,
    port: int,
    *,
    holder: Holder | None = None,
    seconds: int = 20,
    path: str = "/usr/bin:/bin:/usr/local/bin",
    change: Callable[[str], str] = str,
    beat: float | None = None,
) -> Iterator[Listening]:
    text = listener.script(address, port, nonce=NONCE, token=TOKEN, seconds=seconds, holder=holder)
    framed = shell.framed(change(text), token="frame00000000", seconds=seconds + 20, beat=beat)
    process = subprocess.Popen(
        [shutil.which("sh") or "sh", "-s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": path},
    )
    assert process.stdin is not None
    process.stdin.write(framed.encode())
    process.stdin.flush()
    found = Listening(process)
    try:
        yield found
    finally:
        found.end()


def call(address: str, port: int, word: bytes = WORD.encode() + b"\n") -> bytes:
    with socket.create_connection((address, port), 3) as caller:
        caller.settimeout(3)
        caller.sendall(word)
        heard = b""
        with contextlib.suppress(OSError):
            while b"\n" not in heard and (data := caller.recv(256)):
                heard += data
        return heard


def is_free(address: str, port: int, seconds: float = 5) -> bool:
    """Whether somebody else can have the port, without SO_REUSEADDR, within some seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.bind((address, port))
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("holder", list(Holder))
def test_both_ends_prove_each_other(holder: Holder) -> None:
    """The caller hears the nonce and its own word; the listener tells of that very word and of who said it."""
    port = free_port()
    with listening(LOOPBACK, port, holder=needs(holder)) as found:
        assert found.first() == Held(address=LOOPBACK, port=port, tool=holder.value)
        heard = call(LOOPBACK, port)
        news = found.until(lambda news: len(news) > 1)
    said = listener.reply(NONCE, WORD).fullmatch(heard)
    assert said is not None
    called = news[1]
    assert isinstance(called, Called)
    assert called.word == WORD
    if holder is not Holder.SYSTEMD:
        assert (said[1], said[2]) == (b"127.0.0.1", b"127.0.0.1")
        assert called == Called(peer=LOOPBACK, local=LOOPBACK, word=WORD)


@pytest.mark.parametrize("holder", list(Holder))
def test_the_port_is_free_once_the_connection_is_gone(holder: Holder) -> None:
    """Standard input closes, as it does when the auditor is killed: the port closes and nothing stays behind."""
    port = free_port()
    with listening(LOOPBACK, port, holder=needs(holder)) as found:
        found.first()
        call(LOOPBACK, port)
        began = time.monotonic()
        found.hang_up()
        found.process.wait(10)
        while time.monotonic() - began < 5:
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
                time.sleep(0.05)
                continue
            break
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("holder", EXACT)
def test_even_a_careless_program_can_have_the_port_at_once(holder: Holder) -> None:
    """The caller hangs up first, so no TIME-WAIT of ours keeps the port from a program without SO_REUSEADDR."""
    port = free_port()
    with listening(LOOPBACK, port, holder=needs(holder)) as found:
        found.first()
        call(LOOPBACK, port)
        found.until(lambda news: len(news) > 1)
    assert is_free(LOOPBACK, port)


@pytest.mark.parametrize("holder", EXACT)
def test_the_alarm_ends_it_whatever_happens(holder: Holder) -> None:
    """With its connection still open, the listener is gone after its seconds."""
    port = free_port()
    with listening(LOOPBACK, port, holder=needs(holder), seconds=1) as found:
        found.first()
        began = time.monotonic()
        found.process.wait(10)
        assert time.monotonic() - began < 5
        assert is_free(LOOPBACK, port)


@pytest.mark.parametrize("holder", EXACT)
def test_a_caller_has_its_time_for_a_word(holder: Holder) -> None:
    """Who says nothing is let go at last, and no earlier than the auditor itself would have given up."""
    assert 2 * Limits().connect < listener.PATIENCE
    port, usual = free_port(), f"READINESS_PATIENCE={listener.PATIENCE}"
    with listening(LOOPBACK, port, holder=needs(holder), change=lambda text: text.replace(usual, usual[:-2] + "1")):
        began = time.monotonic()
        assert call_once_up(port) == b""
        assert time.monotonic() - began < 10


def call_once_up(port: int) -> bytes:
    """Connect as soon as somebody listens, say nothing, and wait for the end."""
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((LOOPBACK, port), 10) as caller:
            return caller.recv(256)
        time.sleep(0.02)


def test_a_machine_that_is_cut_off_lets_go() -> None:
    """Nothing closes when a network breaks; once the heartbeat stays away, the port is free all the same."""
    port = free_port()
    with listening(LOOPBACK, port, seconds=30, beat=1) as found:
        found.first()
        assert found.process.stdin is not None
        for _ in range(4):
            found.process.stdin.write(b"\n")
            found.process.stdin.flush()
            with pytest.raises(subprocess.TimeoutExpired):
                found.process.wait(0.5)
        assert NONCE.encode() in call(LOOPBACK, port)
        found.process.wait(10)
        assert is_free(LOOPBACK, port)


@pytest.mark.parametrize("holder", list(Holder))
def test_a_port_in_use_is_left_alone(holder: Holder) -> None:
    """Somebody else's port is not touched, and said to be in use."""
    with serving(silent) as (port, heard), listening(LOOPBACK, port, holder=needs(holder)) as found:
        first = found.first()
    assert isinstance(first, NotHeld)
    assert first.obstacle is Obstacle.IN_USE
    assert b"".join(heard) == b""


@pytest.mark.parametrize("holder", list(Holder))
def test_an_address_of_nobody_here_means_every_address(holder: Holder) -> None:
    """Behind NAT no interface has the declared address: every one is listened on, and that is said."""
    port = free_port()
    with listening("192.0.2.77", port, holder=needs(holder)) as found:
        first = found.first()
        assert first == Held(address="0.0.0.0", port=port, tool=holder.value)
        assert isinstance(first, Held)
        assert first.everywhere
        assert NONCE.encode() in call(LOOPBACK, port)


@pytest.mark.parametrize("holder", EXACT)
def test_without_an_address_both_families_are_served(holder: Holder) -> None:
    """A name may mean any address of the machine; IPv4 callers are shown as such."""
    port = free_port()
    with listening("", port, holder=needs(holder)) as found:
        first = found.first()
        assert isinstance(first, Held)
        assert first.everywhere
        said = listener.reply(NONCE, WORD).fullmatch(call(LOOPBACK, port))
        assert said is not None
        assert said[1] == b"127.0.0.1"
        news = found.until(lambda news: len(news) > 1)
    assert news[1] == Called(peer=LOOPBACK, local=LOOPBACK, word=WORD)


@pytest.mark.parametrize("holder", EXACT)
def test_ipv6_is_held_by_its_address(holder: Holder) -> None:
    """An IPv6 address is bound as one."""
    port = free_port()
    with listening("::1", port, holder=needs(holder)) as found:
        first = found.first()
        if isinstance(first, NotHeld) or (isinstance(first, Held) and first.everywhere):
            pytest.skip("this machine has no IPv6 loopback")
        assert first == Held(address="::1", port=port, tool=holder.value)
        assert listener.reply(NONCE, WORD).fullmatch(call("::1", port)) is not None


@pytest.mark.parametrize("holder", EXACT)
@pytest.mark.parametrize(
    "said", [b"", b"\n", b"x" * 1000, b"<script>alert(1)</script>\n", b"\xff\xfe\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_a_rude_caller_does_no_harm(holder: Holder, said: bytes) -> None:
    """Whatever somebody says, only its letters and digits go on, and the next caller is served."""
    port = free_port()
    with listening(LOOPBACK, port, holder=needs(holder)) as found:
        found.first()
        with socket.create_connection((LOOPBACK, port), 3) as rude:
            rude.sendall(said)
        assert NONCE.encode() in call(LOOPBACK, port)
        news = found.until(lambda news: any(isinstance(one, Called) and one.word == WORD for one in news))
    words = [one.word for one in news if isinstance(one, Called)]
    assert WORD in words
    assert all(word == "" or word.isalnum() for word in words)


@pytest.mark.parametrize("holder", EXACT)
def test_many_callers_who_say_nothing_do_not_keep_others_out(holder: Holder) -> None:
    """A crowd that connects and waits is turned away in time."""
    port = free_port()
    with listening(LOOPBACK, port, holder=needs(holder)) as found, contextlib.ExitStack() as crowd:
        found.first()
        for _ in range(20):
            crowd.enter_context(socket.create_connection((LOOPBACK, port), 3))
        assert NONCE.encode() in call(LOOPBACK, port)


def test_the_holder_calls_itself_by_a_name_that_can_be_left_out() -> None:
    """Whoever lists the ports of the machine can tell ours from a component's."""
    needs(Holder.PYTHON)
    port = free_port()
    with listening(LOOPBACK, port, holder=Holder.PYTHON) as found:
        found.first()
        names = set()
        for comm in Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):
                names.add(comm.read_text().strip())
        assert listener.PROCESS in names


def test_a_machine_without_any_tool_says_so(tmp_path: Path) -> None:
    """Nothing to listen with is a reason of ours and says nothing of the port."""
    for tool in ("sh", "sleep", "timeout", "true", "tr", "cut"):
        found = shutil.which(tool)
        if found:
            (tmp_path / tool).symlink_to(found)

    def poor(text: str) -> str:
        text = text.replace(":/usr/bin:/bin:/usr/sbin:/sbin", "")
        return text.replace("/usr/libexec/platform-python", "/nonexistent")

    with listening(LOOPBACK, 21000, path=str(tmp_path), change=poor) as running:
        first = running.first()
    assert isinstance(first, Reason)
    assert first.code is Cause.TOOL_MISSING


@pytest.mark.parametrize(
    ("address", "port", "nonce", "token", "seconds"),
    [
        ("excs-1.example", 3640, NONCE, TOKEN, 5),
        ("$(id)", 3640, NONCE, TOKEN, 5),
        (LOOPBACK, 0, NONCE, TOKEN, 5),
        (LOOPBACK, 70000, NONCE, TOKEN, 5),
        (LOOPBACK, 3640, "short", TOKEN, 5),
        (LOOPBACK, 3640, "with blank inside", TOKEN, 5),
        (LOOPBACK, 3640, NONCE, "a;b;c;d;e", 5),
        (LOOPBACK, 3640, NONCE, TOKEN, 0),
    ],
)
def test_only_plain_values_are_written_into_the_script(
    address: str, port: int, nonce: str, token: str, seconds: int
) -> None:
    """Numeric addresses, ports and plain words; anything else is refused before it travels."""
    with pytest.raises(ValueError):
        listener.script(address, port, nonce=nonce, token=token, seconds=seconds)


@pytest.mark.server
def test_the_script_is_clean_shell() -> None:
    """shellcheck finds nothing in the text for a POSIX shell."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    text = listener.script(LOOPBACK, 3640, nonce=NONCE, token=TOKEN, seconds=5)
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=text.encode(), capture_output=True)
    assert done.stdout.decode() == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{TOKEN}\theld\t10.0.0.1\t3640\tpython", Held(address="10.0.0.1", port=3640, tool="python")),
        (f"{TOKEN}\theld\t10.0.0.1\t3640\ttelepathy", None),
        (f"{TOKEN}\theld\t10.0.0.1\tx\tpython", None),
        (f"{TOKEN}\theld\t10.0.0.1\t٣\tpython", None),
        (f"{TOKEN}\tcalled\t::ffff:10.0.0.2\t10.0.0.1\tword", Called(peer="10.0.0.2", local="10.0.0.1", word="word")),
        (f"{TOKEN}\tcalled\tnobody\t<b>\tw-o-r-d", Called(peer="", local="", word="word")),
        (f"{TOKEN}\tnot held\tin_use\tin use", NotHeld(obstacle=Obstacle.IN_USE, text="in use")),
        (f"{TOKEN}\tnot held\tbewitched\tx", None),
        ("held\t10.0.0.1\t3640\tpython", None),
        (f"noise {TOKEN}\tnot held\tother\t\x1b[2Jx", NotHeld(obstacle=Obstacle.OTHER, text="[2Jx")),
    ],
)
def test_lines_are_read_with_suspicion(line: str, expected: NEWS | None) -> None:
    """Only a whole line behind our token counts; addresses must be addresses."""
    assert listener.understand(line.encode(), TOKEN) == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(junk: bytes) -> None:
    """No line makes the reader raise, and no reply but the exact one is ours."""
    listener.understand(junk, TOKEN)
    listener.understand(TOKEN.encode() + b"\t" + junk, TOKEN)
    listener.understand(TOKEN.encode() + b"\theld\t" + junk, TOKEN)
    listener.understand(TOKEN.encode() + b"\tcalled\t" + junk, TOKEN)
    assert listener.reply(NONCE, WORD).fullmatch(junk) is None
