"""Prometheus metrics of the gateway.

Ray offers them at /metrics of every node's metrics agent with the prefix `ray_`, e.g. `ray_isthmus_requests_total`. Prometheus
finds the agents through the file `prom_metrics_service_discovery.json` in the head's temporary folder (/tmp/ray by default).
Labels are the path, the site and the HTTP status only: their number is bounded by the configuration.
"""

from __future__ import annotations

from ray.serve import metrics

_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0]


class Metrics:
    """Counters are gathered here and handed to Ray by `flush`: one call each per flush instead of one per request."""

    def __init__(self) -> None:
        place = ("path", "site")
        self._requests = metrics.Counter("isthmus_requests_total", "Requests by outcome.", (*place, "status"))
        self._tokens = metrics.Counter("isthmus_tokens_total", "Tokens of answers.", (*place, "kind"))
        self._link = metrics.Counter("isthmus_link_bytes_total", "Bytes of text between the tiers.", ("direction",))
        self._latency = metrics.Histogram("isthmus_latency_seconds", "Arrival to last byte.", _SECONDS, place)
        self._ttft = metrics.Histogram("isthmus_ttft_seconds", "Arrival to first token of a stream.", _SECONDS, place)
        self._pending: dict[tuple[metrics.Counter, tuple[tuple[str, str], ...]], int] = {}

    def request(self, path: str, site: str, status: int) -> None:
        """Count a request; `path` and `site` are empty when none was chosen."""
        self._add(self._requests, 1, (("path", path), ("site", site), ("status", str(status))))

    def answer(self, path: str, site: str, usage: dict[str, int], latency_s: float, ttft_s: float | None) -> None:
        """Note what an answer took."""
        place = (("path", path), ("site", site))
        self._add(self._tokens, usage["prompt_tokens"], (*place, ("kind", "prompt")))
        self._add(self._tokens, usage["completion_tokens"], (*place, ("kind", "completion")))
        self._latency.observe(latency_s, dict(place))
        if ttft_s is not None:
            self._ttft.observe(ttft_s, dict(place))

    def traffic(self, up_bytes: int, down_bytes: int) -> None:
        """Count text that crossed between the tiers."""
        self._add(self._link, up_bytes, (("direction", "up"),))
        self._add(self._link, down_bytes, (("direction", "down"),))

    def flush(self) -> None:
        """Hand the counts to Ray."""
        pending, self._pending = self._pending, {}
        for (counter, tags), value in pending.items():
            counter.inc(value, dict(tags))

    def _add(self, counter: metrics.Counter, value: int, tags: tuple[tuple[str, str], ...]) -> None:
        if value:
            key = (counter, tags)
            self._pending[key] = self._pending.get(key, 0) + value
