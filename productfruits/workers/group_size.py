"""How many messages one transaction may have."""

#: On SQLite, where all workspaces share one transaction and one sync.
SQLITE = 4_096
#: On Postgres, where other processes wait for the workspace's lock meanwhile, and how long one may take: six processes
#: in turn stay within the patience of LOCK_TIMEOUT_MS.
POSTGRES = 1_000
POSTGRES_S = 0.3
#: However slow the machine, smaller groups than this are not worth their fixed cost of a dozen round trips.
POSTGRES_LEAST = 200


class GroupSize:
    """The size at which a group is large enough; on Postgres as much as this machine stores in time."""

    def __init__(self, *, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite
        self.most = SQLITE if is_sqlite else POSTGRES

    def learn(self, messages: int, took_s: float) -> None:
        """Take into account how long a transaction of so many messages took."""
        if not self._is_sqlite:
            fits = int(POSTGRES_S * messages / max(took_s, 1e-6))
            self.most = max(POSTGRES_LEAST, min(POSTGRES, (self.most + fits) // 2))
