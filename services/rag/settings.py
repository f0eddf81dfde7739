"""The settings of rag; every one is an environment variable of the same name in capitals."""

from typing import Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from libs.runtime.settings import Settings


class RagSettings(Settings):
    """Where the index and the embeddings are, and how retrieval behaves."""

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
    max_agent_chunks: int = Field(
        200_000, ge=1, description="Most chunks of an agent, over all of its sources"
    )

    retrieval_top_k: int = Field(4, ge=1, le=50, description="Most passages given to the model")
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

    rag_chat_slots: int = Field(
        64, ge=1, description="Questions that one rag process works on at the same time"
    )
    rag_ingest_slots: int = Field(
        2, ge=1, description="Sources that one rag process indexes at the same time"
    )

    @classmethod
    def for_a_command(cls) -> Self:
        """Read the environment for a command that needs neither the bus nor Mongo."""
        return cls(_env_file=None)  # type: ignore[call-arg]  # an argument of pydantic-settings

    @field_validator("chunk_overlap")
    @classmethod
    def _smaller_than_a_chunk(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("chunk_characters", value + 1):
            raise ValueError("must be smaller than CHUNK_CHARACTERS")
        return value
