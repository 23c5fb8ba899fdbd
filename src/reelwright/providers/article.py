"""Finds the article in a page's HTML. Run as a process of its own, so that a hostile page can only end that process.

Standard input: one JSON object {"html", "url"}. Standard output: one JSON `Article`, or `null` where there is none.
Run by its path and importing next to nothing of ours, it is up in a quarter of the time that its package would take.
"""

import math
import sys
import time

import msgspec
import trafilatura
from lxml.etree import _Element

from reelwright.ground.cleaning import line_of

_CPU_S = 5
_MEMORY_BYTES = 1_500_000_000
_STYLE = "concat(';',translate(@style,'ABCDEFGHIJKLMNOPQRSTUVWXYZ ','abcdefghijklmnopqrstuvwxyz'),';')"
"""An element's own style in small letters, without spaces (nothing stands for them), semicolons round everything."""
_UNSEEN = (
    *("display:none", "visibility:hidden", "visibility:collapse", "opacity:0;", "opacity:0.0", "opacity:0%"),
    *("font-size:0;", "font-size:0px", "font-size:0pt", "font-size:0em", "font-size:0rem", "font-size:0%"),
    *("color:transparent", "text-indent:-99", "left:-99", "top:-99", "right:-99", "margin-left:-99"),
    *("clip:rect(0", "clip-path:inset(100%", "clip-path:circle(0", "height:0;", "height:0px", "transform:scale(0)"),
)
_HIDDEN = [
    "//*[@hidden or @aria-hidden='true' or @inert]",
    "//*[@style and (" + " or ".join(f"contains({_STYLE},';{said}')" for said in _UNSEEN) + ")]",
    "//template|//noscript|//dialog|//nav|//form",
]
_SPOKEN_TAGS = {"p", "quote", "item"}


class Asked(msgspec.Struct, frozen=True):
    """What the parent sends."""

    html: str
    url: str


class Article(msgspec.Struct, frozen=True):
    """The readable part: one line a paragraph; headings, captions, menus and comments are left out."""

    title: str
    paragraphs: tuple[str, ...]
    language: str
    site: str | None


def extract(html: str, url: str) -> Article | None:
    """Return the page's article, or None. Never opens a connection; markup and hidden text stay out."""
    document = trafilatura.bare_extraction(
        html, url=url, with_metadata=True, include_comments=False, include_tables=False, prune_xpath=_HIDDEN
    )
    if document is None or isinstance(document, dict):
        return None
    paragraphs = _paragraphs(document.body)
    if not paragraphs:
        return None
    return Article(
        title=line_of(document.title or "") or line_of(document.hostname or ""),
        paragraphs=paragraphs,
        language=_language(html, document.language),
        site=line_of(document.sitename or "") or None,
    )


def _paragraphs(body: _Element) -> tuple[str, ...]:
    lines: list[str] = []
    for element in body.iter():
        if element.tag in _SPOKEN_TAGS and not any(above.tag in _SPOKEN_TAGS for above in element.iterancestors()):
            line = line_of(" ".join("".join(str(part) for part in element.itertext()).split()))
            if line and line not in lines[-3:]:
                lines.append(line)
    return tuple(lines)


def _language(html: str, found: str | None) -> str:
    """Return the two-letter language: what trafilatura found, else the html element's own, else English."""
    if found:
        return found[:2].lower()
    head = html[:4000].lower()
    start = head.find("<html")
    opening = head[start : head.find(">", start)] if start >= 0 else ""
    _, _, after = opening.partition("lang=")
    code = after.strip("\"' ")[:2]
    return code if len(code) == len("en") and code.isalpha() and code.isascii() else "en"


def _limit_self() -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - POSIX only

    used_s = math.ceil(time.process_time())  # by loading, which takes many times as long on a machine that is busy
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + _CPU_S, used_s + _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def main() -> None:
    """Answer one request from standard input."""
    _limit_self()
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    sys.stdout.buffer.write(msgspec.json.encode(extract(asked.html, asked.url)))


if __name__ == "__main__":
    main()
