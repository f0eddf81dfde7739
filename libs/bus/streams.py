"""Creates the JetStream streams that libs/contracts names."""

from contextlib import suppress

from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError

from libs.contracts.subjects import STREAMS, Stream


async def ensure_streams(jetstream: JetStreamContext, replicas: int) -> None:
    """Create what is missing and bring what exists up to date; safe from several processes."""
    for stream in STREAMS:
        config = _config(stream, replicas)
        try:
            await jetstream.add_stream(config)
        except BadRequestError:  # it exists with another configuration, such as an older release's
            await jetstream.update_stream(config)


async def create_missing(jetstream: JetStreamContext, replicas: int) -> None:
    """Create what is missing; what exists stays as it is, another release may have changed it."""
    for stream in STREAMS:
        with suppress(BadRequestError):
            await jetstream.add_stream(_config(stream, replicas))


def _config(stream: Stream, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.WORK_QUEUE if stream.retention == "work" else None,
        storage=StorageType.MEMORY if stream.storage == "memory" else StorageType.FILE,
        max_age=stream.max_age,
        duplicate_window=min(stream.dedupe_window, stream.max_age or stream.dedupe_window),
        allow_direct=True,
        # A counter keeps its sum in the newest message of its subject.
        max_msgs_per_subject=1 if stream.counter else -1,
        allow_msg_counter=True if stream.counter else None,
        num_replicas=replicas,
    )
