"""How many round trips an audit takes: the demo's site, every SSH server of it behind a way of a known length."""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay import LOOPBACK, Relay, delayed

from readiness.lab.demo import Lab
from readiness.lab.site import HOSTS, State
from readiness.site import Endpoint

WAYS = (0.0, 0.1, 0.2)
"""Seconds that a round trip takes."""

EXPLANATION = """\
The seconds grow by {slope:.1f} round trips: so many wait for one
another where nothing else is waited for. The steps below are read from the SSH library's trace and from the code, not
counted by a machine; a chain that is longer than the slope lies beside the pauses between the dials, which last as
long at any distance. Everything that is not named here runs beside them.

| step | round trips | so far |
| --- | ---: | ---: |
| TCP connect and the server's version line | 2 | 2 |
| key exchange: the lists cross, then one exchange; service request | 2.5 | 4.5 |
| login: which methods there are, whether the key would do, the signature | 3 | 7.5 |
| second connection: it came along up to the key, and shows it once the first is in | 2 | 9.5 |
| first connection meanwhile: open a session, start `sh`, names and facts asked and answered | 3 | 10.5 |
| dials: open a session, start the prober, its answers (three connects one second apart lie in here) | 3 | 13.5 |
| or a stream: open the channel, TLS | 2 | 12.5 |
| Redis: HELLO or AUTH, INFO | 2-3 | 15.5 |
| registry and log store: refused without credentials, then with them; token or manifests | 2-4 | 16.5 |
| Genesys Cloud: token; open the channel to the API, TLS; who am I, then the role | 5 | 17.5 |
| clock: three readings of three steps each, beside Genesys Cloud's own answer | 9 | 16.5 |
| Config DB: SSL request, startup, SASL (2), settings together, catalogue, the counts together | 8 | 20.5 |
| component ports: hold them, have the others call (a session each), hear from the listener, let go | 7-9 | 19.5 |
| end: every connection is closed at once, without waiting for the other side | 0 | |
"""


@dataclass(frozen=True, kw_only=True)
class Journey:
    """One audit over ways of one length; ``turns`` for each host those of each of its connections."""

    round_trip: float
    seconds: float
    turns: Mapping[str, Sequence[int]]


async def journeys(rounds: int) -> Sequence[Journey]:
    """Audit the demo's mended site over ways of every length in turn, so many times."""
    made = []
    with tempfile.TemporaryDirectory(prefix="rb-way-") as folder:
        async with Lab(Path(folder), State.AFTER) as lab:
            for number in range(rounds):
                for way in WAYS:
                    made.append(await _journey(lab, Path(folder) / f"{number}-{way}", way))
    return made


async def _journey(lab: Lab, out: Path, way: float) -> Journey:
    async with contextlib.AsyncExitStack() as stack:
        relays: dict[str, Relay] = {}
        for name, served in lab.hosts.items():
            relays[name] = await stack.enter_async_context(delayed(served.endpoint.host, served.endpoint.port, way))
        for host in HOSTS:
            # What the bootstrap VM dials is the same server, and not our way to it.
            lab.network.serve(Endpoint(host.address, relays[host.name].port), lab.hosts[host.name].endpoint)
        site = _behind(lab, relays)
        began = time.monotonic()
        audit = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("readiness")),
            *("audit", str(site), "--out", str(out), "--baseline", "none"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await audit.communicate()
        seconds = time.monotonic() - began
        if audit.returncode not in (0, 1, 3):
            raise SystemExit(f"the audit of the demo's site failed: {said.decode(errors='replace')[-2000:]}")
    turns = {name: tuple(passage.turns for passage in relay.passages) for name, relay in relays.items()}
    return Journey(round_trip=way, seconds=seconds, turns=turns)


def _behind(lab: Lab, relays: Mapping[str, Relay]) -> Path:
    """The lab's site file with every SSH server reached through its relay, host keys included."""
    text = lab.site_file.read_text()
    known_hosts = next(path for path in lab.site_file.parent.iterdir() if path.name == "known_hosts")
    keys = known_hosts.read_text()
    for name, relay in relays.items():
        endpoint = lab.hosts[name].endpoint
        here, there = f"[{LOOPBACK}]:{relay.port}", f"[{endpoint.host}]:{endpoint.port}"
        keys = keys.replace(there, here)
        text, found = re.subn(
            rf"(?<![\w.]){re.escape(endpoint.host)}(?![\w.])(.*?)port: {endpoint.port}\b",
            rf"{LOOPBACK}\g<1>port: {relay.port}",
            text,
        )
        if found != 1:
            raise SystemExit(f"the demo's site file names {name} in a way that the bench does not know")
    folder = lab.site_file.parent
    (folder / "known_hosts_behind").write_text(keys)
    site = folder / "behind.yaml"
    site.write_text(text.replace("known_hosts: known_hosts", "known_hosts: known_hosts_behind"))
    return site


def slope(made: Sequence[Journey]) -> float:
    """Round trips that an audit takes: the median seconds at the longest way against those without, by its length."""
    return (median(made, WAYS[-1]) - median(made, 0.0)) / WAYS[-1]


def median(made: Sequence[Journey], way: float) -> float:
    return statistics.median(journey.seconds for journey in made if journey.round_trip == way)
