"""One trace from the request through the queue; nothing at all where nobody listens; no words of people in it."""

import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from subprocess import run

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from reelwright.ground import tracing
from reelwright.ground.errors import Outage


@pytest.fixture
def spans() -> Generator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.configure("test", endpoint=None, processor=SimpleSpanProcessor(exporter))
    yield exporter
    tracing.close()


def test_a_span_goes_on_where_the_message_was_written(spans: InMemorySpanExporter) -> None:
    """A worker's span is the child of the request's, though only a line of text went through the queue."""
    with tracing.span("POST /v1/create"):
        carried = tracing.carried()
    assert tracing.carried() is None
    with tracing.span("deliver", parent=carried, stage="INGESTION"), tracing.span("perform"):
        pass
    perform, deliver = (next(s for s in spans.get_finished_spans() if s.name == n) for n in ("perform", "deliver"))
    request = spans.get_finished_spans()[0]
    assert request.context is not None
    assert deliver.parent is not None
    assert deliver.context is not None
    assert perform.parent is not None
    assert perform.context is not None
    assert deliver.parent.span_id == request.context.span_id
    assert perform.parent.span_id == deliver.context.span_id
    assert {s.context.trace_id for s in spans.get_finished_spans() if s.context} == {request.context.trace_id}
    assert carried == f"00-{request.context.trace_id:032x}-{request.context.span_id:016x}-" + (carried or "")[-2:]


def test_a_span_holds_no_words_of_people(spans: InMemorySpanExporter) -> None:
    with (
        pytest.raises(Outage),
        tracing.span("draw", prompt="canary", detail="Bearer canary", model="m", n=2, none=None),
    ):
        raise Outage("The page canary is away.", code="source.away")
    (span,) = spans.get_finished_spans()
    assert "canary" not in span.to_json()
    assert dict(span.attributes or {}) == {
        "prompt": "[redacted]", "detail": "[redacted]", "model": "m", "n": 2, "error.type": "source.away",
    }  # fmt: skip
    assert not span.status.is_ok


def test_what_came_broken_begins_a_trace_of_its_own(spans: InMemorySpanExporter) -> None:
    with tracing.span("deliver", parent="not a traceparent"):
        pass
    (span,) = spans.get_finished_spans()
    assert span.parent is None


def test_without_an_endpoint_nothing_is_loaded() -> None:
    """Most processes trace nothing, and pay nothing for it."""
    program = (
        "import sys; from reelwright.ground import tracing\n"
        "tracing.configure('x', endpoint=None)\n"
        "with tracing.span('a', stage='b'): assert tracing.carried() is None\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    assert run([sys.executable, "-c", program], check=False).returncode == 0


def test_spans_are_sent_to_the_endpoint() -> None:
    """OTLP over HTTP, at the path that collectors listen on; closing sends what waits."""
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        tracing.configure("reelwright-worker", endpoint=f"http://127.0.0.1:{server.server_port}")
        with tracing.span("deliver"):
            pass
        tracing.close()
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    ((path, body),) = got
    assert path == "/v1/traces"
    assert b"reelwright-worker" in body
    assert b"deliver" in body
