"""Put a finished reel on YouTube, once: what was begun is taken up where it stopped, and nothing is sent twice."""

import secrets
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from reelwright.generations import (
    Artefact,
    ArtefactKind,
    Artefacts,
    Drafts,
    Generations,
    GenerationState,
    Story,
    Variants,
)
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import BrokenSealError, Seal
from reelwright.ground.storage import Storage
from reelwright.providers import Arrived, Facts, Notice, Publication, Publications, SessionGone, YouTube, credited

_log = log.logger("journeys.publishing")
PLATFORM = "youtube"
_HELD = timedelta(minutes=10)
_SEAL = "publication-session"
_NONCE = 12


class NotFinished(Refusal):
    """There is no video to publish (yet)."""

    kind = Kind.CONFLICT
    code = "publication.not_finished"


class UnderWay(Refusal):
    """Somebody else uploads it just now."""

    kind = Kind.CONFLICT
    code = "publication.under_way"


class MayBeThere(Refusal):
    """All of it was sent, the answer was lost, and the session is over: only a person can look."""

    kind = Kind.CONFLICT
    code = "publication.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The video's id there; `again` where it had been published before and nothing was sent."""

    video: str
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upload:
    """One publication under way."""

    generation: GenerationId
    path: Path
    size: int
    notice: Notice
    youtube: YouTube
    db: Database
    seal: Seal


async def publish(
    generation: GenerationId, *, privacy: str, youtube: YouTube, db: Database, storage: Storage, seal: Seal
) -> Published:
    """Upload a finished reel, or go on with its upload, and return its id there.

    A reel that is there already is not sent again. Raises NotFound, NotFinished, UnderWay, MayBeThere, UploadRefused,
    Outage (no answer, or the day's quota is used up): then calling again goes on from what has arrived.
    """
    video, notice = await _found(generation, privacy, db)
    async with db.begin() as tx:
        begun = await Publications(tx, generation, PLATFORM).hold(_HELD)
    if begun is None:
        raise UnderWay("Somebody uploads this reel just now: wait ten minutes.")
    if begun.external_id is not None:
        return Published(video=begun.external_id, again=True)
    if begun.state == "unknown":
        raise _may_be_there()
    try:
        with tempfile.TemporaryDirectory(prefix="reelwright-publish-") as folder:
            path = Path(folder) / "reel.mp4"
            stored = await storage.fetch(video.key, path)
            if stored.sha256 != video.sha256:
                raise Outage("The reel came back with other bytes.", code="storage.corrupt")
            upload = _Upload(
                generation=generation,
                path=path,
                size=stored.size_bytes,
                notice=notice,
                youtube=youtube,
                db=db,
                seal=seal,
            )
            external = await _uploaded(upload, begun)
    finally:
        async with db.begin() as tx:
            await Publications(tx, generation, PLATFORM).keep(timedelta(0))
    _log.info("publication.published", generation_id=str(generation), platform=PLATFORM)
    return Published(video=external, again=False)


async def forget(generation: GenerationId, *, db: Database) -> None:
    """Let a reel be uploaded anew whose first upload may have arrived or not. Raises NotFound."""
    async with db.begin() as tx:
        if not await Publications(tx, generation, PLATFORM).forget():
            raise NotFound("Nothing about this reel is uncertain.", code="publication.not_found")


async def _found(generation: GenerationId, privacy: str, db: Database) -> tuple[Artefact, Notice]:
    """Return the reel's file and what is to stand beside it. Raises NotFound, NotFinished."""
    async with db.begin() as tx:
        found = await Generations(session=tx).lock(generation)
        if found is None:
            raise NotFound("There is no such generation.")
        owner = found.account_id
        video = await Artefacts(session=tx).get(owner, generation, ArtefactKind.VIDEO)
        if video is None or found.state is not GenerationState.SUCCEEDED or found.variant_id is None:
            raise NotFinished("This generation has no finished video: only a reel that passed its gate is published.")
        told = await Variants(session=tx).get(owner, found.variant_id)
        draft = await Drafts(session=tx).of_generation(generation)
    if told is None:
        raise NotFinished("This reel's story was deleted: there are no words to publish it with.")
    story = told.story
    words = [_credited(story, language=draft.language), " ".join(f"#{tag}" for tag in story.hashtags)]
    return video, Notice(
        title=story.title,
        description="\n\n".join(part for part in words if part),
        tags=story.hashtags,
        language=draft.language,
        privacy=privacy,
    )


