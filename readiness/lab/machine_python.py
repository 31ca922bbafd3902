"""Python as it is on one of the lab's machines: the same interpreter, with the lab's network under its sockets.

It runs as a script of its own, without this package: ``python3 machine_python.py [options] -c CODE ARG...`` does what
``python3 [options] -c CODE ARG...`` does, except that names and addresses are the lab's. The file that the environment
variable READINESS_LAB_ROUTES names says which.
"""

import errno
import fcntl
import json
import os
import pathlib
import socket
import sys
import time
from typing import Any

with pathlib.Path(os.environ["READINESS_LAB_ROUTES"]).open(encoding="utf-8") as routes_file:
    ROUTES: dict[str, Any] = json.load(routes_file)

BOARD = pathlib.Path(ROUTES["board"])
REAL_SOCKET = socket.socket
REAL_GETADDRINFO = socket.getaddrinfo
REAL_CLOCK = time.monotonic

AT_ONCE = 0.0005
"""Seconds within which loopback answers a connect."""

STOLEN: list[float] = []
"""Seconds beyond that which each connect took. They went into this module's own work and to the lab's other machines,
which share one computer's processors; a prober that timed them would measure that computer's load. So the machine's
clock leaves them out, as a hypervisor accounts for stolen time."""


def real_address(host: str, port: int) -> tuple[str, int]:
    """The loopback socket behind a virtual address: a service, a closed port, or one that drops."""
    name = f"{host} {port}"
    found = ROUTES["hole"] if name in ROUTES["dropped"] else ROUTES["routes"].get(name) or listener(name)
    if found is None:
        found = ROUTES["closed"] if host in ROUTES["known"] else ROUTES["hole"]
    return found[0], found[1]


def listener(name: str) -> tuple[str, int] | None:
    """The socket of a program that listens on one of the lab's machines, or did so until it ended."""
    try:
        port = (BOARD / "listeners" / name).read_text(encoding="ascii")
    except OSError:
        return None
    return ("127.0.0.1", int(port)) if port else None


def resolve(name: str) -> list[str]:
    """The addresses of a name on this machine; an address is its own.

    Raises:
        socket.gaierror: the name does not resolve here.
    """
    try:
        REAL_GETADDRINFO(name, None, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        found: list[str] = ROUTES["names"].get(name.lower().rstrip("."), [])
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
        return found
    return [name]


class LabSocket(REAL_SOCKET):
    """A socket that believes in the lab's addresses."""

    lab_peer: tuple[str, int] | None = None
    lab_name: tuple[str, int] | None = None
    lab_claim: int | None = None

    def bind(self, address: Any) -> None:
        """Take a virtual address of this machine; on a port of its own, other machines of the lab can call there."""
        if self.family != socket.AF_INET:
            super().bind(address)
            return
        host, port = address[0] or "0.0.0.0", int(address[1])
        if host not in (ROUTES["address"], "0.0.0.0") and not host.startswith("127."):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        if 0 < port < 1024:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if f"{ROUTES['address']} {port}" in ROUTES["routes"]:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        if port:
            self.lab_claim = claimed(f"{ROUTES['address']} {port}")
        super().bind(("127.0.0.1", 0))
        real = super().getsockname()[1]
        self.lab_name = (host, port or real)
        if self.lab_claim is not None:
            os.pwrite(self.lab_claim, str(real).encode(), 0)

    def close(self) -> None:
        if self.lab_claim is not None:
            os.ftruncate(self.lab_claim, 0)
            os.close(self.lab_claim)
            self.lab_claim = None
        super().close()

    def accept(self) -> Any:
        client: Any
        client, (_, port) = super().accept()
        try:
            caller = (BOARD / "callers" / str(port)).read_text(encoding="ascii")
        except OSError:
            caller = "127.0.0.1"
        client.lab_peer, client.lab_name = (caller, port), (ROUTES["address"], (self.lab_name or ("", 0))[1])
        return client, client.lab_peer

    def connect(self, address: Any) -> None:
        super().connect(self.lab_real(address))

    def connect_ex(self, address: Any) -> int:
        began = REAL_CLOCK()
        try:
            real = self.lab_real(address)
        except OSError as error:
            return error.errno or errno.EINVAL
        if self.gettimeout() != 0 or real == tuple(ROUTES["hole"]):
            return super().connect_ex(real)
        self.settimeout(0.3)
        status = super().connect_ex(real)
        self.settimeout(0)
        STOLEN.append(max(0.0, REAL_CLOCK() - began - AT_ONCE))
        return errno.EINPROGRESS if status == errno.EAGAIN else status

    def lab_real(self, address: Any) -> Any:
        """Where a connect to a virtual address really goes.

        Raises:
            OSError: the lab has no IPv6.
        """
        if self.family == socket.AF_INET6:
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        if self.family != socket.AF_INET:
            return address
        self.lab_peer = (resolve(address[0])[0], int(address[1]))
        if self.type == socket.SOCK_STREAM and listener(f"{self.lab_peer[0]} {self.lab_peer[1]}"):
            if not super().getsockname()[1]:
                super().bind(("127.0.0.1", 0))
            (BOARD / "callers" / str(super().getsockname()[1])).write_text(ROUTES["address"], encoding="ascii")
        return real_address(*self.lab_peer)

    def getpeername(self) -> Any:
        real = super().getpeername()
        return self.lab_peer or real

    def getsockname(self) -> Any:
        real = super().getsockname()
        if self.family != socket.AF_INET or not (self.lab_peer or self.lab_name):
            return real
        return self.lab_name or (ROUTES["address"], real[1])


def claimed(name: str) -> int:
    """An open file that holds a listener's address as long as its process lives.

    Raises:
        OSError: another process holds it.
    """
    claim = os.open(BOARD / "listeners" / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from None
    os.ftruncate(claim, 0)
    return claim


def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
    """``socket.getaddrinfo`` with the lab's names."""
    if host is None:
        return REAL_GETADDRINFO(host, port, family, type, proto, flags)
    name = host.decode() if isinstance(host, bytes) else host
    return [
        answer
        for address in resolve(name)
        for answer in REAL_GETADDRINFO(address, port, family, type, proto, flags | socket.AI_NUMERICHOST)
    ]


def main(arguments: list[str]) -> None:
    """Run what ``python3`` was asked to run: ``-c CODE``, a script file, or the program on standard input."""
    socket.socket = LabSocket  # type: ignore[misc]
    socket.getaddrinfo = getaddrinfo
    socket.gethostbyname = lambda name: resolve(name)[0]
    time.monotonic = lambda: REAL_CLOCK() - sum(STOLEN)
    os.environ |= {"SSL_CERT_FILE": os.environ["READINESS_LAB_STORE"], "SSL_CERT_DIR": "/nonexistent"}
    while arguments and arguments[0].startswith("-") and arguments[0] not in ("-", "-c"):
        arguments.pop(0)
    if arguments[:1] == ["-c"]:
        code, sys.argv = arguments[1], ["-c", *arguments[2:]]
    elif arguments and arguments[0] != "-":
        code, sys.argv = pathlib.Path(arguments[0]).read_text(encoding="utf-8"), arguments
    else:
        code, sys.argv = sys.stdin.read(), ["-", *arguments[1:]]
    exec(compile(code, "<machine>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main(sys.argv[1:])
