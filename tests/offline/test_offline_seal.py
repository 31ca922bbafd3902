"""The seal of a report: what it covers, whom it trusts, and that OpenSSH agrees."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from readiness_reports import as_json

from readiness.seal import NAMESPACE, Standing, Unsealable, examine, open_key, seal
from readiness.sshsig import Unsound, signer_of
from tests.lab.offline import Connects, call, report_of, site_file, written

KEYGEN = shutil.which("ssh-keygen") or ""
needs_keygen = pytest.mark.skipif(not KEYGEN, reason="needs ssh-keygen of OpenSSH")
pytestmark = [pytest.mark.server, needs_keygen]


def keygen(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([KEYGEN, *map(str, arguments)], input=stdin, capture_output=True, check=False)


def make_key(path: Path, kind: str = "ed25519", *, comment: str = "jane@acme.example", passphrase: str = "") -> Path:
    options = ["-b", "2048"] if kind == "rsa" else []
    done = keygen("-q", "-t", kind, *options, "-N", passphrase, "-C", comment, "-f", path)
    assert done.returncode == 0, done.stderr
    return path


def allow(path: Path, key: Path, identity: str = "jane@acme.example", options: str = "") -> Path:
    """A list of allowed signers with one key on it."""
    public = " ".join(key.with_name(f"{key.name}.pub").read_text().split()[:2])
    path.write_text(f"# who may sign\n{identity} {options}{' ' if options else ''}{public}\n")
    return path


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "id")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report's folder with all that a reader sees."""
    folder = tmp_path_factory.mktemp("report")
    written(report_of(site_file(folder), Connects()), folder / "r")
    for name in ("md", "csv", "junit"):
        target = {"md": "report.md", "csv": "report.csv", "junit": "report.xml"}[name]
        assert (
            call("render", folder / "r" / "report.json", "--format", name, "--out", folder / "r" / target).exit_code
            == 0
        )
    return folder / "r"


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "report"))


@pytest.fixture(scope="module")
def original_seal(original: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("sealed") / "report"))
    done = call("sign", folder, "--key", key)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def sealed(original_seal: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original_seal, tmp_path / "sealed"))


def openssh_agrees(folder: Path, signers: Path, identity: str) -> bool:
    done = keygen(
        *("-Y", "verify", "-f", signers, "-I", identity, "-n", NAMESPACE, "-s", folder / "manifest.json.sig"),
        stdin=(folder / "manifest.json").read_bytes(),
    )
    return done.returncode == 0


# -- sealing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_sealed_report_verifies_here_and_with_openssh(folder: Path, tmp_path: Path, kind: str) -> None:
    """Keys of every common kind seal; the signer allowed it is 0, nobody named it is 3."""
    own = make_key(tmp_path / kind, kind)
    signers = allow(tmp_path / "allowed", own)
    assert call("sign", folder, "--key", own).exit_code == 0
    assert call("verify", folder).exit_code == 3
    assert call("verify", folder, "--allowed-signers", signers).exit_code == 0
    assert openssh_agrees(folder, signers, "jane@acme.example")


def test_the_manifest_names_every_file_a_reader_sees(sealed: Path) -> None:
    """Path, size and SHA-256 of each, as sha256sum would say them; whom to check against; nothing of the key."""
    manifest = json.loads((sealed / "manifest.json").read_text())
    names = [each["path"] for each in manifest["files"]]
    assert names == ["report.csv", "report.html", "report.json", "report.md", "report.xml"]
    summed = subprocess.run(["sha256sum", *names], cwd=sealed, capture_output=True, text=True, check=True).stdout
    assert [line.split() for line in summed.splitlines()] == [
        [each["sha256"], each["path"]] for each in manifest["files"]
    ]
    assert manifest["identity"] == "jane@acme.example"
    assert (sealed / "manifest.json").stat().st_mode & 0o777 == 0o600


def test_a_seal_made_by_openssh_is_accepted(sealed: Path, tmp_path: Path, key: Path) -> None:
    """The signature is no format of our own: ssh-keygen may make it as well."""
    (sealed / "manifest.json.sig").unlink()
    assert keygen("-Y", "sign", "-f", key, "-n", NAMESPACE, sealed / "manifest.json").returncode == 0
    assert call("verify", sealed, "--allowed-signers", allow(tmp_path / "allowed", key)).exit_code == 0


