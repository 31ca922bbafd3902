"""Planning: what the page asks to be read before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from readiness.check import Check, Needs
from readiness.model import Judgement, Owner, Requirement, Status
from readiness.site import Site, SiteTarget


class LimitationsReviewed(Check[SiteTarget]):
    requirement = Requirement(
        id="planning.limitations-reviewed",
        section="Prerequisites",
        text="Whoever plans the deployment has read the product's limitations and found none that stands in its way.",
        proof=(
            "By a person: nothing on any machine shows who has read what. An attestation in the site file settles it."
        ),
        outcomes={
            Status.MANUAL: (
                "Nothing can probe it. An attestation that names who read the limitations, and when, settles it."
            ),
        },
        remedy=(
            "Read the Limitations page of the EX Engage Connector guide against the plan of this site, keep the"
            " result with the change ticket, and add to `attestations` in the site file:\n\n    - {check:"
            " planning.limitations-reviewed, target: site, by: <name>, date: <YYYY-MM-DD>, reference: <ticket>}"
        ),
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=180),
    )

    def targets(self, site: Site) -> Sequence[SiteTarget]:
        return (SiteTarget.of(site),)

    def needs(self, target: SiteTarget) -> Needs:
        return ()

    def judge(self, target: SiteTarget) -> Judgement:
        reference = target.site.change_ticket or "<ticket>"
        return Judgement.manual(
            "The product's limitations are to be read by a person before the deployment is planned.",
            expected="a person who has read the Limitations page against this plan, and says so",
            reasoning=(
                "The page asks for a review; a review leaves no trace on any machine, so only a person can vouch"
                " for it."
            ),
            remedy=(
                f"Read the Limitations page of the EX Engage Connector guide against the plan of {target.site.name},"
                " then add to `attestations` in the site file:\n\n"
                "    - {check: planning.limitations-reviewed, target: site, by: <your name>, date: <YYYY-MM-DD>,"
                f" reference: {reference}}}"
            ),
            job="Read the Limitations page against this plan and attest it in the site file",
            lane=None,
        )
