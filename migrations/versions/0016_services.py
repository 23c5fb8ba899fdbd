"""More services that write, draw, look and speak, with what their models bill."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ADDED = "'anthropic', 'gemini', 'minimax', 'ollama', 'elevenlabs'"

UPGRADE: tuple[str, ...] = (
    """
    INSERT INTO providers (name, title) VALUES
        ('anthropic', 'Anthropic'), ('gemini', 'Gemini'), ('minimax', 'MiniMax'), ('ollama', 'Ollama'),
        ('elevenlabs', 'ElevenLabs')
    """,
    """
    INSERT INTO provider_models (provider, model, craft, interactive_places, batch_places, prompt_token_nano_usd,
        completion_token_nano_usd, image_nano_usd, character_nano_usd, audio_second_nano_usd) VALUES
        ('anthropic', 'claude-haiku-4-5', 'text', 8, 2, 1000, 5000, 0, 0, 0),
        ('anthropic', 'claude-haiku-4-5', 'vision', 8, 2, 1000, 5000, 0, 0, 0),
        ('anthropic', 'claude-sonnet-5-5', 'text', 8, 2, 2000, 10000, 0, 0, 0),
        ('anthropic', 'claude-sonnet-5-5', 'vision', 8, 2, 2000, 10000, 0, 0, 0),
        ('gemini', 'gemini-3.8-flash', 'text', 8, 2, 750, 3750, 0, 0, 0),
        ('gemini', 'gemini-3.8-flash', 'vision', 8, 2, 750, 3750, 0, 0, 0),
        ('minimax', 'MiniMax-M3', 'text', 8, 2, 300, 1200, 0, 0, 0),
        ('minimax', 'MiniMax-M3', 'vision', 8, 2, 300, 1200, 0, 0, 0),
        ('ollama', 'gemma3:12b', 'text', 2, 1, 0, 0, 0, 0, 0),
        ('ollama', 'gemma3:12b', 'vision', 2, 1, 0, 0, 0, 0, 0),
        ('minimax', 'image-01', 'picture', 6, 2, 0, 0, 3500000, 0, 0),
        ('minimax', 'speech-2.8-turbo', 'speech', 4, 1, 0, 0, 0, 60000, 0),
        ('minimax', 'speech-2.8-hd', 'speech', 4, 1, 0, 0, 0, 100000, 0),
        ('elevenlabs', 'eleven_multilingual_v2', 'speech', 4, 1, 0, 0, 0, 100000, 0),
        ('elevenlabs', 'eleven_flash_v2_5', 'speech', 4, 1, 0, 0, 0, 50000, 0)
    """,
)
DOWNGRADE: tuple[str, ...] = (
    f"DELETE FROM provider_models WHERE provider IN ({_ADDED})",  # noqa: S608 - our own names
    f"DELETE FROM providers WHERE name IN ({_ADDED})",  # noqa: S608 - our own names
)


def upgrade() -> None:
    # A migration waits for a lock only briefly: a queue behind it would stop the whole service.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in UPGRADE:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in DOWNGRADE:
        op.get_bind().exec_driver_sql(statement)
