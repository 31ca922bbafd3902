"""Dial TCP from a machine as a process of its own, with whatever tool that machine has.

The script tries Python, Perl, bash, ncat, nc, socat, curl, BusyBox and gawk in this order. It connects and says
nothing: not one byte is sent to a peer. What each engine can tell:

============ ======== =========== ============ ====== ================
engine       verdict  connect ms  source, ICMP banner hung up
============ ======== =========== ============ ====== ================
python       errno    yes         yes, yes     yes    yes
perl         errno    yes         yes, yes     yes    yes
bash         text     from bash 5 no           yes    yes
the others   text     no          no           no     no
============ ======== =========== ============ ====== ================

A connect time is the round trip of the handshake as the kernel measured it (``TCP_INFO``, tcp(7)), or what passed on
the prober's clock where a SYN had to be repeated. The ICMP message behind a refusal is read from the socket's error
queue (``IP_RECVERR``, ip(7)), which Linux fills for TCP from 5.8 on, without any privilege.

An empty line every second is the script's life line: once nobody reads it any more, the write ends the script.
An alarm ends it in any case. Standard input may be closed at once.
"""

from __future__ import annotations

import ipaddress
import math
import re
import shlex
from collections.abc import Sequence
from enum import StrEnum

from readiness.model import Cause, Reason
from readiness.vantage.base import Dial, Dialled, PathVerdict


class Engine(StrEnum):
    """What can dial, the best first."""

    PYTHON = "python"
    PERL = "perl"
    BASH = "bash"
    NCAT = "ncat"
    NC = "nc"
    SOCAT = "socat"
    CURL = "curl"
    BUSYBOX = "busybox"
    GAWK = "gawk"


BANNER = 256
"""Bytes of a banner that are kept."""

