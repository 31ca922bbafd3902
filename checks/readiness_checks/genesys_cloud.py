"""Genesys Cloud EX organisation: it is the planned one, and EXEC's OAuth client may do its work there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta

from readiness import (
    Attempt,
    Cause,
    Check,
    Evidence,
    Judgement,
    Lane,
    Level,
    Needs,
    Obligation,
    Origin,
    Owner,
    Requirement,
    Settled,
    Status,
    Target,
    TargetKind,
    Unread,
)
from readiness.probes.genesys_cloud import (
    AskGenesysCloud,
    AskGenesysCloudHost,
    Conversation,
    GenesysCloudHost,
    Interception,
    LoginUnreached,
)
from readiness.probes.genesys_cloud_api import Account, Grant, OAuthClient, TokenOutcome, Told
from readiness.probes.http import HttpAnswer, HttpRefusal
from readiness.site import Absent, Role, ServiceTarget, Site
from readiness_checks.cloud_words import (
    LANES,
    OAUTH,
    CloudTarget,
    client_evidence,
    correlation,
    detour,
    login_unreached,
    not_told,
    prove,
    said,
    seen,
    ticket,
    token_evidence,
)

SECTION = "Genesys Cloud EX Organization"
VALID_FOR = timedelta(days=7)
SOON = timedelta(days=30)

EX_INTEGRATION = "EX Integration"
INJECTION = (
    "conversation:conversation:inject",
    "presence:userPresence:inject",
    "routing:routingstatus:inject",
)
"""The permissions that the calls need by which EXEC writes conversations, presence and routing status."""

REGIONS = frozenset(
    {
        "mypurecloud.com",
        "use2.us-gov-pure.cloud",
        "usw2.pure.cloud",
        "cac1.pure.cloud",
        "sae1.pure.cloud",
        "mxc1.pure.cloud",
        "mypurecloud.ie",
        "euw2.pure.cloud",
        "mypurecloud.de",
        "euc2.pure.cloud",
        "mec1.pure.cloud",
        "aps1.pure.cloud",
        "apse1.pure.cloud",
        "mypurecloud.com.au",
        "mypurecloud.jp",
        "apne2.pure.cloud",
        "apne3.pure.cloud",
        "edee1.eusc-pure.cloud",
    }
)
"""The domains of Genesys Cloud's regions as far as they are known here; new ones appear."""

Fact = Conversation | LoginUnreached

_CONVERSATION = (
    "The first EXEC VM that reaches the login of the region asks there for one token, as EXEC will: HTTPS, client id"
    " and secret, grant type Client Credentials. Nothing is written, and the credentials are shown to no other region."
)
_UNKNOWN = (
    "No VM could ask or none reached Genesys Cloud, the credentials are not declared or were refused, the site file"
    " does not allow a token (`probing.oauth_token: false`), or Genesys Cloud was overloaded or did not tell."
)
_MANUAL = "The site file says that there is no EX organisation."
_EXPECTED = "an EX organisation, and an OAuth client in it with the EX Integration role"
_INSTEAD = "Say in an attestation what EXEC is to feed, or declare `genesys_cloud` in the site file."


def _cloud_target(site: Site) -> CloudTarget | Settled:
    cloud = site.genesys_cloud
    if isinstance(cloud, Absent):
        what = "EX organisation in Genesys Cloud"
        return Settled.absent("genesys_cloud", cloud, what=what, expected=_EXPECTED, remedy=_INSTEAD)
    target = ServiceTarget.of(cloud.login, cloud, site.vms_of(Role.EXCS, Role.EXAS, Role.EXCP), site)
    if not target.vantages:
        return Settled(
            target=target, judgement=Judgement.undeclared("vms[].host", what="EXEC VM that can be asked from")
        )
    return target


