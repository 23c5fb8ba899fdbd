"""/v1/voices: who can narrate, voices set up as a person likes them, the default, and how one sounds."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post, put, route
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account
from reelwright.admission import Gate, Place
from reelwright.api.creations import BadField, plain
from reelwright.api.cursors import Cursors
from reelwright.api.files import served
from reelwright.api.idempotency import REPLAYED, Repeatable, request_key
from reelwright.api.methods import READ
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.generations import Stage
from reelwright.ground import clock
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.journeys import voices
from reelwright.journeys.ordering import Terms
from reelwright.journeys.voices import Shown
from reelwright.library import LONGEST_NAME, SoundJob, StoredFile

_Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
_Voice = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="One that comes with the provider, by name or id.")
]
_Speed = Annotated[float, Meta(ge=0.8, le=1.25, description="Times the voice's own pace.")]
_Pitch = Annotated[int, Meta(ge=-4, le=4, description="Semitones higher, or lower.")]
_Gap = Annotated[int, Meta(ge=0, le=2000, description="Milliseconds of silence between two sentences.")]


class NewVoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A voice to set up: which one it is made of, and how it speaks. Without a gap, pauses are the voice's own."""

    name: _Name
    voice: _Voice = "default"
    speed: _Speed = 1.0
    pitch: _Pitch = 0
    gap_ms: _Gap | None = None


class VoicePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to change; what is left out stays. A gap of null gives the voice its own pauses back."""

    name: _Name | UnsetType = UNSET
    voice: _Voice | UnsetType = UNSET
    speed: _Speed | UnsetType = UNSET
    pitch: _Pitch | UnsetType = UNSET
    gap_ms: _Gap | UnsetType | None = UNSET

    def changes(self) -> dict[str, object]:
        """Return what to change by column. Raises BadField."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}
        if not given:
            raise BadField("Send at least one field to change.")
        if "name" in given:
            given["name"] = plain(given["name"], field="name")
        return given


class VoiceView(msgspec.Struct, frozen=True, kw_only=True):
    """A voice. `kind`: built_in, or profile for one that you set up. Its id, or a built-in's name, goes into drafts.

    `language` is null where it speaks the language of its text; `word_times`: exact, or estimated from the sound.
    `sample`: its usual sentence is made already, so that a preview without a text is there at once.
    """

    id: UUID
    kind: str
    name: str
    voice: str
    provider: str | None
    language: str | None
    gender: str | None
    character: str | None
    word_times: str | None
    speed: float
    pitch: int
    gap_ms: int | None
    default: bool
    sample: bool
    version: int | None
    created_at: datetime | None
    updated_at: datetime | None


class VoicesView(msgspec.Struct, frozen=True, kw_only=True):
    """Your own, newest first, then those that come with the provider. `next_cursor` is null at the end."""

    voices: list[VoiceView]
    next_cursor: str | None


class PreviewWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to say, and in which language; without a text, the voice's usual sentence."""

    text: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"


class SoundView(msgspec.Struct, frozen=True, kw_only=True):
    """A sound in the making. `status`: queued, ready, failed. `url` is where it can be heard once it is ready."""

    id: UUID
    status: str
    url: str
    duration_ms: int | None
    failure_code: str | None
    failure: str | None


class SoundNotReady(Refusal):
    kind = Kind.CONFLICT
    code = "sound.not_ready"


