"""Server-sent events: bytes come in as the network has them, whole events go out. No socket here."""

from __future__ import annotations

from collections.abc import Iterator

from ...eventlog.errors import TooLarge

BYTES_MAX = 1024 * 1024
"""Of one event."""


class ServerSent:
    """Takes pieces, gives the `data` of each event that is complete by then; other fields and comments are passed by."""

    def __init__(self) -> None:
        self._left = bytearray()
        """The beginning of a line that has not ended yet."""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[str]:
        """TooLarge where an event goes on and on."""
        start = len(self._left)
        self._left += piece
        while (end := self._left.find(b"\n", start)) >= 0:
            line, start = bytes(self._left[:end]).rstrip(b"\r"), 0
            del self._left[: end + 1]
            if line:
                self._take(line)
            elif self._data:
                data, self._data, self._size = b"\n".join(self._data), [], 0
                yield data.decode("utf-8", "replace")
        if len(self._left) + self._size > BYTES_MAX:
            raise TooLarge("a server-sent event does not end", who="server-sent events", expected=f"at most {BYTES_MAX} bytes",
                           found=f"{len(self._left) + self._size} so far", instead="see what the server sends")

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