_WAVE = 64
"""Dials that a shell engine runs at the same time, each a few processes."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,15}\Z")
_ICMP = re.compile(r"\d{1,3}/\d{1,3}@[0-9A-Fa-f:.]{2,45}\Z")
_HANGING_UP = {"": None, "0": False, "1": True}


def script(dials: Sequence[Dial], *, token: str, engine: Engine | None = None) -> str:
    """POSIX shell text that makes all ``dials`` at the same time and prints one line per attempt, once it is known.

    The attempts of a dial with ``spacing`` 0 follow one another, and no new one starts after twice its ``limit``:
    there may be fewer lines than attempts. Otherwise every attempt leaves its line.

    Args:
        token: starts every line of ours; letters, digits, ``-`` and ``_``, at least eight.
        engine: nothing but this one may dial; the first that works where it is ``None``.

    Raises:
        ValueError: the token is unusable, or a dial is no numeric address, port, count or time.
    """
    if not _TOKEN.match(token):
        raise ValueError("a token is 8 to 64 letters, digits, hyphens and underscores")
    rows = "\n".join(_row(index, dial) for index, dial in enumerate(dials))
    given = {
        "READINESS_TOKEN": token,
        "READINESS_DIALS": rows,
        "READINESS_ALARM": str(math.ceil(duration(dials))),
        "wave": str(_WAVE),
        "only": engine.value if engine is not None else "",
        "python_text": _PYTHON,
        "perl_text": _PERL,
        "bash_text": _BASH,
    }
    head = "\n".join(f"{name}={shlex.quote(value)}" for name, value in given.items())
    return f"# shellcheck disable=SC2016\nsettings() {{\n{head}\n}}\n{_SHELL}\nsettings\nmain </dev/null\n"


def duration(dials: Sequence[Dial]) -> float:
    """Seconds after which the script has ended by itself, whatever happens: its alarm."""
    longest = max((_span(dial) for dial in dials), default=0.0)
    return longest * math.ceil(len(dials) / _WAVE) + 5


def understand(line: bytes, token: str) -> tuple[int, Dialled] | Reason | None:
    """Read one line of the script's output.

    Returns:
        The index of a dial and how one of its attempts went; or why nothing could be dialled at all; or ``None``
        for anything that is not ours.
    """
    _, found, rest = line.rstrip(b"\r\n").rpartition(token.encode() + b"\t")
    if not found:
        return None
    fields = rest.decode("utf-8", "replace").split("\t")
    if fields[0] == "!":
        return _trouble(fields[1:])
    if len(fields) != 9:
        return None
    index, word, ms, tool, source, icmp, banner, closed, raw = fields
    try:
        return int(index), Dialled(
            verdict=PathVerdict(word),
            ms=_milliseconds(ms),
            tool=Engine(tool).value,
            source=source if _numeric(source) else "",
            icmp=icmp if _ICMP.match(icmp) else "",
            banner=bytes.fromhex(banner[: 2 * BANNER]),
            closed=_HANGING_UP[closed],
            raw="".join(character for character in raw if character.isprintable())[:200].strip(),
        )
    except (ValueError, KeyError):
        return None


def _trouble(fields: Sequence[str]) -> Reason:
    word = fields[0] if fields else ""
    if word == "toolless":
        return Reason(
            code=Cause.TOOL_MISSING,
            detail="the machine has nothing to dial with (Python, Perl, bash, ncat, nc, socat, curl, BusyBox, gawk)",
            enable="Install python3 or bash on the machine, or allow SSH forwarding on it.",
        )
    text = "".join(character for character in " ".join(fields[1:]) if character.isprintable())[:200]
    return Reason(
        code=Cause.CRASH,
        detail=f"the prober on the machine broke off: {text or 'it gave no reason'}",
        enable="Run the audit again; if it happens again, look at the machine's load and its limits (`ulimit -a`).",
    )


def _milliseconds(text: str) -> float | None:
    value = float(text) if text else None
    if value is not None and not 0 <= value < 1e7:
        raise ValueError("not a duration")
    return value


def _row(index: int, dial: Dial) -> str:
    """``index address port attempts spacing limit linger``, numbers only."""
    if not _numeric(dial.address):
        raise ValueError(f"{dial.address!r} is not a numeric address")
    times = (dial.spacing, dial.limit, dial.linger)
    if not (0 < dial.port < 65536 and 0 < dial.attempts <= 1000):
        raise ValueError(f"cannot dial {dial}")
    if not all(math.isfinite(time) and 0 <= time <= 600 for time in times) or dial.limit <= 0:
        raise ValueError(f"cannot dial {dial}")
    shown = " ".join(f"{time:.3f}" for time in times)
    return f"{index} {dial.address} {dial.port} {dial.attempts} {shown}"


def _numeric(address: str) -> bool:
    bare, percent, scope = address.partition("%")
    try:
        version = ipaddress.ip_address(bare).version
    except ValueError:
        return False
    return not percent or (version == 6 and _SCOPE.match(scope) is not None)


def _span(dial: Dial) -> float:
    if dial.spacing == 0:
        return 3 * dial.limit + dial.linger
    return (dial.attempts - 1) * dial.spacing + dial.limit + dial.linger


# One thread, non-blocking sockets, poll(2); Python 2.7 and 3 alike. Three things that cost others wrong answers:
# SO_ERROR is read before the error queue (reading the queue clears it), "open" is never said without a peer, and a
# connect that met itself (same address and port at both ends) is no peer.
_PYTHON = r"""
import binascii, errno, heapq, os, select, signal, socket, struct, sys, time

clock = getattr(time, "monotonic", time.time)
WORDS = {
    errno.ECONNREFUSED: "refused", errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "no_route", errno.EHOSTDOWN: "no_route",
    errno.ENETUNREACH: "net_unreachable", errno.ENETDOWN: "net_unreachable",
    errno.EACCES: "denied", errno.EPERM: "denied",
}
BUSY = (errno.EINPROGRESS, errno.EAGAIN, errno.EWOULDBLOCK)
HANGUPS = (errno.ECONNRESET, errno.EPIPE)
SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
START, END, BEAT = 0, 1, 2


class Row(object):
    def __init__(self, text, begin):
        fields = text.split()
        self.index, host, port = fields[0], fields[1], int(fields[2])
        self.attempts = int(fields[3])
        self.spacing, self.limit, self.linger = [float(field) for field in fields[4:]]
        self.family, self.address = 0, None
        try:
            answer = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0]
            self.family, self.address = answer[0], answer[4]
        except (socket.error, socket.gaierror):  # a scope that this machine does not have
            pass
        self.last_start = begin + 2 * self.limit
        self.begun = 0


