"""S49 and S97 to S100 where words come in: what people write and call things is shown as it is, and is no command.

Every ffmpeg that a worker starts, a painter's own one too, tells here which words it was started with.
"""

import html
import re
import unicodedata
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reelwright.ground.postgres import Database
from reelwright.settings import Settings
from tests.api.conftest import Person
from tests.api.music.test_music import MINE, clicks
from tests.api.security.producing import Producing, producing
from tests.waiting import wait_until
from worker import confinement, ffmpeg

TEXT = (
    "Tide pools are small seas that the ocean leaves behind twice a day. A crab that lives there must bear hot sun at "
    "noon and cold rain at night. Anemones in a pool close up when the tide goes out."
)
MARK = "canary"
SPOKEN = (
    "{\\fs3000\\blur200}Wide\nDialogue: 0, cafe" + "\u0301" * 150,
    "-i ':textfile=/x:' concat:a|b " + MARK,
)
CARDS = (
    f"[a];movie=/etc/passwd[b] %{{expr:1}}\nfile '/{MARK}'",
    "[Fonts] \\N\\h %{pts} {\\t(\\frz9)}{\\p1}m e" + "\u0301" * 20,
)
NAME = f"-i concat:a|b ':textfile=/{MARK}:x=' [a];movie=/etc/passwd[b]\nfile '/etc/passwd'"
TELLING = """#!/bin/sh
made=$(mktemp ./new.XXXXXXXX) && printf '%s\\0' "$@" > "$made" && mv "$made" "$made.told"
exec {program} "$@"
"""
TIMING = (
    '{program} "$@"; ended=$?; made=$(mktemp ./new.XXXXXXXX); times > "$made"; mv "$made" "$made.cost"; exit $ended'
)
_BYTES = {"Content-Type": "application/octet-stream"}
_FILE = re.compile(r"(?:\./)?[a-z0-9_.\-/]+", re.IGNORECASE)
_PIPE = {"-", "pipe:", "pipe:0"}
_LIST = re.compile(r"ffconcat version 1\.0\n(?:file [a-z0-9_]+\.mp4\n)+")


@dataclass
class Watched:
    """What ffmpeg was told, each of its lists, and the processor's seconds that all media processes took."""

    commands: list[list[str]] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    cost_s: float = 0.0

    def look(self, folder: Path) -> None:
        """Take what processes in a folder have left there."""
        for path in folder.glob("*.told"):
            self.commands.append(path.read_text().split("\0")[:-1])
            path.unlink()
        for path in folder.glob("*.cost"):
            spent = re.findall(r"(\d+)m([\d.]+)s", path.read_text())
            self.cost_s += sum(60 * int(minutes) + float(seconds) for minutes, seconds in spent)
            path.unlink()
        self.lists += [path.read_text() for path in folder.glob("chunks.txt")]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    made, run = Watched(), ffmpeg.run
    teller = tmp_path / "program" / "ffmpeg"
    teller.parent.mkdir()
    teller.write_text(TELLING.format(program=ffmpeg.program()))
    teller.chmod(0o755)

    async def watching(argv: list[str], *, cwd: Path, **how: Any) -> ffmpeg.Finished:
        try:
            return await run(["/bin/sh", "-c", TIMING.format(program=argv[0]), "sh", *argv[1:]], cwd=cwd, **how)
        finally:
            made.look(cwd)

    monkeypatch.setenv("REELWRIGHT_FFMPEG", str(teller))
    monkeypatch.setattr(ffmpeg, "run", watching)
    confinement._walls.cache_clear()  # they let nobody out to another folder's ffmpeg
    yield made
    confinement._walls.cache_clear()


@pytest.fixture
async def both(
    user: Person, db: Database, redis: object, settings: Settings, tmp_path: Path
) -> AsyncGenerator[Producing]:
    async with producing(user, db, settings, tmp_path) as made:
        yield made


