"""A real registry, docker-registry over TLS with an htpasswd file, and images without layers in it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.lab.mapped import Authority, free_port

needs_registry = pytest.mark.skipif(shutil.which("docker-registry") is None, reason="needs docker-registry")

USER, PASSWORD = "pull", "pull-secret"
_HTPASSWD = "pull:$2b$05$abcdefghijklmnopqrstuuiuhH7Ikupt0NZBlrLOsxuBkm7D98a7C\n"

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class OciRegistry:
    """A running docker-registry; ``url`` leads to it on loopback."""

    port: int
    authority: Authority

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def log_in(self) -> httpx.AsyncClient:
        trust = ssl.create_default_context(cafile=str(self.authority.ca_file))
        return httpx.AsyncClient(base_url=self.url, verify=trust, auth=(USER, PASSWORD), trust_env=False)

    async def push(self, repository: str, tag: str, *architectures: str, indexed: bool = False) -> None:
        """Put an image of these architectures there, behind an index where ``indexed`` says so."""
        async with self.log_in as client:
            entries = []
            for architecture in architectures:
                manifest = await self._manifest(client, repository, architecture)
                digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
                reference = digest if indexed else tag
                await _put(client, f"/v2/{repository}/manifests/{reference}", manifest, OCI_MANIFEST)
                platform = {"os": "linux", "architecture": architecture}
                entries.append(
                    {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(manifest), "platform": platform}
                )
            if indexed:
                index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
                await _put(client, f"/v2/{repository}/manifests/{tag}", index, OCI_INDEX)

    async def _manifest(self, client: httpx.AsyncClient, repository: str, architecture: str) -> bytes:
        config = json.dumps({"os": "linux", "architecture": architecture, "config": {"Env": ["SECRET=in-the-image"]}})
        digest = f"sha256:{hashlib.sha256(config.encode()).hexdigest()}"
        begun = await client.post(f"/v2/{repository}/blobs/uploads/")
        begun.raise_for_status()
        location = begun.headers["location"]
        await _put(client, f"{location}&digest={digest}", config.encode(), "application/octet-stream")
        descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
        return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor, "layers": []}).encode()


async def _put(client: httpx.AsyncClient, url: str, content: bytes, media_type: str) -> None:
    answer = await client.put(url, content=content, headers={"Content-Type": media_type})
    answer.raise_for_status()


@contextlib.asynccontextmanager
async def oci_registry(folder: Path) -> AsyncIterator[OciRegistry]:
    """Start docker-registry on a free port of loopback and wait until it answers."""
    authority = Authority.found(folder)
    pair = authority.ca.issue_cert("127.0.0.1", "registry.example")
    chain, key, users, settings = (folder / name for name in ("chain.pem", "key.pem", "htpasswd", "registry.yml"))
    chain.write_bytes(b"".join(pem.bytes() for pem in pair.cert_chain_pems))
    key.write_bytes(pair.private_key_pem.bytes())
    users.write_text(_HTPASSWD)
    port = free_port()
    settings.write_text(
        json.dumps(
            {
                "version": 0.1,
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                "http": {"addr": f"127.0.0.1:{port}", "tls": {"certificate": str(chain), "key": str(key)}},
                "auth": {"htpasswd": {"realm": "lab", "path": str(users)}},
            }
        )
    )
    process = await asyncio.create_subprocess_exec(
        "docker-registry",
        "serve",
        str(settings),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    registry = OciRegistry(port, authority)
    try:
        async with asyncio.timeout(10), registry.log_in as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await client.get("/v2/")
                    break
                await asyncio.sleep(0.05)
        yield registry
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
