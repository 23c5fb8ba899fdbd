"""What is heard of a damaged sound: nothing where it must be whole, the rest of it where a gate will tell."""

from pathlib import Path

import av
import numpy as np
import pytest

from reelwright.rendering import hearing
from tests.rooms.rendering import fixture

SECONDS, RATE = 3, 48_000


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a sine in AAC."""
    path = tmp_path_factory.mktemp("hearing") / "tone.m4a"
    wave = (0.3 * np.sin(2 * np.pi * 440 * np.arange(SECONDS * RATE) / RATE)).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE)
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="flt", layout="mono")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damaged(tone: Path, to: Path, fill: bytes) -> Path:
    """Copy the file with ten packets in its middle written over."""
    with av.open(str(tone)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.pos is not None]
    data = bytearray(tone.read_bytes())
    for at, size in packets[60:70]:
        data[at : at + size] = fill * size
    to.write_bytes(data)
    return to


@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
def test_damaged_packets_are_an_error_or_left_out(tone: Path, tmp_path: Path, fill: bytes) -> None:
    bad = damaged(tone, tmp_path / "bad.m4a", fill)
    with pytest.raises(ValueError, match="the sound can't be read"):
        hearing.sound(bad)
    heard = len(hearing.sound(bad, whole=False)) / hearing.RATE
    assert SECONDS * 0.5 < heard < SECONDS - 0.1
    assert hearing.envelope(bad).ms == heard * 1000


def test_a_whole_sound_is_heard_to_its_end(tone: Path) -> None:
    assert len(hearing.sound(tone)) / hearing.RATE == pytest.approx(SECONDS, abs=0.1)


def test_a_file_without_sound_says_so(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    with av.open(str(silent), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="the file has no sound"):
        hearing.sound(silent)


def told(wav: bytes) -> np.ndarray:
    """Return a WAV's sound at 8 kHz, as what is decoded of a file."""
    samples = np.frombuffer(wav[44:], "<i2").astype(np.float32) / 32768
    return samples[: len(samples) // 6 * 6].reshape(-1, 6).mean(axis=1)


@pytest.mark.parametrize("below_db", [20, 12, 6, 0])
def test_how_far_music_lies_below_a_voice_is_heard_through_filter_and_compressor(below_db: int) -> None:
    """The voice is delayed by part of a sample, and its loudness swings by 6 dB twice a second, as it is in a mix."""
    voice = told(fixture.speech(8)[0])
    time = np.arange(len(voice)) / hearing.RATE
    treated = np.interp(np.arange(len(voice)) - 0.4, np.arange(len(voice)), voice) * 10 ** (
        0.15 * np.sin(4 * np.pi * time)
    )
    music = 0.5 * np.sin(2 * np.pi * 300 * time) + 0.5 * np.sin(2 * np.pi * 900 * time)
    music *= np.sqrt(np.mean(treated[np.abs(treated) > 0.01] ** 2) / np.mean(music**2)) / 10 ** (below_db / 20)

    assert hearing.over_rest_db(treated + music, voice) == pytest.approx(below_db, abs=2.5)
    assert hearing.over_rest_db(treated, voice) > 15


def test_a_voice_that_is_not_there_is_not_over_anything() -> None:
    voice = told(fixture.speech(8)[0])
    music = 0.1 * np.sin(np.arange(len(voice)))
    assert hearing.over_rest_db(music, voice) < 0
    assert hearing.over_rest_db(music[:100], voice) == 0.0
