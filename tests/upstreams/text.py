"""How text comes: shapes of chunks, of usage, of characters, of the stream itself."""

import gzip
import json
import zlib
from typing import Any

from tests.fakes.raw_model_server import JSON, Exchange
from tests.upstreams.case import (
    DONE,
    FREE,
    OK,
    TEXT,
    WORDS,
    Answered,
    Case,
    answers,
    chunk,
    completion,
    event,
    raw,
    says,
    stop,
    streams,
    words,
)

FAIR = (OK, FREE)
"""Reading it and refusing it are both fair."""
WHOLE = b"".join((*words(), stop(), DONE))


def each_with(**fields: Any) -> list[bytes]:
    """The usual chunks, each with these fields at its top."""
    return [event(chunk(word) | fields) for word in WORDS]


def with_usage(usage: Any) -> Case:
    """The usual text, then a usage."""
    return Case(
        f"usage {json.dumps(usage)[:60]}",
        streams(*words(), stop(), event({"choices": [], "usage": usage}), DONE),
    )


def literally(name: str, text: str, *more: str) -> Case:
    """A text that is sent as JSON escapes and expected as it is."""
    return Case(name, says(event(chunk(text))), (Answered((text, *more)),))


def in_lines(name: str, *lines: str, end: str = "\n") -> Case:
    """Lines as they are, each with this end."""
    return Case(name, streams("".join(line + end for line in lines).encode()))


