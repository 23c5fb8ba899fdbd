"""What the migration seeds is what the code knows: two lists of models would drift apart."""

from sqlalchemy import text

from reelwright.ground.postgres import Database
from reelwright.providers import MODELS, Lane


async def test_the_seeded_models_are_the_catalogues(db: Database) -> None:
    columns = (
        "provider, model, craft, interactive_places, batch_places, prompt_token_nano_usd,"
        " completion_token_nano_usd, image_nano_usd, character_nano_usd, audio_second_nano_usd"
    )
    async with db.begin() as tx:
        seeded = {tuple(row) for row in await tx.execute(text(f"SELECT {columns} FROM provider_models"))}  # noqa: S608
    known = {
        (
            model.provider,
            model.name,
            craft.value,
            model.lanes[Lane.INTERACTIVE],
            model.lanes[Lane.BATCH],
            model.price.prompt_token,
            model.price.completion_token,
            model.price.image,
            model.price.character,
            model.price.audio_second,
        )
        for model in MODELS
        for craft in model.crafts
    }
    assert seeded == known
