"""Send what waits: e-mails and webhooks, claimed so that many processes share the work, settled one by one."""

import asyncio
import time
from uuid import UUID

from reelwright import notices
from reelwright.accounts import Account, Accounts
from reelwright.ground import clock, log, telemetry
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import BrokenSealError, Seal

_log = log.logger("journeys.notifying")
telemetry.show(telemetry.MAILS, notices.Kind, ["given_up", "lost"])
_MAILS, _DELIVERIES = 10, 16
_SECRETS, _SHOWN = 500, 10
_ROUND_S = 20.0
"""No batch, and no e-mail of a batch, is begun after so long: other chores wait behind this one."""


async def send(*, db: Database, post: notices.Post) -> int:
    """Send what is due, webhooks first, and forget what is long over; return how many were handled.

    Safe in many processes at once. What was sent and not written down, because the process died, goes out again under
    the same id: an e-mail once more at most, a webhook until it is settled. Raises Outage.
    """
    ends, handled = time.monotonic() + _ROUND_S, 0
    for batch in (_call, _mail):
        while (done := await batch(db=db, post=post, ends=ends)) and time.monotonic() < ends:
            handled += done
        handled += done
    async with db.begin() as tx:
        await notices.forget(tx)
    return handled


async def _call(*, db: Database, post: notices.Post, ends: float) -> int:  # noqa: ARG001 - calls go side by side, 15 s at most
    """Send one batch of webhooks; return how many."""
    async with db.begin() as tx:
        parcels = await notices.claim_deliveries(tx, limit=_DELIVERIES)
    ended = await asyncio.gather(*(_call_one(parcel, db=db, post=post) for parcel in parcels), return_exceptions=True)
    for failure in ended:
        if failure is not None:
            raise failure
    return len(parcels)


async def _call_one(parcel: notices.Parcel, *, db: Database, post: notices.Post) -> None:
    try:
        receipt = await post.webhooks.call(notices.opened(parcel, post.seal))
    except BrokenSealError:
        _log.error("webhook.secret_unreadable", delivery=str(parcel.id))
        receipt = notices.Receipt(at=clock.now(), status=None, error="secret_unreadable", ms=0)
    async with db.begin() as tx:
        state = await notices.settle_delivery(tx, parcel, receipt)
    telemetry.WEBHOOKS.labels(parcel.kind.event, state or "lost").inc()
    _log.info(
        "webhook.attempted",
        delivery=str(parcel.id),
        outcome=state or "lost",
        status=receipt.status,
        error=receipt.error,
        ms=receipt.ms,
    )


async def _mail(*, db: Database, post: notices.Post, ends: float) -> int:
    """Send one batch of e-mails over one connection; return how many were claimed."""
    async with db.begin() as tx:
        mails = await notices.claim_mails(tx, limit=_MAILS)
        accounts = {mail.account_id: await Accounts(session=tx).get(mail.account_id) for mail in mails}
    if not mails:
        return 0
    async with post.opened() as send_mail:
        for mail in mails:
            account = accounts[mail.account_id]
            wanted = account is not None and (not account.demo or mail.kind in notices.LETTERS)
            if account is None or not wanted or time.monotonic() >= ends:
                async with db.begin() as tx:
                    await (notices.put_back if wanted else notices.unwanted)(tx, mail)
                continue
            verdict = await _verdict(mail, account, post, send_mail)
            async with db.begin() as tx:
                state = await notices.settle_mail(tx, mail, verdict)
            telemetry.MAILS.labels(mail.kind.value, state or "lost").inc()
            said = {"notice": str(mail.id), "kind": mail.kind.value, "outcome": state or "lost"}
            (_log.info if state == "sent" else _log.warning)("mail.handled", **said, detail=verdict.detail)
    return len(mails)


async def _verdict(
    mail: notices.Mail, account: Account, post: notices.Post, send_mail: notices.SendMail
) -> notices.Verdict:
    """Send it, unless that can't be or must not be."""
    if not post.mails:
        return notices.Verdict(notices.Outcome.REFUSED, "not_set_up")
    if mail.doubtful:
        return notices.Verdict(notices.Outcome.UNKNOWN, "sent_perhaps")
    try:
        return await send_mail(mail, account.email)
    except Exception:  # noqa: BLE001 - a letter that can't be written must not hold up the others; it is logged
        _log.exception("mail.unwritable", notice=str(mail.id), kind=mail.kind.value)
        return notices.Verdict(notices.Outcome.REFUSED, "unwritable")


async def seal_secrets(*, db: Database, seal: Seal) -> int:
    """Look through all webhooks' secrets and seal by the present key what it hasn't sealed; return how many had such.

    Each page is a transaction of its own, so a stop in the middle loses nothing. Raises Outage.
    """
    after: UUID | None = UUID(int=0)
    old, unreadable = 0, list[str]()
    while after is not None:
        async with db.begin() as tx:
            page = await notices.seal_anew(tx, seal, after=after, limit=_SECRETS)
        old, after = old + page.old, page.last
        unreadable += map(str, page.unreadable)
    telemetry.WEBHOOK_SECRETS.labels("old").set(old)
    telemetry.WEBHOOK_SECRETS.labels("unreadable").set(len(unreadable))
    if old:
        _log.info("webhook_secrets.sealed_anew", endpoints=old)
    if unreadable:
        _log.error("webhook_secrets.unreadable", endpoints=len(unreadable), first=unreadable[:_SHOWN])
    return old
