"""How text is joined when many answers are open in one process."""

import pytest

from services.llm.reply.joining import AnswerPace


def test_with_few_answers_text_goes_out_as_it_comes() -> None:
    """Nothing is held back."""
    pace = AnswerPace(pieces_per_second=5000)
    with pace.answer(), pace.answer():
        assert pace.seconds == 0


def test_all_answers_together_keep_to_the_rate() -> None:
    """Two answers rest as long as makes the rate for both."""
    pace = AnswerPace(pieces_per_second=100)
    with pace.answer(), pace.answer():
        assert 2 / pace.seconds == pytest.approx(100)
    assert pace.seconds == 0


def test_an_answer_that_fails_is_not_counted_any_more() -> None:
    """Whatever ends an answer ends its share."""
    pace = AnswerPace(pieces_per_second=1)
    with pytest.raises(RuntimeError), pace.answer():
        raise RuntimeError
    assert pace.seconds == 0
