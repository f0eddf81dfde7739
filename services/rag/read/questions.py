"""Which columns of a table, or fields of an object, are a question and its answer."""

import re
from collections.abc import Callable, Sequence

QUESTION_NAMES = frozenset(
    {
        *("question", "questions", "q", "tanong", "katanungan", "pregunta", "preguntas", "frage"),
        *("fragen", "vraag", "domanda", "pergunta", "otázka", "dotaz", "вопрос", "питання"),
        *("ερώτηση", "问题", "問題", "質問", "질문", "คำถาม", "hỏi", "سؤال", "السؤال", "שאלה"),
    }
)
ANSWER_NAMES = frozenset(
    {
        *("answer", "answers", "a", "reply", "response", "sagot", "kasagutan", "respuesta"),
        *("antwort", "antworten", "antwoord", "risposta", "resposta", "réponse", "odpověď"),
        *("ответ", "відповідь", "απάντηση", "答案", "回答", "答え", "답변", "คำตอบ", "lời"),
        *("جواب", "الجواب", "תשובה"),
    }
)
QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")
"""What a question ends with, in most scripts."""
SHARE_OF_QUESTIONS = 0.6
"""Of a column's cells, from which it is one of questions without being named so."""
_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")


def asks(text: str) -> bool:
    """Tell whether a text is a question."""
    return text.rstrip().endswith(QUESTION_MARKS) and len(text) > 2


def is_question_name(name: str) -> bool:
    """Tell whether a column or field of this name holds questions."""
    return _has(name, QUESTION_NAMES)


def is_answer_name(name: str) -> bool:
    """Tell whether a column or field of this name holds answers."""
    return _has(name, ANSWER_NAMES)


def _has(name: str, names: frozenset[str]) -> bool:
    words = _WORD.findall(_INNER_CAPITAL.sub(" ", name).lower())
    if len(words) == 1:
        return words[0] in names
    # "Customer Question", "Our Answer": but "a" and "q" only by themselves.
    return any(len(word) > 1 and word in names for word in words)


def question_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Return which columns are question and answer, by their names, else by what is in them."""
    question = _first(names, is_question_name)
    answer = _first(names, is_answer_name)
    if question is not None and answer is not None and question != answer:
        return question, answer
    question = _asking(rows)
    if question is None or max(map(len, rows), default=0) < 2:
        return None
    return question, answer if answer not in {None, question} else _longest(rows, question)


def _first(names: Sequence[str], fits: Callable[[str], bool]) -> int | None:
    return next((at for at, name in enumerate(names) if fits(name)), None)


def _asking(rows: Sequence[Sequence[str]]) -> int | None:
    for at in range(max(map(len, rows), default=0)):
        cells = [row[at] for row in rows if at < len(row) and row[at]]
        if len(cells) > 1 and sum(map(asks, cells)) >= SHARE_OF_QUESTIONS * len(cells):
            return at
    return None


def _longest(rows: Sequence[Sequence[str]], question: int) -> int:
    width = max(map(len, rows))
    others = [at for at in range(width) if at != question]
    return max(others, key=lambda at: sum(len(row[at]) for row in rows if at < len(row)))
