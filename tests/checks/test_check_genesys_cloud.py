"""What is concluded about the EX organisation, its OAuth client, its role and the TLS to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from readiness_checks.genesys_cloud import (
    NotIntercepted,
    OAuthClientWorks,
    OrganizationPlanned,
    RoleAssigned,
)

from readiness.check import Settled
from readiness.lab.genesys_cloud import EX_INTEGRATION, INJECTION, REPORTING, GenesysCloud, GenesysCloudState, RoleGrant
from readiness.model import (
    Cause,
    Evidence,
    Judgement,
    Lane,
    Level,
    Origin,
    Outcome,
    Owner,
    Reason,
    Status,
    Target,
    Unread,
    status_of,
)
from readiness.plan import plan
from readiness.probe import Attempt
from readiness.probes.genesys_cloud import (
    AskGenesysCloud,
    AskGenesysCloudHost,
    Conversation,
    GenesysCloudHost,
    Interception,
    LoginUnreached,
    Route,
    Try,
)
from readiness.probes.genesys_cloud_api import (
    Account,
    Grant,
    OAuthClient,
    Organization,
    Policy,
    TokenOutcome,
    TokenReply,
    Told,
)
from readiness.probes.http import BodyEnd, HttpAnswer, HttpRefusal, RefusalKind, Timing
from readiness.probes.tls import Certificate, TlsFailure, TlsTrouble
from readiness.secret import SecretRef
from readiness.site import Absent, Endpoint, Probing, Role, ServiceTarget, Site, Vm
from readiness.site import GenesysCloud as Declared
from readiness.vantage import PathVerdict
from tests.lab.engine import site
from tests.lab.mapped import Authority, Mapped, gathered

REGION = "mypurecloud.de"
LOGIN, API = Endpoint(f"login.{REGION}", 443), Endpoint(f"api.{REGION}", 443)
NOW = datetime(2026, 11, 23, 9, 14, tzinfo=UTC)
ORGANIZATION = "11111111-1111-1111-1111-111111111111"
CLOUD = Declared(
    region=REGION,
    client_id="00000000-0000-0000-0000-000000000000",
    client_secret=SecretRef(env="GC_CLIENT_SECRET"),
    organization_id=ORGANIZATION,
    role="EX Integration",
    ca_file=None,
    proxy=None,
    login=LOGIN,
    api=API,
)
VMS = tuple(
    Vm(name=name, role=role, host=name, address=name, port=None)
    for name, role in (("excp-1", Role.EXCP), ("excs-1", Role.EXCS), ("exas-1", Role.EXAS))
)
CHECKS = (OrganizationPlanned, OAuthClientWorks, RoleAssigned)


def planned(cloud: Declared | Absent = CLOUD, **changes: object) -> Site:
    return site(vms=VMS, genesys_cloud=cloud, **changes)


def target(cloud: Declared = CLOUD) -> ServiceTarget[Declared]:
    found = OrganizationPlanned().targets(planned(cloud))[0]
    assert isinstance(found, ServiceTarget)
    return found


GRANTED = TokenReply(
    outcome=TokenOutcome.GRANTED, status=200, error="", description="", correlation_id="c-0", at=NOW, reason=None
)
REFUSED = replace(
    GRANTED, outcome=TokenOutcome.REFUSED, status=400, error="invalid_client", description="authentication failed"
)
CLIENT = OAuthClient(
    id=CLOUD.client_id,
    name="exec-acme",
    grant_type="CLIENT_CREDENTIALS",
    state="active",
    deletion=None,
    deletion_text="",
)
PLANNED = Organization(id=ORGANIZATION, name="ACME EX Berlin", state="active")


def told(value: object, call: str = "GET tokens/me") -> Told:  # type: ignore[type-arg]
    return Told(call=call, value=value, reason=None, correlation_id="c-1")


def untold(code: Cause = Cause.UNREACHABLE, refusal: HttpRefusal | None = None) -> Told:  # type: ignore[type-arg]
    reason = Reason(code=code, detail=f"it was {code.value}", enable="Mend it.")
    return Told(call="GET x/me", value=None, reason=reason, refusal=refusal, correlation_id="c-2")


def policies(*permissions: str) -> tuple[Policy, ...]:
    split = [permission.split(":") for permission in permissions]
    return tuple(Policy(domain=d, entity=e, actions=(a,), conditional=False) for d, e, a in split)


NEEDED = tuple(f"{domain}:{entity}:{action}" for domain, entity, (action,) in INJECTION)


def grant(
    name: str | None = "EX Integration",
    allowed: tuple[Policy, ...] | None = policies(*NEEDED),
    home: bool | None = True,
) -> Grant:
    return Grant(
        role_id=f"id-of-{name}",
        role_name=name,
        policies=allowed,
        division_id="d1",
        division_name="Home" if home else "Sales",
        home=home,
    )


def talk(token: TokenReply = GRANTED, route: Route = Route.DIRECT, **account: object) -> Conversation:
    whole = Account(
        client=told(CLIENT),
        organization=told(PLANNED, "GET organizations/me"),
        reference=replace(PLANNED, state=None),
        grants=told((grant(),), "GET authorization/subjects/me"),
    )
    granted = token.outcome is TokenOutcome.GRANTED
    return Conversation(
        tries=(Try(vantage="excs-1", route=route, missed=None),),
        spoken_from="excs-1",
        route=route,
        token=token,
        account=replace(whole, **account) if granted else None,  # type: ignore[arg-type]
    )


def refusal(verdict: PathVerdict | None = PathVerdict.REFUSED) -> HttpRefusal:
    return HttpRefusal(kind=RefusalKind.PATH, text="Connection refused", verdict=verdict)


def is_whole(judgement: Judgement) -> None:
    """Every conclusion but a pass says what to do, in whose lane, why, and by which evidence."""
    assert "\n" not in judgement.summary
    assert judgement.evidence
    for evidence in judgement.evidence:
        assert evidence.of is not None
        assert evidence.value
    if judgement.outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.expected
        assert judgement.observed
        assert judgement.reasoning
        assert judgement.remedy
        assert judgement.job
        assert "\n" not in judgement.job
        assert judgement.lane is not None
    if judgement.outcome is Outcome.UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable


# ---- targets


def test_the_target_is_the_login_and_the_order_is_the_rows() -> None:
    """One finding per requirement, named by the login; the VMs are asked in the order excs, exas, excp."""
    for check in CHECKS:
        (found,) = check().targets(planned())
        assert isinstance(found, ServiceTarget)
        assert found.name == "login.mypurecloud.de:443"
        assert found.vantages == ("excs-1", "exas-1", "excp-1")


def test_all_three_ask_one_question() -> None:
    """Organisation, client and role rest on one conversation, and interception on one look per VM and host."""
    whole = plan(planned(), [*CHECKS, NotIntercepted])
    assert sum(isinstance(probe, AskGenesysCloud) for probe in whole.probes) == 1
    assert sum(isinstance(probe, AskGenesysCloudHost) for probe in whole.probes) == 6
    for probe in whole.probes:
        assert "GC_CLIENT_SECRET" not in probe.describe()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    ("changes", "code", "names"),
    [
        ({"cloud": Absent.UNDECLARED}, Cause.UNDECLARED, "genesys_cloud"),
        ({"cloud": replace(CLOUD, client_id=None)}, Cause.UNDECLARED, "genesys_cloud.client_id"),
        ({"cloud": replace(CLOUD, client_secret=None)}, Cause.UNDECLARED, "genesys_cloud.client_secret"),
        ({"probing": Probing(oauth_token=False)}, Cause.UNSUPPORTED, "probing.oauth_token"),
    ],
)
def test_what_is_not_declared_or_not_allowed_is_unknown(
    check: type[OrganizationPlanned], changes: dict[str, object], code: Cause, names: str
) -> None:
    """Nothing is asked without a client, its secret or consent, and the finding names the key."""
    (found,) = check().targets(planned(**changes))  # type: ignore[arg-type]
    assert isinstance(found, Settled)
    assert found.judgement.reason is not None
    assert found.judgement.reason.code is code
    assert names in found.judgement.reason.detail + found.judgement.reason.enable


@pytest.mark.parametrize("check", [*CHECKS, NotIntercepted])
def test_a_site_without_built_vms_has_nowhere_to_ask_from(check: type[OrganizationPlanned]) -> None:
    """Without any VM the facts cannot be had, and the auditor's own machine is no substitute."""
    bare = site(vms=(replace(VMS[0], host=None),), genesys_cloud=CLOUD)
    (found,) = check().targets(bare)
    assert isinstance(found, Settled)
    assert found.judgement.reason is not None
    assert found.judgement.reason.code is Cause.UNDECLARED


