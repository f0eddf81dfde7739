"""What an engineer writes in an afternoon: FastAPI, openai, local retrieval, history in memory.

No keys, no limits, no credits, nothing stored. Run with uvicorn in an environment of its own.
"""

import json
import os
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel
from qdrant_client import AsyncQdrantClient, models

POINTS = int(os.environ.get("POINTS", "1000"))
client = AsyncOpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY
qdrant = AsyncQdrantClient(":memory:")
history: dict[str, list[dict[str, str]]] = defaultdict(list)


class Question(BaseModel):
    """What is asked, in which conversation."""

    message: str
    conversation_id: str | None = None
    model: str = "gpt-4o-mini"
    stream: bool = False


async def embed(*texts: str) -> list[list[float]]:
    """Embed texts with the API."""
    response = await client.embeddings.create(model="text-embedding-3-small", input=list(texts))
    return [entry.embedding for entry in response.data]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Fill the index."""
    texts = [f"On day {number} we are open from nine to six." for number in range(POINTS)]
    vectors = [v for n in range(0, POINTS, 100) for v in await embed(*texts[n : n + 100])]
    await qdrant.create_collection(
        "docs",
        vectors_config=models.VectorParams(size=len(vectors[0]), distance=models.Distance.COSINE),
    )
    points = [
        models.PointStruct(id=number, vector=vector, payload={"text": text})
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]
    await qdrant.upsert("docs", points)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/chat")
async def chat(question: Question) -> Any:
    """Answer from the five nearest texts and the conversation so far."""
    (vector,) = await embed(question.message)
    found = await qdrant.query_points("docs", query=vector, limit=5)
    context = "\n".join(point.payload["text"] for point in found.points if point.payload)
    conversation_id = question.conversation_id or str(uuid.uuid4())
    turns = history[conversation_id]
    turns.append({"role": "user", "content": question.message})
    system = {"role": "system", "content": f"Answer from these sources:\n{context}"}
    stream = await client.chat.completions.create(
        model=question.model, messages=[system, *turns[-20:]], stream=True
    )

    async def words() -> AsyncIterator[str]:
        text = ""
        async for chunk in stream:
            if chunk.choices and (word := chunk.choices[0].delta.content):
                text += word
                yield word
        turns.append({"role": "assistant", "content": text})

    async def events() -> AsyncIterator[str]:
        async for word in words():
            yield f"data: {json.dumps({'text': word})}\n\n"
        yield f"data: {json.dumps({'done': True, 'conversation_id': conversation_id})}\n\n"

    if question.stream:
        return StreamingResponse(events(), media_type="text/event-stream")
    text = "".join([word async for word in words()])
    return {"response": text, "conversation_id": conversation_id}
