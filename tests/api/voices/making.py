"""A worker that makes the short sounds which the API was asked for, with a voice that costs nothing to load."""

from dataclasses import replace
from pathlib import Path

from litestar import Litestar

from reelwright.generations import Stage
from reelwright.ground.metering import Action, Use
from reelwright.journeys import sounding
from reelwright.journeys.workroom import Timings, Workroom, place_of
from reelwright.providers import Lane, Speech, Word, WordTimes, toolset
from tests.rooms.rendering import fixture
from worker.sounding import make


class Said:
    """A voice that hums for each word, and remembers what it was asked to say."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float]] = []

    async def speak(
        self, text: str, *, voice: str, language: str, speed: float = 1.0
    ) -> tuple[Speech, tuple[Use, ...]]:
        del language
        self.asked.append((text, voice, speed))
        wav, times = fixture.speech(len(text.split()))
        words = tuple(
            Word(text=word, start_ms=at[1], end_ms=at[2]) for word, at in zip(text.split(), times, strict=True)
        )
        use = Use(
            action=Action.SPEECH, provider="offline", model="hibari-heart", quantity=len(text), characters=len(text)
        )
        return Speech(
            wav=wav, sample_rate=fixture.RATE, duration_ms=times[-1][2] + 60, words=words, word_times=WordTimes.EXACT
        ), (use,)


def workroom(app: Litestar, folder: Path, said: Said | None = None) -> Workroom:
    """A worker's surroundings on the API's own servers."""
    tools = toolset() if said is None else replace(toolset(), speech=said)
    return Workroom(
        db=app.state.db,
        gate=app.state.gate,
        storage=app.state.storage,
        tools=tools,
        stages={},
        places={Stage.TTS_GENERATION: place_of("offline", "hibari-heart", Lane.INTERACTIVE)},
        workspace=folder,
        timings=Timings(),
    )


async def made(room: Workroom) -> int:
    """Make all that is due and return how many that was."""
    count = 0
    while await sounding.make_next(room, make):
        count += 1
    return count
