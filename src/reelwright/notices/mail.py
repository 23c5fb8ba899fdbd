"""Mail: a letter becomes a message, and goes to a server or into a folder. What can't be known is said to be so."""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from reelwright.ground.mailing import reached
from reelwright.notices.letters import Letter
from reelwright.notices.mailbox import Outcome, Verdict

_COMMAND_S, _DATA_S = 10, 30
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_PERMANENT = 500
_LONGEST_SUBJECT = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


Send = Callable[[EmailMessage], Awaitable[Verdict]]


def message_of(
    letter: Letter, *, notice: UUID, kind: str, told_at: datetime, sender: str, to: str, unsubscribe: str | None
) -> EmailMessage | None:
    """Return a notice's message, the same at every attempt, its Message-ID too; None for an address no server takes.

    Nothing in it can add a header: whatever ends a line has become a space before.
    """
    if not reached(to):
        return None
    name, address = parseaddr(sender)
    local, _, domain = address.rpartition("@")
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=_CONTROL.sub(" ", name), username=local, domain=domain)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = _CONTROL.sub(" ", letter.subject)[:_LONGEST_SUBJECT]
    message["Date"] = format_datetime(told_at)
    message["Message-ID"] = f"<{notice.hex}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if unsubscribe is not None:
        message["List-Unsubscribe"] = f"<{unsubscribe}>"
    message["X-Reelwright-Kind"] = kind
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    return message


class FolderPostman:
    """Puts messages into a folder, as files named by their time: the same message again is the same file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Send]:
        yield self._send

    async def _send(self, message: EmailMessage) -> Verdict:
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            return Verdict(Outcome.LATER, type(error).__name__)
        return Verdict(Outcome.SENT, "folder")

    def _write(self, message: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        at = message["Date"].datetime
        name = f"{at:%Y%m%dT%H%M%SZ}-{message['X-Reelwright-Kind']}-{message['Message-ID'][1:33]}"
        part = self._folder / f".{name}.{os.getpid()}"
        with part.open("wb") as file:
            file.write(message.as_bytes())
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / f"{name}.eml")


class SmtpPostman:
    """Gives messages to a mail server, over one connection while it lasts. Every step has a time-out.

    smtp:// has no encryption, smtp+starttls:// refuses to go on without, smtps:// begins with it; user and password
    stand in the URL, percent-encoded.
    """

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._scheme = parts.scheme
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = tls

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Send]:
        line = _Line(self._client)
        try:
            yield line.send
        finally:
            await line.close()

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._scheme == "smtps",
            start_tls=self._scheme == "smtp+starttls",
            tls_context=self._tls,
            timeout=_COMMAND_S,
        )


class _Line:
    """One connection, made when the first message comes, and anew behind an answer that never came."""

    def __init__(self, client: Callable[[], aiosmtplib.SMTP]) -> None:
        self._make = client
        self._client: aiosmtplib.SMTP | None = None
        self._away: str | None = None

    async def send(self, message: EmailMessage) -> Verdict:
        """Hand one message over. A server that can't be reached is not asked again while this lasts."""
        if self._away:
            return Verdict(Outcome.LATER, self._away)
        try:
            client = await self._connected()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self._away = _named(error)
            return Verdict(Outcome.LATER, self._away)
        return await self._hand_over(client, message)

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is None:
            client = self._make()
            await client.connect()
            self._client = client
        return self._client

    async def _hand_over(self, client: aiosmtplib.SMTP, message: EmailMessage) -> Verdict:
        """Say from, to, content. Until all of the content is under way, a failure means: not sent."""
        under_way = False
        try:
            await client.mail(parseaddr(str(message["From"]))[1])
            await client.rcpt(str(message["To"]))
            under_way = True
            await client.data(message.as_bytes(), timeout=_DATA_S)
        except aiosmtplib.SMTPResponseException as error:
            await self._reset(client)
            return Verdict(Outcome.REFUSED if error.code >= _PERMANENT else Outcome.LATER, str(error.code))
        except aiosmtplib.SMTPRecipientsRefused as refused:
            await self._reset(client)
            permanent = all(one.code >= _PERMANENT for one in refused.recipients)
            return Verdict(Outcome.REFUSED if permanent else Outcome.LATER, _named(refused))
        except (aiosmtplib.SMTPException, OSError) as error:
            await self.close()
            return Verdict(Outcome.UNKNOWN if under_way else Outcome.LATER, _named(error))
        return Verdict(Outcome.SENT, "smtp")

    async def _reset(self, client: aiosmtplib.SMTP) -> None:
        """Let the next message begin anew on the same line, or on a new one."""
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            await self.close()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(aiosmtplib.SMTPException, OSError):
            await client.quit()
        client.close()


def _named(error: Exception) -> str:
    code = getattr(error, "code", None)
    return str(code) if isinstance(code, int) else type(error).__name__