async def a_track(both: Producing) -> str:
    """Bring music under a hostile name and title, and wait until the worker has looked at it."""
    sent = await both.api.post("/v1/media", params={"name": NAME.replace("\n", " ")}, content=clicks(), headers=_BYTES)
    assert sent.status_code == 201, sent.text
    track = await both.made("/v1/music", **MINE | {"media_id": sent.json()["id"], "title": NAME})

    async def looked_at() -> bool:
        return (await both.api.get(f"/v1/music/{track['id']}")).json()["status"] == "ready"

    await wait_until(looked_at)
    return track["id"]


def card(text: str) -> dict[str, object]:
    return {"text": text, "duration_ms": 1000}


async def test_s49_s97_s98_s99_s100_peoples_words_are_shown_as_they_are_and_cost_what_plain_ones_do(
    both: Producing, watched: Watched
) -> None:
    """One reel in plain words, and the same draft again with a person's edits: each says what another program reads."""
    track = await a_track(both)
    plain = {"name": "Plain", "intro": card("Small seas, twice a day"), "outro": card("Until the tide comes in")}
    kit = f"/v1/brand-kits/{(await both.made('/v1/brand-kits', **plain))['id']}"
    how = {"duration_s": 10, "profile": "preview", "music": track, "brand_kit_id": kit.rpartition("/")[2]}
    cost_s = watched.cost_s
    first = await both.ordered(text=TEXT, **how)
    assert (first["status"], first["failure"]) == ("succeeded", None)
    cost_s, told = watched.cost_s - cost_s, len(watched.commands)

    watched.cost_s = 0.0
    story = f"/v1/variants/{first['variants'][0]['id']}"
    await both.changed(kit, name=NAME[:80], intro=card(CARDS[0]), outro=card(CARDS[1]))
    await both.changed(story, title=NAME, caption=NAME, synopsis=NAME, hook=NAME)
    for position, said in enumerate(SPOKEN):
        await both.changed(f"{story}/scenes/{position}", narration=said)
    second = await both.ordered(draft_id=first["draft_id"], kind="render", profile="preview", duration_s=10)
    assert (second["status"], second["failure"]) == ("succeeded", None)

    subtitles = [await both.file(second["id"], f"captions.{ending}") for ending in ("srt", "vtt")]
    assert [_words(text) for text in subtitles] == [" ".join(map(_shown, SPOKEN))] * 2
    assert "{\\" not in subtitles[0]
    assert "<" not in "".join(subtitles)
    assert len(watched.commands) - told > 8
    assert any("rawvideo" in command for command in watched.commands), "a painter's own"
    _hold_nobodys_words(watched)
    assert 0.5 < watched.cost_s < 2 * cost_s, "the processor's seconds"


def _hold_nobodys_words(watched: Watched) -> None:
    for command in watched.commands:
        everything = " ".join(command)
        assert [word for word in (MARK, "passwd", "textfile=", "fs3000", "Dialogue") if word in everything] == []
        read = [command[at + 1] for at, word in enumerate(command) if word == "-i"]
        assert read or "-version" in command, command
        assert [name for name in (*read, command[-1]) if name not in _PIPE and not _FILE.fullmatch(name)] == []
    listed = [command for command in watched.commands if "concat" in command]
    assert {command[command.index("-safe") + 1] for command in listed} == {"1"}, "paths that lead out of the folder"
    assert watched.lists
    assert [said for said in watched.lists if not _LIST.fullmatch(said)] == []


def _shown(said: str) -> str:
    """Return a narration as it may stand on a screen: on one line, with five marks on a letter and no more."""
    return re.sub("(\u0301{5})\u0301+", r"\1", " ".join(unicodedata.normalize("NFC", said).split()))


def _words(subtitles: str) -> str:
    """Return all that a subtitles' file shows, without what keeps it from being markup."""
    lines = html.unescape(subtitles.replace("\u2060", "")).removeprefix("WEBVTT").splitlines()
    return " ".join(line for line in lines if line and " --> " not in line and not line.isdigit())
