"""Genesys Cloud asked for real: over TLS, by the published API, errors and hostility included."""

from __future__ import annotations

import asyncio
import base64
import json
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness.lab.genesys_cloud import (
    EX_INTEGRATION,
    REPORTING,
    Fault,
    GenesysCloud,
    GenesysCloudState,
    RoleGrant,
    api_error,
    oauth_error,
    rate_limited,
)
from readiness.lab.https import Answer, Asked, HangUp, HttpsServer, Raw, Reply, Silence
from readiness.model import Cause, ProbeError, Reason
from readiness.probes import tls
from readiness.probes.genesys_cloud import (
    AskGenesysCloud,
    AskGenesysCloudHost,
    Conversation,
    GenesysCloudHost,
    Interception,
    LoginUnreached,
    Route,
)
from readiness.probes.genesys_cloud_api import Account, TokenOutcome
from readiness.probes.http import HttpAnswer, HttpRefusal, RefusalKind
from readiness.probes.tls import TlsTrouble
from readiness.secret import SecretRef
from readiness.site import Endpoint
from readiness.vantage import PathVerdict, Vantages
from tests.lab.mapped import Authority, Mapped, Talk, gathered, listening

REGION = "mypurecloud.de"
LOGIN, API = Endpoint(f"login.{REGION}", 443), Endpoint(f"api.{REGION}", 443)
SECRET = SecretRef(env="GC_CLIENT_SECRET")
ORDER = ("excs-1", "exas-1", "excp-1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.found(tmp_path_factory.mktemp("ca"), "ACME Proxy CA")


@dataclass
class Stage:
    """A stand-in that serves, and the VMs from which it is asked."""

    cloud: GenesysCloud
    authority: Authority
    machines: dict[str, Mapped]
    secret: str
    conversation: float = 4.0

    @property
    def vantages(self) -> Vantages:
        return gathered(*self.machines.values(), conversation=self.conversation, secrets={SECRET: self.secret})

    @property
    def probe(self) -> AskGenesysCloud:
        return AskGenesysCloud(
            order=tuple(self.machines),
            login=LOGIN,
            api=API,
            client_id=self.cloud.state.client_id,
            client_secret=SECRET,
            ca_file=self.authority.ca_file,
            proxy=None,
        )

    async def asked(self, **changes: object) -> Conversation | LoginUnreached:
        probe = replace(self.probe, **changes)  # type: ignore[arg-type]
        response = await probe.read(self.vantages)
        self.keeps_quiet(response)
        fact = probe.parse(response)
        self.keeps_quiet(repr(fact) + probe.key + probe.describe())
        return fact

    async def conversed(self, **changes: object) -> Conversation:
        fact = await self.asked(**changes)
        assert isinstance(fact, Conversation)
        return fact

    def keeps_quiet(self, shown: str) -> None:
        """Neither the secret nor a token stands in what is shown, in no form."""
        pair = f"{self.cloud.state.client_id}:{self.secret}".encode()
        for canary in (self.secret, base64.b64encode(pair).decode(), *self.cloud.tokens):
            assert canary not in shown


@asynccontextmanager
async def stage(authority: Authority, vms: tuple[str, ...] = ("excs-1",), **state: object) -> AsyncIterator[Stage]:
    held = GenesysCloudState(**state)  # type: ignore[arg-type]
    async with GenesysCloud(held, tls=authority.serving(*(e.host for e in (LOGIN, API)))) as cloud:
        ports = dict.fromkeys((LOGIN.host, API.host), cloud.port)
        yield Stage(cloud, authority, {name: Mapped(name, dict(ports)) for name in vms}, held.client_secret)


def account_of(fact: Conversation) -> Account:
    assert fact.account is not None
    return fact.account


async def test_a_conversation_tells_all_that_it_can_without_permissions(authority: Authority) -> None:
    """From one token: the client, its organisation, its grants with names and policies, and the VM that asked."""
    async with stage(authority) as lab:
        fact = await lab.conversed()
    account = account_of(fact)
    assert (fact.spoken_from, fact.route, fact.token.outcome) == ("excs-1", Route.DIRECT, TokenOutcome.GRANTED)
    assert fact.token.at is not None
    assert abs(fact.token.at - datetime.now(UTC)) < timedelta(seconds=5)
    assert account.client.value is not None
    assert account.client.value.by_client_credentials is True
    assert (account.client.value.name, account.client.value.state) == ("exec-acme-berlin", "active")
    assert account.organization.value is not None
    assert (account.organization.value.name, account.organization.value.state) == ("ACME EX Berlin", "active")
    assert account.reference is not None
    assert account.reference.id == account.organization.value.id
    assert account.grants.value is not None
    (grant,) = account.grants.value
    assert (grant.role_name, grant.home, grant.division_name) == ("EX Integration", True, "Home")
    assert grant.policies is not None
    assert any(policy.covers("conversation:conversation:inject") for policy in grant.policies)
    assert account.organization.correlation_id
    assert lab.cloud.calls == {
        "login /oauth/token": 1,
        "api /api/v2/tokens/me": 1,
        "api /api/v2/organizations/me": 1,
        "api /api/v2/authorization/subjects/me": 1,
    }


async def test_nothing_is_written_and_the_credentials_go_to_the_login_alone(authority: Authority) -> None:
    """One POST asks for the token, all else are GETs; Basic is sent to the login only, Bearer to the API only."""
    async with stage(authority) as lab:
        await lab.conversed()
        asked = lab.cloud.server.asked
    assert [seen.path for seen in asked if seen.method == "POST"] == ["/oauth/token"]
    assert {seen.method for seen in asked} == {"POST", "GET"}
    for seen in asked:
        scheme = seen.header("authorization").partition(" ")[0]
        assert (seen.host, scheme) in {(LOGIN.host, "Basic"), (API.host, "Bearer")}


@pytest.mark.parametrize("status", [400, 401])
async def test_a_wrong_secret_is_refused_once(authority: Authority, status: int) -> None:
    """Refused credentials are a fact with the login's own words, asked once and nowhere else."""
    async with stage(authority, refusal_status=status) as lab:
        lab.secret = "wrong-secret-canary"
        fact = await lab.conversed()
        assert lab.cloud.calls == {"login /oauth/token": 1}
    assert fact.token.outcome is TokenOutcome.REFUSED
    assert (fact.token.status, fact.token.error) == (status, "invalid_client")
    assert fact.token.description == "authentication failed"
    assert fact.token.correlation_id
    assert fact.account is None


async def test_a_wrong_region_looks_like_a_wrong_secret(authority: Authority) -> None:
    """A login that does not know the client gives the same answer, so the two cannot be told apart."""
    async with stage(authority) as lab:
        stranger = await lab.conversed(client_id="11111111-2222-4333-8444-555555555555")
        lab.secret = "wrong-secret-canary"
        mistyped = await lab.conversed()
    assert replace(stranger.token, at=None, correlation_id="") == replace(mistyped.token, at=None, correlation_id="")


async def test_a_client_of_another_grant_type_is_told_apart(authority: Authority) -> None:
    """A client that the login knows and that may not use client credentials is not a wrong secret."""
    async with stage(authority, grant_type="CODE") as lab:
        assert (await lab.conversed()).token.outcome is TokenOutcome.WRONG_GRANT


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (rate_limited(42), Cause.OVERLOAD),
        (rate_limited(0), Cause.OVERLOAD),
        (Reply(status=500, body=b"oops"), Cause.UNREACHABLE),
        (Reply(status=503, body=b"<html>"), Cause.UNREACHABLE),
        (Reply(status=403, body=b"{}"), Cause.PERMISSION),
        (Reply(status=400, body=b"<html>bad request</html>"), Cause.UNSUPPORTED),
        (oauth_error(400, "invalid_request", "no"), Cause.UNSUPPORTED),
        (Reply(status=401, body=b"[" * 100_000), Cause.AUTH),
        (Reply(status=400, body=b'{"error": {"error": "invalid_client"}}'), Cause.UNSUPPORTED),
        (Reply(status=302, headers=(("Location", f"https://api.{REGION}/oauth/token"),)), Cause.UNSUPPORTED),
        (Reply(status=200, body=b"{}"), Cause.PARSE),
        (Reply(status=200, body=b'{"access_token": "short"}'), Cause.PARSE),
        (Reply(status=200, body=b'{"access_token": "line\\nbreak-canary"}'), Cause.PARSE),
        (Reply(status=200, body=b'{"access_token": 12345678901}'), Cause.PARSE),
        (Reply(status=200, body=b'{"access_token": "' + b"x" * 300_000 + b'"}'), Cause.PARSE),
        (Reply(status=200, headers=(("Content-Encoding", "gzip"),), body=b"\x1f\x8b"), Cause.PARSE),
        (
            Raw(b"HTTP/1.1 200 OK\r\n", again=b"X-Endless: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"),
            Cause.UNREACHABLE,
        ),
        (Raw(b"-ERR wrong service\r\n"), Cause.UNREACHABLE),
        (HangUp(), Cause.UNREACHABLE),
    ],
)
async def test_no_token_for_another_reason_is_unknown(authority: Authority, answer: Answer, code: Cause) -> None:
    """Everything but a clear refusal leaves the credentials unjudged, and the request is never repeated."""
    async with stage(authority, faults={"/oauth/token": Fault(answer)}) as lab:
        fact = await lab.conversed()
        assert lab.cloud.calls == {"login /oauth/token": 1}
    assert fact.token.outcome is TokenOutcome.UNKNOWN
    assert fact.token.reason is not None
    assert fact.token.reason.code is code
    assert fact.token.reason.detail.isprintable()
    assert fact.token.reason.enable
    assert fact.account is None