class _ClientCheck(Check[CloudTarget, Fact]):
    """What is decided from the one conversation."""

    def targets(self, site: Site) -> Sequence[CloudTarget | Settled]:
        target = _cloud_target(site)
        if isinstance(target, Settled):
            return (target,)
        cloud = target.service
        if cloud.client_id is None:
            settled = Judgement.undeclared("genesys_cloud.client_id", what="OAuth client")
        elif cloud.client_secret is None:
            settled = Judgement.undeclared("genesys_cloud.client_secret", what="secret of the OAuth client")
        elif not site.probing.oauth_token:
            settled = Judgement.unknown(
                "The site file does not allow the audit to ask Genesys Cloud for a token, so nothing was asked.",
                Cause.UNSUPPORTED,
                "switched off by `probing.oauth_token: false`",
                enable="Set `probing.oauth_token: true` in the site file and run the audit again.",
                lane=Lane.CONFIGURATION,
                owner=Owner.DEPLOYER,
            )
        else:
            return (target,)
        return (Settled(target=target, judgement=settled),)

    def needs(self, target: CloudTarget) -> Needs:
        return (AskGenesysCloud.of(target.vantages, target.service),)

    def judge(self, target: CloudTarget, talk: Fact) -> Judgement:
        if isinstance(talk, LoginUnreached):
            return login_unreached(target, talk)
        if talk.token.reason is not None:
            return Judgement.unknown(
                f"Genesys Cloud in {target.service.region} gave no token, for a reason that is not the credentials.",
                talk.token.reason.code,
                talk.token.reason.detail,
                enable=talk.token.reason.enable,
                by=talk.token.reason.by,
                lane=LANES.get(talk.token.reason.code, Lane.PROBE),
                evidence=token_evidence(talk),
            )
        if talk.account is None:
            return self.refused(target, talk)
        return self.conclude(target, talk, talk.account)

    def refused(self, target: CloudTarget, talk: Conversation) -> Judgement:
        """Conclude where the login refused the credentials: what stands behind them stays in the dark."""
        return Judgement.blocked(
            f"genesys-cloud.oauth-client[{target.name}]",
            "Genesys Cloud refuses the OAuth client's credentials, so it says nothing about what stands behind them.",
            detail=f"{target.service.login} answers the token request with {said(talk)}",
            lane=Lane.AUTH,
            evidence=token_evidence(talk),
        )

    @abstractmethod
    def conclude(self, target: CloudTarget, talk: Conversation, account: Account) -> Judgement:
        """Conclude where a token was granted."""