class Attempt(object):
    def __init__(self, row, sock):
        self.row, self.sock = row, sock
        self.ms = None
        self.source, self.banner = "", b""
        self.lingering = False
        self.until = 0


class Prober(object):
    def __init__(self, token, rows, room):
        self.token, self.room = token, room
        self.queue, self.serial = [], 0
        self.busy, self.waiting = {}, []
        self.left = 0
        self.poll = select.poll()
        begin = clock()
        self.at(begin + 1, BEAT, None)
        for number, text in enumerate(rows):
            first = begin + number * 0.002  # not all in one burst: a burst would falsify the times
            row = Row(text, first)
            sequence = row.spacing == 0
            for attempt in range(1 if sequence else row.attempts):
                self.at(first + attempt * row.spacing, START, row)
            self.left += 1 if sequence else row.attempts

    def at(self, when, action, what):
        self.serial += 1
        heapq.heappush(self.queue, (when, self.serial, action, what))

    def run(self):
        while self.left:
            now = clock()
            while self.queue and self.queue[0][0] <= now:
                _, _, action, what = heapq.heappop(self.queue)
                if action == BEAT:
                    os.write(1, b"\n")
                    self.at(now + 1, BEAT, None)
                elif action == START:
                    self.waiting.append(what)
                elif what.sock is not None and what.until <= now:
                    self.expired(what)
            startable = self.waiting and len(self.busy) < self.room
            if startable:  # one at a time: an answer that is there is read before the next start
                self.start(self.waiting.pop(0))
            pause = 0 if startable or not self.left else max(0, self.queue[0][0] - clock())
            for fd, event in self.poll.poll(int(pause * 1000) + (pause > 0)):
                if fd in self.busy:
                    self.woken(self.busy[fd])

    def start(self, row):
        row.begun += 1
        if row.address is None:
            self.say(row, "other", raw="no such address here")
            return
        try:
            sock = socket.socket(row.family, socket.SOCK_STREAM)
        except (OSError, IOError) as error:
            if error.errno in SHORT_OF and self.busy:
                row.begun -= 1
                self.at(clock() + 0.05, START, row)
                return
            self.say(row, self.word(row, error.errno), raw=errno.errorcode.get(error.errno, str(error.errno)))
            return
        attempt = Attempt(row, sock)
        sock.setblocking(0)
        try:
            if row.family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, 11, 1)
            else:
                sock.setsockopt(41, 25, 1)
        except (OSError, IOError):
            pass
        attempt.started = clock()
        code = sock.connect_ex(row.address)
        if code in BUSY:
            self.busy[sock.fileno()] = attempt
            self.poll.register(sock.fileno(), select.POLLOUT)
            attempt.until = attempt.started + row.limit
            self.at(attempt.until, END, attempt)
        else:
            attempt.ms = (clock() - attempt.started) * 1000
            self.answered(attempt, code)

    def woken(self, attempt):
        if attempt.lingering:
            self.listened(attempt)
            return
        attempt.ms = (clock() - attempt.started) * 1000
        self.answered(attempt, attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def answered(self, attempt, code):
        sock, row = attempt.sock, attempt.row
        self.sources(attempt)
        if not code:
            attempt.ms = self.travelled(sock, attempt.ms)
        if code in HANGUPS:  # only a connection that stood can be reset so
            self.close(attempt, "open", closed="1", raw=errno.errorcode[code])
            return
        try:
            peer = None if code else sock.getpeername()
        except (OSError, IOError) as error:
            peer, code = None, error.errno
        if peer is None:
            icmp, said = self.icmp(sock, row.family)
            code = said if code == errno.ENOTCONN and said else code
            self.close(attempt, self.word(row, code), icmp=icmp, raw=errno.errorcode.get(code, str(code)))
            return
        if sock.getsockname()[:2] == peer[:2]:
            self.close(attempt, "refused", raw="met itself")
        elif row.linger:
            attempt.lingering = True
            if sock.fileno() not in self.busy:
                self.busy[sock.fileno()] = attempt
            self.poll.register(sock.fileno(), select.POLLIN)
            attempt.until = clock() + row.linger
            self.at(attempt.until, END, attempt)
        else:
            self.close(attempt, "open")

    def travelled(self, sock, ms):  # the kernel's figure: ours counts what a busy machine takes to wake us, too
        try:
            kernel = struct.unpack("=I", sock.getsockopt(6, 11, 72)[68:72])[0] / 1000.0
        except (OSError, IOError, struct.error):
            return ms
        return kernel if ms < 200 and 0 < kernel < ms else ms  # a repeated SYN is not in the kernel's figure

    def word(self, row, code):
        if row.family != socket.AF_INET and code in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return "net_unreachable"  # IPv6 is switched off, or has no address to leave from
        return WORDS.get(code, "other")

    def listened(self, attempt):
        try:
            data = attempt.sock.recv(256 - len(attempt.banner))
        except (OSError, IOError) as error:
            if error.errno not in BUSY:
                self.close(attempt, "open", closed="1", raw=errno.errorcode.get(error.errno, ""))
            return
        attempt.banner += data
        if not data:
            self.close(attempt, "open", closed="1")
        elif len(attempt.banner) >= 256:
            self.close(attempt, "open", closed="0")

    def expired(self, attempt):
        if attempt.lingering:
            self.close(attempt, "open", closed="0")
        else:
            attempt.ms = (clock() - attempt.started) * 1000
            self.sources(attempt)
            self.close(attempt, "timeout")

    def sources(self, attempt):
        try:
            source = attempt.sock.getsockname()[0]
            attempt.source = "" if source in ("0.0.0.0", "::") else source
        except (OSError, IOError):
            pass

    def icmp(self, sock, family):
        try:
            for level, kind, data in sock.recvmsg(512, 512, 0x2000)[1]:
                if (level, kind) in ((0, 11), (41, 25)):
                    error, origin, number, code, _ = struct.unpack("=IBBBB", data[:8])
                    sender = data[20:24] if level == 0 else data[24:40]
                    if origin in (2, 3):
                        return "%d/%d@%s" % (number, code, socket.inet_ntop(family, sender)), error
        except (AttributeError, OSError, IOError, ValueError, struct.error):
            pass
        return "", 0

    def close(self, attempt, word, icmp="", closed="", raw=""):
        fd = attempt.sock.fileno()
        if fd in self.busy:
            del self.busy[fd]
            self.poll.unregister(fd)
        attempt.sock.close()
        attempt.sock = None
        self.say(attempt.row, word, attempt.ms, attempt.source, icmp, attempt.banner, closed, raw)

    def say(self, row, word, ms=None, source="", icmp="", banner=b"", closed="", raw=""):
        fields = [
            self.token, row.index, word, "" if ms is None else "%.2f" % ms, "python", source, icmp,
            binascii.hexlify(banner).decode("ascii"), closed, raw,
        ]
        os.write(1, ("\t".join(fields) + "\n").encode("ascii", "replace"))
        self.left -= 1
        if row.spacing == 0 and row.begun < row.attempts and clock() < row.last_start:
            self.left += 1
            self.at(clock(), START, row)


def main():
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(os.environ["READINESS_ALARM"]))
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    room = 200
    try:
        import resource
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = 800 if soft < 0 else max(8, min(800, soft - 40))
    except Exception:
        pass
    token = os.environ["READINESS_TOKEN"]
    rows = [line for line in os.environ["READINESS_DIALS"].split("\n") if line]
    try:
        Prober(token, rows, room).run()
    except Exception:
        text = "%s: %s" % (sys.exc_info()[0].__name__, sys.exc_info()[1])
        os.write(1, ("%s\t!\tcrash\t%s\n" % (token, " ".join(text.split())[:150])).encode("ascii", "replace"))
        os._exit(70)
    os._exit(0)


