"""`python -m services.rag.calibrate`: fit the calibration anew for the model that is set.

Embeds the businesses and questions of labelled.json with the model that EMBEDDINGS_… names,
searches each business, and fits both curves of confidence.py. Prints them as settings, with how
well they do on a business that they were not fitted to.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import msgspec
import numpy as np
from numpy.typing import NDArray

from libs.contracts.sources import Source, SourceType
from libs.runtime.clock import now
from services.rag.chunk import chunks_of, embedded_text
from services.rag.confidence import Curve
from services.rag.embed import Embedder, open_embedder
from services.rag.settings import RagSettings
from services.rag.vector import Vector


class LabelledSource(msgspec.Struct):
    """A source of an invented business."""

    kind: SourceType
    title: str
    question: str = ""
    answer: str = ""
    text: str = ""


class Asked(msgspec.Struct):
    """A question, and the titles of the sources that answer it."""

    question: str
    answered_by: list[str]
    style: str


class Business(msgspec.Struct):
    """A business, what it is asked, and what it is asked but has no source for."""

    name: str
    sources: list[LabelledSource]
    asked: list[Asked]
    not_covered: list[str]


class Labelled(msgspec.Struct):
    """The whole set; `off_topic` is asked of every business."""

    businesses: list[Business]
    off_topic: list[str]


@dataclass(frozen=True)
class Searched:
    """A question's best passages: their scores, best first, and which of them are right."""

    business: str
    style: str
    scores: tuple[float, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True)
class Point:
    """A score, and whether it was one of a right answer."""

    business: str
    score: float
    right: bool


def read_labelled() -> Labelled:
    """Return the labelled set that comes with the project."""
    content = files("services.rag").joinpath("labelled.json").read_bytes()
    return msgspec.json.decode(content, type=Labelled)


async def search_all(
    embedder: Embedder, labelled: Labelled, settings: RagSettings
) -> list[Searched]:
    """Ask every business all of its questions."""
    searched = []
    for business in labelled.businesses:
        titles, matrix = await _index(embedder, business, settings)
        unanswerable = [*business.not_covered, *labelled.off_topic]
        questions = [*business.asked, *(Asked(text, [], "uncovered") for text in unanswerable)]
        for asked in questions:
            vector = np.array(await embedder.embed_question(asked.question))
            scores = matrix @ vector
            best = np.argsort(-scores)[: settings.retrieval_top_k]
            right = tuple(titles[place] in asked.answered_by for place in best)
            found = tuple(float(score) for score in scores[best])
            searched.append(Searched(business.name, asked.style, found, right))
    return searched


async def _index(
    embedder: Embedder, business: Business, settings: RagSettings
) -> tuple[list[str], NDArray[np.float64]]:
    chunks = [
        chunk
        for source in business.sources
        for chunk in chunks_of(
            _as_source(source), size=settings.chunk_characters, overlap=settings.chunk_overlap
        )
    ]
    vectors: list[Vector] = await embedder.embed_passages([embedded_text(c) for c in chunks])
    return [chunk.title for chunk in chunks], np.array(vectors)


def _as_source(source: LabelledSource) -> Source:
    return Source(
        id=source.title,
        agent_id="",
        kind=source.kind,
        title=source.title,
        status="ready",
        chunks=0,
        created_at=now(),
        updated_at=now(),
        question=source.question,
        answer=source.answer,
        text=source.text,
    )


def confidence_points(searched: Iterable[Searched]) -> list[Point]:
    """One point a question: its best score, and whether what was found answers it."""
    return [Point(one.business, one.scores[0], any(one.right)) for one in searched]


def relevance_points(searched: Iterable[Searched]) -> list[Point]:
    """One point for each passage that was found."""
    return [
        Point(one.business, score, right)
        for one in searched
        for score, right in zip(one.scores, one.right, strict=True)
    ]


def fit(points: Sequence[Point]) -> Curve:
    """Fit a logistic curve by Newton's method, both classes weighing the same (Platt, 1999).

    How often questions are out of scope differs from agent to agent; equal weights put 0.5 where
    the two kinds are equally likely to be found.
    """
    scores = np.array([point.score for point in points])
    right = np.array([point.right for point in points], dtype=float)
    count, positives = len(right), right.sum()
    weights = np.where(right > 0, count / (2 * positives), count / (2 * (count - positives)))
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


def unseen_error(points: Sequence[Point]) -> float:
    """Return the share on the wrong side of 0.5, each business judged by a fit to the others."""
    wrong = []
    for business in {point.business for point in points}:
        curve = fit([point for point in points if point.business != business])
        wrong += [
            (curve(point.score) > 0.5) != point.right
            for point in points
            if point.business == business
        ]
    return sum(wrong) / len(wrong)


def first_is_right(searched: Iterable[Searched]) -> dict[str, float]:
    """Return the share of questions whose best passage is right, by style."""
    styles: dict[str, list[bool]] = defaultdict(list)
    for one in searched:
        if one.style != "uncovered":
            styles[one.style].append(one.right[0])
    return {style: sum(right) / len(right) for style, right in styles.items()}


def report(searched: Sequence[Searched]) -> str:
    """Return the fitted settings and their figures, to be printed."""
    lines = []
    for name, points in (
        ("relevance", relevance_points(searched)),
        ("confidence", confidence_points(searched)),
    ):
        curve = fit(points)
        lines.append(f"# {name}: {unseen_error(points):.1%} wrong on a business not fitted to")
        lines.append(f"{name.upper()}_SLOPE={curve.slope:.2f}")
        lines.append(f"{name.upper()}_MIDPOINT={curve.midpoint:.4f}")
    for style, share in first_is_right(searched).items():
        lines.append(f"# {style}: best passage right for {share:.0%}")
    return "\n".join(lines)


async def main() -> None:
    """Embed, search, fit, print."""
    settings = RagSettings.for_a_command()
    async with open_embedder(settings) as embedder:
        print(report(await search_all(embedder, read_labelled(), settings)))


if __name__ == "__main__":
    asyncio.run(main())
