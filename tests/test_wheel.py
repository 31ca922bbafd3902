"""The wheel, built through the sdist, works in a bare environment: no package was left behind."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, made from its own sdist, without isolation (the build needs no network)."""
    folder = tmp_path_factory.mktemp("dist")
    build = "import sys, hatchling.build as b; print(b.build_{}(sys.argv[1]))"
    run = [sys.executable, "-c", build.format("sdist"), str(folder)]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = next(path for path in folder.iterdir() if path.is_dir())
    subprocess.run(
        [sys.executable, "-c", build.format("wheel"), str(folder)], cwd=unpacked, check=True, capture_output=True
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    """All four packages with their templates, schemas and recordings are in it."""
    packed = set(zipfile.ZipFile(wheel).namelist())
    for root, package in (
        ("", "readiness"),
        ("checks/", "readiness_checks"),
        ("schemas/", "readiness_schemas"),
        ("reports/", "readiness_reports"),
    ):
        folder = ROOT / root / package
        kept = {
            str(path.relative_to(ROOT / root))
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert kept <= packed, sorted(kept - packed)


def test_the_wheel_runs_in_a_bare_environment(wheel: Path, tmp_path: Path) -> None:
    """Installed by itself beside the dependencies, it knows its version, its schemas and its catalogue."""
    bare = tmp_path / "venv"
    venv.create(bare, with_pip=False)
    site = next((bare / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    for path in sys.path:
        if path.endswith("site-packages"):
            (site / "dependencies.pth").write_text(f"{path}\n")
    code = "from readiness.cli import main; main()"
    for arguments, expected in (
        (["--version"], "readiness "),
        (["schema", "site"], '"$schema"'),
        (["checks", "redis.version"], "redis.version"),
    ):
        done = subprocess.run(
            [str(bare / "bin/python"), "-I", "-c", code, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
    found = subprocess.run(
        [str(bare / "bin/python"), "-I", "-c", "import readiness; print(readiness.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(site) in found.stdout