def test_a_site_without_an_organisation_leaves_it_to_a_person() -> None:
    """`genesys_cloud: none` is manual for what the page demands, and no subject for advice."""
    outcomes = []
    for check in (*CHECKS, NotIntercepted):
        (found,) = check().targets(planned(Absent.NONE))
        assert isinstance(found, Settled)
        outcomes.append(found.judgement.outcome)
    assert outcomes == [Outcome.MANUAL, Outcome.MANUAL, Outcome.MANUAL, Outcome.SKIP]


# ---- organisation


@pytest.mark.parametrize(
    ("account", "cloud", "outcome", "words"),
    [
        ({}, CLOUD, Outcome.MET, "ACME EX Berlin"),
        ({}, replace(CLOUD, organization_id=ORGANIZATION.upper()), Outcome.MET, "ACME EX Berlin"),
        ({"organization": untold()}, CLOUD, Outcome.MET, "is there"),
        ({"organization": told(replace(PLANNED, state="ACTIVE"))}, CLOUD, Outcome.MET, "active"),
        ({"organization": told(replace(PLANNED, state="inactive"))}, CLOUD, Outcome.MISSED, "inactive"),
        ({"organization": told(replace(PLANNED, id="2222", name="ACME Test"))}, CLOUD, Outcome.MISSED, "ACME Test"),
        (
            {"organization": untold(), "reference": replace(PLANNED, id="2222", state=None)},
            CLOUD,
            Outcome.MISSED,
            "another organisation",
        ),
        ({}, replace(CLOUD, organization_id=None), Outcome.UNKNOWN, "does not say"),
        ({}, replace(CLOUD, region="xx9.pure.cloud"), Outcome.WEAK, "xx9.pure.cloud"),
        ({}, replace(CLOUD, region="MyPureCloud.DE"), Outcome.MET, "ACME EX Berlin"),
        ({"organization": untold(Cause.PERMISSION), "reference": None}, CLOUD, Outcome.UNKNOWN, "does not say"),
    ],
)
def test_the_organisation_is_the_planned_one(
    account: dict[str, object], cloud: Declared, outcome: Outcome, words: str
) -> None:
    """The token's own organisation decides: planned and active passes, another or inactive fails."""
    judgement = OrganizationPlanned().judge(target(cloud), talk(**account))
    assert (judgement.outcome, words in judgement.summary) == (outcome, True), judgement.summary
    is_whole(judgement)


