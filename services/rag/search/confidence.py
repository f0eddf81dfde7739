"""From a score (see rank.py) to a probability, by logistic calibration.

Relevance: the probability that this passage helps to answer. Confidence: the probability that the
passages that were found answer the question; it depends on the best score alone. How the figures
come about, and how to redo them for another model: docs/retrieval.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.rag.settings import RagSettings


@dataclass(frozen=True)
class Curve:
    """A logistic curve: 0.5 at `midpoint`, the steeper the higher `slope`."""

    slope: float
    midpoint: float

    def __call__(self, score: float) -> float:
        """Return the probability, in [0, 1]."""
        # Past 500 the exponential overflows, and the answer is 0 or 1 long before.
        exponent = max(-500.0, min(500.0, self.slope * (score - self.midpoint)))
        return 1.0 / (1.0 + math.exp(-exponent))


@dataclass(frozen=True)
class Calibration:
    """The two curves that belong to an embedding model."""

    relevance: Curve
    confidence: Curve

    def relevance_of(self, score: float) -> float:
        """Return the probability that a passage with this score is relevant."""
        return self.relevance(score)

    def confidence_in(self, scores: Sequence[float]) -> float:
        """Return the probability that passages with these scores answer; 0 without any."""
        return self.confidence(max(scores)) if scores else 0.0


# Fitted by `python -m tests.eval.calibrate` to the dev half of tests/eval/sets, bundled model.
BUNDLED = Calibration(relevance=Curve(19.34, 0.6408), confidence=Curve(24.73, 0.5957))


def calibration_of(settings: RagSettings) -> Calibration:
    """Return the bundled model's calibration with what the settings replace of it."""
    return Calibration(
        relevance=_curve(settings.relevance_slope, settings.relevance_midpoint, BUNDLED.relevance),
        confidence=_curve(
            settings.confidence_slope, settings.confidence_midpoint, BUNDLED.confidence
        ),
    )


def _curve(slope: float | None, midpoint: float | None, default: Curve) -> Curve:
    return Curve(
        slope=default.slope if slope is None else slope,
        midpoint=default.midpoint if midpoint is None else midpoint,
    )
