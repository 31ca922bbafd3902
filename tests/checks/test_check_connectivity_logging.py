"""connectivity.logging: the declared URL asked from every VM, and what its answers mean for the row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from readiness_checks.connectivity import ReachesLogging
from readiness_checks.optional import LoggingRuns
from readiness_checks.rows import Use
from readiness_checks.said_http import said_by_logging

from readiness.lab.elasticsearch import Elasticsearch
from readiness.model import Cause, Judgement, Lane, Level, Outcome, Reason, Status, Unread, status_of
from readiness.plan import plan
from readiness.probe import Attempt
from readiness.probes.http import HttpRefusal, RefusalKind
from readiness.probes.monitoring import AskLogging, ElementAnswer, Ending, Login, Product
from readiness.probes.tcp import AddressPath, DialTcp, TcpPath
from readiness.probes.tls import Certificate, TlsFailure, TlsTrouble
from readiness.secret import SecretRef
from readiness.site import EdgeTarget, Endpoint, Logging, Role, Site, Vm
from readiness.vantage import Dialled, PathVerdict, Resolution
from tests.lab.engine import site
from tests.lab.mapped import Authority, Mapped, gathered

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOST = "logs.acme.example"
PASSWORD = SecretRef(env="P")
LOGGING = Logging(
    url=f"https://{HOST}:9200",
    endpoint=Endpoint(HOST, 9200),
    username="exec",
    password=PASSWORD,
    ca_file=Path("acme-ca.pem"),
)
VMS = tuple(
    Vm(name=name, role=role, host=name, address=name, port=None)
    for name, role in (("excs-1", Role.EXCS), ("exas-1", Role.EXAS), ("excp-1", Role.EXCP), ("excp-2", Role.EXCP))
)


def planned(logging: Logging = LOGGING) -> Site:
    return site(vms=VMS, logging=logging)


def edge(logging: Logging = LOGGING) -> EdgeTarget:
    found = ReachesLogging().targets(planned(logging))[0]
    assert isinstance(found, EdgeTarget)
    return found


def path(verdict: PathVerdict = PathVerdict.OPEN) -> TcpPath:
    tried = AddressPath(
        address="10.20.0.5",
        attempts=tuple(Dialled(verdict=verdict, ms=1.0, tool="python3") for _ in range(3)),
        control=None,
    )
    return TcpPath(
        vantage="excs-1",
        host=HOST,
        port=9200,
        resolution=Resolution(name=HOST, addresses=("10.20.0.5",)),
        tried=(tried,),
    )


def certificate(days: int = 90) -> Certificate:
    return Certificate(
        subject="CN=logs",
        issuer="CN=ACME CA",
        names=(HOST,),
        not_before=NOON - timedelta(days=1),
        not_after=NOON + timedelta(days=days),
        fingerprint="00",
        seen_at=NOON,
    )


def answer(ending: Ending = Ending.WELL, **changes: object) -> ElementAnswer:
    known = ending in (Ending.WELL, Ending.UNWELL, Ending.WITHHELD)
    given: dict[str, object] = {
        "vantage": "excs-1",
        "url": LOGGING.url,
        "sought": "a log system that is known here",
        "ending": ending,
        "login": Login.ACCEPTED if known else Login.UNTOLD,
        "product": Product.ELASTICSEARCH if known else None,
        "version": "8.15.3" if known else "",
        "condition": "its cluster logs is green" if known else "",
        "said": "",
        "calls": (),
        "refusal": None,
        "certificate": certificate(),
    }
    return ElementAnswer(**given | changes)  # type: ignore[arg-type]


def unreached(kind: RefusalKind, **more: object) -> ElementAnswer:
    refusal = HttpRefusal(kind=kind, text="raw words", **more)  # type: ignore[arg-type]
    return answer(Ending.UNREACHED, refusal=refusal, certificate=None)


def untrusted(trouble: TlsTrouble) -> ElementAnswer:
    return unreached(RefusalKind.TLS, tls=TlsFailure(trouble=trouble, text="raw words", certificate=certificate()))


def judged(said: ElementAnswer | Unread, seen: TcpPath | Unread | None = None, logging: Logging = LOGGING) -> Judgement:
    return ReachesLogging().judge(edge(logging), seen if seen is not None else path(), said)


def level(judgement: Judgement) -> Level:
    return max(piece.level for piece in judgement.evidence)


def status(judgement: Judgement) -> Status:
    return status_of(judgement.outcome, ReachesLogging.requirement.obligation)


LOST = Unread(reason=Reason(code=Cause.UNSUPPORTED, detail="no way to carry a conversation", enable="Allow it."))


def test_the_row_and_the_element_put_the_same_questions() -> None:
    """Each VM is asked once, whoever wants to know."""
    found = plan(planned(), (ReachesLogging, LoggingRuns))
    asked = {probe for probe in found.probes if isinstance(probe, AskLogging)}
    assert asked == {AskLogging.of(vm.name, LOGGING) for vm in VMS}
    assert ReachesLogging().needs(edge()) == (
        Attempt(DialTcp("excs-1", HOST, 9200)),
        Attempt(AskLogging.of("excs-1", LOGGING)),
    )


@pytest.mark.parametrize(
    ("said", "expected", "highest", "words"),
    [
        (answer(), Status.PASS, Level.AUTHENTICATED, "answers as Elasticsearch 8.15.3 and takes the declared account"),
        (answer(Ending.UNWELL), Status.PASS, Level.AUTHENTICATED, "answers as Elasticsearch"),
        (answer(Ending.WITHHELD), Status.PASS, Level.AUTHENTICATED, "answers as Elasticsearch"),
        (answer(login=Login.NOT_NEEDED), Status.PASS, Level.PROTOCOL, "answers as Elasticsearch 8.15.3."),
        (answer(Ending.LOGIN_MISSING), Status.PASS, Level.PROTOCOL, "demands an account"),
        (answer(Ending.FOREIGN), Status.PASS, Level.PROTOCOL, "answers in HTTP"),
        (answer(Ending.FORBIDDEN), Status.PASS, Level.PROTOCOL, "forbids the question"),
        (answer(Ending.OVERLOADED), Status.PASS, Level.PROTOCOL, "asked too often"),
        (answer(Ending.UNREADABLE), Status.PASS, Level.PROTOCOL, "cannot be read"),
        (LOST, Status.PASS, Level.TCP, "reaches the logging solution"),
        (answer(Ending.LOGIN_REFUSED, login=Login.REFUSED), Status.WARN, Level.PROTOCOL, "refuses the declared"),
        (answer(Ending.FOREIGN, product=Product.KIBANA), Status.WARN, Level.PROTOCOL, "is Kibana"),
        (answer(Ending.MOVED, said="https://sso.example/"), Status.WARN, Level.PROTOCOL, "https://sso.example/"),
        (answer(Ending.FAILING), Status.WARN, Level.PROTOCOL, "answers with an error"),
        (answer(Ending.WANTS_TLS), Status.WARN, Level.PROTOCOL, "wants TLS"),
        (answer(certificate=certificate(30)), Status.WARN, Level.AUTHENTICATED, "ends in 30 days"),
        (unreached(RefusalKind.SILENT), Status.WARN, Level.TCP, "never answers"),
        (unreached(RefusalKind.CLOSED), Status.WARN, Level.TCP, "closes it without an answer"),
        (unreached(RefusalKind.NOT_HTTP), Status.WARN, Level.TCP, "not in HTTP"),
        (untrusted(TlsTrouble.EXPIRED), Status.WARN, Level.PROTOCOL, "has expired"),
        (untrusted(TlsTrouble.UNTRUSTED_ISSUER), Status.WARN, Level.PROTOCOL, "is not trusted"),
        (unreached(RefusalKind.PATH, verdict=PathVerdict.TIMEOUT), Status.WARN, Level.TCP, "at one moment"),
    ],
)
def test_an_open_way_is_judged_by_what_answers(
    said: ElementAnswer | Unread, expected: Status, highest: Level, words: str
) -> None:
    """Any answer in HTTP proves the row; an account that was let in proves the most; nothing fails."""
    found = judged(said)
    assert (status(found), level(found)) == (expected, highest)
    assert words in found.summary
    assert "None" not in found.summary + found.observed + found.remedy
    if expected is Status.WARN:
        assert found.remedy
        assert found.job
        assert found.lane is not None


def test_an_authority_that_is_not_declared_leaves_the_row_open() -> None:
    """Whether the VMs know it cannot be seen from here."""
    found = judged(untrusted(TlsTrouble.UNTRUSTED_ISSUER), logging=replace(LOGGING, ca_file=None))
    assert (found.outcome, found.lane) == (Outcome.UNKNOWN, Lane.TLS)
    assert found.reason is not None
    assert "logging.ca_file" in found.reason.enable


@pytest.mark.parametrize("verdict", [PathVerdict.REFUSED, PathVerdict.TIMEOUT, PathVerdict.NO_ROUTE])
def test_a_closed_way_warns_as_before(verdict: PathVerdict) -> None:
    """Where connects and request agree, the words are those of the path."""
    found = judged(unreached(RefusalKind.PATH, verdict=verdict), path(verdict))
    assert (status(found), level(found)) == (Status.WARN, Level.TCP)
    assert "cannot reach the logging solution" in found.summary


def test_an_answer_proves_the_way_where_no_connect_could_be_made() -> None:
    """A VM without a tool to dial still carries the request."""
    assert status(judged(answer(), LOST)) is Status.PASS
    assert judged(LOST, LOST).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_has_a_use(ending: Ending) -> None:
    """An ending that somebody adds is not let through unseen."""
    said = answer(ending) if ending is not Ending.UNREACHED else unreached(RefusalKind.SILENT)
    found = said_by_logging(edge(), said)
    assert found.words
    assert found.proves.endswith(".")
    assert bool(found.remedy) is bool(found.job) is (found.use is not Use.USABLE)


async def test_a_real_conversation_raises_the_row_to_its_level(tmp_path: Path) -> None:
    """Over verified TLS, with the account and without: the two levels that the row can reach."""
    authority = Authority.found(tmp_path)
    declared = replace(LOGGING, ca_file=authority.ca_file)
    async with Elasticsearch(users={"exec": "c4nary-Of-Logs"}, tls=authority.serving(HOST)) as search:
        for logging, expected in ((declared, Level.AUTHENTICATED), (replace(declared, username=None), Level.PROTOCOL)):
            machine = Mapped("excs-1", {HOST: search.server.port})
            probe = AskLogging.of("excs-1", logging)
            response = await probe.read(gathered(machine, secrets={PASSWORD: "c4nary-Of-Logs"}))
            found = judged(probe.parse(response), logging=logging)
            assert (status(found), level(found)) == (Status.PASS, expected)
            assert found.valid_until is not None