main()
"""

# The same in Perl, as far as perl-base goes: its clock and its recvmsg(2) are system calls by number where the
# modules are missing. Buffers that the kernel fills are made by vec, since Perl shares equal constants.
_PERL = r"""
use strict; use Socket; use POSIX (); use Errno (); use Fcntl;
$SIG{$_} = "DEFAULT" for qw(ALRM PIPE TERM INT HUP);
alarm $ENV{READINESS_ALARM};
my $token = $ENV{READINESS_TOKEN};
my %call = (x86_64 => [228, 47], aarch64 => [113, 212]);
my ($clock_call, $message_call) = length(pack("p", "")) == 8 ? @{$call{(POSIX::uname())[4]} || []} : ();
my %word = (
  Errno::ECONNREFUSED() => "refused", Errno::ETIMEDOUT() => "timeout",
  Errno::EHOSTUNREACH() => "no_route", Errno::EHOSTDOWN() => "no_route",
  Errno::ENETUNREACH() => "net_unreachable", Errno::ENETDOWN() => "net_unreachable",
  Errno::EACCES() => "denied", Errno::EPERM() => "denied",
);
my %without_ipv6 = map { $_ => 1 } Errno::EAFNOSUPPORT(), Errno::EADDRNOTAVAIL();
my %hangup = map { $_ => 1 } Errno::ECONNRESET(), Errno::EPIPE();
my %short_of = map { $_ => 1 } Errno::EMFILE(), Errno::ENFILE(), Errno::ENOBUFS(), Errno::ENOMEM();

