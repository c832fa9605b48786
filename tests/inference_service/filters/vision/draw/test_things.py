"""Boxes and labels drawn from a detector's results that are given by hand, looked up pixel by pixel."""

from __future__ import annotations

import json

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from inference_service.filters.detection import Detection, Wishes, row
from inference_service.filters.vision.coco import CLASSES, NAMES, NUMBERS, numbers_of
from inference_service.filters.vision.draw import canvas
from inference_service.filters.vision.draw.boxes import frames
from inference_service.filters.vision.draw.labels import lettering
from inference_service.filters.vision.draw.things import MAX_LETTERINGS, WORDS, ThingPainter, class_colours
from inference_service.filters.vision.networks.rcnn import Things

CPU = torch.device("cpu")
SIZE = (240, 320)
GREY = 90


def things(*rows: tuple[str, float, tuple[float, float, float, float]], count: int = 4) -> Things:
    """One picture's, best first."""
    boxes, labels, scores = (
        torch.zeros(1, count, 4),
        torch.zeros(1, count, dtype=torch.int64),
        torch.zeros(1, count),
    )
    for place, (name, score, box) in enumerate(rows):
        labels[0, place], scores[0, place] = NUMBERS[name], score  # type: ignore[index]
        boxes[0, place] = torch.tensor(box)
    return Things(boxes, boxes, labels, scores, labels > 0, torch.tensor([len(rows)]))


def draw(found: Things, size: tuple[int, int] = SIZE, **params: object) -> Tensor:
    """(H, W, 3) uint8 of a grey picture."""
    chosen = Detection.Params.model_validate(params)
    pictures = torch.full((1, 3, *size), GREY, dtype=torch.uint8)
    look = Wishes.read(torch.from_numpy(row(chosen))[None]).look
    drawn = ThingPainter(CPU).draw(pictures, found, look, torch.zeros(1), chosen.line_width / 100)
    return drawn[0].permute(1, 2, 0).round().to(torch.uint8)


def colour(name: str) -> Tensor:
    return torch.from_numpy(class_colours()[NUMBERS[name]]).round().to(torch.uint8)  # type: ignore[index]


def is_colour(pixels: Tensor, wanted: Tensor) -> bool:
    return bool(((pixels.int() - wanted.int()).abs() <= 1).all())


def test_a_frame_lies_on_the_boxs_border_and_nothing_in_it() -> None:
    drawn = draw(things(("cat", 0.9, (40.2, 59.8, 200.0, 180.0))), labels="none", line_width=1.0)
    cat = colour("cat")
    # 2.4 pixels wide, so 2; from (40, 60) to before (200, 180).
    for rows, columns in (
        ((60, 62), (40, 200)),
        ((178, 180), (40, 200)),
        ((60, 180), (40, 42)),
        ((60, 180), (198, 200)),
    ):
        assert is_colour(drawn[slice(*rows), slice(*columns)], cat)
    assert (drawn[62:178, 42:198] == GREY).all()
    outside = torch.ones(SIZE, dtype=torch.bool)
    outside[60:180, 40:200] = False
    assert (drawn[outside] == GREY).all()


def test_the_best_things_frame_lies_on_top() -> None:
    box = (40.0, 60.0, 200.0, 180.0)
    drawn = draw(things(("dog", 0.9, box), ("cat", 0.8, box)), labels="none")
    assert is_colour(drawn[60, 40:200], colour("dog"))


def test_a_box_that_leaves_the_picture_is_cut_there() -> None:
    drawn = draw(things(("cat", 0.9, (-30.0, -20.0, 400.0, 300.0))), labels="none", line_width=1.0)
    assert (drawn[10:230, 10:310] == GREY).all()
    inside = draw(things(("cat", 0.9, (0.0, 0.0, 320.0, 240.0))), labels="none", line_width=1.0)
    assert is_colour(inside[0], colour("cat"))
    assert is_colour(inside[-1], colour("cat"))
    assert is_colour(inside[:, -1], colour("cat"))


def test_a_label_lies_above_its_box_on_a_ground_of_its_colour() -> None:
    drawn = draw(things(("cat", 0.875, (40.0, 60.0, 200.0, 180.0))))
    letters = lettering(WORDS, 10, CPU)
    label = drawn[60 - letters.height : 60, 40:]
    text = (letters.words.widths[NUMBERS["cat"]] + letters.numbers.widths[87] + 3 * letters.margin).item()
    assert is_colour(label[:, 0], colour("cat"))
    assert is_colour(label[0, : int(text)], colour("cat"))
    assert (label[:, int(text)] == GREY).all()
    assert (drawn[: 60 - letters.height] == GREY).all()
    contrast = (label[:, : int(text)].int() - colour("cat").int()).abs().sum(-1)
    assert 30 < (contrast > 200).sum() < 0.5 * contrast.numel(), "there is text, black or white"


def test_words_and_numbers_differ_as_they_should() -> None:
    box = (40.0, 60.0, 200.0, 180.0)
    one, same, number, word = (
        draw(things((name, score, box)))[:60]
        for name, score in (("cat", 0.879), ("cat", 0.871), ("cat", 0.88), ("bus", 0.87))
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, number)
    assert not torch.equal(one, word)
    without = draw(things(("cat", 0.875, box)), labels="name")[:60]
    changed = (without != one).any(-1).any(0).nonzero()
    letters = lettering(WORDS, 10, CPU)
    assert changed.min() >= 40 + int(letters.words.widths[NUMBERS["cat"]])


