"""network.*: how facts are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from readiness_checks.network import (
    DockerOverlap,
    Interconnect,
    NameResolution,
    OneSegment,
    PairTarget,
)

from readiness.check import Settled
from readiness.model import Cause, Judgement, Lane, Outcome, Reason, Unread
from readiness.plan import AnyCheck
from readiness.probes.docker_networks import DEFAULT_POOLS, DockerNetwork, DockerNetworks, Network
from readiness.probes.names import Name, Names
from readiness.probes.neighbours import Neighbour, Neighbours, Peer
from readiness.site import (
    Absent,
    Bootstrap,
    ConfigDb,
    Endpoint,
    Engine,
    GenesysCloud,
    Redis,
    Registry,
    Role,
    Site,
    StatServer,
    StatServers,
    Vm,
    VmTarget,
)
from tests.lab.engine import site

GENESYS_CLOUD = GenesysCloud(
    region="mypurecloud.de",
    client_id=None,
    client_secret=None,
    organization_id=None,
    role="EX Integration",
    ca_file=None,
    proxy=None,
    login=Endpoint("login.mypurecloud.de", 443),
    api=Endpoint("api.mypurecloud.de", 443),
)
UNREAD = Unread(reason=Reason(code=Cause.UNREACHABLE, detail="no answer to SSH"))


def vm(name: str, role: Role, host: str | None) -> Vm:
    return Vm(name=name, role=role, host=host, address=host, port=None)


def four(**changes: object) -> Site:
    vms = (
        vm("excs-1", Role.EXCS, "10.0.0.1"),
        vm("exas-1", Role.EXAS, "10.0.0.2"),
        vm("excp-1", Role.EXCP, "10.0.0.3"),
        vm("excp-2", Role.EXCP, None),
    )
    return site(vms=vms, redis=Redis(endpoint=Endpoint("redis.example", 6379)), **changes)


# -- one segment


def pair() -> PairTarget:
    target, *_ = OneSegment().targets(four())
    assert isinstance(target, PairTarget)
    return target


A_MAC, B_MAC, R_MAC = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0f"


def neighbours(me: str, mac: str, peer: str, *seen: Neighbour) -> Neighbours:
    return Neighbours(
        vantage=me,
        macs=frozenset({mac, mac.replace("02:", "06:")}),
        addresses=frozenset({ip_address(me)}),
        peers={peer: Peer(name=peer, neighbours=seen)},
    )


def sees(address: str, **how: object) -> Neighbour:
    return Neighbour(address=ip_address(address), device="eth0", **how)  # type: ignore[arg-type]


def segment(there: Neighbour | None, back: Neighbour | None) -> Judgement:
    ours = neighbours("10.0.0.1", A_MAC, "10.0.0.2", *((there,) if there else ()))
    theirs = neighbours("10.0.0.2", B_MAC, "10.0.0.1", *((back,) if back else ()))
    return OneSegment().judge(pair(), ours, theirs)


GATEWAY = ip_address("10.0.0.254")
ADJACENT_THERE = sees("10.0.0.2", mac=B_MAC, asked=True)
ADJACENT_BACK = sees("10.0.0.1", mac=A_MAC, asked=True)


@pytest.mark.parametrize(
    ("there", "back", "outcome", "said"),
    [
        (ADJACENT_THERE, ADJACENT_BACK, Outcome.MET, "own network cards"),
        # several cards in one machine: any of its hardware addresses will do
        (
            sees("10.0.0.2", mac=B_MAC.replace("02:", "06:"), asked=True),
            ADJACENT_BACK,
            Outcome.MET,
            "own network cards",
        ),
        (sees("10.0.0.2", gateway=GATEWAY), sees("10.0.0.1", gateway=GATEWAY), Outcome.MISSED, "gateway 10.0.0.254"),
        (
            sees("10.0.0.2", mac=R_MAC, asked=True),
            sees("10.0.0.1", mac=R_MAC, asked=True),
            Outcome.MISSED,
            "proxy ARP",
        ),
        (sees("10.0.0.2", mac=R_MAC, asked=True), ADJACENT_BACK, Outcome.MISSED, "proxy ARP"),
        (sees("10.0.0.2", asked=True), sees("10.0.0.1", asked=True), Outcome.MISSED, "look alike"),
        (sees("10.0.0.2", unrouted=True), ADJACENT_BACK, Outcome.MISSED, "no route"),
        (ADJACENT_THERE, sees("10.0.0.1", gateway=GATEWAY), Outcome.WEAK, "One direction shows"),
        (sees("10.0.0.2", asked=True), ADJACENT_BACK, Outcome.UNKNOWN, ""),
        (sees("10.0.0.2", asked=False), ADJACENT_BACK, Outcome.UNKNOWN, ""),
        (None, ADJACENT_BACK, Outcome.UNKNOWN, ""),
        (sees("10.0.0.2", itself=True), ADJACENT_BACK, Outcome.UNKNOWN, ""),
        (sees("10.0.0.2", gateway=GATEWAY, narrow=True), ADJACENT_BACK, Outcome.UNKNOWN, ""),
        (sees("10.0.0.2", mac="12:34:56:78:9a:bc", asked=True), ADJACENT_BACK, Outcome.UNKNOWN, ""),
    ],
)
def test_a_segment_is_proven_both_ways(
    there: Neighbour | None, back: Neighbour | None, outcome: Outcome, said: str
) -> None:
    """Adjacent both ways passes, a gateway or a stranger's answer fails, what cannot be seen is unknown."""
    judgement = segment(there, back)
    assert (judgement.outcome, said in judgement.reasoning) == (outcome, True), judgement
    assert [evidence.label for evidence in judgement.evidence] == [
        "exas-1 at 10.0.0.2, seen from excs-1",
        "excs-1 at 10.0.0.1, seen from exas-1",
    ]
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.lane is Lane.ROUTE
        assert judgement.remedy
        assert judgement.job


