"""`reelwright publish`: put a finished reel on the operator's YouTube channel, once."""

import asyncio
import json
from uuid import UUID

import rich_click as click

from reelwright.ground import log, postgres, storage
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.sealing import Seal
from reelwright.journeys import publishing
from reelwright.journeys.publishing import Published
from reelwright.providers import PRIVACIES, YouTube
from reelwright.settings import Settings, load


class TokenMissing(Refusal):
    code = "cli.token_missing"


@click.command()
@click.argument("generation", type=click.UUID)
@click.option("--privacy", type=click.Choice(PRIVACIES), default="private", show_default=True)
@click.option("--forget", is_flag=True, help="Upload anew what may be there or not; look at the channel first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def publish(generation: UUID, privacy: str, forget: bool, as_json: bool) -> None:  # noqa: FBT001 - flags
    """Put a finished reel on the operator's YouTube channel, once.

    The video is marked as made by machines. Run again, it goes on where it stopped, and sends nothing twice. Settings
    come from the environment; REELWRIGHT_YOUTUBE_TOKEN is an OAuth access token with the scope youtube.upload.
    """
    settings = load()
    if not settings.youtube_token:
        raise TokenMissing(
            "Set it to an OAuth access token with the scope youtube.upload.", field="REELWRIGHT_YOUTUBE_TOKEN"
        )
    log.configure(as_json=False)
    made = asyncio.run(_published(settings, settings.youtube_token, GenerationId(generation), privacy, forget=forget))
    address = f"https://www.youtube.com/watch?v={made.video}"
    if as_json:
        click.echo(json.dumps({"video": made.video, "url": address, "again": made.again}))
    else:
        click.echo(f"{address}{' (it was there already)' if made.again else ''}")


async def _published(
    settings: Settings, token: str, generation: GenerationId, privacy: str, *, forget: bool
) -> Published:
    db = postgres.connect(settings.database_url, name="reelwright-publish")
    try:
        if forget:
            await publishing.forget(generation, db=db)
        return await publishing.publish(
            generation,
            privacy=privacy,
            youtube=YouTube(token=token, url=settings.youtube_upload_url),
            db=db,
            storage=storage.connect(settings.storage_url),
            seal=Seal(settings.secret_key, previous=settings.secret_key_previous),
        )
    finally:
        await db.close()
