"""Each gate fails on a reel spoiled in one way, and only these with it; all are seen by `python -m tests.gates`."""

import os
from dataclasses import replace
from pathlib import Path

import av
import pytest

from reelwright.rendering import captions, graph, making, motion, paging, probe
from reelwright.rendering.gates import GATES
from tests.gates import good
from tests.gates.spoiled import FAST, FIRST, SPOILED, Spoiling
from worker import ffmpeg

WRITTEN_ANEW = {"edit_lists"}  # what ffmpeg writes, unless it is told otherwise, needs edit lists
ENCODED_ANEW = {"lossy_generations"}
ALL = os.environ.get("REELWRIGHT_GATES") == "all"


def test_every_gate_has_a_spoiling_that_breaks_it() -> None:
    assert {gate for how in SPOILED.values() for gate in how.breaks | how.worker} | WRITTEN_ANEW == set(GATES)
    assert {gate.number for gate in GATES.values()} == set(range(1, 26))


async def test_the_untouched_reel_holds_every_gate(reel: good.Good) -> None:
    verdicts = await good.failed(reel, reel.video, reel.timeline, captions.srt(reel.timeline), reel.made)
    assert verdicts == good.Verdicts(set(), set())


@pytest.mark.parametrize("name", SPOILED if ALL else FIRST)
async def test_a_spoiled_reel_fails_exactly_these_gates(
    reel: good.Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    how, bad = SPOILED[name], tmp_path / "bad.mp4"
    if how.options or how.before:
        argv = [ffmpeg.program(), "-v", "error", *_inputs(how, reel.video), *how.options.replace("'", "").split()]
        await ffmpeg.run([*argv, str(bad)], cwd=tmp_path)
    else:
        _resized(reel.video, bad, how)

    plan = how.plan(reel.timeline)
    if how.path:
        monkeypatch.setattr(motion, "eased", lambda p, _: how.path(p))
    if how.unjoined:
        monkeypatch.setattr(paging.Lasting, "of", lambda _, runs: list(runs))
    failed = await good.failed(reel, bad, plan, how.subtitles(captions.srt(plan)), how.made(reel.made))

    breaks = how.breaks | (WRITTEN_ANEW if how.options or how.before else set())
    again = ENCODED_ANEW if "libx264" in how.options else set()
    assert failed == good.Verdicts(worker={*breaks, *how.worker, *again}, inspect={*breaks, *how.inspect})


async def test_a_chunk_that_is_encoded_too_coarsely_is_told_by_its_own_encoder(
    reel: good.Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(graph.PROFILES, "coarse", {**graph.PROFILES["normal"], "crf": 45})
    kept = [await good.encoded(tmp_path / f"{name}.mp4", reel.timeline, profile=name) for name in ("normal", "coarse")]

    checks = [[*making.checks(replace(reel.made, chunks=(one,)), probe(reel.video), ours=True)] for one in kept]

    failed = [{check.name for check in told if check.passed is False} for told in checks]
    assert failed == [{"lossy_generations"}, {"lossy_generations", "fidelity"}]  # neither is in the reel


def _inputs(how: Spoiling, video: Path) -> list[str]:
    """Read the reel, or, where the picture is to begin later, read it twice."""
    once = ["-i", str(video)]
    if not how.before:
        return once
    return [*once, *how.before.split(), "-i", str(video), "-map", "1:v", "-map", "0:a", "-c", "copy", *FAST.split()]


def _largest_picture(video: Path) -> tuple[int, int]:
    """Return where the largest packet of a picture that is no key frame lies in the file, and its bytes."""
    with av.open(str(video)) as container:
        packets = [(p.size, p.pos) for p in container.demux(video=0) if p.pos is not None and not p.is_keyframe]
    size, at = max(packets)
    return at, size


def _resized(video: Path, bad: Path, how: Spoiling) -> None:
    """Copy the reel, cut, damaged, or with an empty box behind it that takes no room on the disk."""
    data = video.read_bytes()
    if how.damaged:
        at, size = _largest_picture(video)
        data = data[:at] + bytes(size) + data[at + size :]
    bad.write_bytes(data[: int(len(data) * how.cut)])
    if how.grown_to is not None:
        with bad.open("ab") as file:
            file.write((how.grown_to - len(data)).to_bytes(4, "big") + b"free")
            file.truncate(how.grown_to)
