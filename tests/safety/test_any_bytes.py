"""Whatever comes back from a machine, a file or a service: a fact or the documented error, and nothing else."""

from __future__ import annotations

import ast
import base64
import contextlib
import gzip
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readiness_reports import as_csv, as_html, as_json, as_junit, as_markdown, as_text
from readiness_schemas.report import ReportDocument

import readiness.probes
from readiness.gather import sound
from readiness.model import ProbeError
from readiness.packs import load_packs
from readiness.plan import Plan, plan
from readiness.probe import HostProbe, Probe
from readiness.rejudge import plan_again, rejudge
from readiness.seal import manifest_of
from readiness.site.load import load_declared, load_site
from readiness.sshsig import Unsound, is_allowed, signer_of
from readiness.vantage import known_hosts
from tests.lab.tempers import POISON
from tests.reports.documents import hostile

RECORDED = Path(__file__).parents[1] / "recordings/reports/1.0-not-ready.json.gz"

EVERYTHING = """\
site: {name: Everything}
capacity: {agents: 1000, caps: 5}
vms:
  - {name: excs-1, role: excs, host: 10.10.1.11}
  - {name: exas-1, role: exas, host: 10.10.1.12}
  - {name: excp-1, role: excp, host: 10.10.1.13}
  - {name: excp-2, role: excp, host: 10.10.1.14}
bootstrap: {name: boot, host: 10.10.1.10}
redis: {host: redis.acme.example, password: {env: R}, enterprise_api: {url: "https://redis.acme.example:9443"}}
registry: {url: "https://registry.acme.example", images: ["exec/excs:100.0.1"]}
config_db: {engine: postgresql, host: cfgdb.acme.example, database: cfg, user: exec_ro}
stat_servers: {primary: {host: stat1.acme.example}, backup: {host: stat2.acme.example}}
sip_servers: [{host: sip1.acme.example}]
genesys_cloud: {region: mypurecloud.de, client_id: 00000000-0000-0000-0000-000000000000, client_secret: {env: G},
  organization_id: 11111111-1111-1111-1111-111111111111}
logging: {url: "https://elastic.acme.example:9200"}
monitoring:
  prometheus: {host: 10.10.2.62, url: "http://10.10.2.62:9090", ssh: {user: exec}}
  grafana: {url: "https://grafana.acme.example"}
  portainer: {url: "https://portainer.acme.example"}
"""


