"""The parts of a vantage that need no machine: frames, exchanges, slots, batches, words."""

from __future__ import annotations

import ast
import asyncio
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, ProbeError, Reason
from readiness.vantage import PathVerdict, relay, shell
from readiness.vantage.base import HostAccess
from readiness.vantage.known_hosts import Known, label
from readiness.vantage.link import MAX_OUT, Exchange, Exit, SessionRefused, Slots, in_turn, readable
from readiness.vantage.route import parse_jump
from readiness.vantage.together import Batch, Together
from readiness.vantage.turns import Turns
from readiness.vantage.words import verdict

TOKEN = "0123456789abcdef"


class TestFrame:
    @pytest.mark.parametrize("argv", [("dash",), ("bash",), ("bash", "--posix"), ("busybox", "sh"), ("ksh",), ("zsh",)])
    @pytest.mark.parametrize("leader", [True, False], ids=["own session", "in a session"])
    def test_in_every_shell(self, argv: tuple[str, ...], leader: bool) -> None:
        """Every POSIX shell runs a framed script alike: marks, status, empty input, functions and here-documents."""
        if shutil.which(argv[0]) is None:
            pytest.skip(f"needs {argv[0]}")
        script = "f() { cat; }\nf <<END\nkept\nEND\ncat; echo err >&2; set -- a b; exit $(($# + 3))"
        running = subprocess.Popen(
            [*argv, "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=leader,
        )
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(shell.framed(script, token=TOKEN, seconds=5).encode())
        running.stdin.flush()
        out, err = running.stdout.read(), running.stderr.read()
        assert running.wait() == 5
        assert out == f"\n{TOKEN}\nkept\n".encode()
        assert err == f"\n{TOKEN}\nerr\n".encode()
        running.stdin.close()
        running.stdout.close()
        running.stderr.close()

    def test_shellcheck(self, tmp_path: Path) -> None:
        """The frame is clean to shellcheck."""
        if shutil.which("shellcheck") is None:
            pytest.skip("needs shellcheck")
        file = tmp_path / "frame.sh"
        file.write_text("#!/bin/sh\n" + shell.framed(":", token=TOKEN, seconds=5))
        done = subprocess.run(
            ["shellcheck", "--exclude=SC1007,SC2034,SC2046,SC2086", file], capture_output=True, text=True, check=False
        )
        assert done.stdout == ""

    def test_a_script_keeps_its_own_slots(self) -> None:
        """A script that happens to hold the frame's own placeholders arrives unchanged."""
        assert "echo @TOKEN@ @SECONDS@ @SCRIPT@" in shell.framed(
            "echo @TOKEN@ @SECONDS@ @SCRIPT@", token="x", seconds=1
        )


class TestExchange:
    async def test_noise_and_words(self) -> None:
        """Only what follows the token's own line counts, however the bytes are cut."""
        said = b"WELCOME\nno newline\n" + TOKEN.encode() + b"\nfirst\nsecond"
        lines: list[bytes] = []
        exchange = Exchange(TOKEN, on_line=lines.append)
        for byte in said:
            exchange.received(bytes([byte]))
        exchange.exited(Exit(status=0))
        exchange.closed()
        assert (exchange.out, lines) == (b"first\nsecond", [b"first", b"second"])
        assert exchange.noise == b"\nWELCOME\nno newline\n"

    async def test_a_token_inside_a_line_is_no_begin(self) -> None:
        """A token that stands in the middle of a line is noise."""
        exchange = Exchange(TOKEN)
        exchange.received(f"say {TOKEN}\n{TOKEN} \n".encode())
        assert not exchange.begun
        exchange.received(f"{TOKEN}\nown".encode())
        assert exchange.out == b"own"

    @pytest.mark.parametrize("noise", [b"", b"x" * 500_000 + b"\n"])
    async def test_too_much(self, noise: bytes) -> None:
        """One byte more than is kept is one too many, and the rest is not taken in."""
        exchange = Exchange(TOKEN)
        exchange.received(noise + TOKEN.encode() + b"\n" + bytes(MAX_OUT))
        assert not exchange.overflow
        exchange.received(b"x")
        exchange.received(b"y" * 100)
        await asyncio.wait_for(exchange.finished(), 1)
        assert "1024 KiB of output" in exchange.overflow
        assert len(exchange.out) == MAX_OUT

    async def test_endless_noise(self) -> None:
        """A login shell that never stops talking is cut off."""
        exchange = Exchange(TOKEN)
        for _ in range(40):
            exchange.received(b"noise\n" * 6000)
        assert exchange.overflow
        assert not exchange.begun


class TestSlots:
    async def test_first_come_first_served(self) -> None:
        """Slots are handed out in order, and one that its waiter gave up goes to the next."""
        slots, order = Slots(1), list[int]()

        async def use(number: int) -> None:
            await slots.take()
            order.append(number)
            await asyncio.sleep(0)
            slots.give_back()

        tasks = [asyncio.create_task(use(number)) for number in range(4)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [0, 2, 3]
        await asyncio.wait_for(slots.take(), 1)

    async def test_a_server_with_fewer_places(self) -> None:
        """A server that allows fewer sessions is learned from its refusals, and everybody has a turn."""
        slots, places, done = Slots(4), asyncio.Semaphore(2), list[int]()

        async def work(number: int) -> int:
            if places.locked():
                raise slots.refused()
            async with places:
                await asyncio.sleep(0.01)
            slots.give_back()
            done.append(number)
            return number

        async with asyncio.timeout(5):
            found = await asyncio.gather(*(in_turn(slots, lambda n=n: work(n), name="vm") for n in range(8)))
        assert found == list(range(8))
        assert sorted(done) == list(range(8))

    async def test_a_server_with_no_place(self) -> None:
        """A server that refuses while nothing else runs is asked once more, then it is an overload."""
        slots, asked = Slots(4), 0

        async def work() -> None:
            nonlocal asked
            asked += 1
            raise slots.refused()

        with pytest.raises(ProbeError) as caught:
            await in_turn(slots, work, name="vm")
        assert (caught.value.reason.code, asked) == (Cause.OVERLOAD, 2)
        assert isinstance(slots.refused(), SessionRefused)


class TestTogether:
    async def test_one_batch(self) -> None:
        """Questions asked within the window travel together; each is answered when its answer is there."""
        batches: list[Sequence[int]] = []
        gate = asyncio.Event()

        async def carry(batch: Batch[int, int]) -> None:
            asks = batch.seal()
            batches.append(asks)
            batch.answer(0, asks[0] * 10)
            await gate.wait()
            for index, ask in enumerate(asks):
                batch.answer(index, ask * 10)

        together = Together(carry, window=0.01)
        answers = [together.add(number) for number in range(3)]
        assert await answers[0] == 0
        assert not answers[1].done()
        late = together.add(7)
        gate.set()
        assert [await answer for answer in (*answers, late)] == [0, 10, 20, 70]
        assert batches == [(0, 1, 2), (7,)]

    async def test_while_a_batch_waits(self) -> None:
        """A batch that has not set out yet takes whatever is asked meanwhile."""
        gate = asyncio.Event()

        async def carry(batch: Batch[int, int]) -> None:
            await gate.wait()
            for index, ask in enumerate(batch.seal()):
                batch.answer(index, ask)

        together = Together(carry, window=0)
        first = together.add(1)
        await asyncio.sleep(0.01)
        second = together.add(2)
        gate.set()
        assert await asyncio.gather(first, second) == [1, 2]

    async def test_trouble(self) -> None:
        """Trouble of the whole batch is the trouble of every question still open; each gets an exception of its own."""
        reason = Reason(code=Cause.TIMEOUT, detail="too slow")

        async def carry(batch: Batch[int, int]) -> None:
            batch.seal()
            batch.answer(0, 1)
            raise ProbeError(reason.code, reason.detail)

        together = Together(carry, window=0)
        outcomes = await asyncio.gather(*(together.add(number) for number in range(3)), return_exceptions=True)
        assert outcomes[0] == 1
        assert [outcome.reason for outcome in outcomes[1:] if isinstance(outcome, ProbeError)] == [reason] * 2
        assert outcomes[1] is not outcomes[2]

    async def test_closing(self) -> None:
        """Closing ends a batch under way, and whoever waits for it."""

        async def carry(batch: Batch[int, int]) -> None:
            await asyncio.Event().wait()

        together = Together(carry, window=0)
        answer = together.add(1)
        await asyncio.sleep(0.01)
        await together.close()
        assert answer.cancelled()

    async def test_no_batch_grows_beyond_what_one_script_carries(self) -> None:
        """Of ten questions asked at once, at most four travel together; each gets its own answer."""
        batches: list[int] = []

        async def carry(batch: Batch[int, int]) -> None:
            asks = batch.seal()
            batches.append(len(asks))
            for index, ask in enumerate(asks):
                batch.answer(index, ask * 10)

        together = Together(carry, window=0.01, most=4)
        answers = await asyncio.gather(*(together.add(number) for number in range(10)))
        assert answers == [number * 10 for number in range(10)]
        assert batches == [4, 4, 2]


class TestTurns:
    async def test_no_server_and_not_all_together_have_more_than_their_share(self) -> None:
        """Twelve logins at three servers: two at each at a time, five in all, and a busy server holds up no other."""
        turns = Turns(at_one_server=2, in_all=5)
        inside: Counter[str] = Counter()
        most: Counter[str] = Counter()
        gate, seen = asyncio.Event(), asyncio.Event()

        async def login(server: str) -> None:
            async with turns.at((server, "22")):
                inside[server] += 1
                most[server] = max(most[server], inside[server])
                most["all"] = max(most["all"], inside.total())
                if inside.total() == 5:
                    seen.set()
                await gate.wait()
                inside[server] -= 1

        work = [asyncio.ensure_future(login(server)) for server in "aaaabbbbcccc"]
        await seen.wait()
        gate.set()
        await asyncio.gather(*work)
        assert most["all"] == 5
        assert max(most[server] for server in "abc") == 2
        assert inside.total() == 0


class TestRelayText:
    def words(self) -> list[str]:
        return shlex.split(relay.command("10.0.0.1", 6379, token=TOKEN, patience=4.6))

    def test_data_stands_in_its_own_words(self) -> None:
        """The command carries an address, a port, a time and the token, and otherwise nothing of this run."""
        words = self.words()
        assert words[:4] == ["exec", "/bin/sh", "-c", words[3]]
        assert words[4:10] == ["relay", "10.0.0.1", "6379", "5", TOKEN, ""]

    def test_for_every_login_shell(self) -> None:
        """Nothing in the command means something else to csh or fish: one line, no quote in a quote, no escape pair."""
        line = relay.command("fe80::1", 1, token=TOKEN, patience=1)
        assert "\n" not in line
        assert "'\"'\"'" not in line
        assert "\\\\" not in line
        assert len(line) < 16_000

    def test_python_that_every_python_reads(self) -> None:
        """The Python text is a string that holds a program."""
        code = self.words()[10]
        call = ast.parse(code).body[0]
        assert isinstance(call, ast.Expr)
        assert isinstance(call.value, ast.Call)
        argument = call.value.args[0]
        assert isinstance(argument, ast.Constant)
        ast.parse(str(argument.value))

    @pytest.mark.parametrize(
        ("line", "found"),
        [
            (b"noise", None),
            (b"x " + TOKEN.encode() + b" open python3", None),
            (TOKEN.encode() + b" open python3.11", relay.Opened("python3.11")),
            (TOKEN.encode() + b" open perl\r", relay.Opened("perl")),
            (TOKEN.encode() + b" via ncat", relay.Listen("ncat")),
            (
                TOKEN.encode() + b" closed no_route No route to host",
                relay.Closed(PathVerdict.NO_ROUTE, "No route to host"),
            ),
            (TOKEN.encode() + b" closed nonsense text", None),
            (TOKEN.encode() + b" closed", None),
            (TOKEN.encode() + b" open", None),
            (TOKEN.encode() + b" \xff\xfe", None),
        ],
    )
    def test_what_it_says(self, line: bytes, found: object) -> None:
        """Only a line that begins with the token counts, and only words that we know."""
        assert relay.understand(line, TOKEN) == found

    @given(st.binary(max_size=80))
    def test_whatever_it_says(self, line: bytes) -> None:
        """No line of a hostile machine raises."""
        relay.understand(TOKEN.encode() + b" " + line, TOKEN)
        relay.complaint(line)

    @pytest.mark.parametrize(
        ("errors", "found"),
        [
            (b"Ncat: Version 7.93\nNcat: Connection refused.\n", PathVerdict.REFUSED),
            (b"Ncat: TIMEOUT.\n", PathVerdict.TIMEOUT),
            (b"Ncat: No route to host.\n", PathVerdict.NO_ROUTE),
            (
                b"2026/11/23 14:48:01 socat[1] E connect(5, AF=2 127.0.0.1:1, 16): Connection refused\n"
                b"2026/11/23 14:48:01 socat[1] N exit(1)\n",
                PathVerdict.REFUSED,
            ),
            (b"bash: connect: Network is unreachable\nbash: line 1: /dev/tcp/a/1: Network is unreachable\n", None),
            (b"bash: line 1: /dev/tcp/10.0.0.1/1: No such file or directory\n", None),
            (b"Ncat: Since April 2010, the default unit for -i timeout is seconds. QUITTING.\n", None),
            (b"", None),
        ],
    )
    def test_what_a_tool_complains_of(self, errors: bytes, found: PathVerdict | None) -> None:
        """A tool's words about a connect are a verdict; its words about itself are none."""
        closed = relay.complaint(errors)
        if b"unreachable" in errors:
            found = PathVerdict.NET_UNREACHABLE
        assert (closed.verdict if closed else None) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Connection refused", PathVerdict.REFUSED),
        ("Connection timed out", PathVerdict.TIMEOUT),
        ("Operation timed out", PathVerdict.TIMEOUT),
        ("No route to host", PathVerdict.NO_ROUTE),
        ("Host is unreachable", PathVerdict.NO_ROUTE),
        ("Network is unreachable", PathVerdict.NET_UNREACHABLE),
        ("Network unreachable", PathVerdict.NET_UNREACHABLE),
        ("Permission denied", PathVerdict.DENIED),
        ("Operation not permitted", PathVerdict.DENIED),
        ("Name or service not known", None),
        ("Temporary failure in name resolution", None),
        ("open failed", PathVerdict.OTHER),
        ("Protocol not available", PathVerdict.OTHER),
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", PathVerdict.REFUSED),
        ("", PathVerdict.OTHER),
    ],
)
def test_what_a_server_says_of_a_connect(text: str, found: PathVerdict | None) -> None:
    """glibc's and musl's words, and Python's numbers, become verdicts; what is unknown is `other`."""
    assert verdict(text) == found


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"plain", "plain"),
        (b" two\n  lines\r\n", "two lines"),
        (b"\x1b[31mred\x1b[0m \xff", "[31mred [0m �"),
        ("x" * 300, "x" * 199 + "…"),
        (b"", ""),
    ],
)
def test_words_of_a_machine(said: bytes | str, shown: str) -> None:
    """What a machine says is shown on one line, printable and short."""
    assert readable(said) == shown


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("bastion", ("bastion", None, None)),
        ("me@bastion:2222", ("bastion", 2222, "me")),
        ("ssh://me@bastion.example:22/", ("bastion.example", 22, "me")),
        ("[fd00::1]:22", ("fd00::1", 22, None)),
        ("me@fd00::1", ("fd00::1", None, "me")),
        ("do@main@bastion", ("bastion", None, "do@main")),
        ("UPPER", ("UPPER", None, None)),
    ],
)
def test_one_hop_of_proxy_jump(text: str, hop: tuple[str, int | None, str | None]) -> None:
    """The forms that ssh_config allows for a jump host are read as ssh reads them."""
    assert parse_jump(text) == hop


@pytest.mark.parametrize("text", ["", "me@", ":22", "host:port"])
def test_no_hop_of_proxy_jump(text: str) -> None:
    """What names no host is refused."""
    with pytest.raises(ValueError):
        parse_jump(text)


def test_how_known_hosts_name_a_server() -> None:
    """A port other than 22 stands in brackets, names are small, an alias stands alone."""
    assert label("VM.Example", 22) == "vm.example"
    assert label("10.0.0.1", 2222) == "[10.0.0.1]:2222"
    assert label("10.0.0.1", 2222, alias="vm") == "vm"
    assert Known().algorithms[0] == "ssh-ed25519"


def test_access_shows_no_secret() -> None:
    """An access carries references, never values."""
    assert "password" in repr(HostAccess(name="vm", host="vm"))
