"""The post office: by which server or folder e-mails leave, and how webhooks do. Made once, by the roof."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from reelwright.ground.errors import Refusal
from reelwright.ground.sealing import Seal
from reelwright.notices.endpoints import Reach
from reelwright.notices.mailbox import Mail, Outcome, Verdict
from reelwright.notices.model import LETTERS
from reelwright.notices.tokens import with_token
from reelwright.notices.webhooks import WebhookCaller

_SCHEMES = ("smtp", "smtp+starttls", "smtps")

SendMail = Callable[[Mail, str], Awaitable[Verdict]]


class MailSettingRefused(Refusal):
    code = "settings.refused"


class Post:
    """What leaves the house. Without a server e-mails go into the folder, and without a folder nowhere.

    `base_url` is where a letter's links lead, `seal` signs the tokens in some.
    Raises MailSettingRefused for a URL that is no mail server's.
    """

    def __init__(
        self,
        *,
        base_url: str,
        reach: Reach,
        smtp_url: str | None = None,
        folder: str | None = None,
        sender: str = "Reelwright <no-reply@localhost>",
        caller: WebhookCaller | None = None,
        tls: ssl.SSLContext | None = None,
        seal: Seal | None = None,
    ) -> None:
        if smtp_url is not None and (urlsplit(smtp_url).scheme not in _SCHEMES or not urlsplit(smtp_url).hostname):
            raise MailSettingRefused(
                "REELWRIGHT_SMTP_URL must be smtp://, smtp+starttls:// or smtps://, then user:password@host:port.",
                field="REELWRIGHT_SMTP_URL",
            )
        self.webhooks = caller or WebhookCaller(reach)
        self._base_url = base_url
        self._sender = sender
        self.seal = seal
        self._smtp_url, self._folder, self._tls = smtp_url, folder, tls

    @property
    def mails(self) -> bool:
        """Whether e-mails can leave at all."""
        return bool(self._smtp_url or self._folder)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[SendMail]:
        """Open the way out for e-mails: each is sent to the given address, and its verdict says what became of it.

        Opening never fails: where nobody answers, every e-mail is to be sent later.
        """
        from reelwright.notices import letters, mail  # noqa: PLC0415 - 100 ms for Jinja and SMTP, which few processes need

        links = letters.Links(self._base_url)
        smtp = self._smtp_url
        carrier = mail.SmtpPostman(smtp, tls=self._tls) if smtp else mail.FolderPostman(Path(self._folder or "mail"))
        async with carrier.opened() as send:

            async def send_mail(one: Mail, to: str) -> Verdict:
                message = mail.message_of(
                    letters.compose(one.kind, with_token(one.kind, one.facts, self.seal), links),
                    notice=one.id,
                    kind=one.kind.value,
                    told_at=one.told_at,
                    sender=self._sender,
                    to=to,
                    unsubscribe=None if one.kind in LETTERS else links.preferences,
                )
                return Verdict(Outcome.REFUSED, "address") if message is None else await send(message)

            yield send_mail
