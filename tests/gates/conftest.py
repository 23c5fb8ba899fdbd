"""The one good reel, made once."""

import pytest

from tests.gates import good


@pytest.fixture(scope="session")
async def reel(tmp_path_factory: pytest.TempPathFactory) -> good.Good:
    return await good.make(tmp_path_factory.mktemp("good"))
