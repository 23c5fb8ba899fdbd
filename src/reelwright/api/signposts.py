"""/, /billing, /plans and the like: where our letters lead. Each page says which call does what was promised."""

from collections.abc import Callable, Sequence
from html import escape
from uuid import UUID

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from reelwright.api.pages import page

_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'; "
    "object-src 'none'"
)
_JSON = '-H "Content-Type: application/json"'
_LOGIN = (
    f"""curl "$BASE/v1/auth/login" -c cookies {_JSON} -d '{{"email": "…", "password": "…"}}'""",
    f"""curl "$BASE/v1/api-keys" -b cookies -H "X-CSRF-Token: …" -H "Idempotency-Key: my-key" {_JSON} \\
     -d '{{"name": "mine", "scopes": ["*"]}}'""",
)
_KEYLESS = "/login"


def _call(path: str, body: str | None = None, *, method: str = "", key: str = "") -> str:
    """Spell a call as a shell takes it."""
    parts = [f'curl {method and f"-X {method} "}"$BASE{path}" -H "Authorization: Bearer $KEY"']
    if key:
        parts.append(f'\\\n     -H "Idempotency-Key: {key}"')
    if body:
        parts.append(f"{_JSON} \\\n     -d '{body}'")
    return " ".join(parts)


_PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "/": (
        "Reelwright",
        "A topic, an article or a web page becomes a captioned, narrated short video.",
        (_call("/v1/create", '{"topic": "Why do cats purr?"}', key="my-first-reel"),),
    ),
    "/billing": (
        "Credits and usage",
        "See what you have and where it went, or buy more: the answer's url is the page to pay at.",
        (
            _call("/v1/credits/balance"),
            _call("/v1/usage/projection"),
            _call("/v1/payments/buy-credits", '{"pack": "starter"}', key="a-pack"),
            _call("/v1/payments/portal", method="POST", key="my-portal"),
        ),
    ),
    "/plans": (
        "Plans and boosts",
        "Compare plans and subscribe to one, or boost the one that you have for thirty days.",
        (
            _call("/v1/payments/plans"),
            _call("/v1/payments/subscribe", '{"plan": "pro"}', key="my-plan"),
            _call("/v1/payments/boost", "{}", key="my-boost"),
        ),
    ),
    "/schedules": (
        "Schedules",
        "See why a schedule rests, and let it go on.",
        (
            _call("/v1/schedules"),
            _call("/v1/schedules/SCHEDULE_ID/runs"),
            _call("/v1/schedules/SCHEDULE_ID/resume", method="POST", key="go-on"),
        ),
    ),
    "/settings/webhooks": (
        "Webhooks",
        "See what your receiver answered, mend it, and switch it on again.",
        (
            _call("/v1/webhooks"),
            _call("/v1/webhooks/WEBHOOK_ID/deliveries"),
            _call("/v1/webhooks/WEBHOOK_ID", '{"enabled": true}', method="PATCH"),
        ),
    ),
    "/settings/notifications": (
        "What we write to you about",
        "See every kind of letter, and switch off what you don't want.",
        (
            _call("/v1/notification-preferences"),
            _call("/v1/notification-preferences", '{"preferences": {"low_balance": {"mail": false}}}', method="PATCH"),
        ),
    ),
    _KEYLESS: (
        "Log in",
        "A program logs in with these two calls: the first answers a csrf_token, which the second sends, for a key.",
        _LOGIN,
    ),
}


def _signpost(path: str) -> HTTPRouteHandler:
    title, sentence, calls = _PAGES[path]
    text = _page(path, title, sentence, calls)

    def show() -> Response[str]:
        return _answer(text)

    return _route(path, show)


@get("/drafts/{draft_id:uuid}", include_in_schema=False, sync_to_thread=False, opt={"public": True})
def draft_signpost(draft_id: FromPath[UUID]) -> Response[str]:
    """Say how a draft's story and reels are read. Whether there is such a draft, only its owner's key learns."""
    calls = (_call(f"/v1/drafts/{draft_id}"), _call("/v1/generations"))
    render = _call("/v1/create", f'{{"kind": "render", "draft_id": "{draft_id}"}}', key="once-more")
    sentence = "Read its story and find its reels, or render it again."
    return _answer(_page("/drafts", "A draft", sentence, (*calls, render)))


def _route(path: str, show: Callable[[], Response[str]]) -> HTTPRouteHandler:
    show.__name__ = f"signpost{path.replace('/', '_')}"
    return get(path, include_in_schema=False, sync_to_thread=False, opt={"public": True})(show)


def _page(path: str, title: str, sentence: str, calls: Sequence[str]) -> str:
    key = (
        ""
        if path == _KEYLESS
        else f' and a key of yours in <code>$KEY</code> (<a href="{_KEYLESS}">how to get one</a>)'
    )
    shown = "".join(f"<pre><code>{escape(call)}</code></pre>" for call in calls)
    body = (
        f'<p class="brand"><a href="/">Reelwright</a></p><h1>{escape(title)}</h1><p>{escape(sentence)}</p>'
        f"<p>With this service's address in <code>$BASE</code>{key}:</p>{shown}"
        '<p>Everything else is in <a href="/schema">the API\'s page</a>. Forgotten your password? '
        '<a href="/password-reset">Choose a new one.</a></p>'
    )
    return page(
        f"{title} - Reelwright" if path != "/" else title, f'<main class="card wide">{body}</main>', style="pages.css"
    )


def _answer(text: str) -> Response[str]:
    kept = {"Content-Security-Policy": _POLICY, "Cache-Control": "public, max-age=300"}
    return Response(text, media_type=MediaType.HTML, headers=kept)


signposts: Sequence[HTTPRouteHandler] = (*map(_signpost, _PAGES), draft_signpost)
