"""The site file that `readiness init` writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from readiness.site import Absent
from readiness.site.load import SiteFileError, load_site
from readiness.site.starter import starter

BLANK = re.compile(r"<([^<>\n]+)>")


def filled(text: str) -> str:
    def fill(match: re.Match[str]) -> str:
        what = match[1].lower()
        for word, value in (
            ("url", "https://registry.example"),
            ("image", f"exec/{re.sub('[^a-z]', '', what)}:100.0.1"),
            ("domain", "mypurecloud.de"),
            ("id of", "00000000-0000-0000-0000-000000000000"),
            ("host", re.sub("[^a-z]", "-", what)),
        ):
            if word in what:
                return value
        return "something"

    return BLANK.sub(fill, text)


def test_it_is_accepted_once_its_blanks_are_filled(tmp_path: Path) -> None:
    """Filling in the blanks is all that a first site file needs, and no mandatory element is missing then."""
    file = tmp_path / "site.yaml"
    file.write_text(filled(starter()))
    site = load_site(file)
    mandatory = (site.bootstrap, site.redis, site.registry, site.config_db, site.stat_servers.primary)
    assert Absent.UNDECLARED not in (*mandatory, site.stat_servers.backup, site.sip_servers, site.genesys_cloud)
    assert [vm.role for vm in site.vms] == ["excs", "exas", "excp", "excp"]
    assert site.logging is Absent.UNDECLARED


def test_every_blank_left_is_a_problem_on_its_own_line(tmp_path: Path) -> None:
    """Nothing but the blanks is wrong with it, and none of them slips through."""
    file = tmp_path / "site.yaml"
    file.write_text(starter())
    with pytest.raises(SiteFileError) as caught:
        load_site(file)
    blanks = [n for n, line in enumerate(starter().splitlines(), 1) if BLANK.search(line) and not line.startswith("#")]
    assert [problem.line for problem in caught.value.problems] == blanks
    assert {problem.message for problem in caught.value.problems} == {"is still blank"}


def test_its_commented_examples_are_right_too(tmp_path: Path) -> None:
    """Whoever uncomments an example gets a file that loads."""
    text = filled(starter())
    sections = "components|logging|monitoring|probing|limits|report|attestations|waivers"
    keys = "port|identity_file|passphrase|known_hosts|jump_host|sudo|username|enterprise_api|schema|role|proxy"
    text = re.sub(rf"^# ((?:{sections}):)", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"^#(   +(?:\w+:|- \{check|expires:))", r" \1", text, flags=re.MULTILINE)
    text = re.sub(rf"^  # ((?:{keys}):)", r"  \1", text, flags=re.MULTILINE)
    (tmp_path / "ca.pem").touch()
    file = tmp_path / "site.yaml"
    file.write_text(text)
    site = load_site(file)
    assert not isinstance(site.monitoring.portainer, Absent)
    assert (len(site.attestations), len(site.waivers), site.probing.oauth_token) == (1, 1, True)
