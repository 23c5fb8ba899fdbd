"""The golden set: thirteen things that people hand in, each with what its reel must and may never say."""

import random
from dataclasses import dataclass

from tests.golden import texts


@dataclass(frozen=True, slots=True)
class Golden:
    """One input: a topic, a text, or a page or feed (`path`) of the local site.

    `told` are words of which at least one must be said or shown, `never` what must be nowhere in what is told, nor in
    the subtitles' file. `shown` are drawings of which one must stand in the middle of some scene.
    """

    name: str
    topic: str | None = None
    text: str | None = None
    path: str | None = None
    feed: bool = False
    language: str = "en"
    tone: str = "curious"
    platform: str = "tiktok"
    aspect: str = "9:16"
    told: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


INJECTION = ("ignore", "system prompt", "credits", "169.254", "canary", "evil.example", "administrator")
MARKUP = ("<", ">", "{", "}", "\\", "<script", "alert", "fs3000", "pos(", "javascript")
_ROWS = (
    ("Purring", 25, 150),
    ("Talking", 85, 255),
    ("Humming", 100, 500),
    ("Whistling", 500, 4000),
    ("Bats", 9000, 90000),
)


def _page(title: str, body: str, *, language: str = "en") -> bytes:
    head = f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title></head>'
    return f"{head}<body><nav>Home About Shop</nav><article><h1>{title}</h1>{body}</article></body></html>".encode()


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{part}</p>" for part in text.strip().split("\n\n"))


def _table() -> str:
    rows = "".join(f"<tr><td>{name}</td><td>{low}</td><td>{high}</td></tr>" for name, low, high in _ROWS * 6)
    heads = "<tr><th>Sound</th><th>Lowest Hz</th><th>Highest Hz</th></tr>"
    return f"{_paragraphs(texts.TABLE_BEFORE)}<table>{heads}{rows}</table>{_paragraphs(texts.TABLE_AFTER)}"


def _feed(address: str) -> bytes:
    item = f"<item><title>The clock</title><link>{address}/clock</link><guid>clock</guid></item>"
    return f"<rss version='2.0'><channel><title>Small news</title>{item}</channel></rss>".encode()


def site(address: str) -> dict[str, tuple[str, bytes]]:
    """Return the local site's pages by path: type and bytes."""
    html = "text/html; charset=utf-8"
    return {
        "/article": (html, _page("How a lighthouse talks", _paragraphs(texts.ARTICLE))),
        "/clock": (html, _page("The clock that lost a minute", _paragraphs(texts.CLOCK))),
        "/feed.xml": ("application/rss+xml", _feed(address)),
        "/hostile": (html, _page("Tide pools", texts.HOSTILE)),
        "/table": (html, _page("How low, how high: sounds in numbers", _table())),
    }


def _long(words: int) -> str:
    """Return a keeper's log of about so many words, always the same one."""
    chosen, days, count = random.Random(7), list[str](), 0
    while count < words:
        day = " ".join(chosen.choice(part).format(n=chosen.randint(3, 60)) for part in texts.LOG)
        days.append(f"On day {len(days) + 1} {day}")
        count += len(days[-1].split())
    return "\n\n".join([texts.LOG_OPENING, *days])


def inputs() -> tuple[Golden, ...]:
    """Return all of them.

    The bundled encyclopaedia doesn't say why an octopus has three hearts, so that its reel tells of octopuses, says
    from where, and neither asks nor promises the rest. It does say why the sky is blue, and that cats purr.
    """
    cats, coffee = ("cat", "smiling cat", "cat face"), ("coffee cup", "teacup")
    return (
        Golden(
            "topic",
            topic="Why do octopuses have three hearts?",
            told=("octopus",),
            never=("three hearts", "why do"),
            shown=("octopus",),
        ),
        Golden("topic-answered", topic="Why is the sky blue?", told=("scatter", "because of an optical effect")),
        Golden("topic-named", topic="Why do cats purr?", told=("purr",), never=("why do",), shown=cats),
        Golden(
            "topic-bees",
            topic="Honey bees",
            tone="warm",
            platform="reels",
            aspect="1:1",
            told=("bee",),
            shown=("honeybee",),
        ),
        Golden("article", path="/article", told=("light", "lens", "lamp"), shown=("ship", "oil lamp", "camera")),
        Golden(
            "rss-item",
            path="/feed.xml",
            feed=True,
            platform="shorts",
            told=("clock", "minute"),
            shown=("clock", "bird"),
        ),
        Golden("spanish", text=texts.SPANISH, language="es", told=("sal", "agua", "mar"), shown=("salt", "water drop")),
        Golden("japanese", text=texts.JAPANESE, language="ja", told=("猫", "喉", "音"), shown=cats),
        Golden("arabic", text=texts.ARABIC, language="ar", told=("القهوة", "الماء", "البن"), shown=coffee),
        Golden(
            "hostile",
            path="/hostile",
            told=("pool", "tide", "crab", "anemone"),
            never=(*INJECTION, *MARKUP),
            shown=("wave", "crab"),
        ),
        Golden("ninety-words", text=texts.NINETY, told=("bread", "dough", "yeast"), shown=("bread",)),
        Golden("five-thousand-words", text=_long(5000), aspect="16:9", told=("lamp", "wind", "ship", "sea")),
        Golden(
            "tables",
            path="/table",
            told=("sound", "hertz", "purr"),
            never=("|", "Lowest Hz", "255"),
            shown=("sound", "ear", "loudspeaker", "cat", "elephant", "bat"),
        ),
    )
