"""Traces that follow one reel from the request through every delivery to the provider's call, by OpenTelemetry.

Nothing is imported, recorded or sent unless an endpoint is configured.
"""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from reelwright.ground import log

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

_PATH = "/v1/traces"
_provider: "TracerProvider | None" = None
_NOTHING: AbstractContextManager[None] = nullcontext()


def configure(service: str, *, endpoint: str | None, processor: "SpanProcessor | None" = None) -> None:
    """Send spans to a collector (`http://host:4318`) from now on; without an endpoint, don't trace at all.

    Tests give a span processor of their own instead of an endpoint.
    """
    global _provider  # noqa: PLW0603 - one tracer a process, as contextvars carry the current span anyway
    close()
    if not endpoint and processor is None:
        return
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415 - 100 ms that most processes save
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above

    _provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    _provider.add_span_processor(processor or _exporting(endpoint or ""))


def _exporting(endpoint: str) -> "SpanProcessor":
    """Return what sends finished spans in batches, from a thread of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - see above

    base = endpoint.rstrip("/")
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=base if base.endswith(_PATH) else base + _PATH))


def close() -> None:
    """Send what is waiting, and stop tracing."""
    global _provider
    provider, _provider = _provider, None
    if provider is not None:
        provider.shutdown()


def span(name: str, *, parent: str | None = None, **attributes: str | float | None) -> AbstractContextManager[None]:
    """Record what happens inside as one span, under `parent` (a traceparent that came by message) or the current span.

    Attributes named like secrets or texts are withheld, as in the logs. A failure leaves its class, never its words.
    """
    return _NOTHING if _provider is None else _recorded(_provider, name, parent, attributes)


@contextmanager
def _recorded(
    provider: "TracerProvider", name: str, parent: str | None, attributes: dict[str, str | float | None]
) -> Generator[None]:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - loaded by configure already
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 - loaded by configure already

    context = tracecontext.TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    shown = {key: log.shown(key, value) for key, value in attributes.items() if value is not None}
    tracer = provider.get_tracer("reelwright")
    with tracer.start_as_current_span(
        name, context=context, attributes=shown, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_attribute("error.type", getattr(error, "code", None) or type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def carried() -> str | None:
    """Return the current span's W3C `traceparent`, for a message that goes on elsewhere; None outside of every span."""
    if _provider is None:
        return None
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 - loaded by configure already

    carrier: dict[str, str] = {}
    tracecontext.TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
