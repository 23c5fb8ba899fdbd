"""Every setting, read once from the environment into a frozen value. The roof reads it; rooms get plain arguments."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import get_args

import msgspec

from reelwright.ground.errors import Refusal
from reelwright.providers import SERVICES, Access, Craft, providers_of

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


NO_SECRET = "this is no secret: development and tests only"  # noqa: S105 - it says so, and production refuses it
_SECRET_LENGTH = 32
LEAST_PASSWORD_KIB = 19_456
"""OWASP's minimum for argon2id with two passes."""


class SettingRefused(Refusal):
    code = "settings.refused"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One process's settings. Each field's environment variable is in `VARIABLES`; `.env.example` explains them."""

    environment: str = "production"
    log_level: str = "INFO"
    database_url: str
    redis_url: str | None = None
    upstash_redis_rest_url: str | None = None
    upstash_redis_rest_token: str | None = None
    storage_url: str
    base_url: str = "http://127.0.0.1:8000"
    worker_url: str
    qstash_url: str = "https://qstash.upstash.io"
    qstash_token: str
    qstash_current_signing_key: str
    qstash_next_signing_key: str = ""
    text_provider: tuple[str, ...] = ("offline",)
    picture_provider: tuple[str, ...] = ("offline",)
    vision_provider: tuple[str, ...] = ("offline",)
    speech_provider: tuple[str, ...] = ("offline",)
    text_model: str | None = None
    picture_model: str | None = None
    vision_model: str | None = None
    speech_model: str | None = None
    openai_api_key: str | None = None
    openai_base_url: str | None = None
    anthropic_api_key: str | None = None
    anthropic_base_url: str | None = None
    gemini_api_key: str | None = None
    gemini_base_url: str | None = None
    minimax_api_key: str | None = None
    minimax_base_url: str | None = None
    ollama_api_key: str | None = None
    ollama_base_url: str | None = None
    elevenlabs_api_key: str | None = None
    elevenlabs_base_url: str | None = None
    youtube_token: str | None = None
    youtube_client_id: str | None = None
    youtube_client_secret: str | None = None
    youtube_refresh_token: str | None = None
    youtube_token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    youtube_upload_url: str = "https://www.googleapis.com/upload/youtube/v3/videos"
    ingestion_allowlist: tuple[str, ...] = ()
    worker_concurrency: int = 2
    workspace: str | None = None
    redis_timeout: timedelta = timedelta(milliseconds=250)
    heartbeat: timedelta = timedelta(seconds=10)
    lease: timedelta = timedelta(seconds=45)
    sweep: timedelta = timedelta(seconds=15)
    reconcile: timedelta = timedelta(minutes=5)
    stage_deadline: timedelta = timedelta(minutes=10)
    generation_deadline: timedelta = timedelta(hours=1)
    retry_delay: timedelta = timedelta(seconds=2)
    grace: timedelta = timedelta(seconds=25)
    invariants: timedelta = timedelta(minutes=1)
    telemetry_endpoint: str | None = None
    failpoints: str = ""
    stripe_secret_key: str | None = None
    stripe_webhook_secret: str = ""
    stripe_webhook_secret_next: str = ""
    stripe_api_url: str = "https://api.stripe.com"
    smtp_url: str | None = None
    mail_from: str = "Reelwright <no-reply@localhost>"
    mail_dir: str | None = None
    webhook_allowlist: tuple[str, ...] = ()
    secret_key: str = NO_SECRET
    secret_key_previous: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    client_address_header: str | None = None
    metrics_token: str | None = None
    metrics_port: int = 0
    password_memory_kib: int = LEAST_PASSWORD_KIB

    @property
    def production(self) -> bool:
        """Whether real people's work and money are here."""
        return self.environment == "production"

    @property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """The providers of each craft that may be chosen: each does what those before it can't just now."""
        return {
            "text": self.text_provider,
            "picture": self.picture_provider,
            "vision": self.vision_provider,
            "speech": self.speech_provider,
        }

    @property
    def access(self) -> dict[str, Access]:
        """What is set for each service: our key, and another address than its own."""
        return {
            name: Access(key=getattr(self, f"{name}_api_key"), url=getattr(self, f"{name}_base_url"))
            for name in SERVICES
        }


