"""Hold a port of a machine for a moment, and have it prove to whoever connects that it is really that machine.

The script binds the port, says so, and then waits. A caller says a word of its own; it is answered with the nonce of
this run, that word, and the two addresses as the machine sees them. The same is said on the script's own output, so
that both ends prove each other: only the machine knows the nonce, only the caller its word.

Engines, the best first: Python, Perl, ncat, socat, systemd-socket-activate. The last does not see who calls. Nothing
listens longer than the script: the frame that carries it ends it with the connection, and an alarm in any case.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from readiness.model import Cause, Reason

PROCESS = "readiness-port"
"""What the listening process calls itself, where its engine can: whoever lists ports can leave it out."""

PATIENCE = 15
"""Seconds that a caller has for its word: more than the auditor takes to say one, however busy it is."""

MOST_WORD = 64
"""Letters and digits of a caller's word that count."""


class Holder(StrEnum):
    """What can hold a port, the best first."""

    PYTHON = "python"
    PERL = "perl"
    NCAT = "ncat"
    SOCAT = "socat"
    SYSTEMD = "systemd-socket-activate"


class Obstacle(StrEnum):
    """Why a port could not be held."""

    IN_USE = "in_use"
    PERMISSION = "permission"
    ADDRESS = "address"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Held:
    """The port is held; ``address`` is where, a wildcard where the machine has no interface with the one asked for."""

    address: str
    port: int
    tool: str

    @property
    def everywhere(self) -> bool:
        return self.address in ("0.0.0.0", "::", "")  # noqa: S104 (as read, not bound)


@dataclass(frozen=True, kw_only=True)
class NotHeld:
    """The port could not be held; ``text`` is the machine's own reason."""

    obstacle: Obstacle
    text: str


@dataclass(frozen=True, kw_only=True)
class Called:
    """Somebody came: from ``peer``, to ``local``, saying ``word``; empty where the engine does not see it."""

    peer: str
    local: str
    word: str


_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_WORD = re.compile(rf"[A-Za-z0-9]{{8,{MOST_WORD}}}\Z")


def script(address: str, port: int, *, nonce: str, token: str, seconds: int, holder: Holder | None = None) -> str:
    """POSIX shell text that holds ``port`` for at most ``seconds`` and prints a line for whatever happens to it.

    Args:
        address: numeric, bound if the machine has it, else every address of its family is; empty for every address.
        nonce: letters and digits that prove the machine to a caller.
        token: starts every line of ours; letters, digits, ``-`` and ``_``, at least eight.
        holder: nothing but this one may hold the port; the first that works where it is ``None``.

    Raises:
        ValueError: one of these is unusable.
    """
    if not _TOKEN.match(token) or not _WORD.match(nonce):
        raise ValueError("a token or nonce is 8 to 64 plain characters")
    if address:
        ipaddress.ip_address(address)
    if not 0 < port < 65536 or seconds < 1:
        raise ValueError(f"cannot hold port {port} for {seconds} s")
    given = {
        "READINESS_TOKEN": token,
        "READINESS_NONCE": nonce,
        "READINESS_ADDRESS": address,
        "READINESS_PORT": str(port),
        "READINESS_ALARM": str(seconds),
        "READINESS_NAME": PROCESS,
        "READINESS_PATIENCE": str(PATIENCE),
        "only": holder.value if holder is not None else "",
        "python_text": _PYTHON,
        "perl_text": _PERL,
        "answer_text": _ANSWER,
    }
    head = "\n".join(f"{name}={shlex.quote(value)}" for name, value in given.items())
    return (
        f"# shellcheck disable=SC2016,SC2089,SC2090\nsettings() {{\n{head}\n}}\n{_SHELL}\nsettings\nmain </dev/null\n"
    )


def reply(nonce: str, word: str) -> re.Pattern[bytes]:
    """What a caller who said ``word`` must hear: its own address as the machine sees it, and the machine's."""
    return re.compile(rb"%s %s (\S{0,45}) (\S{0,45})[ \t]*\r?\n" % (nonce.encode(), word.encode()))


