"""The settings of rag; every one is an environment variable of the same name in capitals."""

from typing import Self

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationInfo, field_validator

from libs.runtime.settings import CommaSeparated, Settings


class IndexSettings(Settings):
    """Where chunks are searched."""

    qdrant_url: str = Field(
        "", description="Qdrant server; without it the index is embedded, in DATA_DIR"
    )
    qdrant_api_key: SecretStr = Field(SecretStr(""), description="API key of the Qdrant server")
    qdrant_timeout: int = Field(10, ge=1, description="Seconds until a Qdrant request fails")
    index_collection: str = Field(
        "alonchat_chunks",
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Name of the Qdrant collection; each embedding model needs its own",
    )
    index_flush_seconds: float = Field(
        10.0, gt=0, description="Seconds between two flushes of the embedded index"
    )
    index_optimise_every: int = Field(
        20_000,
        ge=0,
        description="Chunks added to the embedded index until it is optimised beside the service "
        "(memory for 9 kB a chunk, 3 times its disk space); 0 never does",
    )


class EmbeddingSettings(Settings):
    """What turns texts into vectors."""

    embeddings_base_url: str = Field(
        "", description="OpenAI-compatible server for embeddings; without it the bundled model runs"
    )
    embeddings_api_key: SecretStr = Field(SecretStr(""), description="API key of that server")
    embeddings_model: str = Field("", description="Name of the embedding model on that server")
    embeddings_dimensions: int | None = Field(
        None, ge=1, description="Vector size to ask that server for; unset takes the model's own"
    )
    embeddings_query_prefix: str = Field(
        "", description="What that model wants in front of a question, such as `query: `"
    )
    embeddings_timeout: float = Field(
        10.0, gt=0, description="Seconds until a request for embeddings fails"
    )
    embeddings_question_patience: float = Field(
        10.0,
        gt=0,
        description="Seconds for which a question is tried again at the embedding server, then its "
        "answer fails",
    )
    embeddings_patience: float = Field(
        60.0,
        gt=0,
        description="Seconds for which a batch of chunks is tried again at once, and longest "
        "Retry-After that is kept",
    )
    embeddings_batch: int = Field(
        16, ge=1, le=2048, description="Chunks embedded and indexed in one step of an ingestion"
    )
    embeddings_threads: int = Field(
        2, ge=1, description="Questions that the bundled model embeds at the same time"
    )
    embeddings_intra_op_threads: int = Field(
        1, ge=1, description="Threads that the bundled model uses for one text"
    )
    embeddings_cache: int = Field(
        2048, ge=1, description="Questions whose vectors are remembered, for repeated ones"
    )


class SearchSettings(Settings):
    """Which passages an answer gets."""

    retrieval_top_k: int = Field(6, ge=1, le=50, description="Most passages given to the model")
    retrieval_candidates: int = Field(
        12,
        ge=1,
        le=200,
        description="Chunks searched by meaning, and as many by words, to rank the passages from",
    )
    retrieval_min_relevance: float = Field(
        0.05, ge=0, le=1, description="Passages of a lower relevance are left out"
    )
    retrieval_follow_up_words: int = Field(
        16,
        ge=0,
        description="A question of at most so many words may be searched together with the one "
        "before it",
    )
    relevance_slope: float | None = Field(
        None, gt=0, description="Calibration of relevance; unset takes the bundled model's"
    )
    relevance_midpoint: float | None = Field(
        None, description="Score at which relevance is 0.5; unset takes the bundled model's"
    )
    confidence_slope: float | None = Field(
        None, gt=0, description="Calibration of confidence; unset takes the bundled model's"
    )
    confidence_midpoint: float | None = Field(
        None, description="Score at which confidence is 0.5; unset takes the bundled model's"
    )


class IngestionSettings(Settings):
    """How many sources and questions at once."""

    rag_chat_slots: int = Field(
        64, ge=1, description="Questions that one rag process works on at the same time"
    )
    rag_ingest_slots: int = Field(
        3,
        ge=1,
        description="Sources that one rag process indexes at the same time; those of one account "
        "take all but one of these places",
    )
    rag_ingest_waiting: int = Field(
        1_000,
        ge=1,
        description="Sources that wait in one rag process for such a place; websites as well",
    )
    rag_crawl_slots: int = Field(
        8,
        ge=1,
        description="Websites that one rag process crawls at the same time; those of one account "
        "take all but one of these places",
    )
    max_waiting_sources: int = Field(
        500,
        ge=1,
        description="Sources of an account that wait for being indexed; one more is a 429",
    )
    max_agent_chunks: int = Field(
        200_000, ge=1, description="Most chunks of an agent, over all of its sources"
    )
    source_sweep_interval: float = Field(
        30.0,
        gt=0,
        description="Seconds between two searches for sources that were stored or deleted while "
        "NATS or the index was away",
    )
    orphan_file_seconds: float = Field(
        3_600.0,
        ge=300,
        description="Seconds after which an uploaded file is removed whose source was not created",
    )


