"""Where the reel is to be written is looked at before the work, so that nothing is paid for and then lost."""

import contextlib
import shutil
from collections import namedtuple
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from reelwright.api.creations import CreateRequest
from reelwright.cli import make
from reelwright.cli.make import MakeRefused, check_output
from reelwright.dev import commands
from reelwright.generations import Aspect, CaptionStyle, Platform, Profile, Tone

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


def test_what_may_be_chosen_is_what_an_order_takes_and_is_ordered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The choices are written out, as `--help` loads nothing."""
    kinds = {"aspect": Aspect, "tone": Tone, "profile": Profile, "platform": Platform, "caption_style": CaptionStyle}
    shown = {one.name: one.type.to_info_dict().get("choices") for one in commands.make.params}
    assert {name: set(shown[name] or ()) for name in kinds} == {name: {*kind} for name, kind in kinds.items()}

    ordered: list[dict[str, object]] = []
    monkeypatch.setattr(commands, "endpoints", contextlib.nullcontext)
    monkeypatch.setattr(make, "run", lambda wish, _: ordered.append(wish.body) or {})
    kit = "5ab7a1a3-1a0f-4f6c-9d2e-0f1d7f6a2b11"
    chosen = {"profile": "preview", "platform": "shorts", "caption_style": "box", "music": "calm", "brand_kit": kit}
    words = [word for name, value in chosen.items() for word in (f"--{name.replace('_', '-')}", value)]
    ended = CliRunner().invoke(commands.make, ["Cats", "-o", str(tmp_path / "x.mp4"), "--json", *words])
    assert ended.exit_code == 0, ended.output
    order = msgspec.convert(ordered[0], CreateRequest)
    assert (order.profile, order.platform, order.caption_style, order.music) == (*list(chosen.values())[:4],)
    assert str(order.brand_kit_id) == kit