class OrganizationPlanned(_ClientCheck):
    requirement = Requirement(
        id="genesys-cloud.organization",
        section=SECTION,
        text="An EX organisation exists in Genesys Cloud for EXEC to inject its data into, and it is the planned one.",
        proof=f"{_CONVERSATION} With the token organizations/me tells whose organisation the client belongs to.",
        outcomes={
            Status.PASS: "The client's organisation is the declared one, and it is active.",
            Status.WARN: "It is, in a region whose domain is not among those that this release knows.",
            Status.FAIL: "The client belongs to another organisation than the declared one, or it is not active.",
            Status.UNKNOWN: f"{_UNKNOWN} Or the site file does not say which organisation is planned.",
            Status.MANUAL: _MANUAL,
        },
        remedy=(
            "Compare `genesys_cloud.organization_id` with the Organization ID that stands in Genesys Cloud under"
            " Admin > Account Settings > Organization Settings > Advanced. Create the OAuth client in the planned"
            " organisation, or declare the organisation that is meant."
        ),
        owner=Owner.GENESYS_CLOUD,
        valid_for=VALID_FOR,
    )

    def conclude(self, target: CloudTarget, talk: Conversation, account: Account) -> Judgement:
        cloud, told = target.service, account.organization
        found = told.value or account.reference
        if found is None:
            return not_told(target, talk, told, "Genesys Cloud does not say which organisation the client belongs to.")
        shown = f"{found.name or 'without a name'} ({found.id})"
        evidence = (
            seen(talk, "Organisation", shown, told.call if told.value is not None else "GET tokens/me"),
            *((seen(talk, "State", found.state, told.call),) if found.state is not None else ()),
            *correlation(talk, told),
        )
        expected = f"organisation {cloud.organization_id}, active"
        observed = f"organisation {shown}" + (f", {found.state}" if found.state is not None else "")
        if cloud.organization_id is None:
            return Judgement.unknown(
                f"The OAuth client belongs to {found.name or found.id}; the site file does not say which is planned.",
                Cause.UNDECLARED,
                "`genesys_cloud.organization_id` is not in the site file",
                enable=f"If this is the planned organisation, declare it: organization_id: {found.id}",
                lane=Lane.CONFIGURATION,
                owner=Owner.DEPLOYER,
                observed=observed,
                evidence=evidence,
            )
        if found.id.lower() != cloud.organization_id.lower():
            return Judgement.missed(
                f"The OAuth client belongs to another organisation than the planned one: {found.name or found.id}.",
                expected=expected,
                observed=observed,
                reasoning=(
                    "Genesys Cloud names the organisation of the token itself, and EXEC would inject into that one."
                    " Either the client was created in the wrong organisation, or the site file declares another."
                ),
                evidence=evidence,
                remedy=(
                    f"If {found.name or 'that organisation'} is meant, declare `organization_id: {found.id}`. If not,"
                    f" create the OAuth client in organisation {cloud.organization_id}: {OAUTH}, Add Client, grant type"
                    " Client Credentials, and put its id and secret where the site file refers to.\n"
                    f"{prove(target)}"
                ),
                job="Create the OAuth client in the planned organisation, or correct the declared organisation id",
                lane=Lane.CONFIGURATION,
            )
        if found.state is not None and found.state.lower() != "active":
            return Judgement.missed(
                f"The planned organisation is {found.state}, not active.",
                expected=expected,
                observed=observed,
                reasoning="Genesys Cloud itself gives this state; an organisation that is not active takes no data.",
                evidence=evidence,
                remedy=(
                    "Have the organisation activated by your Genesys representative or Genesys Cloud support"
                    f"{ticket(told)}.\n{prove(target)}"
                ),
                job=f"Have organisation {found.name or found.id} activated",
                lane=Lane.SERVICE,
            )
        by_token = "" if told.value is not None else " Its state could not be read; it does issue tokens."
        reasoning = f"Genesys Cloud names this organisation as the token's own.{by_token}{detour(talk)}"
        if cloud.region.lower() not in REGIONS:
            return Judgement.weak(
                f"The planned organisation answers, in a region that this release does not know: {cloud.region}.",
                expected=f"{expected}, in a known region",
                observed=f"{observed}, in {cloud.region}",
                reasoning=f"{reasoning} New regions appear; a mistyped or foreign domain would look the same.",
                evidence=evidence,
                remedy=(
                    f"Make sure that {cloud.region} is one of Genesys Cloud's own regions: it stands in the address bar"
                    " after signing in, and in the list of regions at developer.genesys.cloud."
                ),
                job=f"Confirm that {cloud.region} is a region of Genesys Cloud",
                lane=Lane.CONFIGURATION,
            )
        return Judgement.met(
            f"The planned organisation {found.name or found.id} is there and active."
            if found.state is not None
            else f"The planned organisation {found.name or found.id} is there.",
            expected=expected,
            observed=observed,
            reasoning=reasoning,
            evidence=evidence,
        )


