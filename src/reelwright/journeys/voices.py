"""What people do with voices: look through them, set some up as they like them, choose a default, and hear one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import admission, library, providers
from reelwright.accounts import Account, Replays, RequestKey
from reelwright.admission import Gate, Place
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, derived, fresh
from reelwright.ground.postgres import Database
from reelwright.ground.versions import Versions, meant_for
from reelwright.journeys import sounds
from reelwright.library import SoundJob, SoundJobs, VoiceChanged, Voiced, VoiceProfile, Voices
from reelwright.providers import BuiltInVoice

SAMPLE = "This is how I sound. Every reel begins with one good idea, and ends when it has been told."
PREVIEWS_AN_HOUR = 30
_HOUR = timedelta(hours=1)
_BUILT_IN_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""What comes with the providers stands behind everything that people have made."""


class TooManyPreviews(Refusal):
    kind = Kind.LIMITED
    code = "voice.too_many_previews"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A voice as it is listed: a built-in one, or a profile with the built-in one that it is made of, if that is known.

    `sample`: how it sounds with the usual sentence is ready to be heard. `place`: where a page goes on behind it.
    """

    built_in: BuiltInVoice | None
    profile: VoiceProfile | None
    default: bool
    sample: bool
    place: tuple[datetime, UUID]

    @property
    def version(self) -> int:
        """How often it was changed; 0 for one that comes with the provider, which nobody changes."""
        return 0 if self.profile is None else self.profile.version


async def page(
    account: AccountId, speech: Place | None, *, before: tuple[datetime, UUID] | None, limit: int, db: Database
) -> list[Shown]:
    """Return so many voices: the account's own, newest first, then those of who speaks here. Raises Outage."""
    async with db.begin() as tx:
        own = await Voices(tx, account).page(before=before, limit=limit)
        offered = await _switched_on(tx, speech)
        places = [(_BUILT_IN_AT - timedelta(seconds=at), voice) for at, voice in enumerate(offered)]
        rest = [voice for at, voice in places if before is None or (at, voice.id) < before]
        found = [*own, *rest[: limit - len(own)]]
        return await _shown(tx, account, found, offered, {voice.id: at for at, voice in places})


async def read(account: AccountId, voice_id: UUID, speech: Place | None, *, db: Database) -> Shown:
    """Return one voice. Raises NotFound, Outage."""
    async with db.begin() as tx:
        return await _read(tx, account, voice_id, speech)


async def add(
    account: AccountId,
    values: Mapping[str, object],
    speech: Place | None,
    *,
    request: RequestKey | None,
    db: Database,
) -> tuple[Shown, bool]:
    """Set up a voice; return it, and whether this request had done so before.

    Raises VoiceUnknown for a voice that doesn't speak here, TooManyVoices, KeyReused, NotFound, Outage.
    """
    async with db.begin() as tx:
        new = fresh()
        if (made := await Replays(session=tx).claim(account, request, new)) is not None:
            return await _read(tx, account, made, speech), True
        await Voices(tx, account).add(new, await _checked(tx, account, values, speech))
        return await _read(tx, account, new, speech), False


async def change(
    account: AccountId,
    voice_id: UUID,
    changes: Mapping[str, object],
    speech: Place | None,
    *,
    expected_version: Versions,
    db: Database,
) -> Shown:
    """Change one of the account's own. Raises NotFound, VoiceChanged, VoiceUnknown, Outage."""
    async with db.begin() as tx:
        checked = await _checked(tx, account, changes, speech)
        await Voices(tx, account).change(voice_id, checked, expected_version=expected_version)
        return await _read(tx, account, voice_id, speech)


async def remove(account: AccountId, voice_id: UUID, *, db: Database) -> None:
    """Delete one of the account's own; what was ordered with it goes on. Raises NotFound, Outage."""
    async with db.begin() as tx:
        await Voices(tx, account).remove(voice_id)


async def make_default(
    account: AccountId, voice_id: UUID, speech: Place | None, *, expected_version: Versions, db: Database
) -> Shown:
    """Let `default` mean this voice from now on. One that comes with the provider has the version 0.

    Raises NotFound, VoiceChanged, Outage.
    """
    async with db.begin() as tx:
        found = await _read(tx, account, voice_id, speech)
        if not meant_for(found.version, expected_version):
            raise VoiceChanged("Somebody changed this voice since you read it: read it again.")
        if found.profile is not None:
            await Voices(tx, account).make_default(profile=found.profile.id)
        elif found.built_in is not None:
            await Voices(tx, account).make_default(voice=found.built_in.name)
        return replace(found, default=True)


async def preview(
    account: Account,
    voice_id: UUID,
    text: str | None,
    speech: Place,
    *,
    language: str,
    db: Database,
    gate: Gate,
    now: datetime,
) -> SoundJob:
    """Have a voice say something short, or the usual sentence; return how far that is.

    The same is made once. What isn't made yet counts: so many an hour are free. Raises NotFound, LanguageUnspoken,
    TooManyPreviews, Unavailable, Outage.
    """
    sounds.check_language(language, speech)
    async with db.begin() as tx:
        voiced = _voiced(await _read(tx, account.id, voice_id, speech))
        job_id = _job_id(account.id, voiced, speech, text, language)
        job = await SoundJobs(tx).get(job_id)
    if job is None or job.state == "failed":
        name = str(account.id)
        wait = await admission.count_attempt(gate, "voice_preview", name, limit=PREVIEWS_AN_HOUR, window=_HOUR, now=now)
        if wait is not None:
            raise TooManyPreviews(f"{PREVIEWS_AN_HOUR} new previews an hour are free: try again later.", wait=wait)
    wish = {
        "text": text or SAMPLE,
        "language": language,
        "voice": voiced.voice,
        "speed": voiced.speed,
        "pitch": voiced.pitch,
        "gap_ms": voiced.gap_ms,
        "for": str(account.id),
    }
    async with db.begin() as tx:
        return await SoundJobs(tx).ask(job_id, "voice", wish, account=account.id if text else None)