async def test_credentials_do_not_follow_a_redirect(authority: Authority) -> None:
    """A login that points elsewhere gets one request; elsewhere never sees any."""
    async with HttpsServer(lambda _: Reply(), tls=authority.serving("evil.test")) as evil:
        there = Reply(status=307, headers=(("Location", f"https://evil.test:{evil.port}/oauth/token"),))
        async with stage(authority, faults={"/oauth/token": Fault(there)}) as lab:
            lab.machines["excs-1"].ports = {**lab.machines["excs-1"].ports, "evil.test": evil.port}
            fact = await lab.conversed()
        assert evil.asked == []
    assert fact.token.reason is not None
    assert "redirect" in fact.token.reason.detail


async def test_a_silent_login_is_unknown(authority: Authority) -> None:
    """A login that takes the request and never answers leaves the credentials unjudged."""
    async with stage(authority, faults={"login": Fault(Silence())}) as lab:
        lab.conversation = 0.6
        fact = await lab.conversed()
    assert fact.token.reason is not None
    assert "never answers" in fact.token.reason.detail


@pytest.mark.parametrize(
    ("answer", "code", "word"),
    [
        (api_error(403, "missing.any.permissions", "You need [x:y:view]"), Cause.PERMISSION, "x:y:view"),
        (api_error(401, "bad.credentials", "Invalid login credentials."), Cause.AUTH, "bad.credentials"),
        (api_error(404, "not.found", "The requested resource was not found."), Cause.UNSUPPORTED, "404"),
        (api_error(500, "internal.server.error", "The server met trouble."), Cause.UNREACHABLE, "500"),
        (rate_limited(3600), Cause.OVERLOAD, "Retry"),
        (Reply(status=302, headers=(("Location", "https://evil.test/"),)), Cause.UNSUPPORTED, "redirect"),
        (Reply(body=b"[]"), Cause.PARSE, "object"),
        (Reply(body=b"{}"), Cause.PARSE, "makes no sense"),
        (Reply(body=b"[" * 300_000), Cause.PARSE, "JSON"),
        (Reply(body=b'{"a":' * 100_000), Cause.PARSE, "JSON"),
        (Reply(body=b" " * 2_000_000), Cause.PARSE, "too long"),
        (Reply(body=b"\xff\xfe\x00"), Cause.PARSE, "JSON"),
        (HangUp(), Cause.UNREACHABLE, "closes"),
    ],
)
async def test_one_call_that_fails_costs_its_own_part_only(
    authority: Authority, answer: Answer, code: Cause, word: str
) -> None:
    """What one call of the API does not tell is unknown with its reason; the others stand."""
    faults = {"/api/v2/organizations/me": Fault(answer)}
    async with stage(authority, faults=faults) as lab:
        account = account_of(await lab.conversed())
    told = account.organization
    assert told.value is None
    assert told.reason is not None
    assert told.reason.code is code
    assert word in told.reason.detail + told.reason.enable
    assert account.client.value is not None
    assert account.grants.value is not None
    if isinstance(answer, Reply) and answer.status in (401, 403):
        assert told.correlation_id == dict(answer.headers)["ININ-Correlation-Id"]


