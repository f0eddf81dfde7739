"""From what a model server says of an error to our failures. Pure; docs/answering.md has the table.

The words of the server decide, as its codes do, and go no further: only plain identifiers reach the
log.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.llm.failures import MESSAGES, Failed, FailureCode

MOST_WORDS = 1000
"""Characters of a server's message that are looked at: some repeat the whole request after it."""
RETRYABLE_STATUS = frozenset({408, 409, 425, 429, 498})
OVERLOADED_STATUS = frozenset({429, 498, 503, 529})
UNAVAILABLE_STATUS = frozenset({401, 403, 404})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_ERROR = frozenset({"", "0", "none", "null", "ok", "success", "200", "false"})
_STATUS = re.compile(r"[45]\d\d")
_IDENTIFIER = re.compile(r"[A-Za-z]+(?:[_.][A-Za-z]+|[_.]?[0-9]{1,3}|\[[0-9]{1,3}\])*")


@dataclass(frozen=True)
class ServerError:
    """What a server said. `places` are the fields that it blames."""

    status: int | None = None
    code: str = ""
    type: str = ""
    param: str = ""
    message: str = ""
    places: tuple[str, ...] = ()
    page: bool = False

    @property
    def detail(self) -> str:
        """What the log may say of it."""
        named = {"code": self.code, "type": self.type, "param": self.param}
        parts = [f"status {self.status}"] if self.status else []
        parts += [
            f"{name} {value}"
            for name, value in named.items()
            if len(value) <= 64 and _IDENTIFIER.fullmatch(value)
        ]
        return ", ".join(parts) or "an error without a code"

    @property
    def text(self) -> str:
        """All that says what is wrong, in small letters."""
        parts = (self.code, self.type, self.param, *self.places, self.message[:MOST_WORDS])
        return " ".join(parts).lower()


def error_in(value: Any) -> ServerError | None:
    """Return the error that a JSON object of a 200 is, None when it is none."""
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if _says_error(error):
        return _read(error, value)
    if value.get("choices"):
        return None
    failed = value.get("status") in ("error", "failed") or value.get("success") is False
    named = ("errors", "error_code", "error_message", "error_msg", "exception", "detail")
    if value.get("object") == "error" or value.get("type") == "error" or failed:
        return _read(value, value)
    if any(_says_error(value.get(name)) for name in named):
        return _read(value, value)
    bare = isinstance(value.get("message"), str) or isinstance(value.get("msg"), str)
    envelope = {"id", "object", "usage", "model", "type", "role"} & set(value)
    if bare and not envelope and str(value.get("code", "x")).lower() not in _NO_ERROR:
        return _read(value, value)
    return None


def error_of_body(status: int, body: bytes) -> ServerError:
    """Return what the body of an error response says."""
    text = body.decode(errors="replace")
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return ServerError(status=status, message=text.strip()[:MOST_WORDS], page=bool(text))
    if isinstance(value, list) and value:
        value = value[0]  # Gemini puts it into a list
    if isinstance(value, dict) and value.get("error"):
        found = _read(value["error"], value)
    else:
        found = _read(value, {})
    return ServerError(status, found.code, found.type, found.param, found.message, found.places)


def failure_of(error: ServerError, retry_after: float | None = None) -> Failed:
    """Return the failure that an error means for an answer."""
    code = _code(error, error.status or _status_in(error.code) or _status_in(error.type))
    message = ""
    if code == "upstream_rejected" and (limit := limit_of(error)):
        message = f"{MESSAGES[code]} It allows at most {limit} tokens (max_tokens)."
    return Failed(
        code,
        error.detail,
        retry_after=retry_after if code == "upstream_overloaded" else None,
        message=message,
        words=error.message,
    )


def may_pass(error: ServerError, failure: Failed) -> bool:
    """Tell whether the same request may succeed in a moment."""
    status = error.status or 500
    if failure.code == "upstream_overloaded":
        return True
    return failure.code == "upstream_error" and (status >= 500 or status in RETRYABLE_STATUS)


def limit_of(error: ServerError) -> int | None:
    """Return the most tokens of an answer that the server names as such."""
    text = error.message[:MOST_WORDS].lower()
    if not _TOKENS.search(text):
        return None
    named = _LIMIT.search(text)
    return int(named[1]) or None if named else None