class OAuthClientWorks(_ClientCheck):
    requirement = Requirement(
        id="genesys-cloud.oauth-client",
        section=SECTION,
        text="An OAuth client with the grant type Client Credentials exists in the EX organisation, for EXEC to use.",
        proof=f"{_CONVERSATION} tokens/me then describes the client: its grant type, its state, its planned end.",
        outcomes={
            Status.PASS: "The client got a token by Client Credentials, and is active.",
            Status.WARN: "It got one, but Genesys Cloud is going to delete the client within 30 days.",
            Status.FAIL: "The login refused the credentials, or the client has another grant type or is not active.",
            Status.UNKNOWN: _UNKNOWN,
            Status.MANUAL: _MANUAL,
        },
        remedy=(
            f"In Genesys Cloud open {OAUTH}. The client must be there, active, with grant type Client Credentials;"
            " compare its id. A secret is shown when it is made: where in doubt generate a new one and put it where"
            " `genesys_cloud.client_secret` refers to."
        ),
        owner=Owner.GENESYS_CLOUD,
        valid_for=VALID_FOR,
    )

    def refused(self, target: CloudTarget, talk: Conversation) -> Judgement:
        cloud = target.service
        if talk.token.outcome is TokenOutcome.WRONG_GRANT:
            return _another_grant_type(target, talk, "the login says that it may not use this grant type")
        return Judgement.missed(
            f"Genesys Cloud in {cloud.region} refuses the OAuth client's credentials.",
            expected="a token for the client by Client Credentials",
            observed=said(talk),
            reasoning=(
                "The login answered over verified TLS, so this is no trouble of the network. It gives the same answer"
                " for a wrong secret, an unknown or disabled client, and a client of another region: which of them it"
                " is, the answer does not tell, and the audit shows the credentials to no other region to find out."
            ),
            evidence=token_evidence(talk),
            remedy=(
                f"1. In Genesys Cloud open {OAUTH}. If client {cloud.client_id} is not there, it belongs to another"
                " organisation, or the organisation to another region: the region's domain stands in the address bar"
                f" after signing in, and must be the declared {cloud.region}.\n"
                "2. If it is there, it must be active, with grant type Client Credentials.\n"
                f"3. Then the secret is wrong: generate a new one and put it where the site file refers to"
                f" ({cloud.client_secret}). EXEC's own configuration needs it too.\n{prove(target)}"
            ),
            job=f"Correct the id, the secret or the region of OAuth client {cloud.client_id}",
            lane=Lane.AUTH,
        )

    def conclude(self, target: CloudTarget, talk: Conversation, account: Account) -> Judgement:
        client = account.client.value
        if client is None:
            return self._by_token_alone(target, talk, account.client)
        if client.by_client_credentials is False:
            return _another_grant_type(target, talk, f"its grant type is {client.grant_type}", account.client)
        name = client.name or client.id or target.service.client_id
        evidence = (*token_evidence(talk), *client_evidence(talk, client, account.client))
        expected = "an active OAuth client with grant type Client Credentials"
        observed = ", ".join(part for part in (name, client.grant_type, client.state) if part)
        if client.state is not None and client.state.lower() != "active":
            return Judgement.missed(
                f"The OAuth client {name} is {client.state}, not active.",
                expected=expected,
                observed=observed,
                reasoning=(
                    "Genesys Cloud gives this state in the client's own record. A client that is not active gets no new"
                    " tokens, and a disabled one loses those that it has."
                ),
                evidence=evidence,
                remedy=(
                    f"In Genesys Cloud open {OAUTH} > {name} and set it active, or create a new client.\n"
                    f"{prove(target)}"
                ),
                job=f"Set the OAuth client {name} active",
                lane=Lane.CONFIGURATION,
            )
        if client.deletion_text and not _lives_long(client, talk):
            when = f"{client.deletion:%Y-%m-%d %H:%M} UTC" if client.deletion is not None else client.deletion_text
            return Judgement.weak(
                f"The OAuth client {name} works, but Genesys Cloud is going to delete it at {when}.",
                expected=f"{expected}, that stays",
                observed=f"{observed}, to be deleted at {when}",
                reasoning="A client with a date of deletion is on its way out; EXEC stops working on that date.",
                evidence=evidence,
                remedy=(
                    f"In Genesys Cloud open {OAUTH} > {name} and take back its deletion, or create a client that stays"
                    f" and put its id and secret where the site file refers to.\n{prove(target)}"
                ),
                job=f"Keep the OAuth client {name} from being deleted, or replace it",
                lane=Lane.CONFIGURATION,
                valid_until=client.deletion,
            )
        return Judgement.met(
            f"The OAuth client {name} gets tokens by Client Credentials and is active."
            if client.state is not None
            else f"The OAuth client {name} gets tokens by Client Credentials.",
            expected=expected,
            observed=observed,
            reasoning=f"It was given a token in the very way in which EXEC asks for one.{detour(talk)}",
            evidence=evidence,
            valid_until=client.deletion,
        )

    def _by_token_alone(self, target: CloudTarget, talk: Conversation, told: Told[OAuthClient]) -> Judgement:
        why = told.reason.detail if told.reason is not None else ""
        return Judgement.met(
            f"The OAuth client {target.service.client_id} gets tokens by Client Credentials.",
            expected="an active OAuth client with grant type Client Credentials",
            observed="a token, granted by Client Credentials",
            reasoning=(
                "The login gives tokens of this grant type only to clients that have it and are active. The client's"
                f" own record could not be read ({why}), so whether it is to be deleted was not seen.{detour(talk)}"
            ),
            evidence=(*token_evidence(talk), *correlation(talk, told)),
        )


