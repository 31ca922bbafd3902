"""How a script travels to a machine: inside a frame of shell text that marks its output and never outlives us.

The machine is asked to run ``sh -s``, and the text goes to its standard input, which stays open. The frame

- prints a random token on standard output and standard error before the script begins, so that whatever a login
  shell says first (``.bashrc``, a message of the day) is told apart from the script's own words;
- ends everything that descends from the script, and itself, once standard input closes, which is what a lost
  connection or a cancelled run looks like from there, or once its seconds are over;
- does the same when a heartbeat that was agreed on stays away: a machine that is cut off from us sees no end of input;
- ends what the script left running in the background;
- gives back the script's exit status.

It needs a POSIX shell and nothing else; the limit needs ``sleep``. It writes no file, and it uses no here-document,
since some shells keep those in one.
"""

from __future__ import annotations

import math
import secrets

COMMAND = "exec /bin/sh -s"
"""What a machine is asked to run; every login shell understands it."""

# Who descends from the script is read from /proc. Where this shell leads its session (sshd starts a session for each
# command) all of the session is ours, orphans included; elsewhere it is the script's own children and theirs. One grep
# reads what is there on all processes, where there is one: a shell's own read takes it byte by byte. A line says whose
# it is by its file, not by its text, which holds a name that the process may choose.
_FRAME = r"""{
readiness_seen() {
  unset IFS
  set +f
  { read -r line </proc/self/stat && echo "${line%% *}"; } 2>/dev/null
  if command -v grep >/dev/null; then
    exec grep -s '' /dev/null /proc/[0-9]*/stat
  fi
  for entry in /proc/[0-9]*/stat; do
    { read -r line <"$entry"; } 2>/dev/null && echo "$entry:$line"
  done
}
readiness_fell() {
  me=$$
  { read -r line </proc/self/stat && me=${line%% *}; } 2>/dev/null
  doomed=" $1 " grown=yes
  while [ "$grown" ]; do
    grown= looking=
    set -f
    IFS='
'
    set -- $(readiness_seen)
    unset IFS
    set +f
    for line; do
      case $line in *"(grep) "?" $me "*) continue ;; /proc/*) ;; *) looking=$line; continue ;; esac
      process=${line#/proc/} line=${line##*") "}
      process=${process%%/*} state=${line%% *}
      line=${line#* } parent=${line%% *} line=${line#* } line=${line#* } session=${line%% *}
      case "$state $me $looking $doomed" in [ZX]*|*" $process "*) continue ;; esac
      if [ "$readiness_leader" ] && [ "$session" = "$$" ]; then :
      else case $doomed in *" $parent "*) ;; *) continue ;; esac; fi
      kill -STOP "$process" # so that it has no more children behind our back
      doomed="$doomed$process " grown=yes
    done
  done
  kill -9 $doomed
}
readiness_leader= readiness_nap=
{ read -r line </proc/$$/stat && set -- ${line##*") "} && [ "$4" = "$$" ] && readiness_leader=yes; } 2>/dev/null
printf '\n%s\n' @TOKEN@
printf '\n%s\n' @TOKEN@ >&2
(
unset readiness_leader readiness_nap
unset -f readiness_fell readiness_seen
@SCRIPT@
) </dev/null 3<&- &
readiness_work=$!
exec >/dev/null 2>&1
{ while read -r _; do @BEAT@; done; readiness_fell "$$ $readiness_work"; } <&3 &
readiness_line=$!
{ trap 'kill "$nap"; exit' TERM; sleep @SECONDS@ & nap=$!; wait "$nap" && readiness_fell "$$ $readiness_work"; } 3<&- &
readiness_clock=$!
wait "$readiness_work"
readiness_status=$?
kill "$readiness_line" "$readiness_clock"
[ "$readiness_leader" ] && readiness_fell ""
exit "$readiness_status"
} 3<&0
"""


# Each line puts the end off by one more rest. Who rests looks first whether the reader of the lines is still there:
# where it is not, the script has ended by itself meanwhile.
_BEAT = r"""{ read -r readiness_reader _ </proc/self/stat; [ "$readiness_nap" ] && kill "$readiness_nap"
  { trap 'kill "$nap"; exit' TERM; sleep @REST@ & nap=$!
    wait "$nap" && kill -0 "$readiness_reader" && readiness_fell "$$ $readiness_work"; } </dev/null &
  readiness_nap=$!; }"""


def token() -> str:
    """A word that nothing else prints: 24 letters and digits."""
    return secrets.token_hex(12)


def framed(script: str, *, token: str, seconds: float, beat: float | None = None) -> str:
    """The text that runs ``script`` in its frame: it ends by itself ``seconds`` after it began, rounded up.

    ``beat``: it also ends so many seconds after the last line on standard input, once a first one has come.
    """
    rest = ":" if beat is None else _BEAT.replace("@REST@", str(max(1, math.ceil(beat))))
    filled = {"@TOKEN@": token, "@SECONDS@": str(max(1, math.ceil(seconds))), "@BEAT@": rest}
    head, _, tail = _FRAME.partition("@SCRIPT@")
    for slot, value in filled.items():
        head, tail = head.replace(slot, value), tail.replace(slot, value)
    return f"{head}{script}{tail}"
