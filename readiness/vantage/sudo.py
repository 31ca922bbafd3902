"""Running a script as root where the site file allows it: by ``sudo -n``, or with a password that only sudo sees.

A password is written to sudo's own prompt, which is a random word that must have come on standard error before; it
is written once, since machines lock accounts after a few failures. The script itself follows only after the root
shell has said its own random word, so that a password can never be read by a shell.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from readiness.secret import Secret
from readiness.vantage import shell
from readiness.vantage.link import Exchange

PROBE = """\
LC_ALL=C; export LC_ALL; unset LANGUAGE
[ "$(id -u 2>/dev/null)" = 0 ] && exit 90
command -v sudo >/dev/null 2>&1 || exit 91
sudo -n /bin/sh -c : && exit 0
exit 92
"""
"""Finds out what sudo wants, without ever showing it a password; ends with one of the statuses below."""

IS_ROOT, NO_SUDO, REFUSED = 90, 91, 92


@dataclass(frozen=True, kw_only=True)
class SudoWay:
    """How one machine lets us be root: the command that a script is fed to, and the password where it asks for one."""

    command: str
    password: Secret | None = None
    prompt: bytes = b""
    here: bytes = b""


def as_root() -> SudoWay:
    """The login is root's already."""
    return SudoWay(command=shell.COMMAND)


def without_password() -> SudoWay:
    return SudoWay(command="exec env LC_ALL=C sudo -n /bin/sh -s")


def with_password(password: Secret) -> SudoWay:
    prompt, here = secrets.token_hex(12), secrets.token_hex(12)
    return SudoWay(
        command=f"exec env LC_ALL=C sudo -S -k -p {prompt} /bin/sh -c 'echo {here}; exec /bin/sh -s'",
        password=password,
        prompt=prompt.encode(),
        here=here.encode(),
    )


async def get_in(way: SudoWay, exchange: Exchange, write: Callable[[bytes], None]) -> bool:
    """Answer sudo's prompt, if it asks; whether the root shell is there and waits for the script."""
    if way.password is None:
        return True
    came = await exchange.first_of((way.here, False, 1), (way.prompt, True, 1))
    if came == 1:
        write(way.password.reveal().encode() + b"\n")
        came = await exchange.first_of((way.here, False, 1), (way.prompt, True, 2))
    return came == 0
