"""What is alive in one process: the store, its keys, and the threads that work on it."""

import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.config import Settings
from productfruits.database import begin_immediate, make_engine, make_sessions, migrate
from productfruits.errors import ProductFruitsError
from productfruits.functions.runtime import Sandbox
from productfruits.outgoing.http import Egress
from productfruits.services import keyring
from productfruits.services.functions import FunctionsOff
from productfruits.services.keyring import Keyring
from productfruits.services.vault import Vault
from productfruits.turns import Turns
from productfruits.workers import writer_process
from productfruits.workers.checkpoints import Checkpoints
from productfruits.workers.deliveries import Deliveries
from productfruits.workers.function_sending import evaluator
from productfruits.workers.ingest_lock import IngestLock
from productfruits.workers.live_sites import LiveSites
from productfruits.workers.metrics import Metrics
from productfruits.workers.page_notes import PageNotes
from productfruits.workers.rates import Rates
from productfruits.workers.retention import Retention
from productfruits.workers.source_functions import SourceFunctions
from productfruits.workers.writer import Writer
from productfruits.workers.writer_process import WriterProcess

#: What was accepted is stored within this time after SIGTERM; supervisors kill after a little more.
DRAIN_S = 10.0
#: So long requests to destinations that are under way may take; what is cut off is sent again by whoever comes next.
SENDING_S = 2.0


class FolderNotWritable(ProductFruitsError):
    """The data folder cannot be written to."""


class StoreOutOfReach(ProductFruitsError):
    """The database cannot be opened."""