async def test_a_rate_limit_that_passes_soon_is_waited_for(authority: Authority) -> None:
    """A 429 whose Retry-After fits into the conversation is obeyed and asked again, once."""
    faults = {"/api/v2/organizations/me": Fault(rate_limited(0), times=1)}
    async with stage(authority, faults=faults) as lab:
        account = account_of(await lab.conversed())
        assert lab.cloud.calls["api /api/v2/organizations/me"] == 2
    assert account.organization.value is not None


async def test_a_rate_limit_that_stays_is_not_hammered(authority: Authority) -> None:
    """A second 429 in a row is taken for an answer."""
    async with stage(authority, faults={"/api/v2/organizations/me": Fault(rate_limited(0))}) as lab:
        account = account_of(await lab.conversed())
        assert lab.cloud.calls["api /api/v2/organizations/me"] == 2
    assert account.organization.reason is not None
    assert account.organization.reason.code is Cause.OVERLOAD


async def test_details_are_asked_for_where_the_grants_leave_them_out(authority: Authority) -> None:
    """Names and policies that come only on request are requested."""
    async with stage(authority, grant_detail="asked") as lab:
        account = account_of(await lab.conversed())
    assert [grant.role_name for grant in account.grants.value or ()] == ["EX Integration"]


async def test_roles_are_looked_up_where_permitted(authority: Authority) -> None:
    """With authorization:role:view the names come from the roles themselves."""
    permitted = frozenset({"authorization:role:view"})
    async with stage(authority, grant_detail="never", client_permissions=permitted, roles=(REPORTING,)) as lab:
        account = account_of(await lab.conversed())
    (grant,) = account.grants.value or ()
    assert grant.role_name == "Reporting API"
    assert grant.policies is not None
    assert grant.policies[0].covers("analytics:conversationdetail:view")


