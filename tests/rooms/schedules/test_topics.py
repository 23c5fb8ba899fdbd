"""What a schedule makes next: lists in order, templates without tricks, feeds that may be hostile."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reelwright.ground.errors import Refusal
from reelwright.schedules import (
    BadTopics,
    Entry,
    Template,
    TopicList,
    check_template,
    entries_of,
    from_feed,
    from_list,
    from_template,
)
from reelwright.schedules.feed import entries
from tests.feeds import an_entry, atom, rss


def test_a_list_goes_in_order_and_ends_or_begins_again() -> None:
    once, again = TopicList(topics=("a", "b")), TopicList(topics=("a", "b"), repeat=True)
    assert [found and found.topic for found in (from_list(once, n) for n in range(3))] == ["a", "b", None]
    assert [found and found.topic for found in (from_list(again, n) for n in range(5))] == ["a", "b", "a", "b", "a"]


def test_a_template_is_filled_with_the_local_day() -> None:
    template = Template(template="{weekday} {date}, {day} {month} {year}, week {week}: fact {number}")
    due_at = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    filled = from_template(template, due_at, timezone="Europe/Berlin", number=7)
    assert filled.topic == "Friday 2027-01-01, 1 January 2027, week 53: fact 7"


@pytest.mark.parametrize(
    "template",
    ["{secret}", "{date.__class__}", "{0}", "{}", "{date!r}", "{date:>10}", "{{date}}", "{", "}", "{da te}", "%(x)s {"],
)
def test_a_template_has_no_other_syntax(template: str) -> None:
    with pytest.raises(BadTopics) as refusal:
        check_template(template)
    assert "{date}" in refusal.value.sentence


def test_a_filled_template_is_never_too_long() -> None:
    long = Template(template="{date}" * 50)
    check_template(long.template)
    assert len(from_template(long, datetime(2026, 11, 18, tzinfo=UTC), timezone="UTC", number=1).topic) == 300


def test_a_feed_gives_its_newest_unused_entry() -> None:
    found = [Entry(id=str(n), title=f"Title {n}", url=None) for n in (3, 2, 1)]
    first = from_feed(found, set())
    assert first is not None
    assert (first.topic, first.entry) == ("Title 3", found[0].key)
    second = from_feed(found, {found[0].key})
    assert second is not None
    assert second.topic == "Title 2"
    assert from_feed(found, {one.key for one in found}) is None


def test_entries_come_newest_first_as_plain_words() -> None:
    found = entries(
        rss(
            an_entry("1", "Old", published="Fri, 20 Nov 2026 10:00:00 GMT"),
            an_entry("2", "New &lt;script&gt;&lt;b&gt;one&lt;/b&gt;\x0b", published="Sat, 21 Nov 2026 10:00:00 GMT"),
        )
    )
    assert found is not None
    assert [(one.id, one.title, one.url) for one in found] == [
        ("2", "New one", "https://news.example/2"),
        ("1", "Old", "https://news.example/1"),
    ]


def test_atom_is_a_feed_and_links_of_other_schemes_are_none() -> None:
    found = entries(atom("urn:1", "Cats", "javascript:alert(1)"))
    assert found is not None
    assert [(one.id, one.title, one.url) for one in found] == [("urn:1", "Cats", None)]


def test_undated_entries_keep_the_feeds_order_and_empty_ones_are_left_out() -> None:
    found = entries(rss(an_entry("b", "B"), "<item><guid>x</guid><title>!?</title></item>", an_entry("a", "A")))
    assert found is not None
    assert [one.id for one in found] == ["b", "a"]


def test_no_more_than_two_hundred_entries_are_taken() -> None:
    found = entries(rss(*(an_entry(str(n), f"T{n}") for n in range(300))))
    assert found is not None
    assert len(found) == 200


@pytest.mark.parametrize("body", [b"", b"<html><body>no</body></html>", b"\x00\xff" * 500, b"{}", b"<" * 3000])
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    assert entries(body) is None


def test_bytes_are_never_taken_for_a_files_name(tmp_path: Path) -> None:
    """feedparser opens a file of that name where it is given bytes."""
    hidden = tmp_path / "feed.xml"
    hidden.write_bytes(rss(an_entry("1", "Secret")))
    assert entries(str(hidden).encode()) is None


def test_no_outer_entity_is_read_and_none_grows() -> None:
    outer = entries(
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b"<rss version='2.0'><channel><item><title>a&x;b</title><guid>1</guid></item></channel></rss>"
    )
    assert outer is not None
    assert "root" not in outer[0].title
    grown = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 5))
    laughs = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "ha">' + grown + b"]>" + rss(an_entry("1", "&l4;"))
    found = entries(laughs)
    assert found is None or all(len(one.title) <= 300 for one in found)


async def test_a_feed_made_to_exhaust_a_parser_ends_its_own_process() -> None:
    assert [one.title for one in await entries_of(rss(an_entry("1", "Cats")))] == ["Cats"]
    with pytest.raises(Refusal) as refusal:
        await entries_of(b"<rss version='2.0'><channel>" + b"<item>" * 330_000, most_s=0.5)
    assert refusal.value.code == "source.not_a_feed"