VARIABLES: dict[str, str] = {
    "database_url": "DATABASE_URL",
    "redis_url": "REDIS_URL",
    "upstash_redis_rest_url": "UPSTASH_REDIS_REST_URL",
    "upstash_redis_rest_token": "UPSTASH_REDIS_REST_TOKEN",
    "qstash_url": "QSTASH_URL",
    "qstash_token": "QSTASH_TOKEN",
    "qstash_current_signing_key": "QSTASH_CURRENT_SIGNING_KEY",
    "qstash_next_signing_key": "QSTASH_NEXT_SIGNING_KEY",
    "stripe_secret_key": "STRIPE_SECRET_KEY",
    "stripe_webhook_secret": "STRIPE_WEBHOOK_SECRET",
    "stripe_webhook_secret_next": "STRIPE_WEBHOOK_SECRET_NEXT",
    "stripe_api_url": "STRIPE_API_URL",
    "telemetry_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    **{f"{service.name}_api_key": service.key_variable for service in SERVICES.values()},
    **{f"{service.name}_base_url": service.url_variable for service in SERVICES.values()},
}


def variable(field: str) -> str:
    """Return the environment variable that sets a field."""
    return VARIABLES.get(field, "REELWRIGHT_" + field.upper())


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises SettingRefused, naming the variable and what it should hold."""
    values = os.environ if environment is None else environment
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        name = variable(field.name)
        raw = values.get(name)
        if raw is None or not raw.strip():
            if field.required:
                raise SettingRefused(
                    f"{name} is not set: copy .env.example, or run `reelwright dev`, which needs none.",
                    field=name,
                )
            continue
        found[field.name] = _read(name, raw.strip(), field.type)
    settings = Settings(**found)  # type: ignore[arg-type]  # each value was made by the field's own type just above
    return _checked(settings)


def _read(name: str, raw: str, kind: object) -> object:
    if kind is timedelta:
        parts = _DURATION.findall(raw)
        if not parts or "".join(number + unit for number, unit in parts) != raw:
            raise SettingRefused(f"{name} must be a duration such as 500ms, 45s or 1h, not {raw!r}.", field=name)
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    if kind is int:
        if not raw.isdecimal() or not int(raw):
            raise SettingRefused(f"{name} must be a whole number above 0, not {raw!r}.", field=name)
        return int(raw)
    if get_args(kind)[:1] == (str,) and Ellipsis in get_args(kind):
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    return raw


def _checked(settings: Settings) -> Settings:
    """Refuse what would start and then fail."""
    if settings.environment not in {"production", "development", "test"}:
        raise SettingRefused(
            "REELWRIGHT_ENVIRONMENT must be production, development or test.", field="REELWRIGHT_ENVIRONMENT"
        )
    _check_redis(settings)
    _check_secret(settings)
    _check_passwords(settings)
    _check_proxies(settings)
    if settings.production and settings.ingestion_allowlist:
        raise SettingRefused(
            "REELWRIGHT_INGESTION_ALLOWLIST opens loopback pages and is for development only: unset it.",
            field="REELWRIGHT_INGESTION_ALLOWLIST",
        )
    if settings.production and settings.webhook_allowlist:
        raise SettingRefused(
            "REELWRIGHT_WEBHOOK_ALLOWLIST opens private addresses and is for development only: unset it.",
            field="REELWRIGHT_WEBHOOK_ALLOWLIST",
        )
    if settings.production and settings.failpoints:
        raise SettingRefused(
            "REELWRIGHT_FAILPOINTS breaks Reelwright on purpose and is for its tests only: unset it.",
            field="REELWRIGHT_FAILPOINTS",
        )
    if settings.lease < 2 * settings.heartbeat:
        raise SettingRefused(
            "REELWRIGHT_LEASE must be at least twice REELWRIGHT_HEARTBEAT, or a living worker loses its work.",
            field="REELWRIGHT_LEASE",
        )
    _check_providers(settings)
    _check_youtube(settings)
    return settings


def _check_youtube(settings: Settings) -> None:
    """Refuse a grant of which a part is missing, and addresses that would show a token to whoever listens."""
    parts = ("youtube_client_id", "youtube_client_secret", "youtube_refresh_token")
    missing = [part for part in parts if not getattr(settings, part)]
    if missing and len(missing) < len(parts):
        name = variable(missing[0])
        raise SettingRefused(f"{name} must be set with the other parts of YouTube's OAuth client.", field=name)
    for part in ("youtube_token_url", "youtube_upload_url"):
        if settings.production and not getattr(settings, part).startswith("https://"):
            name = variable(part)
            raise SettingRefused(f"{name} must begin with https://, as our token goes there.", field=name)


def _check_providers(settings: Settings) -> None:
    """Refuse a provider that doesn't do the craft it is chosen for, and one that nobody has a key for."""
    for craft, chosen in settings.choices.items():
        name, known = variable(f"{craft}_provider"), providers_of(Craft(craft))
        if len(set(chosen)) < max(1, len(chosen)):
            raise SettingRefused(f"{name} must name one provider or more, each once, comma-separated.", field=name)
        for choice in chosen:
            if choice not in known:
                names = f"{', '.join(known[:-1])} or {known[-1]}"
                raise SettingRefused(f"{name} must be {names}, not {choice!r}.", field=name)
            service = SERVICES.get(choice)
            if service and not settings.access[choice].suffices(service):
                key = service.key_variable
                raise SettingRefused(f"{name} is {','.join(chosen)}, so {key} must be set.", field=key)


