"""Places that accounts have in a process, and questions that wait."""

from services.api.edge.shares import Shares, WaitingLine


class Holder:
    """Whoever has a place."""

    def __init__(self, shares: Shares["Holder"], account_id: str) -> None:
        self.place = shares.take(account_id, self)


def test_a_place_is_given_back_with_its_holder() -> None:
    """However that ends; what nobody holds is forgotten."""
    shares: Shares[Holder] = Shares()
    mine = [Holder(shares, "acc_1") for _ in range(3)]
    theirs = Holder(shares, "acc_2")
    assert (shares.taken("acc_1"), shares.taken("acc_2"), shares.taken("acc_3")) == (3, 1, 0)
    mine.pop()
    assert shares.taken("acc_1") == 2
    mine.clear()
    assert shares.taken("acc_1") == 0
    assert theirs.place is not None
    assert shares.taken("acc_2") == 1


def test_a_place_can_be_given_back_before_its_holder_goes() -> None:
    """As by the frame of an answer that was cancelled, which a cycle keeps; again, nothing more."""
    shares: Shares[Holder] = Shares()
    mine, other = Holder(shares, "acc_1"), Holder(shares, "acc_1")
    for _ in range(2):
        shares.give_back(mine.place, mine)
    assert (shares.taken("acc_1"), shares.total) == (1, 1)
    shares.give_back(other.place, other)
    assert (shares.taken("acc_1"), shares.total) == (0, 0)


def test_a_question_waits_until_a_worker_says_something() -> None:
    """Again it changes nothing; what nobody hears of waits for so long and no longer."""
    line = WaitingLine(patience=3600)
    for number in range(4):
        line.add(f"msg_{number}", "acc_1" if number else "acc_2")
    line.add("msg_2", "acc_1")
    line.answered("msg_1")
    line.answered("msg_1")
    line.answered("msg_of_nobody")
    assert (line.waiting("acc_1"), line.waiting("acc_2")) == (2, 1)
    lost = WaitingLine(patience=0)
    lost.add("msg_1", "acc_1")
    assert lost.waiting("acc_1") == 0
