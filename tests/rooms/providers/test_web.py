"""Reading pages: no packet to a private address, no page beyond its budget, and real articles come through."""

import asyncio
import gzip
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from reelwright import providers
from reelwright.ground.errors import Outage, Refusal
from reelwright.providers.web import Budget, PageFetcher, _article
from tests.simulators import inward
from tests.simulators.canary import connections
from tests.simulators.pages import PARAGRAPHS, Pages, answer, article, redirect, serving

QUICK = Budget(total_s=0.6, connect_s=0.3, wire_bytes=200_000, html_bytes=400_000)


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving() as server:
        yield server


def reader(pages: Pages, *, budget: Budget | None = None, host: str = "127.0.0.1") -> PageFetcher:
    return PageFetcher(frozenset({f"{host}:{pages.port}"}), budget=budget)


class Names:
    """A resolver that gives its answers in turn and counts the questions."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(f"{host}:{port}")
        return self.answers.pop(0)


async def test_an_allow_listed_page_comes_through_as_an_article(pages: Pages) -> None:
    pages.routes["/a"] = answer(article(head="<meta property='og:site_name' content='Sea Notes'>"))
    page = await reader(pages).read(pages.url("/a?x=%20y#z"))

    assert page.title == "Three hearts"
    assert page.body == "\n\n".join(PARAGRAPHS)
    assert (page.language, page.site, page.url) == ("en", "Sea Notes", pages.url("/a?x=%20y"))
    request = pages.requests[0]
    assert request.startswith("GET /a?x=%20y HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{pages.port}\r\n" in request
    assert not any(name in request.lower() for name in ("cookie", "authorization", "referer"))
    assert "accept-encoding: identity" in request.lower()


def fits_a_header(url: str) -> bool:
    return "\ud800" not in url and not set(url) & set("\r\n\t\x00") and url == url.strip()


@pytest.mark.parametrize("url", [url for url in inward.ALL if ":" in url and fits_a_header(url)])
async def test_a_redirect_inward_sends_no_packet(pages: Pages, url: str) -> None:
    pages.routes["/r"] = redirect(url)
    with connections() as seen, pytest.raises(Refusal) as refusal:
        await reader(pages).read(pages.url("/r"))
    assert seen == [f"127.0.0.1:{pages.port}"]
    assert refusal.value.code == "source.not_allowed"


@pytest.mark.parametrize("url", [url for url in inward.ALL if url.startswith("http")])
async def test_an_inward_address_sends_no_packet_and_asks_no_resolver(url: str) -> None:
    names = Names()
    with connections() as seen, pytest.raises(Refusal):
        await PageFetcher(resolve=names).read(url)
    assert (seen, names.asked) == ([], [])


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["1.1.1.1", "::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], []],
)
async def test_a_name_that_leads_inward_sends_no_packet(answers: list[str]) -> None:
    names = Names(answers)
    with connections() as seen, pytest.raises(Refusal) as refusal:
        await PageFetcher(resolve=names).read("http://mixed.example/")
    assert (seen, names.asked, refusal.value.code) == ([], ["mixed.example:80"], "source.not_allowed")


async def test_a_name_is_resolved_once_and_the_connection_goes_there(pages: Pages) -> None:
    """A second answer (rebinding) has no chance: nobody asks for it."""
    pages.routes["/"] = answer(article())
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    fetcher = PageFetcher(frozenset({f"flip.example:{pages.port}"}), resolve=names)
    with connections() as seen:
        await fetcher.read(pages.url(host="flip.example"))
    assert seen == [f"127.0.0.1:{pages.port}"]
    assert names.asked == [f"flip.example:{pages.port}"]
    assert f"Host: flip.example:{pages.port}\r\n" in pages.requests[0]


async def test_each_hop_is_checked_anew(pages: Pages) -> None:
    """The allow-listed first hop earns the second nothing."""
    pages.routes["/"] = redirect("http://elsewhere.example/")
    names = Names(["10.0.0.7"])
    fetcher = PageFetcher(frozenset({f"127.0.0.1:{pages.port}"}), resolve=names)
    with connections() as seen, pytest.raises(Refusal) as refusal:
        await fetcher.read(pages.url())
    assert (seen, names.asked) == ([f"127.0.0.1:{pages.port}"], ["elsewhere.example:80"])
    assert refusal.value.code == "source.not_allowed"


async def test_markup_that_points_elsewhere_is_never_followed(pages: Pages) -> None:
    head = (
        "<meta http-equiv='refresh' content='0;url=http://169.254.169.254/'><link rel='canonical' "
        "href='http://10.0.0.1/'><meta property='og:image' content='http://10.0.0.1/i.png'><base href='http://10.0.0.1/'>"
    )
    pages.routes["/a"] = answer(article(head=head), headers={"Refresh": "0;url=http://10.0.0.1/"})
    with connections() as seen:
        page = await reader(pages).read(pages.url("/a"))
    assert (seen, page.url) == ([f"127.0.0.1:{pages.port}"], pages.url("/a"))


async def test_redirects_are_followed_three_times_and_no_more(pages: Pages) -> None:
    for hop in range(4):
        pages.routes[f"/{hop}"] = redirect(f"/{hop + 1}" if hop % 2 else pages.url(f"/{hop + 1}"))
    pages.routes["/4"] = answer(article())
    assert (await reader(pages).read(pages.url("/1"))).url == pages.url("/4")
    with pytest.raises(Refusal) as refusal:
        await reader(pages).read(pages.url("/0"))
    assert refusal.value.code == "source.redirects"


@pytest.mark.parametrize("location", ["", "http://127.0.0.1/" + "a" * 5000, "ht\\tp://x"])
async def test_a_redirect_without_a_usable_location_is_refused(pages: Pages, location: str) -> None:
    pages.routes["/r"] = redirect(location)
    with pytest.raises(Refusal) as refusal:
        await reader(pages).read(pages.url("/r"))
    assert refusal.value.code == "source.not_allowed"


REFUSED = {
    "pdf by type": (answer(b"%PDF-1.7", headers={"Content-Type": "application/pdf"}), "source.not_html"),
    "pdf by content": (answer(b"%PDF-1.7 <html>"), "source.not_html"),
    "html that says pdf": (answer(article(), headers={"Content-Type": "application/pdf"}), "source.not_html"),
    "html that says text": (answer(article(), headers={"Content-Type": "text/plain"}), "source.not_html"),
    "json": (answer(b"{}", headers={"Content-Type": "application/json"}), "source.not_html"),
    "svg": (answer(b"<svg/>", headers={"Content-Type": "image/svg+xml"}), "source.not_html"),
    "video that says html": (answer(b"\x00\x00\x00\x20ftypisom" + b"\x00" * 64), "source.not_html"),
    "bare words": (answer(b"just words and nothing else"), "source.not_html"),
    "no article": (answer(b"<html><body><p>Too short to tell.</p></body></html>"), "source.empty"),
    "empty body": (answer(b""), "source.not_html"),
    "missing page": (answer(b"", status="404 Not Found"), "source.not_found"),
    "log-in wall": (answer(b"", status="401 Unauthorized"), "source.not_found"),
    "brotli": (answer(b"x", headers={"Content-Encoding": "br"}), "source.unreadable"),
    "zstandard": (answer(b"x", headers={"Content-Encoding": "zstd"}), "source.unreadable"),
    "broken gzip": (answer(b"\x1f\x8bnope", headers={"Content-Encoding": "gzip"}), "source.unreadable"),
    "half a gzip": (answer(gzip.compress(article())[:-30], headers={"Content-Encoding": "gzip"}), "source.unreadable"),
    "gzip twice": (
        answer(gzip.compress(gzip.compress(article())), headers={"Content-Encoding": "gzip, gzip"}),
        "source.unreadable",
    ),
    "declared too long": (answer(b"<html>", headers={"Content-Length": "9000000"}), "source.too_large"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_article_is_refused_with_a_remedy(pages: Pages, case: str) -> None:
    pages.routes["/"], code = REFUSED[case]
    with pytest.raises(Refusal) as refusal:
        await reader(pages).read(pages.url())
    assert (refusal.value.code, refusal.value.field) == (code, "url")
    assert any(word in str(refusal.value) for word in ("give the address", "paste"))


async def test_a_gzip_page_is_read_though_nobody_asked_for_it(pages: Pages) -> None:
    pages.routes["/"] = answer(gzip.compress(article()), headers={"Content-Encoding": "gzip"})
    assert (await reader(pages).read(pages.url())).body.startswith("The octopus")


async def test_a_gzip_bomb_ends_at_the_cap(pages: Pages) -> None:
    """64 MiB from 64 KiB of gzip: inflated no further than the budget."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b"<html>" + b"A" * (64 << 20)) + packer.flush()
    pages.routes["/"] = answer(bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as refusal:
            await reader(pages).read(pages.url())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refusal.value.code == "source.too_large"
    assert peak < 16 << 20


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
    while True:
        writer.write(b"<p>more</p>" * 1000)
        await writer.drain()


async def dripping(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        writer.write(b"<")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silent(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
    await writer.drain()
    await asyncio.Event().wait()


async def many_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + b"X-A: b\r\n" * 100_000 + b"\r\n<html>")
    await writer.drain()


async def test_an_endless_page_ends_at_the_cap(pages: Pages) -> None:
    pages.routes["/"] = endless
    with pytest.raises(Refusal) as refusal:
        await reader(pages).read(pages.url())
    assert refusal.value.code == "source.too_large"


@pytest.mark.parametrize("script", [dripping, silent], ids=["drip", "silence"])
async def test_a_slow_page_ends_at_the_deadline(pages: Pages, script) -> None:
    """Each byte in time, the page never: only a total deadline ends that."""
    pages.routes["/"] = script
    with pytest.raises(Outage) as outage:
        await asyncio.wait_for(reader(pages, budget=QUICK).read(pages.url()), 5)
    assert outage.value.code == "source.unreachable"


async def test_a_page_takes_no_longer_than_its_run_may(pages: Pages) -> None:
    pages.routes["/"] = dripping
    with providers.deadline(0.3), pytest.raises(Outage) as outage:
        await asyncio.wait_for(reader(pages).read(pages.url()), 5)
    assert outage.value.code == "source.unreachable"


async def test_a_run_that_is_out_of_time_while_extracting_blames_no_page(pages: Pages) -> None:
    """A refusal would end the reel as its author's mistake; a page that is too much ends by its reader's own limits."""
    for left_s, most_s in ((60, 0.01), (0.01, 60)):
        with providers.deadline(left_s), pytest.raises(Outage) as outage:
            await _article(article().decode(), "https://a.example/", most_s=most_s)
        assert outage.value.code == "source.unreachable"


@pytest.mark.parametrize(
    "route",
    [many_headers, answer(b"<html>", headers={"Content-Length": "900"}), b"nonsense\r\n\r\n", b""],
    ids=["headers", "cut short", "not HTTP", "nothing"],
)
async def test_a_broken_answer_may_pass(pages: Pages, route) -> None:
    pages.routes["/"] = route
    with pytest.raises(Outage) as outage:
        await reader(pages, budget=QUICK).read(pages.url())
    assert outage.value.code == "source.unreachable"


async def test_a_busy_page_says_how_long_to_wait(pages: Pages) -> None:
    pages.routes["/"] = answer(b"", status="503 Service Unavailable", headers={"Retry-After": "42"})
    with pytest.raises(Outage) as outage:
        await reader(pages).read(pages.url())
    assert outage.value.wait == timedelta(seconds=42)
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    pages.routes["/"] = answer(b"", status="503 Service Unavailable", headers={"Retry-After": in_a_minute})
    with pytest.raises(Outage) as outage:
        await reader(pages).read(pages.url())
    assert timedelta(seconds=50) < outage.value.wait <= timedelta(seconds=60)


async def test_a_closed_port_is_an_outage(pages: Pages) -> None:
    async with serving() as gone:
        url, allowed = gone.url(), frozenset({f"127.0.0.1:{gone.port}"})
    with pytest.raises(Outage) as outage:
        await PageFetcher(allowed).read(url)
    assert outage.value.code == "source.unreachable"


async def test_no_proxy_from_the_environment_is_used(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    pages.routes["/"] = answer(article())
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with connections() as seen:
        await reader(pages).read(pages.url())
    assert seen == [f"127.0.0.1:{pages.port}"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for secure.example, signed by nobody that anyone trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "secure.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "pair.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + made.public_bytes(Encoding.PEM))
    return pem


async def test_tls_is_checked_against_the_name_and_not_the_pinned_address(certificate: Path) -> None:
    """The connection goes to an address, so only the name in the handshake proves whose page it is."""
    serve = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serve.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with serving(tls=serve) as pages:
        pages.routes["/"] = answer(article())
        pages.routes["/down"] = redirect(f"http://secure.example:{pages.port}/")

        def fetcher(name: str, tls: ssl.SSLContext | None) -> PageFetcher:
            return PageFetcher(frozenset({f"{name}:{pages.port}"}), resolve=Names(["127.0.0.1"]), tls=tls)

        good = f"https://secure.example:{pages.port}/"
        assert (await fetcher("secure.example", trusting).read(good)).title == "Three hearts"
        with pytest.raises(Outage):
            await fetcher("secure.example", None).read(good)
        with pytest.raises(Outage):
            await fetcher("other.example", trusting).read(good.replace("secure", "other"))
        with pytest.raises(Refusal) as downgrade:
            await fetcher("secure.example", trusting).read(good + "down")
        assert downgrade.value.code == "source.not_allowed"


async def test_the_next_address_is_tried_when_the_first_is_closed(pages: Pages) -> None:
    pages.routes["/"] = answer(article())
    fetcher = PageFetcher(frozenset({f"two.example:{pages.port}"}), resolve=Names(["127.0.0.1", "127.0.0.9"]))
    async with serving(host="127.0.0.9", port=pages.port) as second:
        second.routes["/"] = answer(article(title="Second"))
        pages_closed = Names(["127.0.0.8", "127.0.0.9"])
        other = PageFetcher(frozenset({f"two.example:{pages.port}"}), resolve=pages_closed)
        assert (await other.read(pages.url(host="two.example"))).title == "Second"
    assert (await fetcher.read(pages.url(host="two.example"))).title == "Three hearts"
