"""Metrics: how many requests, how they ended and how long they took, in the text format of Prometheus.

Labels are those of operations, never what a request brings: so their number has a bound, and no tenant or run is named.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds."""

MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Of one process, since it started."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def count(self, path: str, method: str, status: int, seconds: float) -> None:
        """One request to an operation's path, with its parts in braces, has been answered."""
        self._requests[path, method, status] += 1
        buckets = self._buckets.setdefault(path, [0] * (len(BUCKETS) + 1))
        buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[path] = self._seconds.get(path, 0.0) + seconds

    def text(self) -> str:
        lines = ["# HELP http_requests_total Requests that were answered.", "# TYPE http_requests_total counter"]
        for (path, method, status), count in sorted(self._requests.items()):
            lines.append(f'http_requests_total{{path="{path}",method="{method}",status_code="{status}"}} {count}')
        lines += ["# HELP http_request_duration_seconds Seconds until a request was answered.",
                  "# TYPE http_request_duration_seconds histogram"]
        for path, buckets in sorted(self._buckets.items()):
            below = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
                below += count
                lines.append(f'http_request_duration_seconds_bucket{{path="{path}",le="{bound}"}} {below}')
            lines.append(f'http_request_duration_seconds_sum{{path="{path}"}} {self._seconds[path]:.6f}')
            lines.append(f'http_request_duration_seconds_count{{path="{path}"}} {below}')
        return "\n".join(lines) + "\n"
