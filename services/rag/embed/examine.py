"""`python -m services.rag.embed.examine`: embed a word as the settings say, for `alonchat doctor`.

Prints a sentence and ends with status 0, or ends with the sentence on what is wrong.
"""

import asyncio
import logging
import sys

import structlog

from libs.runtime.settings import SettingsError
from services.rag.embed.errors import EmbeddingError
from services.rag.embed.interface import open_embedder
from services.rag.settings import RagSettings


async def tried() -> str:
    """Return what to say of a server that embeds. Raises SettingsError or EmbeddingError."""
    settings = RagSettings.for_a_command()
    async with open_embedder(settings) as embedder:
        await embedder.ping()
        return (
            f"The embedding server sends vectors of {embedder.dimensions} numbers from "
            f"EMBEDDINGS_MODEL={settings.embeddings_model}."
        )


def main() -> None:
    """Print the sentence, or end with it."""
    # Only the sentence is said.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        print(asyncio.run(tried()))
    except (SettingsError, EmbeddingError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
