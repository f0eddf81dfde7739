"""Tells whether two sources of an agent say the same, so that nothing is indexed twice."""

from hashlib import blake2b

import msgspec

from libs.contracts.sources import CreateSource, Source


def content_key(source: CreateSource | Source, digest: str) -> str:
    """Return a key that sources share when their content is the same, whatever their titles.

    `digest` stands for the content of a file.
    """
    said = blake2b(digest_size=16)
    file = digest if source.kind == "file" else ""
    site = msgspec.json.encode(source.website).decode()
    for part in (source.kind, source.question, source.answer, source.text, file, site):
        # White space at the ends and between words makes no difference to a reader.
        said.update(" ".join(part.split()).encode() + b"\0")
    return f"{source.agent_id}/{said.hexdigest()}"
