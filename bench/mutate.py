"""Mutation testing of the checks and of the verdict rules: `./run mutate [MODULE...] [--since REV] [--jobs N]`.

Every mutant of `mutants.py` is judged by those tests that execute the changed statement, in a fork of one process in
which all is imported already: the code of the changed function is replaced there, which costs milliseconds. What is
executed at import (constants, class bodies, default values) is imported afresh in a fork that has imported no check.

A mutant that no test notices is a survivor. Each has to be explained in `survivors.toml`; an explanation of a mutant
that is gone, or killed by now, is an error too. The whole run writes MUTATION.md; a run of some modules does not.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.metadata
import importlib.util
import json
import mmap
import os
import platform
import resource
import signal
import struct
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import hypothesis
import pytest
from _pytest.runner import runtestprotocol

sys.path.insert(0, str(Path(__file__).parent))
from mutants import How, Mutant, mutants_of

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "bench" / "MUTATION.md"
EXPLAINED = ROOT / "bench" / "survivors.toml"
CORE = ("model", "check", "score", "overlay", "compare", "freshness", "rejudge", "sizing")
TESTS = (
    *("tests/checks", "tests/engine", "tests/test_sizing.py", "tests/test_packs.py"),
    *("tests/offline/test_offline_compare.py", "tests/offline/test_offline_freshness.py"),
    "tests/offline/test_offline_rejudge.py",
)
CPU_LIMIT = 20  # seconds of processor time for one mutant, then it has timed out
OTHERWISE = 75  # the exit status of a fork that could not take its mutant in place
WALL_LIMIT = 900  # seconds: a mutant that sleeps; long, since a busy machine must not kill a mutant
PYTEST = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", "not server and not root"]


@dataclass(frozen=True)
class Explanation:
    module: str
    where: str
    before: str
    after: str
    why: str
    nth: int = 1

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return (self.module, self.where, self.before, self.after, self.nth)


@dataclass
class Results:
    """What became of the mutants, by their index."""

    killed: set[int] = field(default_factory=set)
    survived: set[int] = field(default_factory=set)
    timed_out: set[int] = field(default_factory=set)
    unreached: set[int] = field(default_factory=set)  # survivors that no test executes
    otherwise: set[int] = field(default_factory=set)  # not to be replaced in place: imported afresh after all


def modules() -> dict[str, Path]:
    """What is mutated: every module of the checks, and those of the engine that decide a status or a verdict."""
    checks = sorted((ROOT / "checks" / "readiness_checks").glob("[!_]*.py"))
    return {f"readiness_checks.{path.stem}": path for path in checks} | {
        f"readiness.{name}": ROOT / "readiness" / f"{name}.py" for name in CORE
    }


def changed_since(revision: str) -> set[Path]:
    """The modules and the modules' tests that differ from a revision, as paths."""
    names = subprocess.run(
        ["git", "diff", "--name-only", revision], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    return {ROOT / name for name in names}


# ---------------------------------------------------------------------------------------------------------- forks


class Pool:
    """So many forks at once; each writes one number before it ends."""

    def __init__(self, jobs: int, on_end: Callable[[int, int | None], None], *, limited: bool = True) -> None:
        self.jobs, self.on_end, self.limited = jobs, on_end, limited
        self.running: dict[int, int] = {}

    def start(self, index: int, work: Callable[[], int]) -> None:
        while len(self.running) >= self.jobs:
            self._reap()
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                if self.limited:
                    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 5))
                    signal.signal(signal.SIGALRM, signal.SIG_DFL)
                    signal.alarm(WALL_LIMIT)
                silence = os.open(os.devnull, os.O_RDWR)
                for descriptor in (0, 1, 2):
                    os.dup2(silence, descriptor)
                code = work()
            except BaseException:  # noqa: BLE001 (whatever a mutant raises is no test that passed)
                code = 1
            finally:
                os._exit(code)
        self.running[pid] = index

    def _reap(self) -> None:
        pid, status = os.wait()
        index = self.running.pop(pid, None)
        if index is not None:
            self.on_end(index, os.waitstatus_to_exitcode(status))

    def drain(self) -> None:
        while self.running:
            self._reap()