def test_a_label_without_room_above_lies_within_the_box_and_in_the_picture() -> None:
    drawn = draw(things(("person", 0.99, (310.0, 4.0, 320.0, 100.0))))
    height = lettering(WORDS, 10, CPU).height
    assert (drawn[4 : 4 + height, 260:] != GREY).any(-1).float().mean() > 0.9
    assert (drawn[:4] == GREY).all()


@pytest.mark.parametrize("height", [120, 480, 1080])
def test_text_grows_with_the_picture(height: int) -> None:
    size = (height, height * 4 // 3)
    drawn = draw(things(("person", 0.99, (size[1] * 0.2, size[0] * 0.5, size[1] * 0.9, size[0] * 0.9))), size)
    rows = (drawn[: height // 2] != GREY).any(-1).any(-1).sum()
    assert max(13, height / 30) <= rows <= max(14, height / 20)


def test_one_colour_for_all_and_lines_as_wide_as_asked_for() -> None:
    found = things(("dog", 0.9, (40.0, 60.0, 200.0, 180.0)), ("cat", 0.8, (100.0, 100.0, 300.0, 200.0)))
    drawn = draw(found, colouring="one colour", colour="#102030", labels="none", line_width=2.0)
    assert is_colour(drawn[60:65, 60:90], torch.tensor([16, 32, 48]))
    assert is_colour(drawn[195:200, 210:290], torch.tensor([16, 32, 48]))
    assert (drawn[65, 60:90] == GREY).all()


def test_places_that_are_not_taken_draw_nothing() -> None:
    assert (draw(things()) == GREY).all()


def test_classes_are_cocos_by_number_and_group() -> None:
    assert len(NAMES) == 80
    assert (NAMES[1], NAMES[13], NAMES[44], NAMES[90]) == ("person", "stop sign", "bottle", "toothbrush")
    assert [NAMES[number] for number in numbers_of("animals")][:3] == ["bird", "cat", "dog"]
    assert [NAMES[number] for number in numbers_of("indoor")][-1] == "toothbrush"
    assert sum(len(numbers_of(group)) for group in ("people", "vehicles", "kitchen")) == 1 + 8 + 7
    assert len({tuple(one) for one in class_colours()[list(NAMES)].round().tolist()}) == 80


def test_wanted_classes_are_those_of_groups_and_names_or_all() -> None:
    def wanted(**params: object) -> set[int]:
        chosen = Detection.Params.model_validate(params)
        return set(Wishes.read(torch.from_numpy(row(chosen))[None]).is_wanted[0].nonzero()[:, 0].tolist())

    assert wanted() == set(NAMES)
    assert wanted(classes=("tv",)) == {72}
    assert wanted(groups=("vehicles",), classes=("tv", "bus")) == {*range(2, 10), 72}
    assert max(wanted()) < CLASSES


def test_parameters_are_checked_and_small_enough_to_travel() -> None:
    for wrong in (
        {"classes": ["unicorn"]},
        {"min_score": 0.0},
        {"line_width": 9},
        {"labels": "big"},
        {"max_boxes": 0},
    ):
        with pytest.raises(ValidationError):
            Detection.Params.model_validate(wrong)
    schema = Detection.Params.model_json_schema()
    assert len(json.dumps(schema)) < 32 * 1024
    assert all({"title", "description", "default"} <= set(one) for one in schema["properties"].values())


def test_wide_frames_of_many_boxes_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = torch.tensor([[10 * n, 10 * n, 10 * n + 60, 10 * n + 60] for n in range(9)])
    rows = (torch.zeros(9, dtype=torch.int64), torch.arange(1, 10), torch.full((9,), 3))
    size = (1, *SIZE)
    whole = canvas.write(size, CPU, frames(boxes, *rows, 3, size))
    monkeypatch.setattr("inference_service.filters.vision.draw.boxes.MAX_MARKS", 3 * 2 * sum(SIZE) * 2)
    pieces = list(frames(boxes, *rows, 3, size))
    assert len(pieces) == 5
    assert max(piece.place.numel() for piece in pieces) <= 3 * 2 * sum(SIZE) * 2
    assert canvas.write(size, CPU, pieces).equal(whole)


def test_lettering_of_a_height_that_is_met_often_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def lettering(words: object, text: int, device: object) -> object:
        drawn.append(text)
        return object()

    monkeypatch.setattr("inference_service.filters.vision.draw.things.lettering", lettering)
    painter = ThingPainter(CPU)
    for number in range(40):
        painter._letters(480)
        painter._letters(600 + 30 * number)
    assert drawn.count(16) == 1
    assert len(painter._lettering) == MAX_LETTERINGS
    drawn.clear()
    for height in (360, 480, 540, 640, 720, 960, 1080) * 3:
        painter._letters(height)
    assert len(drawn) == len(set(drawn)), "cameras of the usual heights take turns"
