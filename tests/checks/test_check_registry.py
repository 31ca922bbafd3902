"""registry.*: how facts are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from readiness_checks.registry import ImageTarget, RegistryImages, RegistryReachable, RegistryTrustedByVms

from readiness.check import Settled
from readiness.model import Cause, Judgement, Lane, Level, Outcome, Reason, Unread
from readiness.probes.http import BodyEnd, HttpAnswer, HttpRefusal, HttpResult, RefusalKind, Timing
from readiness.probes.linux import Family, System
from readiness.probes.registry import Holding, ImageAnswer, Login, RegistryTalk, Scheme
from readiness.probes.registry_trust import RegistryTrust, Trust, Verification
from readiness.probes.tls import Certificate, TlsFailure, TlsTrouble
from readiness.site import Absent, Endpoint, Registry, Role, ServiceTarget, Site, Vm, VmTarget
from readiness.vantage import PathVerdict
from tests.lab.engine import site

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
IMAGE = "exec/excs:1"


def registry(**changes: object) -> Registry:
    given = {
        "url": "https://r.example",
        "endpoint": Endpoint("r.example", 443),
        "username": "pull",
        "ca_file": Path("acme-ca.pem"),
        "images": (IMAGE, "exec/exas:1"),
    } | changes
    return Registry(**given)  # type: ignore[arg-type]


def planned(**changes: object) -> Site:
    return site(registry=registry(**changes))


def certificate(days: int) -> Certificate:
    return Certificate(
        subject="CN=r.example",
        issuer="CN=ACME CA",
        names=("r.example",),
        not_before=NOON - timedelta(days=1),
        not_after=NOON + timedelta(days=days),
        fingerprint="00",
        seen_at=NOON,
    )


def door(status: int = 401, *, days: int = 90, headers: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    return HttpAnswer(
        status=status,
        headers=headers,
        body="",
        body_end=BodyEnd.WHOLE,
        certificate=certificate(days),
        how="SSH forwarding",
        timing=Timing(connect_s=0, tls_s=0, answer_s=0),
        sent_at=0,
        answered_at=0,
    )


def refused(kind: RefusalKind, **more: object) -> HttpRefusal:
    return HttpRefusal(kind=kind, text="its own words", **more)  # type: ignore[arg-type]


def tls(trouble: TlsTrouble) -> HttpRefusal:
    return refused(RefusalKind.TLS, tls=TlsFailure(trouble=trouble, text="its own words"))


def talk(
    at: HttpResult | None = None, scheme: Scheme = Scheme.BASIC, login: Login = Login.TAKEN, *images: ImageAnswer
) -> RegistryTalk:
    return RegistryTalk(
        spoken_from="excs-1",
        door=at or door(),
        scheme=scheme,
        login=login,
        login_said="status 401, UNAUTHORIZED" if login is Login.REFUSED else "status 200",
        images={image.image: image for image in images},
        passed_by={"exas-1": "no answer to SSH"},
    )


def reachable(fact: RegistryTalk, **changes: object) -> Judgement:
    (target,) = RegistryReachable().targets(planned(**changes))
    assert isinstance(target, ServiceTarget)
    return RegistryReachable().judge(target, fact)


@pytest.mark.parametrize(
    ("fact", "outcome", "lane"),
    [
        (talk(), Outcome.MET, None),
        (talk(door(200), Scheme.OPEN, Login.NONE), Outcome.MET, None),
        (talk(login=Login.UNTOLD), Outcome.MET, None),
        (talk(door(days=31)), Outcome.MET, None),
        (talk(door(days=30)), Outcome.WEAK, Lane.TLS),
        (talk(login=Login.REFUSED), Outcome.WEAK, Lane.AUTH),
        (talk(door(404), Scheme.OTHER), Outcome.MISSED, Lane.CONFIGURATION),
        (talk(door(401), Scheme.OTHER), Outcome.MISSED, Lane.CONFIGURATION),
        (talk(door(503), Scheme.OTHER), Outcome.UNKNOWN, Lane.SERVICE),
        (talk(door(429), Scheme.OTHER), Outcome.UNKNOWN, Lane.SERVICE),
        (talk(door(301, headers=(("location", "https://x"),)), Scheme.OTHER), Outcome.UNKNOWN, Lane.CONFIGURATION),
        (talk(refused(RefusalKind.PATH, verdict=PathVerdict.REFUSED)), Outcome.MISSED, Lane.SERVICE),
        (talk(refused(RefusalKind.PATH, verdict=PathVerdict.TIMEOUT)), Outcome.MISSED, Lane.FIREWALL),
        (talk(refused(RefusalKind.PATH)), Outcome.MISSED, Lane.DNS),
        (talk(refused(RefusalKind.NOT_HTTP)), Outcome.MISSED, Lane.SERVICE),
        (talk(tls(TlsTrouble.EXPIRED)), Outcome.MISSED, Lane.TLS),
        (talk(tls(TlsTrouble.WRONG_NAME)), Outcome.MISSED, Lane.TLS),
        (talk(tls(TlsTrouble.UNTRUSTED_ISSUER)), Outcome.MISSED, Lane.TLS),
        (talk(tls(TlsTrouble.PLAINTEXT)), Outcome.MISSED, Lane.SERVICE),
    ],
)
def test_a_registry_is_told_by_its_door(fact: RegistryTalk, outcome: Outcome, lane: Lane | None) -> None:
    """A registry's door passes, a refused account or a certificate near its end warns, anything else is no pass."""
    judgement = reachable(fact)
    assert (judgement.outcome, judgement.lane) == (outcome, lane), judgement
    assert judgement.evidence
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.remedy
        assert judgement.job