async def test_without_permission_only_ids_are_known(authority: Authority) -> None:
    """Where nothing tells a role's name its id stays, and nothing is made up for the rest."""
    async with stage(authority, grant_detail="never") as lab:
        account = account_of(await lab.conversed())
    (grant,) = account.grants.value or ()
    assert (grant.role_id, grant.role_name, grant.policies) == (EX_INTEGRATION.id, None, None)


async def test_grants_are_found_through_the_token_where_the_subject_is_closed(authority: Authority) -> None:
    """roleDivisions of the token name the roles when subjects/me does not answer."""
    closed = Fault(api_error(500, "internal.server.error", "no"))
    permitted = frozenset({"authorization:role:view"})
    faults = {"/api/v2/authorization/subjects/me": closed}
    async with stage(authority, client_permissions=permitted, faults=faults) as lab:
        account = account_of(await lab.conversed())
    assert [grant.role_name for grant in account.grants.value or ()] == ["EX Integration"]


async def test_many_roles_are_not_looked_up_without_end(authority: Authority) -> None:
    """However many roles a client claims, the audit asks for a few and keeps the ids of the rest."""
    roles = tuple(RoleGrant(name=f"Role {n}", id=f"0000-{n}") for n in range(40))
    async with stage(authority, grant_detail="never", roles=roles) as lab:
        account = account_of(await lab.conversed())
        assert sum(n for call, n in lab.cloud.calls.items() if "/roles/" in call) == 10
    assert len(account.grants.value or ()) == 40


async def test_a_role_id_cannot_choose_what_is_asked(authority: Authority) -> None:
    """An id that is no id is never put into a path."""
    roles = (RoleGrant(name="x", id="../../users?x="), RoleGrant(name="y", id="a b\r\nX: y"))
    async with stage(authority, grant_detail="never", roles=roles) as lab:
        await lab.conversed()
        assert not [call for call in lab.cloud.calls if "roles" in call or "users" in call]


async def test_the_client_is_looked_up_where_the_token_does_not_describe_it(authority: Authority) -> None:
    """With oauth:client:view the client's own record fills what tokens/me left out."""
    permitted = frozenset({"oauth:client:view"})
    async with stage(authority, client_in_token=False, client_permissions=permitted) as lab:
        account = account_of(await lab.conversed())
    assert account.client.value is not None
    assert account.client.value.state == "active"


@pytest.mark.parametrize("key", ["OAuthClient", "oauthClient", "oAuthClient"])
def test_every_spelling_of_the_client_is_read(key: str) -> None:
    """The field is spelt in more than one way in the field."""
    client = {"id": "c", "authorizedGrantType": "CLIENT-CREDENTIALS", "state": "Active", "dateToDelete": "soon"}
    fact = parsed({"tokens/me": {key: client}})
    value = account_of(fact).client.value
    assert value is not None
    assert (value.by_client_credentials, value.state, value.deletion, value.deletion_text) == (
        True,
        "Active",
        None,
        "soon",
    )


def parsed(calls: Mapping[str, object]) -> Conversation:
    """A conversation from recorded calls."""

    def answer(body: object) -> dict[str, object]:
        return {
            "status": 200,
            "headers": [],
            "body": body if isinstance(body, str) else json.dumps(body),
            "body_end": "whole",
            "certificate": None,
            "how": "direct",
            "connect_s": 0,
            "tls_s": 0,
            "answer_s": 0,
            "sent_at": 0,
            "answered_at": 0,
        }

    empty: dict[str, object] = {"tokens/me": "", "organizations/me": "", "authorization/subjects/me": ""}
    recorded = {
        "tries": [{"vantage": "excs-1", "route": "direct", "missed": None}],
        "spoken_from": "excs-1",
        "route": "direct",
        "token": answer(""),
        "granted": True,
        "calls": {path: answer(body) for path, body in (empty | dict(calls)).items()},
    }
    fact = a_probe().parse(json.dumps(recorded))
    assert isinstance(fact, Conversation)
    return fact


