"""A Qdrant server of ours, for what can't be tried with an index in the process: `python -m`.

It serves the requests that services/rag/index/server.py makes, over the embedded engine, so what it
acknowledged survives a kill -9. What it does not know is a 404.
"""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, get, post, put
from litestar.di import Provide
from litestar.exceptions import NotFoundException

from alonchat.stack import embedded
from alonchat.stack.embedded import HOST, Server
from services.rag.index.embedded import EmbeddedIndex, open_embedded_index
from services.rag.index.interface import WORDS, Chunk, chunk_of, hidden


def described(directory: Path) -> Server:
    """Return the server that keeps its state in `directory`."""
    port = embedded.free_port()
    command = (sys.executable, "-m", __name__, "--port", str(port), "--directory", str(directory))
    return Server("qdrant", f"http://{HOST}:{port}", port, command, directory.with_suffix(".log"))


class Collections:
    """The collections of a directory; each has a file with its vector size."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._open: dict[str, EmbeddedIndex] = {}
        self._creating = asyncio.Lock()

    async def open_all(self) -> None:
        """Open what an earlier run left."""
        for path in self._directory.glob("*.size"):
            await self._load(path.stem)

    async def create(self, name: str, size: int) -> None:
        """Make a collection; one that is there stays."""
        async with self._creating:  # several processes start at once
            if name not in self._open:
                self._directory.mkdir(parents=True, exist_ok=True)
                self._size_file(name).write_text(str(size))
                await self._load(name)

    def get(self, name: str) -> EmbeddedIndex:
        """Return a collection. Raises a 404."""
        if name not in self._open:
            raise NotFoundException(f"Not found: Collection `{name}` doesn't exist!")
        return self._open[name]

    def has(self, name: str) -> bool:
        """Whether there is such a collection."""
        return name in self._open

    def size(self, name: str) -> int:
        """Return the length of its vectors."""
        return int(self._size_file(name).read_text())

    async def _load(self, name: str) -> None:
        opening = open_embedded_index(
            self._directory / name, collection=name, dimensions=self.size(name), flush_seconds=5
        )
        self._open[name] = await self._stack.enter_async_context(opening)

    def _size_file(self, name: str) -> Path:
        return self._directory / f"{name}.size"


def _ok(result: Any) -> dict[str, Any]:
    return {"result": result, "status": "ok", "time": 0.0}


DONE = _ok({"operation_id": 0, "status": "completed"})


@get("/collections")
async def list_collections() -> dict[str, Any]:
    """List nothing: the client only wants to know that somebody answers."""
    return _ok({"collections": []})


@get("/collections/{name:str}/exists")
async def exists(name: str, collections: Collections) -> dict[str, Any]:
    """Tell whether there is a collection."""
    return _ok({"exists": collections.has(name)})


@put("/collections/{name:str}")
async def create(name: str, request: Request[Any, Any, Any], collections: Collections) -> Any:
    """Create a collection."""
    body = await request.json()
    await collections.create(name, body["vectors"]["size"])
    return _ok(True)


@get("/collections/{name:str}")
async def describe(name: str, collections: Collections) -> dict[str, Any]:
    """Describe a collection, as far as anybody reads it."""
    collections.get(name)
    return _ok(
        {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "payload_schema": {},
            "config": {
                "params": {
                    "vectors": {"size": collections.size(name), "distance": "Cosine"},
                    "sparse_vectors": {WORDS: {"modifier": "idf"}},
                },
                "hnsw_config": {"m": 0, "ef_construct": 100, "full_scan_threshold": 10_000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 1,
                    "flush_interval_sec": 5,
                },
            },
        }
    )


@put("/collections/{name:str}/index")
async def create_index(name: str, collections: Collections) -> dict[str, Any]:
    """Do nothing: the engine has its indexes."""
    collections.get(name)
    return DONE


@put("/collections/{name:str}/points")
async def upsert(
    name: str, request: Request[Any, Any, Any], collections: Collections
) -> dict[str, Any]:
    """Add points."""
    points = (await request.json())["points"]
    chunks = [_shown(chunk_of(point["payload"])) for point in points]
    await collections.get(name).put(chunks, [point["vector"][""] for point in points])
    return DONE


def _shown(chunk: Chunk) -> Chunk:
    return replace(chunk, agent_id=chunk.agent_id.removeprefix(hidden("")))


@post("/collections/{name:str}/points/payload", status_code=200)
async def set_payload(
    name: str, request: Request[Any, Any, Any], collections: Collections
) -> dict[str, Any]:
    """Reveal a version of a source."""
    body = await request.json()
    wanted = _wanted(body["filter"])
    agent_id = body["payload"]["agent_id"]
    await collections.get(name).reveal(agent_id, wanted["source_id"], wanted["version"])
    return DONE


@post("/collections/{name:str}/points/delete", status_code=200)
async def delete_points(
    name: str, request: Request[Any, Any, Any], collections: Collections
) -> dict[str, Any]:
    """Delete by filter."""
    index = collections.get(name)
    body = await request.json()
    match _wanted(body["filter"]):
        case {"source_id": source_id, "version": int(version)}:
            await index.drop_version(source_id, version)
        case {"source_id": source_id, "version": {"lt": version}}:
            await index.drop_before(source_id, version)
        case {"source_id": source_id}:
            await index.delete_source(source_id)
        case {"agent_id": [agent_id, _]}:
            await index.delete_agent(agent_id)
    return DONE


@post("/collections/{name:str}/points/query", status_code=200)
async def query(
    name: str, request: Request[Any, Any, Any], collections: Collections
) -> dict[str, Any]:
    """Search an agent's points."""
    body = await request.json()
    near, sharing = body["prefetch"]
    agent_id = _wanted(near["filter"])["agent_id"]
    words = _nearest(sharing["query"])["indices"]
    hits = await collections.get(name).search(
        agent_id, _nearest(near["query"]), words, near["limit"]
    )
    points = [
        {
            "id": hit.chunk.point_id,
            "version": 0,
            "score": hit.score,
            "payload": asdict(hit.chunk),
            "vector": {WORDS: {"indices": list(hit.words), "values": [1.0] * len(hit.words)}},
        }
        for hit in hits
    ]
    return _ok({"points": points})


