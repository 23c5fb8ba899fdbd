"""Speaks a text as a voice was chosen: its pace, its pauses between sentences, its pitch."""

from dataclasses import replace
from pathlib import Path

from reelwright import providers, rendering
from reelwright.generations import VoiceChoice
from reelwright.ground.metering import Use
from reelwright.providers import Speech
from worker import ffmpeg


async def spoken(
    tools: providers.Toolset, text: str, voice: VoiceChoice, *, language: str, pace: float = 1.0
) -> tuple[Speech, tuple[Use, ...]]:
    """Speak at the voice's chosen speed, so much quicker, with its gaps. Raises ProviderRefused, ProviderAway."""
    speed = round(voice.speed * pace, 3)
    speech, uses = await tools.speech.speak(text, voice=voice.name, language=language, speed=speed)
    return providers.paced(speech, voice.gap_ms), uses


async def pitched(speech: Speech, voice: VoiceChoice, folder: Path) -> Speech:
    """Return the speech at the voice's chosen pitch; neither its length nor its words' times change. Raises Outage."""
    if voice.pitch == 0 or not speech.words:
        return speech
    plain, out = folder / "spoken.wav", folder / "pitched.wav"
    plain.write_bytes(speech.wav)
    await ffmpeg.produce(
        lambda part: rendering.shaping.pitched(ffmpeg.program(), plain, part, semitones=voice.pitch),
        out,
        check=lambda path: _alike(path, speech),
    )
    return replace(speech, wav=out.read_bytes())


def _alike(path: Path, speech: Speech) -> None:
    """Raise ValueError where the sound isn't as long as it was: its words' times would be wrong."""
    sound = rendering.hearing.sound(path)
    length_ms = len(sound) * 1000 // rendering.hearing.RATE
    if abs(length_ms - speech.duration_ms) > 40:  # noqa: PLR2004 - more than a frame of video is seen
        msg = f"{length_ms} ms instead of {speech.duration_ms}"
        raise ValueError(msg)
