"""The one script of all host questions: whole under every shell, whatever one of its sections does."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.host_script import SECTION_BYTES, compose, parts, split
from readiness.model import Cause, Reason
from readiness.probe import HostProbe
from readiness.probes.docker import ReadCompose, ReadDocker
from readiness.probes.docker_networks import ReadDockerNetworks
from readiness.probes.linux import (
    ReadCpu,
    ReadDisks,
    ReadDmiMemory,
    ReadIdentity,
    ReadInterfaces,
    ReadListeners,
    ReadMemory,
    ReadPythons,
    ReadSystem,
)
from readiness.probes.time_sync import ReadTimeSync

TOKEN = "0123456789abcdef01234567"
SHELLS = {
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
    "ksh": ["ksh93"],
}
EVERY = (
    ReadSystem("vm"),
    ReadIdentity("vm"),
    ReadCpu("vm"),
    ReadMemory("vm"),
    ReadDmiMemory("vm"),
    ReadDisks("vm"),
    ReadInterfaces("vm"),
    ReadListeners("vm"),
    ReadDocker("vm"),
    ReadCompose("vm"),
    ReadDockerNetworks("vm"),
    ReadTimeSync("vm"),
    ReadPythons("vm"),
)
"""One probe of each section that is asked of a machine itself."""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Each shell that this machine has."""
    command = SHELLS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here: apt-get install {command[0]}")
    return command


def asking(section: str, script: str, seconds: int = 8) -> HostProbe[str]:
    """A probe of its own kind that asks this."""

    def understand(self: HostProbe[str], output: str, status: int) -> str:
        return output

    body = {"section": section, "script": script, "seconds": seconds, "method": "test", "understand": understand}
    kind: type[HostProbe[str]] = dataclass(frozen=True)(type(f"Ask{section.title()}", (HostProbe,), body))
    return kind("vm")


def run(
    shell: list[str], script: str, *, around: tuple[str, str] = ("", ""), limit: float = 20, cwd: Path | None = None
) -> bytes:
    """What a shell prints that is fed the script on standard input, as a machine is."""
    path = f"{Path(shutil.which('sh') or '/bin/sh').parent}:/usr/bin:/bin"
    done = subprocess.run(
        shell,
        input=f"{around[0]}\n{script}\n{around[1]}\n".encode(),
        capture_output=True,
        timeout=limit,
        check=False,
        cwd=cwd,
        env={
            "PATH": path,
            "HOME": "/",
            "TMPDIR": str(cwd or "/nonexistent"),
            "LANG": "de_DE.UTF-8",
            "TZ": "Asia/Tokyo",
        },
    )
    return done.stdout


def answers(shell: list[str], *probes: HostProbe[object], **keywords: object) -> dict[str, str | Reason]:
    output = run(shell, compose(probes, token=TOKEN), **keywords)  # type: ignore[arg-type]
    return dict(split(output, TOKEN))


def test_every_section_brings_its_output_errors_and_status(shell: list[str]) -> None:
    """Standard error is joined, the exit status kept, nothing comes from standard input, and the locale is C."""
    found = answers(
        shell,
        asking("one", "echo out; echo err >&2; exit 3"),
        asking("two", 'read -r line; echo "[$line] $LC_ALL $TZ"'),
        asking("three", "false"),
    )
    assert found == {"one": "out\nerr\n[exit 3]", "two": "[] C UTC0\n[exit 0]", "three": "\n[exit 1]"}


def test_large_answers_side_by_side_stay_apart(shell: list[str]) -> None:
    """Four sections that print 200 KB at the same time come back whole, every line in its place."""
    line = "{}-%05d-" + "x" * 90
    script = "i=0; while [ $i -lt 2000 ]; do printf '" + line + "\\n' $i; i=$((i+1)); done"
    probes = [asking(name, script.format(name)) for name in ("a", "b", "c", "d")]
    found = answers(shell, *probes)
    for name in ("a", "b", "c", "d"):
        wanted = "\n".join(line.format(name) % number for number in range(2000))
        assert found[name] == f"{wanted}\n[exit 0]"