@dataclass
class Runtime:
    """Made once by `create_app`, found in app.extensions["productfruits"], shared by all threads of the process."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]
    keyring: Keyring
    metrics: Metrics
    #: The only way out of this process.
    egress: Egress
    rates: Rates
    writer: Writer
    deliveries: Deliveries
    #: Runs functions; None where the operator has not switched them on.
    sandbox: Sandbox | None
    source_functions: SourceFunctions | None
    retention: Retention
    page_notes: PageNotes
    sites: LiveSites
    checkpoints: Checkpoints | None
    ingest_lock: IngestLock | None
    turns: Turns | None
    #: Where the writer's transactions are made, if not in its thread.
    writer_process: WriterProcess | None = None
    #: Called when the writer has died twice; `serve` ends the process then.
    on_writer_death: list[Callable[[], object]] = field(default_factory=list)
    _started: bool = False
    _stopped: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def vault(self) -> Vault:
        return self.keyring.vault

    @property
    def is_started(self) -> bool:
        return self._started

    def required_sandbox(self) -> Sandbox:
        """What runs functions, or `FunctionsOff`."""
        if self.sandbox is None:
            raise FunctionsOff()
        return self.sandbox

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for a page or an answer; nothing of it is kept."""
        with self.sessions() as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose work is committed at the end of the block, or undone when the block raises."""
        with self.sessions.begin() as session:
            begin_immediate(session)
            yield session

    def start(self, *, may_fork: bool = False) -> None:
        """Begin to take webhooks in. Raises `AlreadyServed` on a SQLite store that another process serves.

        Safe to repeat. A WSGI server that never calls it gets it with the first webhook, after its fork. Whoever says
        `may_fork` has no other thread yet: the transactions get a process of their own, where that is wanted and helps.
        """
        if self._started:
            return
        with self._guard:
            if self._started or self._stopped:
                return
            if self.ingest_lock is not None:
                self.ingest_lock.acquire()
            if may_fork:
                self._fork_writer()
            if self.checkpoints is not None:
                self.checkpoints.start(self.writer.nudge)
            self.writer.start()
            self.retention.start()
            self.page_notes.start()
            if self.settings.deliveries:
                self.deliveries.start()
            if self.source_functions is not None:
                self.source_functions.start()
            atexit.register(self.close)
            self._started = True

    def close(self, drain_s: float = DRAIN_S) -> None:
        """Finish what was accepted, refuse the rest with "come again", and close the store. Safe to repeat."""
        with self._guard:
            if self._stopped:
                return
            self._stopped = True
            self.retention.stop()
            self.page_notes.stop()
            if self.source_functions is not None:
                self.source_functions.stop()
            self.deliveries.stop(SENDING_S)
            if self.sandbox is not None:
                self.sandbox.close()
            self.writer.stop(drain_s)
            if self.writer_process is not None:
                self.writer_process.close()
            if self._started and self.checkpoints is not None:
                self.checkpoints.stop()
            self.sites.close()
            self.engine.dispose()
            if self.turns is not None:
                self.turns.close()
            if self.ingest_lock is not None:
                self.ingest_lock.release()
            atexit.unregister(self.close)

    def _fork_writer(self) -> None:
        wanted = self.settings.writer_process
        if wanted == "off" or not writer_process.CAN_FORK or (wanted == "auto" and writer_process.processors() < 2):
            return
        self.engine.dispose()
        self.writer_process = writer_process.fork(self.settings.database_url)
        self.writer.use(self.writer_process)

    def _writer_died(self) -> None:
        for tell in self.on_writer_death:
            tell()


def open_runtime(settings: Settings) -> Runtime:
    """Migrate the store, unlock its keys, and have everything ready; no thread runs before `start`.

    Raises `FolderNotWritable`, `StoreOutOfReach` or `KeyMissing`, each with its remedy.
    """
    database = prepare_store(settings)
    engine = make_engine(settings.database_url, pool_size=settings.threads + 4)
    sessions = make_sessions(engine)
    try:
        with sessions.begin() as session:
            keys = keyring.unlock(settings, session)
    finally:
        engine.dispose()  # no connection is shared with a child that a WSGI server may fork
    metrics, egress = Metrics(), Egress(settings.egress_allow)
    sandbox = Sandbox() if settings.functions else None
    evaluate = None if sandbox is None else evaluator(sandbox)
    checkpoints = None if database is None else Checkpoints(database, metrics)
    turns = None if database is None else Turns(database)
    writer = Writer(
        sessions,
        metrics,
        is_sqlite=settings.is_sqlite,
        queue_messages=settings.queue_messages,
        somebody_waits=None if turns is None else turns.somebody_waits,
        between_groups=None if turns is None or checkpoints is None else partial(_pause, turns, checkpoints),
        on_death=lambda: runtime._writer_died(),
    )
    runtime = Runtime(
        settings=settings,
        engine=engine,
        sessions=sessions,
        keyring=keys,
        metrics=metrics,
        egress=egress,
        rates=Rates(settings.workspace_requests_per_second),
        writer=writer,
        deliveries=Deliveries(
            sessions,
            egress,
            keys.vault,
            metrics,
            sandbox=sandbox,
            evaluate=evaluate,
            is_pressed=lambda: writer.is_pressed,
        ),
        sandbox=sandbox,
        source_functions=None if sandbox is None else SourceFunctions(sessions, sandbox, egress, keys.vault, writer),
        retention=Retention(sessions, settings.event_retention_days),
        page_notes=PageNotes(sessions),
        sites=LiveSites(engine, sessions, keys.vault),
        checkpoints=checkpoints,
        ingest_lock=None if database is None else IngestLock(database),
        turns=turns,
    )
    return runtime


def _pause(turns: Turns, checkpoints: Checkpoints) -> None:
    turns.step_aside()
    checkpoints.truncate_if_wanted()


def prepare_store(settings: Settings) -> Path | None:
    """Make the data folder and bring the store to the newest schema. Returns the SQLite file, None for Postgres."""
    _make_folder(settings.data_dir)
    database = sqlite_file(settings)
    if database is not None:
        _make_folder(database.parent)
        if not database.exists():
            # Personal data: for the owner alone, whatever the umask says.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        migrate(settings.database_url)
    except SQLAlchemyError as err:
        shown = make_url(settings.database_url).render_as_string(hide_password=True)
        cause = " ".join(str(getattr(err, "orig", None) or type(err).__name__).split())
        raise StoreOutOfReach(
            f"The database {shown} cannot be opened: {cause}. Check PRODUCTFRUITS_DATABASE_URL, and that the "
            "database runs and lets this user in."
        ) from err
    return database


def sqlite_file(settings: Settings) -> Path | None:
    """The SQLite store's file, or None for Postgres."""
    url = make_url(settings.database_url)
    return Path(url.database) if settings.is_sqlite and url.database else None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as err:
        raise FolderNotWritable(
            f"The folder {folder} cannot be made ({err.strerror}). Set PRODUCTFRUITS_DATA_DIR to a folder that this "
            "user may write to."
        ) from err
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FolderNotWritable(
            f"The folder {folder} cannot be written to. Give it to this user (chown), or set PRODUCTFRUITS_DATA_DIR "
            "to another folder."
        )