sub buffer { my $bytes = ""; vec($bytes, $_[0] - 1, 8) = 0; $bytes }

my ($clock, $fine) = (sub { time }, 0);
if (eval { require Time::HiRes; Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }) {
  ($clock, $fine) = (sub { Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }, 1);
} elsif (defined $clock_call) {
  my $monotonic = sub {
    my $time = buffer(16);
    return undef if syscall($clock_call, 1, $time) != 0;
    my ($seconds, $nanos) = unpack "l!2", $time;
    $seconds + $nanos / 1e9;
  };
  ($clock, $fine) = ($monotonic, 1) if defined $monotonic->();
}

sub text { local $! = $_[0]; "$!" }

sub icmp {
  my ($socket, $family) = @_;
  return ("", 0) unless defined $message_call;
  my ($data, $control) = (buffer(512), buffer(512));
  my $vector = pack "PQ", $data, 512;
  my $message = pack "Q L x4 P Q P Q l x4", 0, 0, $vector, 1, $control, 512, 0;
  return ("", 0) if syscall($message_call, fileno $socket, $message, 0x2000) < 0;
  my ($at, $end) = (0, unpack "Q", substr $message, 40, 8);
  while ($at + 16 <= $end) {
    my ($length, $level, $kind) = unpack "Q l l", substr $control, $at, 16;
    last if $length < 16;
    if (($level == 0 && $kind == 11) || ($level == 41 && $kind == 25)) {
      my $error = substr $control, $at + 16, $length - 16;
      my ($said, $origin, $number, $code) = unpack "L C C C", $error;
      my $sender = $level == 0 ? substr($error, 20, 4) : substr($error, 24, 16);
      return ("$number/$code\@" . Socket::inet_ntop($family, $sender), $said) if $origin == 2 || $origin == 3;
    }
    $at += ($length + 7) & ~7;
  }
  ("", 0);
}

sub source_of {
  my $name = getsockname $_[0];
  my $host = defined $name ? (Socket::getnameinfo($name, 3))[1] // "" : "";
  $host =~ /^(?:0\.0\.0\.0|::)$/ ? "" : $host;
}

my (@starts, @waiting, %busy);
my $left = 0;

