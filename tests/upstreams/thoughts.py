"""What a model thinks is nobody's business."""

from tests.upstreams.case import (
    DONE,
    FREE,
    SECRET,
    WORDS,
    Answered,
    Case,
    Fails,
    answers,
    chunk,
    completion,
    says,
    stop,
    streams,
    words,
)

OPEN = (Answered(("We open at 9AM.",)),)
LIMIT = Fails(names=("max_tokens", "limit"), retryable=False)
THINKING = chunk(delta={"reasoning_content": SECRET})


def thought(name: str, *texts: str, expected: tuple[Answered | Fails, ...] = OPEN) -> Case:
    """A thought in the text."""
    return Case(name, says(*words(*texts)), expected, hidden=SECRET)


def same(name: str, text: str) -> Case:
    """A text that is no thought, in small pieces."""
    pieces = [text[start : start + 3] for start in range(0, len(text), 3)]
    return Case(name, says(*words(*pieces)), (Answered((text,)),))


CASES = [
    thought(
        "a thought between think tags before the answer, tags in pieces of their own",
        "<thi",
        "nk>",
        "\n",
        SECRET,
        "\n</",
        "think",
        ">",
        "\n\n",
        "We open",
        " at 9AM.",
    ),
    thought(
        "a line end, then a thought between think tags",
        "\n",
        "<think>\n",
        SECRET,
        "\n</think>\n\n",
        "We open at 9AM.",
    ),
    thought("thought and answer in one chunk", f"<think>{SECRET}</think>We open at 9AM."),
    thought(
        "an empty thought before the answer",
        "<think>",
        "\n\n",
        "</think>",
        "\n\n",
        "We open at 9AM.",
    ),
    thought(
        "only the closing tag: the template has the opening one",
        *SECRET.split("the"),
        "\n",
        "</think>",
        "\n\n",
        "We open",
        " at 9AM.",
    ),
    thought("only the closing tag, in one chunk", f"{SECRET}\n</think>\n\nWe open at 9AM."),
    thought("only the closing tag, and nothing after it", SECRET, "\n</think>\n", expected=(FREE,)),
    Case(
        "only the closing tag, and nothing after it; a fallback is named",
        says(*words(SECRET, "\n</think>\n")),
        (Answered(model="an ordinary stream"),),
        hidden=SECRET,
        agent={"fallback_models": ["an ordinary stream"]},
    ),
    Case(
        "the token limit is reached inside the thought",
        streams(*words("<think>", "\n", SECRET), stop("length"), DONE),
        (LIMIT,),
        hidden=SECRET,
    ),
    thought("the thought never ends", "<think>\n", SECRET, expected=(FREE,)),
    thought("a thinking tag", "<thinking>", SECRET, "</thinking>", "\nWe open at 9AM."),
    thought(
        "a reasoning tag with attributes",
        '<reasoning effort="low">',
        SECRET,
        "</reasoning>\nWe open at 9AM.",
    ),
    thought("tags in capitals", "<THINK>", SECRET, "</THINK>", "We open at 9AM."),
    thought("tags in brackets", "[THINK]", SECRET, "[/THINK]", "We open at 9AM."),
    thought(
        "two thoughts",
        f"<think>{SECRET}</think>",
        f"\n<think>{SECRET}</think>\n",
        "We open at 9AM.",
    ),
    thought(
        "channels of a model whose server does not know them",
        "<|channel|>",
        "analysis",
        "<|message|>",
        SECRET,
        "<|end|>",
        "<|start|>",
        "assistant",
        "<|channel|>",
        "final",
        "<|message|>",
        "We open at 9AM.",
        "<|return|>",
    ),
    thought(
        "channels without their tokens",
        "analysis",
        "User asks. ",
        SECRET,
        "assistantfinal",
        "We open at 9AM.",
    ),
    thought(
        "a thought, then an answer in tags",
        f"<think>{SECRET}</think>\n<answer>",
        "We open at 9AM.",
        "</answer>",
    ),
    thought(
        "a thought in the middle, on lines of its own",
        "We open at 9AM.",
        "\n<think>\n",
        SECRET,
        "\n</think>\n",
        expected=(Answered(("We open at 9AM.\n", "We open at 9AM.")),),
    ),
    Case(
        "thoughts in reasoning_content",
        says(*(chunk(delta={"reasoning_content": word}) for word in (SECRET, ".")), *words()),
        hidden=SECRET,
    ),
    Case(
        "thoughts in reasoning, after comments",
        says(
            b": OPENROUTER PROCESSING\n\n",
            chunk(delta={"reasoning": SECRET, "content": ""}),
            *words(),
        ),
        hidden=SECRET,
    ),
    Case(
        "content is a list with a thinking part and a text part",
        says(
            chunk(
                delta={
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]},
                        {"type": "text", "text": "Hello"},
                    ]
                }
            ),
            *words(*WORDS[1:]),
        ),
        hidden=SECRET,
    ),
    Case(
        "only reasoning_content, then stop", streams(THINKING, stop(), DONE), (FREE,), hidden=SECRET
    ),
    Case(
        "only reasoning_content, then length: the limit went into the thought",
        streams(THINKING, stop("length"), DONE),
        (LIMIT,),
        hidden=SECRET,
    ),
    Case(
        "the whole answer is a tool call written as text",
        says(*words("<tool_call>", '\n{"name": "search", "arguments": {}}', "\n</tool_call>")),
        (FREE,),
    ),
    Case(
        "the whole answer is the JSON of a call",
        says(*words('{"name": "sea', 'rch", "parameters": {"q": "hours"}}')),
        (FREE,),
    ),
    Case(
        "a whole JSON completion with a thought in the text and beside it",
        answers(
            200,
            completion(
                f"<think>\n{SECRET}\n</think>\n\nHello there, we open at 9AM.",
                reasoning_content=SECRET,
            ),
        ),
        hidden=SECRET,
    ),
    same("a think tag is talked about", "Some models write <think> and </think> around a thought."),
    same("a closing tag is talked about", "They end their thoughts with `</think>`, it is said."),
    same("signs that begin no tag", "1 < 2, [see] <b>this</b> and <think about it> {x: [1]}"),
    same("a text that begins like a tag", "<thin> is no tag, nor is <th"),
    same("JSON that is no call", '{"name": "Shop", "opens": "9AM"} is how we say it.'),
    same("a word that begins like a channel", "analysis of our hours: 9AM."),
    same("the indentation of the first line", "    9AM: open\n    6PM: closed"),
]
