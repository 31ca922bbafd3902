"""Who sets a machine's clock, from where, how often, and when it last did."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from readiness.host_script import Part, parts
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe


class Keeper(StrEnum):
    """What keeps a clock right."""

    CHRONY = "chronyd"
    TIMESYNCD = "systemd-timesyncd"
    NTPD = "ntpd"
    OTHER = "another service"
    NONE = "nothing"


@dataclass(frozen=True, kw_only=True)
class TimeSource:
    """A time server or reference clock. ``poll`` and ``heard`` in seconds: how often it is asked, when it last spoke.

    ``reach`` tells which of the last eight polls were answered, a bit for each; ``None`` where nothing says so.
    """

    name: str
    selected: bool
    reach: int | None
    poll: int
    heard: int | None


@dataclass(frozen=True, kw_only=True)
class TimeSync:
    """How a machine's clock is kept.

    ``age``: seconds since the clock was last set or corrected. ``poll``: seconds between two polls of the source that
    is selected, else the longest in use; ``longest``: what the configuration allows. Each is ``None`` where nothing
    tells. ``hypervisor`` names guest tools that set the clock, ``processes`` the time services that run;
    ``all_processes`` says that no process was hidden from us. ``flag`` is the kernel's word that its clock is
    synchronised, ``scheduled`` holds cron's lines that set it, ``clocks`` the hypervisor's clocks that a service could
    use. ``said`` is a service's refusal to tell.
    """

    keeper: Keeper
    sources: tuple[TimeSource, ...] = ()
    age: float | None = None
    poll: float | None = None
    longest: float | None = None
    hypervisor: str = ""
    processes: tuple[str, ...] = ()
    all_processes: bool = True
    flag: bool | None = None
    scheduled: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()
    said: str = ""

    @property
    def selected(self) -> TimeSource | None:
        return next((source for source in self.sources if source.selected), None)

    @property
    def told_by(self) -> str:
        """The commands that told."""
        match self.keeper:
            case Keeper.CHRONY:
                return "chronyc tracking, sources"
            case Keeper.TIMESYNCD:
                return "timedatectl show-timesync"
            case Keeper.NTPD:
                return "ntpq -pn"
            case _:
                return "/proc, timedatectl"


@dataclass(frozen=True)
class ReadTimeSync(HostProbe[TimeSync]):
    """Ask whichever service keeps the clock: chronyc(1), timedatectl(1), ntpq(8), vmware-toolbox-cmd.

    systemd-timesyncd is asked only while it runs, since asking over D-Bus would start it.
    """

    method: ClassVar[str] = "chronyc, timedatectl, ntpq"
    section: ClassVar[str] = "time-sync"
    seconds: ClassVar[int] = 12
    script: ClassVar[str] = """
ask date date -u +%s
running=
for process in /proc/[0-9]*/comm; do
  { read -r name <"$process"; } 2>/dev/null || continue
  case $name in
  chronyd | ntpd | systemd-timesyn | ptp4l | phc2sys | timemaster | sntp | clockd | VBoxService)
    running="$running $name"
    ;;
  esac
done
printf '=== processes\\n%s\\n--- 0\\n' "$running"
[ -r /proc/1/comm ] && printf '=== every process\\nyes\\n--- 0\\n'
case " $running " in *' chronyd '*)
  ask 'chronyc tracking' chronyc -n tracking && ask 'chronyc sources' chronyc -n sources
  ;;
esac
case " $running " in *' systemd-timesyn '*)
  ask 'timedatectl show-timesync' timedatectl show-timesync
  [ -e /run/systemd/timesync/synchronized ] && ask synchronized stat -c %Y /run/systemd/timesync/synchronized
  ;;
esac
case " $running " in *' ntpd '*) ask 'ntpq -pn' ntpq -pn ;; esac
if [ -z "$running" ]; then
  ask timedatectl timedatectl status
  ask cron grep -s -E 'ntpdate|sntp|rdate|chronyd +-q|ntpd +-[a-z]*q' /etc/crontab /etc/cron.d/* \\
    /etc/cron.hourly/* /etc/cron.daily/*
fi
echo '=== configuration'
for file in /etc/chrony.conf /etc/chrony/chrony.conf /etc/chrony/conf.d/*.conf /etc/chrony.d/*.conf \\
  /etc/chrony/sources.d/*.sources /run/chrony-dhcp/*.sources /etc/ntp.conf /etc/ntpsec/ntp.conf; do
  [ -r "$file" ] || continue
  while read -r word rest; do
    case $word in server | pool | peer | refclock) echo "$word $rest" ;; esac
  done <"$file"
done
echo '--- 0'
command -v vmware-toolbox-cmd >/dev/null 2>&1 && ask vmware-toolbox-cmd vmware-toolbox-cmd timesync status
echo '=== clocks'
for clock in /sys/class/ptp/ptp*/clock_name; do
  [ -r "$clock" ] && read -r name <"$clock" && echo "$name"
