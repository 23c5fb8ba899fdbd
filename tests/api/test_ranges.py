"""Players seek by byte ranges: RFC 9110, section 14."""

import pytest

from reelwright.api.files import NoSuchRange, wanted_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
        ("bytes=9999999999999999999-", None),
    ],
)
def test_a_range_is_read_or_ignored(header: str | None, expected: tuple[int, int] | None) -> None:
    assert wanted_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_beyond_the_end_is_416_and_tells_the_size(header: str) -> None:
    with pytest.raises(NoSuchRange) as refused:
        wanted_range(header, 100)
    assert (refused.value.status_code, refused.value.headers) == (416, {"Content-Range": "bytes */100"})