def test_an_unknown_authority_fails_only_where_one_is_declared() -> None:
    """Without `ca_file` nobody has said which authority is meant."""
    judgement = reachable(talk(tls(TlsTrouble.UNTRUSTED_ISSUER)), ca_file=None)
    assert judgement.outcome is Outcome.UNKNOWN
    assert judgement.reason is not None
    assert (judgement.reason.code, "registry.ca_file" in judgement.reason.enable) == (Cause.UNDECLARED, True)


def test_a_proof_ends_with_the_certificate() -> None:
    """It is not good for longer than what it rests on."""
    assert reachable(talk(door(days=60))).valid_until == NOON + timedelta(days=60)


def test_an_accepted_account_is_evidence_of_the_highest_level() -> None:
    """A login proves more than a door."""
    assert max(evidence.level for evidence in reachable(talk()).evidence) is Level.AUTHENTICATED
    assert max(evidence.level for evidence in reachable(talk(login=Login.NONE)).evidence) is Level.PROTOCOL


def test_machines_that_were_passed_by_are_named() -> None:
    """The reader learns from where it was asked, and from where it could not be."""
    assert "exas-1 could not reach it" in reachable(talk()).reasoning


def test_what_the_pass_rests_on_is_told() -> None:
    """An account, one that could not be tried, an open door, plain HTTP: the reader learns what was proven."""
    assert "as an engine's login tries it" in reachable(talk()).reasoning
    assert "could not be told" in reachable(talk(login=Login.UNTOLD)).reasoning
    anybody = talk(door(200), Scheme.OPEN, Login.NONE)
    assert "lets anybody in" in reachable(anybody).reasoning
    assert "lets anybody in" not in reachable(anybody, username=None).reasoning
    assert "plain HTTP" in reachable(anybody, url="http://r.example").reasoning
    assert "plain HTTP" not in reachable(anybody).reasoning
    assert "could not reach it" not in reachable(replace(anybody, passed_by={})).reasoning


def test_the_evidence_shows_what_the_door_showed() -> None:
    """A certificate and a login show where there was one; a refused account proves the protocol alone."""
    shown = [(piece.label, piece.level) for piece in reachable(talk()).evidence]
    assert shown == [("GET /v2/", Level.PROTOCOL), ("Certificate", Level.PROTOCOL), ("Login", Level.AUTHENTICATED)]
    clear = replace(door(), certificate=None)
    assert [piece.label for piece in reachable(talk(clear, login=Login.NONE)).evidence] == ["GET /v2/"]
    refused_account = reachable(talk(login=Login.REFUSED)).evidence
    assert [piece.level for piece in refused_account if piece.label == "Login"] == [Level.PROTOCOL]


# -- images


def system(machine: str) -> System:
    return System(
        name="Debian",
        id="debian",
        version_id="12",
        family=Family.DEBIAN,
        kernel_name="Linux",
        kernel="6.1.0",
        machine=machine,
        userland_bits=64,
    )


UNREAD = Unread(reason=Reason(code=Cause.UNREACHABLE, detail="no answer to SSH"))


def image(holding: Holding, *platforms: str, **more: object) -> ImageAnswer:
    status = {Holding.HELD: 200, Holding.MISSING: 404, Holding.DENIED: 403, Holding.UNCLEAR: 500}[holding]
    return ImageAnswer(image=IMAGE, holding=holding, platforms=platforms, **({"status": status} | more))  # type: ignore[arg-type]


def holds(answer: ImageAnswer, *machines: str, login: Login = Login.TAKEN, at: HttpResult | None = None) -> Judgement:
    target = RegistryImages().targets(planned())[0]
    assert isinstance(target, ImageTarget)
    systems = [system(machine) for machine in machines] or [UNREAD]
    return RegistryImages().judge(target, talk(at, Scheme.BASIC, login, answer), *systems)


