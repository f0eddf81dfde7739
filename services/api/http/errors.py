"""Every error that the HTTP API answers with, and the one table from exception to envelope.

ApiError                      status, code, message, and what goes beside them
├── InvalidRequest            400 invalid_request
├── InvalidApiKey             401 invalid_api_key
├── InsufficientCredits       402 insufficient_credits
├── Forbidden                 403 insufficient_permissions, origin_not_allowed
├── NotFound                  404 <thing>_not_found
├── Conflict                  409 conflict
│   ├── InProgress            409 idempotency_key_in_use, with retry_after
│   └── AnswerEnded           409 answer_ended
├── PayloadTooLarge           413 payload_too_large
├── UnsupportedMediaType      415 unsupported_media_type
├── KeyReused                 422 idempotency_key_reused
├── RateLimited               429 rate_limit_exceeded, with retry_after
├── AnswerFailed              500 or 503, the code of what went wrong with the answer
├── Overloaded                503 overloaded, with retry_after
├── ClientLeft                503 client_left, which nobody sees
└── Unavailable               503 service_unavailable, with retry_after
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

from libs.bus.errors import FaultError, Refused, ServiceUnavailable, TooLarge
from libs.runtime.outages import MongoUnavailable

log = structlog.get_logger()

RETRY_AFTER = 2
"""Seconds that a client is asked to wait when a part of the system is away."""
TOO_MANY_RETRY_AFTER = 10
"""The same when an account has as much in work as it may have."""

FRAMEWORK_CODES = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "insufficient_permissions",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}
FAULT_STATUS = {
    "invalid": 400,
    "not_found": 404,
    "conflict": 409,
    "insufficient_credits": 402,
    "too_many": 429,
}
FAULT_CODES = {
    "invalid": "invalid_request",
    "internal": "server_error",
    "too_many": "rate_limit_exceeded",
}
FRAMEWORK_MESSAGES = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The body is too large.",
}
FIELD = re.compile(r"field `([^`]+)`")
RETRYABLE_FAILURES = frozenset(
    {"upstream_error", "upstream_timeout", "upstream_overloaded", "timeout", "service_unavailable"}
)


class ErrorDetail(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What went wrong. `retry_after` in seconds; `param` names the field that is to blame."""

    code: str
    message: str
    retry_after: int | None = None
    param: str | None = None
    request_id: str | None = None


class ErrorBody(msgspec.Struct, kw_only=True):
    """The body of every error."""

    error: ErrorDetail


class ApiError(Exception):
    """An error with its place in the HTTP API."""

    status = HTTP_500_INTERNAL_SERVER_ERROR
    code = "server_error"

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))
        self.headers: dict[str, str] = {}


class InvalidRequest(ApiError):
    """The request can't be understood or breaks a rule; `param` says where."""

    status = 400
    code = "invalid_request"


class InvalidApiKey(ApiError):
    """There is no key, or none like this one."""

    status = 401
    code = "invalid_api_key"


class InsufficientCredits(ApiError):
    """The account can't pay for the answer."""

    status = 402
    code = "insufficient_credits"


class Forbidden(ApiError):
    """The key may not do this."""

    status = 403
    code = "insufficient_permissions"


class OriginNotAllowed(Forbidden):
    """The publishable key is not for the page that used it."""

    code = "origin_not_allowed"


class NotFound(ApiError):
    """There is no such thing, or it is another account's."""

    status = 404

    def __init__(self, thing: str) -> None:
        super().__init__(f"There is no such {thing}.")
        self.code = f"{thing.replace(' ', '_')}_not_found"


class Conflict(ApiError):
    """The state of things does not allow it now."""

    status = 409
    code = "conflict"


class InProgress(Conflict):
    """The first request with this Idempotency-Key is still being answered."""

    code = "idempotency_key_in_use"

    def __init__(self) -> None:
        super().__init__(
            "The first request with this Idempotency-Key is still being answered. "
            "Retry later, or with stream: true to follow its answer.",
            retry_after=1,
        )


class AnswerEnded(Conflict):
    """A stream is asked for again of which the client has seen the last event."""

    code = "answer_ended"

    def __init__(self) -> None:
        super().__init__(
            "This answer has ended: Last-Event-ID names its last event. Leave it out to ask again.",
            param="Last-Event-ID",
        )


class KeyReused(ApiError):
    """The Idempotency-Key belongs to another request."""

    status = 422
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used with a different request.", param="Idempotency-Key"
        )


class PayloadTooLarge(ApiError):
    """The body, or a part of it, is larger than it may be, or than the system can pass on."""

    status = 413
    code = "payload_too_large"


class UnsupportedMediaType(ApiError):
    """The body is not of the type that is taken."""

    status = 415
    code = "unsupported_media_type"


