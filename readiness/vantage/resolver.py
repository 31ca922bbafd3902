"""Ask a machine's own resolver for names, by shell text that runs there and lines that come back.

Every name is looked up at the same time as the others and under a limit of its own, so that one hanging name
server costs its own name only. A line comes as soon as its name is known.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Sequence
from urllib.parse import quote, unquote

from readiness.model import Cause, Reason
from readiness.vantage.base import Resolution

_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")
_MAX_ADDRESSES = 64


def script(names: Sequence[str], *, token: str, limit: int) -> str:
    """POSIX shell text that looks up each of ``names`` and prints one line for each within ``limit`` seconds.

    ``getent`` is asked first, for it is the resolver that the machine's programs use; where it finds nothing,
    an interpreter's ``getaddrinfo`` says why. A name that cannot be a host name is never handed to a tool.

    Args:
        token: starts every line of ours; letters, digits, ``-`` and ``_``, at least eight.
        limit: whole seconds that one name may take.

    Raises:
        ValueError: the token or the limit is unusable.
    """
    if not _TOKEN.match(token):
        raise ValueError("a token is 8 to 64 letters, digits, hyphens and underscores")
    if limit < 1:
        raise ValueError("a look-up needs at least one second")
    calls = "\n".join(f"  {_call(name)}" for name in dict.fromkeys(names))
    return (
        f"token={shlex.quote(token)}\nlimit={int(limit)}\n"
        f"interpreter={shlex.quote(_INTERPRETER)}\n{_SHELL}\n"
        f"look_up_all() {{\n{calls}\n  wait\n}}\n"
        "printf '\\n'\nlook_up_all </dev/null\n"
    )


def understand(line: bytes, token: str) -> tuple[str, Resolution | Reason] | None:
    """Read one line of the script's output: a name and what became of it; ``None`` for anything else.

    A name that does not resolve is a ``Resolution`` without addresses; a look-up that our limit cut off, or for
    which the machine has no tool, is a ``Reason``.
    """
    _, found, rest = line.rstrip(b"\r\n").rpartition(token.encode() + b"\t")
    fields = rest.decode("utf-8", "replace").split("\t")
    if not found or len(fields) != 3:
        return None
    name, word, text = unquote(fields[0], errors="replace"), fields[1], fields[2]
    match word:
        case "found":
            addresses = _addresses(text)
            return (name, Resolution(name=name, addresses=addresses)) if addresses else None
        case "nothing":
            return name, Resolution(name=name, addresses=(), error=_readable(text) or "the name does not resolve")
        case "late":
            return name, Reason(
                code=Cause.TIMEOUT,
                detail=f"looking up {_readable(name)} took longer than the limit of {_readable(text)} s",
                enable="Check the name servers of the machine (`cat /etc/resolv.conf`), or raise the limit.",
            )
        case "toolless":
            return name, Reason(
                code=Cause.TOOL_MISSING,
                detail="the machine has neither getent nor Python nor Perl to look up a name with",
                enable="Install getent (package libc-bin or glibc-common) on the machine.",
            )
        case _:
            return None


def _call(name: str) -> str:
    shown = shlex.quote(quote(name, safe="", errors="replace"))
    literal = _literal(name)
    if literal is not None:
        return f"say {shown} found {shlex.quote(literal)}"
    if not _NAME.match(name):
        return f"say {shown} nothing 'not a host name'"
    return f"look_up {shown} {shlex.quote(name)} &"


def _literal(text: str) -> str | None:
    """The text itself where it is an address, without the brackets of a URL."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return bare if re.fullmatch(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]{1,15})?", bare) else None


def _addresses(text: str) -> tuple[str, ...]:
    """Every address once, in the order given; anything else is dropped."""
    found = (_literal(word) for word in text.split())
    return tuple(dict.fromkeys(address for address in found if address is not None))[:_MAX_ADDRESSES]


def _readable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:200].strip()


