"""When each word is said, for voices that don't tell: held against a voice that does."""

import io
import subprocess
import wave
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.providers import Craft, WordTimes, model_of
from reelwright.providers.offline.voice import OfflineVoice
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.services import SERVICES
from reelwright.providers.speech import OpenAISpeech
from reelwright.providers.speech_minimax import MiniMaxSpeech
from reelwright.providers.speech_readings import letter_sounds, readings
from reelwright.providers.speech_times import shown_words, timed_words
from tests.simulators.openai import RATE, SimulatedOpenAI, says, wav
from tests.simulators.services import KEY, SimulatedServices, minimax

TEXT = "Dr. Lee paid $25.4 million in 1969 — for NASA's Zorblax probe, 2.5% more. Nobody knows why!"


@pytest.fixture(scope="module")
async def told() -> tuple[NDArray[np.int16], list[tuple[str, int]]]:
    """A voice's sound at the services' own rate, and when it says that each word begins."""
    speech, _ = await OfflineVoice().speak(TEXT, voice="default", language="en")
    assert speech.word_times is WordTimes.EXACT
    with wave.open(io.BytesIO(speech.wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    step = speech.sample_rate // RATE
    return np.ascontiguousarray(samples[::step]), [(word.text, word.start_ms) for word in speech.words]


def off_ms(words: list[tuple[str, int]], truth: list[tuple[str, int]]) -> list[int]:
    assert [text for text, _ in words] == [text for text, _ in truth]
    return [abs(start - true) for (_, start), (_, true) in zip(words, truth, strict=True)]


def near(off: list[int]) -> bool:
    return max(off) <= 200 and sorted(off)[len(off) * 95 // 100] <= 100


async def test_services_that_tell_no_times_have_their_sound_aligned(
    server: SimulatedOpenAI, services: SimulatedServices, told: tuple[NDArray[np.int16], list[tuple[str, int]]]
) -> None:
    """With all that is read otherwise than it is written, and a word that is in no dictionary."""
    samples, truth = told
    sound = wav(samples.tobytes())
    server.faults, services.faults = [says(sound)], [says(minimax({"audio": sound.hex()}))]
    budget = CallBudget(total_s=30, attempt_s=20, first_wait_s=0.01, response_bytes=20_000_000)
    line = OpenAIConnection(api_key="k", base_url=server.base_url, budget=budget)
    other = OpenAIConnection(
        api_key=KEY, base_url=services.url_of("minimax"), budget=budget, service=SERVICES["minimax"]
    )
    for voice in (
        OpenAISpeech(line, model_of("openai", Craft.SPEECH)),
        MiniMaxSpeech(other, model_of("minimax", Craft.SPEECH)),
    ):
        speech, _ = await voice.speak(TEXT, voice="default", language="en-US")
        assert speech.word_times is WordTimes.ALIGNED
        words = [(word.text, word.start_ms) for word in speech.words]
        assert near(off_ms(words, truth))
        assert not near(off_ms([(text, start + 150) for text, start in words], truth))
        edges = [edge for word in speech.words for edge in (word.start_ms, word.end_ms)]
        assert edges == sorted(edges)
        assert edges[-1] <= speech.duration_ms


@pytest.mark.parametrize(
    "said", ["The sea is calm. It keeps many old stories of ships and of men.", "Почему кошки мурлычут по ночам?"]
)
def test_another_text_than_was_said_is_not_aligned(
    said: str, told: tuple[NDArray[np.int16], list[tuple[str, int]]]
) -> None:
    words, times = timed_words(said, told[0], RATE, language="en")
    assert (times, " ".join(word.text for word in words)) == (WordTimes.SENTENCE, said)


def test_in_other_languages_sentences_begin_where_they_are_heard(
    told: tuple[NDArray[np.int16], list[tuple[str, int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(subprocess, "run", never)
    samples, truth = told
    words, times = timed_words(TEXT, samples, RATE, language="de")
    assert times is WordTimes.SENTENCE
    begins = dict(truth)
    found = {word.text: word for word in words}
    assert found["Nobody"].start_ms == pytest.approx(begins["Nobody"], abs=100)
    assert found["Dr."].start_ms == pytest.approx(begins["Dr."], abs=100)
    assert found["more."].end_ms < begins["Nobody"]
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(words))


async def test_an_aligner_that_dies_costs_precision_and_not_the_speech(
    told: tuple[NDArray[np.int16], list[tuple[str, int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(argv: object, **_: object) -> None:
        raise subprocess.CalledProcessError(-11, str(argv))

    monkeypatch.setattr(subprocess, "run", dies)
    words, times = timed_words(TEXT, told[0], RATE, language="en")
    assert (len(words), times) == (len(told[1]), WordTimes.SENTENCE)


def test_what_has_no_sound_stays_with_its_word() -> None:
    assert shown_words("“ Wait — what ? 🐱 Yes") == ["“ Wait —", "what ? 🐱", "Yes"]
    assert shown_words("你知道吗？科学家发现。") == ["你知道吗？", "科学家发现。"]
    assert shown_words("… 🐱") == ["… 🐱"]
    assert shown_words("  ") == []


READ = {
    "1969,": "nineteen sixty nine",
    "1990s": "nineteen nineties",
    "1,250": "one thousand two hundred and fifty",
    "1,200": "twelve hundred",
    "21st": "twenty first",
    "$5.50": "five dollars and fifty cents",
    "€3M": "three million euros",
    "2.5%": "two point five percent",
    "10:05": "ten oh five",
    "007": "oh oh seven",
    "p.m.,": "_p _m",
    "NASA": "_n _a _s _a",
    "e-mail": "e mail",
    "AT&T": "at and t",
    "St.": "street",
    "Wait—what?": "wait what",
    "don’t": "don't",
    "naïve": "naive",
    "example.com": "example dot com",
}


@pytest.mark.parametrize("word", READ)
def test_a_word_is_tried_as_it_may_be_read(word: str) -> None:
    (ways,) = readings([word])
    assert READ[word] in {" ".join(way) for way in ways}


def test_units_and_sums_are_read_with_their_numbers() -> None:
    ways = readings(["384,400", "km.", "$3", "billion,", "—"])
    assert ways[1][0] == ("kilometers",)
    assert ways[3] == (("billion", "dollars"), ("billion",))
    assert ways[4] == ()


def test_an_unknown_word_sounds_as_it_is_spelt() -> None:
    assert letter_sounds("blockchain") == "B L AA K CH EY N"
    assert letter_sounds("waggle") == "W AE G AH L"
    assert letter_sounds("_w") == "D AH B AH L Y UW"
    assert letter_sounds("żżż") == "AH"
