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
    come from the environment: an OAuth client's REELWRIGHT_YOUTUBE_CLIENT_ID, …_CLIENT_SECRET and …_REFRESH_TOKEN, or
    REELWRIGHT_YOUTUBE_TOKEN, an access token that lasts for an hour; the scope is youtube.upload.
    """
    settings = load()
    youtube = _channel(settings)
    log.configure(as_json=False)
    made = asyncio.run(_published(settings, youtube, GenerationId(generation), privacy, forget=forget))
    address = f"https://www.youtube.com/watch?v={made.video}"
    if as_json:
        click.echo(json.dumps({"video": made.video, "url": address, "again": made.again}))
    else:
        click.echo(f"{address}{' (it was there already)' if made.again else ''}")


def _channel(settings: Settings) -> YouTube:
    """Return the operator's channel, by what lasts where both are set. Raises TokenMissing."""
    if settings.youtube_client_id and settings.youtube_client_secret and settings.youtube_refresh_token:
        return YouTube.granted(
            client_id=settings.youtube_client_id,
            client_secret=settings.youtube_client_secret,
            refresh_token=settings.youtube_refresh_token,
            token_url=settings.youtube_token_url,
            url=settings.youtube_upload_url,
        )
    if settings.youtube_token:
        return YouTube(token=settings.youtube_token, url=settings.youtube_upload_url)
    raise TokenMissing(
        "Set it, with the client's id and secret, to an OAuth refresh token of the scope youtube.upload.",
        field="REELWRIGHT_YOUTUBE_REFRESH_TOKEN",
    )


async def _published(
    settings: Settings, youtube: YouTube, generation: GenerationId, privacy: str, *, forget: bool
) -> Published:
    db = postgres.connect(settings.database_url, name="reelwright-publish")
    try:
        if forget:
            await publishing.forget(generation, db=db)
        return await publishing.publish(
            generation,
            privacy=privacy,
            youtube=youtube,
            db=db,
            storage=storage.connect(settings.storage_url),
            seal=Seal(settings.secret_key, previous=settings.secret_key_previous),
        )
    finally:
        await db.close()
