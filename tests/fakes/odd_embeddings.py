"""An embedding server that does what a mark says: the model's name, or a word in a text.

So one server has all oddities, and many cases run on it at once.
"""

import base64
import json
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.openai_server import Asgi, FakeOpenAI, Receive, Send
from tests.fakes.openai_wire import vector

DIMENSIONS = 16


@dataclass(frozen=True)
class Asked:
    """One request for embeddings, and how many of its mark there have been, from 1."""

    body: dict[str, Any]
    nth: int

    @property
    def texts(self) -> list[str]:
        """What is to be embedded."""
        wanted = self.body["input"]
        return wanted if isinstance(wanted, list) else [wanted]

    @property
    def is_base64(self) -> bool:
        """Whether the vectors are asked for in base64."""
        return self.body.get("encoding_format") == "base64"

    @property
    def is_start(self) -> bool:
        """Whether this is the question for the vector size at the start."""
        return self.texts == ["size"]

    @property
    def vectors(self) -> list[list[float]]:
        """The right answer."""
        size = self.body.get("dimensions") or DIMENSIONS
        return [list(vector(text, size)) for text in self.texts]


@dataclass(frozen=True)
class Said:
    """What the server answers."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> bytes:
        """The body on the wire."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Behaviour = Callable[[Asked], Said]


def packed(numbers: list[float]) -> str:
    """A vector in base64."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def listed(vectors: list[Any]) -> Said:
    """An answer in OpenAI's form with these vectors."""
    return Said({"data": [{"index": n, "embedding": one} for n, one in enumerate(vectors)]})


def ordinary(asked: Asked) -> Said:
    """What it should do: numbers, or base64 as asked."""
    return listed([packed(one) if asked.is_base64 else one for one in asked.vectors])


class OddEmbeddings(FakeOpenAI):
    """The server. `behaviours` by mark; without one it is an ordinary server."""

    def __init__(self, behaviours: dict[str, Behaviour], port: int = 0) -> None:
        super().__init__(port=port)
        self.behaviours = behaviours
        self.asked: Counter[str] = Counter()
        self.most: Counter[str] = Counter()  # texts in one request that went well, by mark

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["path"] != "/v1/embeddings":
            await super().__call__(scope, receive, send)
            return
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        said = self._said(json.loads(body))
        headers = {"content-type": "application/json", **said.headers}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": encoded})
        await send({"type": "http.response.body", "body": said.sent})

    def _said(self, body: dict[str, Any]) -> Said:
        words = f"{body['model']} {body['input']}"
        mark = next((mark for mark in self.behaviours if mark in words), "")
        self.asked[mark] += 1
        asked = Asked(body, self.asked[mark])
        said = self.behaviours.get(mark, ordinary)(asked)
        if said.status == 200:
            self.most[mark] = max(self.most[mark], len(asked.texts))
        return said
