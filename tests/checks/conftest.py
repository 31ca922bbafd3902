"""Every decision that a test of a check brings about is compared with those that were reviewed for that test.

A table's row says what matters to it. The rest of a decision (lane, reason, each piece of evidence, figures, what a
target is called) is kept in decisions.json, by test function, as the set of what its rows have led to. A
decision that is not there fails the test. Where it is meant: `pytest tests/checks --decisions=record`, and review the
difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest

from readiness.check import Check, Settled
from readiness.model import Judgement, Target

KEPT = Path(__file__).with_name("decisions.json")
Decisions = dict[str, dict[str, list[str]]]


class Listening:
    """What the checks decide, wherever a test asks them; they decide as ever."""

    def __init__(self) -> None:
        self.heard: set[tuple[str, str]] = set()

    def start(self, patch: pytest.MonkeyPatch) -> None:
        for check in _every(Check):
            for name, of in (("judge", self._judged), ("targets", self._planned)):
                if name in vars(check) and check.__module__.startswith("readiness_checks"):
                    patch.setattr(check, name, self._heard(vars(check)[name], of))

    def _heard(self, method: Callable[..., Any], of: Callable[[Any, Any], None]) -> Callable[..., Any]:
        @wraps(method)
        def listened(check: Check[Any], *args: object, **kwargs: object) -> object:
            result = method(check, *args, **kwargs)
            of(check, result)
            return result

        return listened

    def _judged(self, check: Check[Any], judgement: Judgement) -> None:
        self.heard.add((_name(check), f"judge: {_told(judgement)}"))

    def _planned(self, check: Check[Any], targets: Sequence[Target | Settled]) -> None:
        shown = [
            f"{_target(each.target)} {_told(each.judgement)}" if isinstance(each, Settled) else _target(each)
            for each in targets
        ]
        self.heard.add((_name(check), f"targets: {'; '.join(shown)}"))


def _every(of: type) -> Iterator[type]:
    for each in of.__subclasses__():
        yield each
        yield from _every(each)


def _name(check: Check[Any]) -> str:
    requirement = getattr(check, "requirement", None)
    return requirement.id if requirement is not None else type(check).__name__


def _target(target: Target) -> str:
    extra = "" if target.obligation is None else f" {target.obligation}"
    return f"{target.kind} {target.name} ({target.source} {target.host} {target.port}{extra})"


def _told(judgement: Judgement) -> str:
    """All that others act upon; the words are a matter of the tests' own assertions."""
    reason = judgement.reason
    said = [
        judgement.outcome.value,
        f"lane {judgement.lane}" if judgement.lane is not None else "",
        f"owner {judgement.owner}" if judgement.owner is not None else "",
        f"reason {reason.code}{f' by {reason.by}' if reason.by else ''}" if reason is not None else "",
        f"until {judgement.valid_until:%Y-%m-%d %H:%M}" if judgement.valid_until is not None else "",
        f"figures {dict(judgement.figures)}" if judgement.figures else "",
        *(f"[{piece.level.word} {piece.label}: {piece.value}]" for piece in judgement.evidence),
        "".join(
            letter if words else "-"
            for letter, words in zip(
                "eorRj",
                (judgement.expected, judgement.observed, judgement.reasoning, judgement.remedy, judgement.job),
                strict=True,
            )
        ),
    ]
    return " ".join(word for word in said if word)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--decisions", choices=("compare", "record"), default="compare")


@pytest.fixture(scope="session")
def listening() -> Iterator[Listening]:
    ear = Listening()
    with pytest.MonkeyPatch.context() as patch:
        ear.start(patch)
        yield ear


@pytest.fixture(scope="session")
def reviewed(request: pytest.FixtureRequest) -> Iterator[Decisions]:
    kept: Decisions = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if request.config.getoption("--decisions", "compare") == "compare":
        yield kept
        return
    recorded: Decisions = {}
    yield recorded
    kept.update(recorded)
    KEPT.write_text(json.dumps({name: kept[name] for name in sorted(kept)}, indent=1, sort_keys=True) + "\n")


@pytest.fixture(autouse=True)
def decided(request: pytest.FixtureRequest, listening: Listening, reviewed: Decisions) -> Iterator[None]:
    """Compare what this test led to with what was reviewed, or record it; a test that decides nothing is free."""
    listening.heard.clear()
    yield
    of = request.function
    if iscoroutinefunction(of) or hasattr(of, "hypothesis") or "tmp_path" in request.fixturenames:
        return  # real servers, drawn examples and folders differ from run to run
    name = f"{Path(request.node.path).name}::{request.node.originalname}"
    if request.config.getoption("--decisions", "compare") == "record":
        by_check = reviewed.setdefault(name, {})
        for check, told in listening.heard:
            by_check[check] = sorted({*by_check.get(check, ()), told})
        return
    known = reviewed.get(name)
    if known is None:
        return
    new = sorted((check, told) for check, told in listening.heard if told not in known.get(check, ()))
    if new:
        pytest.fail(
            "decided as never before in this test (`pytest tests/checks --decisions=record`, then review):\n"
            + "\n".join(f"{check} {told}" for check, told in new),
            pytrace=False,
        )
