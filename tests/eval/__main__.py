"""`python -m tests.eval`: ask the labelled questions, print a table, write JSON and a plot."""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from services.rag.settings import RagSettings
from tests.eval import figures, plot, report
from tests.eval.asking import Answered, indexed
from tests.eval.sets import SETS, Half, businesses, questions

RECORDED = Path(__file__).parent / "recorded.json"


async def ask_all(root: Path, halves: Iterable[Half]) -> dict[Half, list[Answered]]:
    """Index every business below a directory and ask the questions of these halves."""
    settings = RagSettings.for_a_command()
    found = businesses(root)
    with tempfile.TemporaryDirectory(prefix="eval-") as directory:
        async with indexed(found, settings, Path(directory)) as agents:
            return {
                half: [
                    await agents.ask(business, question)
                    for business in found
                    for question in questions(business, half)
                ]
                for half in halves
            }


def wrong_ones(answered: Iterable[Answered]) -> str:
    """Return the questions whose first passage is wrong, or which are on the wrong side of 0.5."""
    return "\n".join(
        f"{one.business} {one.question.style} {one.confidence:.2f} "
        f"{'first' if any(one.right[:1]) else 'later' if any(one.right) else 'not'} found: "
        f"{one.question.question}"
        for one in answered
        if (one.answerable and not any(one.right[:1]))
        or one.answerable != (one.confidence >= figures.THRESHOLD)
    )


def main() -> None:
    """Read the options, ask, report."""
    parser = argparse.ArgumentParser(description="Measure retrieval on labelled questions")
    parser.add_argument("--half", choices=("dev", "test"), help="only this half")
    parser.add_argument("--sets", type=Path, default=SETS, help="directory of the labelled sets")
    parser.add_argument("--wrong", action="store_true", help="list what went wrong; dev half only")
    parser.add_argument("--record", action="store_true", help="write recorded.json")
    parser.add_argument("--out", type=Path, default=Path(".eval"))
    options = parser.parse_args()
    halves: tuple[Half, ...] = (options.half,) if options.half else ("dev", "test")
    answered = asyncio.run(ask_all(options.sets, halves))
    result: dict[str, Any] = {
        half: {"styles": figures.figures_by_style(each), "latency": figures.latencies(each)}
        for half, each in answered.items()
        if each
    }
    options.out.mkdir(exist_ok=True)
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    (options.out / "eval.json").write_text(json.dumps(result, indent=1))
    plot.draw(result, options.out)
    print(report.table(result, recorded))
    if options.wrong:
        print(wrong_ones(answered.get("dev", [])))
    if options.record:
        RECORDED.write_text(json.dumps(recorded | result, indent=1) + "\n")


if __name__ == "__main__":
    main()