@get("/voices", summary="List the voices", tags=["voices"])
async def list_voices(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    terms: NamedDependency[Terms],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> VoicesView:
    """Return the voices that a draft can have: yours, and those of whoever speaks here."""
    before = None if cursor is None else cursors.opened(cursor)
    found = await voices.page(account.id, _speech(terms), before=before, limit=limit + 1, db=db)
    shown, more = found[:limit], len(found) > limit
    return VoicesView(
        voices=[_view(each) for each in shown],
        next_cursor=cursors.after(*shown[-1].place) if more else None,
    )


@post("/voices", status_code=HTTP_201_CREATED, summary="Set up a voice", tags=["voices"])
async def create_voice(
    request: Request[Any, Any, Any],
    data: JSONBody[NewVoice],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI
) -> Response[VoiceView]:
    """Set up a voice of your own: one that comes with the provider, at your pace, pitch and pauses. At most 20."""
    values: dict[str, object] = msgspec.structs.asdict(data)
    values["name"] = plain(data.name, field="name")
    shown, repeated = await voices.add(account.id, values, _speech(terms), request=await request_key(request), db=db)
    headers = {"Location": f"/v1/voices/{_view(shown).id}", **(REPLAYED if repeated else {})}
    return _answer(shown, status=HTTP_201_CREATED, headers=headers)


@get("/voices/{voice_id:uuid}", summary="Read a voice", tags=["voices"])
async def read_voice(
    voice_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
) -> Response[VoiceView]:
    """Return one voice, yours or the provider's."""
    return _answer(await voices.read(account.id, voice_id, _speech(terms), db=db))


@patch("/voices/{voice_id:uuid}", summary="Change a voice", tags=["voices"])
async def change_voice(
    voice_id: FromPath[UUID],
    data: JSONBody[VoicePatch],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    if_match: IfMatch = None,
) -> Response[VoiceView]:
    """Change a voice of yours; what was ordered with it keeps what it was then."""
    shown = await voices.change(
        account.id, voice_id, data.changes(), _speech(terms), expected_version=expected(if_match), db=db
    )
    return _answer(shown)


@delete("/voices/{voice_id:uuid}", status_code=HTTP_204_NO_CONTENT, summary="Delete a voice", tags=["voices"])
async def delete_voice(
    voice_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> None:
    """Delete a voice of yours. Drafts that name it need another one for what they order next."""
    await voices.remove(account.id, voice_id, db=db)


@put("/voices/{voice_id:uuid}/default", summary="Make a voice the default", tags=["voices"])
async def set_default_voice(
    voice_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    if_match: IfMatch = None,
) -> Response[VoiceView]:
    """Let `default` in your drafts mean this voice from now on."""
    version = expected(if_match)
    return _answer(await voices.make_default(account.id, voice_id, _speech(terms), expected_version=version, db=db))


@post("/voices/{voice_id:uuid}/preview", status_code=HTTP_202_ACCEPTED, summary="Hear a voice", tags=["voices"])
async def preview_voice(
    voice_id: FromPath[UUID],
    data: JSONBody[PreviewWish],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI: the same words in the same voice are one preview anyway
) -> Response[SoundView]:
    """Have a voice say something. The answer says where it will be heard; ask there until it is ready, in seconds.

    The same words in the same voice are made once. Thirty new ones an hour are free; none is ever charged.
    """
    speech = _speech(terms)
    if speech is None:
        raise SoundNotReady("Nobody speaks here: connect a speech provider.")
    job = await voices.preview(
        account,
        voice_id,
        plain(data.text, field="text"),
        speech,
        language=data.language,
        db=db,
        gate=gate,
        now=clock.now(),
    )
    return sound_answer(job, url=f"/v1/voices/previews/{job.id}/audio", place=f"/v1/voices/previews/{job.id}")


@get("/voices/previews/{preview_id:uuid}", summary="Read a voice's preview", tags=["voices"])
async def read_preview(
    preview_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> SoundView:
    """Return how far a preview is."""
    job = await voices.heard(account.id, preview_id, db=db)
    return sound_view(job, url=f"/v1/voices/previews/{job.id}/audio")


@route("/voices/previews/{preview_id:uuid}/audio", http_method=READ, summary="Play a voice's preview", tags=["voices"])
async def play_preview(
    request: Request[Any, Any, Any],
    preview_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return a finished preview as MP3, or the byte range of it that is asked for."""
    job = await voices.heard(account.id, preview_id, db=db)
    return served(request, playable(job), storage, name=f"{job.id}.mp3")


def playable(job: SoundJob | None) -> StoredFile:
    """Return a finished sound's file. Raises SoundNotReady."""
    if job is None or job.storage_key is None or job.sha256 is None or job.size_bytes is None:
        raise SoundNotReady("It can't be heard yet: ask how far it is, and come back.")
    return StoredFile(key=job.storage_key, media_type="audio/mpeg", size_bytes=job.size_bytes, sha256=job.sha256)


def sound_view(job: SoundJob, *, url: str) -> SoundView:
    """Return what a caller sees of a sound in the making."""
    return SoundView(
        id=job.id,
        status=job.state,
        url=url,
        duration_ms=job.duration_ms,
        failure_code=job.failure_code,
        failure=job.failure_sentence,
    )


def sound_answer(job: SoundJob, *, url: str, place: str) -> Response[SoundView]:
    """Answer 200 with a sound that is there, 202 with one that is being made and when to ask again."""
    if job.state == "ready":
        return Response(sound_view(job, url=url), status_code=HTTP_200_OK)
    headers = {"Location": place, "Retry-After": "1"}
    return Response(sound_view(job, url=url), status_code=HTTP_202_ACCEPTED, headers=headers)


def _speech(terms: Terms) -> Place | None:
    return terms.places.get(Stage.TTS_GENERATION)


def _answer(shown: Shown, *, status: int = HTTP_200_OK, headers: dict[str, str] | None = None) -> Response[VoiceView]:
    return Response(_view(shown), status_code=status, headers={**etag(shown.version), **(headers or {})})


def _view(shown: Shown) -> VoiceView:
    own, heard = shown.profile, shown.built_in
    return VoiceView(
        id=shown.place[1],
        kind="profile" if own else "built_in",
        name=own.name if own else heard.name if heard else "",
        voice=own.voice if own else heard.name if heard else "",
        provider=heard and heard.provider,
        language=heard and heard.language,
        gender=heard and heard.gender,
        character=heard and heard.character,
        word_times=heard and ("exact" if heard.exact_times else "estimated"),
        speed=own.speed if own else 1.0,
        pitch=own.pitch if own else 0,
        gap_ms=own.gap_ms if own else None,
        default=shown.default,
        sample=shown.sample,
        version=own.version if own else None,
        created_at=own.created_at if own else None,
        updated_at=own.updated_at if own else None,
    )
