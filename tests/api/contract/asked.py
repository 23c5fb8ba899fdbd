"""What each operation is asked so that it is taken: by whom, of what, with which body; and what can't be taken here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from litestar import Litestar

from reelwright import ledger
from reelwright.generations import DeadLetters, Generations, GenerationState, Stage, Unit
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.api.callers import PASSWORD, Callers, a_browser
from tests.api.reels import MEDIA_TYPES, a_finished_reel
from tests.api.security.objects import MUSIC, objects
from tests.builders import a_written_draft, started
from tests.security import matrix

NEW_PASSWORD = "nine quiet cats purr at noon"
BROWSERS = ("PATCH /v1/me", "POST /v1/auth/logout", "POST /v1/account/delete", "POST /v1/auth/step-up")
"""What no key may ask for. Each has a browser of its own, for it may end the session or give it another token."""
LAST = ("POST /v1/admin/users/{user_id}/delete", "POST /v1/account/delete")
"""What ends that by which the others are asked."""
_TEXT = "Cats purr by moving their larynx. They do it when they are calm."

Bodies = Mapping[str, Any]
Ids = Mapping[str, str]

UNTAKEN: dict[str, str] = {
    "GET /v1/voices/previews/{preview_id}/audio": "a worker speaks it",
    "HEAD /v1/voices/previews/{preview_id}/audio": "a worker speaks it",
    "GET /v1/music/{track_id}/preview": "a worker makes it",
    "GET /v1/music/{track_id}/preview/audio": "a worker makes it",
    "HEAD /v1/music/{track_id}/preview/audio": "a worker makes it",
    "POST /v1/auth/password-reset/confirm": "its token comes by letter",
    "POST /v1/auth/verify": "its token comes by letter",
    "POST /v1/account/restore": "nobody is leaving who has signed in since",
    "POST /webhooks/stripe": "Stripe signs it",
    "POST /v1/admin/stripe-events/{event}/replay": "Stripe has told nothing",
    "POST /v1/payments/cancel": "nobody has paid for a plan",
    "POST /v1/payments/change-plan": "nobody has paid for a plan",
    "POST /v1/payments/resume": "nobody has paid for a plan",
}
"""Operations that nothing takes here, and why: the tests beside them ask for each."""


def turn(operation: Any) -> int:
    """Return when to ask for it: first what only reads, last what deletes."""
    method = operation.method.upper()
    if operation.label in LAST:
        return 4
    if method == "DELETE":
        return 3
    if operation.path.endswith("/cancel") or operation.label == "GET /v1/account/export":
        return 2
    return 0 if method in {"GET", "HEAD"} else 1


def role(label: str) -> str:
    """Return who may ask for an operation."""
    return label if label in BROWSERS else "admin" if " /v1/admin/" in label else "user"


async def roles(callers: Callers, app: Litestar) -> Mapping[str, Mapping[str, str]]:
    """Return the headers of each who asks."""
    owners = dict.fromkeys(BROWSERS, callers.user_account) | {"PATCH /v1/me": callers.other_account}
    browsers = {label: (await a_browser(app, callers.db, owner)).headers for label, owner in owners.items()}
    return {"user": callers.user, "admin": callers.admin, "nobody": {}, **browsers}


def bodies(callers: Callers, ids: Ids) -> Bodies:
    """Return a body by operation where the contract has no example, or another must be named than it names."""
    emails = {"user": callers.user_account.email, "other": callers.other_account.email}
    routes = {name.replace(":uuid", "").replace(":int", ""): body for name, body in matrix.BODIES.items()}
    return routes | {
        "POST /v1/account/delete": {"confirm_email": emails["user"], "password": PASSWORD},
        "POST /v1/admin/users/{user_id}/delete": {"confirm_email": emails["other"], "reason": "They asked."},
        "POST /v1/auth/login": {"email": emails["user"], "password": PASSWORD},
        "POST /v1/auth/step-up": {"password": PASSWORD},
        "PATCH /v1/me": {"current_password": PASSWORD, "password": NEW_PASSWORD},
        "POST /v1/ingestions": {"text": _TEXT},
        "PATCH /v1/library/assets/{asset_id}": {"title": "Another"},
        "POST /v1/music": {"media_id": ids["sound_id"], "title": "Theirs", **MUSIC},
        "POST /v1/regenerate": {"draft_id": ids["written_id"], "part": "hook"},
        "PATCH /v1/webhooks/{webhook_id}": {"description": "Another"},
        "POST /v1/drafts/{draft_id}/pipeline/resume": {},
    }


async def things(
    client: httpx.AsyncClient, callers: Callers, db: Database, app: Litestar, redis: Any, folder: Path
) -> Ids:
    """Make what the matrix asks for, and what it can't: a finished reel, links to it, a failed one, a boost."""

    async def made(method: str, path: str, who: Mapping[str, str], **body: object) -> dict[str, Any]:
        answer = await client.request(method, path, json=body or None, headers={"Idempotency-Key": uuid4().hex, **who})
        assert answer.status_code in {200, 201, 202}, (path, answer.text)
        return answer.json()

    ids, user, other = await objects(client, callers, db), callers.user_account.id, callers.other_account.id
    reel = await a_finished_reel(db, app.state.storage, folder, user, kinds=tuple(MEDIA_TYPES))
    path = f"/v1/generations/{reel['generation_id']}"
    link = await made("GET", f"{path}/video/url", callers.user)
    asset = await made("POST", "/v1/library/assets", callers.user, generation_id=str(reel["generation_id"]))
    for boosted in (user, other):
        await made("POST", f"/v1/admin/users/{boosted}/boosts", callers.admin, days=7)
    boost = (await made("GET", f"/v1/admin/users/{other}", callers.admin))["boosts"][0]["id"]
    begun = (await made("POST", "/v1/create", callers.user, topic="Why do cows moo?"))["generation_id"]
    async with db.begin() as tx:
        await ledger.capture(tx, generation=GenerationId(UUID(begun)), micro=1_000_000)
    failed = list[dict[str, str]]()
    for topic in ("Why do dogs bark?", "Why do birds sing?", "Why do fish swim?"):
        failed.append(order := await made("POST", "/v1/create", callers.user, topic=topic))
        letter = await a_dead_letter(db, GenerationId(UUID(order["generation_id"])))
        await redis.flushdb()
    return ids | {
        "reel_id": str(reel["generation_id"]),
        "reel_draft_id": str(reel["draft_id"]),
        "reel_variant_id": str(reel["variant_id"]),
        "written_id": str((await a_written_draft(db, user)).draft),
        "token": link["url"].rpartition("/")[2],
        "ticket": (await made("POST", f"{path}/events/ticket", callers.user))["url"].rpartition("/")[2],
        "reel_asset_id": asset["id"],
        "boost_id": boost,
        "begun_id": begun,
        "failed_id": failed[0]["generation_id"],
        "failed_draft_id": failed[1]["draft_id"],
        "letter": letter,
        "user_id": str(other),
    }