def test_an_undeclared_organisation_is_named_so_that_it_can_be_declared() -> None:
    """The id that was found stands in what would make the finding known."""
    judgement = OrganizationPlanned().judge(target(replace(CLOUD, organization_id=None)), talk())
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.UNDECLARED
    assert ORGANIZATION in judgement.reason.enable


# ---- OAuth client


@pytest.mark.parametrize(
    ("client", "outcome", "words"),
    [
        (told(CLIENT), Outcome.MET, "active"),
        (told(replace(CLIENT, grant_type="CLIENT-CREDENTIALS", state="Active")), Outcome.MET, "active"),
        (told(replace(CLIENT, grant_type=None, state=None)), Outcome.MET, "gets tokens"),
        (untold(Cause.PARSE), Outcome.MET, "gets tokens"),
        (told(replace(CLIENT, grant_type="CODE")), Outcome.MISSED, "grant type"),
        (told(replace(CLIENT, state="disabled")), Outcome.MISSED, "disabled"),
        (told(replace(CLIENT, state="inactive")), Outcome.MISSED, "inactive"),
    ],
)
def test_the_client_is_active_and_of_the_right_grant_type(
    client: Told[OAuthClient], outcome: Outcome, words: str
) -> None:
    """A token is proof by itself; the client's own record can still show that it is the wrong one."""
    judgement = OAuthClientWorks().judge(target(), talk(client=client))
    assert (judgement.outcome, words in judgement.summary) == (outcome, True), judgement.summary
    is_whole(judgement)


