"""Whatever a service says on the wire: a question ends in time with an answer or the documented error."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readiness.gather import sound
from readiness.model import ProbeError
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.probe import Probe
from readiness.secret import Redactor, Secret, SecretRef
from readiness.site.load import load_site
from readiness.vantage import Dial, Dialled, Limits, PathVerdict, Vantages
from tests.lab.mapped import Mapped
from tests.lab.tempers import POISON, serving

PEER = "peer.acme.example"
LIMITS = Limits(ssh=0.5, script=0.5, connect=0.3, conversation=0.6)
SITE = f"""\
site: {{name: Plain}}
vms:
  - {{name: excs-1, role: excs, host: 10.10.1.11}}
  - {{name: exas-1, role: exas, host: 10.10.1.12}}
  - {{name: excp-1, role: excp, host: 10.10.1.13}}
  - {{name: excp-2, role: excp, host: 10.10.1.14}}
bootstrap: {{name: boot, host: 10.10.1.10}}
redis: {{host: {PEER}, username: exec, password: {{env: S}}, enterprise_api: {{url: "http://{PEER}:9443",
  username: exec, password: {{env: S}}}}}}
registry: {{url: "http://{PEER}:5000", username: exec, password: {{env: S}}, images: ["exec/excs:100.0.1"]}}
config_db: {{engine: postgresql, host: {PEER}, database: cfg, user: exec_ro, password: {{env: S}}}}
logging: {{url: "http://{PEER}:9200", username: exec, password: {{env: S}}}}
monitoring:
  prometheus: {{host: 10.10.2.62, url: "http://{PEER}:9090"}}
  grafana: {{url: "http://{PEER}:3000"}}
  portainer: {{url: "http://{PEER}:9000"}}
"""

SPOKEN = (
    b"+PONG\r\n", b"+OK\r\n", b"-NOAUTH x\r\n", b"-ERR \xff\r\n", b"$-1\r\n", b"$5\r\nab", b"$99999999999\r\n",
    b"*-1\r\n", b"*3\r\n", b":9223372036854775808\r\n", b"$16\r\nredis_version:6\r\n\r\n", b"%2\r\n", b"_\r\n",
    b"*1\r\n" * 400, b"~1\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 401 No\r\n", b"HTTP/9.9 999 \x00\r\n", b"\r\n",
    b"HTTP/1.1 307 x\r\nLocation: /\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"ffffffffffffffff\r\n",
    b"5\r\n", b"0\r\n\r\n", b"Content-Encoding: gzip\r\n", b'WWW-Authenticate: Bearer realm="//["\r\n',
    b"WWW-Authenticate: Basic\r\n", b'{"version": {}}', b"[" * 3000, b"R\0\0\0\x08\0\0\0\0",
    b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", b"R\0\0\0\x0c\0\0\0\x05salt", b"Z\0\0\0\x05I", b"T\0\0\0\x06\xff\xff",
    b"D\0\0\0\x0a\0\x01\xff\xff\xff\xfe", b"C\0\0\0\x04", b"E\0\0\0\x09Sx\0\0\0", b"E\0\0\0\x00", b"N", b"S",
    b"\x15\x03\x01\x00\x02\x02\x46", b"SSH-2.0-x\r\n", POISON.encode("utf-8", "surrogatepass"),
)  # fmt: skip


class Mute(Mapped):
    """A machine that can open streams, and whose dials are all refused."""

    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        return (Dialled(verdict=PathVerdict.REFUSED, ms=None, tool="none", raw=""),) * dial.attempts


@cache
def questions() -> dict[str, Probe[object]]:
    """One question to each service that this site can be asked in plain text."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(SITE, encoding="utf-8")
        planned = plan(load_site(path, files=False), load_packs())
    return {
        type(probe).__name__: probe
        for probe in planned.probes
        if PEER in probe.key and not probe.key.startswith("Dial")
    }


PIECES = st.lists(
    st.one_of(st.sampled_from(SPOKEN), st.sampled_from(SPOKEN), st.binary(max_size=60)), min_size=1, max_size=12
)


@pytest.mark.parametrize("kind", sorted(questions()))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=PIECES, at_once=st.booleans())
def test_any_words_of_a_service_are_survived(kind: str, pieces: list[bytes], at_once: bool) -> None:
    """Any mixture of true and torn fragments of every protocol: an answer or ``ProbeError``, within the limits."""
    began = time.process_time()
    asyncio.run(_converse(questions()[kind], pieces, at_once=at_once))
    assert time.process_time() - began < 5


async def _converse(probe: Probe[object], pieces: list[bytes], *, at_once: bool) -> None:
    left = list(pieces)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while left and await reader.read(65536):
            said = b"".join(left) if at_once else left.pop(0)
            writer.write(said)
            await writer.drain()
            if at_once:
                return

    async with serving(talk) as port:
        machines = [Mute(name, {PEER: port}) for name in ("auditor", *probe.vantages)]
        redact = Redactor()
        redact.learn(Secret("c4nary-Of-Everything"))
        secrets = {SecretRef(env="S"): Secret("c4nary-Of-Everything")}
        vantages = Vantages(machines, limits=LIMITS, secrets=secrets, redact=redact)
        with contextlib.suppress(ProbeError):
            async with asyncio.timeout(30):
                response = await probe.read(vantages)
            assert "c4nary" not in response
            probe.parse(sound(redact(response)))
        for machine in machines:
            for stream in machine.streams:
                stream.writer.transport.abort()
