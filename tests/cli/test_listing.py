"""The list of commands is there before any of them is loaded, and says what they say themselves."""

import subprocess
import sys

import pytest

from reelwright.cli import COMMANDS, command

HEAVY = ("sqlalchemy", "litestar", "alembic", "redis", "openai", "stripe", "numpy")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_its_own_first_sentence(name: str) -> None:
    told = (command(name).help or "").split("\n\n")[0].split(". ")[0].rstrip(".")

    assert COMMANDS[name][1].rstrip(".") == " ".join(told.split())


@pytest.mark.parametrize("words", [["--help"], ["make", "--help"], ["dev", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    script = (
        "import sys\nfrom reelwright.cli import group\n"
        f"try:\n    group({words!r})\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "Usage" in told.stdout
    assert told.stdout.splitlines()[-1].split() == ["loaded:"]