def _another_grant_type(
    target: CloudTarget, talk: Conversation, how: str, told: Told[OAuthClient] | None = None
) -> Judgement:
    return Judgement.missed(
        "The OAuth client exists, but not with the grant type Client Credentials.",
        expected="grant type Client Credentials",
        observed=how,
        reasoning="EXEC signs in without a person, which takes Client Credentials; Genesys Cloud itself says this.",
        evidence=(*token_evidence(talk), *(correlation(talk, told) if told is not None else ())),
        remedy=(
            f"In Genesys Cloud open {OAUTH}, Add Client, and create a client with grant type Client Credentials and the"
            f" role {EX_INTEGRATION}: the grant type of a client cannot be relied on to change. Put its id and secret"
            f" where the site file refers to.\n{prove(target)}"
        ),
        job="Create an OAuth client with grant type Client Credentials",
        lane=Lane.CONFIGURATION,
    )


def _lives_long(client: OAuthClient, talk: Conversation) -> bool:
    return client.deletion is not None and talk.token.at is not None and client.deletion - talk.token.at > SOON


class RoleAssigned(_ClientCheck):
    requirement = Requirement(
        id="genesys-cloud.role",
        section=SECTION,
        text="The EX Integration role is assigned to EXEC's OAuth client.",
        proof=(
            f"{_CONVERSATION} With the token authorization/subjects/me lists the client's roles with their policies,"
            " which needs no permission; what it leaves out is looked up in the roles, where the client may."
        ),
        outcomes={
            Status.PASS: (
                "A role named EX Integration is granted, or one whose policies let it inject conversations, presence"
                " and routing status."
            ),
            Status.WARN: "Only several roles together give those three permissions.",
            Status.FAIL: "The client has no role, or all its roles could be read and none of them does.",
            Status.UNKNOWN: f"{_UNKNOWN} Or the names or the policies of its roles are hidden from the client.",
            Status.MANUAL: _MANUAL,
        },
        remedy=(
            f"In Genesys Cloud open {OAUTH} > the client > Roles, add EX Integration in division Home and save. A role"
            " can be assigned there only by somebody who holds it."
        ),
        owner=Owner.GENESYS_CLOUD,
        valid_for=VALID_FOR,
    )

    def conclude(self, target: CloudTarget, talk: Conversation, account: Account) -> Judgement:
        told = account.grants
        if told.value is None:
            return not_told(target, talk, told, "Genesys Cloud does not say which roles the OAuth client holds.")
        grants = told.value
        client = account.client.value
        name = (client.name if client is not None else None) or target.service.client_id or "the client"
        evidence = (
            seen(talk, "Roles", _listed(grants) or "none", told.call),
            seen(talk, "Permissions", _coverage(grants), told.call),
            *correlation(talk, told),
        )
        declared = target.service.role
        other = "one" if declared.lower() == EX_INTEGRATION.lower() else f"{declared} or another one"
        expected = f"the role {EX_INTEGRATION}, or {other} whose policies give what EXEC writes with"
        observed = _listed(grants) or "no role"
        named = [grant for grant in grants if _is_named(grant, EX_INTEGRATION)]
        covering = sorted((grant for grant in grants if _covers(grant)), key=lambda g: not _is_named(g, declared))
        if named:
            return Judgement.met(
                f"The OAuth client {name} holds the role {EX_INTEGRATION}.",
                expected=expected,
                observed=observed,
                reasoning=f"Genesys Cloud lists the role by its name.{_doubt(named)}{_division(named)}{detour(talk)}",
                evidence=evidence,
            )
        if covering:
            held = covering[0].role_name or covering[0].role_id
            return Judgement.met(
                f"The OAuth client {name} holds the role {held}, which may do what EXEC does.",
                expected=expected,
                observed=observed,
                reasoning=(
                    f"The role is not named {EX_INTEGRATION}, but its policies cover {', '.join(INJECTION)}. What else"
                    f" {EX_INTEGRATION} holds is not published: if EXEC misses a permission, assign that role instead."
                    f"{_division(covering)}{detour(talk)}"
                ),
                evidence=evidence,
            )
        remedy = (
            f"In Genesys Cloud open {OAUTH} > {name} > Roles, add {EX_INTEGRATION} in division Home and save. Whoever"
            f" does it must hold the role, and the permission to edit OAuth clients.\n{prove(target)}"
        )
        job = f"Grant the {EX_INTEGRATION} role to the OAuth client {name}"
        nameless = [grant for grant in grants if grant.role_name is None]
        if nameless or any(grant.policies is None for grant in grants):
            hidden = nameless or [grant for grant in grants if grant.policies is None]
            ids = ", ".join(dict.fromkeys(grant.role_id for grant in hidden))
            what = "names" if nameless else "policies"
            return Judgement.unknown(
                f"The OAuth client {name} holds roles whose {what} Genesys Cloud does not tell it.",
                Cause.PERMISSION,
                f"the {what} of these roles could not be read: {ids}",
                enable=(
                    "Look the roles up in Genesys Cloud under Admin > People & Permissions > Roles / Permissions, and"
                    f" attest this finding if one of them is {EX_INTEGRATION}; or give the client the permission"
                    " authorization:role:view and run the audit again."
                ),
                lane=Lane.AUTH,
                observed=observed,
                evidence=evidence,
                job=f"Say which roles the OAuth client {name} holds",
            )
        if all(any(_gives(grant, permission) for grant in grants) for permission in INJECTION):
            return Judgement.weak(
                f"The OAuth client {name} may do what EXEC does, but by several roles and without {EX_INTEGRATION}.",
                expected=expected,
                observed=observed,
                reasoning=(
                    f"No single role covers {', '.join(INJECTION)}; together they do. The page asks for one role, and"
                    " permissions that are scattered over roles and divisions are easily taken apart."
                ),
                evidence=evidence,
                remedy=remedy,
                job=job,
                lane=Lane.CONFIGURATION,
            )
        return Judgement.missed(
            f"The OAuth client {name} holds no role." if not grants else _misses(name, grants),
            expected=expected,
            observed=observed,
            reasoning=(
                "Genesys Cloud answered which roles the client holds, and there is none."
                if not grants
                else "The names and policies of all its roles could be read, so nothing is hidden from this audit: the"
                " role is not there, nor another one that would do."
            ),
            evidence=evidence,
            remedy=remedy,
            job=job,
            lane=Lane.AUTH,
        )


