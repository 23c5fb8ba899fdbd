"""The hosted pages: a checkout, an invoice and the customer's portal, which say plainly that no money moves."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from reelwright.dev.stripe import checkout, invoices, subscriptions
from reelwright.dev.stripe.book import Book
from reelwright.dev.stripe.wire import Json, Refused

_SEE_OTHER = 303
_STYLE = (
    "body{font:1.05rem/1.5 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem;color:#1a1a2e;"
    "background:#fff}.banner{background:#fff3c4;border:2px solid #8a5a00;padding:.6rem 1rem;border-radius:.4rem}"
    "table{width:100%;border-collapse:collapse}td,th{text-align:left;padding:.4rem 0;border-bottom:1px solid #ccc}"
    "th{font-weight:400}caption{text-align:left;font-weight:700}"
    "td.sum{text-align:right}button{font:inherit;padding:.6rem 1rem;margin:.3rem .3rem .3rem 0;"
    "border:2px solid #1a1a2e;border-radius:.4rem;background:#fff;color:#1a1a2e;cursor:pointer}"
    "button.main{background:#1a1a2e;color:#fff}button:focus-visible,a:focus-visible{outline:3px solid #0b62d6;"
    "outline-offset:2px}"
)
_BANNER = "<strong>This is a simulated Stripe. No money moves</strong>, and no card is asked for."


class Shown(NamedTuple):
    """A page, or where to go next."""

    html: str = ""
    status: int = 200
    location: str = ""


def answer(book: Book, verb: str, path: str, form: Json) -> Shown:
    """Show a page, or do what was chosen on it. Raises Refused."""
    wish = str(form.get("do", ""))
    match verb, path.strip("/").split("/"):
        case "GET", ["pay", name]:
            shown = _checkout(book, checkout.opened(book, name))
        case "POST", ["pay", name]:
            shown = _visit(book, checkout.opened(book, name), wish)
        case "GET", ["portal", name]:
            shown = _portal(book, book.get("billing_portal.session", name))
        case "POST", ["portal", name]:
            shown = _manage(book, book.get("billing_portal.session", name), wish)
        case "GET" | "POST", ["invoice", name]:
            shown = _invoice(book, book.get("invoice", name), wish)
        case "GET", [""]:
            shown = _home(book)
        case _:
            raise Refused("There is no such page.", status=404)
    return shown


def refusal(refused: Refused) -> Shown:
    """Say why there is nothing to see."""
    return _page("Not possible", f"<p>{escape(str(refused))}</p>", status=refused.status)


def _page(title: str, body: str, *, said: str = "", status: int = 200) -> Shown:
    alert = f'<p role="alert"><strong>{escape(said)}</strong></p>' if said else ""
    return Shown(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}, simulated</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<p class="banner" role="note">{_BANNER}</p><main><h1>{escape(title)}</h1>{alert}{body}</main></body></html>',
        status,
    )


def _money(cents: int) -> str:
    return f"{'−' if cents < 0 else ''}${abs(cents) / 100:,.2f}"


def _day(instant: int | None) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%d %B %Y}" if instant else ""


def _buttons(*choices: tuple[str, str]) -> str:
    made = (
        f'<button name="do" value="{escape(wish)}"{" class=main" if number == 0 else ""}>{escape(words)}</button>'
        for number, (wish, words) in enumerate(choices)
    )
    return f'<form method="post">{"".join(made)}</form>'


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="sum">{escape(value)}</td></tr>' for name, value in rows
    )
    return f"<table><caption>{escape(caption)}</caption><tbody>{cells}</tbody></table>"


def _decline(wish: str) -> str | None:
    return "generic_decline" if wish == "decline" else None


def _home(book: Book) -> Shown:
    counts = [(kind, len(book.all(kind))) for kind in ("customer", "subscription", "invoice", "charge", "event")]
    words = "Reelwright's API sends you here to pay. Programs reach the account below /v1, its controls below /_sim."
    rows = [(f"{kind.capitalize()}s", str(number)) for kind, number in counts]
    return _page("Simulated Stripe", f"<p>{words}</p>" + _table("In this account", rows))


def _checkout(book: Book, session: Json, said: str = "") -> Shown:
    monthly = " a month" if session["mode"] == "subscription" else ""
    rows = [
        (f"{item['quantity']} × {item['description']}", _money(item["amount_total"]) + monthly)
        for item in checkout.line_items(book, session)
    ]
    rows.append(("Total", _money(session["amount_total"]) + monthly))
    choices = [("pay", f"Pay {_money(session['amount_total'])}"), ("decline", "Pay with a card that is declined")]
    if session["mode"] == "payment":
        choices.append(("later", "Pay by a bank that takes days"))
    choices += [("cancel", "Cancel and go back")] * bool(session["cancel_url"])
    return _page("Checkout", _table("Your order", rows) + _buttons(*choices), said=said)


def _visit(book: Book, session: Json, wish: str) -> Shown:
    if wish == "cancel" and session["cancel_url"]:
        return Shown(status=_SEE_OTHER, location=session["cancel_url"])
    if wish not in {"pay", "later", "decline"}:
        raise Refused("Choose one of the page's buttons.")
    name = session["id"]
    if checkout.pay(book, name, later=wish == "later", fails=_decline(wish)):
        return Shown(status=_SEE_OTHER, location=session["success_url"].replace(checkout.PLACEHOLDER, name))
    shown = _checkout(book, session, "The card was declined. Nothing was bought; try again.")
    return shown._replace(status=402)


def _portal(book: Book, session: Json, said: str = "") -> Shown:
    body = ""
    for each in book.all("subscription", customer=session["customer"]):
        if each["status"] not in subscriptions.LIVING:
            continue
        [item, *_] = subscriptions.items_of(each)
        ends = "Ends on" if each["cancel_at"] else "Renews on"
        rows = [
            ("Plan", str(item["price"]["nickname"])),
            ("Price", _money(item["price"]["unit_amount"]) + " a month"),
            ("Status", each["status"].replace("_", " ")),
            (ends, _day(each["cancel_at"] or item["current_period_end"])),
        ]
        own = item["price"]["id"]
        plans = [
            (f"plan {each['id']} {price['id']}", f"Change to {price['nickname']} ({_money(price['unit_amount'])})")
            for price in reversed(book.all("price", type="recurring", active=True))
            if price["lookup_key"] and price["id"] != own
        ]
        going = ("resume", "Keep the subscription") if each["cancel_at"] else ("cancel", "Cancel at the period's end")
        body += _table("Subscription", rows) + _buttons((f"{going[0]} {each['id']}", going[1]), *plans)
    bills = [
        (f"{_day(each['created'])}, {each['status']}", _money(each["total"]))
        for each in book.all("invoice", customer=session["customer"])
    ]
    body = (body or "<p>There is no subscription.</p>") + (_table("Invoices", bills) if bills else "")
    back = session["return_url"]
    body += f'<p><a href="{escape(back)}">Go back</a></p>' if back else ""
    return _page("Your subscription", body, said=said)


def _manage(book: Book, session: Json, wish: str) -> Shown:
    verb, *words = wish.split(" ")
    held = {each["id"] for each in book.all("subscription", customer=session["customer"])}
    if not words or words[0] not in held:
        raise Refused("Choose one of the page's buttons.")
    match verb, words:
        case "cancel" | "resume", [name]:
            subscriptions.update(book, subscriptions.UpdateWish(cancel_at_period_end=verb == "cancel"), name)
        case "plan", [name, price]:
            [item, *_] = subscriptions.items_of(book.get("subscription", name))
            change = [subscriptions.ItemWish(id=item["id"], price=price)]
            asked = subscriptions.UpdateWish(items=change, proration_behavior="always_invoice")
            subscriptions.update(book, asked, name)
        case _:
            raise Refused("Choose one of the page's buttons.")
    return Shown(status=_SEE_OTHER, location=session["url"])


def _invoice(book: Book, invoice: Json, wish: str) -> Shown:
    tried = bool(wish) and invoice["status"] == "open"
    paid = tried and invoices.collect(book, invoice, fails=_decline(wish))
    rows = [(line["description"], _money(line["amount"])) for line in invoice["lines"]["data"]]
    rows += [("Due", _money(invoice["amount_due"])), ("Status", invoice["status"])]
    choices = (("pay", f"Pay {_money(invoice['amount_due'])}"), ("decline", "Pay with a card that is declined"))
    body = _table(f"Invoice {invoice['number']}", rows) + (_buttons(*choices) if invoice["status"] == "open" else "")
    return _page("Invoice", body, said="The card was declined." if tried and not paid else "")