def understand(line: bytes, token: str) -> Held | NotHeld | Called | Reason | None:
    """Read one line of the script's output; ``None`` for anything that is not ours.

    A ``Reason`` says why the port could not even be tried.
    """
    _, found, rest = line.rstrip(b"\r\n").rpartition(token.encode() + b"\t")
    fields = rest.decode("utf-8", "replace").split("\t")
    if not found:
        return None
    match fields:
        case ["held", address, port, tool] if port.isascii() and port.isdecimal() and len(port) < 6:
            known = tool in set(Holder)
            return Held(address=_address(address), port=int(port), tool=tool) if known else None
        case ["not held", obstacle, text, *_] if obstacle in set(Obstacle):
            return NotHeld(obstacle=Obstacle(obstacle), text=_readable(text))
        case ["called", peer, local, word]:
            said = "".join(character for character in word if character.isascii() and character.isalnum())
            return Called(peer=_address(peer), local=_address(local), word=said[:MOST_WORD])
        case ["toolless", *_]:
            return Reason(
                code=Cause.TOOL_MISSING,
                detail="the machine has nothing to hold a port with (Python, Perl, ncat, socat, "
                "systemd-socket-activate)",
                enable="Install python3 on the machine.",
            )
        case _:
            return None


def _address(text: str) -> str:
    """A numeric address, IPv4 in IPv6's clothes undressed; empty for anything else."""
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _readable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:200].strip()


# One thread and poll(2); Python 2.7 and 3 alike. A caller has its time for a word; there are 64 of them at most. The
# caller is left to hang up first: who does keeps the port busy for a minute (TIME-WAIT), and that must not be us.
_PYTHON = r"""
import errno, os, select, signal, socket, sys, time

clock = getattr(time, "monotonic", time.time)
get = os.environ.get
OBSTACLES = {errno.EADDRINUSE: "in_use", errno.EACCES: "permission", errno.EPERM: "permission"}
ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def say(*fields):
    line = "\t".join([get("READINESS_TOKEN")] + [str(field) for field in fields]) + "\n"
    os.write(1, line.encode("ascii", "replace"))


def listen(address, port, dual):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family != socket.AF_INET:
            sock.setsockopt(41, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.bind((address, port))
        sock.listen(64)
        sock.setblocking(0)
        return sock
    except (OSError, IOError):
        sock.close()
        raise


def hold(address, port):
    places = [(address, False), ("::" if ":" in address else "0.0.0.0", False)]
    if not address:
        places = [("::", True), ("0.0.0.0", False)]
    for number, (place, dual) in enumerate(places):
        try:
            return listen(place, port, dual)
        except (OSError, IOError) as error:
            if error.errno not in ADDRESS or number:
                say("not held", OBSTACLES.get(error.errno, "address" if error.errno in ADDRESS else "other"),
                    os.strerror(error.errno or 0))
                os._exit(0)


def plain(address):
    return address[7:] if address.startswith("::ffff:") else address


class Caller(object):
    def __init__(self, sock, peer):
        self.sock, self.peer, self.said = sock, peer, b""
        self.until = clock() + int(get("READINESS_PATIENCE"))
        self.answered = False

    def heard(self):
        try:
            data = self.sock.recv(256)
        except (OSError, IOError) as error:
            return error.errno not in (errno.EAGAIN, errno.EINTR)
        if self.answered or not data:
            return not data
        self.said += data
        if b"\n" in self.said:
            self.answered = True
            self.answer()
        return len(self.said) >= 256

    def answer(self):
        text = self.said.split(b"\n")[0].decode("ascii", "replace")
        word = "".join([c for c in text if c.isalnum() and ord(c) < 128])[:64]
        try:
            local = plain(self.sock.getsockname()[0])
            reply = "%s %s %s %s\n" % (get("READINESS_NONCE"), word, self.peer, local)
            self.sock.sendall(reply.encode("ascii"))
        except (OSError, IOError):
            return
        say("called", self.peer, local, word)


def main():
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(get("READINESS_ALARM")))
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        with open("/proc/self/comm", "w") as comm:
            comm.write(get("READINESS_NAME"))
    except (OSError, IOError):
        pass
    server = hold(get("READINESS_ADDRESS"), int(get("READINESS_PORT")))
    say("held", server.getsockname()[0], server.getsockname()[1], "python")
    callers, beat, poll = {}, clock() + 1, select.poll()
    poll.register(server.fileno(), select.POLLIN)
    while True:
        for fd, _ in poll.poll(200):
            if fd == server.fileno():
                try:
                    sock, peer = server.accept()
                except (OSError, IOError):
                    continue
                if len(callers) >= 64:
                    sock.close()
                    continue
                sock.setblocking(0)
                callers[sock.fileno()] = Caller(sock, plain(peer[0]))
                poll.register(sock.fileno(), select.POLLIN)
            elif fd in callers and callers[fd].heard():
                callers[fd].until = 0
        now = clock()
        for fd in [fd for fd in callers if callers[fd].until <= now]:
            poll.unregister(fd)
            callers.pop(fd).sock.close()
        if now >= beat:
            os.write(1, b"\n")
            beat = now + 1


main()
"""

