"""A stand-in of a Redis Enterprise cluster's REST API, as far as an audit asks it.

It follows the published reference: basic authentication, roles, the ``fields`` query of ``/v1/bdbs``, status codes and
objects. https://redis.io/docs/latest/operate/rs/references/rest-api/
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from readiness.lab.https import Answer, Asked, Reply

_VIEWERS = frozenset({"admin", "cluster_member", "cluster_viewer", "db_member", "db_viewer", "user_manager"})


@dataclass(frozen=True)
class User:
    """A user of the API; a role of ``none`` may see nothing."""

    password: str = field(repr=False)
    role: str = "cluster_viewer"


def database(uid: int = 1, *, host: str, port: int, memory_size: int, **more: object) -> dict[str, object]:
    """A database object as the API gives it for one of Redis 6.2 without replication; ``more`` replaces fields."""
    return {
        "uid": uid,
        "name": f"db{uid}",
        "type": "redis",
        "port": port,
        "status": "active",
        "version": "6.2.13",
        "redis_version": "6.2",
        "memory_size": memory_size,
        "replication": False,
        "oss_cluster": False,
        "sharding": False,
        "shards_count": 1,
        "shards_placement": "dense",
        "rack_aware": False,
        "crdt": False,
        "data_persistence": "disabled",
        "backup": False,
        "eviction_policy": "volatile-lru",
        "tls_mode": "disabled",
        "default_user": True,
        "authentication_redis_pass": "never-read",
        "endpoints": [
            {"uid": f"{uid}:1", "dns_name": host, "addr": [], "addr_type": "external", "port": port},
        ],
        **more,
    }


def node(
    uid: int = 1, *, software_version: str = "7.4.6-22", versions: Sequence[str] = ("6.0", "6.2", "7.2")
) -> dict[str, object]:
    """A node object as the API gives it."""
    return {
        "uid": uid,
        "status": "active",
        "software_version": software_version,
        "rack_id": "",
        "addr": f"10.0.3.{uid}",
        "total_memory": 64_000_000_000,
        "supported_database_versions": [
            {"db_type": "memcached", "version": "1.4.17"},
            *({"db_type": "redis", "version": version} for version in versions),
        ],
    }


@dataclass
class Cluster:
    """What the cluster is; changes count from the next request on. Call it as the handler of an HTTPS server."""

    users: Mapping[str, User]
    databases: list[dict[str, object]]
    nodes: list[dict[str, object]] = field(default_factory=lambda: [node(1), node(2), node(3)])
    name: str = "cluster.lab.test"
    expired: bool = False
    expires: str = "2030-06-30T00:00:00Z"

    def __call__(self, asked: Asked) -> Answer:
        user = self._user(asked)
        if user is None:
            return Reply(status=401, headers=(("WWW-Authenticate", 'Basic realm="Redis Enterprise"'),))
        if asked.method != "GET":
            return _error(405, "method_not_allowed", "this stand-in only answers GET")
        objects = {
            "/v1/bdbs": self._databases(asked),
            "/v1/cluster": {"name": self.name, "rack_aware": False, "smtp_password": "never-read"},
            "/v1/license": self._licence(),
            "/v1/nodes": self.nodes,
        }
        if asked.path not in objects:
            return _error(404, "path_not_found", "the requested path does not exist")
        if user.role not in _VIEWERS:
            return _error(403, "insufficient_permissions", "the user's role does not allow this request")
        body = json.dumps(objects[asked.path]).encode()
        return Reply(headers=(("Content-Type", "application/json"),), body=body)

    def _user(self, asked: Asked) -> User | None:
        scheme, _, encoded = asked.header("authorization").partition(" ")
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        user = self.users.get(name)
        return user if scheme.lower() == "basic" and user is not None and user.password == password else None

    def _databases(self, asked: Asked) -> list[dict[str, object]]:
        wanted = dict(asked.query).get("fields")
        if wanted is None:
            return self.databases
        fields = frozenset(wanted.split(","))
        return [{name: value for name, value in item.items() if name in fields} for item in self.databases]

    def _licence(self) -> dict[str, object]:
        return {
            "license": "----- LICENSE START -----\nnever-read\n----- LICENSE END -----\n",
            "key": "never-read",
            "cluster_name": self.name,
            "owner": "Lab",
            "expired": self.expired,
            "activation_date": "2024-06-30T00:00:00Z",
            "expiration_date": self.expires,
            "shards_limit": 16,
            "features": ["bigstore"],
        }


def _error(status: int, code: str, description: str) -> Reply:
    body = json.dumps({"error_code": code, "description": description}).encode()
    return Reply(status=status, headers=(("Content-Type", "application/json"),), body=body)
