"""What people do with music: look through it, bring their own, hear a little of it, and take theirs away."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import library, providers
from reelwright.accounts import Replays, RequestKey
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import AccountId, derived, fresh
from reelwright.ground.postgres import Database
from reelwright.journeys.sounds import MusicNotReady
from reelwright.library import Filter, LooseFiles, Media, MediaKind, MediaUnknown, OwnTrack, SoundJob, SoundJobs, Tracks
from reelwright.providers import BuiltInTrack

EXCERPT_MS = 10_000
_AGAIN_AFTER = timedelta(hours=1)
_BUILT_IN_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""What comes with the composer stands behind everything that people have brought."""
_PLACES = {track.id: _BUILT_IN_AT - timedelta(seconds=at) for at, track in enumerate(providers.TRACKS)}


class NotMusic(Refusal):
    code = "music.not_audio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One track: a built-in one or the account's own."""

    built_in: BuiltInTrack | None = None
    own: OwnTrack | None = None

    @property
    def id(self) -> UUID:
        """The track's id."""
        track = self.own or self.built_in
        assert track is not None  # noqa: S101 - one of the two is always there
        return track.id

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Where a page goes on behind it."""
        return (self.own.created_at if self.own else _PLACES[self.id], self.id)


async def page(
    account: AccountId, wanted: Filter, *, before: tuple[datetime, UUID] | None, limit: int, db: Database
) -> list[Shown]:
    """Return so many tracks that fit: the account's own, newest first, then the built-in ones. Raises Outage."""
    async with db.begin() as tx:
        own = await Tracks(tx, account).page(wanted, before=before, limit=limit)
    rest = [
        track
        for track in providers.TRACKS
        if wanted.fits(title=track.title, mood=track.mood, genre=track.genre, bpm=track.bpm)
        and (before is None or (_PLACES[track.id], track.id) < before)
    ]
    return [*(Shown(own=track) for track in own), *(Shown(built_in=track) for track in rest[: limit - len(own)])]


async def read(account: AccountId, track_id: UUID, *, db: Database) -> Shown:
    """Return one track. Raises NotFound, Outage."""
    async with db.begin() as tx:
        return await _read(tx, account, track_id)


async def add(
    account: AccountId,
    media_id: UUID,
    values: Mapping[str, object],
    *,
    request: RequestKey | None,
    db: Database,
) -> tuple[Shown, bool]:
    """Take an upload of sound as music, which a worker prepares; return it, and whether this request had done so.

    Raises MediaUnknown, NotMusic, TooManyTracks, KeyReused, Outage.
    """
    async with db.begin() as tx:
        new = fresh()
        if (made := await Replays(session=tx).claim(account, request, new)) is not None:
            return await _read(tx, account, made), True
        try:
            upload = await Media(tx, account).get(media_id, keep=True)
        except MediaUnknown as unknown:
            raise MediaUnknown(unknown.sentence, field="media_id") from unknown
        if upload.kind is not MediaKind.AUDIO:
            raise NotMusic(
                "media_id: this upload is no sound: send music as MP3, WAV, FLAC, M4A or Ogg.", field="media_id"
            )
        track = await Tracks(tx, account).add(new, {**values, "media_id": media_id})
        wish = {
            "track": str(new),
            "key": upload.file.key,
            "sha256": upload.file.sha256,
            "measure": values.get("bpm") is None,
            "bpm": values.get("bpm"),
        }
        await SoundJobs(tx).ask(derived("track/1", new), "track", wish, account=account)
        return Shown(own=track), False


async def remove(account: AccountId, track_id: UUID, *, db: Database) -> None:
    """Take one of the account's own away; what was ordered with it needs it no longer than it is being mixed.

    Raises NotFound, Outage.
    """
    async with db.begin() as tx:
        key = await Tracks(tx, account).remove(track_id)
        if key is not None:
            await LooseFiles(tx).add(key)


async def excerpt(account: AccountId, track_id: UUID, *, db: Database, now: datetime) -> SoundJob:
    """Return ten seconds of a track as far as they are made; asked for, they are soon.

    Safe to ask for by a GET, also for somebody who was led here: it is free, each track has one for all times, and
    what failed is begun anew once in an hour, however often it is asked for. So an account begins no more than it has
    tracks, each of which it has brought. Raises NotFound, MusicNotReady for an own one that isn't prepared yet, Outage.
    """
    async with db.begin() as tx:
        shown, jobs = await _read(tx, account, track_id), SoundJobs(tx)
        job_id = _excerpt_of(shown, account)
        known = await jobs.get(job_id)
        if known is not None and known.state == "failed" and now - known.asked_at < _AGAIN_AFTER:
            return known
        return await jobs.ask(job_id, "excerpt", _wish(shown), account=None if shown.own is None else account)


async def heard(account: AccountId, track_id: UUID, *, db: Database) -> SoundJob | None:
    """Return them as they are, and begin nothing; None where nobody has asked for them. Raises as `excerpt` does."""
    async with db.begin() as tx:
        return await SoundJobs(tx).get(_excerpt_of(await _read(tx, account, track_id), account))


def _excerpt_of(shown: Shown, account: AccountId) -> UUID:
    """Return the id of a track's excerpt. Raises MusicNotReady."""
    if shown.built_in is not None:
        return derived("excerpt/1", shown.built_in.mood, shown.built_in.seed)
    if shown.own is None or shown.own.storage_key is None:
        raise MusicNotReady("There is nothing to hear of this track yet: look at its status.")
    return derived("excerpt/1", account, shown.own.sha256)


def _wish(shown: Shown) -> dict[str, object]:
    if (own := shown.own) is not None:
        wish: dict[str, object] = {"track": str(own.id), "key": own.storage_key}
        return wish | {name: getattr(own, name) for name in ("sha256", "duration_ms", "bpm", "first_beat_ms")}
    return {"mood": shown.built_in.mood, "seed": shown.built_in.seed} if shown.built_in else {}


async def _read(tx: AsyncConnection, account: AccountId, track_id: UUID) -> Shown:
    for track in providers.TRACKS:
        if track.id == track_id:
            return Shown(built_in=track)
    own = await Tracks(tx, account).get(track_id)
    if own is None:
        raise library.unknown_track()
    return Shown(own=own)
