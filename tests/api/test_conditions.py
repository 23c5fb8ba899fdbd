"""A condition names tags: weakly compared for what is fetched, strongly for what is changed (RFC 9110, 8.8.3, 13.1)."""

import pytest

from reelwright.api.creations import BadField
from reelwright.api.versions import expected, is_had


@pytest.mark.parametrize(
    ("if_match", "versions"),
    [
        (None, None),
        ("*", None),
        ('"3"', {3}),
        ('"0"', {0}),
        (' , "3" ,, W/"4",\t"5"', {3, 5}),
        ('W/"3"', set()),
        ('"03", "", "one", "3,4", "9999999999", "²"', set()),
    ],
)
def test_a_change_is_meant_for_what_strong_tags_name(if_match: str | None, versions: set[int] | None) -> None:
    assert expected(if_match) == versions


MALFORMED = ["99", '"1', '1"', "", " ", ",", "W/3", 'w/"3"', "W/", '"1" "2"', '"1", 2', '*, "1"', '"a b"', '""1"']


@pytest.mark.parametrize("if_match", MALFORMED)
def test_what_is_no_list_of_tags_is_refused(if_match: str) -> None:
    """Read as a version it would let a change through that its sender meant for something else."""
    with pytest.raises(BadField):
        expected(if_match)


@pytest.mark.parametrize(
    ("if_none_match", "had"),
    [
        (None, False),
        ("*", True),
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x,y", W/"abc"', True),
        ('"x"', False),
        ('"ab,c"', False),
        ('w/"abc"', False),
        ('"abc" "x"', False),
        ("abc", False),
    ],
)
def test_a_file_is_had_by_who_names_its_tag_weakly_too(if_none_match: str | None, had: bool) -> None:  # noqa: FBT001 - a case
    assert is_had(if_none_match, '"abc"') is had


def test_a_condition_of_many_tags_is_read_at_once() -> None:
    with pytest.raises(BadField):
        expected('"1",' + " \t," * 20_000 + "W/")