def _sort(results: Results, index: int, code: int | None) -> None:
    if code == 0:
        results.survived.add(index)
    elif code == OTHERWISE:
        results.otherwise.add(index)
    elif code is not None and code < 0:
        results.timed_out.add(index)
    else:
        results.killed.add(index)


# ------------------------------------------------------------------------------------------------- in one process


class InPlace:
    """A pytest plugin: runs every test once to see what it executes, then the mutants in forks of this process."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, say: Callable[[str], None], *, aloud: bool) -> None:
        self.mutants, self.jobs, self.say, self.aloud = mutants, jobs, say, aloud
        self.results = Results()
        self.files: dict[str, list[str]] = {}
        self.failed: list[str] = []
        self.seconds: list[float] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} errors while the tests were read")
        items = session.items
        reached = self._baseline(items)
        if self.failed:
            return True
        self._run(items, reached)
        return True

    def _baseline(self, items: Sequence[pytest.Item]) -> dict[Path, dict[int, list[int]]]:
        """For each module, by line, the tests that execute it, as indexes."""
        paths = modules().values()
        seen = coverage.Coverage(data_file=None, include=[str(path) for path in paths], branch=False, config_file=False)
        seen.start()
        for index, item in enumerate(items):
            began = time.process_time()
            seen.switch_context(str(index))
            reports = runtestprotocol(item, log=False, nextitem=_next(items, index))
            self.seconds.append(time.process_time() - began)
            for report in reports:
                if report.failed:
                    self.failed.append(f"{item.nodeid}: {report.longreprtext[-600:]}")
        seen.stop()
        data = seen.get_data()
        reached: dict[Path, dict[int, list[int]]] = {}
        for module, path in modules().items():
            by_line = data.contexts_by_lineno(str(path))
            reached[path] = {line: sorted(int(each) for each in contexts if each) for line, contexts in by_line.items()}
            hits = Counter(
                items[index].nodeid.split("::")[0] for index in {i for each in reached[path].values() for i in each}
            )
            self.files[module] = [name for name, _ in hits.most_common()]
        self.say(f"{len(items)} tests, {sum(self.seconds):.0f} s of processor time")
        return reached

    def _run(self, items: Sequence[pytest.Item], reached: dict[Path, dict[int, list[int]]]) -> None:
        process = Process.of({mutant.path for mutant in self.mutants})
        killers = mmap.mmap(-1, 8 * max(1, len(self.mutants)))
        recent: dict[tuple[str, str], list[int]] = {}
        pool = Pool(self.jobs, lambda index, code: self._ended(index, code, killers, recent))
        gc.collect()
        gc.freeze()
        self._unchanged(items, reached, process)
        said = time.monotonic()
        for index, mutant in enumerate(() if self.failed else self.mutants):
            if mutant.how is not How.IN_PLACE:
                continue
            first, last = mutant.lines
            by_line = reached[mutant.path]
            tests = {test for line in range(first, last + 1) for test in by_line.get(line, ())}
            if not tests:
                self.results.survived.add(index)
                self.results.unreached.add(index)
                continue
            before = [test for test in recent.get((mutant.module, mutant.where), ()) if test in tests]
            order = before + sorted(tests - set(before), key=lambda test: self.seconds[test])
            pool.start(index, lambda m=mutant, o=order, i=index: _judged(m, o, items, process, killers, i))
            if time.monotonic() - said > 60:
                said = time.monotonic()
                self.say(f"{index} of {len(self.mutants)}: {len(self.results.survived)} survived so far")
        pool.drain()

    def _unchanged(
        self, items: Sequence[pytest.Item], reached: dict[Path, dict[int, list[int]]], process: Process
    ) -> None:
        """Judge each module as it is: where its own tests fail in a fork, a killed mutant would prove nothing."""
        modules = list({mutant.path: mutant for mutant in self.mutants}.values())
        killers = mmap.mmap(-1, 8 * max(1, len(modules)))

        def ended(index: int, code: int | None) -> None:
            if code != 0:
                (killer,) = struct.unpack_from("q", killers, 8 * index)
                self.failed.append(f"{modules[index].module}, unchanged: {items[killer - 1].nodeid} ({code})")

        pool = Pool(self.jobs, ended, limited=False)
        for index, mutant in enumerate(modules):
            tests = {test for line in reached[mutant.path].values() for test in line}
            order = sorted(tests, key=lambda test: self.seconds[test])
            pool.start(index, lambda m=mutant, o=order, i=index: _judged(unchanged(m), o, items, process, killers, i))
        pool.drain()

    def _ended(
        self, index: int, code: int | None, killers: mmap.mmap, recent: dict[tuple[str, str], list[int]]
    ) -> None:
        _sort(self.results, index, code)
        if index in self.results.survived and self.aloud:
            mutant = self.mutants[index]
            self.say(f"{mutant.module}:{mutant.lines[0]} {mutant.where}\n  - {mutant.before}\n  + {mutant.after}")
        (killer,) = struct.unpack_from("q", killers, 8 * index)
        if killer:
            mutant = self.mutants[index]
            known = recent.setdefault((mutant.module, mutant.where), [])
            if killer - 1 in known:
                known.remove(killer - 1)
            known.insert(0, killer - 1)


def _next(items: Sequence[pytest.Item], index: int) -> pytest.Item | None:
    return items[index + 1] if index + 1 < len(items) else None


def _judged(
    mutant: Mutant,
    order: Sequence[int],
    items: Sequence[pytest.Item],
    process: Process,
    killers: mmap.mmap,
    index: int,
) -> int:
    try:
        process.take(mutant)
    except (AssertionError, ValueError):  # a name of an outer function came or went
        return OTHERWISE
    for place, test in enumerate(order):
        following = items[order[place + 1]] if place + 1 < len(order) else None
        if any(report.failed for report in runtestprotocol(items[test], log=False, nextitem=following)):
            struct.pack_into("q", killers, 8 * index, test + 1)
            return 1
    return 0


@dataclass(frozen=True)
class Process:
    """The modules as this process has imported them: their source, the code compiled from it, and its functions."""

    sources: dict[Path, str]
    codes: dict[Path, list[CodeType]]
    functions: dict[Path, dict[str, list[FunctionType]]]
    caches: list[Any]

    @staticmethod
    def of(paths: set[Path]) -> Process:
        functions: dict[Path, dict[str, list[FunctionType]]] = {path: {} for path in paths}
        by_name = {str(path): named for path, named in functions.items()}
        caches = []
        for each in gc.get_objects():
            if isinstance(each, FunctionType):
                named = by_name.get(each.__code__.co_filename)
                if named is not None:
                    named.setdefault(each.__code__.co_qualname, []).append(each)
            elif type(each).__name__ == "_lru_cache_wrapper":
                caches.append(each)
        sources = {path: path.read_text() for path in paths}
        codes = {path: _codes(compile(source, str(path), "exec")) for path, source in sources.items()}
        return Process(sources, codes, functions, caches)

    def take(self, mutant: Mutant) -> None:
        """Replace the code of what the mutant changes; forget what was remembered of the code before."""
        old = self.codes[mutant.path]
        new = _codes(compile(mutant.applied(self.sources[mutant.path]), str(mutant.path), "exec"))
        assert len(old) == len(new), "a mutant never adds or takes a function"
        for before, after in zip(old, new, strict=True):
            if before != after:
                for function in self.functions[mutant.path].get(before.co_qualname, ()):
                    if function.__code__ == before:
                        function.__code__ = after
        for cache in self.caches:
            cache.cache_clear()


def _codes(code: CodeType) -> list[CodeType]:
    """The functions of a module as their code, outermost alone, in the order of the source."""
    found: list[CodeType] = []
    for each in code.co_consts:
        if isinstance(each, CodeType):
            is_class = not each.co_flags & 0x2  # a class body has no fast locals (CO_NEWLOCALS alone is not enough)
            found += _codes(each) if is_class else [each]
    return found


# --------------------------------------------------------------------------------------------------- imported afresh


class _Mutated:
    """Finds one module elsewhere: its mutated source."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> Any:
        if name != self.mutant.module:
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(self.mutant.path))

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        source = self.mutant.applied(self.mutant.path.read_text())
        module.__file__ = str(self.mutant.path)
        exec(compile(source, str(self.mutant.path), "exec"), module.__dict__)


