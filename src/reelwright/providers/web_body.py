"""Turns a response's raw bytes into HTML text: bounded inflation, type by header and by content, character set."""

import codecs
import re
import zlib
from collections.abc import Mapping

from reelwright.ground.errors import Refusal

_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_FEED_TYPES = {"application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/xml", "text/xml"}
_BINARY_STARTS = (b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"\x1a\x45\xdf\xa3", b"OggS")
_MARKUP = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta|article|main|div|p|h1)[\s>/]", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-z0-9_:-]{2,40})", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([a-z0-9_:-]{2,40})", re.IGNORECASE)
# The labels of the Encoding Standard. Python knows more codecs, some of which are no character sets (rot13, zlib).
_KNOWN_CHARSETS = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|us-ascii|ascii|iso-?8859-?\d{1,2}|latin-?\d|windows-?125\d|cp125\d|koi8-[ru]|macintosh"
    r"|gbk|gb2312|gb18030|big5(?:-hkscs)?|euc-(?:jp|kr)|shift[_-]?jis|iso-2022-jp|windows-31j|windows-874|tis-620",
    re.IGNORECASE,
)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SNIFFED = 4096


def not_html() -> Refusal:
    """Return the refusal for PDF, media, JSON and everything else that is no page."""
    return Refusal(
        "This address isn't a web page (HTML): paste the article's text instead, or give the address of a page.",
        field="url",
        code="source.not_html",
    )


def not_a_feed() -> Refusal:
    """Return the refusal for everything that is no feed."""
    return Refusal(
        "No RSS or Atom feed is at this address: give the address of the feed itself.",
        field="source",
        code="source.not_a_feed",
    )


def too_large(limit_bytes: int) -> Refusal:
    """Return the refusal for a page beyond the budget."""
    return Refusal(
        f"This page is larger than {limit_bytes // 1_000_000} MB: paste the article's text instead.",
        field="url",
        code="source.too_large",
    )


def unreadable() -> Refusal:
    """Return the refusal for a body whose packing we didn't ask for or can't undo."""
    return Refusal(
        "This page came in a form that can't be read: paste the article's text instead.",
        field="url",
        code="source.unreadable",
    )


def check_type(headers: Mapping[str, str]) -> None:
    """Refuse by the declared type, before the body is read. No type at all is left to the content. Raises Refusal."""
    declared = headers.get("content-type", "").split(";")[0].strip().lower()
    if declared and declared not in _HTML_TYPES:
        raise not_html()


def check_feed_type(headers: Mapping[str, str]) -> None:
    """Refuse what is declared as something else; some servers call their feed plain text or HTML. Raises Refusal."""
    declared = headers.get("content-type", "").split(";")[0].strip().lower()
    if declared and declared not in _FEED_TYPES | _HTML_TYPES | {"text/plain"}:
        raise not_a_feed()


def check_nothing(_headers: Mapping[str, str]) -> None:
    """Leave the type to whoever reads the body."""


def plain_bytes(raw: bytes, headers: Mapping[str, str], longest_bytes: int) -> bytes:
    """Return the body as it is, inflated to `longest_bytes` at most. Raises Refusal (too_large, unreadable)."""
    return _inflated(raw, headers.get("content-encoding", ""), longest_bytes)


def feed_bytes(raw: bytes, headers: Mapping[str, str], longest_bytes: int) -> bytes:
    """Return the feed's bytes, inflated to `longest_bytes` at most. Raises Refusal (too_large, not_a_feed …)."""
    body = _inflated(raw, headers.get("content-encoding", ""), longest_bytes)
    if body[:_SNIFFED].lstrip().startswith(_BINARY_STARTS):
        raise not_a_feed()
    return body


def html_text(raw: bytes, headers: Mapping[str, str], longest_bytes: int) -> str:
    """Return the page's text, inflated to `longest_bytes` at most. Raises Refusal (too_large, not_html, unreadable)."""
    body = _inflated(raw, headers.get("content-encoding", ""), longest_bytes)
    start = body[:_SNIFFED].lstrip()
    if start.startswith(_BINARY_STARTS):
        raise not_html()
    text = _decoded(body, headers.get("content-type", ""))
    if _MARKUP.search(text[:_SNIFFED].encode()) is None:
        raise not_html()
    return text.replace("\x00", "")


def _inflated(raw: bytes, encoding: str, longest_bytes: int) -> bytes:
    named = encoding.strip().lower()
    if named in {"", "identity"}:
        return raw
    if named not in {"gzip", "x-gzip"}:
        raise unreadable()
    inflater = zlib.decompressobj(31)  # 16 + 15: a gzip header and trailer
    try:
        body = inflater.decompress(raw, longest_bytes + 1)
    except zlib.error:
        raise unreadable() from None
    if len(body) > longest_bytes:
        raise too_large(longest_bytes)
    if not inflater.eof:
        raise unreadable()
    return body


def _decoded(body: bytes, content_type: str) -> str:
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    header = _HEADER_CHARSET.search(content_type)
    meta = _META_CHARSET.search(body[:_SNIFFED])
    named = header[1] if header else meta[1].decode("ascii") if meta else "utf-8"
    if b"\x00" in body[:_SNIFFED] and not named.lower().startswith("utf-16"):
        raise not_html()
    codec = _codec(named)
    if codec == "utf-8":
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            return body.decode("utf-8" if header or meta else "cp1252", "replace")
    return body.decode(codec, "replace")


def _codec(label: str) -> str:
    """Return Python's codec for a label; ISO 8859-1 and ASCII mean windows-1252, as in the Encoding Standard."""
    if _KNOWN_CHARSETS.fullmatch(label) is None:
        return "utf-8"
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return "utf-8"
    return "cp1252" if name in {"iso8859-1", "ascii"} else name