@pytest.mark.parametrize(
    ("answer", "machines", "outcome", "lane"),
    [
        (image(Holding.HELD, "linux/amd64"), ("x86_64",), Outcome.MET, None),
        (image(Holding.HELD, "linux/arm64", "linux/amd64"), ("x86_64", "aarch64"), Outcome.MET, None),
        # no VM told its architecture: the usual one is expected
        (image(Holding.HELD, "linux/amd64"), (), Outcome.MET, None),
        (image(Holding.HELD, "linux/arm64"), (), Outcome.UNKNOWN, Lane.PROBE),
        (image(Holding.HELD, "linux/arm64"), ("x86_64",), Outcome.MISSED, Lane.CONFIGURATION),
        (image(Holding.HELD, "linux/amd64"), ("x86_64", "aarch64"), Outcome.MISSED, Lane.CONFIGURATION),
        (image(Holding.HELD, "windows/amd64"), ("x86_64",), Outcome.MISSED, Lane.CONFIGURATION),
        (image(Holding.HELD), ("x86_64",), Outcome.WEAK, Lane.CONFIGURATION),
        (image(Holding.MISSING), ("x86_64",), Outcome.MISSED, Lane.CONFIGURATION),
        (image(Holding.DENIED), ("x86_64",), Outcome.MISSED, Lane.AUTH),
        (image(Holding.UNCLEAR), ("x86_64",), Outcome.UNKNOWN, Lane.SERVICE),
        (image(Holding.UNCLEAR, reason=Reason(code=Cause.TIMEOUT, detail="x")), (), Outcome.UNKNOWN, Lane.SERVICE),
    ],
)
def test_an_image_counts_for_the_vms_architecture(
    answer: ImageAnswer, machines: tuple[str, ...], outcome: Outcome, lane: Lane | None
) -> None:
    """Held for every architecture of the VMs passes; missing, denied, or for another one alone is a miss."""
    judgement = holds(answer, *machines)
    assert (judgement.outcome, judgement.lane) == (outcome, lane), judgement
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert IMAGE in judgement.remedy or "docker buildx" in judgement.remedy


def test_the_evidence_of_an_image_is_worth_what_the_account_is() -> None:
    """Read with an account that was accepted it is authenticated; without, or not found, it is the protocol's."""

    def shown(answer: ImageAnswer, login: Login = Login.TAKEN) -> list[tuple[str, str, Level]]:
        evidence = holds(answer, "x86_64", login=login).evidence
        return [(piece.label, piece.value, piece.level) for piece in evidence if piece.label != "GET /v2/"]

    held = image(Holding.HELD, "linux/amd64", digest="sha256:00ff")
    for login, level in ((Login.TAKEN, Level.AUTHENTICATED), (Login.NONE, Level.PROTOCOL)):
        assert shown(held, login) == [
            ("Manifest", "status 200", level),
            ("Digest", "sha256:00ff", level),
            ("Platforms", "linux/amd64", level),
        ]
    assert shown(image(Holding.MISSING, said="MANIFEST_UNKNOWN")) == [
        ("Manifest", "status 404 (MANIFEST_UNKNOWN)", Level.PROTOCOL)
    ]
    assert shown(image(Holding.UNCLEAR, status=None)) == [("Manifest", "no answer", Level.DECLARED)]


def test_without_a_declared_account_a_refusal_breaks_no_rule() -> None:
    """The engines may have an account that the site file does not name: that is asked for, not failed."""
    site = planned(username=None, password=None)
    target = RegistryImages().targets(site)[0]
    assert isinstance(target, ImageTarget)
    answer = talk(None, Scheme.BASIC, Login.NONE, image(Holding.DENIED))
    judgement = RegistryImages().judge(target, answer, system("x86_64"))
    assert judgement.reason is not None
    assert (judgement.outcome, judgement.reason.code) == (Outcome.UNKNOWN, Cause.UNDECLARED)
    assert "registry.username" in judgement.remedy


def test_a_refused_account_is_told_from_a_missing_right() -> None:
    """The reasoning says whether the account or the right is what lacks."""
    assert "refuses the account altogether" in holds(image(Holding.DENIED), login=Login.REFUSED).reasoning
    assert "hides what it holds" in holds(image(Holding.DENIED)).reasoning


def test_images_wait_for_their_registry() -> None:
    """Where no registry answers, that finding stands in the way."""
    judgement = holds(image(Holding.MISSING), at=refused(RefusalKind.PATH, verdict=PathVerdict.TIMEOUT))
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.reason.by) == (Cause.BLOCKED, "registry.reachable[r.example:443]")


# -- trust