def _misses(name: str, grants: Sequence[Grant]) -> str:
    names = list(dict.fromkeys(grant.role_name or grant.role_id for grant in grants))
    held = f"only the role {names[0]}" if len(names) == 1 else f"{len(names)} roles"
    return f"The OAuth client {name} holds {held}; {EX_INTEGRATION} is missing."


def _is_named(grant: Grant, name: str) -> bool:
    return grant.role_name is not None and " ".join(grant.role_name.split()).lower() == name.lower()


def _gives(grant: Grant, permission: str) -> bool:
    return any(policy.covers(permission) for policy in grant.policies or ())


def _covers(grant: Grant) -> bool:
    return all(_gives(grant, permission) for permission in INJECTION)


def _listed(grants: Sequence[Grant], most: int = 12) -> str:
    shown = [
        f"{grant.role_name or grant.role_id} in division {grant.division_name or grant.division_id or 'unknown'}"
        for grant in grants[:most]
    ]
    return ", ".join(shown) + (f" and {len(grants) - most} more" if len(grants) > most else "")


def _coverage(grants: Sequence[Grant]) -> str:
    given = [permission for permission in INJECTION if any(_gives(grant, permission) for grant in grants)]
    hidden = any(grant.policies is None for grant in grants)
    return (", ".join(given) or "none to inject") + (", as far as policies could be read" if hidden else "")


