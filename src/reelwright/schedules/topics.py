"""What a schedule makes next: the next of a list, a sentence with the day in it, or a feed's newest entry."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from reelwright.ground.errors import Refusal

LONGEST_TOPIC = 300
_PLACEHOLDER = re.compile(r"\{([a-z]*)\}")
_BRACES = re.compile(r"[{}]")

Line = Annotated[str, Meta(min_length=1, max_length=LONGEST_TOPIC)]


class BadTopics(Refusal):
    code = "schedule.source"


class TopicList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="list"):
    """Topics in order, each once; then the schedule ends, or begins again where it repeats."""

    topics: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=500)]
    repeat: bool = False


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="template"):
    """A sentence with placeholders for the due time in the schedule's zone: see `PLACEHOLDERS`."""

    template: Line


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="rss"):
    """An RSS or Atom feed: the first run takes its newest entry, later runs the newest that wasn't there before.

    Without `only_new` older entries are taken too, newest first.
    """

    url: Annotated[str, Meta(min_length=8, max_length=2048)]
    only_new: bool = True


Source = TopicList | Template | Feed


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What one run is about: a topic, or a page with its title. `entry` is the feed's entry, by its SHA-256."""

    topic: str
    url: str | None = None
    entry: bytes | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a feed: its own id, or what stands in for one; a link, a title, or both."""

    id: str
    title: str
    url: str | None

    @property
    def key(self) -> bytes:
        """What the entry is remembered by."""
        return sha256(self.id.encode("utf-8", "replace")).digest()


PLACEHOLDERS = ("date", "weekday", "day", "month", "year", "week", "number")
"""2026-11-21, Saturday, 21, November, 2026, 47 (ISO 8601), and which run of the schedule it is, from 1."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def check_template(template: str) -> None:
    """Refuse unknown placeholders and loose braces; there is no other syntax. Raises BadTopics."""
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    unknown = [name for name in _PLACEHOLDER.findall(template) if name not in PLACEHOLDERS]
    if unknown or _BRACES.search(_PLACEHOLDER.sub("", template)):
        raise BadTopics(f"template: the placeholders are {known}; use no other braces.", field="source")


def from_list(source: TopicList, position: int) -> Subject | None:
    """Return the topic at a position, counted from 0 and over every repetition; None behind the end."""
    if position >= len(source.topics) and not source.repeat:
        return None
    return Subject(topic=source.topics[position % len(source.topics)])


def from_template(source: Template, due_at: datetime, *, timezone: str, number: int) -> Subject:
    """Return the template's sentence for a due time."""
    local = due_at.astimezone(ZoneInfo(timezone))
    values = {
        "date": f"{local:%Y-%m-%d}",
        "weekday": _WEEKDAYS[local.weekday()],  # strftime's would be the server's language
        "day": str(local.day),
        "month": _MONTHS[local.month - 1],
        "year": str(local.year),
        "week": str(local.isocalendar().week),
        "number": str(number),
    }
    filled = _PLACEHOLDER.sub(lambda found: values[found[1]], source.template)
    return Subject(topic=filled[:LONGEST_TOPIC])


def from_feed(entries: Sequence[Entry], used: Mapping[bytes, object] | set[bytes]) -> Subject | None:
    """Return the first of a feed's entries (newest first) that wasn't used yet, or None."""
    for entry in entries:
        if entry.key not in used:
            return Subject(topic=entry.title or entry.url or "", url=entry.url, entry=entry.key)
    return None
