"""From scores to probabilities, and where the constants come from."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rag.search.confidence import BUNDLED, Curve, calibration_of
from services.rag.settings import RagSettings
from tests.eval.calibrate import (
    ANSWERABLE_ODDS,
    Point,
    confidence_points,
    fit,
    relevance_points,
    report,
    search_all,
    unseen_errors,
)

pytestmark = pytest.mark.slow

Score = st.floats(-1, 1)


@given(Score, Score)
def test_a_higher_score_is_never_less_probable(one: float, other: float) -> None:
    """Curves rise and stay within [0, 1]."""
    low, high = sorted((one, other))
    assert 0 <= BUNDLED.confidence(low) <= BUNDLED.confidence(high) <= 1


def test_extreme_slopes_do_not_overflow() -> None:
    """A step-like calibration is allowed."""
    step = Curve(slope=1e6, midpoint=0.5)
    assert (step(0.4), step(0.5), step(0.6)) == pytest.approx((0, 0.5, 1))


def test_confidence_is_that_of_the_best_score() -> None:
    """Weaker passages beside a good one take nothing away; none at all is 0."""
    assert BUNDLED.confidence_in([0.3, 0.7]) == BUNDLED.confidence_in([0.7]) > 0.5
    assert BUNDLED.confidence_in([]) == 0.0


def test_settings_replace_single_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set is used, what isn't stays the bundled model's."""
    monkeypatch.setenv("CONFIDENCE_MIDPOINT", "0.33")
    calibration = calibration_of(RagSettings.for_a_command())
    assert calibration.confidence == Curve(BUNDLED.confidence.slope, 0.33)
    assert calibration.relevance == BUNDLED.relevance


def test_fitting_finds_the_curve_that_made_the_points() -> None:
    """Points drawn from a known curve lead back to it."""
    chance = random.Random(1)
    true = Curve(slope=30, midpoint=0.6)
    scores = [chance.uniform(0.4, 0.8) for _ in range(5000)]
    points = [Point("b", score, chance.random() < true(score)) for score in scores]
    fitted = fit(points)
    assert fitted.slope == pytest.approx(30, rel=0.1)
    assert fitted.midpoint == pytest.approx(0.6, abs=0.01)


def test_odds_move_the_midpoint() -> None:
    """The more questions are taken to be answerable, the lower the score that is believed."""
    chance = random.Random(2)
    scores = [chance.uniform(0.4, 0.8) for _ in range(2000)]
    points = [Point("b", score, chance.random() < score) for score in scores]
    assert fit(points, odds=2.0).midpoint < fit(points).midpoint


async def test_the_constants_are_what_the_command_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Fitting anew gives the figures in confidence.py, and they hold on unseen businesses."""
    monkeypatch.chdir(tmp_path)  # no settings of a running stack
    searched = await search_all(RagSettings.for_a_command())
    relevance, confidence = relevance_points(searched), confidence_points(searched)
    for points, odds, curve in (
        (relevance, 1.0, BUNDLED.relevance),
        (confidence, ANSWERABLE_ODDS, BUNDLED.confidence),
    ):
        fitted = fit(points, odds)
        # Processors differ in the last bits of int8 arithmetic, and so do the fits, a little.
        assert fitted.slope == pytest.approx(curve.slope, rel=0.15)
        assert fitted.midpoint == pytest.approx(curve.midpoint, abs=0.01)
    refused, believed = unseen_errors(confidence, ANSWERABLE_ODDS)
    assert refused < 0.08
    assert believed < 0.22
    assert "CONFIDENCE_MIDPOINT=0.5" in report(searched)