_TOKENS = re.compile(r"max_\w*tokens|max\w* tokens|tokens")
# Other numbers stand there as well: what was asked for, versions in names of models, statuses.
_LIMIT = re.compile(
    r"(?:at most|no more than|up to|less than or equal to|smaller than or equal to|not exceed|"
    r"(?:maximum|limit|max)(?: (?:value|allowed|output|of|is))*|"
    r"between \d{1,7} and|[\[(] ?\d{1,7} ?,|<=|>) ?:? ?(\d{1,7})(?!\w|\.\d)"
)
_CONTEXT = re.compile(
    r"context.{0,3}length|context.{0,3}window|context.{0,3}size|exceed_context|"
    r"prompt (?:is )?too long|prompt_too_long|input (?:is )?too long|too many (?:input )?tokens|"
    r"string_above_max_length|maximum (?:prompt|input) length|input.{0,20}exceeds.{0,30}token|"
    r"reduce the length of the (?:messages|prompt|input)|max_input_tokens|input length|"
    r"prompt.{0,40}exceeds|context limit|request too large"
)
_FILTER = re.compile(
    r"content.?filter|content.?policy|content_management|responsibleai|data_inspection_failed|"
    r"moderation|safety.{0,20}(?:system|filter|polic)|sensitive_words|prompt.{0,20}filtered"
)
_QUOTA = re.compile(
    r"insufficient_quota|insufficient.{0,3}(?:balance|credit|fund)|exceeded your current quota|"
    r"quota_exceeded|billing|payment|out of credit|credit balance|arrearage|prepaid|"
    r"quota.{0,20}(?:exhausted|used up)|not enough (?:credit|balance)"
)
_OVERLOADED = re.compile(
    r"rate.?limit|overload|too many requests|server.?(?:is )?busy|engine_overloaded|at capacity|"
    r"over capacity|resource_?exhausted|throttl|loading model|model is (?:currently )?loading"
)
_UNAVAILABLE = re.compile(
    r"model_not_found|model_not_available|unknown.?model|invalid_model|no such model|"
    r"model.{0,80}(?:does not exist|not found|is not supported)|invalid.?api.?key|"
    r"authentication|unauthori[sz]ed|permission_?denied|incorrect api key|invalid_authentication"
)

_WORDS: tuple[tuple[FailureCode, re.Pattern[str], frozenset[int | None]], ...] = (
    ("upstream_quota_exceeded", _QUOTA, frozenset({None, 400, 403, 429})),
    ("context_length_exceeded", _CONTEXT, frozenset({None, 400, 413, 422, 500})),
    ("upstream_refused", _FILTER, frozenset({None, 400, 403, 422, 451, 500})),
    ("upstream_overloaded", _OVERLOADED, frozenset({None, 400})),
    ("model_unavailable", _UNAVAILABLE, frozenset({None, 400})),
)
"""Where the words of an error count for more than its status, the first that fits."""


def _code(error: ServerError, status: int | None) -> FailureCode:
    if not error.page and (said := _said(error.text, status)):
        return said
    if status in OVERLOADED_STATUS:
        return "upstream_overloaded"
    if status in UNAVAILABLE_STATUS or status in REDIRECTS:
        return "model_unavailable"
    if status is not None and 400 <= status < 500 and status not in RETRYABLE_STATUS:
        return "upstream_rejected"
    return "upstream_error"


def _said(text: str, status: int | None) -> FailureCode | None:
    """Return what the words and codes of an error mean beside a status that can mean much."""
    if status == 402:
        return "upstream_quota_exceeded"
    for code, words, statuses in _WORDS:
        if status in statuses and words.search(text):
            return code
    return None


def _status_in(code: str) -> int | None:
    return int(code) if _STATUS.fullmatch(code) else None


def _says_error(error: Any) -> bool:
    """Tell whether a value in the place of an error is one: null, {}, 0 or a code 0 are none."""
    if isinstance(error, dict):
        code = error.get("code", error.get("status"))
        if str(code).lower() in _NO_ERROR - {"none"}:
            said = str(error.get("message") or "").lower()
            return said not in _NO_ERROR
        return any(error.values())
    if isinstance(error, str):
        return error.strip().lower() not in _NO_ERROR
    return bool(error)


def _read(error: Any, around: dict[str, Any]) -> ServerError:
    if not isinstance(error, dict):
        error = {"message": error}
    message = _first(error, ("message", "msg", "error_message", "error_msg", "detail", "text"))
    places = tuple(_places(error))
    if not isinstance(message, str):
        message = " ".join(_messages(message))
    inner = error.get("innererror") or error.get("inner_error") or {}
    code = _first(error, ("code", "error_code", "status_code", "status")) or around.get("code")
    kinds = [error.get("type") or around.get("type"), _first(inner, ("code",))]
    return ServerError(
        code=_word(code),
        type=" ".join(filter(None, map(_word, kinds))),
        param=_word(error.get("param") or error.get("field")),
        message=str(message).strip()[:MOST_WORDS],
        places=places,
    )


def _first(error: Any, names: tuple[str, ...]) -> Any:
    found = (error.get(name) for name in names) if isinstance(error, dict) else iter(())
    return next((value for value in found if value not in (None, "")), "")


def _word(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:100] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _places(error: dict[str, Any]) -> Iterator[str]:
    """Yield the fields that a list of problems blames, as FastAPI and its kin write them."""
    for problems in (error.get("detail"), error.get("errors"), error.get("message")):
        for problem in problems[:20] if isinstance(problems, list) else ():
            if isinstance(problem, dict) and isinstance(problem.get("loc"), list | tuple):
                yield ".".join(str(part) for part in problem["loc"][:6])[:100]


def _messages(problems: Any) -> Iterator[str]:
    if isinstance(problems, dict):
        problems = problems.get("detail") or problems.get("message") or [problems]
    for problem in problems[:20] if isinstance(problems, list) else [problems]:
        if isinstance(problem, dict):
            yield str(problem.get("msg") or problem.get("message") or "")[:MOST_WORDS]
        else:
            yield str(problem)[:MOST_WORDS]
