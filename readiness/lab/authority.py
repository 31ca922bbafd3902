"""The lab's private certificate authority: made anew for every lab, its key never written."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Authority:
    """Signs server certificates that are good for this lab alone; ``name`` is the issuer that reports show."""

    def __init__(self, name: str) -> None:
        self._ca = trustme.CA(organization_name=name, organization_unit_name="certificate authority")

    def write(self, path: Path) -> None:
        """Write the authority's certificate, as a site file's ``ca_file`` wants it."""
        path.write_bytes(self._ca.cert_pem.bytes())

    def server(self, *names: str) -> ssl.SSLContext:
        """A context for a server that is known by these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context
