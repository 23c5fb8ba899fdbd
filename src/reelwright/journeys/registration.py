"""Sign up, prove the address, and choose a new password: by letters, and without telling strangers who is known."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import notices
from reelwright.accounts import (
    Account,
    Accounts,
    EmailTaken,
    Passwords,
    Proof,
    Proofs,
    Purpose,
    Sessions,
    SignIns,
    address_of,
)
from reelwright.admission import Gate
from reelwright.ground import log
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import Seal
from reelwright.journeys import allowances, attempts
from reelwright.notices import Kind

_log = log.logger("journeys.registration")


class TokenInvalid(Refusal):
    """A letter's token is unknown, over or used: which of them isn't told."""

    code = "auth.token_invalid"


async def register(
    *, email: str, password: str, client: str, passwords: Passwords, gate: Gate, db: Database, now: datetime
) -> None:
    """Send a letter to the address: one that opens the account, or one that says that there is one.

    The answer, and about the work, is the same for both. A sign-up's password waits in its letter's proof, so that
    whoever follows the letter opens the account with the password of that very sign-up.
    Raises EmailInvalid, PasswordRefused, TooManyAttempts, Outage.
    """
    address = address_of(email)
    await attempts.count(gate, attempts.SIGN_UP_CLIENT, client, now=now)
    await attempts.count(gate, attempts.LETTERS_ACCOUNT, address.lower(), now=now)
    known = await passwords.hashed(password, email=address)
    async with db.begin() as tx:
        sign_in = await SignIns(tx).by_email(address)
        if sign_in is not None and sign_in.email_verified_at is not None:
            await _tell(tx, sign_in.account.id, Kind.ADDRESS_KNOWN)
            return
        account = sign_in.account if sign_in is not None else await _opened(tx, address)
        proof = await Proofs(tx).open(account.id, Purpose.VERIFY, password_hash=known)
        await _tell(tx, account.id, Kind.VERIFY_ADDRESS, proof)
    _log.info("registration.asked", account_id=str(account.id))


async def verify(token: str, *, client: str, seal: Seal, gate: Gate, db: Database, now: datetime) -> Account:
    """Open the account whose letter this token came in, give it its month's credits, and return it.

    Raises TokenInvalid, TooManyAttempts, Outage.
    """
    proof = await _proof(token, Kind.VERIFY_ADDRESS, client=client, seal=seal, gate=gate, now=now)
    async with db.begin() as tx:
        proven = await Proofs(tx).spend(proof, Purpose.VERIFY)
        if proven is None or proven.password_hash is None:
            raise _invalid()
        await allowances.give(tx, proven.account_id, now=now, proven=True)  # credits are locked before their account
        if not await SignIns(tx).verified(proven.account_id, password_hash=proven.password_hash):
            raise _invalid()
        account = await Accounts(session=tx).locked(proven.account_id)
    _log.info("registration.verified", account_id=str(account.id))
    return account


async def ask_reset(*, email: str, client: str, gate: Gate, db: Database, now: datetime) -> None:
    """Send a letter by which its reader can choose a new password; to an unknown address nothing, and nobody is told.

    Raises EmailInvalid, TooManyAttempts, Outage.
    """
    address = address_of(email)
    await attempts.count(gate, attempts.RESET_CLIENT, client, now=now)
    await attempts.count(gate, attempts.LETTERS_ACCOUNT, address.lower(), now=now)
    async with db.begin() as tx:
        sign_in = await SignIns(tx).by_email(address)
        if sign_in is None or not sign_in.let_in:
            return
        proof = await Proofs(tx).open(sign_in.account.id, Purpose.RESET)
        await _tell(tx, sign_in.account.id, Kind.PASSWORD_RESET, proof)
    _log.info("registration.reset_asked", account_id=str(sign_in.account.id))


async def reset(
    token: str,
    password: str,
    *,
    client: str,
    passwords: Passwords,
    seal: Seal,
    gate: Gate,
    db: Database,
    now: datetime,
) -> None:
    """Give the account a new password by a letter's token; every session and every other letter ends.

    Raises TokenInvalid, PasswordRefused, TooManyAttempts, Outage.
    """
    proof = await _proof(token, Kind.PASSWORD_RESET, client=client, seal=seal, gate=gate, now=now)
    async with db.begin() as tx:
        seen = await Proofs(tx).seen(proof, Purpose.RESET)
    if seen is None:
        raise _invalid()
    known = await passwords.hashed(password, email=seen.email)
    async with db.begin() as tx:
        proven = await Proofs(tx).spend(proof, Purpose.RESET)
        if proven is None:
            raise _invalid()
        await SignIns(tx).set_password(proven.account_id, known)
        await Sessions(tx).end_all(proven.account_id)
        await _tell(tx, proven.account_id, Kind.PASSWORD_CHANGED)
    _log.info("registration.password_reset", account_id=str(proven.account_id))


async def _opened(tx: AsyncConnection, address: str) -> Account:
    """Return the account of an address that had none when we looked."""
    accounts = Accounts(session=tx)
    try:
        return await accounts.create(email=address, verified=False)
    except EmailTaken:  # by who signed up at the same moment
        account = await accounts.by_email(address)
        if account is None:
            raise
        return account


async def _proof(token: str, kind: Kind, *, client: str, seal: Seal, gate: Gate, now: datetime) -> UUID:
    await attempts.count(gate, attempts.PROOF_CLIENT, client, now=now)
    proof = notices.proof_in(token, kind, seal, now=now)
    if proof is None:
        raise _invalid()
    return proof


async def _tell(tx: AsyncConnection, account_id: AccountId, kind: Kind, proof: Proof | None = None) -> None:
    facts = {} if proof is None else {"proof": str(proof.id), "until": proof.until.isoformat()}
    await notices.tell(tx, account_id=account_id, kind=kind, key=str(proof.id if proof else fresh()), facts=facts)


def _invalid() -> TokenInvalid:
    return TokenInvalid("This token is unknown, used or too old: ask for a new letter.", field="token")
