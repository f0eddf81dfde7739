"""Bytes to the lines of an event stream, as the standard and the servers have them. No I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html. Looser than that where it does no
harm: events need no blank line between them, since each line of data that is JSON by itself is one.
"""

MAX_LINE = 1_000_000
"""Bytes without a line end, or in one event, after which a stream is given up."""
BOM = b"\xef\xbb\xbf"


class Lines:
    """Cuts what comes in into lines, however it is cut itself. LF, CR LF and CR end a line."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._first = True

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete."""
        if b"\r" in data or self._after_cr:
            data = self._plain(data)
        if b"\n" not in data:
            self._keep(data)
            return []
        if self._rest:
            data = b"".join((*self._rest, data))
        *lines, rest = data.split(b"\n")
        self._rest, self._size = [], 0
        self._keep(rest)
        return self._without_bom(lines)

    @property
    def endless(self) -> bool:
        """Whether the line that is coming in is longer than any may be."""
        return self._size > MAX_LINE

    def flush(self) -> list[bytes]:
        """Return the last line when it has no end."""
        rest, self._rest = b"".join(self._rest), []
        return self._without_bom([rest] if rest else [])

    def _plain(self, data: bytes) -> bytes:
        if self._after_cr and data.startswith(b"\n"):
            data, self._after_cr = data[1:], False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._rest.append(rest)
            self._size += len(rest)

    def _without_bom(self, lines: list[bytes]) -> list[bytes]:
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(BOM)
        return lines


def field_of(line: bytes) -> tuple[bytes, bytes]:
    """Return the name and the value of a line; the name in small letters, empty for a comment."""
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()
