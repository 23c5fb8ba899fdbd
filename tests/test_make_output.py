"""Where the reel is to be written is looked at before the work, so that nothing is paid for and then lost."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from reelwright.cli.make import MakeRefused, check_output

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - the shape of the standard library's answer


def test_a_good_place_is_left_as_it_was(tmp_path: Path) -> None:
    check_output(tmp_path / "reel.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
    with pytest.raises(MakeRefused) as refused:
        check_output(tmp_path / "reel.mp4")
    assert (refused.value.field, "free some" in refused.value.sentence) == ("--out", True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["missing/reel.mp4", "."])
def test_a_place_that_cannot_be_written_is_refused(place: str, tmp_path: Path) -> None:
    with pytest.raises(MakeRefused) as refused:
        check_output(tmp_path / place)
    assert refused.value.field == "--out"
