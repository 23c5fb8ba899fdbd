"""A wheel is the whole program: it carries scripts, migrations and worker, and finds them once installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [Path(sys.executable).with_name("hatchling"), "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_what_is_not_python_and_the_worker(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    scripts = {f"reelwright/lua/admission/{file.name}" for file in (ROOT / "lua/admission").glob("*.lua")}
    versions = {f"reelwright/migrations/versions/{file.name}" for file in (ROOT / "migrations/versions").glob("0*")}
    assert len(scripts) >= 10
    assert scripts | versions | {"reelwright/migrations/env.py", "worker/app.py", "worker/chunk.py"} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_installed_it_finds_its_scripts_and_migrations_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    program = (
        "import sys; sys.path = [p for p in sys.path if 'src' not in p]; sys.path.insert(0, sys.argv[1]);"
        "import reelwright; from reelwright.ground.packaged import packaged; import worker.app;"
        "print(reelwright.__file__, packaged('lua'), packaged('migrations'))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "site")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert all(place.startswith(str(tmp_path / "site")) for place in run.stdout.split()), run.stdout