def _doubt(named: Sequence[Grant]) -> str:
    if any(grant.policies is None or _covers(grant) for grant in named):
        return ""
    return (
        " Its policies as read do not show all of what EXEC writes with: if the role was made or changed by hand,"
        " compare it with the one that Genesys delivers."
    )


def _division(grants: Sequence[Grant]) -> str:
    if any(grant.home is not False for grant in grants):
        return ""
    names = ", ".join(dict.fromkeys(grant.division_name or grant.division_id for grant in grants))
    return f" It is granted in {names}, not in the Home division: what lies outside is hidden from EXEC."


class NotIntercepted(Check[CloudTarget, *tuple[GenesysCloudHost | Unread, ...]]):
    requirement = Requirement(
        id="genesys-cloud.tls-interception",
        section=SECTION,
        text="Nobody opens the TLS between the EXEC VMs and Genesys Cloud on the way.",
        proof=(
            "Every EXEC VM asks the login and the API by HTTPS, and the certificate that each shows is verified on the"
            " public roots alone: an issuer that is none of them stands between the VM and Genesys Cloud."
        ),
        outcomes={
            Status.PASS: "From every VM both hosts show certificates of public issuers.",
            Status.WARN: "From some VM a host shows a certificate whose issuer is not public; the issuer is named.",
            Status.UNKNOWN: "Some VM could not look, or reached no certificate.",
            Status.SKIP: "The site file says that there is no EX organisation.",
        },
        remedy=(
            "Exempt <login host> and <API host> from TLS inspection on the proxy or firewall. Where that cannot be, its"
            " authority must be trusted by the containers, not only by the VM; the vendor documents no such set-up."
        ),
        owner=Owner.NETWORK,
        valid_for=VALID_FOR,
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def targets(self, site: Site) -> Sequence[CloudTarget | Settled]:
        if site.genesys_cloud is Absent.NONE:
            target = Target(kind=TargetKind.SERVICE, name="genesys_cloud")
            return (Settled(target=target, judgement=Judgement.skip("The site has no EX organisation to talk to.")),)
        return (_cloud_target(site),)

    def needs(self, target: CloudTarget) -> Needs:
        cloud = target.service
        return tuple(
            Attempt(AskGenesysCloudHost.of(name, endpoint, cloud))
            for name in target.vantages
            for endpoint in (cloud.login, cloud.api)
        )

    def judge(self, target: CloudTarget, *hosts: GenesysCloudHost | Unread) -> Judgement:
        seen = [host for host in hosts if isinstance(host, GenesysCloudHost)]
        intercepted = [host for host in seen if host.interception is Interception.INTERCEPTED]
        evidence = tuple(
            Evidence(
                label=f"Issuer at {host.endpoint.host}",
                value=host.issuer or "no certificate seen",
                level=Level.PROTOCOL if host.shown is not None else Level.TCP,
                of=host,
            )
            for host in seen
        )
        if intercepted:
            return self._intercepted(target, intercepted, evidence)
        unseen = [host for host in hosts if isinstance(host, Unread) or host.interception is Interception.UNSEEN]
        if unseen:
            return self._unseen(unseen[0], len(hosts) - len(unseen), len(hosts), evidence)
        issuers = ", ".join(dict.fromkeys(host.issuer for host in seen))
        return Judgement.met(
            "Nobody opens the TLS to Genesys Cloud on the way.",
            expected="certificates of public issuers",
            observed=issuers,
            reasoning="Every VM was shown certificates for the hosts' own names that the public roots alone vouch for.",
            evidence=evidence,
        )

    def _intercepted(
        self, target: CloudTarget, intercepted: Sequence[GenesysCloudHost], evidence: tuple[Evidence, ...]
    ) -> Judgement:
        issuers = list(dict.fromkeys(host.issuer or "an issuer that was not seen" for host in intercepted))
        vms = ", ".join(dict.fromkeys(host.vantage for host in intercepted))
        names = ", ".join(dict.fromkeys(host.endpoint.host for host in intercepted))
        accepted = all(isinstance(host.direct, HttpAnswer) for host in intercepted)
        return Judgement.missed(
            f"{vms}: certificates for Genesys Cloud come from an issuer that is not public: {'; '.join(issuers)}.",
            expected="certificates of public issuers",
            observed=f"issuer {'; '.join(issuers)} at {names}",
            reasoning=(
                "None of the public roots vouches for this issuer, while Genesys Cloud's own certificates come from"
                " public ones: TLS is opened on the way, or the name leads elsewhere. Whoever does it can read the"
                " OAuth secret and every event. "
                + (
                    "`genesys_cloud.ca_file` vouches for the issuer, so the audit went through; EXEC's containers would"
                    " have to trust it as well."
                    if accepted
                    else "Neither does `genesys_cloud.ca_file`, so the audit sent nothing there."
                )
            ),
            evidence=evidence,
            remedy=(
                f"Exempt {target.service.login.host} and {target.service.api.host} from TLS inspection for {vms}."
                " To see what a VM is shown:\n"
                f"openssl s_client -connect {intercepted[0].endpoint} -servername {intercepted[0].endpoint.host}"
                " </dev/null | openssl x509 -noout -issuer -subject\n"
                "Where inspection has to stay, EXEC's containers must trust its authority; ask Genesys first."
            ),
            job=f"Exempt {names} from TLS inspection for {vms}",
            lane=Lane.TLS,
            owner=Owner.NETWORK,
        )

    def _unseen(
        self, first: GenesysCloudHost | Unread, told: int, whole: int, evidence: tuple[Evidence, ...]
    ) -> Judgement:
        summary = "Whether somebody opens the TLS to Genesys Cloud could not be seen from every VM."
        reasoning = (
            f"{told} of {whole} looks showed a public issuer; the others saw no certificate, and one is enough for"
            " someone to listen in."
            if told
            else "No VM was shown a certificate that could be judged."
        )
        if isinstance(first, Unread):
            return Judgement.unknown(
                summary,
                first.reason.code,
                first.reason.detail,
                enable=first.reason.enable,
                by=first.reason.by,
                reasoning=reasoning,
                evidence=evidence,
            )
        assert isinstance(first.direct, HttpRefusal)
        return Judgement.blocked(
            f"connectivity.genesys-cloud[{first.vantage}->{first.endpoint}]",
            summary,
            detail=f"from {first.vantage} {first.endpoint} {first.direct.words}",
            reasoning=reasoning,
            lane=first.direct.lane,
            evidence=evidence,
        )