@post("/collections/{name:str}/points/count", status_code=200)
async def count(
    name: str, request: Request[Any, Any, Any], collections: Collections
) -> dict[str, Any]:
    """Count an agent's points."""
    condition = (await request.json())["filter"]
    [agent_id, _] = _wanted(condition)["agent_id"]
    without = condition["must_not"][0]["match"]["value"]
    return _ok({"count": await collections.get(name).count(agent_id, without=without)})


def _nearest(query: Any) -> Any:
    return query["nearest"] if isinstance(query, dict) and "nearest" in query else query


def _wanted(condition: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a filter asks for, by field."""
    return {field["key"]: _value(field) for field in condition["must"]}


def _value(field: dict[str, Any]) -> Any:
    match = field.get("match") or {}
    if "any" in match:
        return match["any"]
    return match["value"] if match else {"lt": int(field["range"]["lt"])}


async def _serve(port: int, directory: Path) -> None:
    async with AsyncExitStack() as stack:
        collections = Collections(directory, stack)
        await collections.open_all()
        app = Litestar(
            [
                list_collections,
                exists,
                create,
                describe,
                create_index,
                upsert,
                set_payload,
                delete_points,
                query,
                count,
            ],
            dependencies={
                "collections": Provide(lambda: collections, use_cache=True, sync_to_thread=False)
            },
            openapi_config=None,
            request_max_body_size=None,
        )
        await uvicorn.Server(
            uvicorn.Config(app, host=HOST, port=port, log_level="warning", lifespan="off")
        ).serve()


if __name__ == "__main__":
    import asyncio

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(_serve(options.port, options.directory))
