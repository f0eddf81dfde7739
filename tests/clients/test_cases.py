"""What odd clients do, byte by byte, and what they get."""

import asyncio
import json
from dataclasses import dataclass

import httpx
import pytest

from tests.clients.conftest import Talker, lines_taken, talker
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.stack import Stack

TEXT = "We open at 9AM."
HELLO = b'{"message": "Hello?"}'
H2C = (
    "Connection: Upgrade, HTTP2-Settings\r\n"
    "Upgrade: h2c\r\n"
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
)


@dataclass
class Raw:
    """What came back until the connection was closed."""

    head: str
    body: bytes

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.split()[1])


@pytest.fixture
async def asker(stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI) -> Talker:
    """An account whose agent answers one sentence."""
    return await talker(stack, http, model, Script(text=TEXT))


async def say(stack: Stack, request: bytes) -> Raw:
    """Send bytes on a connection of their own; return what came until its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.ports["all"])
    writer.write(request)
    try:
        answer = await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return Raw(head.decode(), body)


def post(
    asker: Talker,
    body: bytes,
    headers: str = "Connection: close\r\n",
    *,
    version: str = "1.1",
    scheme: str = "Bearer",
    length: bool = True,
) -> bytes:
    """A request that sends this body to the agent."""
    lines = (
        f"POST /v1/agents/{asker.agent}/chat HTTP/{version}\r\nHost: shop\r\n"
        f"Authorization: {scheme} {asker.client.key}\r\nContent-Type: application/json\r\n{headers}"
    )
    if length:
        lines += f"Content-Length: {len(body)}\r\n"
    return lines.encode() + b"\r\n" + body


async def test_a_blank_line_parser_reads_a_slow_answer(
    stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """Comments come, and every blank line ends an event that has data."""
    model.pause()
    asker = await talker(stack, http, model, Script(text=TEXT, stall_after=0))
    comments, block, blocks = 0, [], []
    async with http.stream(
        "POST",
        f"/v1/agents/{asker.agent}/chat",
        json={"message": "Hello?", "stream": True},
        headers={"Authorization": f"Bearer {asker.client.key}"},
    ) as response:
        async for line in response.aiter_lines():
            if line.startswith(":"):
                comments += 1
                model.resume() if comments == 3 else None
            elif line:
                block.append(line)
            else:
                blocks.append(block)
                block = []
    assert comments >= 3
    assert not block
    assert blocks
    assert all(json.loads(one[-1].removeprefix("data: ")) for one in blocks)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("others", ["", "Accept: */*\r\n"])
async def test_an_offer_of_http2_is_ignored(
    stack: Stack, asker: Talker, stream: bool, others: str
) -> None:
    """As the JDK's client, Ktor and `curl --http2` make it with every http:// request."""
    body = json.dumps({"message": "Hello?", "stream": stream}).encode()
    headers = H2C.replace("Connection: ", "Connection: close, ") + others
    answer = await say(stack, post(asker, body, headers))
    assert answer.status == 200
    assert answer.head.startswith("HTTP/1.1 ")
    assert b"We" in answer.body


@pytest.mark.parametrize("path", ["/chat", ""])
@pytest.mark.parametrize("kind", ["application/json", None])
async def test_no_body(asker: Talker, path: str, kind: str | None) -> None:
    """The error says that there is none."""
    url = f"/v1/agents/{asker.agent}{path}" if path else "/v1/agents"
    headers = {"Content-Type": kind} if kind else {}
    answer = await asker.client.request("POST", url, headers=headers)
    assert answer.status_code == 400
    said = answer.json()["error"]["message"].lower()
    assert "empty" in said or "missing" in said
    assert answer.json()["error"].get("param") != "data"