def unchanged(mutant: Mutant) -> Mutant:
    """A mutant that changes nothing: what a fork does with it, it does without any."""
    return replace(mutant, start=0, end=0, text="")


def run_afresh(mutants: Sequence[Mutant], files: dict[str, list[str]], jobs: int, results: Results) -> list[str]:
    """Import each mutant in a fork and run the test files that execute its module, those that do most first.

    Returns:
        What fails without any change, then nothing else has been run.
    """
    failed: list[str] = []

    def work(mutant: Mutant) -> int:
        sys.meta_path.insert(0, _Mutated(mutant))
        sys.dont_write_bytecode = True
        return int(pytest.main([*PYTEST, *files[mutant.module][:6], "tests/test_packs.py"]))

    chosen = [
        (index, mutant)
        for index, mutant in enumerate(mutants)
        if mutant.how is How.AFRESH or index in results.otherwise
    ]
    controls = list({mutant.path: mutant for _, mutant in chosen if files.get(mutant.module)}.values())
    pool = Pool(
        jobs,
        lambda index, code: failed.append(f"{controls[index].module}, unchanged ({code})") if code != 0 else None,
        limited=False,
    )
    for index, mutant in enumerate(controls):
        pool.start(index, lambda m=mutant: work(unchanged(m)))
    pool.drain()
    pool = Pool(jobs, lambda index, code: _sort(results, index, code))
    for index, mutant in () if failed else chosen:
        if not files.get(mutant.module):
            results.survived.add(index)
            results.unreached.add(index)
            continue
        pool.start(index, lambda m=mutant: work(m))
    pool.drain()
    return failed


