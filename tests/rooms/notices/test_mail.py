"""E-mails leave through a real server or into a folder, once, with headers that nobody can add to."""

import asyncio
import email
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from reelwright import notices
from reelwright.accounts import Account, Accounts
from reelwright.ground.errors import Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys import notifying
from reelwright.notices import Kind, Post, Reach
from reelwright.notices.letters import Links, compose
from tests.builders import an_account

REACH = Reach()


@dataclass
class Mailbox:
    """What the server took. `answers` are taken in turn, the last for ever; "hang up" closes the line behind DATA."""

    port: int = 0
    answers: list[str] = field(default_factory=lambda: ["250 OK"])
    taken: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append((envelope.mail_from or "", list(envelope.rcpt_tos), message))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "hang up":
            assert server.transport is not None
            server.transport.abort()
            return ""
        return answer


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Mailbox]:
    mailbox, servers = Mailbox(), list[SMTP]()

    def made() -> SMTP:
        servers.append(SMTP(mailbox, hostname="mail.test", **options))
        return servers[-1]

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        for one in servers:
            if one.transport is not None:
                one.transport.abort()
        await server.wait_closed()


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with serving() as made:
        yield made


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db)


def by_smtp(mailbox: Mailbox, scheme: str = "smtp", **more: Any) -> Post:
    user = more.pop("user", "")
    url = f"{scheme}://{user}127.0.0.1:{mailbox.port}"
    return Post(base_url="https://reel.example", reach=REACH, smtp_url=url, sender="Reel <hi@reel.example>", **more)


async def tell(db: Database, account: Account, key: str = "one", kind: str = "low_balance", **facts: object) -> None:
    async with db.begin() as tx:
        assert await notices.tell(tx, account_id=account.id, kind=kind, key=key, facts={"balance_micro": 7, **facts})


async def states(db: Database) -> list[tuple[str, int, str | None]]:
    query = "SELECT mail_state, mail_doubts, mail_error FROM notices ORDER BY told_at"
    async with db.begin() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def due_now(db: Database) -> None:
    change = "UPDATE notices SET mail_due_at = now(), mail_claimed_until = mail_claimed_until - interval '1 hour'"
    async with db.begin() as tx:
        await tx.execute(text(change + " WHERE mail_state = 'waiting'"))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.WEBHOOK_TEST])
def test_every_kind_has_words_with_facts_and_without(kind: Kind) -> None:
    nasty = "<b>&\r\nBcc: x@example.com"
    names = ("plan", "before", "name", "reason", "detail", "host", "url", "period", "draft_id", "period_ends_at")
    for facts in ({}, dict.fromkeys(names, nasty) | {"amount_cents": 595, "currency": "usd", "credits_micro": 1}):
        letter = compose(kind, facts, Links("https://reel.example/"))
        assert letter.subject
        assert "\n" not in letter.subject
        assert "<b>" not in letter.html
        assert ("https://reel.example/settings/notifications" in letter.text) == (kind not in notices.LETTERS)
        assert letter.html.count("<html") == 1
        assert len(letter.text.splitlines()) > 5
        assert "{{" not in letter.text + letter.html


async def test_a_letter_arrives_whole_once(
    db: Database, account: Account, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    await tell(db, account, kind="plan_changed", plan="pro\r\nBcc: thief@example.com")
    with caplog.at_level(logging.DEBUG):
        assert await notifying.send(db=db, post=by_smtp(mailbox)) == 1
    ((sender, to, message),) = mailbox.taken
    assert (sender, to) == ("hi@reel.example", [account.email])
    assert (str(message["From"]), str(message["To"])) == ("Reel <hi@reel.example>", account.email)
    assert str(message["Subject"]) == "Your plan is now Pro Bcc: Thief@example.com"
    assert message["Bcc"] is None
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] == "<https://reel.example/settings/notifications>"
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert "https://reel.example/plans" in plain.get_content()
    assert "https://reel.example/plans" in rich.get_content()
    assert await states(db) == [("sent", 0, None)]
    assert await notifying.send(db=db, post=by_smtp(mailbox)) == 0
    ours = "\n".join(str(record.msg) for record in caplog.records if record.name != "mail.log")  # the server's own
    assert "mail.handled" in ours
    assert account.email not in ours
    assert "thief" not in ours


