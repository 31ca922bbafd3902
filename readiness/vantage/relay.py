"""A byte stream over a command's standard input and output, for machines whose SSH server does not forward.

The command is one line: a program for whatever tool the machine has, a numeric address, a port and a time limit.
It says once, on a line of its own that begins with a random token, what became of the connect; the stream follows.
Standard error closes then, since sshd reports the end of one output only with that of the other.
TLS and every protocol stay with us, so no secret is ever part of the command.

=========== =========================================================================================
tool        what is different
=========== =========================================================================================
python      nothing: half-closed directions, back-pressure and a caller that went away are all noticed
perl        nothing
ncat        says on standard error what becomes of its connect, then that closes
socat       likewise; ends two seconds after one direction has
bash        cannot close one direction alone: the peer sees no end of input until the stream is closed
=========== =========================================================================================
"""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from readiness.vantage.base import PathVerdict
from readiness.vantage.words import verdict

LIFETIME = 900
"""Seconds after which a relay ends whatever happens, where nothing else is said."""

IDLE = 60
"""Seconds without a byte after which ncat and socat end, which do not notice that their caller is gone."""


class Tool(StrEnum):
    """What can relay, the best first."""

    PYTHON = "python"
    PERL = "perl"
    NCAT = "ncat"
    SOCAT = "socat"
    BASH = "bash"


# Single quotes, backslashes and exclamation marks are missing on purpose: the login shell may be any.
_PYTHON = """
import errno, fcntl, os, select, signal, socket, stat, sys
host, port, patience, token = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.alarm(LIFETIME)
BUSY = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR)
ROOM = 1 << 18
GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL

def say(word, text):
    line = "%s%s %s %s%s" % (chr(10), token, word, text, chr(10))
    os.write(1, line.encode("ascii", "replace"))

def fail(word, text):
    say("closed", "%s %s" % (word, text))
    os._exit(0)

try:
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0]
    peer = socket.socket(found[0], found[1])
    peer.settimeout(patience)
    peer.connect(found[4])
except socket.timeout:
    fail("timeout", "no answer")
except (OSError, IOError) as error:
    if error.errno in (errno.ECONNRESET, errno.EPIPE):  # only a connection that stood can be reset so
        say("open", "python")
        os._exit(0)
    words = {
        errno.ECONNREFUSED: "refused", errno.ETIMEDOUT: "timeout", errno.EHOSTUNREACH: "no_route",
        errno.ENETUNREACH: "net_unreachable", errno.EACCES: "denied", errno.EPERM: "denied",
    }
    fail(words.get(error.errno, "other"), error.strerror or str(error))
say("open", os.path.basename(sys.executable or "python"))
os.close(2)
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
peer.setblocking(0)
for fd in (0, 1):
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)
there, here = b"", b""
asking = answering = speaking = True
shut = False
link = peer.fileno()
poll = select.poll()
known = set()

def want(fd, events, wanted):
    if wanted:
        poll.register(fd, events)
        known.add(fd)
    elif fd in known:
        poll.unregister(fd)
        known.discard(fd)

def attempt(work):
    try:
        return work()
    except (OSError, IOError) as error:
        if error.errno in BUSY:
            return None
        os._exit(0)

while True:
    if there == b"" and asking == False and shut == False:
        shut = True
        attempt(lambda: peer.shutdown(socket.SHUT_WR))
    if here == b"" and answering == False and speaking:
        speaking = False
        want(1, 0, False)
        if stat.S_ISSOCK(os.fstat(1).st_mode):
            socket.fromfd(1, socket.AF_UNIX, socket.SOCK_STREAM).shutdown(socket.SHUT_WR)
        os.close(1)
    if shut and speaking == False:
        os._exit(0)
    want(0, select.POLLIN, asking and len(there) < ROOM)
    want(1, select.POLLOUT if here else 0, speaking)
    flow = (select.POLLIN if answering and len(here) < ROOM else 0) | (select.POLLOUT if there else 0)
    want(link, flow, flow)
    for fd, event in poll.poll():
        if fd == 1:
            if event & GONE:
                signal.alarm(5)
                here, answering, speaking = b"", False, False
                want(1, 0, False)
            elif here:
                sent = attempt(lambda: os.write(1, here))
                here = here[sent or 0:]
        elif fd == 0:
            data = attempt(lambda: os.read(0, 65536))
            if data == b"":
                asking = False
            there += data or b""
        else:
            if event & select.POLLOUT and there:
                sent = attempt(lambda: peer.send(there))
                there = there[sent or 0:]
            if event & (select.POLLIN | GONE) and answering:
                data = attempt(lambda: peer.recv(65536))
                if data == b"":
                    answering = False
                here += data or b""
"""