def trusts(
    store: Trust,
    folder: Trust | None = None,
    *,
    insecure: bool | None = False,
    hidden: bool = False,
    plain: bool = False,
) -> Judgement:
    files = {} if folder is None else {"/etc/docker/certs.d/r.example/ca.crt": Verification(trust=folder, tool="curl")}
    fact = RegistryTrust(
        vantage="excs-1",
        store=Verification(trust=store, tool="curl", said="unable to get local issuer certificate"),
        folder=files,
        hidden=hidden,
        insecure=insecure,
    )
    of = planned(url="http://r.example:5000", endpoint=Endpoint("r.example", 5000)) if plain else planned()
    target = RegistryTrustedByVms().targets(of)[0]
    assert isinstance(target, VmTarget)
    return RegistryTrustedByVms().judge(target, fact)


@pytest.mark.parametrize(
    ("judge", "outcome", "code"),
    [
        (lambda: trusts(Trust.TRUSTED), Outcome.MET, None),
        (lambda: trusts(Trust.UNTRUSTED, Trust.TRUSTED), Outcome.MET, None),
        (lambda: trusts(Trust.UNTRUSTED, insecure=True), Outcome.MET, None),
        (lambda: trusts(Trust.UNTRUSTED), Outcome.MISSED, None),
        (lambda: trusts(Trust.UNTRUSTED, Trust.UNTRUSTED), Outcome.MISSED, None),
        (lambda: trusts(Trust.UNTRUSTED, insecure=None), Outcome.UNKNOWN, Cause.PERMISSION),
        (lambda: trusts(Trust.UNTRUSTED, hidden=True), Outcome.UNKNOWN, Cause.PERMISSION),
        (lambda: trusts(Trust.UNREACHED), Outcome.UNKNOWN, Cause.BLOCKED),
        (lambda: trusts(Trust.UNTRIED), Outcome.UNKNOWN, Cause.TOOL_MISSING),
        (lambda: trusts(Trust.UNTRIED, plain=True, insecure=True), Outcome.MET, None),
        (lambda: trusts(Trust.UNTRIED, plain=True, insecure=False), Outcome.MISSED, None),
        (lambda: trusts(Trust.UNTRIED, plain=True, insecure=None), Outcome.UNKNOWN, Cause.PERMISSION),
    ],
)
def test_a_vm_trusts_by_store_folder_or_order(
    judge: Callable[[], Judgement], outcome: Outcome, code: Cause | None
) -> None:
    """Any of the engine's three ways will do; what cannot be seen is unknown, each with its reason."""
    judgement = judge()
    assert judgement.outcome is outcome, judgement
    assert (judgement.reason.code if judgement.reason else None) is code


def test_the_remedy_names_the_engines_folder() -> None:
    """The command puts the declared authority where the engine of that VM looks."""
    remedy = trusts(Trust.UNTRUSTED).remedy
    assert "sudo install -D -m 0644 acme-ca.pem /etc/docker/certs.d/r.example/ca.crt" in remedy


# -- targets


def test_what_is_not_declared_keeps_its_row() -> None:
    """No registry, none at all, no images, no built VM: one settled target each, with the reason."""
    for check in (RegistryReachable, RegistryImages, RegistryTrustedByVms):
        (undeclared,) = check().targets(site())
        (none,) = check().targets(site(registry=Absent.NONE))
        assert isinstance(undeclared, Settled)
        assert isinstance(none, Settled)
        assert (undeclared.judgement.outcome, none.judgement.outcome) == (Outcome.UNKNOWN, Outcome.MANUAL)
    (bare,) = RegistryImages().targets(planned(images=()))
    assert isinstance(bare, Settled)
    (empty,) = RegistryTrustedByVms().targets(replace(planned(), vms=()))
    assert isinstance(empty, Settled)
    assert (empty.target.name, empty.judgement.outcome) == ("vms", Outcome.UNKNOWN)
    unbuilt = site(registry=registry(), vms=(Vm(name="a", role=Role.EXCS, host=None, address=None, port=None),))
    for check in (RegistryReachable, RegistryImages, RegistryTrustedByVms):
        assert all(isinstance(one, Settled) for one in check().targets(unbuilt))


def test_findings_are_named_for_service_image_and_vm() -> None:
    """host:port, the image as declared, the VM's name."""
    names = [
        one.name
        for check in (RegistryReachable, RegistryImages, RegistryTrustedByVms)
        for one in check().targets(planned())
        if not isinstance(one, Settled)
    ]
    assert names == ["r.example:443", "exec/excs:1", "exec/exas:1", "excs-1", "exas-1"]


def test_all_findings_share_one_conversation() -> None:
    """The registry is knocked at once in a run."""
    of = planned()
    (door,) = (
        RegistryReachable().needs(one) for one in RegistryReachable().targets(of) if isinstance(one, ServiceTarget)
    )
    pulls = [RegistryImages().needs(one) for one in RegistryImages().targets(of) if isinstance(one, ImageTarget)]
    assert len({door[0], *(needs[0] for needs in pulls)}) == 1