async def heard(account: AccountId, job_id: UUID, *, db: Database) -> SoundJob:
    """Return a preview as it stands: the account's own, or one of the usual sentence. Raises NotFound, Outage."""
    async with db.begin() as tx:
        job = await SoundJobs(tx).get(job_id)
    if job is None or job.kind != "voice" or job.account_id not in {None, account}:
        raise NotFound("There is no such preview: ask for it with POST /v1/voices/{id}/preview.")
    return job


async def _switched_on(tx: AsyncConnection, speech: Place | None) -> tuple[BuiltInVoice, ...]:
    """Return the voices of who speaks here, none where that is switched off."""
    if speech is None:
        return ()
    model = (speech.provider, speech.model)
    off = any((o.provider, o.model) == model and not o.enabled for o in await providers.offers(tx))
    return () if off else providers.voices_of(*model)


async def _read(tx: AsyncConnection, account: AccountId, voice_id: UUID, speech: Place | None) -> Shown:
    offered = await _switched_on(tx, speech)
    places = {voice.id: _BUILT_IN_AT for voice in offered}
    found = next((voice for voice in offered if voice.id == voice_id), None)
    profile = None if found else await Voices(tx, account).get(voice_id)
    if found is None and profile is None:
        raise library.unknown_voice()
    (shown,) = await _shown(tx, account, [found or profile], offered, places)  # type: ignore[list-item]  # one of them is
    return shown


async def _shown(
    tx: AsyncConnection,
    account: AccountId,
    found: list[VoiceProfile | BuiltInVoice],
    offered: tuple[BuiltInVoice, ...],
    places: Mapping[UUID, datetime],
) -> list[Shown]:
    default = await Voices(tx, account).default()
    named = {voice.name: voice for voice in offered}
    speech = offered[0] if offered else None
    samples = {each.id: _sample_of(each, speech) for each in found}
    ready = await SoundJobs(tx).ready(list(samples.values()))
    shown: list[Shown] = []
    for each in found:
        own = isinstance(each, VoiceProfile)
        name = None if own else each.name
        shown.append(
            Shown(
                built_in=named.get(each.voice) if isinstance(each, VoiceProfile) else each,
                profile=each if isinstance(each, VoiceProfile) else None,
                default=default is not None
                and (default.id == each.id if own else (default.id, default.voice) == (None, name)),
                sample=samples[each.id] in ready,
                place=(each.created_at if isinstance(each, VoiceProfile) else places[each.id], each.id),
            )
        )
    return shown


async def _checked(
    tx: AsyncConnection, account: AccountId, values: Mapping[str, object], speech: Place | None
) -> Mapping[str, object]:
    """Return the values with the built-in voice by its name. Raises VoiceUnknown: a profile is made of no other one."""
    if "voice" not in values:
        return values
    wanted = str(values["voice"])
    known = sounds.id_of(wanted)
    if known is not None and sounds.built_in_voice(known, speech) is None:
        raise sounds.VoiceUnknown("voice: a voice of yours is made of one that comes with us.", field="voice")
    if wanted == providers.DEFAULT_VOICE and speech is not None and (first := sounds.built_in(speech)):
        return {**values, "voice": first[0].name}
    return {**values, "voice": (await sounds.resolve(tx, account, wanted, speech)).name}


def _voiced(shown: Shown) -> Voiced:
    if (own := shown.profile) is not None:
        return Voiced(voice=own.voice, speed=own.speed, pitch=own.pitch, gap_ms=own.gap_ms, id=own.id)
    return Voiced(voice=shown.built_in.name if shown.built_in else providers.DEFAULT_VOICE)


def _sample_of(each: VoiceProfile | BuiltInVoice, speech: BuiltInVoice | None) -> UUID:
    """Return the id of the usual sentence in this voice."""
    voiced = (
        Voiced(voice=each.voice, speed=each.speed, pitch=each.pitch, gap_ms=each.gap_ms)
        if isinstance(each, VoiceProfile)
        else Voiced(voice=each.name)
    )
    maker = (speech.provider, speech.model) if speech else ("", "")
    return _made_of(voiced, maker, None, "en", None)


def _job_id(account: AccountId, voiced: Voiced, speech: Place, text: str | None, language: str) -> UUID:
    return _made_of(voiced, (speech.provider, speech.model), text, language, account if text else None)


def _made_of(
    voiced: Voiced, maker: tuple[str, str], text: str | None, language: str, account: AccountId | None
) -> UUID:
    """Return the id of what this makes. A person's own words are that person's alone, the usual sentence is all's."""
    how = (voiced.voice, voiced.speed, voiced.pitch, voiced.gap_ms)
    return derived("preview/1", *maker, *how, language, account, text or SAMPLE)