def test_sections_run_side_by_side(shell: list[str]) -> None:
    """Six sections that sleep half a second take less than twice that together."""
    probes = [asking(name, f"sleep 0.5; echo {name}") for name in "abcdef"]
    since = time.monotonic()
    found = answers(shell, *probes)
    assert time.monotonic() - since < 1.5
    assert found == {name: f"{name}\n[exit 0]" for name in "abcdef"}


def test_a_hung_section_costs_its_own_fact_only(shell: list[str], tmp_path: Path) -> None:
    """It is cut off at its limit with its children; the others answer, and no process of it lives on."""
    mark = tmp_path.name.replace("-", "")
    hang = f"sh -c 'sleep 61; : {mark}' & sh -c 'sleep 62; : {mark}'; wait"
    since = time.monotonic()
    found = answers(shell, asking("hung", f"echo before; {hang}", 1), asking("well", "echo well", 1))
    assert time.monotonic() - since < 4
    assert found["well"] == "well\n[exit 0]"
    hung = found["hung"]
    assert isinstance(hung, Reason)
    assert hung.code is Cause.TIMEOUT
    assert "the hung section gave no answer in 1 s" in hung.detail
    assert not [one for one in _commands() if mark in one]


def _commands() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return found


def test_an_escaped_child_does_not_hold_the_script(shell: list[str]) -> None:
    """A daemon that a section left behind keeps its output open; the script does not wait for it."""
    if shutil.which("setsid") is None:
        pytest.skip("no setsid here: apt-get install util-linux")
    since = time.monotonic()
    found = answers(shell, asking("left", "setsid sleep 6 & echo done", 1), asking("well", "echo well", 1))
    assert time.monotonic() - since < 4
    assert found["well"] == "well\n[exit 0]"
    left = found["left"]
    assert isinstance(left, Reason)
    assert left.code is Cause.TIMEOUT


def test_an_endless_answer_is_cut_off(shell: list[str]) -> None:
    """A section that never stops printing is an overload, and the others answer."""
    found = answers(
        shell, asking("flood", "while :; do echo flooooooooooooooooooood; done"), asking("well", "echo well")
    )
    flood = found["flood"]
    assert isinstance(flood, Reason)
    assert flood.code is Cause.OVERLOAD
    assert found["well"] == "well\n[exit 0]"


def test_all_sections_together_fit_what_is_kept_of_a_script() -> None:
    """However many sections flood, the script prints less than the mebibyte that is kept of its output."""
    probes = [asking(f"s{number}", "while :; do echo floooooooooooood; done") for number in range(12)]
    output = run(["sh"], compose(probes, token=TOKEN))
    assert len(output) < 1 << 20
    assert {type(answer) for answer in split(output, TOKEN).values()} == {Reason}
    assert len(split(output, TOKEN)) == 12


def test_noise_around_the_script_is_ignored(shell: list[str]) -> None:
    """What .bashrc and a message of the day print, with or without a line's end, changes nothing."""
    found = answers(
        shell,
        asking("one", "echo out"),
        around=("echo Welcome; echo begin; printf '%s' 'no newline at the end'", "echo bye; printf x"),
    )
    assert found == {"one": "out\n[exit 0]"}


def test_noise_inside_a_frame_is_told(shell: list[str]) -> None:
    """Where another process prints into the same stream, a section is whole or is a reason, never changed."""
    body = "i=0; while [ $i -lt 400 ]; do echo line-$i; i=$((i+1)); done"
    chatter = "(i=0; while [ $i -lt 3000 ]; do echo chatter; i=$((i+1)); done) &"
    wanted = "\n".join(f"line-{number}" for number in range(400)) + "\n[exit 0]"
    found = answers(shell, *(asking(name, body) for name in "abcd"), around=(chatter, "wait"))
    for answer in found.values():
        assert answer == wanted or (isinstance(answer, Reason) and answer.code is Cause.PARSE)