@pytest.mark.parametrize(
    ("days", "outcome"),
    [(-1, Outcome.WEAK), (0, Outcome.WEAK), (30, Outcome.WEAK), (30.01, Outcome.MET), (400, Outcome.MET)],
)
def test_a_client_that_is_to_be_deleted_warns_in_time(days: float, outcome: Outcome) -> None:
    """Within 30 days of Genesys Cloud's own clock a planned deletion warns; the proof ends with the client."""
    end = NOW + timedelta(days=days)
    client = replace(CLIENT, deletion=end, deletion_text=end.isoformat())
    judgement = OAuthClientWorks().judge(target(), talk(client=told(client)))
    assert (judgement.outcome, judgement.valid_until) == (outcome, end)
    is_whole(judgement)


@pytest.mark.parametrize(
    ("client", "at"),
    [(replace(CLIENT, deletion_text="soon"), NOW), (replace(CLIENT, deletion=NOW, deletion_text="x"), None)],
)
def test_a_deletion_that_cannot_be_dated_warns(client: OAuthClient, at: datetime | None) -> None:
    """A date that cannot be read, or compared, is not taken for a far one."""
    judgement = OAuthClientWorks().judge(target(), talk(token=replace(GRANTED, at=at), client=told(client)))
    assert judgement.outcome is Outcome.WEAK


def test_refused_credentials_fail_in_honest_words() -> None:
    """The finding says what cannot be told apart, where to look, and the id that support asks for."""
    judgement = OAuthClientWorks().judge(target(), talk(REFUSED))
    assert (judgement.outcome, judgement.lane) == (Outcome.MISSED, Lane.AUTH)
    assert "invalid_client" in judgement.observed
    for word in ("secret", "disabled", "region"):
        assert word in judgement.reasoning
    assert "env:GC_CLIENT_SECRET" in judgement.remedy
    assert REGION in judgement.remedy
    assert [e.value for e in judgement.evidence if e.label == "Correlation id"] == ["c-0"]
    assert all(e.level is Level.PROTOCOL for e in judgement.evidence)
    is_whole(judgement)


def test_a_client_that_may_not_use_client_credentials_fails_for_that() -> None:
    """The login's word about the grant type is not taken for a wrong secret."""
    token = replace(REFUSED, outcome=TokenOutcome.WRONG_GRANT, error="unauthorized_client")
    judgement = OAuthClientWorks().judge(target(), talk(token))
    assert (judgement.outcome, judgement.lane) == (Outcome.MISSED, Lane.CONFIGURATION)
    is_whole(judgement)


@pytest.mark.parametrize("check", [OrganizationPlanned, RoleAssigned])
@pytest.mark.parametrize("outcome", [TokenOutcome.REFUSED, TokenOutcome.WRONG_GRANT])
def test_refused_credentials_block_what_stands_behind_them(
    check: type[OrganizationPlanned], outcome: TokenOutcome
) -> None:
    """Nothing is concluded about organisation and role, and the finding in the way is named."""
    judgement = check().judge(target(), talk(replace(REFUSED, outcome=outcome)))
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.reason.by) == (
        Cause.BLOCKED,
        "genesys-cloud.oauth-client[login.mypurecloud.de:443]",
    )
    is_whole(judgement)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("code", [Cause.OVERLOAD, Cause.UNREACHABLE, Cause.PARSE])