def a_probe() -> AskGenesysCloud:
    return AskGenesysCloud(
        order=ORDER, login=LOGIN, api=API, client_id="c", client_secret=SECRET, ca_file=None, proxy=None
    )


ROLE_OBJECT = {"id": "r", "name": "N", "policies": [{"domain": "d", "entityName": "e", "actions": ["a"]}]}


@pytest.mark.parametrize(
    "subject",
    [
        None,
        [],
        {},
        {"grants": None},
        {"grants": {}},
        {"grants": [None]},
        {"grants": [{"role": None}]},
        {"grants": [{"role": {"name": "EX Integration"}}]},
        {"grants": [{"role": {"id": 5}}]},
        {"grants": [{"role": {"id": "r", "policies": "all"}}]},
        {"grants": [{"role": {"id": "r", "policies": [1]}}]},
        {"grants": [{"role": {"id": "r", "policies": [{"actions": "inject"}]}}]},
        {"grants": [{"role": ROLE_OBJECT, "division": "Home"}]},
    ],
)
def test_grants_of_another_shape_are_not_no_grants(subject: object) -> None:
    """An answer whose shape is unknown says nothing: it is never taken for an empty list."""
    told = account_of(parsed({"authorization/subjects/me": subject})).grants
    assert told.value is None
    assert told.reason is not None
    assert told.reason.code is Cause.PARSE


@pytest.mark.parametrize(
    ("policy", "covered"),
    [
        ({"domain": "conversation", "entityName": "conversation", "actions": ["inject"]}, True),
        ({"domain": "Conversation", "entityName": "conversation", "actions": ["view", "INJECT"]}, True),
        ({"domain": "conversation", "entityName": "*", "actions": ["*"]}, True),
        ({"domain": "*", "entityName": "*", "actions": ["*"]}, True),
        ({"domain": "conversation", "entityName": "conversation", "actions": ["view"]}, False),
        ({"domain": "conversation", "entityName": "email", "actions": ["inject"]}, False),
        ({"domain": "conversation", "actions": ["inject"]}, False),
        ({"domain": "conversation", "entityName": "conversation"}, False),
        ({"domain": "conversation", "entityName": "conversation", "actions": [["inject"]]}, False),
        ({"domain": "conversation", "entityName": "conversation", "actions": ["inject"], "condition": "x"}, False),
    ],
)
def test_a_policy_covers_what_it_says_and_no_more(policy: object, covered: bool) -> None:
    """A permission is covered by name or by an asterisk, never by what is missing or conditional."""
    told = account_of(parsed({"authorization/subjects/me": {"grants": [{"role": {"id": "r", "policies": [policy]}}]}}))
    (grant,) = told.grants.value or ()
    assert grant.policies is not None
    assert grant.policies[0].covers("conversation:conversation:inject") is covered


@pytest.mark.parametrize(
    "response",
    [
        "",
        "[]",
        "{}",
        '{"tries": 5}',
        '{"tries": []}',
        '{"tries": [{"vantage": "a", "route": "direct", "missed": null}]}',
        '{"tries": [{"vantage": "a"}]}',
        '{"tries": [{"vantage": "a", "route": "direct", "missed": {"unread": "x"}}]}',
        '{"tries": [], "spoken_from": "a"}',
        '{"tries": [], "spoken_from": "a", "route": "direct", "token": {}}',
        json.dumps({"tries": []})[:-1] + ', "spoken_from": "a", "granted": true}',
    ],
)
def test_a_spoilt_record_is_a_parse_error(response: str) -> None:
    """Whatever a record holds, it is understood or refused as a record."""
    with pytest.raises(ProbeError) as caught:
        a_probe().parse(response)
    assert caught.value.reason.code is Cause.PARSE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "name", "grants", "role", "policies", "actions", "OAuthClient", "roleDivisions", "roleId"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(token=JSON, organization=JSON, subject=JSON, role=JSON)
def test_any_json_is_understood_or_refused(token: object, organization: object, subject: object, role: object) -> None:
    """Whatever JSON the API returns, each call ends as a value or a reason, never as both, neither or a crash."""
    account = account_of(
        parsed(
            {
                "tokens/me": token,
                "organizations/me": organization,
                "authorization/subjects/me": subject,
                "authorization/roles/r": role,
            }
        )
    )
    for told in (account.client, account.organization, account.grants):
        assert (told.value is None) is (told.reason is not None)


