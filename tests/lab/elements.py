"""Stand-ins of optional elements, each answering as its maker documents, and a real Prometheus where there is one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from readiness.lab.https import Answer, Asked, Handler, Reply
from tests.lab.mapped import LOOPBACK, free_port

PROMETHEUS = shutil.which("prometheus")
"""The real server's program, where it is installed."""


def as_json(value: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(
        status=status, headers=(("Content-Type", "application/json"), *headers), body=json.dumps(value).encode()
    )


def as_text(text: str, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(status=status, headers=(("Content-Type", "text/plain; charset=utf-8"), *headers), body=text.encode())


def as_page(title: str, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    page = f"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{title}</title></head><body></body></html>"
    return Reply(status=status, headers=(("Content-Type", "text/html"), *headers), body=page.encode())


NOT_FOUND = as_text("404 page not found\n", status=404)
"""What a server written in Go says of a path that it does not know."""


def answering(replies: Mapping[str, Answer], otherwise: Answer = NOT_FOUND) -> Handler:
    """Answers these paths, by GET alone."""

    def handler(asked: Asked) -> Answer:
        assert asked.method == "GET"
        return replies.get(asked.path, otherwise)

    return handler


def behind_a_login(inner: Handler, *, user: str, password: str, realm: str = "metrics") -> Handler:
    """The same behind HTTP Basic, as nginx or a web configuration puts it there."""
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def handler(asked: Asked) -> Answer:
        if asked.header("authorization") != wanted:
            challenge = (("WWW-Authenticate", f'Basic realm="{realm}"'),)
            return as_page("401 Authorization Required", status=401, headers=challenge)
        return inner(asked)

    return handler


def build(version: str) -> dict[str, str]:
    """What servers of the Prometheus family say of how they were built."""
    return {
        "version": version,
        "revision": "efc4d2f009",
        "branch": "HEAD",
        "buildUser": "root@707324a28e25",
        "buildDate": "20240410-09:07:00",
        "goVersion": "go1.21.9",
    }


BUILD_INFO = as_json({"status": "success", "data": build("2.53.2")})

PROMETHEUS_STARTING = answering(
    {
        "/-/ready": as_text("Service Unavailable", status=503, headers=(("X-Prometheus-Stopping", "false"),)),
        "/-/healthy": as_text("Prometheus Server is Healthy.\n"),
        "/api/v1/status/buildinfo": as_text("Service Unavailable", status=503),
    },
)
PROMETHEUS_READY = answering(
    {
        "/-/ready": as_text("Prometheus Server is Ready.\n"),
        "/-/healthy": as_text("Prometheus Server is Healthy.\n"),
        "/api/v1/status/buildinfo": BUILD_INFO,
    }
)
THANOS = answering({"/-/ready": as_text("OK"), "/-/healthy": as_text("OK"), "/api/v1/status/buildinfo": BUILD_INFO})
ALERTMANAGER = answering(
    {"/-/ready": as_text("OK"), "/-/healthy": as_text("OK"), "/": as_page("Alertmanager")},
)
GRAFANA = answering(
    {
        "/api/health": as_json({"commit": "1e84fede54", "database": "ok", "version": "10.2.3"}),
        "/": Reply(status=302, headers=(("Location", "/login"),)),
    },
    as_page("Grafana", status=404),
)
GRAFANA_SECRETIVE = answering({"/api/health": as_json({"database": "ok"})})
GRAFANA_WITHOUT_DATABASE = answering(
    {"/api/health": as_json({"database": "failing", "version": "10.2.3", "commit": "1e84fede54"}, status=503)}
)
PORTAINER = answering(
    {"/api/system/status": as_json({"Version": "2.21.4", "InstanceID": "299ab403-70a8-4c05-92f7-bf7a994d50df"})},
    as_page("Portainer"),
)
PORTAINER_OLD = answering(
    {"/api/status": as_json({"Authentication": True, "Snapshot": True, "Version": "2.11.1"})}, as_page("Portainer")
)
_UNFINISHED = as_json(
    {"message": "Administrator initialization timeout", "details": "Administrator initialization timeout"},
    status=303,
    headers=(("Redirect-Reason", "AdminInitTimeout"),),
)
PORTAINER_UNFINISHED = answering({"/api/status": as_json({"Version": "2.21.4"})}, _UNFINISHED)
LOKI = answering({"/ready": as_text("ready\n"), "/loki/api/v1/status/buildinfo": as_json(build("2.9.7"))})
LOKI_STARTING = answering(
    {
        "/ready": as_text("Ingester not ready: waiting for 15s after being ready\n", status=503),
        "/loki/api/v1/status/buildinfo": as_json(build("2.9.7")),
    }
)
LOKI_GATEWAY = answering({"/": as_text("OK"), "/loki/api/v1/status/buildinfo": as_json(build("3.1.1"))})
LOKI_OF_TENANTS = answering(
    {"/ready": as_text("ready\n"), "/loki/api/v1/status/buildinfo": as_json(build("2.9.7"))},
    as_text("no org id\n", status=401),
)
TEMPO = answering({"/ready": as_text("ready\n")})
KIBANA = answering({}, Reply(status=302, headers=(("Location", "/login?next=%2F"), ("kbn-name", "kibana-1"))))
DASHBOARDS = answering({}, Reply(status=302, headers=(("Location", "/app/login"), ("osd-name", "osd-1"))))
GRAYLOG = answering(
    {"/": as_page("Graylog Web Interface", headers=(("X-Graylog-Node-ID", "c0e7"),))},
)
GATEWAY_WITHOUT_SERVICE = answering({}, as_page("502 Bad Gateway", status=502))
TLS_ALONE = answering({}, as_text("Client sent an HTTP request to an HTTPS server.\n", status=400))
SSO = answering({}, Reply(status=302, headers=(("Location", "https://sso.acme.example/auth?state=x"),)))
BUSY = answering({}, as_text("Too Many Requests", status=429))
CLOSED_TO_ALL = answering({}, as_page("403 Forbidden", status=403))


@contextlib.asynccontextmanager
async def prometheus(folder: Path, *, web_config: str = "") -> AsyncIterator[int]:
    """A real Prometheus that scrapes nothing; gives its port once it listens."""
    assert PROMETHEUS is not None
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 60s}\n")
    port = free_port()
    arguments = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    if web_config:
        (folder / "web.yml").write_text(web_config)
        arguments.append("--web.config.file=web.yml")
    process = await asyncio.create_subprocess_exec(
        PROMETHEUS, *arguments, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(20):
            while True:
                said = await process.stderr.readline()
                assert said, "prometheus ended before it was ready"
                if b"Server is ready to receive web requests" in said:
                    break
        draining = asyncio.create_task(process.stderr.read())
        yield port
        draining.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