def test_no_token_for_another_reason_is_unknown(check: type[OrganizationPlanned], code: Cause) -> None:
    """Overload, an outage and nonsense decide nothing about the credentials."""
    reason = Reason(code=code, detail="status 503", enable="Run it again.")
    token = replace(GRANTED, outcome=TokenOutcome.UNKNOWN, status=503, reason=reason)
    judgement = check().judge(target(), talk(token))
    assert judgement.reason is not None
    assert (judgement.outcome, judgement.reason.code, judgement.lane) == (Outcome.UNKNOWN, code, Lane.SERVICE)
    is_whole(judgement)


@pytest.mark.parametrize("check", CHECKS)
def test_an_unreached_login_blocks_all_three(check: type[OrganizationPlanned]) -> None:
    """Nobody got to the login: the finding about the first path that said no stands in the way."""
    lost = Reason(code=Cause.TIMEOUT, detail="no answer of its SSH server", enable="Start it.")
    heard = LoginUnreached(
        tries=(
            Try(vantage="excs-1", route=Route.DIRECT, missed=lost),
            Try(vantage="exas-1", route=Route.DIRECT, missed=refusal()),
            Try(vantage="exas-1", route=Route.PROXY, missed=HttpRefusal(kind=RefusalKind.PROXY, text="status 407")),
        )
    )
    judgement = check().judge(target(), heard)
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.reason.by) == (
        Cause.BLOCKED,
        "connectivity.genesys-cloud[exas-1->login.mypurecloud.de:443]",
    )
    assert judgement.lane is Lane.SERVICE
    assert {evidence.vantage for evidence in judgement.evidence} == {"excs-1", "exas-1"}
    is_whole(judgement)


@pytest.mark.parametrize(
    ("check", "part"),
    [(OrganizationPlanned, {"organization": None, "reference": None}), (RoleAssigned, {"grants": None})],
)
@pytest.mark.parametrize("route", list(Route))
def test_an_unreached_api_blocks_what_it_would_have_told(
    check: type[OrganizationPlanned], part: dict[str, None], route: Route
) -> None:
    """A closed path to the API leads to its own finding; behind a proxy there is none to lead to."""
    account = {key: untold(refusal=refusal()) if key != "reference" else None for key in part}
    judgement = check().judge(target(), talk(route=route, **account))
    assert judgement.reason is not None
    if route is Route.DIRECT:
        assert judgement.reason.code is Cause.BLOCKED
        assert judgement.reason.by == "connectivity.genesys-cloud[excs-1->api.mypurecloud.de:443]"
    else:
        assert (judgement.reason.code, judgement.reason.by) == (Cause.UNREACHABLE, None)
    is_whole(judgement)


def test_a_conversation_by_the_proxy_says_so() -> None:
    """What the proxy brought is true, and the reasoning names the detour."""
    for check in CHECKS:
        judgement = check().judge(target(), talk(route=Route.PROXY))
        assert judgement.outcome is Outcome.MET
        assert "proxy" in judgement.reasoning


# ---- role


def custom(*permissions: str, name: str = "Custom") -> Grant:
    return grant(name, policies(*permissions))


