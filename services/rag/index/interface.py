"""What retrieval asks of a vector index, whichever engine is behind it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from uuid import UUID, uuid5

import msgspec

from services.rag.vector import Vector

# Any fixed namespace does; changing it would orphan every chunk that is indexed already.
_POINTS = UUID("6f1d6c1e-8d0b-4c3c-9a35-0f3b1c5a7e21")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a source, as it is found again. `number` counts from 0 within its source."""

    agent_id: str
    source_id: str
    number: int
    kind: str
    title: str
    text: str
    question: str = ""
    answer: str = ""
    heading: str = ""
    page: int | None = None

    @property
    def point_id(self) -> str:
        """The same for the same piece of a source, so that indexing again overwrites it."""
        return str(uuid5(_POINTS, f"{self.source_id}/{self.number}"))

    @property
    def payload(self) -> dict[str, Any]:
        """What the index keeps beside the vector."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, the cosine of the angle to the question, and the chunk's words."""

    chunk: Chunk
    score: float
    words: frozenset[int] = frozenset()


def chunk_of(payload: object) -> Chunk:
    """Read a chunk back; fields that a newer release added are ignored."""
    return msgspec.convert(payload, Chunk)


WORDS = "words"
"""Name of the sparse vector beside the nameless one of the embedding."""


class Index(Protocol):
    """Chunks and their vectors. What a method did is durable and visible when it returns."""

    async def put(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """Add chunks; those with the same source and number are replaced."""

    async def trim(self, source_id: str, keep: int) -> None:
        """Remove the chunks of a source whose number is `keep` or higher."""

    async def delete_source(self, source_id: str) -> None:
        """Remove all chunks of a source."""

    async def delete_agent(self, agent_id: str) -> None:
        """Remove all chunks of an agent."""

    async def search(
        self, agent_id: str, vector: Vector, words: Sequence[int], limit: int
    ) -> list[Hit]:
        """Return the agent's chunks nearest to a vector, and those that share the rarest words.

        At most `limit` of either kind, all of them in the order of their cosines.
        """

    async def count(self, agent_id: str) -> int:
        """Return how many chunks an agent has."""

    async def ping(self) -> None:
        """Raise unless the index answers."""


def other_size(where: str, existing: str, wanted: int) -> str:
    """Say that an index was made for another embedding model."""
    return (
        f"{where} holds vectors of {existing} numbers but the embedding model makes {wanted}: "
        f"set INDEX_COLLECTION to a new name and add the sources again, or go back to the model "
        f"that made it."
    )