class RateLimited(ApiError):
    """Too many requests in the current window."""

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, retry_after: float) -> None:
        wait = max(1, math.ceil(retry_after))
        super().__init__(f"Too many requests. Retry after {wait} seconds.", retry_after=wait)


class AnswerFailed(ApiError):
    """The message was accepted, but no answer came of it; it cost nothing."""

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        retryable = code in RETRYABLE_FAILURES
        wait = RETRY_AFTER if retry_after is None else retry_after
        super().__init__(message, retry_after=wait if retryable else None)
        self.code = code
        self.status = 503 if retryable else 500


class Overloaded(ApiError):
    """There is no room for this request right now; nothing was done for it."""

    status = 503
    code = "overloaded"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} Try again.", retry_after=RETRY_AFTER)


class ClientLeft(ApiError):
    """Whoever asked has closed the connection; nobody sees this."""

    status = 503
    code = "client_left"


class Unavailable(ApiError):
    """A part of the system does not answer right now."""

    status = 503
    code = "service_unavailable"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not available right now. Try again.", retry_after=RETRY_AFTER)


def to_api_error(error: Exception) -> ApiError:
    """Translate what any layer raises."""
    match error:
        case ApiError():
            return error
        case FaultError():
            return _from_fault(error)
        case TooLarge():
            return PayloadTooLarge(
                f"With all that belongs to it this has {error.size} bytes, "
                f"{error.most} are allowed."
            )
        case Refused():
            log.error("request.refused", error=str(error))
            return ApiError("Something went wrong on our side.")
        case ServiceUnavailable():
            return Unavailable(f"The {error.service} service")
        case MongoUnavailable():
            return Unavailable("The database")
        case RecursionError():
            return InvalidRequest("The body is nested too deeply.")
        case UnicodeDecodeError():
            return InvalidRequest("The body is not valid UTF-8.")
        case HTTPException():
            return _from_framework(error)
        case _:
            log.exception("request.failed", exc_info=error)
            return ApiError("Something went wrong on our side.")


@contextmanager
def also_answering(headers: Mapping[str, str]) -> Iterator[None]:
    """Answer an error of the block with these headers as well."""
    try:
        yield
    except ApiError as error:
        error.headers |= headers
        raise
    except Exception as error:
        raise _with_headers(to_api_error(error), headers) from error


def _with_headers(error: ApiError, headers: Mapping[str, str]) -> ApiError:
    error.headers |= headers
    return error


def detail(error: ApiError, request_id: str | None) -> ErrorDetail:
    """The envelope's content for an error."""
    return ErrorDetail(
        code=error.code,
        message=error.message,
        retry_after=error.retry_after,
        param=error.param,
        request_id=request_id,
    )


def allow(methods: Iterable[str]) -> str:
    """Return an Allow header of these methods; who takes GET takes HEAD."""
    every = set(methods)
    return ", ".join(sorted(every | {"HEAD"} if "GET" in every else every))


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Answer a request with an error; the exception handler for everything."""
    api_error = to_api_error(error)
    headers = dict(api_error.headers)
    if api_error.retry_after is not None:
        headers["Retry-After"] = str(api_error.retry_after)
    if isinstance(error, MethodNotAllowedException):
        headers["Allow"] = allow((error.headers or {}).get("allow", "").split(", "))
    body = ErrorBody(error=detail(api_error, request.scope["state"].get("request_id")))
    return Response(
        body, status_code=api_error.status, headers=headers, media_type="application/json"
    )


def _from_fault(error: FaultError) -> ApiError:
    fault = error.fault
    if fault.code == "unavailable":
        return Unavailable("A service")
    wait = TOO_MANY_RETRY_AFTER if fault.code == "too_many" else None
    api_error = ApiError(fault.message, param=fault.param, retry_after=wait)
    api_error.status = FAULT_STATUS.get(fault.code, HTTP_500_INTERNAL_SERVER_ERROR)
    api_error.code = FAULT_CODES.get(fault.code, fault.code)
    return api_error


def _from_framework(error: HTTPException) -> ApiError:
    status = error.status_code
    api_error = ApiError(FRAMEWORK_MESSAGES.get(status, error.detail))
    api_error.status = status
    api_error.code = FRAMEWORK_CODES.get(status, "server_error" if status >= 500 else "error")
    if isinstance(error.extra, list) and error.extra:
        _say_where(api_error, error.extra[0])
    elif status == 400:
        api_error.message = error.detail
    return api_error


def _say_where(api_error: ApiError, problem: dict[str, Any]) -> None:
    """Name the field: msgspec gives it in the message when it is one too many or too few."""
    api_error.message = str(problem.get("message"))
    named = FIELD.search(api_error.message)
    api_error.param = named.group(1) if named else problem.get("key")
