"""What /metrics shows: counters of one process in a registry of its own, so that two apps in one process stay apart."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


class Metrics:
    """The numbers of this process. Labels are routes and codes of our own, never what a sender chose."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests: dict[tuple[str, str, int], Counter] = {}
        self._request_times: dict[str, Histogram] = {}
        self.requests = Counter(
            "productfruits_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "productfruits_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.messages = Counter(
            "productfruits_messages", "Messages received, by what became of them.", ["outcome"], registry=self.registry
        )
        self.refused = Counter(
            "productfruits_webhook_refused", "Requests of senders refused.", ["reason"], registry=self.registry
        )
        self.rate_limited = Counter(
            "productfruits_rate_limited",
            "Requests refused because their workspace sends too many, by way in.",
            ["source"],
            registry=self.registry,
        )
        self.group_messages = Histogram(
            "productfruits_group_messages", "Messages a transaction.", buckets=_SIZES, registry=self.registry
        )
        self.commit_seconds = Histogram(
            "productfruits_commit_seconds", "Time a transaction takes.", buckets=_SECONDS, registry=self.registry
        )
        self.store_faults = Counter(
            "productfruits_store_faults", "Transactions that failed.", ["fault"], registry=self.registry
        )
        self.dead_letters = Counter(
            "productfruits_dead_letters", "Requests set aside after failing five times.", registry=self.registry
        )
        self.deliveries = Counter(
            "productfruits_deliveries",
            "Attempts to send to a destination, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.waiting = Gauge(
            "productfruits_waiting_messages", "Messages waiting for the store.", registry=self.registry
        )
        self.body_bytes = Gauge(
            "productfruits_body_bytes", "Bytes of request bodies in memory.", registry=self.registry
        )
        self.wal_bytes = Gauge("productfruits_wal_bytes", "Size of SQLite's WAL file.", registry=self.registry)
        self.writer_deaths = Counter(
            "productfruits_writer_deaths", "Times the writer or its process ended unexpectedly.", registry=self.registry
        )

    def request(self, route: str, method: str, status: int) -> Counter:
        """The counter of these requests; looking it up by its labels costs more than counting."""
        key = (route, method, status)
        if key not in self._requests:
            self._requests[key] = self.requests.labels(route, method, str(status))
        return self._requests[key]

    def request_time(self, route: str) -> Histogram:
        """The histogram of a route's answers."""
        if route not in self._request_times:
            self._request_times[route] = self.request_seconds.labels(route)
        return self._request_times[route]