def test_a_translated_address_is_said_so() -> None:
    """Where no card holds the declared address, the finding says that it is translated on the way."""
    ours = neighbours("10.0.0.1", A_MAC, "10.0.0.2", sees("10.0.0.2", gateway=GATEWAY))
    theirs = neighbours("192.168.7.2", B_MAC, "10.0.0.1", sees("10.0.0.1", gateway=GATEWAY))
    judgement = OneSegment().judge(pair(), ours, theirs)
    assert (judgement.outcome, "no card of exas-1 holds 10.0.0.2" in judgement.observed) == (Outcome.MISSED, True)


def test_silence_towards_a_translated_address_proves_nothing() -> None:
    """Nobody on the link needs to answer for an address that no card holds."""
    ours = neighbours("10.0.0.1", A_MAC, "10.0.0.2", sees("10.0.0.2", asked=True))
    theirs = neighbours("192.168.7.2", B_MAC, "10.0.0.1", sees("10.0.0.1", asked=True))
    assert OneSegment().judge(pair(), ours, theirs).outcome is Outcome.UNKNOWN


def test_pairs_follow_the_file() -> None:
    """Unordered pairs for the segment, ordered ones for the way between; a VM that is not built is undeclared."""
    segments, ways = OneSegment().targets(four()), Interconnect().targets(four())
    names = [one.target.name if isinstance(one, Settled) else one.name for one in segments]
    assert names == [
        "excs-1,exas-1",
        "excs-1,excp-1",
        "excs-1,excp-2",
        "exas-1,excp-1",
        "exas-1,excp-2",
        "excp-1,excp-2",
    ]
    assert len(ways) == 12
    unbuilt = [one for one in segments if isinstance(one, Settled)]
    assert {one.judgement.reason.code for one in unbuilt if one.judgement.reason} == {Cause.UNDECLARED}
    assert len(unbuilt) == 3