_PERL = """
use Socket; use Errno; use Fcntl; use POSIX (); use IO::Handle;
my ($host, $port, $patience, $token) = @ARGV; my $room = 262144;
$SIG{PIPE} = "DEFAULT"; $SIG{ALRM} = "DEFAULT"; my $nl = chr 10;
sub say_it { syswrite STDOUT, "$nl$token @_$nl" }
sub fail { say_it("closed", @_); POSIX::_exit(0) }
my ($trouble, $found) = Socket::getaddrinfo($host, $port, {socktype => SOCK_STREAM, flags => 4});
fail("other", "$trouble") if "$trouble" ne "";
socket(my $peer, $found->{family}, SOCK_STREAM, 0) or fail("other", "$!");
my $slow = 0; my $ok; my $number; my $text;
eval { local $SIG{ALRM} = sub { $slow = 1; die "slow" }; alarm($patience < 1 ? 1 : $patience);
$ok = connect($peer, $found->{addr}); $number = $! + 0; $text = "$!"; alarm 0; };
alarm 0;
fail("timeout", "no answer") if $slow;
unless ($ok) {
if ($number == Errno::ECONNRESET() or $number == Errno::EPIPE()) { say_it("open", "perl"); POSIX::_exit(0) }
my %words = (Errno::ECONNREFUSED(), "refused", Errno::ETIMEDOUT(), "timeout", Errno::EHOSTUNREACH(), "no_route",
Errno::ENETUNREACH(), "net_unreachable", Errno::EACCES(), "denied", Errno::EPERM(), "denied");
fail($words{$number} || "other", $text) }
alarm LIFETIME;
say_it("open", "perl");
POSIX::close(2);
setsockopt($peer, Socket::IPPROTO_TCP(), 1, pack("i", 1));
for my $handle (*STDIN, *STDOUT, $peer) {
my $flags = fcntl($handle, F_GETFL, 0); fcntl($handle, F_SETFL, $flags | O_NONBLOCK) }
my ($there, $here) = ("", ""); my ($asking, $answering, $speaking, $shut) = (1, 1, 1, 0);
sub moved { my $count = shift; return $count if defined $count;
return 0 if $!{EAGAIN} or $!{EINTR} or $!{EWOULDBLOCK}; POSIX::_exit(0) }
while (1) {
if ($there eq "" and not $asking and not $shut) { $shut = 1; shutdown($peer, 1) }
if ($here eq "" and not $answering and $speaking) { $speaking = 0; shutdown(STDOUT, 1); close(STDOUT); POSIX::close(1) }
POSIX::_exit(0) if $shut and not $speaking;
my @polled;
push @polled, 0, 1 if $asking and length($there) < $room;
push @polled, 1, ($here eq "" ? 0 : 4) if $speaking;
my $flow = (($answering and length($here) < $room) ? 1 : 0) | ($there eq "" ? 0 : 4);
push @polled, fileno($peer), $flow if $flow;
IO::Poll::_poll(60000, @polled);
while (@polled) { my ($fd, $event) = splice(@polled, 0, 2); next unless $event;
if ($fd == 1) {
if ($event & 56) { alarm 5; $here = ""; $answering = 0; $speaking = 0 }
elsif ($here ne "") { substr($here, 0, moved(syswrite(STDOUT, $here, 65536)), "") } }
elsif ($fd == 0) { my $count = sysread(STDIN, $there, 65536, length $there);
$asking = 0 if defined $count and $count == 0; moved($count) }
else {
substr($there, 0, moved(syswrite($peer, $there, 65536)), "") if $event & 4 and $there ne "";
if ($event & 57 and $answering) { my $count = sysread($peer, $here, 65536, length $here);
$answering = 0 if defined $count and $count == 0; moved($count) } } } }
"""

# The watch says that the time is over in place of the shell that hangs in connect(2).
_BASH = """
( sleep "$3" >/dev/null && printf "\\n%s closed timeout no answer\\n" "$4" && kill -9 $$ ) 2>/dev/null & watch=$!;
if exec 3<>"/dev/tcp/$1/$2"; then
disown "$watch"; kill "$watch" 2>/dev/null;
printf "\\n%s open bash\\n" "$4"; exec 2>/dev/null 4<&0 0</dev/null;
cat <&3 & answers=$!; ( cat <&4 >&3; exec 3>&-; sleep 2; kill "$answers" ) >/dev/null & asks=$!;
wait "$answers"; kill "$asks";
else disown "$watch"; kill "$watch" 2>/dev/null; printf "\\n%s via bash\\n" "$4"; fi
"""