# ---- which VM speaks


async def test_the_first_vm_in_order_speaks(authority: Authority) -> None:
    """When all VMs reach the login, the first one does the talking and the others stay away."""
    async with stage(authority, ORDER) as lab:
        fact = await lab.conversed()
        assert [len(machine.streams) for machine in lab.machines.values()] == [4, 0, 0]
    assert fact.spoken_from == "excs-1"


@pytest.mark.parametrize("leads", [PathVerdict.REFUSED, PathVerdict.NO_ROUTE, None])
async def test_the_next_vm_speaks_at_once_where_the_first_cannot(
    authority: Authority, leads: PathVerdict | None
) -> None:
    """A VM that hears no is passed over without waiting, and what it heard is kept."""
    async with stage(authority, ORDER) as lab:
        lab.machines["excs-1"].ports = {LOGIN.host: leads} if leads is not None else {}
        async with asyncio.timeout(0.9):
            fact = await lab.conversed()
    assert fact.spoken_from == "exas-1"
    missed = fact.tries[0].missed
    assert isinstance(missed, HttpRefusal)
    assert (missed.kind, missed.verdict) == (RefusalKind.PATH, leads)


async def test_a_slow_vm_stays_in_the_race(authority: Authority) -> None:
    """A VM that is still on its way when the next one starts may win, or is called off and hangs up."""
    async with stage(authority, ("excs-1", "exas-1")) as lab:
        never = asyncio.Event()
        lab.machines["excs-1"].held = never
        fact = await lab.conversed()
        assert fact.spoken_from == "exas-1"
        assert fact.tries[0].missed is None
        assert all(stream.closed for machine in lab.machines.values() for stream in machine.streams)
        assert lab.cloud.calls["login /oauth/token"] == 1


async def test_a_vm_that_cannot_be_asked_does_not_stop_the_others(authority: Authority) -> None:
    """Trouble with one VM's SSH costs nothing while another one can speak."""
    async with stage(authority, ORDER) as lab:
        lab.machines["excs-1"].lost = True
        fact = await lab.conversed()
    assert fact.spoken_from == "exas-1"
    assert isinstance(fact.tries[0].missed, Reason)


async def test_an_unreached_login_is_a_fact(authority: Authority) -> None:
    """When no VM gets there, what each of them heard is the answer."""
    async with stage(authority, ("excs-1", "exas-1")) as lab:
        lab.machines["excs-1"].ports = {LOGIN.host: PathVerdict.TIMEOUT}
        lab.machines["exas-1"].lost = True
        fact = await lab.asked()
        assert lab.cloud.calls == {}
    assert isinstance(fact, LoginUnreached)
    heard, lost = (tried.missed for tried in fact.tries)
    assert isinstance(heard, HttpRefusal)
    assert heard.verdict is PathVerdict.TIMEOUT
    assert isinstance(lost, Reason)
    assert lost.code is Cause.UNREACHABLE


@pytest.mark.parametrize(
    ("names", "days", "trouble"),
    [
        (("somebody-else.test",), 90, TlsTrouble.WRONG_NAME),
        ((LOGIN.host,), -1, TlsTrouble.EXPIRED),
    ],
)
async def test_a_login_that_cannot_be_trusted_is_sent_nothing(
    authority: Authority, names: tuple[str, ...], days: int, trouble: TlsTrouble
) -> None:
    """Credentials leave only over a connection that is verified; a bad certificate is bad news and ends it."""
    async with stage(authority) as lab, HttpsServer(lambda _: Reply(), tls=authority.serving(*names, days=days)) as bad:
        lab.machines["excs-1"].ports = {LOGIN.host: bad.port}
        fact = await lab.asked()
        assert bad.asked == []
    assert isinstance(fact, LoginUnreached)
    (tried,) = fact.tries
    assert isinstance(tried.missed, HttpRefusal)
    assert tried.missed.tls is not None
    assert tried.missed.tls.trouble is trouble


async def test_without_any_vm_there_is_no_news(authority: Authority) -> None:
    """When no VM can be asked at all, that is our trouble and not Genesys Cloud's."""
    async with stage(authority, ("excs-1", "exas-1")) as lab:
        for machine in lab.machines.values():
            machine.lost = True
        with pytest.raises(ProbeError) as caught:
            await lab.asked()
    assert caught.value.reason.code is Cause.UNREACHABLE
    assert "excs-1" in caught.value.reason.detail
    assert "exas-1" in caught.value.reason.detail


