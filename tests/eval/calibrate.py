"""`python -m tests.eval.calibrate`: fit the curves of confidence.py anew for the model that is set.

Asks the dev half of every labelled business with the model that EMBEDDINGS_… names, and prints the
constants as settings, with how well they do on a business that they were not fitted to.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.rag.search.confidence import Curve
from services.rag.settings import RagSettings
from tests.eval.asking import indexed
from tests.eval.sets import SETS, businesses, questions

SHOWN = 4
"""Passages of each question whose relevance is fitted: as many as a prompt gets by default."""


ANSWERABLE_ODDS = 2.0
"""Answerable questions for each one out of scope that confidence assumes: real agents get more of
them than of others, and refusing one is the worse mistake. Measured: about 5 % are then refused."""


@dataclass(frozen=True)
class Searched:
    """A question's best scores, best first, and which of the passages are right."""

    business: str
    scores: tuple[float, ...]
    right: tuple[bool, ...]
    answerable: bool


@dataclass(frozen=True)
class Point:
    """A score, and whether it was one of a right answer."""

    business: str
    score: float
    right: bool


async def search_all(settings: RagSettings, root: Path = SETS) -> list[Searched]:
    """Ask every business its dev half."""
    found = businesses(root)
    searched = []
    with tempfile.TemporaryDirectory(prefix="calibrate-") as directory:
        async with indexed(found, settings, Path(directory)) as agents:
            for business in found:
                for question in questions(business, "dev"):
                    scores = (await agents.scores(business, question))[:SHOWN]
                    values, right = zip(*scores, strict=True)
                    answerable = question.style != "out_of_scope"
                    searched.append(Searched(business.name, values, right, answerable))
    return searched


def confidence_points(searched: Sequence[Searched]) -> list[Point]:
    """One point a question: its best score, and whether the sources answer it."""
    return [Point(one.business, one.scores[0], one.answerable) for one in searched]


def relevance_points(searched: Sequence[Searched]) -> list[Point]:
    """One point for each passage that was found."""
    return [
        Point(one.business, score, right)
        for one in searched
        for score, right in zip(one.scores, one.right, strict=True)
    ]


def fit(points: Sequence[Point], odds: float = 1.0) -> Curve:
    """Fit a logistic curve by Newton's method to points of which `odds` to one are right.

    How often questions are out of scope differs from agent to agent, and from set to set: so the
    points are weighted until right and wrong ones have these odds (Platt, 1999).
    """
    scores = np.array([point.score for point in points])
    right = np.array([point.right for point in points], dtype=float)
    count, positives = len(right), right.sum()
    weights = np.where(right > 0, odds / positives, 1 / (count - positives)) * count / (1 + odds)
    # Platt's targets: never quite 0 or 1, so that a set without errors gives no infinite slope.
    above, below = (positives + 1) / (positives + 2), 1 / (count - positives + 2)
    targets = np.where(right > 0, above, below)
    middle = scores.mean()
    inputs = np.stack([scores - middle, np.ones(count)], axis=1)
    theta = np.zeros(2)
    for _ in range(100):
        probable = 1 / (1 + np.exp(-inputs @ theta))
        gradient = inputs.T @ (weights * (probable - targets))
        curvature = (inputs * (weights * probable * (1 - probable))[:, None]).T @ inputs
        theta -= np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
    return Curve(slope=float(theta[0]), midpoint=float(middle - theta[1] / theta[0]))


def unseen_errors(points: Sequence[Point], odds: float) -> tuple[float, float]:
    """Return the shares of right and of wrong points on the wrong side of 0.5.

    Each business is judged by a fit to the others.
    """
    wrong: dict[bool, list[bool]] = {True: [], False: []}
    for business in {point.business for point in points}:
        curve = fit([point for point in points if point.business != business], odds)
        for point in points:
            if point.business == business:
                wrong[point.right].append((curve(point.score) > 0.5) != point.right)
    return sum(wrong[True]) / len(wrong[True]), sum(wrong[False]) / len(wrong[False])


def report(searched: Sequence[Searched]) -> str:
    """Return the fitted settings and their figures, to be printed."""
    lines = []
    for name, points, odds in (
        ("relevance", relevance_points(searched), 1.0),
        ("confidence", confidence_points(searched), ANSWERABLE_ODDS),
    ):
        curve = fit(points, odds)
        right, wrong = unseen_errors(points, odds)
        lines.append(
            f"# {name} on the wrong side of 0.5, on a business not fitted to: {right:.1%} of what "
            f"is right, {wrong:.1%} of what is not"
        )
        lines.append(f"{name.upper()}_SLOPE={curve.slope:.2f}")
        lines.append(f"{name.upper()}_MIDPOINT={curve.midpoint:.4f}")
    return "\n".join(lines)


def main() -> None:
    """Ask, fit, print."""
    print(report(asyncio.run(search_all(RagSettings.for_a_command()))))


if __name__ == "__main__":
    main()
