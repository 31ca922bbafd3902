"""A stand-in of Elasticsearch's front page and health, for the centralised logging that a site may plan."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from readiness.lab.https import Answer, Asked, HttpsServer, Reply


class Elasticsearch:
    """Answers ``/`` and ``/_cluster/health`` to known users, over HTTPS; an async context.

    ``users``: passwords by name; without any, nobody has to log in.
    """

    def __init__(self, *, users: Mapping[str, str], tls: ssl.SSLContext | None) -> None:
        self.server = HttpsServer(self._answer, tls=tls)
        self._users = dict(users)

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.close()

    def _answer(self, asked: Asked) -> Answer:
        if self._users and not self._known(asked):
            reason = "missing authentication credentials for REST request"
            error = {"type": "security_exception", "reason": f"{reason} [{asked.path}]"}
            challenge = ("WWW-Authenticate", 'Basic realm="security", charset="UTF-8"')
            return _json(401, {"error": {"root_cause": [error], **error}, "status": 401}, challenge)
        if asked.method not in ("GET", "HEAD"):
            error = {"type": "security_exception", "reason": "action is unauthorized for this user"}
            return _json(403, {"error": {"root_cause": [error], **error}, "status": 403})
        match asked.path:
            case "/":
                return _json(200, {
                    "name": "logs-1",
                    "cluster_name": "logs",
                    "cluster_uuid": "q2Jc1mVnTX6o0Jw5nWf3Kg",
                    "version": {"number": "8.15.3", "build_flavor": "default", "build_type": "docker"},
                    "tagline": "You Know, for Search",
                })  # fmt: skip
            case "/_cluster/health":
                return _json(200, {"cluster_name": "logs", "status": "green", "timed_out": False, "number_of_nodes": 3})
        error = {"type": "index_not_found_exception", "reason": f"no such index [{asked.path.strip('/')}]"}
        return _json(404, {"error": {"root_cause": [error], **error}, "status": 404})

    def _known(self, asked: Asked) -> bool:
        scheme, _, given = asked.header("authorization").partition(" ")
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        known = self._users.get(user)
        matches = known is not None and secrets.compare_digest(known.encode(), password.encode())
        return scheme.lower() == "basic" and matches


def _json(status: int, value: object, *extra: tuple[str, str]) -> Reply:
    headers = (("X-elastic-product", "Elasticsearch"), ("Content-Type", "application/json"), *extra)
    return Reply(status=status, headers=headers, body=json.dumps(value).encode())