def test_a_neighbour_without_a_face_or_a_name_proves_nothing() -> None:
    """Hardware addresses that could not be read, a name that was not resolved, and a table without the peer."""
    ours = neighbours("10.0.0.1", A_MAC, "10.0.0.2", ADJACENT_THERE)
    theirs = neighbours("10.0.0.2", B_MAC, "10.0.0.1", ADJACENT_BACK)
    faceless = OneSegment().judge(pair(), ours, replace(theirs, macs=frozenset()))
    failed = replace(ours, peers={"10.0.0.2": Peer(name="10.0.0.2", neighbours=(), error="not known")})
    nowhere = replace(ours, peers={})
    for judgement in (
        faceless,
        OneSegment().judge(pair(), failed, theirs),
        OneSegment().judge(pair(), nowhere, theirs),
    ):
        assert judgement.outcome is Outcome.UNKNOWN
        assert judgement.reason is not None
        assert judgement.reason.code is Cause.UNSUPPORTED


def test_one_vm_makes_no_pair() -> None:
    """The requirement keeps its row even then."""
    (only,) = OneSegment().targets(site(vms=(vm("a", Role.EXCS, "10.0.0.1"),)))
    assert isinstance(only, Settled)


def test_every_vm_reads_its_tables_once() -> None:
    """All pairs of a VM share one question."""
    targets = [one for one in OneSegment().targets(four()) if isinstance(one, PairTarget)]
    assert len({probe for target in targets for probe in OneSegment().needs(target)}) == 3


# -- names


def target(of: Site, name: str) -> VmTarget:
    return next(VmTarget.of(one, of) for one in of.vms if one.name == name)


def answers(vantage: str, **names: str) -> Names:
    """Addresses by blank; "!" begins an error, "?" a look-up without an answer."""

    def name(of: str, said: str) -> Name:
        if said.startswith("!"):
            return Name(name=of, error=said[1:])
        if said.startswith("?"):
            return Name(name=of, unread=Reason(code=Cause.TIMEOUT, detail=said[1:]))
        return Name(name=of, addresses=tuple(map(ip_address, said.split())))

    return Names(
        vantage=vantage,
        names={key.replace("_", "."): name(key.replace("_", "."), said) for key, said in names.items()},
    )


def named(own: str, *others: str | None) -> Judgement:
    """Judge redis.example on excs-1 with these answers, and on the other two VMs with theirs."""
    facts = [
        answers(vantage, redis_example=said) if said is not None else UNREAD
        for vantage, said in zip(("exas-1", "excp-1"), others, strict=True)
    ]
    return NameResolution().judge(target(four(), "excs-1"), answers("excs-1", redis_example=own), *facts)


@pytest.mark.parametrize(
    ("own", "others", "outcome"),
    [
        ("10.1.0.1", ("10.1.0.1", "10.1.0.1"), Outcome.MET),
        ("10.1.0.1 10.1.0.2", ("10.1.0.2 10.1.0.1", "10.1.0.1 10.1.0.2"), Outcome.MET),
        # a VM without IPv6 is shown no IPv6 addresses
        ("10.1.0.1", ("10.1.0.1 fd00::1", "10.1.0.1 fd00::1"), Outcome.MET),
        ("10.1.0.1", ("10.1.0.1", None), Outcome.MET),
        ("10.1.0.1", (None, None), Outcome.MET),
        # the odd one out has its own finding, the majority is right
        ("10.1.0.1", ("10.1.0.1", "10.9.9.9"), Outcome.MET),
        ("10.9.9.9", ("10.1.0.1", "10.1.0.1"), Outcome.MISSED),
        ("10.1.0.1", ("10.9.9.9", None), Outcome.MISSED),
        ("10.1.0.1", ("10.8.8.8", "10.9.9.9"), Outcome.MISSED),
        ("10.1.0.1 fd00::2", ("10.1.0.1 fd00::1", "10.1.0.1 fd00::1"), Outcome.MISSED),
        ("10.1.0.1 10.1.0.2", ("10.1.0.2 10.1.0.3", "10.1.0.1 10.1.0.3"), Outcome.WEAK),
        ("10.1.0.1", ("10.1.0.1 10.1.0.2", None), Outcome.WEAK),
        ("127.0.0.1", ("127.0.0.1", "127.0.0.1"), Outcome.WEAK),
        ("!Name or service not known", ("10.1.0.1", "10.1.0.1"), Outcome.MISSED),
        ("!Temporary failure in name resolution", (None, None), Outcome.MISSED),
        ("?cut off", ("10.1.0.1", "10.1.0.1"), Outcome.UNKNOWN),
        ("10.1.0.1", ("!Name or service not known", "10.1.0.1"), Outcome.MET),
    ],
)
def test_a_private_name_means_the_same_everywhere(own: str, others: Sequence[str | None], outcome: Outcome) -> None:
    """The same addresses pass, some in common warn, none in common or none at all fail, no answer is unknown."""
    judgement = named(own, *others)
    assert judgement.outcome is outcome, judgement
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert (judgement.lane, "redis.example" in judgement.remedy) == (Lane.DNS, True)