_PERL = r"""
use strict; use Socket; use POSIX (); use Errno (); use Fcntl;
$SIG{$_} = "DEFAULT" for qw(ALRM PIPE TERM INT HUP);
alarm $ENV{READINESS_ALARM};
$0 = $ENV{READINESS_NAME};
my ($token, $nonce, $address, $port) = @ENV{map "READINESS_$_", qw(TOKEN NONCE ADDRESS PORT)};

sub say_so { syswrite STDOUT, join("\t", $token, @_) . "\n" }

sub host {
  my $host = (Socket::getnameinfo($_[0], 3))[1] // "";
  $host =~ s/^::ffff:(?=\d+\.)//;
  $host;
}

sub listening {
  my ($place, $dual) = @_;
  my %hints = (flags => Socket::AI_NUMERICHOST(), socktype => SOCK_STREAM);
  my (undef, $answer) = Socket::getaddrinfo($place, $port, \%hints);
  socket my $socket, $answer->{family}, SOCK_STREAM, 0 or return;
  setsockopt $socket, SOL_SOCKET, SO_REUSEADDR, 1;
  setsockopt $socket, 41, 26, pack "i", $dual ? 0 : 1 if $answer->{family} != AF_INET;
  bind $socket, $answer->{addr} or return;
  listen $socket, 64 or return;
  fcntl $socket, F_SETFL, O_NONBLOCK | fcntl $socket, F_GETFL, 0;
  $socket;
}

sub hold {
  my @places = ([$address, 0], [$address =~ /:/ ? "::" : "0.0.0.0", 0]);
  @places = (["::", 1], ["0.0.0.0", 0]) if $address eq "";
  for my $number (0, 1) {
    my $socket = listening(@{$places[$number]});
    return $socket if $socket;
    my $elsewhere = $!{EADDRNOTAVAIL} || $!{EAFNOSUPPORT};
    next if $elsewhere && !$number;
    my $why = $!{EADDRINUSE} ? "in_use" : $!{EACCES} || $!{EPERM} ? "permission" : $elsewhere ? "address" : "other";
    say_so("not held", $why, "$!");
    POSIX::_exit(0);
  }
}

my $server = hold();
say_so("held", host(getsockname $server), $port, "perl");
my (%callers, $beat);
$beat = time + 1;
while (1) {
  my $reading = "";
  vec($reading, fileno $server, 1) = 1;
  vec($reading, $_, 1) = 1 for keys %callers;
  my $ready = select $reading, undef, undef, 0.2;
  if ($ready > 0 && vec $reading, fileno $server, 1) {
    if (my $name = accept my $socket, $server) {
      if (keys %callers < 64) {
        fcntl $socket, F_SETFL, O_NONBLOCK | fcntl $socket, F_GETFL, 0;
        my $until = time + $ENV{READINESS_PATIENCE};
        $callers{fileno $socket} = {socket => $socket, peer => host($name), said => "", until => $until};
      } else {
        close $socket;
      }
    }
  }
  for my $fd (keys %callers) {
    my $caller = $callers{$fd};
    if ($ready > 0 && vec $reading, $fd, 1) {
      my $got = sysread $caller->{socket}, my $data, 256;
      $caller->{until} = 0 unless $got;
      next if $caller->{answered};
      $caller->{said} .= $data // "";
      if ($caller->{said} =~ /\n/) {
        $caller->{answered} = 1;
        (my $word = (split /\n/, $caller->{said})[0] // "") =~ s/[^A-Za-z0-9]//g;
        $word = substr $word, 0, 64;
        my $local = host(getsockname $caller->{socket});
        local $SIG{PIPE} = "IGNORE";
        syswrite $caller->{socket}, "$nonce $word $caller->{peer} $local\n"
          and say_so("called", $caller->{peer}, $local, $word);
      }
      $caller->{until} = 0 if length $caller->{said} >= 256;
    }
  }
  for my $fd (keys %callers) {
    if ($callers{$fd}{until} <= time) { close $callers{$fd}{socket}; delete $callers{$fd} }
  }
  if (time >= $beat) { syswrite STDOUT, "\n"; $beat = time + 1 }
}
"""