def test_control_characters_and_broken_text_are_made_harmless(shell: list[str]) -> None:
    """Escapes, carriage returns and invalid UTF-8 do not reach a report; tabs and umlauts do."""
    found = answers(shell, asking("one", r"printf 'a\tb\r\n\033[31mred\033[0m \303\244 \377\n\n\n'"))
    assert found["one"] == "a\tb\n[31mred[0m ä �\n[exit 0]"


def test_no_file_is_written(shell: list[str], tmp_path: Path) -> None:
    """Neither the script nor a shell that runs it leaves or needs a file, and it uses no here-document."""
    script = compose(EVERY, token=TOKEN)
    assert "<<" not in script
    run(shell, script, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_needs_neither_head_nor_sleep(shell: list[str]) -> None:
    """Without head a section is bounded by the shell itself; without sleep there is no limit, and all answer."""
    script = compose([asking("one", "echo out"), asking("big", "while :; do echo xxxxxxxxx; done")], token=TOKEN)
    without_head = script.replace("command -v head", "command -v no-head-here")
    found = split(run(shell, without_head, limit=60), TOKEN)
    assert found["one"] == "out\n[exit 0]"
    assert isinstance(found["big"], Reason)
    script = compose([asking("one", "echo out; printf 'no end'")], token=TOKEN)
    without_sleep = script.replace("command -v sleep", "command -v no-sleep-here")
    assert split(run(shell, without_sleep), TOKEN) == {"one": "out\nno end\n[exit 0]"}


def test_real_questions_are_answered_here(shell: list[str]) -> None:
    """All sections run on this machine under each shell, and those that every Linux can answer become facts."""
    found = answers(shell, *EVERY)
    assert set(found) == {probe.section for probe in EVERY}
    for probe in (ReadSystem("vm"), ReadCpu("vm"), ReadMemory("vm"), ReadDisks("vm"), ReadListeners("vm")):
        response = found[probe.section]
        assert isinstance(response, str), response
        probe.parse(response)


@pytest.mark.root
def test_real_questions_are_answered_to_nobody() -> None:
    """An ordinary user without any right gets answers to the same questions."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to become nobody")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh"]
    found = answers(nobody, *EVERY)
    for probe in (ReadSystem("vm"), ReadCpu("vm"), ReadMemory("vm"), ReadDisks("vm"), ReadListeners("vm")):
        response = found[probe.section]
        assert isinstance(response, str), response
        probe.parse(response)


def test_all_questions_cost_little_there() -> None:
    """The best of several runs of all sections of a VM takes a quarter of a second of this machine's CPU at most."""
    probes = [probe for probe in EVERY if not isinstance(probe, ReadPythons)]  # only the bootstrap VM is asked for it
    script = compose(probes, token=TOKEN)
    spent = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(["sh"], script)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.25


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here: apt-get install shellcheck")
def test_the_script_has_nothing_for_shellcheck_to_say() -> None:
    """The whole script, with every section in it, is clean POSIX sh by shellcheck.

    SC2317 is left out: it takes a function that `ask` runs by name for one that nobody calls.
    """
    done = subprocess.run(
        ["shellcheck", "-s", "sh", "-e", "SC2317", "-"],
        input=compose(EVERY, token=TOKEN).encode(),
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode() == ""


def test_one_section_is_asked_once() -> None:
    """The same question twice is one section of the script."""
    probe = asking("one", "echo asked")
    assert compose([probe, probe], token=TOKEN) == compose([probe], token=TOKEN)


@pytest.mark.parametrize(
    ("probes", "token", "says"),
    [
        ([asking("one", "echo a"), asking("one", "echo b")], TOKEN, "share the section one"),
        ([asking("One", "echo")], TOKEN, "does not name a section"),
        ([asking("a b", "echo")], TOKEN, "does not name a section"),
        ([asking("one", "echo")], "short", "token"),
        ([asking("one", "echo")], "0123456789 ; rm -rf", "token"),
        ([asking(f"s{n}", "echo", n) for n in range(1, 9)], TOKEN, "different limits"),
    ],
)
def test_what_would_break_a_script_is_refused(probes: list[HostProbe[object]], token: str, says: str) -> None:
    """Names, tokens and limits that cannot stand in a script raise, and say why."""
    with pytest.raises(ValueError, match=says):
        compose(probes, token=token)


def frame(name: str, body: str, *, length: int | None = None, seconds: int = 8) -> bytes:
    size = len(body) if length is None else length
    return f"\n{TOKEN} begin {name} {seconds} {size}\n{body}\n{TOKEN} end {name}\n".encode()


WHOLE = f"hello\n\n{TOKEN} exit 0"


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (frame("one", WHOLE)[:-40], Cause.PARSE),
        (frame("one", WHOLE, length=999), Cause.PARSE),
        (frame("one", WHOLE).replace(b"hello", b"hel chatter lo"), Cause.PARSE),
        (frame("one", "hello"), Cause.OVERLOAD),
        (frame("one", f"hello\n{TOKEN} late\n"), Cause.TIMEOUT),
        (frame("one", f"\n{TOKEN} late"), Cause.TIMEOUT),
    ],
)
def test_a_section_without_a_whole_answer_says_why(output: bytes, code: Cause) -> None:
    """Cut, torn, flooded and late answers are told apart."""
    answer = split(output, TOKEN)["one"]
    assert isinstance(answer, Reason)
    assert answer.code is code
    assert answer.enable