def cut(size: int, data: bytes) -> list[bytes]:
    """Cut bytes into packets."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def dumped(*chunks: dict[str, Any]) -> list[str]:
    """The JSON of chunks."""
    return [json.dumps(one) for one in chunks]


SAID = dumped(*map(chunk, WORDS), chunk(finish_reason="stop"))
NO_ERRORS: tuple[Any, ...] = (None, "", {}, 0, False)
SCRIPTS = "Pô ₱1,500 日本 👩‍👩‍👧 ok"


def plain(http: str, headers: str, *parts: bytes) -> Any:
    """A response that ends by closing."""

    async def serve(exchange: Exchange) -> None:
        await exchange.raw(
            f"{http} 200 OK\r\nContent-Type: text/event-stream\r\n{headers}\r\n".encode()
        )
        for part in parts:
            await exchange.raw(part)
        exchange.close()

    return raw(serve)


def deflated() -> list[bytes]:
    """The usual stream, compressed and flushed after each event."""
    packer = zlib.compressobj()
    parts = [
        packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in (*words(), stop(), DONE)
    ]
    return [*parts, packer.flush()]


CASES = [
    Case("an ordinary stream", says(*words())),
    Case(
        "delta is null in the first and the last chunk",
        streams(chunk(delta=None), *words(), chunk(delta=None, finish_reason="stop"), DONE),
    ),
    Case(
        "first chunks have a role and null or no content, and no finish_reason",
        says(
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]},
            {"choices": [{"index": 0, "delta": {"role": "assistant"}}]},
            *words(),
        ),
    ),
    Case(
        "every chunk names the role again",
        says(*(chunk(delta={"role": "assistant", "content": word}) for word in WORDS)),
    ),
    Case("chunks whose choices are null", says({"choices": None}, *words(), {"choices": None})),
    Case(
        "choices is an object where a list belongs",
        streams(*({"choices": chunk(word)["choices"][0]} for word in WORDS), stop(), DONE),
        FAIR,
    ),
    Case(
        "content is a list of text parts",
        says(*(chunk(delta={"content": [{"type": "text", "text": word}]}) for word in WORDS)),
    ),
    Case(
        "the last chunk is a whole completion with the text once more under message",
        streams(*words(), completion() | {"object": "chat.completion.chunk"}, DONE),
    ),
    Case(
        "chunks of the old completions endpoint, with text where delta belongs",
        streams(
            *({"choices": [{"index": 0, "text": word}]} for word in WORDS),
            {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]},
            DONE,
        ),
        FAIR,
    ),
    Case(
        "every chunk comes twice",
        says(*(event(chunk(word)) for word in WORDS for _ in range(2))),
        (Answered(("".join(word * 2 for word in WORDS), TEXT)),),
    ),
    Case(
        "every chunk has the whole text so far",
        says(
            *("".join(WORDS[: n + 1]) for n in range(0)),
            *(event(chunk("".join(WORDS[: n + 1]))) for n in range(len(WORDS))),
        ),
        (Answered(("".join("".join(WORDS[: n + 1]) for n in range(len(WORDS))), TEXT)),),
    ),
    Case(
        "the chunk with the finish_reason has the whole text once more",
        streams(*words(), chunk(TEXT, finish_reason="stop"), DONE),
        (Answered((TEXT * 2, TEXT)),),
    ),
    Case("no usage at all", says(*words())),
    Case(
        "usage in every chunk",
        streams(*each_with(usage={"prompt_tokens": 1, "completion_tokens": 2}), stop(), DONE),
    ),
    with_usage({"prompt_tokens": None, "completion_tokens": None}),
    with_usage({}),
    with_usage({"prompt_tokens": 11.0, "completion_tokens": 5.0}),
    with_usage({"prompt_tokens": "11", "completion_tokens": "five"}),
    with_usage({"prompt_tokens": -11, "completion_tokens": -5}),
    with_usage({"prompt_tokens": 2**70, "completion_tokens": 10**400}),
    with_usage([11, 5]),
    with_usage(11),
    Case(
        "NaN in a field of the usage that nobody reads",
        streams(
            *words(),
            stop(),
            b'data: {"choices":[],"usage":{"prompt_tokens":11,"time":NaN,"x":-Infinity}}\n\n',
            DONE,
        ),
    ),
    Case(
        "a vendor's own field with a usage of fractions",
        says(*each_with(x_groq={"usage": {"queue_time": 0.01, "total_tokens": 1.5}})),
    ),
    Case(
        "an error field that is null, empty, {}, 0 and false in turn",
        says(
            *(
                event(chunk(word) | {"error": error})
                for word, error in zip(WORDS, NO_ERRORS, strict=True)
            )
        ),
    ),
    Case(
        "an error object with code 0 and no message in every chunk: no error",
        says(*each_with(error={"code": 0, "message": ""})),
    ),
    Case(
        "the two halves of an emoji as escapes in two chunks",
        says(
            b'data: {"choices":[{"index":0,"delta":{"content":"Hi \\ud83d"}}]}\n\n',
            b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00 ok"}}]}\n\n',
        ),
        (Answered(("Hi 😀 ok", "Hi �� ok")),),
    ),
    Case(
        "half an emoji as an escape, alone, and at the end",
        says(b'data: {"choices":[{"index":0,"delta":{"content":"Hi \\ude00 ok \\ud83d"}}]}\n\n'),
        (Answered(("Hi � ok �",)),),
    ),
    Case(
        "broken UTF-8 in a chunk",
        says(b'data: {"choices":[{"index":0,"delta":{"content":"Hi \xf0\x9f ok"}}]}\n\n'),
        (Answered(("Hi � ok", "Hi �� ok")),),
    ),
    literally("replacement characters in the text", "Hi �� ok"),
    literally("a NUL in the text", "a\0b c", "a�b c", "ab c"),
    literally(
        "line and paragraph separators, control and private characters",
        "a\u2028b\u2029c\u0085d\x0be\x1cf \ue000 end",
    ),
    Case("three line ends before the first word", says(*words("\n", "\n\n"), *words())),
    Case(
        "the chat format's end token is part of the text",
        says(*words("We open", " at 9AM.", "<|im_end|>")),
        (Answered(("We open at 9AM.",)),),
    ),
    Case(
        "an end token in pieces, a line end after it",
        says(*words("We open at 9AM.", "<|", "eot_id", "|>", "\n")),
        (Answered(("We open at 9AM.",)),),
    ),
    Case(
        "an end token is talked about",
        says(*words("ChatML ends with <|im_end|> and", " Llama with </s>, they say.")),
        (Answered(("ChatML ends with <|im_end|> and Llama with </s>, they say.",)),),
    ),
    Case(
        "two chunks of 60,000 characters, more than an answer may have",
        says(event(chunk("a" * 60_000)), event(chunk("b" * 60_000))),
        (Answered(("a" * 60_000 + "b" * 40_000,), "length"),),
    ),
    Case(
        "peso signs, Japanese and a family emoji, one byte at a time",
        streams(*cut(1, event(json.dumps(chunk(SCRIPTS), ensure_ascii=False))), stop(), DONE),
        (Answered((SCRIPTS,)),),
    ),
    Case("packets of seven bytes", streams(*cut(7, WHOLE))),
    Case("the whole stream in one packet", streams(WHOLE)),
    Case("CR LF at line ends", streams(*cut(11, WHOLE.replace(b"\n", b"\r\n")))),
    Case("CR at line ends", streams(*cut(11, WHOLE.replace(b"\n", b"\r")))),
    Case("no blank after data:", streams(WHOLE.replace(b"data: ", b"data:"))),
    Case("three blanks after data:", streams(WHOLE.replace(b"data: ", b"data:   "))),
    Case("no blank lines between the events", streams(WHOLE.replace(b"\n\n", b"\n"))),
    Case(
        "the JSON of a chunk over several data: lines, which the SSE standard allows",
        streams(
            *(
                "".join(
                    f"data: {line}\r\n" for line in json.dumps(one, indent=1).split("\n")
                ).encode()
                + b"\r\n"
                for one in (*map(chunk, WORDS), chunk(finish_reason="stop"))
            ),
            DONE,
        ),
    ),
    Case(
        "a byte order mark before the first chunk, which has no text",
        streams(b"\xef", b"\xbb\xbf", event(chunk()), WHOLE),
    ),
    Case(
        "a byte order mark before the first chunk, which has text", streams(b"\xef\xbb\xbf" + WHOLE)
    ),
    Case(
        "comment lines, also empty ones, between the events",
        says(
            *(part for word in words() for part in (b": OPENROUTER PROCESSING\n\n", b":\n", word))
        ),
    ),
    Case(
        "retry:, id: and event: lines",
        says(*(b"retry: 10\nid: 7\nevent: message\n" + word for word in words())),
    ),
    Case(
        "data: lines with nothing in them",
        says(*(part for word in words() for part in (b"data:\n\n", b"data: \n", word))),
    ),
    Case(
        "data: null, true and a number",
        says(b"data: null\n\ndata: 7\n\n", *words(), b"data: true\n\n"),
    ),
    Case(
        "events named ping with JSON",
        says(*(b'event: ping\ndata: {"type": "ping"}\n\n' + word for word in words())),
    ),
    Case(
        "events named ping with a word",
        says(*(b"event: ping\ndata: ping\n\n" + one for one in words())),
    ),
    Case(
        "data: with a word that is no JSON",
        says(*(b"data: keep-alive\n\n" + one for one in words())),
    ),
    Case("Data: for data:", streams(WHOLE.replace(b"data:", b"Data:")), FAIR),
    Case("a blank before data:", streams(WHOLE.replace(b"data:", b" data:")), FAIR),
    Case("the stream is called application/json", streams(WHOLE, kind=JSON)),
    Case(
        "lines of JSON of another vendor's own protocol",
        streams(
            *(
                json.dumps({"message": {"content": word}, "done": False}).encode() + b"\n"
                for word in WORDS
            ),
            b'{"message": {"content": ""}, "done": true, "done_reason": "stop"}\n',
            kind="application/x-ndjson",
        ),
        FAIR,
    ),
    in_lines("a chunk a line, without data:", *SAID),
    Case("HTTP/1.0, ended by closing", plain("HTTP/1.0", "", *cut(40, WHOLE))),
    Case(
        "HTTP/1.1 without length or chunks, ended by closing",
        plain("HTTP/1.1", "Connection: close\r\n", *cut(40, WHOLE)),
    ),
    Case("gzip, in one piece", streams(gzip.compress(WHOLE), Content_Encoding="gzip")),
    Case("deflate, flushed after every event", streams(*deflated(), Content_Encoding="deflate")),
    Case("called gzip, and is not", streams(WHOLE, Content_Encoding="gzip"), FAIR),
    Case(
        "brotli, which was not asked for, and broken",
        streams(b"\x8b\x02\x80broken" * 9, Content_Encoding="br"),
        (FREE,),
    ),
    Case("a whole JSON completion although a stream was asked for", answers(200, completion())),
    Case(
        "a whole JSON completion over many lines",
        answers(200, json.dumps(completion(), indent=2).encode(), JSON),
    ),
    Case(
        "only the choice with index 0 is the answer",
        says(
            *(
                event({"choices": [{"index": 1, "delta": {"content": word.upper()}}]})
                + event(chunk(word))
                for word in WORDS
            )
        ),
    ),
    Case(
        "literal line ends and tabs within the JSON's strings",
        says(event(chunk("We open:\t9AM.")).replace(b"\\t", b"\t")),
        (Answered(("We open:\t9AM.",)),),
    ),
    Case(
        "a finish_reason in every chunk",
        streams(*(chunk(w, finish_reason="stop") for w in WORDS), DONE),
    ),
]
