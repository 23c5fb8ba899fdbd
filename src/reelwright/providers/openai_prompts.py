"""The words we send to models, from the versioned files in prompts/, and the JSON shapes we accept back."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def _read(name: str) -> dict[str, Any]:
    """Return one file's texts; a line break after the opening quotes is no part of a text."""
    return tomllib.loads((files("reelwright.providers") / "prompts" / f"{name}.toml").read_text(encoding="utf-8"))


_STORY, _PART, _PICTURE, _JUDGE = (_read(name) for name in ("story", "part", "picture", "judge"))
VERSIONS: Mapping[str, str] = {
    "story": _STORY["version"],
    "part": _PART["version"],
    "picture": _PICTURE["version"],
    "judge": _JUDGE["version"],
}

WRITER: str = _STORY["writer"]
FROM_SOURCE: str = _STORY["from_source"]
WITHOUT_SOURCE: str = _STORY["without_source"]
SEVERAL: str = _STORY["several"]
TOLD_BEFORE: str = _STORY["told_before"]
AVOID: str = _STORY["avoid"]
REPAIR: str = _STORY["repair"]
WORN: tuple[str, ...] = tuple(_STORY["worn"])

EDITOR: str = _PART["editor"]
HOOK_TASK: str = _PART["hook_task"]
CAPTION_TASK: str = _PART["caption_task"]
HASHTAGS_TASK: str = _PART["hashtags_task"]
SCENE_TASK: str = _PART["scene_task"]
WORDS: str = _PART["words"]
CLAIM_RULE: str = _PART["claim_rule"]

PICTURE: str = _PICTURE["picture"]
USUAL_LOOK: str = _PICTURE["usual_look"]
OWN_LOOK: str = _PICTURE["own_look"]
CHARACTERS: str = _PICTURE["characters"]
OTHER_TAKE: str = _PICTURE["other_take"]
BETTER: str = _PICTURE["better"]
SHOTS: tuple[str, ...] = tuple(_PICTURE["shots"])
STYLES: Mapping[str, str] = _PICTURE["styles"]

JUDGE: str = _JUDGE["judge"]

_TEXT: Mapping[str, Any] = {"type": "string"}
_SCORE: Mapping[str, Any] = {"type": "integer"}


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a strict object: every property required, no other allowed (the subset that strict mode takes)."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_BEAT = _object(narration=_TEXT, visual=_TEXT, claim={"type": ["string", "null"]})
_STORY_SHAPE = _object(
    title=_TEXT,
    hook=_TEXT,
    synopsis=_TEXT,
    arc=_list_of(_TEXT),
    beats=_list_of(_BEAT),
    look=_object(palette=_TEXT, medium=_TEXT, characters=_TEXT),
    caption=_TEXT,
    hashtags=_list_of(_TEXT),
)
_STORIES = _object(stories=_list_of(_STORY_SHAPE))
_JUDGEMENT = _object(relevance=_SCORE, quality=_SCORE, consistency=_SCORE, safety=_SCORE, reasons=_list_of(_TEXT))


def _format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


STORIES_FORMAT = _format("stories", _STORIES)
TEXT_FORMAT = _format("part", _object(text=_TEXT, claim={"type": ["string", "null"]}))
HASHTAGS_FORMAT = _format("hashtags", _object(hashtags=_list_of(_TEXT)))
JUDGEMENT_FORMAT = _format("judgement", _JUDGEMENT)