# What a tool that only accepts runs for each caller, in one line since socat hands it on unquoted. Its standard error
# is the tool's, where the script listens for our words.
_ANSWER = (
    "peer=${NCAT_REMOTE_ADDR:-${SOCAT_PEERADDR:-$REMOTE_ADDR}}; here=${NCAT_LOCAL_ADDR:-$SOCAT_SOCKADDR}; "
    'IFS= read -r said || exit; word=$(printf %s "$said" | tr -cd A-Za-z0-9 | cut -c 1-64); '
    'printf \'%s %s %s %s\\n\' "$READINESS_NONCE" "$word" "$peer" "$here"; '
    'printf \'%s\\tcalled\\t%s\\t%s\\t%s\\n\' "$READINESS_TOKEN" "$peer" "$here" "$word" >&2'
)

_SHELL = r"""
say() { printf '%s\t%s\t%s\t%s\t%s\n' "$READINESS_TOKEN" "$@"; }

have() {
  if [ -n "$only" ] && [ "$only" != "$1" ]; then return 1; fi
  command -v "$1" >/dev/null 2>&1
}

within() { # COMMAND...: until the alarm
  if timeout 1 true >/dev/null 2>&1; then timeout "$READINESS_ALARM" "$@"
  else
    "$@" & job=$!
    ( trap 'kill "$nap"; exit' TERM; sleep "$READINESS_ALARM" & nap=$!; wait; kill "$job" ) >/dev/null 2>&1 & guard=$!
    wait "$job"
    kill "$guard" 2>/dev/null
  fi
}

bracketed() { case $1 in *:*) echo "[$1]";; *) echo "$1";; esac; }

serve() { # TOOL ADDRESS
  case $1 in
    ncat) within ncat -v -l -k -n "$2" "$READINESS_PORT" -c "$answer_text";;
    socat)
      case $2 in *:*) family=TCP6-LISTEN;; *) family=TCP4-LISTEN;; esac
      within socat -d -d "$family:$READINESS_PORT,bind=$(bracketed "$2"),reuseaddr,fork" SYSTEM:'eval $answer_text';;
    *)
      within systemd-socket-activate --accept --inetd -l "$(bracketed "$2"):$READINESS_PORT" \
        -E PATH -E READINESS_NONCE -E READINESS_TOKEN sh -c "$answer_text";;
  esac
}

follow() { # TOOL ADDRESS, the tool's own words on standard input; 1 where the address is not on this machine
  told=''
  while IFS= read -r line; do
    case $line in
      "$READINESS_TOKEN"*) printf '%s\n' "$line";;
      *istening\ on*) [ -n "$told" ] || say held "$2" "$READINESS_PORT" "$1"; told=yes;;
      *'annot assign requested address'*) return 1;;
      *'ddress already in use'*) why=in_use; told=${told:-no};;
      *'ermission denied'*) why=permission; told=${told:-no};;
      *) last=$line;;
    esac
    if [ "$told" = no ]; then say 'not held' "$why" "$(printable "$line")" ''; told=yes; fi
  done
  [ -n "$told" ] || say 'not held' other "$(printable "$last")" ''
}

printable() { printf '%s' "$1" | tr -c ' -~' ' ' | cut -c 1-160; }

main() {
  LC_ALL=C; PATH=${PATH:-/usr/bin:/bin}:/usr/bin:/bin:/usr/sbin:/sbin
  export LC_ALL PATH READINESS_TOKEN READINESS_NONCE READINESS_ADDRESS READINESS_PORT READINESS_ALARM READINESS_NAME
  export READINESS_PATIENCE
  export answer_text
  unset LANGUAGE BASH_ENV
  printf '\n'
  if [ -z "$only" ] || [ "$only" = python ]; then
    for python in python3 /usr/libexec/platform-python python2 python; do
      command -v "$python" >/dev/null 2>&1 || continue
      "$python" -E -S -s -c "$python_text"
      case $? in 1|2|126|127) ;; *) return;; esac # did not start: try the next
    done
  fi
  if have perl; then
    perl -e "$perl_text"
    case $? in 1|2|126|127|255) ;; *) return;; esac
  fi
  case $READINESS_ADDRESS in *:*) any=::;; *) any=0.0.0.0;; esac
  for tool in ncat socat systemd-socket-activate; do
    have "$tool" || continue
    for address in ${READINESS_ADDRESS:+"$READINESS_ADDRESS"} "$any"; do
      last=''
      serve "$tool" "$address" 2>&1 >/dev/null | follow "$tool" "$address" && return
    done
    say 'not held' address 'no interface of that family' ''
    return
  done
  say toolless '' '' ''
}
"""
