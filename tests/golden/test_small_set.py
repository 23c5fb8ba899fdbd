"""Two of the golden set, short and small, in every run of the tests: a page that attacks, and Arabic letters."""

from pathlib import Path

import pytest

from reelwright.generations import Profile
from reelwright.rendering.gates import GATES
from tests.golden.__main__ import served
from tests.golden.inputs import inputs
from tests.golden.making import opened

PACED = (" spoken", " of music at the end")  # one sentence doesn't fill six seconds


@pytest.mark.usefixtures("db", "redis")
async def test_a_hostile_page_and_an_arabic_text_become_reels_that_hold_every_gate(
    database_url: str, valkey_url: str, tmp_path: Path
) -> None:
    """Nothing of the markup and of the injected orders is told or shown, and every gate was judged."""
    small = [one for one in inputs() if one.name in {"hostile", "arabic"}]
    with served() as site:
        urls = (database_url, valkey_url, site)
        async with opened(tmp_path, tmp_path, urls, seconds=6, profile=Profile.PREVIEW) as kitchen:
            told = [await kitchen.cooked(one) for one in small]

    wrong = [(one.name, why) for one in told for why in one.wrong if not why.endswith(PACED)]
    assert (wrong, [one.name for one in told]) == ([], ["arabic", "hostile"])
    assert [one.gates for one in told] == [f"{len(GATES)}/{len(GATES)}"] * 2
