"""One conversation with each service that means harm: how long it takes, and how large the process grows by it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab import hostile_hosts, tempers
from tests.lab.tempers import Temper, serving

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc, to see how it grew")

GROWTH = 16 << 20
"""Bytes of memory that one conversation may cost, libraries that are loaded for it included."""

HARMS: Mapping[str, tuple[str, Temper]] = {
    "Redis: arrays in arrays without end": ("AskRedis", tempers.REDIS_NESTED),
    "Redis: a text of half a gigabyte": ("AskRedis", tempers.REDIS_BULK),
    "Redis: silence after accept": ("AskRedis", hostile_hosts.stalls()),
    "PostgreSQL: notices without end": ("ReadConfigDb", tempers.POSTGRES_NOTICES),
    "PostgreSQL: silence after accept": ("ReadConfigDb", hostile_hosts.stalls()),
    "PostgreSQL: a banner without end": ("ReadConfigDb", tempers.BANNER),
    "HTTP: a body without end": ("AskRegistry", tempers.HTTP_BODY),
    "HTTP: a head without end": ("AskGrafana", tempers.HTTP_HEAD),
    "HTTP: interim answers without end": ("AskPortainer", tempers.HTTP_INTERIM),
    "HTTP: a byte now and then": ("AskPrometheus", tempers.HTTP_DRIP),
    "HTTP: silence after accept": ("AskLogging", hostile_hosts.stalls()),
    "HTTP: a banner without end": ("AskLogging", tempers.BANNER),
    "HTTP: a decompression bomb": ("AskRegistry", tempers.bomb()),
    "HTTP: JSON of a million levels": ("AskRedisEnterprise", tempers.nested()),
    "HTTP: poisoned JSON": ("AskGrafana", tempers.poisoned_json("version", "database")),
    "HTTP: a redirect to elsewhere": ("AskPrometheus", tempers.redirect("http://evil.example/")),
}

_PROGRAM = """\
import asyncio, contextlib, json, pathlib, sys, time
from readiness.gather import limit_of, sound
from readiness.model import ProbeError
from readiness.secret import Redactor, Secret, SecretRef
from readiness.vantage import Limits, Vantages
from tests.safety.test_any_conversation import PEER, Mute, questions

def largest():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1]) << 10

async def main(kind, port):
    probe, limits = questions()[kind], Limits(ssh=2, script=2, connect=1, conversation=2)
    secrets = {SecretRef(env="S"): Secret("c4nary-Of-Everything")}
    machines = [Mute(name, {PEER: port}) for name in ("auditor", *probe.vantages)]
    vantages = Vantages(machines, limits=limits, secrets=secrets, redact=Redactor())
    before, began, limit = largest(), time.monotonic(), limit_of(probe, limits) + limits.ssh
    with contextlib.suppress(ProbeError, TimeoutError):
        async with asyncio.timeout(limit):
            probe.parse(sound(await probe.read(vantages)))
    took = time.monotonic() - began
    print(json.dumps({"seconds": took, "limit": limit, "cpu": time.process_time(), "grown": largest() - before}))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def converse(kind: str, temper: Temper) -> dict[str, float]:
    """Ask one question in a process of its own; what it took."""
    async with serving(temper) as port:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _PROGRAM,
            kind,
            str(port),
            cwd=Path(__file__).parents[2],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": "."},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode(errors="replace")[-2000:]
    assert b"Traceback" not in err
    told: dict[str, float] = json.loads(out)
    return told


@pytest.mark.parametrize("harm", HARMS)
async def test_a_conversation_that_means_harm_is_bounded(harm: str) -> None:
    """Within the question's own limit, and with no more memory than its byte limits let it take."""
    told = await converse(*HARMS[harm])
    grown = int(told["grown"]) >> 20
    print(f"{harm:<38} {told['seconds']:5.2f} s of {told['limit']:.1f} s, {told['cpu']:.1f} s of CPU, {grown} MiB more")
    assert told["seconds"] < told["limit"] + 1.0
    assert told["grown"] < GROWTH