@pytest.mark.parametrize(
    ("grants", "outcome", "words"),
    [
        ((grant(),), Outcome.MET, "holds the role EX Integration"),
        ((grant("ex  INTEGRATION", None),), Outcome.MET, "holds the role EX Integration"),
        ((grant("EX Integration", ()),), Outcome.MET, "holds the role EX Integration"),
        ((custom("a:b:c"), grant()), Outcome.MET, "holds the role EX Integration"),
        ((custom(*NEEDED),), Outcome.MET, "holds the role Custom"),
        ((grant(None, policies(*NEEDED)),), Outcome.MET, "may do what EXEC does"),
        ((grant(None, None),), Outcome.UNKNOWN, "names"),
        ((custom("a:b:c"), grant(None, None)), Outcome.UNKNOWN, "names"),
        ((grant("Custom", None),), Outcome.UNKNOWN, "policies"),
        ((custom(*NEEDED[:2]), custom(NEEDED[2], name="Other")), Outcome.WEAK, "several roles"),
        ((), Outcome.MISSED, "no role"),
        ((custom("analytics:x:view", name="Reporting API"),), Outcome.MISSED, "only the role Reporting API"),
        ((custom(*NEEDED[:2]),), Outcome.MISSED, "EX Integration is missing"),
        ((custom(), custom(name="EX Integration Test")), Outcome.MISSED, "2 roles"),
    ],
)
def test_the_ladder_of_the_role(grants: tuple[Grant, ...], outcome: Outcome, words: str) -> None:
    """By name, by policies, hidden, scattered, missing: each step of the ladder has its own outcome."""
    judgement = RoleAssigned().judge(target(), talk(grants=told(grants)))
    assert (judgement.outcome, words in judgement.summary) == (outcome, True), judgement.summary
    is_whole(judgement)


@pytest.mark.parametrize(
    ("grants", "outcome"),
    [
        ((custom(*NEEDED, name="Aardvark"), custom(*NEEDED, name="ACME EXEC")), Outcome.MET),
        ((custom(*NEEDED[:2], name="ACME EXEC"),), Outcome.MISSED),
        ((grant("ACME EXEC", None),), Outcome.UNKNOWN),
        ((grant(),), Outcome.MET),
    ],
)
def test_a_declared_role_of_another_name_passes_only_by_its_policies(
    grants: tuple[Grant, ...], outcome: Outcome
) -> None:
    """A name that the site file gives proves nothing; what the role may do does."""
    judgement = RoleAssigned().judge(target(replace(CLOUD, role="ACME EXEC")), talk(grants=told(grants)))
    assert judgement.outcome is outcome
    assert "ACME EXEC" in judgement.expected or outcome is Outcome.UNKNOWN
    if outcome is Outcome.MET and len(grants) > 1:
        assert "holds the role ACME EXEC" in judgement.summary


def test_hidden_roles_are_named_by_their_ids() -> None:
    """What the audit could not look into can be looked up by a person."""
    judgement = RoleAssigned().judge(target(), talk(grants=told((grant(None, None),))))
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.PERMISSION
    assert "id-of-None" in judgement.reason.detail
    assert "authorization:role:view" in judgement.reason.enable


def test_the_remedy_for_a_missing_role_is_the_admin_path() -> None:
    """Who mends it is told where to click for which client, and how to prove it."""
    judgement = RoleAssigned().judge(target(), talk(grants=told(())))
    for word in ("Integrations > OAuth", "exec-acme", "Home", "readiness audit site.yaml --only"):
        assert word in judgement.remedy
    assert status_of(judgement.outcome, RoleAssigned.requirement.obligation) is Status.FAIL


@pytest.mark.parametrize(("home", "noted"), [(True, False), (None, False), (False, True)])
def test_a_role_outside_the_home_division_is_noted(home: bool | None, noted: bool) -> None:
    """Where Genesys Cloud says that the division is not Home, the reasoning says what that means."""
    judgement = RoleAssigned().judge(target(), talk(grants=told((grant(home=home),))))
    assert ("Home division" in judgement.reasoning) is noted


# ---- interception


def certificate(issuer: str) -> Certificate:
    return Certificate(
        subject="CN=x",
        issuer=issuer,
        names=(LOGIN.host,),
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=90),
        fingerprint="00",
        seen_at=NOW,
    )


