"""What filters say in a word, once a second, for the page's statistics."""

from __future__ import annotations

import pytest

from shared.errors import WireError
from shared.wire.data import Box, Data, Label, pack_data
from signaling_service.session.remarks import MOST_ASKED, MOST_LABELS, Remarks


def packed(*labels: str) -> bytes:
    return pack_data({"face": Data(labels=[Label(one) for one in labels]), "ink": Data(numbers={"n": 1})})


def test_nothing_is_asked_before_somebody_asks_and_little_after() -> None:
    remarks = Remarks()
    assert not remarks.is_wanted()
    remarks.note(packed("no_face"))
    assert remarks.take() == {}
    remarks.ask()
    assert [remarks.is_wanted() for _ in range(MOST_ASKED + 2)] == [True] * MOST_ASKED + [False] * 2


def test_the_first_picture_that_comes_back_is_enough() -> None:
    remarks = Remarks()
    remarks.ask()
    assert remarks.is_wanted()
    remarks.note(b"")
    assert remarks.is_wanted()
    remarks.note(packed("no_face", "all_covered"))
    remarks.note(packed("unsure"))
    assert not remarks.is_wanted()
    assert [remarks.take(), remarks.take()] == [{"face": ["no_face", "all_covered"]}, {}]


def test_what_is_many_is_cut_and_what_is_no_label_is_left_out() -> None:
    remarks = Remarks()
    remarks.ask()
    remarks.note(pack_data({"a": Data(boxes=[Box(0, 0, 1, 1, "x")]), "b": Data(labels=[Label("y")] * 40)}))
    assert remarks.take() == {"b": ["y"] * MOST_LABELS}


def test_what_cannot_be_read_is_refused_and_the_next_second_is_another() -> None:
    remarks = Remarks()
    remarks.ask()
    with pytest.raises(WireError):
        remarks.note(b"no map")
    remarks.ask()
    remarks.note(packed("no_face"))
    assert remarks.take() == {"face": ["no_face"]}
