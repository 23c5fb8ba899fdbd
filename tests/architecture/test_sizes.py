"""A file that outgrows its purpose is split before it lands."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"src": 400, "worker": 400, "tests": 500, "lua": 80}
LONGEST_FUNCTION = 50
EXCEPTIONS: dict[str, str] = {}  # "path::function" or "path" -> the reason
FORBIDDEN = {"utils", "helpers", "common", "manager", "base", "core"}


def _files(folder: str, ending: str) -> list[Path]:
    patterns = (f"{folder}/**/*.{ending}", f"{folder}/*.{ending}")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


@pytest.mark.parametrize(("folder", "most"), LIMITS.items())
def test_no_file_is_longer_than_its_limit(folder: str, most: int) -> None:
    files = _files(folder, "lua" if folder == "lua" else "py")
    assert files, f"no files found below {folder}"
    long = {str(f.relative_to(ROOT)): n for f in files if (n := len(f.read_text().splitlines())) > most}
    assert {path: n for path, n in long.items() if path not in EXCEPTIONS} == {}


@pytest.mark.parametrize("folder", ["src", "worker"])
def test_every_function_fits_a_screen(folder: str) -> None:
    long: dict[str, int] = {}
    for file in _files(folder, "py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                name = f"{file.relative_to(ROOT)}::{node.name}"
                if lines > LONGEST_FUNCTION and name not in EXCEPTIONS:
                    long[name] = lines
    assert long == {}


@pytest.mark.parametrize("folder", ["src", "worker", "tests"])
def test_every_file_says_in_one_line_what_it_is_for(folder: str) -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in _files(folder, "py")
        if file.read_text().strip() and folder != "tests" and not ast.get_docstring(ast.parse(file.read_text()))
    ]
    named = [str(f) for f in _files(folder, "py") if f.stem in FORBIDDEN]
    assert (silent, named) == ([], [])