done
echo '--- 0'
"""

    def understand(self, output: str, status: int) -> TimeSync:
        found = parts(output)
        clock = _text(found, "date")
        if not re.fullmatch(r"\d{1,11}", clock):
            raise ProbeError(
                Cause.PARSE,
                "the machine does not tell its time",
                enable="Run `date -u +%s` as the audit's user there: it has to print a number.",
            )
        now = float(clock)
        processes = tuple(dict.fromkeys(_WHOLE.get(name, name) for name in _text(found, "processes").split()))
        kept = _kept(found, processes, now)
        enabled = _text(found, "vmware-toolbox-cmd").strip().lower() == "enabled"
        return replace(
            kept,
            hypervisor="VMware Tools" if enabled else "",
            processes=processes,
            all_processes=bool(_text(found, "every process")),
            flag=_flag(_text(found, "timedatectl")),
            scheduled=tuple(_scheduled(found.get("cron"))),
            clocks=tuple(_text(found, "clocks").splitlines())[:10],
        )


_WHOLE = {"systemd-timesyn": "systemd-timesyncd"}
"""Names that the kernel cuts off after 15 characters (proc_pid_comm(5)), made whole again."""


def _kept(found: Mapping[str, Part], processes: tuple[str, ...], now: float) -> TimeSync:
    longest = _longest_poll(_text(found, "configuration"))
    if "chronyd" in processes:
        return _chrony(found, now, longest)
    if "systemd-timesyncd" in processes:
        return _timesyncd(found, now)
    if "ntpd" in processes:
        return _ntpd(found, longest)
    return TimeSync(keeper=Keeper.OTHER if processes else Keeper.NONE)


_DEFAULT_MAX_POLL = 10
"""Both chrony and ntpd poll every 2**10 seconds at the most where ``maxpoll`` says nothing else."""


def _longest_poll(configuration: str) -> float:
    polls = re.findall(r"^(?:server|pool|peer|refclock)\s.*?\smaxpoll\s+(\d{1,2})\b", configuration, re.MULTILINE)
    return float(2 ** max([_DEFAULT_MAX_POLL, *(int(poll) for poll in polls)]))


def _chrony(found: Mapping[str, Part], now: float, longest: float) -> TimeSync:
    tracking = _text(found, "chronyc tracking")
    sources = tuple(_chrony_sources(_text(found, "chronyc sources")))
    return TimeSync(
        keeper=Keeper.CHRONY,
        sources=sources,
        age=_chrony_age(tracking, now),
        poll=_poll(sources),
        longest=longest,
        said="" if tracking else _refusal(found, "chronyc tracking"),
    )


def _poll(sources: tuple[TimeSource, ...]) -> float | None:
    selected = [source.poll for source in sources if source.selected]
    return float(max(selected or [source.poll for source in sources], default=0)) or None


def _chrony_age(tracking: str, now: float) -> float | None:
    reference = re.search(r"^Reference ID\s*: ([0-9A-F]{8}|\S+)", tracking, re.MULTILINE)
    moment = re.search(
        r"^Ref time \(UTC\)\s*: \w{3} (\w{3})\s+(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})$", tracking, re.MULTILINE
    )
    # 7F7F0101 is chrony's own clock under the `local` directive, 00000000 none at all.
    if reference is None or moment is None or reference[1] in ("00000000", "7F7F0101"):
        return None
    try:
        when = datetime.strptime(f"{moment[1]} {moment[2]} {moment[3]} {moment[4]}", "%b %d %H:%M:%S %Y")
    except ValueError:
        return None
    return _since(when.replace(tzinfo=UTC).timestamp(), now)


def _chrony_sources(text: str) -> Iterator[TimeSource]:
    for line in text.splitlines():
        row = re.match(r"[\^=#]([*+\-?x~ ]) (\S+)\s+\d{1,2}\s+(-?\d{1,2})\s+([0-7]{1,3})\s+(\S+)\s", line)
        if row:
            yield TimeSource(
                name=row[2],
                selected=row[1] == "*",
                reach=int(row[4], 8),
                poll=2 ** max(0, int(row[3])),
                heard=_short_span(row[5]),
            )


def _timesyncd(found: Mapping[str, Part], now: float) -> TimeSync:
    shown = _text(found, "timedatectl show-timesync")
    fields = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    message = fields.get("NTPMessage", "")
    touched = _text(found, "synchronized")
    age = _since(float(touched), now) if re.fullmatch(r"\d{1,11}", touched) else _message_age(message, now)
    poll = _span(fields.get("PollIntervalUSec", ""))
    answered = "Stratum=" in message
    server = fields.get("ServerName") or fields.get("ServerAddress") or ""
    sources = (TimeSource(name=server, selected=answered, reach=None, poll=int(poll or 0), heard=None),)
    return TimeSync(
        keeper=Keeper.TIMESYNCD,
        sources=sources if server else (),
        age=age if answered or touched else None,
        poll=poll,
        longest=_span(fields.get("PollIntervalMaxUSec", "")),
        said="" if shown else _refusal(found, "timedatectl show-timesync"),
    )


def _message_age(message: str, now: float) -> float | None:
    moment = re.search(r"DestinationTimestamp=\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\b", message)
    if moment is None or "Ignored=yes" in message:
        return None
    try:
        when = datetime.strptime(moment[1], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None
    return _since(when.replace(tzinfo=UTC).timestamp(), now)


def _ntpd(found: Mapping[str, Part], longest: float) -> TimeSync:
    peers = _text(found, "ntpq -pn")
    sources = tuple(_ntpd_sources(peers))
    heard = [s.heard for s in sources if s.heard is not None]
    selected = next((s.heard for s in sources if s.selected), None)
    age = selected if selected is not None else min(heard, default=None)
    return TimeSync(
        keeper=Keeper.NTPD,
        sources=sources,
        age=float(age) if age is not None else None,
        poll=_poll(sources),
        longest=longest,
        said="" if sources else _refusal(found, "ntpq -pn"),
    )


_PEER = re.compile(
    r"([*o+\-#x.~ ]?)([0-9A-Za-z][\w.:%\[\]-]*)\s+(\S+)\s+\d{1,2}\s+[a-zA-Z]\s+"  # tally, remote, refid, st, t
    r"(\S+)\s+(\d{1,9}[mhd]?)\s+([0-7]{1,3})\s"  # when, poll, reach
)


def _ntpd_sources(text: str) -> Iterator[TimeSource]:
    for line in text.splitlines():
        row = _PEER.match(line)
        # A pool's own line (refid .POOL.) stands for no server, and 127.127.1.x is ntpd's own undisciplined clock.
        if row is None or row[3] == ".POOL." or row[2].startswith("127.127.1."):
            continue
        yield TimeSource(
            name=row[2],
            selected=row[1] in ("*", "o"),
            reach=int(row[6], 8),
            poll=_short_span(row[5]) or 0,
            heard=_short_span(row[4]),
        )


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "y": 31557600}


def _short_span(text: str) -> int | None:
    """Seconds of chronyc's and ntpq's "377", "34m", "21h", "10d"; ``None`` for a dash."""
    row = re.fullmatch(r"(\d{1,9})([smhdy]?)", text)
    return int(row[1]) * _UNITS[row[2]] if row else None


_SPANS = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0,
    "month": 2629800.0, "y": 31557600.0,
}  # fmt: skip


def _span(text: str) -> float | None:
    """Seconds of systemd's "34min 8s"; ``None`` where it is none (systemd.time(7))."""
    words = text.split()
    spans = [re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(us|ms|s|min|h|d|w|month|y)", word) for word in words]
    if not words or not all(spans):
        return None
    return sum(float(span[1]) * _SPANS[span[2]] for span in spans if span is not None)


def _since(moment: float, now: float) -> float | None:
    """Seconds from ``moment`` to ``now``; ``None`` where it lies ahead by more than a poll may explain."""
    return max(0.0, now - moment) if moment - now < 60 else None


def _flag(status: str) -> bool | None:
    """The kernel's flag; the words before systemd 235 and since."""
    said = re.search(r"^\s*(?:System clock|NTP) synchronized: (yes|no)\s*$", status, re.MULTILINE)
    return said[1] == "yes" if said else None


def _scheduled(cron: Part | None) -> Iterator[str]:
    """The lines of "file:line" that grep found, without comments; its status also tells of files that are missing."""
    for line in (cron.text if cron is not None else "").splitlines()[:10]:
        file, separator, text = line.partition(":")
        if separator and file.startswith("/etc/cron") and not text.lstrip().startswith("#"):
            yield line


def _text(found: Mapping[str, Part], name: str) -> str:
    part = found.get(name)
    return part.text.strip() if part is not None and part.answered else ""


def _refusal(found: Mapping[str, Part], name: str) -> str:
    part = found.get(name)
    if part is None or part.status is None:
        return f"the command for `{name}` is not on this machine"
    return " ".join(part.text.split())[:300]
