"""Settle what an order sounds like: the names of its voice and music become what they mean just now."""

import contextlib
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import library, providers
from reelwright.admission import Place
from reelwright.generations import Draft, MusicChoice, Sound, Track, VoiceChoice
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId
from reelwright.journeys.foreknown import Foreknown
from reelwright.library import Voiced
from reelwright.providers import BuiltInVoice

AUTO, NONE = "auto", "none"


class VoiceUnknown(Refusal):
    code = "voice.unknown"


class LanguageUnspoken(Refusal):
    code = "voice.language_unsupported"


class MusicUnknown(Refusal):
    code = "music.unknown"


class MusicNotReady(Refusal):
    """The upload is still being made a track, or could not be made one."""

    kind = Kind.CONFLICT
    code = "music.not_ready"


async def chosen(tx: AsyncConnection, draft: Draft, speech: Place | None, *, known: Foreknown | None = None) -> Sound:
    """Return what the draft's voice and music are. Raises VoiceUnknown, MusicUnknown, MusicNotReady.

    `speech` is the place at who speaks here; None: any provider's voices are known. One indexed query for the voice
    unless it comes with the provider, and one for music that is the person's own.
    """
    if known is not None and draft.voice == providers.DEFAULT_VOICE:
        voice = _default(known.voice, speech)
    else:
        voice = await resolve(tx, draft.account_id, draft.voice, speech)
    return Sound(voice=voice, music=await music(tx, draft.account_id, draft.music, tone=draft.tone.value))


async def check(tx: AsyncConnection, account: AccountId, changes: Mapping[str, object], speech: Place | None) -> None:
    """Refuse a voice or music among the changes that isn't there. A track that is being prepared may be waited for.

    Raises VoiceUnknown, MusicUnknown.
    """
    if "voice" in changes:
        await resolve(tx, account, str(changes["voice"]), speech)
    if "music" in changes:
        with contextlib.suppress(MusicNotReady):
            await music(tx, account, str(changes["music"]), tone="")


def check_language(language: str, speech: Place | None) -> None:
    """Refuse a language that who speaks here can't speak. Raises LanguageUnspoken."""
    spoken = speech and providers.languages_of(speech.provider)
    if spoken is not None and language.partition("-")[0] not in spoken:
        raise LanguageUnspoken(f"language: nobody speaks it here: use one of {', '.join(spoken)}.", field="language")


async def resolve(tx: AsyncConnection, account: AccountId, voice: str, speech: Place | None) -> VoiceChoice:
    """Return what a draft's voice means: `default`, a built-in voice by name or id, or a profile of the account's.

    Another's profile is one that isn't there. Raises VoiceUnknown.
    """
    voices = library.Voices(tx, account)
    if voice == providers.DEFAULT_VOICE:
        return _default(await voices.default(), speech)
    wanted = id_of(voice)
    if wanted is None:
        if not _offered(voice, speech):
            raise _unknown_voice(speech)
        return VoiceChoice(name=voice)
    if built_in := built_in_voice(wanted, speech):
        return VoiceChoice(name=built_in.name)
    found = await voices.voiced(wanted)
    if found is None:
        raise _unknown_voice(speech)
    if not _offered(found.voice, speech):
        raise VoiceUnknown(f"voice: this one is made of {found.voice!r}, which speaks here no more.", field="voice")
    return _choice(found)


async def music(tx: AsyncConnection, account: AccountId, wanted: str, *, tone: str) -> MusicChoice:
    """Return what a draft's music means: auto (by tone), none, a mood, a built-in track or the account's own.

    Raises MusicUnknown, MusicNotReady.
    """
    if wanted == NONE:
        return MusicChoice()
    if wanted == AUTO or wanted in providers.MOODS:
        return MusicChoice(mood=tone if wanted == AUTO else wanted)
    named = id_of(wanted)
    if named is None:
        moods = ", ".join(providers.MOODS)
        raise MusicUnknown(f"music: use auto, none, one of the moods {moods}, or a track's id.", field="music")
    for track in providers.TRACKS:
        if track.id == named:
            return MusicChoice(mood=track.mood, seed=track.seed)
    own = await library.Tracks(tx, account).get(named)
    if own is None:
        raise MusicUnknown("music: there is no such track: GET /v1/music lists yours and ours.", field="music")
    if own.storage_key is None or own.sha256 is None or own.duration_ms is None:
        raise MusicNotReady(
            "music: this track is still being prepared: ask again in a minute."
            if own.status == "preparing"
            else "music: nothing can be played of this track: choose another.",
            field="music",
        )
    return MusicChoice(
        track=Track(
            id=own.id,
            key=own.storage_key,
            sha256=own.sha256,
            duration_ms=own.duration_ms,
            bpm=own.bpm,
            first_beat_ms=own.first_beat_ms,
        )
    )


def built_in(speech: Place | None) -> tuple[BuiltInVoice, ...]:
    """Return the voices of who speaks here; those of every listed model where nobody says who does."""
    if speech is not None:
        return providers.voices_of(speech.provider, speech.model)
    models = [model for model in providers.MODELS if providers.Craft.SPEECH in model.crafts]
    return tuple(voice for model in models for voice in providers.voices_of(model.provider, model.name))


def built_in_voice(wanted: UUID, speech: Place | None) -> BuiltInVoice | None:
    """Return the built-in voice with this id."""
    return next((voice for voice in built_in(speech) if voice.id == wanted), None)


def id_of(text: str) -> UUID | None:
    """Return the id that a text is, None for a name."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _offered(name: str, speech: Place | None) -> bool:
    """Say whether who speaks here has a voice of that name; one whose voices only its own server knows may."""
    names = [voice.name for voice in built_in(speech)]
    return names == [providers.DEFAULT_VOICE] or name in {providers.DEFAULT_VOICE, *names}


def _default(found: Voiced | None, speech: Place | None) -> VoiceChoice:
    if found is None or not _offered(found.voice, speech):  # the provider was changed since: its own default is
        return VoiceChoice()
    return _choice(found)


def _choice(found: Voiced) -> VoiceChoice:
    return VoiceChoice(name=found.voice, speed=found.speed, pitch=found.pitch, gap_ms=found.gap_ms)


def _unknown_voice(speech: Place | None) -> VoiceUnknown:
    names = ", ".join(dict.fromkeys(voice.name for voice in built_in(speech)))
    return VoiceUnknown(f"voice: use default, {names}, or the id of a voice of yours.", field="voice")