sub say_so {
  my ($row, $word, %more) = @_;
  my $ms = $fine && defined $more{ms} ? sprintf "%.2f", $more{ms} : "";
  syswrite STDOUT, join("\t", $token, $row->{index}, $word, $ms, "perl", $more{source} // "", $more{icmp} // "",
    unpack("H*", $more{banner} // ""), $more{closed} // "", $more{raw} // "") . "\n";
  $left--;
  if ($row->{spacing} == 0 && $row->{begun} < $row->{attempts} && $clock->() < $row->{last_start}) {
    $left++;
    push @waiting, $row;
  }
}

sub finish {
  my ($try, $word, %more) = @_;
  delete $busy{fileno $try->{socket}};
  close $try->{socket};
  say_so($try->{row}, $word, ms => $try->{ms}, source => $try->{source}, banner => $try->{banner}, %more);
}

sub word {
  my ($row, $code) = @_;
  return "net_unreachable" if $row->{family} != AF_INET && $without_ipv6{$code};
  $word{$code} // "other";
}

sub travelled {
  my ($socket, $ms) = @_;
  my $info = getsockopt $socket, 6, 11;
  return $ms unless defined $info && length $info >= 72;
  my $kernel = unpack("L", substr $info, 68, 4) / 1000;
  $ms < 200 && $kernel > 0 && $kernel < $ms ? $kernel : $ms;
}

sub answered {
  my ($try, $code) = @_;
  my ($row, $socket) = @$try{qw(row socket)};
  $try->{source} = source_of($socket);
  return finish($try, "open", closed => 1, raw => text($code)) if $hangup{$code};
  my $peer = $code ? undef : getpeername $socket;
  unless (defined $peer) {
    $code = $! + 0 unless $code;
    my ($icmp, $said) = icmp($socket, $row->{family});
    $code = $said if $said && $code == Errno::ENOTCONN();
    return finish($try, word($row, $code), icmp => $icmp, raw => text($code));
  }
  $try->{ms} = travelled($socket, $try->{ms});
  return finish($try, "refused", raw => "met itself") if getsockname($socket) eq $peer;
  return finish($try, "open") unless $row->{linger} > 0;
  $try->{lingering} = 1;
  $try->{until} = $clock->() + $row->{linger};
  $busy{fileno $socket} = $try;
}

sub start {
  my $row = shift;
  $row->{begun}++;
  return say_so($row, "other", raw => "no such address here") unless defined $row->{name};
  my $socket;
  unless (socket $socket, $row->{family}, SOCK_STREAM, 0) {
    my $code = $! + 0;
    return say_so($row, word($row, $code), raw => text($code)) unless $short_of{$code} && %busy;
    $row->{begun}--;
    push @starts, [$clock->() + 0.05, $row];
    @starts = sort { $a->[0] <=> $b->[0] } @starts;
    return;
  }
  fcntl $socket, F_SETFL, O_NONBLOCK | fcntl $socket, F_GETFL, 0;
  my @recverr = $row->{family} == AF_INET ? (0, 11) : (41, 25);
  setsockopt $socket, $recverr[0], $recverr[1], pack "i", 1;
  my $try = {row => $row, socket => $socket, banner => "", started => $clock->()};
  my $code = connect($socket, $row->{name}) ? 0 : $! + 0;
  if ($code == Errno::EINPROGRESS() || $code == Errno::EAGAIN()) {
    $try->{until} = $try->{started} + $row->{limit};
    $busy{fileno $socket} = $try;
  } else {
    $try->{ms} = ($clock->() - $try->{started}) * 1000;
    answered($try, $code);
  }
}

sub heard {
  my $try = shift;
  my $got = sysread $try->{socket}, my $data, 256 - length $try->{banner};
  return if !defined $got && ($!{EAGAIN} || $!{EINTR});
  return finish($try, "open", closed => 1, raw => defined $got ? "" : "$!") unless $got;
  $try->{banner} .= $data;
  finish($try, "open", closed => 0) if length $try->{banner} >= 256;
}

sub run {
  my ($number, $begin) = (0, $clock->());
  for my $line (grep { length } split /\n/, $ENV{READINESS_DIALS}) {
    my %row;
    @row{qw(index host port attempts spacing limit linger)} = split " ", $line;
    my ($error, @answers) =
      Socket::getaddrinfo($row{host}, $row{port}, {flags => Socket::AI_NUMERICHOST(), socktype => SOCK_STREAM});
    @row{qw(family name)} = @{$answers[0]}{qw(family addr)} if @answers;
    my $first = $begin + 0.002 * $number++;
    $row{begun} = 0;
    $row{last_start} = $first + 2 * $row{limit};
    my $count = $row{spacing} == 0 ? 1 : $row{attempts};
    push @starts, map { [$first + $_ * $row{spacing}, \%row] } 0 .. $count - 1;
    $left += $count;
  }
  @starts = sort { $a->[0] <=> $b->[0] } @starts;
  my $beat = $begin + 1;
  while ($left > 0) {
    my $now = $clock->();
    if ($now >= $beat) { syswrite STDOUT, "\n"; $beat = $now + 1 }
    push @waiting, (shift @starts)->[1] while @starts && $starts[0][0] <= $now;
    for my $try (grep { $_->{until} <= $now } values %busy) {
      if ($try->{lingering}) { finish($try, "open", closed => 0); next }
      $try->{ms} = ($now - $try->{started}) * 1000;
      $try->{source} = source_of($try->{socket});
      finish($try, "timeout");
    }
    my $startable = @waiting && keys(%busy) < 200;
    start(shift @waiting) if $startable;
    my ($reading, $writing, $next) = ("", "", $beat);
    for my $fd (keys %busy) {
      $next = $busy{$fd}{until} if $busy{$fd}{until} < $next;
      if ($busy{$fd}{lingering}) { vec($reading, $fd, 1) = 1 } else { vec($writing, $fd, 1) = 1 }
    }
    $next = $starts[0][0] if @starts && $starts[0][0] < $next;
    my $pause = $startable || @waiting && keys(%busy) < 200 || !$left ? 0 : $next - $clock->();
    next if select($reading, $writing, undef, $pause > 0 ? $pause : 0) <= 0;
    for my $fd (keys %busy) {
      my $try = $busy{$fd} or next;
      if ($try->{lingering}) { heard($try) if vec $reading, $fd, 1; next }
      next unless vec $writing, $fd, 1;
      $try->{ms} = ($clock->() - $try->{started}) * 1000;
      answered($try, unpack "i", getsockopt($try->{socket}, SOL_SOCKET, SO_ERROR));
    }
  }
}

unless (eval { run(); 1 }) {
  my $why = substr join(" ", split " ", $@), 0, 150;
  syswrite STDOUT, "$token\t!\tcrash\t$why\n";
  POSIX::_exit(70);
}
POSIX::_exit(0);
"""

# bash alone among the shells connects by itself; it can also listen for a banner and, from version 5 on, tell the time.
_BASH = r"""
began=$EPOCHREALTIME
exec 3<>"/dev/tcp/$0/$1" || exit 1
ended=$EPOCHREALTIME ms= hung= heard=
if [ -n "$ended" ]; then
  took=$((${ended/./} - ${began/./}))
  printf -v ms '%d.%02d' $((took / 1000)) $((took % 1000 / 10))
fi
if [ "$2" -gt 0 ] && timeout 1 true 2>/dev/null; then
  heard=$(timeout "$2" cat <&3 | head -c 256 | od -An -v -tx1 | tr -d ' \n'; exit "${PIPESTATUS[0]}")
  case $? in 0) hung=1;; *) hung=0;; esac