ANSWER = HttpAnswer(
    status=200,
    headers=(),
    body="",
    body_end=BodyEnd.WHOLE,
    certificate=None,
    how="SSH forwarding",
    timing=Timing(connect_s=0, tls_s=0, answer_s=0),
    sent_at=0,
    answered_at=0,
)
FOREIGN = HttpRefusal(
    kind=RefusalKind.TLS,
    text="unable to get local issuer certificate",
    tls=TlsFailure(trouble=TlsTrouble.UNTRUSTED_ISSUER, text="x"),
)


def host(
    interception: Interception = Interception.NONE,
    *,
    vantage: str = "excs-1",
    endpoint: Endpoint = LOGIN,
    direct: HttpAnswer | HttpRefusal = ANSWER,
    issuer: str | None = "CN=Amazon RSA 2048 M02",
) -> GenesysCloudHost:
    return GenesysCloudHost(
        vantage=vantage,
        endpoint=endpoint,
        direct=direct,
        proxied=None,
        interception=interception,
        shown=certificate(issuer) if issuer is not None else None,
    )


UNSEEN = host(Interception.UNSEEN, vantage="exas-1", endpoint=API, direct=refusal(), issuer=None)
PROXIED = host(Interception.INTERCEPTED, vantage="excp-1", issuer="O=ACME Proxy CA")
LOST = Unread(reason=Reason(code=Cause.TIMEOUT, detail="no answer", enable="Start it."))


@pytest.mark.parametrize(
    ("hosts", "outcome", "words"),
    [
        ((host(), host(endpoint=API)), Outcome.MET, "Nobody"),
        ((host(), PROXIED), Outcome.MISSED, "O=ACME Proxy CA"),
        ((UNSEEN, LOST, PROXIED), Outcome.MISSED, "excp-1"),
        ((replace(PROXIED, direct=FOREIGN),), Outcome.MISSED, "excp-1"),
        ((replace(PROXIED, direct=FOREIGN, shown=None),), Outcome.MISSED, "not seen"),
        ((host(), UNSEEN), Outcome.UNKNOWN, "could not be seen"),
        ((host(), LOST), Outcome.UNKNOWN, "could not be seen"),
        ((LOST,), Outcome.UNKNOWN, "could not be seen"),
    ],
)
def test_interception_is_decided_by_every_look(
    hosts: Sequence[GenesysCloudHost | Unread], outcome: Outcome, words: str
) -> None:
    """One foreign issuer warns and is named; a pass takes a public issuer everywhere."""
    judgement = NotIntercepted().judge(target(), *hosts)
    assert (judgement.outcome, words in judgement.summary) == (outcome, True), judgement.summary
    if any(isinstance(seen, GenesysCloudHost) for seen in hosts):
        is_whole(judgement)


def test_interception_is_advice() -> None:
    """It is beyond the page: a miss warns, and the network's people mend it."""
    requirement = NotIntercepted.requirement
    assert requirement.origin is Origin.BEYOND
    judgement = NotIntercepted().judge(target(), PROXIED)
    assert status_of(judgement.outcome, requirement.obligation) is Status.WARN
    assert judgement.owner is Owner.NETWORK


def test_an_unseen_certificate_leads_to_its_path() -> None:
    """Where no certificate was shown, the finding about that path stands in the way."""
    judgement = NotIntercepted().judge(target(), host(), UNSEEN)
    assert judgement.reason is not None
    assert judgement.reason.by == "connectivity.genesys-cloud[exas-1->api.mypurecloud.de:443]"


def test_every_vm_looks_at_both_hosts() -> None:
    """Each built VM asks login and api, and one that cannot leaves the others' evidence."""
    needs = NotIntercepted().needs(target())
    assert all(isinstance(need, Attempt) for need in needs)
    asked = [need.probe for need in needs if isinstance(need, Attempt)]
    assert [(probe.vantage, probe.endpoint) for probe in asked if isinstance(probe, AskGenesysCloudHost)] == [
        (name, endpoint) for name in ("excs-1", "exas-1", "excp-1") for endpoint in (LOGIN, API)
    ]


