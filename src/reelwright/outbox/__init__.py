"""The outbox room: a message is promised in the transaction that makes it true, and published afterwards."""

from datetime import timedelta

from sqlalchemy import func, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from reelwright.outbox.messages import Message, StageDue, decoded, encoded
from reelwright.outbox.relay import Destination, Relay
from reelwright.outbox.tables import OutboxRow

CHANNEL = "reelwright_outbox"

__all__ = ["CHANNEL", "Destination", "Message", "Relay", "StageDue", "decoded", "encoded", "enqueue"]


async def enqueue(tx: AsyncSession, message: Message, *, delay: timedelta = timedelta(0)) -> None:
    """Promise a message with this transaction; relays hear of it at the commit and publish it once `delay` is over."""
    await tx.execute(
        insert(OutboxRow).values(
            generation_id=message.generation_id,
            run_id=message.run_id,
            body=encoded(message),
            deliver_at=func.clock_timestamp() + delay,
        )
    )
    await tx.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