def _check_secret(settings: Settings) -> None:
    """Refuse a secret that anybody knows, or could guess."""
    if settings.production and (settings.secret_key == NO_SECRET or len(settings.secret_key) < _SECRET_LENGTH):
        raise SettingRefused(
            f"REELWRIGHT_SECRET_KEY must hold at least {_SECRET_LENGTH} random characters: `openssl rand -base64 48`.",
            field="REELWRIGHT_SECRET_KEY",
        )


def _check_passwords(settings: Settings) -> None:
    """Refuse hashes that are guessed cheaply."""
    if settings.production and settings.password_memory_kib < LEAST_PASSWORD_KIB:
        raise SettingRefused(
            f"REELWRIGHT_PASSWORD_MEMORY_KIB must be at least {LEAST_PASSWORD_KIB}: leave it out.",
            field="REELWRIGHT_PASSWORD_MEMORY_KIB",
        )


def _check_proxies(settings: Settings) -> None:
    """Refuse a header that anybody could send, as nobody is said to overwrite it, and one that holds a list."""
    name, header = "REELWRIGHT_CLIENT_ADDRESS_HEADER", settings.client_address_header
    if header is None:
        return
    if not _HEADER.fullmatch(header) or header.lower() in {"x-forwarded-for", "forwarded"}:
        raise SettingRefused(
            f"{name} must be a header that holds one address, such as Fly-Client-IP: leave it out for X-Forwarded-For.",
            field=name,
        )
    if not settings.trusted_proxies:
        raise SettingRefused(
            f"{name} is believed from a trusted proxy alone: name it in REELWRIGHT_TRUSTED_PROXIES.",
            field="REELWRIGHT_TRUSTED_PROXIES",
        )


def _check_redis(settings: Settings) -> None:
    """Refuse two Redis servers, none, or half of one."""
    url, token = settings.upstash_redis_rest_url, settings.upstash_redis_rest_token
    if settings.redis_url and (url or token):
        raise SettingRefused(
            "REDIS_URL and UPSTASH_REDIS_REST_* name two servers, and limits live in one only: unset one of them.",
            field="REDIS_URL",
        )
    if settings.redis_url:
        return
    if not url and not token:
        raise SettingRefused(
            "REDIS_URL is not set: give it, or UPSTASH_REDIS_REST_URL with UPSTASH_REDIS_REST_TOKEN.",
            field="REDIS_URL",
        )
    for name, value in (("UPSTASH_REDIS_REST_URL", url), ("UPSTASH_REDIS_REST_TOKEN", token)):
        if not value:
            raise SettingRefused(f"{name} is not set: both stand in the database's REST API section.", field=name)
    if not (url or "").startswith("https://" if settings.production else ("https://", "http://")):
        raise SettingRefused(
            "UPSTASH_REDIS_REST_URL must begin with https://, as its token goes with every request.",
            field="UPSTASH_REDIS_REST_URL",
        )