async def test_a_missing_secret_asks_nothing(authority: Authority) -> None:
    """Without the secret nobody is bothered."""
    async with stage(authority) as lab:
        with pytest.raises(ProbeError) as caught:
            await lab.probe.read(gathered(*lab.machines.values()))
        assert lab.machines["excs-1"].streams == []
    assert caught.value.reason.code is Cause.AUTH


async def test_an_unreached_api_keeps_the_token_and_the_reason(authority: Authority) -> None:
    """A blocked API leaves the token's evidence, and each call knows what the network said."""
    async with stage(authority) as lab:
        lab.machines["excs-1"].ports = {LOGIN.host: lab.cloud.port, API.host: PathVerdict.REFUSED}
        fact = await lab.conversed()
    assert fact.token.outcome is TokenOutcome.GRANTED
    for told in (account_of(fact).client, account_of(fact).organization, account_of(fact).grants):
        assert told.value is None
        assert told.refusal is not None
        assert told.refusal.verdict is PathVerdict.REFUSED


def _proxying(port: int, asked: list[bytes]) -> Talk:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    return talk


async def test_the_proxy_is_used_only_where_the_direct_path_is_closed(authority: Authority) -> None:
    """The direct path counts; where it is closed everywhere the conversation goes by the proxy and says so."""
    heads: list[bytes] = []
    async with stage(authority) as lab, listening(_proxying(lab.cloud.port, heads)) as proxy:
        machine = lab.machines["excs-1"]
        machine.ports = {**machine.ports, "proxy.acme.test": proxy}
        direct = await lab.conversed(proxy="http://proxy.acme.test:3128")
        assert heads == []
        machine.ports = {LOGIN.host: PathVerdict.REFUSED, "proxy.acme.test": proxy}
        proxied = await lab.conversed(proxy="http://proxy.acme.test:3128")
    assert (direct.route, proxied.route) == (Route.DIRECT, Route.PROXY)
    assert [(tried.route, tried.missed is None) for tried in proxied.tries] == [
        (Route.DIRECT, False),
        (Route.PROXY, True),
    ]
    assert account_of(proxied).organization.value is not None
    assert len(heads) == 4
    assert b"uthorization" not in b"".join(heads)


# ---- secrets


async def test_no_secret_leaves_the_conversation(authority: Authority) -> None:
    """Even a server that echoes secret and token, as they are and as JSON, finds neither of them recorded."""
    heard: list[str] = []

    def echo(asked: Asked) -> Answer:
        heard.append(asked.header("authorization").partition(" ")[2])
        said = {"id": "x", "name": heard[-1], "message": heard[-1], "code": heard[0], "error": heard[-1]}
        headers = (("ININ-Correlation-Id", heard[-1]), ("X-Echo", heard[-1]))
        if asked.path == "/oauth/token":
            granted = {"access_token": "tok-canary-" + "abc/+=" * 20, "token_type": heard[-1]}
            return Reply(headers=headers, body=json.dumps(granted).encode())
        status = 200 if asked.path.endswith("/organizations/me") else 403
        return Reply(status=status, headers=headers, body=json.dumps(said).encode())

    names = (LOGIN.host, API.host)
    async with stage(authority) as lab, HttpsServer(echo, tls=authority.serving(*names)) as server:
        lab.machines["excs-1"].ports = dict.fromkeys(names, server.port)
        lab.secret = 'can"ary\\-secret-\N{SNOWMAN}'
        lab.cloud.tokens.append("tok-canary-" + "abc/+=" * 20)
        vantages = lab.vantages
        response = await lab.probe.read(vantages)
        shown = response + repr(lab.probe.parse(response))
    assert len(heard) >= 4
    for canary in (lab.secret, json.dumps(lab.secret)[1:-1], *heard, "tok-canary"):
        assert canary not in shown


async def test_no_secret_stands_in_an_exception(authority: Authority) -> None:
    """When the conversation breaks, neither its error nor its trace quotes what was being sent."""

    def dies(_: Asked) -> Answer:
        lab.machines["excs-1"].lost = True
        return HangUp()

    async with stage(authority) as lab, HttpsServer(dies, tls=authority.serving(LOGIN.host)) as server:
        lab.machines["excs-1"].ports = {LOGIN.host: server.port}
        with pytest.raises(ProbeError) as caught:
            await lab.asked()
    lab.keeps_quiet("".join(traceback.format_exception(caught.value)) + repr(caught.value.reason))


# ---- the hosts, one by one


