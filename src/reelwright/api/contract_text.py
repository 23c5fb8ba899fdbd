"""What the contract says in words: what the API is, its tags, headers, ways to sign in, and bodies that run."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from reelwright.api.caller import SESSION_COOKIE

ABOUT = """\
Give a topic, an article or a web page; get a polished, captioned, narrated short video, its caption and hashtags.

**Signing in.** Send an API key as `Authorization: Bearer rw_…`. What belongs to another account answers as if it were
not there.

**Repeating.** Every POST takes an `Idempotency-Key`, any new text of up to 200 characters. The same key with the same
body does nothing again: the answer tells what the first one made, as it is now, with `Idempotency-Replayed: true`. With
another body it is refused.

**Lists** come in pages: send `next_cursor` as `cursor`, with the same filters, for the next one, until it is null.
What can't grow long comes whole: a story's scenes (at most 100), the providers with their models, a report's lines for
the days that are asked for.

**Editing.** What has an `ETag` can be changed with `If-Match`: 412 where somebody changed it first.

**Errors** are problem documents (RFC 9457): `code` says what happened to your program, `detail` to you, `field` what
to mend; `type` leads to a page about it. Unknown fields, unknown query parameters and doubled ones are refused.

**Waiting.** 429 and 503 say in `Retry-After` how many seconds to wait. `RateLimit` tells what is left before.
"""

TAGS: Mapping[str, str] = {
    "core": "Make reels: order, follow, pause, resume, cancel, regenerate, and fetch the files.",
    "pipeline": "See where a draft stands, do one stage of it, and look at single runs.",
    "ingestion": "Turn a page, a feed, a video or a text into a draft's source, and look at it first.",
    "account": "Your account, its keys, sessions and preferences.",
    "drafts": "What you work on: a topic or a source, and how its reel shall be.",
    "brand kits": "How your reels look: fonts, colours, logo, intro and outro.",
    "stories": "What was written: variants and their scenes, to edit and to make anew.",
    "library": "What you keep: variants, videos, uploads.",
    "media": "Files that you upload, and links to them.",
    "voices": "Who may read your reels.",
    "music": "What may play below the voice.",
    "credits": "What you have, what is held, and every line of your account.",
    "payments": "Buy credits, plans and boosts.",
    "usage": "What was used, and what the month will come to.",
    "schedules": "Reels that make themselves at their times.",
    "webhooks": "Your events, sent to you and signed by Standard Webhooks.",
    "providers": "Who does the work, and how they do.",
    "operations": "For machines that watch this one.",
    "admin": "For administrators only.",
}

SECURITY: Mapping[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, `rw_live_…` or `rw_test_…`, with the scope that stands here; `*` holds all.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "What logging in sets."},
    "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token", "description": "A session's `csrf_token`."},
}


def _header(description: str, schema: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    return {"description": description, "schema": schema or {"type": "string"}}


HEADERS: Mapping[str, Any] = {
    "X-Request-Id": _header("This request's id: yours, where it was a plain token of 8 to 64 characters."),
    "Location": _header("Where the thing is.", {"type": "string", "format": "uri-reference"}),
    "ETag": _header("The version that this is."),
    "Accept-Ranges": _header("`bytes`: parts may be asked for."),
    "Content-Range": _header("Which bytes these are, of how many."),
    "Idempotency-Replayed": _header("`true` where the key was known and nothing was done again."),
    "RateLimit": _header("What is left of each limit, and when more comes (draft-ietf-httpapi-ratelimit-headers)."),
    "RateLimit-Policy": _header("The limits themselves."),
    "Retry-After": _header("Seconds to wait before asking again.", {"type": "integer", "minimum": 1}),
    "Set-Cookie": _header("The session's token, which browsers keep out of scripts' reach."),
    "WWW-Authenticate": _header("How to sign in."),
}

_TEXT = {"required": False, "schema": {"type": "string"}}
CONDITIONS: Mapping[str, Any] = {
    "Range": {**_TEXT, "description": "Which bytes to send, such as `bytes=0-1023`: 206, or 416 where there are none."},
    "If-Range": {**_TEXT, "description": "The ETag of the file that `Range` is meant for; another one is sent whole."},
    "If-None-Match": {**_TEXT, "description": "The ETag of what you have: 304 where nothing is newer."},
}

_BINARY = {"type": "string", "format": "binary"}
UPLOAD: Mapping[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}},
        "application/octet-stream": {"schema": _BINARY},
    },
}

_TOPIC = {"topic": "Why do cats purr?", "duration_s": 30}

_SOME = "0193f5d0-7a3c-7b1e-9a54-5d2f8c1b6e07"
_BY_LETTER = "what-the-link-in-the-letter-ends-with"
_PERSON = {"email": "you@example.com", "password": "nine quiet cats purr at noon"}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "create": {
        "topic": _TOPIC,
        "article": {"text": "Cats purr by moving their larynx. They do it when they are calm.", "tone": "curious"},
        "script_only": {**_TOPIC, "kind": "script", "platform": "shorts"},
    },
    "calculate_cost": {"thirty_seconds": {"kind": "video", "duration_s": 30}},
    "resume": {"as_it_was": {}},
    "add_draft": {"topic": {"topic": "Why do cats purr?", "tone": "curious"}},
    "change_draft": {"shorter": {"duration_s": 20}},
    "save_asset": {"text": {"title": "An idea", "text": "Cats purr when they are calm.", "tags": ["cats"]}},
    "create_voice": {"slower": {"name": "Calm", "speed": 0.9}},
    "add_brand_kit": {
        "colours": {"name": "House style", "font": "inter", "highlight_colour": "#7CFFCB", "box_colour": "#123A5A"},
        "with_a_title": {"name": "Series", "intro": {"text": "Cats, daily"}},
    },
    "change_brand_kit": {"quieter": {"highlight_colour": "#FFFFFF", "outro": None}},
    "create_schedule": {
        "daily": {
            "name": "Daily fact",
            "cron": "0 9 * * *",
            "timezone": "Europe/Berlin",
            "source": {"kind": "template", "template": "Fact of {date}"},
        }
    },
    "change_schedule": {"later": {"cron": "0 18 * * *"}},
    "add_webhook": {"all_events": {"url": "https://example.com/reels"}},
    "change_webhook": {"off": {"enabled": False}},
    "change_preferences": {"no_mail": {"preferences": {"low_balance": {"mail": False}}}},
    "add_key": {"reads_only": {"name": "dashboard", "scopes": ["generations:read"]}},
    "register": {"you": _PERSON},
    "log_in": {"you": _PERSON},
    "ask_password_reset": {"you": {"email": "you@example.com"}},
    "buy_credits": {"starter": {"pack": "starter"}},
    "subscribe": {"standard": {"plan": "standard"}},
    "buy_boost": {"boost": {}},
    "set_plan": {"standard": {"plan": "standard"}},
    "grant_boost": {"a_week": {"days": 7}},
    "set_demo": {"on": {"demo": True}},
    "switch_provider": {"off": {"enabled": False}},
    "switch_model": {"off": {"enabled": False}},
    "refund_generation": {"a_part": {"credits": 0.5, "reason": "The second scene was late"}},
    "correct_credits": {"gift": {"credits": 10, "reason": "An apology"}},
    "ingest": {
        "page": {"url": "https://example.com/why-cats-purr"},
        "text": {"text": "Cats purr by moving their larynx. They do it when they are calm.", "duration_s": 20},
    },
    "regenerate": {
        "hook": {"draft_id": _SOME, "part": "hook"},
        "one_scenes_picture": {"draft_id": _SOME, "part": "scene_picture", "scene": 0},
    },
    "regenerate_variant": {"hook": {"part": "hook"}},
    "regenerate_scene": {"picture": {"part": "picture"}},
    "change_variant": {"title": {"title": "Why cats purr", "hashtags": ["cats", "science"]}},
    "change_scene": {"words": {"narration": "A cat's larynx opens and shuts thirty times a second."}},
    "reorder_scenes": {"swapped": {"order": [1, 0]}},
    "resume_pipeline": {"look_at_the_story": {"pause_after": "STORY_WRITING"}},
    "change_asset": {"tags": {"title": "Cats, the first", "tags": ["cats", "posted"]}},
    "add_music": {
        "yours": {"media_id": _SOME, "title": "Slow river", "mood": "calm", "genre": "ambient", "licence": "own"}
    },
    "change_voice": {"faster": {"speed": 1.1}},
    "preview_voice": {"a_sentence": {"text": "Cats purr when they are calm."}},
    "change_plan": {"pro": {"plan": "pro"}},
    "verify_address": {"by_letter": {"token": _BY_LETTER}},
    "confirm_password_reset": {"by_letter": {"token": _BY_LETTER, "password": "ten calm cats purr at dawn"}},
    "step_up": {"you": {"password": _PERSON["password"]}},
    "change_me": {"another": {"current_password": _PERSON["password"], "password": "ten calm cats purr at dawn"}},
    "delete_account": {"sure": {"confirm_email": _PERSON["email"], "password": _PERSON["password"]}},
    "delete_user": {"asked": {"confirm_email": "them@example.com", "reason": "They asked by letter."}},
    "change_action_costs": {"dearer_pictures": {"costs": {"image": 2}, "note": "From next week."}},
}
"""Bodies that run, by operation and name: the tests send each of them."""

ANSWERS: Mapping[str, Any] = json.loads((files("reelwright.api") / "contract_answers.json").read_text(encoding="utf-8"))
"""What is answered, by operation: to the first of its examples, where it has some. The tests compare each."""
