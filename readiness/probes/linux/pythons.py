"""Which Python a machine's ``python3`` and ``pip3`` really are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from readiness.host_script import parts
from readiness.probe import HostProbe
from readiness.probes.linux.system import numbers


@dataclass(frozen=True)
class Python:
    """A Python interpreter; ``command`` is the name that starts it, ``version`` its own words ("3.6.8")."""

    command: str
    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        return numbers(self.version)


@dataclass(frozen=True)
class Pip:
    """The ``pip3`` command: its ``version``, and the version of the Python that it installs for."""

    version: str
    python: str


@dataclass(frozen=True, kw_only=True)
class Pythons:
    """What is on PATH; ``None`` where nothing answers to that name.

    ``others`` are commands named for one release ("python3.11"). ``module_pip`` is the version of the pip that
    ``python3 -m pip`` would run, empty where there is none. ``broken`` holds what a command said that is there
    and does not run; ``python3_broken`` is that of ``python3`` itself, or its exit status where it said nothing.
    """

    python3: Python | None
    pip3: Pip | None
    others: tuple[Python, ...]
    module_pip: str = ""
    broken: str = ""
    python3_broken: str = ""


@dataclass(frozen=True)
class ReadPythons(HostProbe[Pythons]):
    """Run ``python3`` and every ``python3.N`` on PATH, and the Python of ``pip3``, for their versions."""

    method: ClassVar[str] = "python3, pip3"
    section: ClassVar[str] = "pythons"
    script: ClassVar[str] = """
cd /
versions='import sys
print(sys.version.split()[0])
try:
    import pip
    print(pip.__version__)
except ImportError:
    pass'
python=$(command -v python3) || python=
if [ "$python" ]; then
  own=$("$python" -c "$versions" 2>&1)
  status=$?
  printf '=== python3\\n%s\\n--- %s\\n' "$own" "$status"
else
  printf '=== python3\\n--- missing\\n'
fi
pip=$(command -v pip3) && if read -r first <"$pip"; then
  # shellcheck disable=SC2086
  case $first in
  "#!$python") printf '=== pip3\\n%s\\n--- %s\\n' "$own" "$status" ;;
  '#!'*python*) ask pip3 ${first#??} -c "$versions" ;;
  *) ask 'pip3 --version' pip3 --version ;;
  esac
fi
seen=
IFS=:
for folder in $PATH; do
  for python in "$folder"/python3.[0-9] "$folder"/python3.[0-9][0-9]; do
    name=${python##*/}
    [ -x "$python" ] || continue
    case $seen in *" $name "*) continue ;; esac
    seen="$seen $name "
    ask "$name" "$python" --version
  done
done
"""

    def understand(self, output: str, status: int) -> Pythons:
        found = parts(output)
        own = found.get("python3")
        version, module_pip = _versions(own.text if own is not None and own.answered else "")
        shebang, said = found.get("pip3"), found.get("pip3 --version")
        pip = None
        if shebang is not None and shebang.answered:
            of, pip_version = _versions(shebang.text)
            pip = Pip(pip_version, of) if pip_version else None
        elif said is not None and (words := re.match(r"pip (\S+) from .* \(python (\S+)\)", said.text)):
            pip = Pip(words[1], words[2])
        others = (
            Python(name, words[1])
            for name, part in found.items()
            if re.fullmatch(r"python3\.\d{1,2}", name)
            and part.answered
            and (words := re.match(r"Python (3\.\d{1,3}[^\s]*)", part.text))
        )
        broken = next((p.text for p in (own, shebang, said) if p is not None and p.status not in (0, None)), "")
        crashed = own is not None and own.status is not None and not version
        return Pythons(
            python3=Python("python3", version) if version else None,
            pip3=pip,
            others=tuple(sorted(others, key=lambda python: python.numbers)),
            module_pip=module_pip,
            broken=broken,
            python3_broken=(own.text.strip() or f"exit status {own.status}") if own is not None and crashed else "",
        )


def _versions(text: str) -> tuple[str, str]:
    """What the two lines say: the Python's version and its pip's, each empty where it did not say."""
    lines = text.splitlines()
    found = [line for line in lines if re.fullmatch(r"\d{1,4}(\.\d{1,5})+\S*", line)]
    return (found[0], found[1]) if len(found) > 1 else (found[0] if found else "", "")
