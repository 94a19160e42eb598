"""Settings: read once from the environment, frozen, and strict about what it does not understand.

Every variable is one row of `SETTINGS`; a test compares that table with docs/reference/settings.md.
"""

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import marshmallow
import platformdirs
from environs import EnvError, FileAwareEnv

from productfruits.errors import ProductFruitsError

PREFIX = "PRODUCTFRUITS_"
PACKAGE = Path(__file__).resolve().parent
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("json", "console")
SWITCH = ("on", "off")
#: A session key shorter than this can be guessed; the published placeholders below are worse.
SECRET_KEY_MIN_BYTES = 32
PLACEHOLDERS = ("changeme", "change-me", "secret", "dev", "insecure", "your-secret-key", "placeholder")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class InvalidSettings(ProductFruitsError):
    """A setting has a value that productfruits does not understand. See docs/reference/settings.md."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name without the prefix, its default as people read it, what it is for."""

    name: str
    default: str
    help: str


SETTINGS = (
    Setting(
        "DATABASE_URL",
        "a SQLite file in the data folder",
        "Where everything is kept: sqlite:///… or postgresql://….",
    ),
    Setting(
        "DATA_DIR",
        "instance/ in a checkout, else the user's data folder",
        "Folder of the SQLite store and of the key files.",
    ),
    Setting("SECRET_KEY", "made on the first start", "Signs sessions and one-time links; at least 32 bytes."),
    Setting(
        "ENCRYPTION_KEYS",
        "made on the first start",
        "Fernet keys for secrets at rest, comma separated, newest first.",
    ),
    Setting("PUBLIC_URL", "http://HOST:PORT", "The address under which Segment and browsers reach this server."),
    Setting("HOST", "127.0.0.1", "Address to listen on."),
    Setting("PORT", "8000", "Port to listen on."),
    Setting(
        "TRUSTED_PROXIES",
        "none",
        "Addresses or networks, comma separated, whose X-Forwarded-For, -Proto and -Host are believed.",
    ),
    Setting(
        "EGRESS_ALLOW",
        "none",
        "Private networks, comma separated, that destinations and functions may send to, like 10.1.0.0/16.",
    ),
    Setting(
        "DELIVERIES", "on", "on: `serve` sends to destinations itself; off: only `productfruits worker` processes do."
    ),
    Setting(
        "FUNCTIONS",
        "off",
        "on: owners may write functions, and this server runs them in processes of their own; off: nobody's code runs.",
    ),
    Setting("METRICS_TOKEN", "none", "Bearer token for /metrics; without it only a loopback server answers."),
    Setting("THREADS", "16", "Threads for pages and the API; waiting webhooks need none."),
    Setting("QUEUE_MESSAGES", "20000", "Messages that may wait for the store before senders are told to come back."),
    Setting(
        "WRITER_PROCESS",
        "auto",
        "on: `serve` stores in a process of its own (Linux only); off: in a thread; auto: on where two processors are.",
    ),
    Setting(
        "WORKSPACE_REQUESTS_PER_SECOND",
        "0",
        "Requests with events that a process takes of one workspace in a second; more are to come again. 0: no limit.",
    ),
    Setting("EVENT_RETENTION_DAYS", "0", "Events older than this many days are deleted; 0 keeps them."),
    Setting("LOG_LEVEL", "info", f"One of {', '.join(LOG_LEVELS)}."),
    Setting("LOG_FORMAT", "json", "json (one object a line) or console (for people)."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decides. `load` fills it from the environment; tests fill it by hand."""

    data_dir: Path
    database_url: str
    secret_key: str | None = None
    encryption_keys: tuple[str, ...] = ()
    public_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    trusted_proxies: tuple[Network, ...] = ()
    egress_allow: tuple[Network, ...] = ()
    deliveries: bool = True
    functions: bool = False
    metrics_token: str | None = None
    threads: int = 16
    queue_messages: int = 20_000
    writer_process: str = "auto"
    workspace_requests_per_second: int = 0
    event_retention_days: int = 0
    log_level: str = "info"
    log_format: str = "json"

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def base_url(self) -> str:
        """The address to print and to build links from, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https://")


def load() -> Settings:
    """Settings from the process's environment, or `InvalidSettings` that names the variable and the remedy.

    Each variable may also be given as NAME_FILE, a file that holds the value (for container secrets).
    """
    _refuse_unknown()
    env = FileAwareEnv(prefix=PREFIX, strip_whitespace=True)
    try:
        data_dir = Path(env.str("DATA_DIR", "") or default_data_dir()).expanduser().absolute()
        return Settings(
            data_dir=data_dir,
            database_url=_database_url(env.str("DATABASE_URL", "") or f"sqlite:///{data_dir / 'productfruits.db'}"),
            secret_key=_secret_key(env.str("SECRET_KEY", "") or None),
            encryption_keys=tuple(key.strip() for key in env.str("ENCRYPTION_KEYS", "").split(",") if key.strip()),
            public_url=_public_url(env.str("PUBLIC_URL", "") or None),
            host=env.str("HOST", "") or "127.0.0.1",
            port=env.int("PORT", 8000, validate=_between(0, 65_535)),
            trusted_proxies=_networks("TRUSTED_PROXIES", env.str("TRUSTED_PROXIES", "")),
            egress_allow=_networks("EGRESS_ALLOW", env.str("EGRESS_ALLOW", "")),
            deliveries=env.str("DELIVERIES", "on", validate=_one_of(SWITCH)) == "on",
            functions=env.str("FUNCTIONS", "off", validate=_one_of(SWITCH)) == "on",
            metrics_token=env.str("METRICS_TOKEN", "") or None,
            threads=env.int("THREADS", 16, validate=_between(1, 256)),
            queue_messages=env.int("QUEUE_MESSAGES", 20_000, validate=_between(1, 10_000_000)),
            writer_process=env.str("WRITER_PROCESS", "auto", validate=_one_of(("auto", *SWITCH))),
            workspace_requests_per_second=env.int("WORKSPACE_REQUESTS_PER_SECOND", 0, validate=_between(0, 1_000_000)),
            event_retention_days=env.int("EVENT_RETENTION_DAYS", 0, validate=_between(0, 100_000)),
            log_level=env.str("LOG_LEVEL", "info", validate=_one_of(LOG_LEVELS)),
            log_format=env.str("LOG_FORMAT", "json", validate=_one_of(LOG_FORMATS)),
        )
    except (EnvError, ValueError) as err:
        raise InvalidSettings(str(err)) from err


def default_data_dir() -> Path:
    """`instance/` beside the code in a checkout, the user's data folder for an installed wheel."""
    checkout = PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "migrations").is_dir():
        return checkout / "instance"
    return Path(platformdirs.user_data_dir("productfruits", appauthor=False))


def _refuse_unknown() -> None:
    known = {PREFIX + setting.name for setting in SETTINGS}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name.removesuffix("_FILE") not in known:
            raise InvalidSettings(
                f"{name} is not a setting of productfruits. Check its spelling against docs/reference/settings.md, "
                "or take it out of the environment."
            )


def _database_url(url: str) -> str:
    # One spelling inside: people write what their hosting gives them.
    for spelling in ("postgres://", "postgresql://"):
        if url.startswith(spelling):
            return "postgresql+psycopg://" + url.removeprefix(spelling)
    if url.startswith(("postgresql+psycopg://", "sqlite:///")):
        return url
    raise InvalidSettings(
        "PRODUCTFRUITS_DATABASE_URL must begin with sqlite:/// or postgresql://. "
        "Example: postgresql://user:password@db.example:5432/productfruits"
    )


def _secret_key(key: str | None) -> str | None:
    if key is None:
        return None
    if len(key.encode()) < SECRET_KEY_MIN_BYTES or key.lower().startswith(PLACEHOLDERS):
        raise InvalidSettings(
            "PRODUCTFRUITS_SECRET_KEY is a placeholder or shorter than 32 bytes, so sessions could be forged. "
            "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return key


def _public_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise InvalidSettings(
            "PRODUCTFRUITS_PUBLIC_URL must be the address of this server, like https://onboarding.example.com"
        )
    return url.rstrip("/")


def _networks(name: str, text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as err:
        raise InvalidSettings(
            f"{PREFIX}{name}: {err}. Give addresses or networks, like 10.0.0.5,192.168.0.0/24"
        ) from err


def _between(low: int, high: int) -> Callable[[int], None]:
    def check(value: int) -> None:
        if not low <= value <= high:
            raise marshmallow.ValidationError(f"must be a whole number from {low} to {high}")

    return check


def _one_of(choices: tuple[str, ...]) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value not in choices:
            raise marshmallow.ValidationError(f"must be one of {', '.join(choices)}")

    return check
