"""One POST to an embedding server: its address, its key, and what a failing connection means.

Nothing of the shell goes along: no proxy, no .netrc, no OPENAI_… variables. Only SSL_CERT_FILE and
SSL_CERT_DIR count, since they say whom to trust.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from libs.runtime.settings import SettingsError
from services.rag.embed.errors import (
    Away,
    EmbeddingError,
    EmbeddingRefused,
    EmbeddingUnavailable,
    OddAnswer,
    Slow,
)

CONNECT_TIMEOUT = 5.0
"""Seconds to look up the host and connect."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that are read; 2,048 vectors of 3,072 numbers are 33 MB in base64."""
ENDPOINT = "/embeddings"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the server says that it did as asked."""
        return 200 <= self.status < 300


class Poster:
    """The endpoint. `shown` is its base URL without a password."""

    def __init__(self, client: httpx.AsyncClient, base: httpx.URL, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        path = base.path.rstrip("/")
        # Some copy the address of the endpoint itself.
        self._url = base.copy_with(path=path if path.endswith(ENDPOINT) else path + ENDPOINT)
        self.shown = str(base.copy_with(username=None, password=None) if base.userinfo else base)

    async def post(self, body: bytes) -> Answered:
        """Send a request. Raises Unavailable, Refused or OddAnswer when there is no answer."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(body)
        except TimeoutError:
            raise Slow(
                f"The embedding server took longer than EMBEDDINGS_TIMEOUT={self._timeout:g} s."
            ) from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise self._failed(error) from None

    async def _post(self, body: bytes) -> Answered:
        headers = {"Content-Type": "application/json"}
        stream = self._client.stream("POST", self._url, content=body, headers=headers)
        async with stream as response:
            received = bytearray()
            async for part in response.aiter_bytes():
                received += part
                if len(received) > MAX_ANSWER:
                    raise OddAnswer(
                        f"The embedding server sent more than {MAX_ANSWER // 2**20} MB; the "
                        f"operator has to set EMBEDDINGS_BATCH lower."
                    )
        return Answered(status=response.status_code, headers=response.headers, body=bytes(received))

    def _failed(self, error: Exception) -> EmbeddingError:
        """Say what happened to the connection."""
        if isinstance(error, httpx.DecodingError):
            return OddAnswer("The embedding server sent an answer whose compression is broken.")
        at = f"at EMBEDDINGS_BASE_URL={self.shown}"
        for cause in _causes(error):
            match cause:
                case ssl.SSLCertVerificationError():
                    return EmbeddingRefused(
                        f"The certificate of the embedding server {at} is not trusted "
                        f"({cause.verify_message}); the operator names the authority that signed "
                        f"it in SSL_CERT_FILE."
                    )
                case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):
                    return EmbeddingRefused(
                        f"The embedding server {at} does not speak TLS: is it http:// there?"
                    )
                case socket.gaierror():
                    return Away(f"The host of the embedding server {at} is not known.")
                case ConnectionRefusedError():
                    return Away(f"Nothing listens for embeddings {at}: the connection is refused.")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Away(f"The embedding server {at} can't be reached.")
        return EmbeddingUnavailable("The embedding server broke the connection off.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _causes(one)
        error = error.__cause__ or error.__context__


@asynccontextmanager
async def open_poster(base_url: str, *, api_key: str, timeout: float) -> AsyncIterator[Poster]:
    """Open the client. Raises SettingsError when the address or the key can't be right."""
    base = _address(base_url)
    # A file or a secret store may have left a line end behind the key.
    key = api_key.strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError("EMBEDDINGS_API_KEY has characters that no key can have.")
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
        trust_env=False,
        verify=httpx.create_ssl_context(),
    ) as client:
        yield Poster(client, base, timeout)


def _address(base_url: str) -> httpx.URL:
    try:
        base = httpx.URL(base_url.strip())
        is_whole = base.scheme in {"http", "https"} and bool(base.host)
        is_whole = is_whole and 0 < (base.port or 80) < 2**16
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingsError(f"EMBEDDINGS_BASE_URL is not an address: {error}") from None
    if not is_whole:
        raise SettingsError(
            "EMBEDDINGS_BASE_URL must begin with http:// or https://, a host and perhaps a port, "
            "such as http://127.0.0.1:11434/v1."
        )
    return base