# Python 2.7 and 3: prints "found" and the addresses, or "nothing" and the resolver's own words.
_INTERPRETER = """\
import socket, sys
try:
    answers = socket.getaddrinfo(sys.argv[1], None, 0, socket.SOCK_STREAM)
except socket.gaierror as error:
    names = [n for n in dir(socket) if n.startswith("EAI_") and getattr(socket, n) == error.args[0]]
    sys.stdout.write("nothing %s (%s)" % (error.args[1], names[0] if names else error.args[0]))
else:
    sys.stdout.write("found %s" % " ".join(answer[4][0] for answer in answers))
"""

_PERL = (
    "use Socket; my ($e, @a) = Socket::getaddrinfo($ARGV[0], undef, {socktype => SOCK_STREAM}); "
    'if ("$e" ne "") { print "nothing $e" } '
    'else { print "found ", join " ", map { (Socket::getnameinfo($_->{addr}, 1, 2))[1] } @a }'
)

_SHELL = f"""\
# shellcheck disable=SC2016
perl_text={shlex.quote(_PERL)}
LC_ALL=C; export LC_ALL; unset LANGUAGE
PATH=${{PATH:-/usr/bin:/bin}}:/usr/bin:/bin:/usr/sbin:/sbin; export PATH

say() {{ printf '%s\\t%s\\t%s\\t%s\\n' "$token" "$1" "$2" "$3"; }}

within() {{ # SECONDS COMMAND...: its status, or that of its end by our limit
  seconds=$1; shift
  if [ -n "$clock" ]; then timeout -s KILL "$seconds" "$@"
  else
    "$@" & job=$!
    ( trap 'kill "$nap"; exit' TERM; sleep "$seconds" & nap=$!; wait; kill -KILL "$job" ) >/dev/null 2>&1 & guard=$!
    wait "$job"; status=$?
    kill "$guard" 2>/dev/null
    return "$status"
  fi
}}

first_column() {{ while read -r address rest; do printf '%s ' "$address"; done; }}

ask_interpreter() {{ # SECONDS NAME: what getaddrinfo says, by whatever interpreter works
  for python in python3 /usr/libexec/platform-python python2 python; do
    command -v "$python" >/dev/null 2>&1 || continue
    answer=$(within "$1" "$python" -E -S -s -c "$interpreter" "$2" 2>/dev/null); status=$?
    case $status in 0|124|137|143) return "$status";; esac
  done
  command -v perl >/dev/null 2>&1 || return 127
  answer=$(within "$1" perl -e "$perl_text" "$2" 2>/dev/null)
}}

look_up() {{ # SHOWN NAME
  why=''; began=$(date +%s)
  if command -v getent >/dev/null 2>&1; then
    answer=$(within "$limit" getent ahosts "$2" 2>/dev/null); status=$?
    case $status in
      0) addresses=$(printf '%s\\n' "$answer" | first_column)
         [ -n "$addresses" ] && {{ say "$1" found "$addresses"; return; }};;
      124|137|143) say "$1" late "$limit"; return;;
    esac
    case $status in 0|2) # any other status is getent's own trouble (getent(1)) and says nothing of the name
      took=$(($(date +%s) - began))
      why="getent found nothing in $took s (status $status)"
      [ "$took" -ge 2 ] && {{ say "$1" nothing "$why"; return; }};; # a second wait would tell no more
    esac
  fi
  ask_interpreter "$limit" "$2"; status=$?
  case $status,$answer in
    0,'found '*) say "$1" found "${{answer#found }}";;
    0,'nothing '*) say "$1" nothing "${{answer#nothing }}";;
    *) if [ -n "$why" ]; then say "$1" nothing "$why"
       else case $status in 124|137|143) say "$1" late "$limit";; *) say "$1" toolless ''; esac; fi;;
  esac
}}

clock=''
if timeout -s KILL 1 true >/dev/null 2>&1; then clock=timeout; fi"""
