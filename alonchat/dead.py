"""`alonchat dead …`: the messages that no worker could handle."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from cyclopts import App, Parameter, validators

from alonchat.accounts import Json
from alonchat.connection import connected
from alonchat.errors import OperatorError
from alonchat.output import show, table
from libs.bus.dead_letters import DeadLetter, DeadLetters
from libs.runtime.settings import Settings

app = App(name="dead", help="Dead letters: messages that no worker could handle.")

Number = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Subject = Annotated[str, Parameter(help="Only those of this subject, such as chat.* or events.>")]
All = Annotated[bool, Parameter(name="--all", negative="", help="All that --subject chooses.")]
T = TypeVar("T")
TOO_OLD = "A chat message this old has failed, visibly and free of charge: drop it."


@app.command(name="list")
def list_(*, subject: Subject = ">", limit: Number = 100, json: Json = False) -> None:
    """List dead letters, oldest first, with why they died."""

    async def first(dead: DeadLetters) -> list[DeadLetter]:
        found: list[DeadLetter] = []
        async for letter in dead.all(subject):
            found.append(letter)
            if len(found) == limit:
                break
        return found

    letters = asyncio.run(_with_letters(first))
    rows = [_row(letter) for letter in letters]
    header = ("NUMBER", "SUBJECT", "SINCE", "BYTES", "REASON")
    show(
        {"dead_letters": [_summary(letter) for letter in letters]},
        table(header, rows),
        as_json=json,
    )


@app.command(name="show")
def show_(number: Number, *, json: Json = False) -> None:
    """Print one dead letter with all that is in it."""
    letter = asyncio.run(_with_letters(lambda dead: _one(dead, number)))
    text = letter.data.decode(errors="replace")
    lines = [f"{letter.subject}: {letter.reason}", text]
    show(_summary(letter) | {"data": text}, lines, as_json=json)


@app.command
def replay(
    number: Number | None = None, *, every: All = False, subject: Subject = ">", json: Json = False
) -> None:
    """Put a dead letter, or all, back on the queue that it came from.

    Do it when what killed it is repaired. An event goes to all of its consumers again; each of them
    takes an event that it knows as done.
    """
    too_old = 0

    async def replay_one(dead: DeadLetters, letter: DeadLetter) -> None:
        nonlocal too_old
        if not letter.too_old:
            await dead.replay(letter)
        elif every:
            too_old += 1
        else:
            raise OperatorError(TOO_OLD)

    count = asyncio.run(
        _with_letters(lambda dead: _each(dead, number, every, subject, partial(replay_one, dead)))
    )
    lines = [f"{count - too_old} replayed."] + [f"{too_old} kept. {TOO_OLD}"] * bool(too_old)
    show({"replayed": count - too_old, "too_old": too_old}, lines, as_json=json)


@app.command
def drop(
    number: Number | None = None, *, every: All = False, subject: Subject = ">", json: Json = False
) -> None:
    """Forget a dead letter, or all. They are forgotten after 14 days anyway."""
    count = asyncio.run(_with_letters(lambda dead: _each(dead, number, every, subject, dead.drop)))
    show({"dropped": count}, [f"{count} dropped."], as_json=json)


async def _each(
    dead: DeadLetters,
    number: int | None,
    every: bool,
    subject: str,
    act: Callable[[DeadLetter], Awaitable[None]],
) -> int:
    if (number is None) is not every:
        raise OperatorError("Say which one: its number, or --all.")
    if number is not None:
        await act(await _one(dead, number))
        return 1
    # What dies again meanwhile is for the next time.
    letters = [letter async for letter in dead.all(subject)]
    for letter in letters:
        await act(letter)
    return len(letters)


async def _one(dead: DeadLetters, number: int) -> DeadLetter:
    letter = await dead.get(number)
    if letter is None:
        raise OperatorError(f"There is no dead letter {number}.")
    return letter


async def _with_letters(ask: Callable[[DeadLetters], Awaitable[T]]) -> T:
    async with connected(Settings.load()) as bus:
        return await ask(DeadLetters(bus))


def _summary(letter: DeadLetter) -> dict[str, Any]:
    summary: dict[str, Any] = msgspec.to_builtins(letter, builtin_types=(bytes,))
    summary["bytes"] = len(summary.pop("data"))
    return summary


def _row(letter: DeadLetter) -> tuple[str, ...]:
    since = f"{letter.at:%Y-%m-%d %H:%M}" if letter.at else ""
    return (str(letter.number), letter.subject, since, str(len(letter.data)), letter.reason[:80])
