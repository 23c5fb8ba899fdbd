"""The library room: assets that people saved, media, voices and music that are theirs, and what of it is stored."""

from reelwright.library.assets import Assets, claimed, saved_file
from reelwright.library.loose import LooseFiles
from reelwright.library.media import MOST_BYTES, Media, uploaded
from reelwright.library.model import (
    Asset,
    AssetChanged,
    AssetFilter,
    AssetKind,
    AssetStatus,
    AssetUnknown,
    Inspected,
    MediaKind,
    MediaRefused,
    MediaUnknown,
    NoRoom,
    SavedScene,
    StoredFile,
    Upload,
    Words,
)
from reelwright.library.sound_jobs import CHANNEL, SoundClaim, SoundJob, SoundJobs
from reelwright.library.tracks import Filter, OwnTrack, TooManyTracks, Tracks, unknown_track
from reelwright.library.voices import (
    LONGEST_NAME,
    TooManyVoices,
    VoiceChanged,
    Voiced,
    VoiceProfile,
    Voices,
    unknown_voice,
)

__all__ = [
    "CHANNEL",
    "LONGEST_NAME",
    "MOST_BYTES",
    "Asset",
    "AssetChanged",
    "AssetFilter",
    "AssetKind",
    "AssetStatus",
    "AssetUnknown",
    "Assets",
    "Filter",
    "Inspected",
    "LooseFiles",
    "Media",
    "MediaKind",
    "MediaRefused",
    "MediaUnknown",
    "NoRoom",
    "OwnTrack",
    "SavedScene",
    "SoundClaim",
    "SoundJob",
    "SoundJobs",
    "StoredFile",
    "TooManyTracks",
    "TooManyVoices",
    "Tracks",
    "Upload",
    "VoiceChanged",
    "VoiceProfile",
    "Voiced",
    "Voices",
    "Words",
    "claimed",
    "saved_file",
    "unknown_track",
    "unknown_voice",
    "uploaded",
]
