"""No pattern and no function that reads a stranger's text takes the square of its length.

Each is known by how the processor's time grows with the text, which is the same on every machine.
"""

import ast
import gc
import importlib
import pkgutil
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import alonchat
import libs
import services
from libs.contracts.chat import AgentProfile, ChatGrounded, ChatRequested, Exchange, Ground, Passage
from libs.contracts.sources import Source
from libs.egress.safe_url import UnsafeUrl, is_host, parse_target
from libs.language.asking import asked_for, given, stems
from libs.language.glossary import in_english
from libs.language.greeting import without_greeting
from libs.runtime.clock import now
from services.llm.agent import AgentSettings
from services.llm.prompt.inert import inert
from services.llm.prompt.prompt import build_prompt
from services.llm.quote.quote import extract
from services.llm.quote.units import units_of
from services.rag.crawl.fetch.robots import Rules, directives_of
from services.rag.crawl.fetch.urls import normalised
from services.rag.crawl.pages.kinds import content_type
from services.rag.crawl.pages.page import decoded_page
from services.rag.crawl.pages.sitemap import read_sitemap
from services.rag.index.chunk import chunks_of, chunks_of_document
from services.rag.index.interface import Chunk, Hit
from services.rag.index.words import words_of_passage, words_of_question
from services.rag.read.html.document import read_html
from services.rag.read.json_file import read_json
from services.rag.read.markdown import read_markdown
from services.rag.read.section import Section, Unreadable
from services.rag.read.tables.csv_file import read_csv
from services.rag.read.text import text_of
from services.rag.search.follow_up import leans_on, with_context
from services.rag.search.rank import distinct, ranked
from services.rag.search.suggest import suggest
from tests.texts.strange import runs

pytestmark = pytest.mark.slow

PATTERN_RUN = 1_000
LONGER = 4
"""Times a run is as long as another: a linear pattern takes so many times as long for it."""
MOST_GROWTH = 9
"""The same of time, from which it grows with the square, which is 16."""
FUNCTION_RUN = 2_000
PATTERN_AT_ONCE = 0.003
FUNCTION_AT_ONCE = 0.1
"""Seconds of the processor that the longer run may take without a second look.

A pattern that takes the square of 4,000 characters takes at least 5 milliseconds.
"""
METHODS = ("search", "match", "fullmatch", "sub", "findall", "finditer", "split")
MAKES_PATTERNS = {"libs/language/asking.py", "services/llm/model/said/markup.py"}
"""Modules with a function that compiles what their constants are."""

ROOT = Path(services.__file__).parent.parent


def modules() -> Iterator[ModuleType]:
    """Import and yield every module of ours, except those that are programs."""
    for package in (services, libs, alonchat):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a library's own, of what it is to become
                    yield importlib.import_module(found.name)


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path of every module of ours, and what stands in it."""
    for package in (services, libs, alonchat):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def within(value: object) -> Iterator[re.Pattern[Any]]:
    """Yield the patterns that a constant is or holds."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from within(tuple(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for one in value:
            yield from within(one)


@cache
def parsed() -> tuple[tuple[str, ast.Module], ...]:
    """Return the trees, which take a second to make."""
    return tuple(trees())


@cache
def patterns() -> dict[str, tuple[re.Pattern[Any], frozenset[str]]]:
    """Return every compiled pattern of ours by its place, and the methods it is used by."""
    used: dict[str, set[str]] = {}
    for _, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                name = node.value.id if isinstance(node.value, ast.Name) else ""
                used.setdefault(name, set()).add(node.attr)
    return {
        f"{module.__name__}.{name} {number}": (pattern, frozenset(used.get(name, {"search"})))
        for module in modules()
        for name, value in vars(module).items()
        for number, pattern in enumerate(within(value))
    }


def use(pattern: re.Pattern[Any], method: str, text: Any) -> None:
    """Do with a text what the code does."""
    match method:
        case "sub":
            pattern.sub(text[:0], text)
        case "finditer":
            list(pattern.finditer(text))
        case _:
            getattr(pattern, method)(text)


def is_quadratic(short: Callable[[], Any], long: Callable[[], Any], at_once: float) -> bool:
    """Tell whether the time of some work grows with the square of what it is done with.

    It does not when the long one takes at most `at_once` seconds. What looks so is measured again:
    another process may have taken the time.
    """
    return all(took(long, at_once) > max(at_once, MOST_GROWTH * took(short, 0.0)) for _ in range(3))


def took(work: Callable[[], Any], bound: float) -> float:
    """Return the seconds of the processor that something takes: the least of three, if it has to.

    A collection of garbage, which looks through all that the tests before have left, or a neighbour
    in the processor's cache, is not the function's.
    """
    least = float("inf")
    gc.disable()
    try:
        for _ in range(3):
            begun = time.process_time()
            work()
            least = min(least, time.process_time() - begun)
            if least <= bound:
                break
    finally:
        gc.enable()
    return least


def test_every_pattern_is_a_constant() -> None:
    """One that stands within a function is not measured below."""
    inline = [
        f"{path}:{node.lineno}"
        for path, tree in parsed()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and path not in MAKES_PATTERNS
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in (*METHODS, "compile")
    ]
    assert inline == []
    assert len(patterns()) >= 45


