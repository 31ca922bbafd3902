"""Stand-ins of Elasticsearch's and OpenSearch's front page and health, for the central logs that a site may plan."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import ssl
from collections.abc import Collection, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Self

from readiness.lab.https import Answer, Asked, HttpsServer, Reply


class Flavour(StrEnum):
    """Which of the two it is; they share their API and differ in how they name themselves and turn strangers away."""

    ELASTICSEARCH = "elasticsearch"
    OPENSEARCH = "opensearch"


class Elasticsearch:
    """Answers ``/`` and ``/_cluster/health`` to known users, over HTTPS; an async context.

    ``users``: passwords by name; without any, nobody has to log in. ``writers`` are users who may write and read
    nothing. ``status`` is the cluster's: green, yellow, red; empty where no master is known.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str],
        tls: ssl.SSLContext | None,
        flavour: Flavour = Flavour.ELASTICSEARCH,
        status: str = "green",
        writers: Collection[str] = (),
    ) -> None:
        self.server = HttpsServer(self._answer, tls=tls)
        self.status = status
        self._users = dict(users)
        self._flavour = flavour
        self._writers = frozenset(writers)

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.close()

    def _answer(self, asked: Asked) -> Answer:
        user, password = _credentials(asked)
        if self._users and not self._known(user, password):
            return self._stranger(asked, user)
        if user in self._writers or asked.method not in ("GET", "HEAD"):
            return self._forbidden(user, "cluster:monitor/main" if asked.path == "/" else "cluster:monitor/health")
        match asked.path:
            case "/":
                return self._json(200, self._front_page())
            case "/_cluster/health":
                return self._health()
        error = {"type": "index_not_found_exception", "reason": f"no such index [{asked.path.strip('/')}]"}
        return self._json(404, {"error": {"root_cause": [error], **error}, "status": 404})

    def _front_page(self) -> dict[str, object]:
        page: dict[str, object] = {
            "name": "logs-1",
            "cluster_name": "logs",
            "cluster_uuid": "q2Jc1mVnTX6o0Jw5nWf3Kg" if self.status else "_na_",
        }
        if self._flavour is Flavour.OPENSEARCH:
            version = {
                "distribution": "opensearch",
                "number": "2.17.1",
                "build_type": "tar",
                "lucene_version": "9.11.1",
            }
            return {**page, "version": version, "tagline": "The OpenSearch Project: https://opensearch.org/"}
        version = {"number": "8.15.3", "build_flavor": "default", "build_type": "docker", "lucene_version": "9.11.1"}
        return {**page, "version": version, "tagline": "You Know, for Search"}

    def _health(self) -> Reply:
        if not self.status:
            error = {"type": "master_not_discovered_exception", "reason": None}
            return self._json(503, {"error": {"root_cause": [error], **error}, "status": 503})
        missing = {"green": 0, "yellow": 4, "red": 8}[self.status]
        return self._json(200, {
            "cluster_name": "logs",
            "status": self.status,
            "timed_out": False,
            "number_of_nodes": 3,
            "number_of_data_nodes": 3,
            "active_primary_shards": 24,
            "active_shards": 48 - missing,
            "unassigned_shards": missing,
        })  # fmt: skip

    def _stranger(self, asked: Asked, user: str) -> Reply:
        if self._flavour is Flavour.OPENSEARCH:
            challenge = ("WWW-Authenticate", 'Basic realm="OpenSearch Security"')
            return Reply(status=401, headers=(challenge, ("Content-Type", "text/plain")), body=b"Unauthorized")
        about = f"for REST request [{asked.path}]"
        reason = (
            f"unable to authenticate user [{user}] {about}" if user else f"missing authentication credentials {about}"
        )
        error = {"type": "security_exception", "reason": reason}
        challenge = ("WWW-Authenticate", 'Basic realm="security", charset="UTF-8"')
        return self._json(401, {"error": {"root_cause": [error], **error}, "status": 401}, challenge)

    def _forbidden(self, user: str, action: str) -> Reply:
        reason = f"action [{action}] is unauthorized for user [{user}] with effective roles [writer]"
        if self._flavour is Flavour.OPENSEARCH:
            reason = f"no permissions for [{action}] and User [name={user}, backend_roles=[], requestedTenant=null]"
        error = {"type": "security_exception", "reason": reason}
        return self._json(403, {"error": {"root_cause": [error], **error}, "status": 403})

    def _known(self, user: str, password: str) -> bool:
        known = self._users.get(user)
        return known is not None and secrets.compare_digest(known.encode(), password.encode())

    def _json(self, status: int, value: object, *extra: tuple[str, str]) -> Reply:
        own = (("X-elastic-product", "Elasticsearch"),) if self._flavour is Flavour.ELASTICSEARCH else ()
        headers = (*own, ("Content-Type", "application/json"), *extra)
        return Reply(status=status, headers=headers, body=json.dumps(value).encode())


def _credentials(asked: Asked) -> tuple[str, str]:
    """The user and the password of HTTP Basic; both empty where none were given."""
    scheme, _, given = asked.header("authorization").partition(" ")
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (user, password) if scheme.lower() == "basic" else ("", "")