async def test_a_json_answer_that_fails(
    stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """The headers name the message and the conversation, where the failure can be read."""
    asker = await talker(stack, http, model, Script(status=500))
    answer = await asker.client.request(
        "POST", f"/v1/agents/{asker.agent}/chat", json={"message": "Hello?"}
    )
    assert answer.status_code == 503
    conversation = await asker.client.get(
        f"/v1/conversations/{answer.headers['X-Conversation-Id']}"
    )
    question, failed = conversation["messages"]
    assert question["content"] == "Hello?"
    assert failed["id"] == answer.headers["X-Message-Id"]
    assert failed["status"] == "failed"


@pytest.mark.parametrize("stream", [False, True])
async def test_http_1_0(stack: Stack, asker: Talker, stream: bool) -> None:
    """No chunk sizes in the text; the end is the end of the connection."""
    body = json.dumps({"message": "Hello?", "stream": stream}).encode()
    answer = await say(stack, post(asker, body, "", version="1.0"))
    assert answer.status == 200
    assert "chunked" not in answer.head.lower()
    if stream:
        lines = answer.body.decode().split("\n")
        assert lines[0].startswith("id: ")
        assert lines_taken(lines)["text"] == TEXT
        assert lines_taken(lines)["events"][-1] == "done"
    else:
        assert json.loads(answer.body)["response"] == TEXT


async def test_head(http: httpx.AsyncClient) -> None:
    """200 and no body, as `wget --spider` and monitors ask."""
    answer = await http.head("/healthz")
    assert answer.status_code == 200
    assert answer.content == b""


async def test_a_byte_order_mark(stack: Stack, asker: Talker) -> None:
    """It is taken, or the error names it."""
    answer = await say(stack, post(asker, b"\xef\xbb\xbf" + HELLO))
    assert answer.status == 200 or (answer.status == 400 and b"byte order mark" in answer.body)


async def test_a_body_in_chunks(stack: Stack, asker: Talker) -> None:
    """Also one byte in each."""
    body = b"".join(b"1\r\n" + HELLO[at : at + 1] + b"\r\n" for at in range(len(HELLO)))
    headers = "Connection: close\r\nTransfer-Encoding: chunked\r\n"
    answer = await say(stack, post(asker, body + b"0\r\n\r\n", headers, length=False))
    assert answer.status == 200


async def test_expect_100_continue(stack: Stack, asker: Talker) -> None:
    """The client that waits for the 100 gets it before it sends its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.ports["all"])
    headers = "Connection: close\r\nExpect: 100-continue\r\n"
    request = post(asker, HELLO, headers)
    writer.write(request.removesuffix(HELLO))
    go = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    assert go.startswith(b"HTTP/1.1 100 ")
    writer.write(HELLO)
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_model_with_blanks(asker: Talker) -> None:
    """They are taken off, or refused."""
    answer = await asker.client.request(
        "POST", "/v1/agents", json={"name": "Shop", "model": f" {asker.model} "}
    )
    assert answer.status_code == 400 or answer.json()["model"] == asker.model


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
async def test_the_schemes_case(stack: Stack, asker: Talker, scheme: str) -> None:
    """RFC 9110: it does not count."""
    answer = await say(stack, post(asker, HELLO, scheme=scheme))
    assert answer.status == 200


async def test_the_type_of_a_stream_is_exact(asker: Talker) -> None:
    """There are clients that compare all of it, and ask again when it is another."""
    answer = await asker.client.request(
        "POST", f"/v1/agents/{asker.agent}/chat", json={"message": "Hello?", "stream": True}
    )
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert "no-transform" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("where", ["header", "parameter"])
async def test_after_the_last_event(asker: Talker, where: str) -> None:
    """EventSource is stopped by 204; polyfills, which have the id in the query, by an error."""
    streamed = await asker.client.stream(asker.agent, "Hello?")
    url = f"/v1/messages/{streamed.last['message_id']}/stream"
    for number, (event_id, name) in enumerate(zip(streamed.ids, streamed.names, strict=True)):
        given = {"headers": {"Last-Event-ID": event_id}}
        if where == "parameter":
            given = {"params": {"lastEventId": event_id}}
        answer = await asker.client.request("GET", url, **given)
        if name == "done":
            assert answer.status_code == (204 if where == "header" else 409)
        else:
            events = lines_taken(answer.text.split("\n"))["events"]
            assert events == streamed.names[number + 1 :]