# ------------------------------------------------------------------------------------------------------------ report


def explanations(path: Path = EXPLAINED) -> list[Explanation]:
    if not path.exists():
        return []
    entries = tomllib.loads(path.read_text()).get("survivor", [])
    return [Explanation(**entry) for entry in entries]


@contextlib.contextmanager
def _whole_in_a_fork(target: Callable[[], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Run something that imports the checks in a process of its own, so that this one has not imported them."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as out:
            json.dump(target(), out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    yield json.loads(text) if text else {"failed": ["the process that runs the tests died"]}


def _in_place(mutants: Sequence[Mutant], jobs: int, *, aloud: bool) -> dict[str, Any]:
    plugin = InPlace(mutants, jobs, say, aloud=aloud)
    with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):  # noqa: PTH123
        code = pytest.main([*PYTEST, "--timeout=0", "--capture=sys", *TESTS], plugins=[plugin])
    failed = plugin.failed or ([] if plugin.files else [f"pytest ended with {code}"])
    results = plugin.results
    return {
        "failed": failed,
        "files": plugin.files,
        "tests": len(plugin.seconds),
        **{
            name: sorted(getattr(results, name))
            for name in ("killed", "survived", "timed_out", "unreached", "otherwise")
        },
    }


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _warm() -> None:
    """Import what every test imports, short of the modules that are mutated and of what imports them."""
    for name in ("hypothesis", "jsonschema", "redis.asyncio", "asyncssh", "ruamel.yaml", "httpx", "h11", "psycopg"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="e.g. redis or score; all when left out")
    parser.add_argument("--since", metavar="REV", help="only modules that differ from a git revision")
    parser.add_argument("--jobs", type=int, default=2, help="forks at once (2)")
    parser.add_argument("--wording", action="store_true", help="run the mutants that differ in prose alone, too")
    parser.add_argument("--list", action="store_true", help="print the mutants, run none")
    parser.add_argument("--survivors", metavar="FILE", type=Path, help="write what is not explained as TOML")
    parser.add_argument("--aloud", action="store_true", help="print each survivor at once")
    parser.add_argument("--again", metavar="FILE", type=Path, help="run the mutants of such a file alone")
    options = parser.parse_args()
    os.chdir(ROOT)
    chosen = modules()
    if options.modules:
        unknown = [name for name in options.modules if not any(each.split(".")[-1] == name for each in chosen)]
        if unknown:
            parser.error(
                f"no such module: {', '.join(unknown)} (there are: {', '.join(e.split('.')[-1] for e in chosen)})"
            )
        chosen = {name: path for name, path in chosen.items() if name.split(".")[-1] in options.modules}
    if options.since:
        changed = changed_since(options.since)
        chosen = {name: path for name, path in chosen.items() if path in changed}
    # a busy machine must fail no test, and every run must draw the same examples
    hypothesis.settings.register_profile("mutate", deadline=None, derandomize=True, database=None, max_examples=40)
    hypothesis.settings.load_profile("mutate")
    began = time.monotonic()
    everything = [mutant for name, path in chosen.items() for mutant in mutants_of(name, path)]
    mutants = [mutant for mutant in everything if options.wording or not mutant.wording]
    if options.again:
        keys = {each.key for each in explanations(options.again)}
        mutants = [mutant for mutant in mutants if mutant.key in keys]
    if options.list:
        for mutant in mutants:
            sys.stdout.write(f"{mutant.module}:{mutant.lines[0]} {mutant.where}: {mutant.before} -> {mutant.after}\n")
        return 0
    say(f"{len(mutants)} mutants of {len(chosen)} modules; {len(everything) - len(mutants)} of wording left out")
    with _whole_in_a_fork(lambda: _in_place(mutants, options.jobs, aloud=options.aloud)) as answer:
        if answer["failed"]:
            say("These tests fail without any mutant:\n" + "\n".join(answer["failed"]))
            return 1
    results = Results(*({*answer[name]} for name in ("killed", "survived", "timed_out", "unreached", "otherwise")))
    _warm()
    afresh = sum(mutant.how is How.AFRESH for mutant in mutants)
    say(f"in place: {len(results.survived)} survived; {afresh} mutants are imported afresh")
    failed = run_afresh(mutants, answer["files"], options.jobs, results)
    if failed:
        say("These tests fail without any mutant:\n" + "\n".join(failed))
        return 1
    return report(everything, mutants, results, chosen, options, int(answer["tests"]), time.monotonic() - began)


def report(
    everything: Sequence[Mutant],
    mutants: Sequence[Mutant],
    results: Results,
    chosen: dict[str, Path],
    options: argparse.Namespace,
    tests: int,
    seconds: float,
) -> int:
    """Say what survived; write MUTATION.md after a whole run. 0 when every survivor is explained and no more."""
    reasons = {each.key: each for each in explanations() if each.module in chosen}
    survivors = {mutants[index].key: mutants[index] for index in sorted(results.survived)}
    open_ones = [mutant for key, mutant in survivors.items() if key not in reasons]
    stale = [each for key, each in reasons.items() if key not in survivors and not options.again]
    unreached = {mutants[index].key for index in results.unreached}
    for mutant in open_ones:
        note = " (no test executes it)" if mutant.key in unreached else ""
        say(
            f"survived: {mutant.module}:{mutant.lines[0]} {mutant.where}{note}\n  - {mutant.before}\n  + {mutant.after}"
        )
    for each in stale:
        say(f"explained, but no survivor: {each.module} {each.where}: {each.before} -> {each.after}")
    if options.survivors:
        options.survivors.write_text("".join(_as_toml(mutant, "") for mutant in open_ones))
    whole = not options.modules and not options.since and not options.again
    text = _written(everything, mutants, results, reasons, chosen, tests, seconds)
    sys.stdout.write(text)
    if whole:
        RESULT.write_text(text)
    say(f"{len(open_ones)} survivors without an explanation, {len(stale)} explanations without a survivor")
    return 1 if open_ones or stale else 0


def _as_toml(mutant: Mutant, why: str) -> str:
    lines = ["[[survivor]]", *(f"{name} = {json.dumps(value)}" for name, value in _named(mutant).items())]
    if mutant.nth != 1:
        lines.append(f"nth = {mutant.nth}")
    return "\n".join([*lines, f"why = {json.dumps(why)}", "", ""])


def _named(mutant: Mutant) -> dict[str, str]:
    return {"module": mutant.module, "where": mutant.where, "before": mutant.before, "after": mutant.after}


def _written(
    everything: Sequence[Mutant],
    mutants: Sequence[Mutant],
    results: Results,
    reasons: dict[tuple[str, str, str, str, int], Explanation],
    chosen: dict[str, Path],
    tests: int,
    seconds: float,
) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("mutmut", "pytest", "coverage"))
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty=, changed"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    rows = []
    total: Counter[str] = Counter()
    for module in chosen:
        counts: Counter[str] = Counter()
        for index, mutant in enumerate(mutants):
            if mutant.module != module:
                continue
            counts["mutants"] += 1
            if index in results.timed_out:
                counts["timed out"] += 1
            elif index in results.killed:
                counts["killed"] += 1
            else:
                counts["explained" if mutant.key in reasons else "survived"] += 1
        counts["wording"] = sum(each.wording for each in everything if each.module == module)
        total += counts
        rows.append((module, counts))
    columns = ("mutants", "killed", "timed out", "explained", "survived", "wording")
    table = [
        "| module | mutants | killed | timed out | survived, explained | survived, open | excluded: wording |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(f"| `{name}` | " + " | ".join(str(counts[each]) for each in columns) + " |" for name, counts in rows),
        "| **all** | " + " | ".join(f"**{total[each]}**" for each in columns) + " |",
    ]
    explained = [
        f"- `{each.module}`, `{each.where}`: {_quoted(each.before)} to {_quoted(each.after)}. {each.why}"
        for each in reasons.values()
    ]
    return (
        "\n".join(
            [
                "# Mutation testing of the checks and of the verdict rules",
                "",
                "Written by `./run mutate`; not by hand.",
                "",
                f"- command: `./run mutate{''.join(f' {each}' for each in sys.argv[1:])}`, revision {revision}",
                f"- date: {datetime.now(UTC):%Y-%m-%d}; Python {platform.python_version()}, {versions}",
                f"- {tests} tests; {seconds / 60:.0f} minutes; a mutant times out after {CPU_LIMIT} s of the processor",
                "- excluded: what can only change the wording. These are strings and what is formatted into them,"
                " unless they are compared with something; the arguments "
                + ", ".join(f"`{each}`" for each in _wording_arguments())
                + "; functions declared to return strings (`str`, `tuple[str, ...]`); choices between two strings.",
                "",
                *table,
                "",
                "## Survivors that are explained",
                "",
                "Kept in `survivors.toml`; an entry that explains no survivor any more makes the run fail.",
                "",
                *(explained or ["None."]),
            ]
        )
        + "\n"
    )


def _wording_arguments() -> list[str]:
    from mutants import WORDING_ARGUMENTS

    return sorted(WORDING_ARGUMENTS)


def _quoted(text: str) -> str:
    short = text if len(text) <= 90 else f"{text[:60]} ... {text[-25:]}"
    return f"`` {short} ``"


if __name__ == "__main__":
    sys.exit(main())
