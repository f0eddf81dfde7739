"""The evaluation's own arithmetic."""

import pytest

from tests.eval.asking import Answered
from tests.eval.figures import calibration_error, figures_by_style
from tests.eval.sets import Question, Style


def answered(style: Style, confidence: float, *right: bool) -> Answered:
    """A question that got passages of which some are right."""
    return Answered("b", Question("id", style, "?"), right, right, confidence, {})


def test_ranking_figures() -> None:
    """First, third and not found: hit@1 a third, hit@3 two thirds, MRR the mean of 1, 1/3 and 0."""
    asked = [
        answered("keyword", 0.9, True, False),
        answered("keyword", 0.9, False, False, True),
        answered("keyword", 0.4, False),
    ]
    figures = figures_by_style(asked)["keyword"]
    assert figures["hit@1"] == pytest.approx(1 / 3)
    assert figures["hit@3"] == pytest.approx(2 / 3)
    assert figures["mrr"] == pytest.approx(4 / 9)
    assert figures["refused"] == pytest.approx(1 / 3)


def test_refusal_figures() -> None:
    """Of two that should be refused one is, beside one of two that should not."""
    asked = [
        answered("paraphrase", 0.9, True),
        answered("paraphrase", 0.4, True),
        answered("out_of_scope", 0.4, False),
        answered("out_of_scope", 0.5, False),
    ]
    figures = figures_by_style(asked)["all"]
    assert figures["refusal recall"] == 0.5
    assert figures["refusal precision"] == 0.5
    assert figures["answerable refused"] == 0.5


def test_calibration_error() -> None:
    """Right nine times in ten at a confidence of 0.9 is no error; right at 0.0 is a whole one."""
    honest = [answered("keyword", 0.9, number > 0) for number in range(10)]
    assert calibration_error(honest) == pytest.approx(0)
    assert calibration_error([answered("keyword", 0.0, True)]) == 1
    assert calibration_error([answered("out_of_scope", 1.0)]) == 1
