"""/v1/music: what can play under a narration, by mood, genre and tempo, and the music that people bring."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT
from msgspec import Meta

from reelwright.accounts import Account
from reelwright.api.creations import BadField, plain
from reelwright.api.cursors import Cursors
from reelwright.api.files import served
from reelwright.api.idempotency import REPLAYED, request_key
from reelwright.api.methods import READ
from reelwright.api.voices import SoundView, playable, sound_answer
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.journeys import music
from reelwright.journeys.music import Shown
from reelwright.library import Filter


class Mood(StrEnum):
    CALM = "calm"
    CURIOUS = "curious"
    ENERGETIC = "energetic"
    SERIOUS = "serious"
    WARM = "warm"


class Licence(StrEnum):
    """By what right you use the music: cc_by needs an attribution."""

    OWN = "own"
    LICENSED = "licensed"
    PUBLIC_DOMAIN = "public_domain"
    CC0 = "cc0"
    CC_BY = "cc_by"


_Genre = Annotated[
    str, Meta(pattern=r"^[a-z][a-z \-]{1,39}$", description="Such as ambient or lo-fi, in small letters.")
]


class NewTrack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An upload of sound to be used as music, and by what right. A tempo that isn't given is measured."""

    media_id: UUID
    title: Annotated[str, Meta(min_length=1, max_length=120)]
    mood: Mood
    genre: _Genre
    licence: Licence
    attribution: Annotated[str, Meta(max_length=300)] = ""
    bpm: Annotated[float, Meta(ge=30, le=300)] | None = None

    def values(self) -> dict[str, object]:
        """Return it by column. Raises BadField."""
        credit = plain(self.attribution, field="attribution") if self.attribution.strip() else ""
        if self.licence is Licence.CC_BY and not credit:
            raise BadField("attribution: say who made it, as its licence asks.", field="attribution")
        return {
            "title": plain(self.title, field="title"),
            "mood": self.mood.value,
            "genre": self.genre,
            "licence": self.licence.value,
            "attribution": credit,
            "bpm": self.bpm,
        }


class TrackView(msgspec.Struct, frozen=True, kw_only=True):
    """A track. `kind`: built_in, or upload for one of yours. Its id, or a mood alone, goes into drafts.

    `status`: preparing, ready, unusable (nothing could be played of it). A built-in one is as long as a reel needs it.
    """

    id: UUID
    kind: str
    title: str
    mood: str
    genre: str
    bpm: float | None
    duration_ms: int | None
    status: str
    licence: str | None
    attribution: str
    media_id: UUID | None
    created_at: datetime | None


class TracksView(msgspec.Struct, frozen=True, kw_only=True):
    """Your own, newest first, then the built-in ones. `next_cursor` is null at the end."""

    tracks: list[TrackView]
    next_cursor: str | None


@get("/music", summary="List the music", tags=["music"])
async def list_music(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    mood: Annotated[Mood | None, QueryParameter(description="Only music of this mood.")] = None,
    genre: Annotated[str | None, QueryParameter(max_length=40)] = None,
    bpm_min: Annotated[float | None, QueryParameter(ge=0, le=400)] = None,
    bpm_max: Annotated[float | None, QueryParameter(ge=0, le=400)] = None,
    q: Annotated[str | None, QueryParameter(min_length=1, max_length=100)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> TracksView:
    """Return the tracks that fit: of that mood and genre, so fast or slow, with those words in their title."""
    before = None if cursor is None else cursors.opened(cursor)
    wanted = Filter(
        mood=mood and mood.value,
        genre=plain(genre, field="genre"),
        bpm_min=bpm_min,
        bpm_max=bpm_max,
        q=plain(q, field="q"),
    )
    found = await music.page(account.id, wanted, before=before, limit=limit + 1, db=db)
    shown, more = found[:limit], len(found) > limit
    return TracksView(
        tracks=[_view(each) for each in shown],
        next_cursor=cursors.after(*shown[-1].place) if more else None,
    )


@post("/music", status_code=HTTP_201_CREATED, summary="Bring music", tags=["music"])
async def add_music(
    request: Request[Any, Any, Any],
    data: JSONBody[NewTrack],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI
) -> Response[TrackView]:
    """Use an upload as music. A worker decodes and measures it: it is ready in seconds. At most 200 tracks."""
    shown, repeated = await music.add(
        account.id, data.media_id, data.values(), request=await request_key(request), db=db
    )
    headers = {"Location": f"/v1/music/{shown.id}", **(REPLAYED if repeated else {})}
    return Response(_view(shown), status_code=HTTP_201_CREATED, headers=headers)


@get("/music/{track_id:uuid}", summary="Read a track", tags=["music"])
async def read_music(
    track_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> TrackView:
    """Return one track, yours or a built-in one."""
    return _view(await music.read(account.id, track_id, db=db))


@delete("/music/{track_id:uuid}", status_code=HTTP_204_NO_CONTENT, summary="Take music away", tags=["music"])
async def delete_music(
    track_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> None:
    """Take a track of yours away; the upload stays. Drafts that name it need other music for what they order next."""
    await music.remove(account.id, track_id, db=db)


@get("/music/{track_id:uuid}/preview", summary="Hear a track", tags=["music"])
async def preview_music(
    track_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[SoundView]:
    """Return how far ten seconds of a track are; asking begins it, and it is ready in seconds."""
    job = await music.excerpt(account.id, track_id, db=db, now=clock.now())
    place = f"/v1/music/{track_id}/preview"
    return sound_answer(job, url=f"{place}/audio", place=place)


@route("/music/{track_id:uuid}/preview/audio", http_method=READ, summary="Play a track's preview", tags=["music"])
async def play_music(
    request: Request[Any, Any, Any],
    track_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return the ten seconds that were made of a track as MP3, or the byte range of them that is asked for."""
    job = await music.heard(account.id, track_id, db=db)
    return served(request, playable(job), storage, name=f"{track_id}.mp3")


def _view(shown: Shown) -> TrackView:
    if (own := shown.own) is not None:
        return TrackView(
            id=own.id,
            kind="upload",
            title=own.title,
            mood=own.mood,
            genre=own.genre,
            bpm=own.bpm,
            duration_ms=own.duration_ms,
            status=own.status,
            licence=own.licence,
            attribution=own.attribution,
            media_id=own.media_id,
            created_at=own.created_at,
        )
    track = shown.built_in
    assert track is not None  # noqa: S101 - one of the two is always there
    return TrackView(
        id=track.id,
        kind="built_in",
        title=track.title,
        mood=track.mood,
        genre=track.genre,
        bpm=track.bpm,
        duration_ms=None,
        status="ready",
        licence=None,
        attribution="",
        media_id=None,
        created_at=None,
    )