async def a_dead_letter(db: Database, generation: GenerationId) -> str:
    """End a generation by a bug, and return the id of the letter about it."""
    unit = Unit(stage=Stage.INGESTION)
    async with db.begin() as tx:
        await started(tx, generation)
        await Generations(session=tx).finish(
            generation, GenerationState.FAILED, failure_code="stage.bug", failure_sentence="It broke.", units_back=True
        )
        letters = DeadLetters(session=tx)
        await letters.add(
            generation_id=generation,
            run_id=unit.run_id(generation),
            unit=unit,
            reason="bug",
            code="stage.bug",
            attempts=5,
        )
        (letter,) = await letters.list(1)
    return str(letter.id)


def instead(ids: Ids) -> Mapping[str, Ids]:
    """Return by operation what it names otherwise: what is read is finished, what goes on again has failed."""
    reel = {"generation_id": ids["reel_id"]}
    files = {f"{method} /v1/generations/{{generation_id}}{rest}": reel for method in ("GET", "HEAD") for rest in FILES}
    return files | {
        "GET /v1/generations/{generation_id}/events/{ticket}": reel,
        "POST /v1/generations/{generation_id}/resume": {"generation_id": ids["failed_id"]},
        "DELETE /v1/drafts/{draft_id}": {"draft_id": ids["written_id"]},
        "GET /v1/library/assets/{asset_id}/url": {"asset_id": ids["reel_asset_id"]},
        "POST /v1/generations/{generation_id}/cancel": {"generation_id": ids["begun_id"]},
        "POST /v1/admin/generations/{generation_id}/refund": {"generation_id": ids["begun_id"]},
        "POST /v1/drafts/{draft_id}/ingestion/retry": {"draft_id": ids["failed_draft_id"]},
        "POST /v1/drafts/{draft_id}/pipeline/{stage}/start": {"draft_id": ids["reel_draft_id"]},
        "POST /v1/variants/{variant_id}/scenes/{position}/regenerate": {"variant_id": ids["reel_variant_id"]},
    }


FILES = (
    "/captions.srt",
    "/captions.vtt",
    "/inspection.png",
    "/manifest.json",
    "/thumbnail",
    "/thumbnail/wide",
    "/thumbnails/{rank}",
    "/video",
    "/video/url",
    "/events",
)
