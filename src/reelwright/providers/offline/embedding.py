"""Meaning as numbers without a network: WordLlama's static 256-number word vectors, read from its own wheel."""

import struct
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_LONGEST = 4_000  # characters of one text that count: enough for a paragraph, and a bound on the work
_BATCH = 512  # texts a step: the gathered word vectors are float32, and a step's must stay a few megabytes


class Embedding:
    """A table of word vectors and their tokenizer. Safe to share between threads: nothing changes after loading.

    WordLlama 0.4's own loader looks in a folder that its wheel doesn't have and then wants the network; its files are
    all that is needed. A text's vector is the mean of its word pieces' vectors, as WordLlama defines it.
    """

    def __init__(self, table: NDArray[np.float16], tokenizer: Any) -> None:
        self._table = table
        self._tokenizer = tokenizer

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return int(self._table.shape[1])

    @staticmethod
    def load() -> "Embedding":
        """Return this process's one table, memory-mapped on first use (~0.2 s, ~35 MB). Raises FileNotFoundError."""
        return _load()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return float32, shape (len(texts), width): rows of length one, or of zeros for a text without words."""
        rows = np.zeros((len(texts), self.width), np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = [text[:_LONGEST] for text in texts[start : start + _BATCH]]
            rows[start : start + len(batch)] = self._means(batch)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, lengths, out=rows, where=lengths > 0)

    def _means(self, texts: list[str]) -> Vectors:
        ids = [encoded.ids for encoded in self._tokenizer.encode_batch(texts, add_special_tokens=False)]
        means = np.zeros((len(texts), self.width), np.float32)
        for row, pieces in enumerate(ids):
            if pieces:
                means[row] = self._table[pieces].astype(np.float32).mean(axis=0)
        return means


_loading = Lock()


def _load() -> Embedding:
    with _loading:  # `cache` alone lets two threads load side by side
        return _loaded()


@cache
def _loaded() -> Embedding:
    # optional package of the `offline` extra: this module must import without it
    from tokenizers import Tokenizer  # noqa: PLC0415

    spec = find_spec("wordllama")  # finds, doesn't import: importing wordllama costs a second and a network look-up
    if spec is None or spec.origin is None:
        msg = "the word vectors are missing: install reelwright[offline]"
        raise FileNotFoundError(msg)
    folder = Path(spec.origin).parent
    tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Embedding(_table(folder / _WEIGHTS), tokenizer)


def _table(weights: Path) -> NDArray[np.float16]:
    """Map the one tensor of a safetensors file: 8 bytes of header length, a JSON header, the numbers."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = cast("dict[str, dict[str, Any]]", msgspec.json.decode(file.read(length)))
    entry = next(value for name, value in header.items() if name != "__metadata__")
    return np.memmap(
        weights,
        dtype=np.float16,
        mode="r",
        offset=8 + length + int(entry["data_offsets"][0]),
        shape=tuple(entry["shape"]),
    )