def test_a_failed_name_says_where_it_does_resolve() -> None:
    """Whoever mends it learns which machines know the name."""
    judgement = named("!Name or service not known", "10.1.0.1", "10.1.0.1")
    assert "It resolves on exas-1 and excp-1." in judgement.reasoning
    assert judgement.job == "Make redis.example resolve on excs-1"


def test_a_failed_name_outweighs_one_that_differs() -> None:
    """All names are shown; the worst decides."""
    own = Names(
        vantage="excs-1",
        names={
            "redis.example": Name(name="redis.example", addresses=(ip_address("10.9.9.9"),)),
            "db.example": Name(name="db.example", error="Name or service not known"),
        },
    )
    database = ConfigDb(engine=Engine.POSTGRESQL, endpoint=Endpoint("DB.example.", 5432))
    judgement = NameResolution().judge(target(four(config_db=database), "excs-1"), own, UNREAD, UNREAD)
    assert judgement.summary == "excs-1 cannot resolve db.example."
    assert {evidence.label for evidence in judgement.evidence} == {"redis.example", "db.example"}


def test_a_public_name_need_only_resolve() -> None:
    """Genesys Cloud's names give other addresses every time, by intent."""
    of = site(vms=(vm("a", Role.EXAS, "10.0.0.1"), vm("b", Role.EXCP, "10.0.0.2")), genesys_cloud=GENESYS_CLOUD)
    names = {"login.mypurecloud.de": "52.0.0.1", "api.mypurecloud.de": "52.0.0.2"}
    own = Names(vantage="a", names={name: Name(name=name, addresses=(ip_address(one),)) for name, one in names.items()})
    assert len(NameResolution().needs(target(of, "a"))) == 1
    judgement = NameResolution().judge(target(of, "a"), own)
    assert judgement.outcome is Outcome.MET
    assert judgement.observed == "login.mypurecloud.de: resolves; api.mypurecloud.de: resolves"
    assert {piece.value for piece in judgement.evidence} == {"52.0.0.1", "52.0.0.2"}


def test_the_order_of_addresses_is_no_observation() -> None:
    """A name server hands them out in turn, and a rerun must not call that a change."""
    turned = named("10.1.0.2 10.1.0.1", "10.1.0.1 10.1.0.2", None)
    assert turned.observed == named("10.1.0.1 10.1.0.2", "10.1.0.1 10.1.0.2", None).observed


def test_each_vm_is_asked_for_the_names_of_its_rows_alone() -> None:
    """EXCS needs the Config DB, EXAS the Stat Servers, and the EXCS VM is a peer of the others."""
    of = site(
        vms=(
            vm("excs-1", Role.EXCS, "excs.example"),
            vm("exas-1", Role.EXAS, "10.0.0.2"),
            vm("excp-1", Role.EXCP, "h"),
        ),
        config_db=ConfigDb(engine=Engine.POSTGRESQL, endpoint=Endpoint("db.example", 5432)),
        stat_servers=StatServers(
            primary=StatServer(endpoint=Endpoint("stat1.example", 2060)),
            backup=StatServer(endpoint=Endpoint("10.5.0.1", 2060)),
        ),
        sip_servers=(StatServer(endpoint=Endpoint("sip1.example", 8000)),),
    )
    asked = {vm.name: next(str(probe) for probe in NameResolution().needs(target(of, vm.name))) for vm in of.vms}
    assert "names=('db.example',)" in asked["excs-1"]
    assert "names=('stat1.example', 'excs.example')" in asked["exas-1"]
    assert "names=('sip1.example', 'excs.example')" in asked["excp-1"]


