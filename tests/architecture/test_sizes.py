"""A file that outgrows its purpose is split before it lands."""

import ast
import functools
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


@functools.cache
def _read(file: Path) -> tuple[str | None, dict[str, int]]:
    """Return what a file says it is for, and the lines of its longest function of each name."""
    tree, longest = ast.parse(file.read_text()), dict[str, int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            longest[node.name] = max(longest.get(node.name, 0), node.end_lineno - node.lineno + 1)
    return ast.get_docstring(tree), longest


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
        for name, lines in _read(file)[1].items():
            if lines > LONGEST_FUNCTION and (path := f"{file.relative_to(ROOT)}::{name}") not in EXCEPTIONS:
                long[path] = lines
    assert long == {}


@pytest.mark.parametrize("folder", ["src", "worker", "tests"])
def test_every_file_says_in_one_line_what_it_is_for(folder: str) -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in _files(folder, "py")
        if folder != "tests" and file.read_text().strip() and not _read(file)[0]
    ]
    named = [str(f) for f in _files(folder, "py") if f.stem in FORBIDDEN]
    assert (silent, named) == ([], [])
