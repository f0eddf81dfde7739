"""What retrieval asks of a vector index, whichever engine is behind it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from uuid import UUID, uuid5

import msgspec

from services.rag.read.questions import asks
from services.rag.read.section import HEADING_SEPARATOR
from services.rag.vector import Vector

# Any fixed namespace does; changing it would orphan every chunk that is indexed already.
_POINTS = UUID("6f1d6c1e-8d0b-4c3c-9a35-0f3b1c5a7e21")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a version of a source, as it is found again. `number` counts from 0 within it."""

    agent_id: str
    source_id: str
    version: int = 1
    number: int
    kind: str
    title: str
    text: str
    question: str = ""
    answer: str = ""
    heading: str = ""
    page: int | None = None
    url: str | None = None

    @property
    def point_id(self) -> str:
        """The same for the same piece of a version, so that indexing it again overwrites it."""
        return str(uuid5(_POINTS, f"{self.source_id}/{self.version}/{self.number}"))

    @property
    def asks(self) -> str:
        """The question that it answers: a stored one, or one that is the heading above it."""
        heading = self.heading.rpartition(HEADING_SEPARATOR)[2]
        return self.question or (heading if asks(heading) else "")

    @property
    def hidden_payload(self) -> dict[str, Any]:
        """What the index keeps beside the vector until the chunk is revealed."""
        return {**asdict(self), "agent_id": hidden(self.agent_id)}


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, the cosine of the angle to the question, and the chunk's words."""

    chunk: Chunk
    score: float
    words: frozenset[int] = frozenset()


def hidden(agent_id: str) -> str:
    """Whose chunks an agent's are until they are revealed: nobody's, so that no search sees them.

    The agent is what every search filters by, so hiding them costs a search nothing.
    """
    return f"hidden/{agent_id}"


def chunk_of(payload: object) -> Chunk:
    """Read a chunk back; fields that a newer release added are ignored."""
    return msgspec.convert(payload, Chunk)


WORDS = "words"
"""Name of the sparse vector beside the nameless one of the embedding."""


class Index(Protocol):
    """Chunks and their vectors. What a method did is durable and visible when it returns."""

    async def put(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """Add chunks, hidden from searches; those that are there already are replaced."""

    async def reveal(self, agent_id: str, source_id: str, version: int) -> None:
        """Let searches find a version of a source; those before it are still found as well."""

    async def drop_version(self, source_id: str, version: int) -> None:
        """Remove all chunks of one version of a source."""

    async def drop_before(self, source_id: str, version: int) -> None:
        """Remove all chunks of a source that are older than a version."""

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

    async def count(self, agent_id: str, *, without: str = "") -> int:
        """Return how many chunks an agent has, hidden ones too, `without` those of a source."""

    async def ping(self) -> None:
        """Raise unless the index answers."""


def other_size(where: str, existing: str, wanted: int) -> str:
    """Say that an index was made for another embedding model."""
    return (
        f"{where} holds vectors of {existing} numbers but the embedding model makes {wanted}: "
        f"set INDEX_COLLECTION to a new name and add the sources again, or go back to the model "
        f"that made it."
    )