async def host_asked(
    authority: Authority, lab: Stage, *, endpoint: Endpoint = API, trusted: bool = True, proxy: str | None = None
) -> GenesysCloudHost:
    probe = AskGenesysCloudHost(
        vantage="excs-1", endpoint=endpoint, ca_file=authority.ca_file if trusted else None, proxy=proxy
    )
    return probe.parse(await probe.read(lab.vantages))


@pytest.mark.parametrize("endpoint", [LOGIN, API], ids=str)
async def test_a_host_behind_a_trusted_interceptor_answers_and_names_it(
    authority: Authority, endpoint: Endpoint
) -> None:
    """With the proxy's CA declared the host answers, and the issuer that is no public one is still named."""
    async with stage(authority) as lab:
        fact = await host_asked(authority, lab, endpoint=endpoint)
        assert len(lab.cloud.server.asked) == 1
    assert isinstance(fact.direct, HttpAnswer)
    assert fact.direct.date is not None
    assert fact.interception is Interception.INTERCEPTED
    assert "ACME Proxy CA" in fact.issuer


async def test_a_host_behind_an_unknown_interceptor_is_refused_and_named(authority: Authority) -> None:
    """Without a declared CA nothing is sent, and the certificate that was shown says who stands in the way."""
    async with stage(authority) as lab:
        fact = await host_asked(authority, lab, trusted=False)
        assert lab.cloud.server.asked == []
    assert isinstance(fact.direct, HttpRefusal)
    assert fact.direct.tls is not None
    assert fact.direct.tls.trouble is TlsTrouble.UNTRUSTED_ISSUER
    assert fact.interception is Interception.INTERCEPTED
    assert "ACME Proxy CA" in fact.issuer


async def test_a_public_issuer_is_no_interception(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A certificate that the public roots vouch for is not intercepted, whether or not a proxy's CA is declared."""
    other = Authority.found(tmp_path, "Other CA")
    monkeypatch.setattr(certifi, "where", lambda: str(authority.ca_file))
    tls._context.cache_clear()
    try:
        async with stage(authority) as lab:
            fact = await host_asked(other, lab)
    finally:
        tls._context.cache_clear()
    assert isinstance(fact.direct, HttpAnswer)
    assert fact.interception is Interception.NONE


@pytest.mark.parametrize(
    ("names", "days", "trouble"),
    [(("somebody-else.test",), 90, TlsTrouble.WRONG_NAME), ((API.host,), -1, TlsTrouble.EXPIRED)],
)
async def test_a_bad_certificate_of_a_known_issuer_is_its_own_trouble(
    authority: Authority, names: tuple[str, ...], days: int, trouble: TlsTrouble
) -> None:
    """Wrong name and expiry are told apart from a foreign issuer once its CA is declared."""
    async with stage(authority) as lab, HttpsServer(lambda _: Reply(), tls=authority.serving(*names, days=days)) as bad:
        lab.machines["excs-1"].ports = {API.host: bad.port}
        fact = await host_asked(authority, lab)
    assert isinstance(fact.direct, HttpRefusal)
    assert fact.direct.tls is not None
    assert fact.direct.tls.trouble is trouble


async def test_a_host_without_a_path_shows_nothing(authority: Authority) -> None:
    """A closed path is bad news about the path and none about interception."""
    async with stage(authority) as lab:
        lab.machines["excs-1"].ports = {}
        fact = await host_asked(authority, lab)
    assert isinstance(fact.direct, HttpRefusal)
    assert (fact.direct.verdict, fact.interception, fact.issuer) == (None, Interception.UNSEEN, "")


async def test_the_proxy_is_tried_beside_the_direct_path(authority: Authority) -> None:
    """Both ways are kept apart: the direct one counts, what the proxy gives is told as well."""
    heads: list[bytes] = []
    async with stage(authority) as lab, listening(_proxying(lab.cloud.port, heads)) as proxy:
        lab.machines["excs-1"].ports = {API.host: PathVerdict.NO_ROUTE, "proxy.acme.test": proxy}
        fact = await host_asked(authority, lab, proxy="http://proxy.acme.test:3128")
    assert isinstance(fact.direct, HttpRefusal)
    assert isinstance(fact.proxied, HttpAnswer)
    assert heads[0].startswith(f"CONNECT {API.host}:443 ".encode())


async def test_a_lost_vm_is_no_news_of_a_host(authority: Authority) -> None:
    """When the VM itself is gone nothing is known of the host."""
    async with stage(authority) as lab:
        lab.machines["excs-1"].lost = True
        with pytest.raises(ProbeError) as caught:
            await host_asked(authority, lab, proxy="http://proxy.acme.test:3128")
    assert caught.value.reason.code is Cause.UNREACHABLE