def kinds() -> Iterator[type[Probe[object]]]:
    """Every kind of probe in the package, whether or not anybody remembered it here."""
    for module in pkgutil.walk_packages(readiness.probes.__path__, "readiness.probes."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            concrete = issubclass(kind, Probe) and not inspect.isabstract(kind)
            if concrete and kind.__module__ == module.name and not kind.__name__.startswith("_"):
                yield kind


@cache
def asked() -> Mapping[str, Probe[object]]:
    """One question of each kind, as the plan of a site with everything has them."""
    path = Path("everything.yaml")
    return {type(probe).__name__: probe for probe in _plan_of(path, EVERYTHING).probes}


def _plan_of(path: Path, text: str) -> Plan:
    with TemporaryDirectory() as folder:
        (Path(folder) / path).write_text(text, encoding="utf-8")
        return plan(load_site(Path(folder) / path, files=False), load_packs())


@cache
def recorded() -> ReportDocument:
    """A report of a run, with what each question was answered."""
    return as_json.loads(gzip.decompress(RECORDED.read_bytes()).decode())


@cache
def answers() -> Mapping[str, Sequence[str]]:
    """What questions of each kind were answered in that run."""
    found: dict[str, list[str]] = {}
    for seen in recorded()["observations"]:
        if seen["response"] is not None:
            found.setdefault(seen["probe"].partition("(")[0], []).append(seen["response"])
    return found


@cache
def words_of(module: str) -> Sequence[str]:
    """The short texts in a module's source: the keys that it looks for, and the words that it knows."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return sorted(text for text in texts if 0 < len(text) <= 40)


NUMBERS = st.one_of(
    st.integers(-3, 3), st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 1e308, 2**63, 2**64, 65536])
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([POISON, "9" * 5000, "1e999", "-1", "0", "NaN", "\0", "٣", "2026-13-45T99:99:99Z", "::1%eth0"]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)


def values(words: Sequence[str]) -> st.SearchStrategy[Any]:
    """JSON of any shape, with these words for keys and among its texts."""
    known = st.sampled_from(list(words) or ["x"])
    return st.recursive(
        st.one_of(LEAVES, known),
        lambda inner: st.one_of(
            st.lists(inner, max_size=5), st.dictionaries(st.one_of(known, TEXTS), inner, max_size=8)
        ),
        max_leaves=25,
    )


@st.composite
def damaged(draw: st.DrawFn, text: str, words: Sequence[str]) -> str:
    """A true answer in which something is replaced, left out or put in."""
    try:
        document = json.loads(text)
    except ValueError:
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 1, 4, 40, 400])))
        put = draw(st.one_of(TEXTS, NUMBERS.map(str), st.sampled_from(list(words) or [""]), st.just(text[:start])))
        return text[:start] + put + text[end:]
    for _ in range(draw(st.integers(1, 3))):
        document = _changed(document, draw, values(words))
    return json.dumps(document)


def _changed(node: Any, draw: st.DrawFn, new: st.SearchStrategy[Any]) -> Any:
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    if not keys or draw(st.integers(0, 5)) == 0:
        return draw(new)
    key, copy = draw(st.sampled_from(keys)), node.copy()
    match draw(st.sampled_from(["deeper", "deeper", "deeper", "without", "again"])):
        case "deeper":
            copy[key] = _changed(node[key], draw, new)
        case "without":
            del copy[key]
        case _:
            copy[draw(st.sampled_from(keys))] = node[key]
    return copy


def responses(kind: str) -> st.SearchStrategy[str]:
    """Answers to a question of this kind: true ones with damage, JSON with its words, and anything at all."""
    probe = asked()[kind]
    words = words_of(type(probe).__module__)
    seeds = answers().get(kind, ())
    invented = values(words).map(json.dumps)
    anything = st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "replace"))
    made = [st.sampled_from(seeds).flatmap(lambda seed: damaged(seed, words))] * 3 if seeds else []
    whole = st.one_of(*made, invented, anything, TEXTS)
    if isinstance(probe, HostProbe):
        framed = st.lists(st.one_of(st.sampled_from([f"=== {word}\n" for word in words]), TEXTS, st.just("\n--- 0\n")))
        printed = st.one_of(anything, framed.map("".join), invented)
        status = st.integers(0, 999)
        whole = st.one_of(whole, st.builds(HostProbe.recorded, printed, status))
    return whole.map(sound)


def test_every_kind_of_probe_is_tried() -> None:
    """A probe that is new is tried from its first day on, since the plan of this site asks it."""
    assert {kind.__name__ for kind in kinds()} == set(asked())
    assert len(set(asked()) & set(answers())) >= 27


@pytest.mark.parametrize("kind", sorted(asked()))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_probe_understands_or_says_that_it_does_not(kind: str, data: st.DataObject) -> None:
    """A fact, or ``ProbeError``; a crash would be ``unknown`` too, but with a reason that helps nobody."""
    response = data.draw(responses(kind))
    with contextlib.suppress(ProbeError):
        asked()[kind].parse(response)


@cache
def planned_again() -> Plan:
    site = load_declared(recorded()["site"], path=Path("report.json"))
    return plan_again(recorded(), site, load_packs())


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_damaged_record_crashes_a_check_or_a_renderer(data: st.DataObject) -> None:
    """Any of the answers of a whole run damaged: every check judges, the report is valid, each format draws it."""
    document = {**recorded()}
    seen = [each for each in document["observations"] if each["response"] is not None]
    chosen = {each["id"] for each in data.draw(st.lists(st.sampled_from(seen), min_size=1, max_size=40))}
    document["observations"] = [
        {**each, "response": data.draw(_damaged_response(each["probe"], each["response"]))}
        if each["id"] in chosen and each["response"] is not None
        else each
        for each in document["observations"]
    ]  # type: ignore[typeddict-item]
    judged = as_json.seal_digest(rejudge(document, planned_again()))  # type: ignore[arg-type]
    crashed = [
        (finding["id"], finding["reason"]["detail"])
        for finding in judged["findings"]
        if finding["reason"] is not None and finding["reason"]["code"] == "crash"
    ]
    assert not crashed
    as_json.validate(judged)
    drawn(judged)


def _damaged_response(probe: str, response: str) -> st.SearchStrategy[str]:
    kind = probe.partition("(")[0]
    words = words_of(type(asked()[kind]).__module__) if kind in asked() else ()
    return damaged(response, words).map(sound)


def drawn(document: ReportDocument) -> None:
    """Draw a report in every format; what is drawn must hold together."""
    again = as_json.loads(as_json.dumps(document))
    assert again == document
    ElementTree.fromstring(as_junit.render(document))
    page = as_html.render(document)
    assert not re.search("[\ud800-\udfff]", page)
    as_markdown.render(document)
    as_csv.render(document)
    assert all(line is not None for line in as_text.lines(document))


@cache
def poisoned() -> ReportDocument:
    return hostile(40)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_changed_report_is_refused_or_drawn(data: st.DataObject) -> None:
    """Whatever is changed in a report: it is refused as a report, or every format draws it."""
    document = json.loads(data.draw(damaged(as_json.dumps(data.draw(st.sampled_from([poisoned(), recorded()]))), ())))
    if isinstance(document, dict):
        try:
            as_json.seal_digest(document)  # type: ignore[arg-type]
        except (ValueError, as_json.ReportUnreadable):
            return
    try:
        read = as_json.loads(json.dumps(document))
    except as_json.ReportUnreadable:
        return
    drawn(read)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("utf-8", "replace")), values(["findings"]).map(str)))
def test_no_text_is_taken_for_a_report(text: str) -> None:
    """Refused with the one error that the commands know."""
    with pytest.raises(as_json.ReportUnreadable):
        as_json.loads(text)


ARMOUR = b"-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----\n"


@settings(max_examples=400, deadline=None)
@given(
    data=st.binary(max_size=50),
    blob=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.one_of(
                st.sampled_from([b"SSHSIG\0\0\0\1", b"readiness-report", b"ssh-ed25519", b"ssh-rsa", b"sha512"]).map(
                    lambda word: word if word.startswith(b"SSHSIG") else len(word).to_bytes(4, "big") + word
                ),
                st.binary(max_size=40).map(lambda word: len(word).to_bytes(4, "big") + word),
            ),
            max_size=9,
        ).map(b"".join),
    ),
    armoured=st.booleans(),
)
def test_no_bytes_are_taken_for_a_signature(data: bytes, blob: bytes, armoured: bool) -> None:
    """A signature that is none is unsound, and a list of signers that is none allows nobody."""
    signature = ARMOUR % base64.b64encode(blob) if armoured else blob
    with pytest.raises(Unsound):
        signer_of(data, signature, namespace="readiness-report")
    with contextlib.suppress(ValueError, Unsound):
        assert not is_allowed(data, signature, "jane", blob)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), values(["identity", "files", "path", "sha256", "size"]).map(json.dumps)))
def test_any_manifest_is_understood_or_none(data: bytes | str) -> None:
    """What stands where a seal should be is told from one."""
    manifest_of(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([b"@cert-authority ", b"@revoked ", b"|1|AAAA|BBBB ssh-rsa AAAA", b"* ssh-ed25519 AAAA"]),
        )
    )
)
def test_any_known_hosts_file_is_read(tmp_path: Path, lines: list[bytes]) -> None:
    """Lines that are none confirm no key and stop nobody."""
    path = tmp_path / "known_hosts"
    path.write_bytes(b"\n".join(lines))
    assert known_hosts.read([path]).of("excs-1", 22).trusted == ()
