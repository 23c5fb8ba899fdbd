"""The floors of the building are contracts in pyproject.toml; this runs them, and proves that they can fail."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")


def test_imports_go_down() -> None:
    run = subprocess.run([LINTER, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:]
    assert "0 broken" in run.stdout


ROOMS = (
    *("accounts", "admission", "billing", "generations", "ledger", "library"),
    *("notices", "outbox", "providers", "rendering", "schedules"),
)


def entered_by_a_window(source: str, *, own_room: str | None) -> list[str]:
    """Return imports that reach into a room's files instead of asking at its door."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "reelwright" and len(parts) > 2 and parts[1] in ROOMS and parts[1] != own_room:
                found.append(name)
    return found


def test_a_room_is_entered_only_by_its_package_name() -> None:
    found: dict[str, list[str]] = {}
    for file in [*(ROOT / "src").rglob("*.py"), *(ROOT / "worker").rglob("*.py")]:
        parts = file.relative_to(ROOT).parts
        room = parts[2] if parts[0] == "src" and parts[2] in ROOMS else None
        if windows := entered_by_a_window(file.read_text(), own_room=room):
            found[str(file.relative_to(ROOT))] = windows
    assert found == {}


def test_the_rule_about_rooms_can_fail() -> None:
    bad = "from reelwright.ledger.credits import hold\nimport reelwright.outbox.tables"
    assert entered_by_a_window(bad, own_room="generations") == ["reelwright.ledger.credits", "reelwright.outbox.tables"]
    assert entered_by_a_window(bad, own_room="ledger") == ["reelwright.outbox.tables"]
