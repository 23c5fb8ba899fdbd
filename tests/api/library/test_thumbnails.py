"""A finished reel's thumbnails: shown with their scores, the best first, and fetched each by itself."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from litestar import Litestar
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person

_ADD = text(
    """
    INSERT INTO artefacts (id, generation_id, run_id, kind, key, media_type, size_bytes, sha256, inputs_hash, round,
                           meta)
    SELECT :id, generation_id, id, :kind, :key, 'image/jpeg', :size, :sha, :sha, 0,
           jsonb_build_object('at_ms', CAST(:at_ms AS int), 'score', CAST(:score AS int))
      FROM stage_runs WHERE generation_id = :generation AND stage = 'VIDEO_ASSEMBLY'
    """
)


async def test_thumbnails_are_shown_with_scores_and_fetched_by_rank(
    app: Litestar,
    api: httpx.AsyncClient,
    db: Database,
    reel: Mapping[str, UUID],
    stranger: Person,
    tmp_path: Path,
) -> None:
    generation, pictures = reel["generation_id"], {"thumbnail": b"best", "thumbnail_2": b"second"}
    for at, (kind, content) in enumerate(pictures.items()):
        (tmp_path / kind).write_bytes(content)
        key = f"artefacts/{uuid4()}.jpg"
        await app.state.storage.put(key, tmp_path / kind)
        values = {"id": uuid4(), "kind": kind, "key": key, "size": len(content), "sha": sha256(content).hexdigest()}
        async with db.begin() as tx:
            await tx.execute(
                _ADD, values | {"generation": generation, "at_ms": 7000 - at * 3000, "score": 87 - at * 18}
            )

    base = f"/v1/generations/{generation}"
    video = (await api.get(base)).json()["video"]
    assert video["thumbnails"] == [
        {"url": f"{base}/thumbnails/1", "at_ms": 7000, "score": 87},
        {"url": f"{base}/thumbnails/2", "at_ms": 4000, "score": 69},
    ]
    for one, content in zip(video["thumbnails"], pictures.values(), strict=True):
        fetched = await api.get(one["url"])
        assert (fetched.content, fetched.headers["content-type"]) == (content, "image/jpeg")
        assert (await api.get(one["url"], headers=stranger.headers)).status_code == 404
    assert (await api.get(video["thumbnail_url"])).content == b"best"
    assert (await api.get(f"{base}/thumbnail/wide")).json()["code"] == "file.not_ready"
    assert video["wide_thumbnail_url"] is None
    for missing in (0, 3, 4):
        answer = await api.get(f"{base}/thumbnails/{missing}")
        assert (answer.status_code, answer.json()["code"]) == (404, "file.not_ready")