fi
printf '@open|%s|%s|%s' "$ms" "$hung" "$heard"
"""

_SHELL = r"""
say() { # INDEX WORD MS TOOL BANNER HUNG RAW
  printf '%s\t%s\t%s\t%s\t%s\t\t\t%s\t%s\t%s\n' "$READINESS_TOKEN" "$1" "$2" "$3" "$4" "$5" "$6" "$7" || exit
}

have() {
  if [ -n "$only" ] && [ "$only" != "$1" ]; then return 1; fi
  command -v "$1" >/dev/null 2>&1
}

whole() { # SECONDS: rounded up
  case ${1#*.} in *[1-9]*) echo $((${1%.*} + 1));; *) echo "${1%.*}";; esac
}

within() { # SECONDS COMMAND...: its status, or that of its end by our limit
  seconds=$1; shift
  if [ -n "$clock" ]; then timeout "$seconds" "$@"
  else
    "$@" & job=$!
    ( trap 'kill "$nap"; exit' TERM; sleep "$seconds" & nap=$!; wait; kill "$job" ) >/dev/null 2>&1 & guard=$!
    wait "$job"; status=$?
    kill "$guard" 2>/dev/null
    return "$status"
  fi
}

bracketed() { case $1 in *:*) echo "[$1]";; *) echo "$1";; esac; }

via_bash() { within "$(($3 + $4 + 1))" bash --norc --noprofile -c "$bash_text" "$1" "$2" "$4"; }
via_ncat() { within "$(($3 + 1))" ncat -n -w "$3" --send-only "$1" "$2"; }
via_nc() {
  case $(nc -h 2>&1 | head -n 2; nc --version 2>&1 | head -n 1) in
    *BusyBox*) within "$(($3 + 1))" nc -w "$3" "$1" "$2" -e true;;
    *Ncat*) within "$(($3 + 1))" nc -n -w "$3" --send-only "$1" "$2";;
    *) within "$(($3 + 1))" nc -n -v -z -w "$3" "$1" "$2";;
  esac
}
via_socat() {
  case $1 in *:*) family=TCP6;; *) family=TCP4;; esac
  within "$(($3 + 1))" socat -u /dev/null "$family:$(bracketed "$1"):$2,connect-timeout=$3"
}
via_curl() {
  within "$(($3 + 1))" curl -q -s -v --noproxy '*' --connect-timeout "$3" --max-time "$3" \
    "telnet://$(bracketed "$1"):$2"
}
via_busybox() { within "$(($3 + 1))" busybox nc -w "$3" "$1" "$2" -e true; } # without -e it waits for the peer's end
via_gawk() {
  case $1 in *:*) family=inet6;; *) family=inet;; esac
  within "$3" gawk -v peer="/$family/tcp/0/$1/$2"     'BEGIN {
      PROCINFO[peer, "NONFATAL"] = 1; printf "" |& peer
      if (ERRNO) { print ERRNO; exit 1 }
    }'
}

