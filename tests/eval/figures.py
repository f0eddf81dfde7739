"""From answered questions to figures. docs/retrieval.md defines every one of them."""

import statistics
from collections.abc import Sequence

from tests.eval.asking import Answered

THRESHOLD = 0.5
"""ANSWER_THRESHOLD of services/llm: a lower confidence is refused."""
BINS = 10

Figures = dict[str, float]


def figures_by_style(answered: Sequence[Answered]) -> dict[str, Figures]:
    """Return the figures of each style, and those of all questions together."""
    styles = dict.fromkeys(one.question.style for one in answered)
    found = {
        style: _of_style([one for one in answered if one.question.style == style])
        for style in styles
    }
    return found | {"all": _of_all(answered)}


def _of_style(answered: Sequence[Answered]) -> Figures:
    refused = sum(_refused(one) for one in answered) / len(answered)
    figures = {"questions": float(len(answered)), "refused": refused}
    return figures | (_ranking(answered) if answered[0].answerable else {})


def _of_all(answered: Sequence[Answered]) -> Figures:
    answerable = [one for one in answered if one.answerable]
    refused = [one for one in answered if _refused(one)]
    rightly = sum(not one.answerable for one in refused)
    unanswerable = len(answered) - len(answerable)
    figures = {"questions": float(len(answered))}
    if answerable:
        figures |= _ranking(answerable)
        figures["answerable refused"] = (len(refused) - rightly) / len(answerable)
    if unanswerable:
        figures["refusal recall"] = rightly / unanswerable
        figures["refusal precision"] = rightly / len(refused) if refused else 0.0
    return figures | {"ece": calibration_error(answered)}


def _refused(one: Answered) -> bool:
    return one.confidence < THRESHOLD


def _ranking(answered: Sequence[Answered]) -> Figures:
    return {
        "source@1": statistics.mean(any(one.of_source[:1]) for one in answered),
        "hit@1": statistics.mean(any(one.right[:1]) for one in answered),
        "hit@3": statistics.mean(any(one.right[:3]) for one in answered),
        "mrr": statistics.mean(_reciprocal_rank(one.right) for one in answered),
    }


def _reciprocal_rank(right: Sequence[bool]) -> float:
    return 1 / (right.index(True) + 1) if True in right else 0.0


def calibration_error(answered: Sequence[Answered]) -> float:
    """Return the expected calibration error of confidence, in ten bins of equal width.

    In each bin: how far the mean confidence is from the share of questions for which a passage
    that was found answers; then the mean over the bins, weighted by their questions.
    """
    bins: list[list[Answered]] = [[] for _ in range(BINS)]
    for one in answered:
        bins[min(int(one.confidence * BINS), BINS - 1)].append(one)
    gaps = (
        abs(sum(one.confidence for one in each) - sum(any(one.right) for one in each))
        for each in bins
    )
    return sum(gaps) / len(answered)


def latencies(answered: Sequence[Answered]) -> dict[str, Figures]:
    """Return p50 and p95 of each stage, in milliseconds."""
    stages = dict.fromkeys(stage for one in answered for stage in one.ms)
    return {stage: _spread([one.ms.get(stage, 0.0) for one in answered]) for stage in stages}


def _spread(values: Sequence[float]) -> Figures:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94]}