_SHELL = """
LC_ALL=C; export LC_ALL; unset BASH_ENV ENV; PATH=${PATH:-/usr/bin:/bin}; export PATH;
only=$5; family=4; at=$1; case $1 in *:*) family=6; at="[$1]";; esac;
have() { case $only in ""|$1) command -v "$2" >/dev/null 2>&1;; *) return 1;; esac; };
token=$4;
talk() { name=$1; mark=$2; shift 2; printf "\\n%s via %s\\n" "$token" "$name";
exec 5>&1 6>&2 7<&0 1>/dev/null 2>/dev/null;
"$@" <&7 2>&1 1>&5 5>&- 6>&- 7<&- | { exec 5>&- 7<&-; while read -r line; do case $line in
*"$mark"*) printf "\\n%s open %s\\n" "$token" "$name" >&6; exec 6>/dev/null;; *) printf "%s\\n" "$line" >&6;;
esac; done; } & exec 5>&- 6>&- 7<&- </dev/null; wait; exit 0; };
for python in python3 /usr/libexec/platform-python python2 python; do
if have python "$python" && "$python" -E -S -s -c "import select; select.poll" >/dev/null 2>&1; then
exec "$python" -E -S -s -c "$6" "$1" "$2" "$3" "$4"; fi; done;
if have perl perl && perl -MSocket -MIO::Handle -e "exit(defined(&IO::Poll::_poll) ? 0 : 1)" >/dev/null 2>&1; then
exec perl -e "$7" "$1" "$2" "$3" "$4"; fi;
if have ncat ncat; then
talk ncat "Connected to" ncat -n -v -w "$3" -i IDLEs "$1" "$2"; fi;
if have socat socat; then
talk socat "starting data transfer" socat -d -d -t 2 -T IDLE - "TCP$family:$at:$2,connect-timeout=$3,nodelay"; fi;
if have bash bash; then exec bash --norc --noprofile -c "$8" bash "$1" "$2" "$3" "$4"; fi;
printf "\\n%s toolless\\n" "$4"
"""


def command(
    address: str, port: int, *, token: str, patience: float, lifetime: float = LIFETIME, only: Tool | None = None
) -> str:
    """The command line that relays to a numeric address, giving up on the connect after ``patience`` seconds.

    ``lifetime``: seconds after which it ends, for a machine that is cut off from us sees no end of its input.
    ``only``: no other tool may relay.
    """
    seconds = max(1, math.ceil(lifetime))
    given = (address, str(port), str(max(1, round(patience))), token, only.value if only is not None else "")
    texts = [_timed(text, seconds) for text in (_PYTHON, _PERL, _BASH, _SHELL)]
    programs = (f'exec("{_escaped(texts[0])}")', _one_line(texts[1]), _one_line(texts[2]))
    words = ["/bin/sh", "-c", _one_line(texts[3]), "relay", *given, *programs]
    return "exec " + " ".join(shlex.quote(word) for word in words)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n")).strip()


def _escaped(text: str) -> str:
    """Python text as the inside of a Python string between double quotes, on one line."""
    return text.replace('"', '\\"').replace("\n", "\\n")


def _timed(text: str, lifetime: int) -> str:
    return text.replace("LIFETIME", str(lifetime)).replace("IDLE", str(min(IDLE, lifetime)))


@dataclass(frozen=True)
class Opened:
    """The peer is there; ``tool`` relays."""

    tool: str


@dataclass(frozen=True)
class Closed:
    """The connect failed."""

    verdict: PathVerdict
    text: str


@dataclass(frozen=True)
class Listen:
    """The stream begins now, and what becomes of the connect will be said on standard error, in the same form."""

    tool: str


class Toolless:
    """Nothing on the machine can relay."""


_VERDICTS = frozenset(word.value for word in PathVerdict)
_LINE = re.compile(r"([a-z]+)(?: ([a-z_0-9.-]+))?(?: (.*))?")


def understand(line: bytes, token: str) -> Opened | Closed | Listen | Toolless | None:
    """Read the line that comes before the stream; ``None`` for anything that is not ours."""
    mark = token.encode() + b" "
    if not line.startswith(mark):
        return None
    said = _LINE.fullmatch(line.removeprefix(mark).decode("ascii", "replace").strip())
    match said.groups() if said else None:
        case ("open", str(tool), _):
            return Opened(tool)
        case ("via", str(tool), _):
            return Listen(tool)
        case ("closed", str(word), text) if word in _VERDICTS:
            return Closed(PathVerdict(word), text or word)
        case ("toolless", _, _):
            return Toolless()
        case _:
            return None


def complaint(errors: bytes) -> Closed | None:
    """What a tool's standard error says of a connect that failed; ``None`` where it speaks of something else."""
    for line in reversed(errors.decode("utf-8", "replace").splitlines()):
        text = line.rpartition(": ")[2].strip().rstrip(".")
        found = PathVerdict.TIMEOUT if text == "TIMEOUT" else verdict(text)
        if found not in (PathVerdict.OTHER, None):
            return Closed(found, text)
    return None
