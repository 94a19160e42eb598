"""The keys a server starts with: made once, kept private, missed in words."""

import contextlib
import dataclasses
import multiprocessing
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session

from productfruits.config import Settings
from productfruits.database import make_engine, make_sessions
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import connections, destinations, keyring, vault
from productfruits.services.keyring import KeyMissing
from productfruits.services.vault import Undecryptable, Vault
from tests.services.factories import NOW, workspace


@pytest.fixture
def bare(tmp_path: Path, database_url: str) -> Settings:
    """Settings of an operator who has set no key."""
    return Settings(data_dir=tmp_path / "data", database_url=database_url)


@pytest.fixture
def bare_sqlite(tmp_path: Path, sqlite_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=sqlite_url)


@contextlib.contextmanager
def open_store(settings: Settings) -> Iterator[Session]:
    engine = make_engine(settings.database_url)
    with make_sessions(engine)() as session:
        yield session
    engine.dispose()


def test_an_empty_sqlite_store_gets_private_key_files_once(bare_sqlite: Settings) -> None:
    with open_store(bare_sqlite) as session:
        first = keyring.unlock(bare_sqlite, session)
        again = keyring.unlock(bare_sqlite, session)
    assert [path.name for path in first.made] == ["encryption.keys", "secret.key"]
    assert again.made == () and again.files == first.files
    assert again.secret_key == first.secret_key and len(first.secret_key) >= 32
    assert again.vault.key_ids == first.vault.key_ids
    assert [stat.S_IMODE(path.stat().st_mode) for path in first.files] == [0o600, 0o600]
    assert stat.S_IMODE(bare_sqlite.data_dir.stat().st_mode) == 0o700
    assert sorted(path.name for path in bare_sqlite.data_dir.iterdir()) == ["encryption.keys", "secret.key"]


def test_it_prints_no_key(bare_sqlite: Settings) -> None:
    with open_store(bare_sqlite) as session:
        found = keyring.unlock(bare_sqlite, session)
    assert found.secret_key not in repr(found)


def test_on_postgres_a_missing_key_stops_the_start(tmp_path: Path, postgres_url: str) -> None:
    settings = Settings(data_dir=tmp_path / "data", database_url=postgres_url)
    with open_store(settings) as session:
        with pytest.raises(KeyMissing, match="PRODUCTFRUITS_ENCRYPTION_KEYS"):
            keyring.unlock(settings, session)
        half = dataclasses.replace(settings, encryption_keys=(Fernet.generate_key().decode(),))
        with pytest.raises(KeyMissing, match="PRODUCTFRUITS_SECRET_KEY"):
            keyring.unlock(half, session)
    assert not settings.data_dir.exists()


def test_encrypted_rows_name_the_key_that_is_missing(bare: Settings, session: Session) -> None:
    lost = Fernet.generate_key().decode()
    connections.activate(session, workspace(session), NOW, Vault([lost]))
    with pytest.raises(KeyMissing, match=vault.key_id(lost)):
        keyring.unlock(bare, session)
    wrong = dataclasses.replace(bare, encryption_keys=(Fernet.generate_key().decode(),), secret_key="s" * 40)
    with pytest.raises(KeyMissing, match=vault.key_id(lost)):
        keyring.unlock(wrong, session)
    assert not bare.data_dir.exists()


def test_a_key_that_needs_no_row_any_more_may_go(bare: Settings, session: Session) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    owner = workspace(session)
    active = connections.activate(session, owner, NOW, Vault([old]))
    shape = DestinationShape().load({"name": "Hooks", "url": "https://hooks.example.com/x"})
    made = destinations.create(session, owner.id, shape, NOW, Vault([old]))
    both = dataclasses.replace(bare, encryption_keys=(new, old), secret_key="s" * 40)
    opened = keyring.unlock(both, session)
    assert keyring.reencrypt(session, opened.vault) == 3
    assert keyring.reencrypt(session, opened.vault) == 0
    session.flush()
    alone = keyring.unlock(dataclasses.replace(both, encryption_keys=(new,)), session)
    found = connections.by_token(session, active.webhook_token, NOW, alone.vault)
    assert found is not None and found.secrets[0].key == active.webhook_secret.encode()
    assert destinations.endpoint(made.destination, alone.vault).url == "https://hooks.example.com/x"
    assert keyring.give_up(session, vault.key_id(new), NOW) == 3
    assert destinations.endpoint(made.destination, alone.vault).url == ""
    assert destinations.live_secrets(made.destination, NOW) == []
    assert destinations.status(made.destination) == "stopped"


def test_a_broken_key_is_refused_in_words(bare: Settings, session: Session) -> None:
    for broken in ("short", "é" * 44, "A" * 43 + "!"):
        with pytest.raises(vault.InvalidKey, match="Fernet"):
            keyring.unlock(dataclasses.replace(bare, encryption_keys=(broken,), secret_key="s" * 40), session)


def test_garbage_is_undecryptable_and_nothing_else() -> None:
    opened = Vault([Fernet.generate_key().decode()])
    whole = opened.encrypt("row:1", b"secret")
    assert opened.decrypt("row:1", whole) == b"secret"
    for stored in (b"", b":", b"x", whole[:-1], whole[9:], whole[:9] + b"AAAA", b"00000000" + whole[8:], b"\xff" * 50):
        with pytest.raises(Undecryptable):
            opened.decrypt("row:1", stored)


def make_keys(settings: Settings, gate: Callable[[], int], results: "multiprocessing.Queue[tuple[str, str]]") -> None:
    with open_store(settings) as session:
        gate()
        found = keyring.unlock(settings, session)
        results.put((found.secret_key, found.vault.key_ids[0]))


def test_processes_that_start_at_once_agree_on_the_keys(bare_sqlite: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    workers = [context.Process(target=make_keys, args=(bare_sqlite, barrier.wait, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    keys = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(keys) == 1
