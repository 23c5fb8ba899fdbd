"""Runs the bundled speech model on one sentence and reads from it when each written word is spoken."""

import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright.providers.speech_times import shown_words

Samples = NDArray[np.float32]

MODEL_RATE = 24_000
MODEL_NAME = "hibari-heart"
_DURATIONS = "/Cast_32_output_0"  # hibari 0.2.1's own name for the frames that each phoneme lasts
_LEAD_S = 0.075  # durations lead the sound by three 25 ms frames (measured against pocketsphinx: -5 ms median left)
_SILENT = frozenset(';:,.!?—…"“”() ')
_LONGEST = 400  # phonemes that the model reads at once
_CLAUSE_ENDS = (";", ":", "—", ",", " and ", " but ", " ")


@dataclass(frozen=True, slots=True)
class Heard:
    """A written word and the seconds in which it sounds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence spoken: mono float samples at MODEL_RATE. `exact`: the times are the model's own."""

    samples: Samples
    words: tuple[Heard, ...]
    exact: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """A sentence as phonemes: `owners[i]` is the index in `words` of the word that phoneme i belongs to."""

    phonemes: str
    owners: tuple[int, ...]
    words: tuple[str, ...]


class Engine:
    """The model, its dictionary and its graph, loaded once. Not thread-safe: the caller holds a lock."""

    def __init__(self) -> None:
        # Heavy (two seconds) and optional: only a process that speaks pays for them.
        from hibari import dsp  # noqa: PLC0415 - lazy, heavy
        from hibari.g2p import G2P  # noqa: PLC0415 - lazy, heavy
        from hibari.g2p.normalize import normalize  # noqa: PLC0415 - lazy, heavy

        assets = _assets()
        self._dsp: Any = dsp
        self._normalize: Any = normalize
        self._g2p: Any = G2P()
        self._vocabulary: dict[str, int] = json.loads((assets / "vocab.json").read_text(encoding="utf-8"))
        self._session, self._timed = _session(assets / "hibari.onnx")

    def say(self, sentence: str, *, speed: float) -> list[Utterance]:
        """Speak one sentence, in as many pieces as its length needs. A sentence without sound gives none."""
        reading = self._read(sentence)
        if not any(mark not in _SILENT for mark in reading.phonemes):
            return []
        if len(reading.phonemes) > _LONGEST and (halves := _halves(sentence)):
            return [piece for half in halves for piece in self.say(half, speed=speed)]
        return [self._speak(sentence, reading, speed)]

    def _read(self, sentence: str) -> _Reading:
        """Turn a sentence into phonemes, remembering which normalised word each belongs to."""
        tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(self._normalize(sentence)))
        phonemes, owners, words, word = "", list[int](), list[str](), ""
        for token in tokens:
            sound = (token.phonemes or "") + (" " if token.whitespace else "")
            phonemes += sound
            owners += [len(words)] * len(sound)
            word += token.text
            if token.whitespace:
                words.append(word)
                word = ""
        return _Reading(phonemes, tuple(owners), (*words, word) if word else tuple(words))

    def _speak(self, sentence: str, reading: _Reading, speed: float) -> Utterance:
        known = [(mark, owner) for mark, owner in zip(reading.phonemes, reading.owners, strict=True)]
        known = [(mark, owner) for mark, owner in known if mark in self._vocabulary]
        ids = [0, *(self._vocabulary[mark] for mark, _ in known), 0]
        feed = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
        names = [output.name for output in self._session.get_outputs()]
        out: dict[str, Any] = dict(zip(names, self._session.run(None, feed), strict=True))
        spectrum = (out[name][0] for name in ("lh", "theta", "ln", "lr", "phi", "f0"))
        samples: Samples = self._dsp.synth(*spectrum, np.random.default_rng(0))
        display = shown_words(sentence)
        length_s = len(samples) / MODEL_RATE
        durations = np.asarray(out[_DURATIONS]).reshape(-1) if self._timed else np.zeros(0)
        if len(durations) != len(ids) or durations.sum() <= 0:
            return Utterance(samples, _shared(display, 0.05, length_s - 0.1), exact=False)
        edges = np.concatenate([[0.0], np.cumsum(durations)]) * (length_s / float(durations.sum()))
        spans = dict[int, tuple[float, float]]()
        for position, (mark, owner) in enumerate(known):
            if mark not in _SILENT:
                start = spans[owner][0] if owner in spans else float(edges[position + 1]) - _LEAD_S
                spans[owner] = (max(0.0, start), max(0.0, float(edges[position + 2]) - _LEAD_S))
        return Utterance(samples, _matched(display, reading.words, spans), exact=True)