without_ipv6() { # ADDRESS TEXT: whether the machine has no IPv6 at all, as the other engines tell by the error
  case $1 in *:*) ;; *) return 1;; esac
  case $2 in
    *'assign requested address'*|*'ddress not available'*|*'ddress family'*'not supported'*) return 0;;
  esac
  return 1
}

verdict() { # STATUS TEXT ADDRESS: the tools' own words first, for a status says less
  if without_ipv6 "$3" "$2"; then echo net_unreachable; return; fi
  case $2 in
    *'Connected to'*|*succeeded!*|*') open'*) echo open;;
    *refused*) echo refused;;
    *'etwork is unreachable'*|*'etwork is down'*) echo net_unreachable;;
    *'o route to host'*|*'ost is unreachable'*|*'ost is down'*) echo no_route;;
    *'imed out'*|*TIMEOUT*|*'imeout was reached'*) echo timeout;;
    *'ermission denied'*|*'not permitted'*) echo denied;;
    *) case $1 in 0) echo open;; 124|137|143|28) echo timeout;; *) echo other;; esac;;
  esac
}

attempt() { # TOOL INDEX ADDRESS PORT LIMIT LINGER
  text=$("via_$1" "$3" "$4" "$5" "$6" 2>&1); status=$?
  ms=''; hung=''; heard=''
  case $text in
    *'@open|'*)
      rest=${text##*@open|}; ms=${rest%%|*}; rest=${rest#*|}; hung=${rest%%|*}; heard=${rest#*|}
      word=open; text='';;
    *) word=$(verdict "$status" "$text" "$3"); text=$(printf '%s' "$text" | tr -c ' -~' ' ' | cut -c 1-160);;
  esac
  say "$2" "$word" "$ms" "$1" "$heard" "$hung" "$text"
}

row() { # TOOL INDEX ADDRESS PORT ATTEMPTS SPACING LIMIT LINGER
  limit=$(whole "$7"); linger=$(whole "$8"); done=0; began=$(date +%s)
  while [ "$done" -lt "$5" ]; do
    if [ "$6" = 0.000 ]; then
      attempt "$1" "$2" "$3" "$4" "$limit" "$linger"
      [ "$(($(date +%s) - began))" -lt "$((2 * limit))" ] || break
    else
      [ "$done" -eq 0 ] || sleep "$6" 2>/dev/null || sleep "$(whole "$6")"
      printf '\n' || exit
      attempt "$1" "$2" "$3" "$4" "$limit" "$linger" &
    fi
    done=$((done + 1))
  done
  wait
}

shell_engine() { # TOOL
  clock=''
  if timeout 1 true >/dev/null 2>&1; then clock=timeout; fi
  printf '%s\n' "$READINESS_DIALS" | {
    count=0
    while read -r index address port attempts spacing limit linger; do
      [ -n "$linger" ] || continue
      row "$1" "$index" "$address" "$port" "$attempts" "$spacing" "$limit" "$linger" &
      count=$((count + 1))
      [ $((count % wave)) -ne 0 ] || wait
    done
    wait
  }
}

main() {
  LC_ALL=C; PATH=${PATH:-/usr/bin:/bin}:/usr/bin:/bin:/usr/sbin:/sbin
  export LC_ALL PATH READINESS_TOKEN READINESS_DIALS READINESS_ALARM
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
  for tool in bash ncat nc socat curl busybox gawk; do
    if have "$tool"; then shell_engine "$tool"; return; fi
  done
  printf '%s\t!\ttoolless\n' "$READINESS_TOKEN"
}
"""