async def test_an_address_that_no_letter_reaches_holds_up_nobody(
    db: Database, account: Account, mailbox: Mailbox
) -> None:
    """One from before it was refused at sign-up."""
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET email = 'a..b@example.com'"))
        other = await Accounts(session=tx).create(email="other@example.com")
    await tell(db, account)
    await tell(db, other)
    await notifying.send(db=db, post=by_smtp(mailbox))
    assert [to for _, to, _ in mailbox.taken] == [["other@example.com"]]
    assert await states(db) == [("given_up", 0, "address"), ("sent", 0, None)]


async def test_without_a_server_it_lands_in_the_folder(db: Database, account: Account, tmp_path: Path) -> None:
    for key in ("one", "two"):
        await tell(db, account, key)
    post = Post(base_url="https://reel.example", reach=REACH, folder=str(tmp_path / "mail"))
    assert await notifying.send(db=db, post=post) == 2
    files = sorted((tmp_path / "mail").iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    message = email.message_from_bytes(files[0].read_bytes(), policy=default)
    assert (message["To"], message["Subject"]) == (account.email, "Your credits are running low")
    assert files[0].name.startswith(f"{datetime.now(UTC):%Y%m%dT}")


async def test_many_workers_send_each_letter_once(db: Database, account: Account, mailbox: Mailbox) -> None:
    for n in range(15):
        await tell(db, account, str(n))
    await asyncio.gather(*(notifying.send(db=db, post=by_smtp(mailbox)) for _ in range(3)))
    names = [message["Message-ID"] for *_, message in mailbox.taken]
    assert len(names) == len(set(names)) == 15


@pytest.mark.parametrize(
    ("answer", "state"), [("550 No such user", "given_up"), ("451 Not now", "waiting"), ("250 OK", "sent")]
)
async def test_a_servers_no_is_final_or_for_now(
    db: Database, account: Account, mailbox: Mailbox, answer: str, state: str
) -> None:
    mailbox.answers = [answer, "250 OK"]
    await tell(db, account)
    await notifying.send(db=db, post=by_smtp(mailbox))
    assert [found[:2] for found in await states(db)] == [(state, 0)]
    await notifying.send(db=db, post=by_smtp(mailbox))  # its time has not come
    assert len(mailbox.taken) == 1
    await due_now(db)
    await notifying.send(db=db, post=by_smtp(mailbox))
    assert len(mailbox.taken) == (2 if state == "waiting" else 1)


async def test_a_letter_of_unknown_fate_goes_out_once_more_under_its_own_name(
    db: Database, account: Account, mailbox: Mailbox
) -> None:
    mailbox.answers = ["hang up"]
    await tell(db, account)
    for _ in range(4):
        await notifying.send(db=db, post=by_smtp(mailbox))
        await due_now(db)
    assert [found[:2] for found in await states(db)] == [("given_up", 2)]
    assert len(mailbox.taken) == 2
    assert len({message["Message-ID"] for *_, message in mailbox.taken}) == 1


async def test_a_process_that_died_while_sending_costs_one_repeat_at_most(
    db: Database, account: Account, mailbox: Mailbox
) -> None:
    """Perhaps it had sent it: a claim that lapses is a doubt, and after two there is no third try."""
    await tell(db, account)
    for _ in range(2):
        async with db.begin() as tx:
            assert len(await notices.claim_mails(tx, limit=5)) == 1
            assert await notices.claim_mails(tx, limit=5) == []
        await due_now(db)
    await notifying.send(db=db, post=by_smtp(mailbox))
    assert await states(db) == [("given_up", 3, "sent_perhaps")]
    assert mailbox.taken == []


async def test_who_lost_its_claim_changes_nothing(db: Database, account: Account, mailbox: Mailbox) -> None:
    await tell(db, account)
    async with db.begin() as tx:
        (slow,) = await notices.claim_mails(tx, limit=5)
    await due_now(db)
    async with db.begin() as tx:
        (quick,) = await notices.claim_mails(tx, limit=5)
        refused = notices.Verdict(notices.Outcome.REFUSED, "550")
        assert await notices.settle_mail(tx, slow, refused) is None
        assert await notices.settle_mail(tx, quick, notices.Verdict(notices.Outcome.SENT)) == "sent"
        assert await notices.settle_mail(tx, slow, refused) is None
    assert await states(db) == [("sent", 1, None)]


async def test_a_server_that_is_away_is_asked_later(db: Database, account: Account, mailbox: Mailbox) -> None:
    await tell(db, account)
    gone = Mailbox(port=1)
    await notifying.send(db=db, post=by_smtp(gone))
    assert [found[:2] for found in await states(db)] == [("waiting", 0)]
    await due_now(db)
    await notifying.send(db=db, post=by_smtp(mailbox))
    assert [found[0] for found in await states(db)] == ["sent"]


async def test_nobody_who_is_gone_or_a_demo_or_without_a_way_is_written_to(
    db: Database, account: Account, mailbox: Mailbox
) -> None:
    demo, left = await an_account(db), await an_account(db)
    for who in (demo, left):
        await tell(db, who)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET demo = true WHERE id = :id"), {"id": demo.id})
        await tx.execute(text("UPDATE users SET deleted_at = now() WHERE id = :id"), {"id": left.id})
    await notifying.send(db=db, post=by_smtp(mailbox))
    assert [found[0] for found in await states(db)] == ["unwanted", "unwanted"]
    await tell(db, account)
    await notifying.send(db=db, post=Post(base_url="https://reel.example", reach=REACH))
    assert (await states(db))[-1] == ("given_up", 0, "not_set_up")
    assert mailbox.taken == []


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "pair.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + made.public_bytes(Encoding.PEM))
    return pem


async def test_starttls_encrypts_before_it_logs_in(db: Database, account: Account, pair: Path) -> None:
    serve = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serve.load_cert_chain(pair)
    seen = list[tuple[bytes, bytes]]()

    def authenticated(_server: object, session: Session, _envelope: object, _how: str, data: Any) -> AuthResult:
        assert session.ssl is not None
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    options = {"tls_context": serve, "require_starttls": True, "auth_required": True, "authenticator": authenticated}
    async with serving(**options) as secure:
        await tell(db, account)
        url = f"smtp+starttls://me%40x:p%2Fw@localhost:{secure.port}"
        tls = ssl.create_default_context(cafile=str(pair))
        await notifying.send(db=db, post=Post(base_url="https://x", reach=REACH, smtp_url=url, tls=tls))
    assert (len(secure.taken), seen) == (1, [(b"me@x", b"p/w")])
    assert [found[0] for found in await states(db)] == ["sent"]


async def test_starttls_goes_on_with_nobody_who_has_none(db: Database, account: Account, mailbox: Mailbox) -> None:
    await tell(db, account)
    await notifying.send(db=db, post=by_smtp(mailbox, "smtp+starttls", user="me:secret@"))
    assert ([found[0] for found in await states(db)], mailbox.taken) == (["waiting"], [])


@pytest.mark.parametrize("url", ["mail.example.com", "http://mail.example.com", "smtp://"])
def test_a_url_that_is_no_mail_server_is_refused_at_once(url: str) -> None:
    with pytest.raises(Refusal) as refusal:
        Post(base_url="https://x", reach=REACH, smtp_url=url)
    assert (refusal.value.code, refusal.value.field) == ("settings.refused", "REELWRIGHT_SMTP_URL")
