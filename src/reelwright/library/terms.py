"""What an asset is found by: its facts and words, each hashed with its account to 64 bits, for one GIN index.

Hashed with the account, so that a search reads only the account's own postings however many others use the word.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from reelwright.ground.ids import AccountId
from reelwright.library.model import Asset, AssetFilter

MOST_WORDS = 400
"""Distinct words of one asset; those further down in a long text are not looked for."""
_SHORTEST_BEGINNING, _LONGEST_BEGINNING = 2, 8
_WORD = re.compile(r"\w+")
# Scripts that are written without spaces are read two letters at a time: Thai, Lao, Khmer, kana, Han.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")


def terms_of(account_id: AccountId, asset: Asset) -> list[int]:
    """Return what this asset is found by, in order."""
    facts = [("kind", asset.kind), ("status", asset.status), *(("tag", _folded(tag)) for tag in asset.tags)]
    if asset.platform is not None:
        facts.append(("platform", asset.platform))
    named = list(_words([asset.title, *asset.tags]))
    words = dict.fromkeys([*named, *_beginnings(named)])
    words |= dict.fromkeys(_said(asset, limit=MOST_WORDS))
    return sorted({_term(account_id, *fact) for fact in facts} | {_term(account_id, "word", word) for word in words})


def terms_wanted(account_id: AccountId, wanted: AssetFilter) -> list[int]:
    """Return the terms that an asset must have, all of them; none where everything is wanted.

    A word of `q` is one of the asset's words, or two to eight letters that a word of its title or tags begins with.
    """
    facts = [("tag", _folded(tag)) for tag in wanted.tags]
    facts += [
        (name, value)
        for name, value in (("kind", wanted.kind), ("status", wanted.status), ("platform", wanted.platform))
        if value is not None
    ]
    facts += [("word", word) for word in _words([wanted.q or ""])]
    return sorted({_term(account_id, *fact) for fact in facts})


def _term(account_id: AccountId, what: str, value: str) -> int:
    digest = blake2b(f"{what}\x1f{value}".encode(), key=account_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _folded(text: str) -> str:
    """Return the text without case, accents and compatibility forms."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFKC", "".join(part for part in parts if not unicodedata.combining(part)))


def _said(asset: Asset, *, limit: int) -> list[str]:
    words = asset.words
    texts = [words.hook, words.text, words.caption, words.synopsis, *words.hashtags]
    texts += [scene.narration for scene in words.scenes]
    said: dict[str, None] = {}
    for word in _words(text for text in texts if text):
        said[word] = None
        if len(said) == limit:
            break
    return list(said)


def _words(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for found in _WORD.finditer(_folded(text)):
            word, at = found[0], 0
            for run in _UNSPACED.finditer(word):
                yield from filter(None, [word[at : run.start()]])
                yield from _pairs(run[0])
                at = run.end()
            yield from filter(None, [word[at:]])


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def _beginnings(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        for length in range(_SHORTEST_BEGINNING, min(len(word), _LONGEST_BEGINNING + 1)):
            yield word[:length]
