"""Recording: what the page's latest revision adds for recorded calls, none of which a machine of the site can prove.

The machines at both ends (MCP, WebDAV server, HTTP load balancer) are no EXEC VMs, and the page's figures for EXRP are
not public. So each is told as a thing for a person to look at, rather than left out of a report that might then say
"ready".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from readiness.check import Check, Needs
from readiness.model import Judgement, Lane, Owner, Requirement, Status
from readiness.site import Site, SiteTarget

_SECTION = "Recording"
_REVISIONS = ("recording",)
_ATTEST = "\n\nthen add to `attestations` in the site file:\n\n    - {check: %s, target: site, by: <name>, date: <YYYY-MM-DD>, reference: <ticket>}"  # noqa: E501
_OUTSIDE = (
    "By a person: the machines at its ends are none that the audit logs in to. An attestation in the site file"
    " settles it."
)
_SETTLED = {
    Status.MANUAL: "Nothing that the audit reaches can prove it. An attestation that names who looked settles it."
}


def _requirement(
    id: str, text: str, remedy: str, *, owner: Owner = Owner.NETWORK, proof: str = _OUTSIDE
) -> Requirement:
    return Requirement(
        id=id,
        section=_SECTION,
        text=text,
        proof=proof,
        outcomes=_SETTLED,
        remedy=remedy + _ATTEST % id,
        owner=owner,
        valid_for=timedelta(days=30),
        revisions=_REVISIONS,
    )


class _LookedAt(Check[SiteTarget]):
    """What a person has to look at, once for the site; ``expected`` and ``job`` are short lines."""

    expected: str
    job: str
    lane: Lane

    def targets(self, site: Site) -> Sequence[SiteTarget]:
        return (SiteTarget.of(site),)

    def needs(self, target: SiteTarget) -> Needs:
        return ()

    def judge(self, target: SiteTarget) -> Judgement:
        return Judgement.manual(
            f"{self.requirement.text.rstrip('.')}: a person must look.",
            expected=self.expected,
            reasoning=(
                f"The page's revision {target.site.page.revision} asks for it, and no machine that this audit may log"
                " in to is an end of it. So no evidence of this run speaks for it or against it."
            ),
            remedy=self.requirement.remedy,
            job=self.job,
            lane=self.lane,
        )


class WebDavHasRoom(_LookedAt):
    requirement = _requirement(
        "recording.webdav",
        "A WebDAV server takes the recordings and has 30 GB for every 1000 calls that are recorded at a time.",
        "On the WebDAV server, look at the room left in its folder and compare it with the calls recorded at a"
        " time:\n\n    df -h <folder of the recordings>",
        owner=Owner.VIRTUALISATION,
    )
    expected = "a WebDAV server with 30 GB of room for every 1000 concurrent recorded calls"
    job = "Attest that the WebDAV server stands and has the room for the recorded calls"
    lane = Lane.CAPACITY


class LoadBalancerStands(_LookedAt):
    requirement = _requirement(
        "recording.load-balancer",
        "An HTTP load balancer stands before the EXCP VMs for the notices of recordings.",
        "Look at the load balancer's configuration: every EXCP VM is a member of its pool, on port 3650:\n\n"
        "    curl -sv http://<load balancer>/",
    )
    expected = "an HTTP load balancer whose pool holds every EXCP VM"
    job = "Attest that the HTTP load balancer before EXCP stands"
    lane = Lane.CONFIGURATION


class McpReachesWebDav(_LookedAt):
    requirement = _requirement(
        "connectivity.mcp-webdav",
        "Every MCP (Media Control Platform) reaches the WebDAV server on port 80.",
        "On each MCP host:\n\n    nc -vz -w 5 <WebDAV server> 80",
    )
    expected = "a TCP connection from every MCP host to the WebDAV server, port 80"
    job = "Try from every MCP host whether it reaches the WebDAV server on port 80, and attest it"
    lane = Lane.FIREWALL


class McpReachesLoadBalancer(_LookedAt):
    requirement = _requirement(
        "connectivity.mcp-load-balancer",
        "Every MCP (Media Control Platform) reaches the HTTP load balancer.",
        "On each MCP host, with the port that the load balancer listens on:\n\n    nc -vz -w 5 <load balancer> <port>",
    )
    expected = "a TCP connection from every MCP host to the load balancer"
    job = "Try from every MCP host whether it reaches the HTTP load balancer, and attest it"
    lane = Lane.FIREWALL


class LoadBalancerReachesExcp(_LookedAt):
    requirement = _requirement(
        "connectivity.load-balancer-excp",
        "The HTTP load balancer reaches every EXCP VM on port 3650.",
        "From the load balancer's own diagnostics, or a shell on it, for each EXCP VM:\n\n"
        "    nc -vz -w 5 <EXCP VM> 3650",
    )
    expected = "a TCP connection from the load balancer to every EXCP VM, port 3650"
    job = "Try from the load balancer whether it reaches each EXCP VM on port 3650, and attest it"
    lane = Lane.FIREWALL


class ExrpRows(_LookedAt):
    requirement = _requirement(
        "connectivity.exrp",
        "The EXRP VMs have the connections that the page's latest revision gives them.",
        "Open the Prerequisites page of your release, take the rows that name EXRP from its connectivity table, and try"
        " each on the EXRP VMs:\n\n    nc -vz -w 5 <peer> <port>",
        proof=(
            "By a person: EXRP's rows and its port are not public, and a guessed port would prove nothing. An"
            " attestation in the site file settles it."
        ),
    )
    expected = "the connections of EXRP as the page's revision at hand lists them"
    job = "Try the rows of EXRP in the page's own table from the EXRP VMs, and attest them"
    lane = Lane.FIREWALL