def test_every_pattern_is_linear() -> None:
    """As it is used, over long runs of everything."""
    slow = []
    for (name, short), (_, long) in zip(runs(PATTERN_RUN), runs(LONGER * PATTERN_RUN), strict=True):
        for place, (pattern, methods) in patterns().items():
            texts: list[Any] = [short, long]
            if isinstance(pattern.pattern, bytes):
                texts = [text.encode() for text in texts]
            for method in methods:
                work = [partial(use, pattern, method, text) for text in texts]
                if is_quadratic(work[0], work[1], PATTERN_AT_ONCE):
                    slow.append(f"{place}.{method} for {name}")
    assert slow == []


AGENT = AgentSettings(threshold=0.1, no_answer="No.", verbatim=False, max_tokens=100)


def grounded(question: str, text: str, *, answer: str = "", said: str = "") -> ChatGrounded:
    """Return a question with one passage, and what was said before."""
    passage = Passage(
        source_id="s", type="qa", title=text[:200], relevance=0.9, text=text,
        question=question if answer else "", answer=answer, heading=text[:500],
    )  # fmt: skip
    request = ChatRequested(
        message_id="m", conversation_id="c", account_id="acc", model="x", credits=1, edge="e",
        agent=AgentProfile(id="a", name=text[:100], instructions=text), question=question,
        history=(Exchange(question=said or "Hi", answer=said or "Hello"),) * 10,
        requested_at=now(),
    )  # fmt: skip
    return ChatGrounded(request=request, passages=(passage,) * 6, confidence=0.9)


def source(text: str) -> Source:
    """Return a source of this text."""
    return Source(
        id="s", agent_id="a", kind="text", title="t", status="queued", chunks=0,
        created_at=now(), updated_at=now(), text=text,
    )  # fmt: skip


def answered(text: str) -> None:
    """Rank and compare the passages that have this text, and suggest a question."""
    chunk = Chunk(agent_id="a", source_id="s", number=0, kind="qa", title="", text=text,
                  question=text[:200], answer=text)  # fmt: skip
    found = ranked([Hit(chunk, 0.5)] * 24, text, words_of_question(text))
    distinct(found, 6)
    exchange = Exchange(question=text, answer=text)
    asked = Ground(agent_id="a", question=text, history=(exchange,) * 10, suggestions=3)
    suggest(asked, found, lambda _: 0.1)


def readable(read: Callable[[], Iterable[Any]]) -> None:
    """Read all of a document, or find out that it can't be read."""
    try:
        list(read())
    except (Unreadable, UnsafeUrl, UnicodeError):
        return


FUNCTIONS: dict[str, Callable[[str], Any]] = {
    "words of a question": words_of_question,
    "words of a passage": words_of_passage,
    "leans on": lambda text: leans_on(text, 10**6),
    "with context": lambda text: with_context(text, (Exchange(question=text, answer=text),)),
    "greeting": without_greeting,
    "in English": in_english,
    "ranked, distinct, suggested": answered,
    "inert": inert,
    "prompt": lambda text: build_prompt(grounded(text, text, said=text), 20_000, AGENT),
    "quoted": lambda text: extract(grounded(text, text[:2_000]), AGENT),
    "quoted answer": lambda text: extract(grounded(text, text, answer=text), AGENT),
    "units": units_of,
    "stems": stems,
    "asked for, given": lambda text: given(text, asked_for(f"how much when where {text}")),
    "chunks of a text": lambda text: chunks_of(source(text), size=400, overlap=50),
    "chunks of a document": lambda text: chunks_of_document(
        source(""), [Section(text=text, heading=text[:300])], size=400, overlap=50
    ),
    "content type": content_type,
    "robots.txt": lambda text: Rules(text, "Bot").allow(f"http://a/{normalised('/') or 'x'}"),
    "robots header": lambda text: directives_of([text], "Bot"),
    "robots rules": lambda text: Rules(f"User-agent: *\nDisallow: /{text}", "Bot").allow(
        "http://a.example/" + "a" * 1_900
    ),
    "address": lambda text: normalised(text, "http://a.example/b"),
    "host": is_host,
    "target": lambda text: readable(
        lambda: [parse_target(f"http://{text}"[:2_000], schemes=["http"])]
    ),
    "page": lambda text: readable(lambda: [decoded_page(text.encode(), None)]),
    "file": lambda text: readable(lambda: [text_of(text.encode("utf-16-le"))]),
    "JSON": lambda text: readable(lambda: read_json(text)),
    "CSV": lambda text: readable(lambda: read_csv(text)),
    "Markdown": lambda text: readable(lambda: read_markdown(text)),
    "HTML": lambda text: readable(lambda: read_html(text)),
    "sitemap": lambda text: readable(lambda: read_sitemap(text.encode(), "http://a.example/", 100)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_linear(name: str) -> None:
    """Over long runs of everything, as long as a question may be."""
    FUNCTIONS[name]("What is in a name?")  # what is loaded once is not measured
    both = (runs(length, before=("",)) for length in (FUNCTION_RUN, LONGER * FUNCTION_RUN))
    slow = [
        described
        for (described, short), (_, long) in zip(*both, strict=True)
        if is_quadratic(
            partial(FUNCTIONS[name], short), partial(FUNCTIONS[name], long), FUNCTION_AT_ONCE
        )
    ]
    assert slow == []
