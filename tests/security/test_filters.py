"""S98 and S99: whatever a file is called or somebody wrote, no command line reads it as anything but that.

Every function that makes one is found by its signature, so that one of tomorrow is tried, too: its paths, and its texts
if it takes any, are hostile, and the command must be the innocent one but for whole words. What is shown in a picture
never comes near a filter: captions are drawn, and the drawing's own tests have S97's texts.
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any

import pytest

from reelwright.rendering import graph, shaping
from reelwright.rendering.safearea import Area

ROOT = Path(__file__).resolve().parents[2]
INNOCENT, SECOND = "plain", "2"
HOSTILE = [
    "':textfile=/etc/passwd:x='",
    "[a];movie=/etc/passwd[b]",
    "%{pts}",
    "%{expr:1}",
    "\\\\'\\:",
    "a,b;c[d]=e",
    "concat:a|b",
    "subfile,,start,0,end,0,,:/etc/passwd",
    "data:text/plain,x",
    "http://127.0.0.1/x",
    "file:-",
    "x' -f tee y",
    "{\\p1}m 0 0 l 1 1",
]
_OURS = {"program": "ffmpeg", "profile": "normal"}
"""Texts that nobody but us chooses."""


def builders(module: ModuleType) -> Iterator[Callable[..., list[str]]]:
    for name, made in inspect.getmembers(module, inspect.isfunction):
        public = made.__module__ == module.__name__ and not name.startswith("_")
        if public and "program" in inspect.signature(made).parameters and name != "compiled":
            yield made


BUILDERS = [*builders(graph), *builders(shaping)]


def given(kind: Any, said: str) -> Any:
    """Return a value of this type, in which every path and text is what was said."""
    parts = typing.get_args(kind)
    if typing.get_origin(kind) in {typing.Union, UnionType}:
        return given(next(part for part in parts if part is not NoneType), said)
    if typing.get_origin(kind) is Sequence:
        return [given(parts[0], said)]
    known = {
        str: said,
        Path: Path(said),
        bool: True,
        int: 3_000,
        float: 1.5,
        graph.Spoken: graph.Spoken(Path(said + SECOND), 48_000),
        graph.Look: graph.Look(frames=900, tile=(144, 256), every_s=1.0, covered=Area(1, 2, 30, 40)),
    }
    assert kind in known, f"say here what a {kind} is made of"
    return known[kind]


def command(build: Callable[..., list[str]], said: str) -> list[str]:
    """Return what a builder makes when all that may come from somebody is what was said."""
    hints = typing.get_type_hints(build)
    return build(**{name: _OURS.get(name) or given(hints[name], said) for name in inspect.signature(build).parameters})


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_s98_s99_a_name_or_text_is_a_word_of_its_own_or_stands_nowhere(build: Callable[..., list[str]]) -> None:
    innocent = command(build, INNOCENT)
    assert {part for part in innocent if INNOCENT in part} <= {INNOCENT, INNOCENT + SECOND}, (
        "what somebody chose stands inside of a longer word, where a filter would read it"
    )
    for hostile in HOSTILE:
        meant = {str(Path(hostile + second)): INNOCENT + second for second in ("", SECOND)} | {hostile: INNOCENT}
        made = command(build, hostile)
        assert [meant.get(part, part) for part in made] == innocent, hostile


def test_s98_one_place_makes_commands_and_hands_them_over_as_lists() -> None:
    """Else the test above would try some of them alone."""
    assert len(BUILDERS) > 10
    files = [*ROOT.glob("src/reelwright/**/*.py"), *ROOT.glob("worker/**/*.py")]
    makers = {file.stem for file in files if re.search(r"^\s*import ffmpeg\b", file.read_text(), re.MULTILINE)}
    assert makers == {"graph", "shaping"}
    filtering = re.compile(r""""-(vf|af|filter|filter_complex|lavfi)\b|\bdrawtext\b|["']subtitles=|\bmovie=""")
    assert [file.name for file in files if filtering.search(file.read_text())] == []
    shells = re.compile(r"shell=True|create_subprocess_shell|os\.system|os\.popen")
    assert [file.name for file in files if shells.search(file.read_text())] == []