def _matched(display: list[str], spoken: tuple[str, ...], spans: dict[int, tuple[float, float]]) -> tuple[Heard, ...]:
    """Give each displayed word its time, where "9:30am" is read as three words and "Dr." as one other."""
    matcher = SequenceMatcher(a=[_bare(w) for w in display], b=[_bare(w) for w in spoken], autojunk=False)
    heard: list[Heard] = []
    clock = 0.0
    for _, first, last, start, end in matcher.get_opcodes():
        block, times = display[first:last], [spans[i] for i in range(start, end) if i in spans]
        if not block:
            continue
        if end - start == len(block) == len(times):
            heard += [Heard(word, *time) for word, time in zip(block, times, strict=True)]
        else:
            begins, ends = (times[0][0], times[-1][1]) if times else (clock, clock)
            heard += _shared(block, begins, ends)
        clock = heard[-1].end_s
    return tuple(heard)


def _shared(words: list[str], start_s: float, end_s: float) -> tuple[Heard, ...]:
    """Share a span among words by their letters."""
    lengths = np.asarray([len(word) for word in words], np.float64)
    edges = start_s + (max(end_s, start_s) - start_s) * np.concatenate([[0.0], np.cumsum(lengths) / lengths.sum()])
    return tuple(Heard(word, float(edges[i]), float(edges[i + 1])) for i, word in enumerate(words))


def _bare(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def _halves(sentence: str) -> tuple[str, str] | None:
    """Cut a sentence near its middle, at a clause if it has one."""
    middle = len(sentence) // 2
    for mark in _CLAUSE_ENDS:
        cuts = [at + len(mark) for at in range(1, len(sentence) - len(mark)) if sentence.startswith(mark, at)]
        cuts = [cut for cut in cuts if len(sentence) // 5 < cut < len(sentence) * 4 // 5]
        if cuts:
            cut = min(cuts, key=lambda at: abs(at - middle))
            return sentence[:cut].strip(), sentence[cut:].strip()
    return None


def _assets() -> Path:
    spec = find_spec("hibari")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'hibari'", name="hibari")
    return Path(spec.origin).parent / "assets"


def _session(model: Path) -> tuple[Any, bool]:
    """Open the graph with the durations as one more output; without them if this model has no such name.

    Joined protobuf messages merge, so the bytes of ModelProto{graph{output{name, type}}} after the file's add it.
    """
    import onnxruntime  # noqa: PLC0415 - lazy, heavy

    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    int64 = _field(2, _field(1, b"\x08\x07"))
    more = _field(7, _field(12, _field(1, _DURATIONS.encode()) + int64))
    providers = ["CPUExecutionProvider"]
    graph = model.read_bytes()
    try:
        return onnxruntime.InferenceSession(graph + more, options, providers=providers), True
    except Exception:  # noqa: BLE001 - the runtime's exceptions share no base; a graph broken otherwise fails again below
        return onnxruntime.InferenceSession(graph, options, providers=providers), False


def _field(number: int, payload: bytes) -> bytes:
    """Encode one length-delimited protobuf field."""
    length, head = len(payload), bytearray([number << 3 | 2])
    while True:
        length, low = length >> 7, length & 0x7F
        head.append(low | (0x80 if length else 0))
        if not length:
            return bytes(head) + payload
