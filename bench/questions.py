"""What every peer is asked of every host: one table, from which each peer's own script is made.

A question is a shell command that prints one line, as the peers ask it, and the place where a readiness report holds
the same answer. The answers of all are compared, so that none is fast by failing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Report = Mapping[str, Any]
Answers = Mapping[tuple[str, str], str]
"""An answer for each pair of a host's name and a question's name."""

CHECKS = (
    "vm.one-component-each",
    "vm.os",
    "vm.kernel",
    "vm.cpu",
    "vm.memory",
    "vm.disk",
    "vm.docker",
    "vm.compose",
    "vm.time-sync",
    "vm.ports-free",
    "redis.latency",
)
"""The checks that need these answers; what their questions ask beyond them is asked too."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """``command`` prints the answer in one line; ``probe`` and ``told`` find it in what a report recorded."""

    name: str
    command: str
    probe: str
    told: Callable[[str], str]


def _part(text: str, name: str) -> str:
    found = re.search(rf"^=== {re.escape(name)}\n(.*?)\n*--- \d+$", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def _release(text: str) -> str:
    fields = dict(re.findall(r'^(\w+)="?(.*?)"?$', _part(text, "/etc/os-release"), re.MULTILINE))
    return f"{fields.get('ID', '')} {fields.get('VERSION_ID', '')}".strip()


def _processors(text: str) -> str:
    ranges = [each.partition("-") for each in _part(text, "/sys/devices/system/cpu/online").split(",")]
    return str(sum(int(last or first) - int(first) + 1 for first, _, last in ranges))


def _disks(text: str) -> str:
    devices = json.loads(_part(text, "lsblk"))["blockdevices"]
    return " ".join(sorted(f"{disk['name']}:{disk['size']}" for disk in devices if disk["type"] == "disk"))


def _ports(text: str) -> str:
    rows = [line.split() for line in _part(text, "ss").splitlines()[1:]]
    return " ".join(map(str, sorted({int(row[3].rpartition(":")[2]) for row in rows})))


def _connected(text: str) -> str:
    attempts = json.loads(text)["tried"][0]["attempts"]
    return "open" if all(attempt["verdict"] == "open" for attempt in attempts) else "closed"


def questions(peer: int) -> Sequence[Question]:
    """The table; ``peer`` is the port of loopback that every host connects to."""
    return (
        Question(
            name="boot_id",
            command="cat /proc/sys/kernel/random/boot_id",
            probe="ReadIdentity",
            told=lambda text: _part(text, "/proc/sys/kernel/random/boot_id"),
        ),
        Question(name="os", command='. /etc/os-release; echo "$ID $VERSION_ID"', probe="ReadSystem", told=_release),
        Question(
            name="kernel",
            command="uname -r",
            probe="ReadSystem",
            told=lambda text: _part(text, "uname").split()[1],
        ),
        Question(
            name="bits",
            command="getconf LONG_BIT",
            probe="ReadSystem",
            told=lambda text: _part(text, "getconf LONG_BIT"),
        ),
        Question(name="processors", command="getconf _NPROCESSORS_ONLN", probe="ReadCpu", told=_processors),
        Question(
            name="memory",
            command="sed -n 's/^MemTotal: *//p' /proc/meminfo",
            probe="ReadMemory",
            told=lambda text: _part(text, "/proc/meminfo").removeprefix("MemTotal:").strip(),
        ),
        Question(
            name="disks",
            command='lsblk -b -d -n -o NAME,TYPE,SIZE | awk \'$2 == "disk" {print $1 ":" $3}\' | sort | xargs',
            probe="ReadDisks",
            told=_disks,
        ),
        Question(
            name="docker",
            command="docker version --format '{{.Server.Version}}'",
            probe="ReadDocker",
            told=lambda text: str(json.loads(_part(text, "docker version"))["Server"]["Version"]),
        ),
        Question(
            name="compose",
            command="docker compose version",
            probe="ReadCompose",
            told=lambda text: _part(text, "docker compose"),
        ),
        Question(
            name="time",
            command="ps -e -o comm= | grep -x -e chronyd -e ntpd -e systemd-timesyn | sort -u | xargs",
            probe="ReadTimeSync",
            told=lambda text: " ".join(sorted(set(_part(text, "processes").split()))),
        ),
        Question(
            name="ports",
            command="ss -H -l -t -n -p | awk '{print $4}' | sed 's/.*://' | sort -n -u | xargs",
            probe="ReadListeners",
            told=_ports,
        ),
        Question(
            name="tcp",
            command=f"timeout 5 bash -c '</dev/tcp/127.0.0.1/{peer}' && echo open || echo closed",
            probe="MeasureLatency",
            told=_connected,
        ),
    )


def script(asked: Iterable[Question]) -> str:
    """All questions in one text for ``sh -s``; each answer stands behind its question's name."""
    return "".join(f"printf '%s\\t' '== {each.name}'; {{ {each.command}; }} </dev/null || echo\n" for each in asked)


def read(output: str) -> Mapping[str, str]:
    """The answers in what ``script`` printed."""
    return {name: answer.strip() for name, answer in re.findall(r"^== (\w+)\t(.*)$", output, re.MULTILINE)}


def of_report(path: Path, asked: Iterable[Question], hosts: Iterable[str]) -> Answers:
    """The answers that a readiness report holds."""
    report: Report = json.loads(path.read_text())
    recorded = {(each["vantage"], each["probe"].partition("(")[0]): each for each in report["observations"]}

    def told(host: str, question: Question) -> str:
        observation = recorded[host, question.probe]
        if observation["response"] is None:
            return f"no answer: {observation['error']['detail']}"
        return question.told(observation["response"])

    return {(host, each.name): told(host, each) for host in hosts for each in asked}


def settled(answers: Answers, known: Iterable[int]) -> Answers:
    """The same with the listening ports cut down to those of the bench: others come and go on a machine."""
    kept = {str(port) for port in known}
    return {
        (host, name): " ".join(sorted(set(answer.split()) & kept)) if name == "ports" else answer
        for (host, name), answer in answers.items()
    }


def differences(told: Mapping[str, Answers]) -> Sequence[str]:
    """Where a peer's answer is not everybody's."""
    first, *others = told
    return [
        f"{host} {name}: {first} {told[first][host, name]!r}, {other} {told[other].get((host, name))!r}"
        for other in others
        for host, name in told[first]
        if told[other].get((host, name)) != told[first][host, name]
    ]
