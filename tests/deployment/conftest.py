"""The Dockerfile's steps, done outside of a container: in empty virtual environments, on copies of what it copies."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

_ONLY_TIME = {"UV_COMPILE_BYTECODE", "UV_LINK_MODE"}
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Stage:
    """One `FROM` with what follows it, in order."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        return [value for name, value in self.steps if name == instruction]


def stages() -> list[Stage]:
    found: list[Stage] = []
    for step in DockerfileParser(path=str(ROOT / "Dockerfile")).structure:
        name, value = step["instruction"], step["value"]
        if name == "FROM":
            base, _, alias = value.partition(" AS ")
            found.append(Stage(alias, base))
        elif name != "COMMENT":
            found[-1].steps.append((name, value))
    return found


@dataclass(frozen=True)
class Image:
    """What the steps have made: the environment that the image's processes start in, and its programs."""

    folder: Path
    environment: dict[str, str]

    @property
    def programs(self) -> Path:
        return self.folder / "opt/reelwright/bin"


class _Replay:
    """Replays stages below a folder that stands for the root; an empty virtual environment is the base image."""

    def __init__(self, root: Path) -> None:
        self.root = root
        foreign = ("VIRTUAL_ENV", "PYTHON", "UV_PROJECT", "REELWRIGHT_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.work, self.stages = root, 0

    def run(self, stage: Stage) -> None:
        self.environment["PATH"] = f"{self.empty(stage.base)}/bin:/usr/bin:/bin"
        for instruction, value in stage.steps:
            match instruction:
                case "ENV":
                    given = {name: self.placed(text) for name, text in _pairs(value) if name not in _ONLY_TIME}
                    self.environment |= given
                case "WORKDIR":
                    self.work = Path(self.placed(value))
                    self.work.mkdir(parents=True, exist_ok=True)
                case "COPY" if not value.startswith("--from"):
                    *sources, target = value.split()
                    for source in sources:
                        self.copy(ROOT / source, self.work / target)
                case "RUN" if value.startswith("apt-get"):
                    pass  # the system's packages are this machine's own
                case "RUN":
                    subprocess.run(["sh", "-c", value], check=True, cwd=self.work, env=self.environment)
                case _:
                    pass  # COPY --from is of the same folder here; the rest says how the image is run

    def empty(self, base: str) -> Path:
        """Return a virtual environment of this stage's own; a base that stages share is made once and copied."""
        first = self.root / "usr" / base.replace(":", "-")
        if not first.exists():
            subprocess.run([sys.executable, "-m", "venv", first], check=True)
        self.stages += 1
        own = self.root / "usr" / str(self.stages)
        shutil.copytree(first, own, symlinks=True)
        for script in (own / "bin").glob("pip*"):
            script.write_text(script.read_text(encoding="utf-8").replace(f"{first}/", f"{own}/"), encoding="utf-8")
        return own

    def copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / source.name if target.is_dir() else target)

    def placed(self, text: str) -> str:
        """Return a value with the image's own folders below ours."""
        below = f"{self.root}{text}" if text.startswith("/") else text
        return below.replace("$PATH", self.environment.get("PATH", ""))


def _pairs(value: str) -> Iterator[tuple[str, str]]:
    for word in value.split():
        name, _, text = word.partition("=")
        yield name, text


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """Build as the Dockerfile says, where any user may read it."""
    root = Path(tempfile.mkdtemp(prefix="reelwright-image-"))
    root.chmod(0o755)
    replay = _Replay(root)
    for stage in stages():
        replay.run(stage)
    # The image compiles every package; here only what its processes import is, or each of them would do so anew.
    imports = "import reelwright.app, reelwright.ground.migrations, worker.app"
    writing = {name: value for name, value in replay.environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([root / "opt/reelwright/bin/python", "-c", imports], check=True, env=writing, cwd=root)
    yield Image(root, replay.environment)
    shutil.rmtree(root, ignore_errors=True)