class DocumentSettings(Settings):
    """Reading texts and files."""

    chunk_characters: int = Field(
        400, ge=100, le=8000, description="Longest chunk of a text source, in characters"
    )
    chunk_overlap: int = Field(
        50, ge=0, description="Characters that a chunk may repeat of the one before it"
    )
    document_seconds: float = Field(
        120.0, gt=0, description="Seconds that reading a document may take"
    )
    document_memory_mb: int = Field(
        1024, ge=256, description="Memory for it, and what an archive may unpack to, in MB"
    )
    max_document_pages: int = Field(2_000, ge=1, description="Most pages of a PDF")
    max_document_characters: int = Field(
        5_000_000, ge=1, description="Most characters of text in a document"
    )

    @field_validator("chunk_overlap")
    @classmethod
    def _smaller_than_a_chunk(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("chunk_characters", value + 1):
            raise ValueError("must be smaller than CHUNK_CHARACTERS")
        return value


class CrawlSettings(Settings):
    """Reading websites."""

    crawl_seconds: float = Field(
        1_800.0, gt=0, description="Seconds after which a crawl ends with the pages that it has"
    )
    crawl_pages_at_once: int = Field(
        4, ge=1, description="Pages of one host that a process fetches at the same time"
    )
    crawl_delay: float = Field(
        0.1,
        ge=0,
        description="Seconds between two requests to one host; robots.txt can ask for more",
    )
    crawl_delay_max: float = Field(
        10.0, ge=0, description="Longest delay that a site's robots.txt or Retry-After can ask for"
    )
    crawl_depth: int = Field(30, ge=1, description="Links from the first page that are followed")
    crawl_variants: int = Field(
        100, ge=1, description="Addresses with another query but the same path that are followed"
    )
    crawl_user_agent: str = Field(
        "AlonchatBot/1",
        pattern=r"^[A-Za-z_-]+(/[!-~]+)?( [ -~]*)?$",
        description="How crawls name themselves; robots.txt means the part before the slash",
    )
    crawl_private_networks: CommaSeparated[IPvAnyNetwork] = Field(
        (),
        description="Networks beside the internet whose websites may be read, comma separated, "
        "such as `10.0.0.0/8`",
    )
    max_site_pages: int = Field(1_000, ge=1, description="Most pages of a website source")
    max_site_characters: int = Field(
        20_000_000, ge=1, description="Characters of text after which a crawl ends"
    )
    max_site_urls: int = Field(
        50_000, ge=1, description="Most addresses of a site that a crawl takes note of"
    )
    max_page_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, description="Largest page, document or sitemap that is fetched"
    )
    max_page_links: int = Field(2_000, ge=1, description="Links of one page that are looked at")
    max_page_redirects: int = Field(5, ge=0, description="Redirects followed for one page")
    page_connect_timeout: float = Field(
        5.0, gt=0, description="Seconds to look up the host and connect, for each of the two"
    )
    page_timeout: float = Field(20.0, gt=0, description="Seconds that fetching a page may take")
    page_retries: int = Field(
        1, ge=0, description="More tries when a server can't be reached or says to come later"
    )
    max_sitemaps: int = Field(50, ge=0, description="Sitemap files of a site that are read")
    max_sitemap_entries: int = Field(
        50_000, ge=1, description="Entries of a site's sitemaps that are read"
    )


class RagSettings(
    IndexSettings,
    EmbeddingSettings,
    SearchSettings,
    IngestionSettings,
    DocumentSettings,
    CrawlSettings,
):
    """All settings of rag."""

    @classmethod
    def for_a_command(cls) -> Self:
        """Read the environment for a command that needs neither the bus nor Mongo."""
        return cls(_env_file=None)  # type: ignore[call-arg]  # an argument of pydantic-settings
