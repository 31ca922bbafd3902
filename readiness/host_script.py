"""One shell script for all that is asked of a machine itself, and the way back from what it printed.

The script needs a POSIX ``sh`` and nothing else: dash, bash, BusyBox ash and ksh run it. It writes no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from readiness.model import Cause, Reason
from readiness.probe import HostProbe

SECTION_BYTES = 256 * 1024
"""Bytes that one section may print."""

SCRIPT_BYTES = 960 * 1024
"""Bytes that all sections of one script may print together: each gets an equal share, never more than its own."""

# Every section is one stage of a pipeline. A stage starts its section at once, keeps what it prints, and waits for
# the stage before it to end (end of file on its standard input) before it prints its own frame to descriptor 3: so
# sections run side by side and frames follow one another whole, without a lock, a FIFO or a file.
#
# A clock is a sleep that holds one end of a pipe: when it ends, all watchers that read the other end wake at once.
# Nobody waits for a section itself, only for the group that reads it: what even SIGKILL cannot end (a process on a
# dead NFS mount) is left behind with a pipe that nobody reads any more.
_SCRIPT = r"""
LC_ALL=C
TZ=UTC0
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL TZ PATH
unset LANGUAGE BASH_ENV ENV CDPATH BLOCK_SIZE BLOCKSIZE DF_BLOCK_SIZE POSIXLY_CORRECT
umask 077

# One part of a section: its name, then a command, what that prints, and its exit status.
ask() {
  printf '=== %s\n' "$1"
  shift
  if command -v "$1" >/dev/null 2>&1; then
    "$@"
    asked=$?
    printf '\n--- %s\n' "$asked"
    return "$asked"
  fi
  printf -- '--- missing\n'
  return 127
}

# The text of each of these files, as a part that is named for it.
show() {
  for file; do
    printf '=== %s\n' "$file"
    if [ ! -e "$file" ]; then
      printf -- '--- missing\n'
    elif [ -r "$file" ]; then
      while IFS= read -r line || [ "$line" ]; do
        printf '%s\n' "$line"
      done <"$file"
      printf -- '--- 0\n'
    else
      printf -- '--- 1\n'
    fi
  done
}

section() {
case $1 in
@SECTIONS@
esac
}