def test_what_is_not_declared_needs_no_name() -> None:
    """Rows without a peer ask for nothing; EXRP is no source of the known rows, and pulls images as the others do."""
    of = site(
        vms=(
            vm("excs-1", Role.EXCS, None),
            vm("exas-1", Role.EXAS, "10.0.0.2"),
            vm("excp-1", Role.EXCP, "10.0.0.3"),
            vm("exrp-1", Role.EXRP, "10.0.0.4"),
        ),
        stat_servers=StatServers(primary=Absent.NONE, backup=StatServer(endpoint=Endpoint("stat2.example", 2060))),
        redis=Redis(endpoint=Endpoint("redis.example", 6379)),
        registry=Registry(
            url="https://r.example", endpoint=Endpoint("r.example", 443), username=None, ca_file=None, images=()
        ),
    )
    found = {one.target.name if isinstance(one, Settled) else one.name: one for one in NameResolution().targets(of)}
    unbuilt = found["excs-1"]
    assert isinstance(unbuilt, Settled)
    assert unbuilt.judgement.outcome is Outcome.UNKNOWN
    asked = {name: str(NameResolution().needs(target(of, name))[0]) for name in ("exas-1", "excp-1", "exrp-1")}
    assert "names=('stat2.example', 'redis.example', 'r.example')" in asked["exas-1"]
    assert "names=('redis.example', 'r.example')" in asked["excp-1"]
    assert "names=('r.example',)" in asked["exrp-1"]


@pytest.mark.parametrize("check", [NameResolution, DockerOverlap])
def test_a_site_without_vms_keeps_one_finding(check: type[AnyCheck]) -> None:
    """It is undeclared, under the name of what is missing."""
    (only,) = check().targets(site(vms=()))
    assert isinstance(only, Settled)
    assert (only.target.name, only.judgement.outcome) == ("vms", Outcome.UNKNOWN)


def test_who_watches_from_outside_is_reached_too() -> None:
    """The bootstrap VM and Prometheus call the VM; loopback belongs to no network."""
    of = site(
        vms=(vm("excs-1", Role.EXCS, "10.0.0.1"),),
        bootstrap=Bootstrap(name="boot", host="172.17.0.7"),
        redis=Redis(endpoint=Endpoint("127.0.0.1", 6379)),
    )
    judgement = DockerOverlap().judge(target(of, "excs-1"), docker("172.17.0.0/16", "127.0.0.0/8"))
    assert judgement.outcome is Outcome.MISSED
    assert "172.17.0.7" in judgement.observed
    assert "127.0.0.1" not in judgement.observed
    here = replace(of, bootstrap=Bootstrap(name="boot", host=None, local=True))
    assert DockerOverlap().judge(target(here, "excs-1"), docker("172.17.0.0/16")).outcome is Outcome.MET


def test_a_vm_without_names_is_skipped() -> None:
    """Where all is declared by address there is nothing to resolve."""
    of = site(vms=(vm("a", Role.EXCS, "10.0.0.1"),), redis=Redis(endpoint=Endpoint("10.1.0.1", 6379)))
    (only,) = NameResolution().targets(of)
    assert isinstance(only, Settled)
    assert only.judgement.outcome is Outcome.SKIP


# -- Docker's networks


def docker(*networks: str, pools: tuple[Network, ...] | None = (), own: str = "10.0.0.0/24") -> DockerNetworks:
    return DockerNetworks(
        networks=tuple(DockerNetwork(name="bridge", subnet=ip_network(one)) for one in networks),
        pools=pools,
        own=(ip_network(own),),
        asked=pools is not None,
    )


