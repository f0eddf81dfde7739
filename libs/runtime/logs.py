"""Logging: dotted event names with fields, on standard error, as text or JSON lines.

Never a secret, never the text of a message.
"""

import logging
import sys

import structlog
from stamina.instrumentation import set_on_retry_hooks


def configure(level: str, form: str, service: str) -> None:
    """Set up structlog and the standard library's loggers for this process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The default shows the values of local variables, keys and messages among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if form == "json"
        else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    set_on_retry_hooks([])  # whoever gives up logs it; each try would be noise
    structlog.contextvars.bind_contextvars(service=service)
    # Libraries speak only when something is wrong; httpx would log every URL, tokens included.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
