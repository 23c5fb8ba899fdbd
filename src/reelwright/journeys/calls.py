"""Writes down the paid calls of one claim, each in a transaction of its own: before it is made, and as it ended."""

from collections.abc import Sequence
from uuid import UUID

from reelwright.generations import Claim, Runs
from reelwright.ground import ids, log, telemetry
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId
from reelwright.ground.metering import Use
from reelwright.ground.postgres import Database
from reelwright.providers import PaidCall, PaidCalls

_log = log.logger("journeys.calls")


class Calls:
    """A `providers.CallJournal` for the work of one claim. `lost`: what was charged for calls that were cut off."""

    def __init__(self, db: Database, claim: Claim, account: AccountId) -> None:
        self._db = db
        self._claim = claim
        self._account = account
        self._made = 0
        self.lost = list[Use]()
        self._keys: dict[UUID, str] = {}

    async def begin(self, *, provider: str, model: str, craft: str, request_hash: str) -> UUID:
        """Write the intent down, and count it where an earlier claim paid for the same call in vain.

        Raises Outage where that can't be done, or the run is another's by now: nobody may pay for it then.
        """
        claim = self._claim
        call = PaidCall(
            id=ids.fresh(),
            account_id=self._account,
            generation_id=claim.generation_id,
            run_id=claim.run_id,
            fence=claim.fence,
            call_no=self._made,
            provider=provider,
            model=model,
            craft=craft,
            request_hash=request_hash,
        )
        self._made += 1
        async with self._db.single() as tx:
            run = await Runs(session=tx).get(claim.run_id)
            if run is None or run.fence != claim.fence:
                raise Outage("This work is somebody else's by now.", code="stage.lost")
            intent = await PaidCalls(session=tx).intend(call)
        if intent.repeats:
            telemetry.PROVIDER_REPEATS.labels(provider, model).inc()
            _log.warning("provider.call_repeated", provider=provider, model=model, craft=craft)
        self._keys[call.id] = ids.derived("call", claim.run_id, request_hash, intent.failed).hex
        return call.id

    def key(self, call: UUID) -> str:
        """Return a key that a call shares with its lost forerunners, and with none that failed."""
        return self._keys[call]

    async def end(self, call: UUID, state: str, *, external_id: str | None = None) -> None:
        """Write down how the call ended. Raises Outage."""
        async with self._db.single() as tx:
            await PaidCalls(session=tx).end(call, state, external_id=external_id)

    def cut(self, uses: Sequence[Use]) -> None:
        """Remember what was charged for work that was cut off; whoever records how the claim ended writes it."""
        self.lost += uses