def test_folders_below_are_covered(folder: Path, key: Path, tmp_path: Path) -> None:
    """A portfolio of reports is one seal; a file in any of its folders counts."""
    shutil.copytree(folder, folder / "berlin" / "now")
    signers = allow(tmp_path / "allowed", key)
    assert call("sign", folder, "--key", key).exit_code == 0
    assert call("verify", folder, "--allowed-signers", signers).exit_code == 0
    (folder / "berlin" / "now" / "report.html").write_text("another")
    done = call("verify", folder, "--allowed-signers", signers)
    assert done.exit_code == 1
    assert "berlin/now/report.html was changed" in done.stdout


def test_a_report_is_sealed_again_by_another(sealed: Path, tmp_path: Path) -> None:
    """The later seal takes the place of the earlier one whole."""
    other = make_key(tmp_path / "other", comment="bob@acme.example")
    assert call("sign", sealed, "--key", other, "--identity", "board@acme.example").exit_code == 0
    assert openssh_agrees(sealed, allow(tmp_path / "allowed", other, "board@acme.example"), "board@acme.example")
    assert len(json.loads((sealed / "manifest.json").read_text())["files"]) == 5


@pytest.mark.parametrize("comment", ["", "Jane Doe of ACME", "a,b", "*"])
def test_a_comment_that_names_nobody_gives_way_to_the_account(folder: Path, tmp_path: Path, comment: str) -> None:
    """The identity is always a word that a list of allowed signers can hold."""
    own = make_key(tmp_path / "own", comment=comment)
    assert call("sign", folder, "--key", own).exit_code == 0
    identity = json.loads((folder / "manifest.json").read_text())["identity"]
    assert "@" in identity
    assert openssh_agrees(folder, allow(tmp_path / "allowed", own, identity), identity)


# -- tampering -----------------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def edit_manifest(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document, indent=1) + "\n")


TAMPERINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "one bit": (lambda folder: flip(folder / "report.html"), "report.html was changed"),
    "emptied": (lambda folder: (folder / "report.json").write_text(""), "report.json was changed"),
    "removed": (lambda folder: (folder / "report.csv").unlink(), "report.csv is missing"),
    "added": (lambda folder: (folder / "notes.txt").write_text("x"), "notes.txt is not covered"),
    "hidden": (lambda folder: (folder / ".hidden").write_text("x"), ".hidden is not covered"),
    "renamed": (lambda folder: (folder / "report.md").rename(folder / "REPORT.md"), "REPORT.md is not covered"),
    "swapped": (
        lambda folder: (folder / "report.md").write_bytes((folder / "report.csv").read_bytes()),
        "report.md was changed",
    ),
    "a link in its place": (
        lambda folder: (
            (folder / "report.md").rename(folder.parent / "elsewhere.md"),
            (folder / "report.md").symlink_to(folder.parent / "elsewhere.md"),
        ),
        "report.md is a link",
    ),
    "a folder in its place": (
        lambda folder: ((folder / "report.md").unlink(), (folder / "report.md").mkdir()),
        "report.md is missing",
    ),
    "a pipe in its place": (
        lambda folder: ((folder / "report.md").unlink(), os.mkfifo(folder / "report.md")),
        "report.md is no ordinary file",
    ),
    "a link to a folder": (lambda folder: (folder / "more").symlink_to("/etc"), "more is a link"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
    "no signature": (lambda folder: (folder / "manifest.json.sig").unlink(), "manifest.json.sig is missing"),
    "another manifest": (
        lambda folder: edit_manifest(folder, lambda m: m.update(identity="eve@acme.example")),
        "manifest.json.sig does not fit",
    ),
    "a file dropped from the manifest": (
        lambda folder: (
            (folder / "report.csv").unlink(),
            edit_manifest(folder, lambda m: m.update(files=m["files"][1:])),  # type: ignore[index]
        ),
        "manifest.json.sig does not fit",
    ),
    "only white space": (
        lambda folder: (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes() + b"\n"),
        "manifest.json.sig does not fit",
    ),
    "a signature that is none": (
        lambda folder: (folder / "manifest.json.sig").write_text("-----BEGIN SSH SIGNATURE-----\n"),
        "manifest.json.sig is no SSH signature",
    ),
    "a signature bit": (lambda folder: flip(folder / "manifest.json.sig"), "manifest.json.sig"),
    "a huge signature": (
        lambda folder: (folder / "manifest.json.sig").write_bytes(b"x" * 100_000),
        "larger than any seal's",
    ),
    "no JSON": (lambda folder: (folder / "manifest.json").write_bytes(b"\xff{"), "manifest.json is no JSON"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_whatever_is_not_as_it_was_sealed_is_named(sealed: Path, tmp_path: Path, key: Path, name: str) -> None:
    """Changed, missing, added, replaced: exit 1 with and without a list of signers, and the file is named."""
    tamper, said = TAMPERINGS[name]
    tamper(sealed)
    for extra in ((), ("--allowed-signers", allow(tmp_path / "allowed", key))):
        done = call("verify", sealed, *extra)
        assert done.exit_code == 1
        assert said in done.stdout
        assert "Traceback" not in done.output


MANIFESTS: dict[str, Callable[[dict[str, object]], object]] = {
    "above": lambda m: m["files"][0].update(path="../secret"),  # type: ignore[index]
    "absolute": lambda m: m["files"][0].update(path="/etc/passwd"),  # type: ignore[index]
    "doubled": lambda m: m["files"].append(m["files"][0]),  # type: ignore[attr-defined,index]
    "dotted": lambda m: m["files"][0].update(path="./report.csv"),  # type: ignore[index]
    "empty": lambda m: m.update(files=[]),
    "no digest": lambda m: m["files"][0].pop("sha256"),  # type: ignore[index]
    "true size": lambda m: m["files"][0].update(size=True),  # type: ignore[index]
    "another kind": lambda m: m.update(kind="receipt"),
    "another version": lambda m: m.update(version="2.0"),
    "nobody": lambda m: m.update(identity=""),
    "a crowd": lambda m: m.update(identity="*"),
    "no list": lambda m: m.update(files={"a": 1}),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_is_none_is_refused_though_signed(sealed: Path, tmp_path: Path, key: Path, name: str) -> None:
    """A sound signature over nonsense proves nothing, and no path leads out of the folder."""
    edit_manifest(sealed, MANIFESTS[name])
    (sealed / "manifest.json.sig").unlink()
    assert keygen("-Y", "sign", "-f", key, "-n", NAMESPACE, sealed / "manifest.json").returncode == 0
    done = call("verify", sealed, "--allowed-signers", allow(tmp_path / "allowed", key))
    assert done.exit_code == 1
    assert "manifest.json" in done.stdout


# -- whom it trusts ------------------------------------------------------------------------------------------------


def test_only_the_named_signer_may_seal(sealed: Path, tmp_path: Path, key: Path) -> None:
    """Another's key under the right name, the right key under another name: neither is allowed."""
    other = make_key(tmp_path / "other")
    for signers in (allow(tmp_path / "a", other), allow(tmp_path / "b", key, "bob@acme.example")):
        done = call("verify", sealed, "--allowed-signers", signers)
        assert done.exit_code == 1
        assert "was not made by a key that the list of allowed signers gives to jane@acme.example" in done.stdout
        assert not openssh_agrees(sealed, signers, "jane@acme.example")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (f'namespaces="{NAMESPACE}"', 0),
        ('namespaces="git,file"', 1),
        ('valid-before="20200101"', 1),
        ('valid-after="20200101"', 0),
    ],
)
def test_the_options_of_an_allowed_signer_are_obeyed(
    sealed: Path, tmp_path: Path, key: Path, options: str, code: int
) -> None:
    """Namespaces and validity count here as they do for ssh-keygen."""
    signers = allow(tmp_path / "allowed", key, options=options)
    assert call("verify", sealed, "--allowed-signers", signers).exit_code == code
    assert openssh_agrees(sealed, signers, "jane@acme.example") is (code == 0)


def test_a_signature_for_another_purpose_is_none(sealed: Path, tmp_path: Path, key: Path) -> None:
    """What the same person signed as a git commit is no seal, even where the list allows every purpose."""
    (sealed / "manifest.json.sig").unlink()
    assert keygen("-Y", "sign", "-f", key, "-n", "git", sealed / "manifest.json").returncode == 0
    done = call("verify", sealed, "--allowed-signers", allow(tmp_path / "allowed", key))
    assert done.exit_code == 1
    assert "another purpose" in done.stdout


@pytest.mark.parametrize(
    "content", ["", "# nobody\n", "jane@acme.example\n", "jane@acme.example ssh-ed25519 AAAA\n", "\udcff"]
)
def test_a_list_that_names_nobody_allows_nobody(sealed: Path, tmp_path: Path, content: str) -> None:
    """An empty, broken or unreadable list never allows."""
    signers = tmp_path / "allowed"
    signers.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert call("verify", sealed, "--allowed-signers", signers).exit_code == 1
    assert call("verify", sealed, "--allowed-signers", tmp_path / "none").exit_code == 1


def test_a_key_certified_by_an_authority_is_allowed(sealed: Path, tmp_path: Path) -> None:
    """A signature with an SSH certificate counts where its authority is on the list."""
    authority, own = make_key(tmp_path / "ca"), make_key(tmp_path / "own")
    assert keygen("-q", "-s", authority, "-I", "jane", "-n", "jane@acme.example", f"{own}.pub").returncode == 0
    (sealed / "manifest.json.sig").unlink()
    done = keygen("-Y", "sign", "-f", f"{own}-cert.pub", "-n", NAMESPACE, sealed / "manifest.json")
    if done.returncode != 0:
        pytest.skip("this ssh-keygen signs with certificates only through an agent")
    signers = allow(tmp_path / "allowed", authority, options="cert-authority")
    assert call("verify", sealed, "--allowed-signers", signers).exit_code == 0


def test_random_bytes_are_never_a_signature() -> None:
    """The parser of signatures says no to anything, and never more than that."""
    import base64
    import random

    rng = random.Random(7)
    for length in (0, 1, 6, 10, 50, 400):
        for prefix in (b"", b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\1\0\0\0\x0b" + b"ssh-ed25519"):
            body = base64.encodebytes(prefix + rng.randbytes(length))
            armoured = b"-----BEGIN SSH SIGNATURE-----\n" + body + b"-----END SSH SIGNATURE-----\n"
            with pytest.raises(Unsound):
                signer_of(b"data", armoured, namespace=NAMESPACE)


# -- what is not sealed --------------------------------------------------------------------------------------------


def test_what_is_no_report_is_not_sealed(tmp_path: Path, key: Path) -> None:
    """A folder without report.json, a missing folder, and a link in a report's folder are refused by name."""
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        done = call("sign", tmp_path / name, "--key", key)
        assert done.exit_code == 2
        assert name in done.stderr


def test_a_changed_report_is_not_sealed(folder: Path, key: Path) -> None:
    """What its digest disproves, and a page that was drawn from another report, never get a seal."""
    text = (folder / "report.json").read_text()
    (folder / "report.json").write_text(text.replace("ACME Berlin", "ACME Paris"))
    done = call("sign", folder, "--key", key)
    assert done.exit_code == 2
    assert "changed after it was written" in done.stderr
    (folder / "report.json").write_text(text)
    (folder / "report.html").write_text("<p>Ready.</p>")
    done = call("sign", folder, "--key", key)
    assert done.exit_code == 2
    assert "was not drawn from report.json" in done.stderr
    assert not (folder / "manifest.json").exists()


def test_a_what_if_is_not_sealed(folder: Path, key: Path, tmp_path: Path) -> None:
    """It is never for sign-off, so nobody can sign it."""
    call("rejudge", folder / "report.json", "--assume", "*=pass", "--out", tmp_path / "what-if")
    done = call("sign", tmp_path / "what-if", "--key", key)
    assert done.exit_code == 2
    assert "never for sign-off" in done.stderr


def test_a_link_is_not_sealed(folder: Path, key: Path) -> None:
    """What it leads to may change without the seal noticing."""
    (folder / "more.html").symlink_to(folder / "report.html")
    done = call("sign", folder, "--key", key)
    assert done.exit_code == 2
    assert "more.html is a link" in done.stderr


def test_a_strangers_manifest_is_left_as_it_is(folder: Path, key: Path) -> None:
    """A manifest.json that is no seal's is somebody's file."""
    (folder / "manifest.json").write_text("{}")
    assert call("sign", folder, "--key", key).exit_code == 2
    assert (folder / "manifest.json").read_text() == "{}"


def test_a_key_that_is_none_is_a_sentence(folder: Path, key: Path, tmp_path: Path) -> None:
    """A missing file, a public key and rubbish each say what they are."""
    (tmp_path / "rubbish").write_text("rubbish")
    for path, said in (
        (tmp_path / "none", "cannot be read"),
        (key.with_name("id.pub"), "is a public key"),
        (tmp_path / "rubbish", "no private SSH key"),
    ):
        done = call("sign", folder, "--key", path)
        assert done.exit_code == 2
        assert said in done.stderr


@pytest.mark.parametrize("identity", ["Jane Doe", "*", "a,b", "", "jane\n", "jane#", 'ja"ne', "!jane", "j?"])
def test_an_identity_that_no_list_can_hold_is_refused(folder: Path, key: Path, identity: str) -> None:
    """Spaces, commas, quotes and wildcards would mean somebody else, or everybody."""
    with pytest.raises(Unsealable):
        seal(folder, open_key(key), identity, at=datetime.now(UTC))


# -- passphrases ---------------------------------------------------------------------------------------------------

PASSPHRASE = "correct-horse-battery"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("locked") / "id", passphrase=PASSPHRASE)


def test_without_a_terminal_no_passphrase_is_asked_for(folder: Path, locked: Path) -> None:
    """A locked key in a pipeline is a sentence, not a prompt that nobody sees."""
    done = call("sign", folder, "--key", locked)
    assert done.exit_code == 2
    assert "protected by a passphrase" in done.stderr
    assert "no terminal" in done.stderr


def on_a_terminal(typed: str, *arguments: object) -> tuple[int, str]:
    """Run a command on a terminal of its own, typing one line when it asks; its exit code and all that was shown."""
    own, theirs = pty.openpty()
    command = [sys.executable, "-m", "readiness", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    for chunk in _chunks(own, time.monotonic() + 20):
        shown += chunk
        if typed and b"Passphrase of" in shown:
            os.write(own, f"{typed}\n".encode())
            typed = ""
    os.close(own)
    return process.wait(timeout=10), shown.decode(errors="replace")


def _chunks(handle: int, deadline: float) -> Iterator[bytes]:
    while select.select([handle], [], [], max(0, deadline - time.monotonic()))[0]:
        chunk = b""
        with contextlib.suppress(OSError):
            chunk = os.read(handle, 4096)
        if not chunk:
            return
        yield chunk


def test_on_a_terminal_the_passphrase_is_asked_for_and_never_shown(folder: Path, locked: Path, tmp_path: Path) -> None:
    """The right one seals; what is typed is not echoed."""
    code, shown = on_a_terminal(PASSPHRASE, "sign", folder, "--key", locked)
    assert code == 0, shown
    assert "Passphrase of" in shown
    assert PASSPHRASE not in shown
    assert openssh_agrees(folder, allow(tmp_path / "allowed", locked), "jane@acme.example")


def test_a_wrong_passphrase_seals_nothing(folder: Path, locked: Path) -> None:
    """Exit 2, the passphrase not repeated, no manifest left behind."""
    code, shown = on_a_terminal("wrong-horse", "sign", folder, "--key", locked)
    assert code == 2, shown
    assert "does not open the key" in shown
    assert "wrong-horse" not in shown
    assert not (folder / "manifest.json").exists()


def test_examine_needs_no_command_line(sealed: Path) -> None:
    """A script reads standing, problems and fingerprint."""
    found = examine(sealed)
    assert found.standing is Standing.INTACT
    assert found.problems == ()
    assert found.fingerprint is not None
    assert found.fingerprint.startswith("SHA256:")
    assert as_json.read(sealed / "report.json")["site"]["name"] == "ACME Berlin"
