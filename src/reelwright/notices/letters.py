"""Letters: a notice's e-mail in words, as text and as HTML, from one template a kind."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from reelwright.notices.model import Kind

_MICRO = 1_000_000
_WIDTH = 72
_GAPS = re.compile(r"\n{3,}")
_P = "margin:0 0 14px 0;font-size:16px;line-height:1.55;color:#2b322f;"
_BUTTON = (
    "display:inline-block;padding:12px 20px;border-radius:8px;background-color:#1d5c4d;color:#ffffff;"
    "font-size:16px;font-weight:600;text-decoration:none;"
)
_CELL = "padding:8px 0;border-bottom:1px solid #ece8df;font-size:16px;color:#2b322f;"


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail's words: a subject in one line, and the same content twice."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Links:
    """Where a letter's buttons lead: the studio's pages below the service's own address."""

    base_url: str

    @property
    def home(self) -> str:
        return self._at("")

    @property
    def billing(self) -> str:
        return self._at("billing")

    @property
    def plans(self) -> str:
        return self._at("plans")

    @property
    def schedules(self) -> str:
        return self._at("schedules")

    @property
    def webhooks(self) -> str:
        return self._at("settings/webhooks")

    @property
    def preferences(self) -> str:
        return self._at("settings/notifications")

    @property
    def login(self) -> str:
        return self._at("login")

    @property
    def forgotten(self) -> str:
        return self._at("password-reset")

    def verify(self, token: object) -> str:
        """Return the page that verifies an address by a token of ours, which is safe in a URL."""
        return self._at(f"verify?token={token or ''}")

    def reset(self, token: object) -> str:
        """Return the page that takes a new password by such a token."""
        return self._at(f"password-reset/confirm?token={token or ''}")

    def draft(self, draft: object) -> str:
        """Return a draft's page; the home page for what is no id."""
        try:
            return self._at(f"drafts/{UUID(str(draft))}")
        except ValueError:
            return self.home

    def _at(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/{path}"


def compose(kind: Kind, facts: Mapping[str, object], links: Links) -> Letter:
    """Return a notice's letter. A fact that is missing leaves a gap, never an error."""
    given = {**facts, "links": links}
    name = f"{kind.value}.jinja"
    plain = _environment(html=False).get_template(name)
    rich = _environment(html=True).get_template(name)
    subject = "".join(plain.blocks["subject"](plain.new_context(given)))
    text = plain.render(given | {"layout": "layout.txt"})
    return Letter(
        subject=" ".join(subject.split()),
        text=_GAPS.sub("\n\n", "\n".join(line.rstrip() for line in text.strip().splitlines())) + "\n",
        html=rich.render(given | {"layout": "layout.html"}),
    )


@cache
def _environment(*, html: bool) -> Environment:
    made = Environment(
        loader=PackageLoader("reelwright.notices"),
        autoescape=html,  # noqa: S701 - off for the plain text alone, where nothing is markup
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "credits": _credits,
        "date": _date,
        "money": _money,
        "month": _month,
        "number": _number,
        "sentence": _sentence,
        "web": _web,
    }
    rich: dict[str, Any] = {"p": _rich_p, "button": _rich_button, "figures": _rich_figures, "code": _rich_code}
    plain: dict[str, Any] = {"p": _plain_p, "button": _plain_button, "figures": _plain_figures, "code": _plain_code}
    shared: dict[str, Any] = made.globals
    shared.update(rich if html else plain)
    return made


def _rich_p(caller: Callable[[], str]) -> Markup:
    return Markup('<p style="{}">{}</p>').format(_P, caller())


def _plain_p(caller: Callable[[], str]) -> str:
    return textwrap.fill(" ".join(caller().split()), _WIDTH, break_long_words=False) + "\n\n"


def _rich_button(label: str, url: str) -> Markup:
    return Markup('<p style="margin:22px 0 18px 0;"><a href="{}" style="{}">{}</a></p>').format(url, _BUTTON, label)


def _plain_button(label: str, url: str) -> str:
    return f"{label}: {url}\n"


def _rich_figures(rows: Iterable[tuple[str, str]]) -> Markup:
    line = Markup('<tr><td style="{0}">{1}</td><td align="right" style="{0}">{2}</td></tr>')
    lines = Markup("").join(line.format(_CELL, escape(name), escape(value)) for name, value in rows)
    return Markup('<table role="presentation" width="100%" cellpadding="0" cellspacing="0">{}</table>').format(lines)


def _plain_figures(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{name + ':':<28}{value}\n" for name, value in rows) + "\n"


def _rich_code(text: object) -> Markup:
    return Markup('<p style="{}"><code style="word-break:break-all;">{}</code></p>').format(_P, text)


def _plain_code(text: object) -> str:
    """Return it on a line of its own, whole: a token has 76 characters, as many as a line of an e-mail holds."""
    return f"{text}\n\n"


def _credits(micro: object) -> str:
    """Return micro-credits as people read credits, cut to hundredths."""
    if not isinstance(micro, int):
        return "0"
    whole, hundredths = divmod(abs(micro) // (_MICRO // 100), 100)
    shown = f"{whole:,}.{hundredths:02}".rstrip("0").rstrip(".")
    return f"-{shown}" if micro < 0 and shown != "0" else shown


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "0"


def _date(value: object) -> str:
    """Return a day in UTC, as 3 November 2026."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return "the end of the month"
    at = at.astimezone(UTC) if at.tzinfo else at
    return f"{at.day} {at:%B %Y}"


def _month(value: object) -> str:
    """Return a month that is written yyyymm, as November 2026."""
    try:
        return f"{datetime.strptime(str(value), '%Y%m').replace(tzinfo=UTC):%B %Y}"
    except ValueError:
        return "month"


def _money(cents: object, currency: object = "usd") -> str:
    amount = cents / 100 if isinstance(cents, int) else 0
    code = str(currency or "usd").upper()
    return f"${amount:,.2f}" if code == "USD" else f"{amount:,.2f} {code}"


def _sentence(value: object) -> str:
    said = " ".join(str(value).split())
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _web(value: object) -> str:
    """Return a URL that a link may have, or nothing."""
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else ""
