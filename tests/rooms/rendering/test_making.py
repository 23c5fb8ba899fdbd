"""What only its maker knows of a reel is judged by facts: its encodes, its files, its mark."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from reelwright.rendering import Check, Probe, disclosure, graph, making, probe

STILL = making.Still(name="thumbnail", form="JPEG", width=64, height=64, size_bytes=9_000, at_ms=500)
WIDE = making.Still(name=making.WIDE, form="JPEG", width=1280, height=720, size_bytes=9_000, at_ms=500)
SAID = """
[libx264 @ 0x1] frame I:2     Avg QP:17.50  size:150384
[libx264 @ 0x1] frame P:28    Avg QP:21.00  size: 14101
[libx264 @ 0x1] frame B:60    Avg QP:25.00  size:  4821
[libx264 @ 0x1] SSIM Mean Y:0.9924713 (21.233db)
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty small frames, and a tag that says nothing of AI."""
    path = tmp_path_factory.mktemp("making") / "small.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for n in range(40):
            picture = np.random.default_rng(n).integers(0, 255, (64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    return path


def made(p: Probe, **changes: object) -> making.Making:
    edges = ((0, 30), (30, 40))
    kept = tuple(making.Chunk(a, b, making.digest(p, a, b), 0.99, 24.0, painted=True) for a, b in edges)
    plain = making.Making(chunks=kept, mix_codec="flac", stills=(STILL, WIDE), unlike=())
    return replace(plain, **changes)  # type: ignore[arg-type]


def judged(p: Probe, how: making.Making | None, *, ours: bool = True) -> dict[str, Check]:
    return {check.name: check for check in making.checks(how, p, ours=ours)}


def failed(p: Probe, how: making.Making) -> set[str]:
    return {check.name for check in judged(p, how).values() if check.passed is False}


def test_a_reel_made_as_it_should_be_holds_all_and_of_another_nothing_is_judged(video: Path) -> None:
    p = replace(probe(video), source_type=disclosure.SOURCE_TYPE)
    assert {check.passed for check in judged(p, made(p)).values()} == {True}
    foreign = judged(replace(p, source_type=""), None, ours=False)
    assert {check.passed for check in foreign.values()} == {None}
    assert foreign["reproducible"].value == {"packets": p.packets, "unlike": None}
    assert foreign["mb_a_minute"].value == round(p.size_bytes / 1e6 / (p.video_ms / 60_000), 1)


def test_each_picture_must_be_the_chunks_own_at_its_place(video: Path) -> None:
    """Encoded again, a picture has other bits; cut or put elsewhere, another place."""
    p = replace(probe(video), source_type=disclosure.SOURCE_TYPE)
    other = bytearray(p.pictures)
    other[8 * 35] ^= 1

    def told(*pictures: bytes) -> list[object]:
        return [judged(replace(p, pictures=one), made(p))["lossy_generations"].value for one in pictures]

    assert told(p.pictures, bytes(other), p.pictures[8:], p.pictures[:-8]) == [[1, 1], [2, 1], [2, 1], [2, 1]]
    assert failed(replace(p, pictures=bytes(other)), made(p)) == {"lossy_generations"}
    assert judged(p, made(p, mix_codec="aac"))["lossy_generations"].value == [1, 2]


def _chunks(p: Probe, told: Sequence[tuple[float | None, float | None]]) -> making.Making:
    pairs = zip(made(p).chunks, told, strict=True)
    return made(p, chunks=tuple(making.Chunk(c.first, c.last, c.pictures, *said, painted=True) for c, said in pairs))


def test_likeness_counts_by_frames_and_no_chunk_may_be_much_worse(video: Path) -> None:
    p = replace(probe(video), source_type=disclosure.SOURCE_TYPE)
    for told, wrong in (
        ([(0.96, 24.0), (0.90, 24.0)], set[str]()),  # 30 and 10 frames
        ([(0.99, 24.0), (0.89, 24.0)], {"fidelity"}),
        ([(0.92, 24.0), (0.91, 24.0)], {"fidelity"}),
        ([(0.99, 29.0), (0.99, 34.0)], {"fidelity"}),
        ([(0.99, 29.0), (0.99, 32.0)], set[str]()),
        ([(0.99, 24.0), (None, 24.0)], set[str]()),  # not each chunk is compared
        ([(0.99, 29.0), (None, 34.0)], {"fidelity"}),
    ):
        assert failed(p, _chunks(p, told)) == wrong, told
    unkept = judged(p, _chunks(p, [(None, None), (None, None)]))
    assert (unkept["fidelity"].passed, unkept["mb_a_minute"].passed) == (None, None)


def test_a_file_finer_than_it_need_be_is_twelve_megabytes_a_minute_at_most(video: Path) -> None:
    p = replace(probe(video), source_type=disclosure.SOURCE_TYPE)
    large = replace(p, size_bytes=round(13e6 * p.video_ms / 60_000))
    assert failed(large, _chunks(p, [(0.99, 24.0)] * 2)) == set()
    assert failed(large, _chunks(p, [(0.99, 19.0)] * 2)) == {"mb_a_minute"}
    assert failed(replace(p, size_bytes=large.size_bytes * 15), _chunks(p, [(0.99, 24.0)] * 2)) == {"mb_a_minute"}


@pytest.mark.parametrize(
    "changed",
    [{"form": "PNG"}, {"width": 63}, {"height": 65}, {"size_bytes": 2_000_001}, {"at_ms": -1}, {"at_ms": 1334}],
)
def test_a_thumbnail_is_a_jpeg_of_the_reels_size_and_from_within_it(video: Path, changed: dict[str, object]) -> None:
    p = replace(probe(video), source_type=disclosure.SOURCE_TYPE)
    wrong = judged(p, made(p, stills=(STILL, replace(STILL, name="thumbnail_2", **changed), WIDE)))["thumbnails"]  # type: ignore[arg-type]
    assert isinstance(wrong.value, dict)
    assert (wrong.passed, wrong.value["wrong"]) == (False, ["thumbnail_2"])
    for without in (
        (),
        (STILL,),
        (WIDE,),
        (STILL, replace(WIDE, width=1279)),
        (STILL, replace(WIDE, size_bytes=2_000_001)),
    ):
        assert failed(p, made(p, stills=without)) == {"thumbnails"}


def test_what_the_encoder_said_is_read_and_its_silence_is_an_error() -> None:
    assert graph.encoded(SAID) == graph.Encode(frames=90, ssim=0.9924713, quantiser=23.59)
    uncompared = "\n".join(line for line in SAID.splitlines() if "SSIM" not in line)
    assert graph.encoded(uncompared) == graph.Encode(frames=90, ssim=None, quantiser=23.59)
    with pytest.raises(ValueError, match="no summary"):
        graph.encoded(SAID.partition("frame I")[0])


def test_a_marked_file_says_so_to_who_looks_for_it_and_is_else_the_same(video: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.mp4"
    marked.write_bytes(video.read_bytes())

    disclosure.mark(marked)

    before, after = probe(video), probe(marked)
    assert (before.source_type, after.source_type) == ("", "trainedAlgorithmicMedia")
    assert marked.read_bytes().startswith(video.read_bytes())
    assert b"<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/" in marked.read_bytes()
    assert after == replace(before, source_type=after.source_type, size_bytes=marked.stat().st_size)
    assert judged(before, None)["disclosure"].passed is False
    assert judged(after, None, ours=False)["disclosure"].passed is True