# ---- the catalogue


@pytest.mark.parametrize("check", [*CHECKS, NotIntercepted])
def test_the_catalogue_explains_every_status(check: type[OrganizationPlanned]) -> None:
    """Each requirement has its words, its proof, its remedy, and a line for every status that it can take."""
    requirement = check.requirement
    assert requirement.id.startswith("genesys-cloud.")
    assert requirement.text
    assert requirement.proof
    assert requirement.remedy
    assert {Status.PASS, Status.WARN, Status.UNKNOWN} <= set(requirement.outcomes)


# ---- from the API to the finding


async def concluded(tmp_path: Path, *, secret: str | None = None, **state: object) -> tuple[Judgement, ...]:
    """What the three checks conclude from a stand-in in this state, over TLS."""
    authority = Authority.found(tmp_path)
    held = GenesysCloudState(**state)  # type: ignore[arg-type]
    async with GenesysCloud(held, tls=authority.serving(LOGIN.host, API.host)) as cloud:
        machine = Mapped("excs-1", dict.fromkeys((LOGIN.host, API.host), cloud.port))
        reference = SecretRef(env="GC_CLIENT_SECRET")
        vantages = gathered(machine, secrets={reference: secret or held.client_secret})
        declared = replace(
            CLOUD, client_id=held.client_id, organization_id=held.organization_id, ca_file=authority.ca_file
        )
        probe = AskGenesysCloud.of(("excs-1",), declared)
        fact = probe.parse(await probe.read(vantages))
        return tuple(check().judge(target(declared), fact) for check in CHECKS)


@pytest.mark.parametrize(
    ("state", "outcomes"),
    [
        ({}, (Outcome.MET, Outcome.MET, Outcome.MET)),
        ({"secret": "wrong"}, (Outcome.UNKNOWN, Outcome.MISSED, Outcome.UNKNOWN)),
        ({"grant_type": "CODE"}, (Outcome.UNKNOWN, Outcome.MISSED, Outcome.UNKNOWN)),
        ({"client_state": "disabled"}, (Outcome.UNKNOWN, Outcome.MISSED, Outcome.UNKNOWN)),
        ({"organization_state": "inactive"}, (Outcome.MISSED, Outcome.MET, Outcome.MET)),
        ({"roles": (REPORTING,)}, (Outcome.MET, Outcome.MET, Outcome.MISSED)),
        ({"roles": ()}, (Outcome.MET, Outcome.MET, Outcome.MISSED)),
        ({"roles": (replace(EX_INTEGRATION, name="Own"),)}, (Outcome.MET, Outcome.MET, Outcome.MET)),
        (
            {"roles": (RoleGrant(name="X", id="1"),), "grant_detail": "never"},
            (Outcome.MET, Outcome.MET, Outcome.UNKNOWN),
        ),
        ({"date_to_delete": datetime.now(UTC) + timedelta(days=3)}, (Outcome.MET, Outcome.WEAK, Outcome.MET)),
    ],
)
async def test_what_genesys_cloud_says_becomes_findings(
    tmp_path: Path, state: dict[str, object], outcomes: tuple[Outcome, ...]
) -> None:
    """The whole way from the API over TLS to the three conclusions, for every state of the organisation."""
    judgements = await concluded(tmp_path, **state)  # type: ignore[arg-type]
    assert tuple(judgement.outcome for judgement in judgements) == outcomes
    for judgement in judgements:
        is_whole(judgement)


def test_evidence_is_complete_for_a_report() -> None:
    """What was asked with the token is evidence of the highest level, from the VM that spoke, by its call."""
    judgement = RoleAssigned().judge(target(), talk())
    first: Evidence = judgement.evidence[0]
    assert (first.level, first.vantage, first.method) == (
        Level.AUTHENTICATED,
        "excs-1",
        "GET authorization/subjects/me",
    )
    assert isinstance(target(), Target)
