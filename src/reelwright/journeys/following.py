"""Let a browser follow a generation by a ticket: asked for with a key or session, shown once in a stream's address."""

from datetime import datetime

from reelwright.accounts import Caller, Sessions, Tickets
from reelwright.generations import Generations
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys.reading import GONE


class TicketRefused(Refusal):
    """A ticket is used, over, unknown or another generation's: which of them isn't told."""

    kind = Kind.UNAUTHENTICATED
    code = "events.ticket_refused"


async def ticket(caller: Caller, generation: GenerationId, *, db: Database) -> tuple[str, datetime]:
    """Return a ticket to the stream of one generation of the caller's, and until when. Raises NotFound, Outage."""
    async with db.begin() as tx:
        if await Generations(session=tx).get(caller.account.id, generation) is None:
            raise NotFound(GONE)
        return await Tickets(tx).issue(caller, generation)


async def admitted(token: str, generation: GenerationId, *, db: Database) -> Caller:
    """Use a ticket up, and return who asked for it, unless its key or session is over. Raises TicketRefused, Outage."""
    async with db.begin() as tx:
        caller = await Tickets(tx).spend(token, generation)
    if caller is not None:
        async with db.single() as tx:
            if await Sessions(tx).still_valid(caller):
                return caller
    raise TicketRefused("This ticket is used or over: ask for a new one.")
