"""How each peer asks the same questions: its scripts, made from the table, and where its answers are found."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hosts import LOOPBACK, Hosts
from questions import CHECKS, Answers, Question, of_report, read, script

BENCH = Path(__file__).parent
ROOT = BENCH.parent
VENV = ROOT / ".venv.bench"
LOCK = BENCH / "peers.txt"

# The quickest way a person would write it: one command a question, each by its own remote call.
_TESTINFRA = """\
import json, os, pathlib, pytest

QUESTIONS = json.loads(pathlib.Path(os.environ["BENCH_QUESTIONS"]).read_text())

@pytest.mark.parametrize("name", list(QUESTIONS))
def test_answer(host, name):
    said = host.run(QUESTIONS[name])
    assert said.rc == 0
    with open(os.environ["BENCH_ANSWERS"], "a") as file:
        file.write(json.dumps([host.backend.host.name, name, said.stdout.strip()]) + "\\n")
"""

_PYINFRA_FACT = """
class {kind}(FactBase):
    def command(self):
        return {shell!r}

    def process(self, output):
        return output[0] if output else ""
"""


def install() -> None:
    """Have the peers in a venv of their own, exactly as locked; an unchanged lock costs nothing."""
    stamp = VENV / ".peers"
    if stamp.exists() and stamp.read_text() == LOCK.read_text():
        return
    sys.stderr.write("Setting up .venv.bench from bench/peers.txt (once) ...\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    pip = [str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    stamp.write_text(LOCK.read_text())


def versions() -> Mapping[str, str]:
    """What the peers are, by their own words."""
    listed = subprocess.run(
        [str(VENV / "bin/python"), "-m", "pip", "list", "--disable-pip-version-check", "--format=json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted = ("pytest-testinfra", "pytest", "ansible-core", "pyinfra", "paramiko")
    return {each["name"]: each["version"] for each in json.loads(listed) if each["name"] in wanted}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One way to ask: the commands that run side by side, and what they leave behind.

    ``answers`` reads them from what the commands printed, one text for each command.
    """

    name: str
    commands: Sequence[Sequence[str]]
    answers: Callable[[Sequence[str]], Answers]
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    masters: Path | None = None
    leftovers: Sequence[Path] = ()
    exits: frozenset[int] = frozenset({0})

    def tidy(self) -> None:
        """End the ssh masters that it left, and forget its answers."""
        if self.masters is not None:
            for control in self.masters.iterdir():
                subprocess.run(
                    ["ssh", "-o", f"ControlPath={control}", "-O", "exit", LOOPBACK],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
        for path in self.leftovers:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                with suppress(FileNotFoundError):
                    path.unlink()


class Peers:
    """Writes every peer's files below ``folder``, for some hosts and the table of questions."""

    def __init__(self, folder: Path, hosts: Hosts, count: int, asked: Sequence[Question], peer: int) -> None:
        self.folder = folder
        self.hosts = hosts
        self.chosen = hosts.first(count)
        self.asked = asked
        self.peer = peer
        folder.mkdir()

    # The floor

    def floor(self) -> Call:
        """One ssh for each host, all at once, each with one script."""
        return self._ssh("ssh HOST sh -s", script(self.asked), self._each_read)

    def floor_of(self, text: str) -> Call:
        """The same with another script, whose answers nobody compares."""
        return self._ssh("ssh HOST sh -s, the audit's own script", text, lambda _: {})

    def _ssh(self, name: str, text: str, answers: Callable[[Sequence[str]], Answers]) -> Call:
        commands = [["ssh", "-F", str(self.hosts.config), host.name, "sh -s"] for host in self.chosen]
        return Call(name=name, commands=commands, answers=answers, stdin=text)

    def _each_read(self, said: Sequence[str]) -> Answers:
        return {
            (host.name, name): answer
            for host, text in zip(self.chosen, said, strict=True)
            for name, answer in read(text).items()
        }

    # readiness

    def site(self, *, ports: int = 41000) -> Path:
        """A site file: the first host EXCS, the second EXAS, all others EXCP; the peer stands where Redis would."""
        roles = ["excs", "exas", *["excp"] * (len(self.chosen) - 2)]
        rows = "".join(
            f"  - {{name: {host.name}, role: {role}, host: {LOOPBACK}, port: {ports + index}, "
            f"ssh: {{port: {host.port}}}}}\n"
            for index, (host, role) in enumerate(zip(self.chosen, roles, strict=True))
        )
        path = self.folder / "site.yaml"
        # The revision that asks every VM for its time service, as the table does.
        path.write_text(
            "site: {name: Bench}\npage: {revision: recording}\n"
            f"ssh: {{user: {self.hosts.user}, identity_file: {self.hosts.key}, "
            f"known_hosts: {self.hosts.known_hosts}}}\nvms:\n{rows}redis: {{host: {LOOPBACK}, port: {self.peer}}}\n"
        )
        return path

    def readiness(self, name: str, *, only: Iterable[str] = CHECKS) -> Call:
        """A whole audit: judged, validated, written as JSON and HTML; exits by its verdict."""
        out = self.folder / "report"
        words = [word for check in only for word in ("--only", check)]
        command = [str(Path(sys.executable).with_name("readiness")), "audit", str(self.site()), *words]
        return Call(
            name=name,
            commands=[[*command, "--out", str(out), "--format", "html,json", "--baseline", "none"]],
            answers=lambda _: of_report(out / "report.json", self.asked, [host.name for host in self.chosen]),
            leftovers=[out],
            exits=frozenset({0, 1, 3}),
        )

    # pytest-testinfra

    def testinfra(self, *, control_path: bool) -> Call:
        """One test for each question and host over its ssh backend; with a ControlPath they share connections."""
        test, asked = self.folder / "test_bench.py", self.folder / "questions.json"
        test.write_text(_TESTINFRA)
        asked.write_text(json.dumps({each.name: each.command for each in self.asked}))
        masters = self._masters("testinfra") if control_path else None
        sharing = [f"--ssh-extra-args=-o ControlPath={masters}/%C"] if masters is not None else []
        written = self.folder / "answers.jsonl"
        return Call(
            name="pytest-testinfra, " + ("ControlPath" if control_path else "as shipped"),
            commands=[
                [
                    str(VENV / "bin/pytest"),
                    "-q",
                    "-p",
                    "no:cacheprovider",
                    f"--rootdir={self.folder}",
                    f"--ssh-config={self.hosts.config}",
                    "--hosts=" + ",".join(f"ssh://{host.name}" for host in self.chosen),
                    *sharing,
                    str(test),
                ]
            ],
            answers=lambda _: {
                (host, name): answer for host, name, answer in map(json.loads, written.read_text().splitlines())
            },
            environment={"BENCH_QUESTIONS": str(asked), "BENCH_ANSWERS": str(written)},
            masters=masters,
            leftovers=[written],
        )

    # ansible-core

    def _ansible(self) -> tuple[Path, Mapping[str, str], Path]:
        masters = self._masters("ansible")
        inventory = self.folder / "inventory.ini"
        inventory.write_text("".join(f"{host.name} ansible_python_interpreter={_python()}\n" for host in self.chosen))
        environment = {
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_FORKS": str(len(self.chosen)),
            "ANSIBLE_SSH_ARGS": f"-F {self.hosts.config} -o ControlMaster=auto -o ControlPersist=60s",
            "ANSIBLE_SSH_CONTROL_PATH": f"{masters}/%%C",
            "ANSIBLE_STRATEGY": "free",
            "ANSIBLE_NOCOWS": "1",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible/tmp"),
        }
        return inventory, environment, masters

    def ansible(self) -> Call:
        """A playbook of one task for each question, pipelined, without fact gathering."""
        return self._playbook("ansible-core, no facts", [(each.name, each.command) for each in self.asked])

    def ansible_at_once(self) -> Call:
        """The same with all questions in one task, as nobody writes a playbook: Ansible's own floor."""
        return self._playbook("ansible-core, one task", [("all", script(self.asked))])

    def _playbook(self, name: str, asked: Sequence[tuple[str, str]]) -> Call:
        inventory, environment, masters = self._ansible()
        tasks: list[Mapping[str, object]] = [
            {"ansible.builtin.shell": {"cmd": f"{{% raw %}}{shell}{{% endraw %}}"}, "register": f"q_{question}"}
            for question, shell in asked
        ]
        said = ", ".join(f"'{question}': q_{question}.stdout" for question, _ in asked)
        told = "BENCH {{ inventory_hostname }} {{ {" + said + "} | to_json | b64encode }} END"
        tasks.append({"ansible.builtin.debug": {"msg": told}})
        playbook = self.folder / f"playbook-{len(asked)}.yml"
        playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))

        def answers(output: Sequence[str]) -> Answers:
            found: dict[tuple[str, str], str] = {}
            for host, text in re.findall(r"BENCH (\S+) (\S+) END", output[0]):
                registered: dict[str, str] = json.loads(base64.b64decode(text))
                named = read(registered["all"] + "\n") if "all" in registered else registered
                found.update({(host, question): answer.strip() for question, answer in named.items()})
            return found

        return Call(
            name=name,
            commands=[[str(VENV / "bin/ansible-playbook"), "-i", str(inventory), str(playbook)]],
            answers=answers,
            environment=environment,
            masters=masters,
        )

    def ansible_setup(self) -> Call:
        """Ansible's own facts of every host: no table, so nothing to compare."""
        inventory, environment, masters = self._ansible()
        return Call(
            name="ansible-core, setup",
            commands=[[str(VENV / "bin/ansible"), "-i", str(inventory), "all", "-m", "ansible.builtin.setup"]],
            answers=lambda _: {},
            environment=environment,
            masters=masters,
        )

    # pyinfra

    def _inventory(self) -> Path:
        inventory = self.folder / "inventory.py"
        common = {
            "ssh_hostname": LOOPBACK,
            "ssh_user": self.hosts.user,
            "ssh_key": str(self.hosts.key),
            "ssh_known_hosts_file": str(self.hosts.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            "ssh_look_for_keys": False,
            "ssh_allow_agent": False,
        }
        listed = [(host.name, {**common, "ssh_port": host.port}) for host in self.chosen]
        inventory.write_text(f"hosts = {listed!r}\n")
        return inventory

    def pyinfra_facts(self) -> Call:
        """A fact of its own for each question, all asked by one command."""
        module = self.folder / "bench_facts.py"
        kinds = {each.name: "".join(word.title() for word in each.name.split("_")) + "Fact" for each in self.asked}
        module.write_text(
            "from pyinfra.api import FactBase\n"
            + "".join(_PYINFRA_FACT.format(kind=kinds[each.name], shell=each.command) for each in self.asked)
        )
        names = [f"bench_facts.{kinds[each.name]}" for each in self.asked]

        def answers(output: Sequence[str]) -> Answers:
            found: dict[tuple[str, str], str] = {}
            for name, kind in kinds.items():
                told = _facts_of(output[0], kind)
                found.update({(host.name, name): str(told.get(host.name, "")).strip() for host in self.chosen})
            return found

        return Call(
            name="pyinfra, facts",
            commands=[[str(VENV / "bin/pyinfra"), str(self._inventory()), "fact", *names]],
            answers=answers,
            environment={"PYTHONPATH": str(self.folder)},
        )

    def pyinfra_exec(self) -> Call:
        """All questions in one command on every host."""
        line = script(self.asked).strip()

        def answers(output: Sequence[str]) -> Answers:
            found: dict[tuple[str, str], str] = {}
            for host in self.chosen:
                said = "\n".join(re.findall(rf"^\s*\[{re.escape(host.name)}\] ?(.*)$", output[0], re.MULTILINE))
                found.update({(host.name, name): answer for name, answer in read(said).items()})
            return found

        return Call(
            name="pyinfra, exec",
            commands=[[str(VENV / "bin/pyinfra"), "-y", str(self._inventory()), "exec", "--", line]],
            answers=answers,
        )

    def _masters(self, name: str) -> Path:
        # A socket's path may have about a hundred characters, and ssh adds some to %C.
        folder = self.hosts.folder / name[:1]
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


def _facts_of(output: str, kind: str) -> Mapping[str, object]:
    """One fact of all hosts in what pyinfra prints: a JSON object behind the fact's name."""
    at = output.find(f"Fact data for: bench_facts.{kind}\n")
    start = output.find("{", at)
    if at < 0 or start < 0:
        return {}
    found: Mapping[str, object] = json.JSONDecoder().raw_decode(output, start)[0]
    return found


def _python() -> str:
    return shutil.which("python3", path="/usr/bin:/bin") or sys.executable
