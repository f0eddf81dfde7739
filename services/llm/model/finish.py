"""What a model server's reason for ending means. Names differ by vendor; pure."""

import re
from typing import Literal

Meaning = Literal["stop", "length", "refused", "failed"]

_LENGTH = """
length max_tokens max_token max_length max_output_tokens max_completion_tokens model_length
token_limit tokens_limit token_limit_reached context_length context_window_exceeded
model_context_window_exceeded error_limit incomplete truncated limit
"""
_REFUSED = """
content_filter content_filtered contentfilter filtered safety image_safety recitation spii blocklist
blocked prohibited_content refusal refused sensitive moderation content_moderation content_policy
content_policy_violation guardrail_intervened guardrails error_toxic jailbreak model_armor flagged
risk language
"""
_FAILED = """
insufficient_system_resource malformed_function_call disconnected interrupted overloaded exception
killed oom
"""
_NONE = """
null none nil undefined unspecified finish_reason_unspecified in_progress running streaming continue
pending
"""
_MEANINGS: dict[str, Meaning | None] = {
    **dict.fromkeys(_LENGTH.split(), "length"),
    **dict.fromkeys(_REFUSED.split(), "refused"),
    **dict.fromkeys(_FAILED.split(), "failed"),
    **dict.fromkeys(["", *_NONE.split()]),
}
_FAILS = re.compile(r"error|abort|cancel|fail|time_?out")
_FILTERED = re.compile(r"content_?filter|safety")


_OTHERS = re.compile(r"[^a-z0-9]+")


def meaning_of(reason: object) -> Meaning | None:
    """Return what it means, None when the server has not ended yet. Unknown ones are a stop."""
    if isinstance(reason, dict):
        reason = reason.get("type") or reason.get("reason")
    if not reason:
        return None
    if not isinstance(reason, str):
        return "stop"
    return _meaning(name_of(reason))


def name_of(reason: str) -> str:
    """Return the name in the one form that the tables have, at most 40 characters of it."""
    name = _OTHERS.sub("_", reason[:100].strip().lower()).strip("_")[:40]
    return name.removeprefix("finish_reason_") or name


def _meaning(name: str) -> Meaning | None:
    if name in _MEANINGS:
        return _MEANINGS[name]
    if _FILTERED.search(name):
        return "refused"
    return "failed" if _FAILS.search(name) else "stop"