# At most @BYTES@ bytes of standard input.
bounded() {
  if command -v head >/dev/null 2>&1; then
    head -c @BYTES@
    return
  fi
  passed=0
  while IFS= read -r line || [ "$line" ]; do
    passed=$((passed + ${#line} + 1))
    [ "$passed" -le @BYTES@ ] || break
    printf '%s\n' "$line"
  done
}

# End a process and all that descend from it: listed and stopped before the first of them dies, itself the last.
fell() {
  doomed=" $1 " grown=yes
  while [ "$grown" ]; do
    grown=
    for stat in /proc/[0-9]*/stat; do
      read -r line <"$stat" || continue
      process=${line%% *} rest=${line##*") "}
      parent=${rest#? }
      parent=${parent%% *}
      case $doomed in
      *" $process "*) ;;
      *" $parent "*) doomed=" $process$doomed" grown=yes ;;
      esac
    done
  done
  # shellcheck disable=SC2086
  kill -STOP $doomed
  # shellcheck disable=SC2086
  kill -KILL $doomed
}

# Ask one section: its name, its seconds, and the descriptor of the clock that ends then.
stage() {
  kept=$(
    exec 2>/dev/null
    {
      {
        { exec 3>&- @CLOSED@; section "$1"; } </dev/null 2>&1 &
        wait "$!"
        printf '\n%s exit %s' @TOKEN@ "$?"
      } | bounded
      : # more than a pipeline, so that the group is a process of its own
    } &
    reading=$!
    if [ "$3" ]; then
      { read -r _ <&"$3"; printf '\n%s late\n' @TOKEN@; fell "$reading"; } &
      watching=$!
    fi
    wait "$reading"
    [ "$3" ] && kill "$watching"
  )
  read -r _
  printf '\n%s begin %s %s %s\n%s\n%s end %s\n' @TOKEN@ "$1" "$2" "${#kept}" "$kept" @TOKEN@ "$1" >&3
}

all() {
limited=
command -v sleep >/dev/null 2>&1 && limited=yes
@CLOCKS@
}
all 3>&1 || :
"""
_FIRST_CLOCK = 4
_LAST_CLOCK = 9


def compose(probes: Sequence[HostProbe[object]], *, token: str) -> str:
    """Write the script that asks all ``probes`` of one machine; ``token`` marks what is ours in its output.

    Raises:
        ValueError: two kinds of probe share a section's name, a name or the token would not survive a script,
            or the sections have more than six different limits.
    """
    if not re.fullmatch(r"[0-9A-Za-z]{8,64}", token):
        raise ValueError("the token of a host script is 8 to 64 letters and digits")
    sections = _distinct(probes)
    limits = sorted({kind.seconds for kind in sections.values()})
    if len(limits) > _LAST_CLOCK - _FIRST_CLOCK + 1:
        raise ValueError(f"{len(limits)} different limits in one host script; six are the most")
    clocks = {seconds: _FIRST_CLOCK + index for index, seconds in enumerate(limits)}
    filled = {
        "TOKEN": token,
        "BYTES": str(min(SECTION_BYTES, SCRIPT_BYTES // max(1, len(sections)))),
        "SECTIONS": "\n".join(f"{name})\n{kind.script.strip()}\n;;" for name, kind in sections.items()),
        "CLOSED": " ".join(f"{descriptor}<&-" for descriptor in clocks.values()),
        "CLOCKS": _clocked(sections, clocks),
    }
    return re.sub(r"@([A-Z]+)@", lambda slot: filled[slot[1]], _SCRIPT).lstrip()


def _distinct(probes: Sequence[HostProbe[object]]) -> dict[str, type[HostProbe[object]]]:
    sections: dict[str, type[HostProbe[object]]] = {}
    for probe in probes:
        kind = type(probe)
        if not re.fullmatch(r"[a-z][a-z0-9-]*", kind.section):
            raise ValueError(f"'{kind.section}' does not name a section: small letters, digits and hyphens do")
        if sections.setdefault(kind.section, kind) is not kind:
            raise ValueError(f"{kind.__name__} and {sections[kind.section].__name__} share the section {kind.section}")
    return sections


def _clocked(sections: Mapping[str, type[HostProbe[object]]], clocks: Mapping[int, int]) -> str:
    """The pipeline of all stages inside one clock for each limit."""
    stages = [f'stage {name} {kind.seconds} "${{limited:+{clocks[kind.seconds]}}}"' for name, kind in sections.items()]
    body = " |\n".join(stages[:1] and [f"{stages[0]} </dev/null", *stages[1:]]) or ":"
    for seconds, descriptor in clocks.items():
        body = (
            f'{{ [ "$limited" ] && {{ sleep {seconds} 2>/dev/null & echo "$!"; }}; }} | {{\n'
            f"read -r clock{descriptor}\n"
            f"exec {descriptor}<&0\n"
            f"{body}\n"
            f'[ "$limited" ] && kill "$clock{descriptor}" 2>/dev/null\n'
            "}"
        )
    return body


def split(output: bytes, token: str) -> Mapping[str, str | Reason]:
    """Take a script's output apart: for each section its recorded response, or why there is none.

    A section that left no trace is left out. Whatever stands around the frames is ignored; a frame that something
    else wrote into, or that was cut, is a reason.
    """
    mark = re.escape(token.encode())
    begin = re.compile(rb"(?:^|\n)" + mark + rb" begin ([a-z][a-z0-9-]*) (\d{1,6}) (\d{1,9})\n")
    found: dict[str, str | Reason] = {}
    at = 0
    while (head := begin.search(output, at)) is not None:
        name, seconds, length = head[1].decode(), int(head[2]), int(head[3])
        end = output.find(b"\n" + token.encode() + b" end " + head[1] + b"\n", head.end() - 1)
        following = begin.search(output, head.end() - 1)
        if end < 0 or (following is not None and following.start() < end):
            found[name] = _reason(Cause.PARSE, f"the answer of the {name} section breaks off")
            at = head.end() - 1
            continue
        body = output[head.end() : max(end, head.end())]
        found[name] = _answer(name, body, length=length, seconds=seconds, token=token.encode())
        at = end
    return found


def _answer(name: str, body: bytes, *, length: int, seconds: int, token: bytes) -> str | Reason:
    # A shell counts bytes under LC_ALL=C; one that heeds another locale counts characters.
    if length not in (len(body), len(body.decode(errors="replace"))):
        return _reason(Cause.PARSE, f"something else wrote into the answer of the {name} section")
    if b"\n" + token + b" late" in b"\n" + body:
        return Reason(
            code=Cause.TIMEOUT,
            detail=f"the {name} section gave no answer in {seconds} s and was cut off",
            enable="Find out what hangs on that machine (a mount whose server is gone, a daemon that does not answer), "
            "then run the audit again.",
        )
    ending = re.search(rb"(?:^|\n)" + re.escape(token) + rb" exit (\d{1,3})$", body)
    if ending is None:
        return Reason(
            code=Cause.OVERLOAD,
            detail=f"the {name} section printed more than an answer can have and was cut off",
            enable="Run the section's commands on that machine (`readiness plan` lists them) and see what is so long.",
        )
    return HostProbe.recorded(_text(body[: ending.start()]), int(ending[1]))


def _text(output: bytes) -> str:
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", output.decode(errors="replace")).rstrip("\n")


def _reason(code: Cause, detail: str) -> Reason:
    return Reason(
        code=code,
        detail=detail,
        enable="See that nothing else prints on that machine when the audit's user logs in (.bashrc, .profile), "
        "then run the audit again.",
    )


@dataclass(frozen=True)
class Part:
    """What one command of a section printed, or one file holds; ``status`` is ``None`` where there is no such thing."""

    text: str
    status: int | None

    @property
    def answered(self) -> bool:
        return self.status == 0


def parts(output: str) -> Mapping[str, Part]:
    """The parts of a section by name, as ``ask`` and ``show`` frame them in a script; the first of a name counts."""
    found: dict[str, Part] = {}
    for part in re.finditer(r"^=== (.+)\n((?:(?!=== ).*\n)*?)--- (missing|\d{1,3})$", output, re.MULTILINE):
        status = None if part[3] == "missing" else int(part[3])
        found.setdefault(part[1], Part(part[2].rstrip("\n"), status))
    return found