def _credited(story: Story, *, language: str) -> str:
    """Return the caption, and the line that its source's licence asks for where somebody edited it away."""
    named = story.attribution
    if named is None:
        return story.caption
    facts = Facts(
        kind="none",
        title=named.title,
        body="",
        attribution_title=named.title,
        attribution_url=named.url,
        attribution_licence=named.licence,
    )
    return credited(story.caption, facts, language=language, platform="shorts", hashtags=story.hashtags)


async def _uploaded(upload: _Upload, begun: Publication) -> str:
    """Send what isn't there yet, and return the video's id. Raises MayBeThere, UploadRefused, Outage."""
    session, whole = await _taken_up(upload, begun), begun.whole
    arrived: Arrived | None = None
    tries = 0
    while True:
        try:
            if session is None:
                session, whole = await _session(upload), False
                arrived = Arrived(size=0)
            if arrived is None:
                arrived = await upload.youtube.ask(session, upload.size)
            if arrived.video is not None:
                await _settled(upload, arrived.video)
                return arrived.video
            before = arrived.size
            end = min(upload.size, before + upload.youtube.piece)
            await _going_on(upload, completing=end == upload.size)
            whole = whole or end == upload.size
            arrived = await upload.youtube.send(session, upload.path, before, end, upload.size)
            tries = 0 if arrived.size > before else tries + 1
        except SessionGone:
            if whole:
                raise await _lost(upload) from None
            session = None
            tries += 1
            if not await upload.youtube.rest(tries, timedelta(0)):
                raise Outage("YouTube lets no upload come to its end.", code="publication.unavailable") from None
        except Outage as away:
            if away.code != "publication.unavailable" or not await upload.youtube.rest(tries, away.wait):
                raise
            tries += 1
            arrived = None


async def _session(upload: _Upload) -> str:
    """Open a session and remember it before any byte goes there."""
    address = await upload.youtube.begin(upload.notice, upload.size)
    sealed = upload.seal.encrypted(_SEAL, address.encode(), nonce=secrets.token_bytes(_NONCE))
    async with upload.db.begin() as tx:
        await Publications(tx, upload.generation, PLATFORM).opened(sealed)
    return address


async def _going_on(upload: _Upload, *, completing: bool) -> None:
    async with upload.db.begin() as tx:
        publications = Publications(tx, upload.generation, PLATFORM)
        await publications.keep(_HELD)
        if completing:
            await publications.completing()


async def _settled(upload: _Upload, video: str) -> None:
    async with upload.db.begin() as tx:
        await Publications(tx, upload.generation, PLATFORM).published(video)


async def _taken_up(upload: _Upload, begun: Publication) -> str | None:
    """Return the session that was begun; None for none, or one that a key we have no more has sealed.

    Raises MayBeThere.
    """
    if begun.session is None:
        return None
    try:
        return upload.seal.decrypted(_SEAL, begun.session).decode()
    except BrokenSealError:
        if begun.whole:
            raise await _lost(upload) from None
        return None


async def _lost(upload: _Upload) -> MayBeThere:
    async with upload.db.begin() as tx:
        await Publications(tx, upload.generation, PLATFORM).lost()
    return _may_be_there()


def _may_be_there() -> MayBeThere:
    return MayBeThere(
        "All of this reel was sent, and the answer was lost: look at the channel, and use --forget if it isn't there."
    )