def test_sections_that_left_no_trace_are_left_out() -> None:
    """Where the script did not run at all there is nothing to tell, and no section is invented."""
    assert split(b"sh: syntax error\n", TOKEN) == {}
    assert split(b"", TOKEN) == {}


def test_a_cut_frame_does_not_swallow_the_next() -> None:
    """A frame that breaks off is a reason, and the one behind it is read."""
    broken = frame("one", WHOLE).partition(b"hello")[0]
    found = split(broken + frame("two", WHOLE), TOKEN)
    assert isinstance(found["one"], Reason)
    assert found["two"] == "hello\n[exit 0]"


def test_a_shell_that_counts_characters_is_believed() -> None:
    """The length of a text with umlauts is right in bytes, and in characters where a shell heeds a locale."""
    body = f"größe\n\n{TOKEN} exit 0"
    for length in (len(body), len(body.encode())):
        assert split(frame("one", body, length=length), TOKEN)["one"] == "größe\n[exit 0]"


@given(st.binary(max_size=2000))
def test_splitting_survives_any_bytes(noise: bytes) -> None:
    """Whatever a machine prints, splitting it gives answers or reasons."""
    for output in (
        noise,
        frame("one", WHOLE) + noise,
        noise + frame("one", WHOLE),
        noise.join([frame("one", WHOLE)] * 2),
    ):
        assert all(isinstance(answer, str | Reason) for answer in split(output, TOKEN).values())


@given(st.text(max_size=500))
def test_parts_survive_any_text(noise: str) -> None:
    """Whatever a section prints, taking its parts apart gives parts."""
    for output in (noise, f"=== one\n{noise}\n--- 0\n", f"=== one\n{noise}"):
        assert all(part.status is None or 0 <= part.status <= 999 for part in parts(output).values())


def test_parts_keep_what_commands_and_files_said() -> None:
    """Each part has its text and its status; what is not on the machine has none."""
    found = parts("=== uname\nLinux\n\n--- 0\n=== ss\n--- missing\n=== /etc/x\n--- 1\n=== uname\nagain\n--- 0\n")
    assert (found["uname"].text, found["uname"].answered) == ("Linux", True)
    assert found["ss"].status is None
    assert not found["/etc/x"].answered


def test_a_section_may_print_a_quarter_of_a_mebibyte() -> None:
    """The bound of one section alone is what it says."""
    assert SECTION_BYTES == 256 * 1024
    found = answers(["sh"], asking("one", "head -c 262000 /dev/zero | tr '\\0' x"))
    assert found["one"] == "x" * 262000 + "\n[exit 0]"