@pytest.mark.parametrize(
    ("networks", "redis", "outcome"),
    [
        (docker("172.17.0.0/16", pools=DEFAULT_POOLS), "10.1.0.1", Outcome.MET),
        (docker("172.17.0.0/16", pools=DEFAULT_POOLS), "172.16.255.255", Outcome.MET),
        (docker("172.17.0.0/16", pools=DEFAULT_POOLS), "172.17.0.9", Outcome.MISSED),
        (docker("172.17.0.0/16", pools=DEFAULT_POOLS), "172.17.255.255", Outcome.MISSED),
        (docker("172.17.0.0/16", pools=DEFAULT_POOLS), "172.20.3.4", Outcome.WEAK),
        # the engine steers clear of what the machine's own cards hold
        (docker("172.17.0.0/16", pools=DEFAULT_POOLS, own="172.20.0.0/16"), "172.20.3.4", Outcome.MET),
        (docker("172.17.0.0/16", pools=()), "172.20.3.4", Outcome.MET),
        (docker("10.0.0.0/8", pools=()), "10.1.0.1", Outcome.MISSED),
        (docker(pools=DEFAULT_POOLS), "10.1.0.1", Outcome.MET),
        (docker("172.17.0.0/16", pools=None), "10.1.0.1", Outcome.UNKNOWN),
        (docker("172.17.0.0/16", pools=None), "172.17.0.1", Outcome.MISSED),
        (docker("172.17.0.0/16", pools=DEFAULT_POOLS), "!not known", Outcome.UNKNOWN),
        (docker("10.0.0.2/32", pools=()), "!not known", Outcome.MISSED),
    ],
)
def test_dockers_networks_keep_clear_of_the_site(networks: DockerNetworks, redis: str, outcome: Outcome) -> None:
    """A subnet over an address of the site is a miss, a pool over one a warning; hidden pools are unknown."""
    judgement = DockerOverlap().judge(target(four(), "excs-1"), networks, answers("excs-1", redis_example=redis))
    assert judgement.outcome is outcome, judgement
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert "daemon.json" in judgement.remedy


def test_names_that_are_not_known_hide_an_overlap() -> None:
    """Without the site's addresses nothing is proven, and the finding points at the one that stands in the way."""
    judgement = DockerOverlap().judge(target(four(), "excs-1"), docker("172.17.0.0/16"), UNREAD)
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.reason.by) == (Cause.BLOCKED, "network.name-resolution[excs-1]")


def test_a_stopped_engine_is_another_finding() -> None:
    """Its bridges cover nothing, its pools are not to be had: what stands in the way is the engine's own finding."""
    networks = replace(docker("172.17.0.0/16", pools=None), stopped=True)
    judgement = DockerOverlap().judge(target(four(), "excs-1"), networks, answers("excs-1", redis_example="10.1.0.1"))
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.reason.by) == (Cause.BLOCKED, "vm.docker[excs-1]")
    assert "stopped" in {one.label: one.value for one in judgement.evidence}["pools of new networks"]


@pytest.mark.parametrize(
    ("why", "said"),
    [({"client": False}, "no docker command"), ({"refusal": "Error: no such provider"}, "no such provider")],
)
def test_bridges_that_no_engine_speaks_for_are_no_matter_of_rights(why: dict[str, Any], said: str) -> None:
    """Taken away or replaced, an engine leaves its bridges: its own finding stands in the way; no group would help."""
    networks = replace(docker("172.17.0.0/16", pools=None), **why)
    judgement = DockerOverlap().judge(target(four(), "excs-1"), networks, answers("excs-1", redis_example="10.1.0.1"))
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.reason.by) == (Cause.BLOCKED, "vm.docker[excs-1]")
    assert said in {one.label: one.value for one in judgement.evidence}["pools of new networks"]


def test_a_site_of_addresses_needs_no_names() -> None:
    """Declared addresses are compared as they are."""
    of = site(redis=Redis(endpoint=Endpoint("172.17.0.5", 6379)))
    assert len(DockerOverlap().needs(target(of, "excs-1"))) == 1
    assert DockerOverlap().judge(target(of, "excs-1"), docker("172.17.0.0/16")).outcome is Outcome.MISSED
