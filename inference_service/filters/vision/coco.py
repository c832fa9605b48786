"""COCO's classes and key points, by the names and numbers that torchvision's weights carry with them."""

from __future__ import annotations

from typing import Literal, get_args

Group = Literal[
    "people", "vehicles", "outdoor", "animals", "accessories", "sports",
    "kitchen", "food", "furniture", "electronics", "appliances", "indoor",
]  # fmt: skip

ClassName = Literal[
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
    "scissors", "teddy bear", "hair drier", "toothbrush",
]  # fmt: skip

_UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Numbers that COCO's annotations leave out."""
CLASSES = 91
"""Numbers of classes in the network, background (0) and unused ones included."""

NAMES: dict[int, ClassName] = dict(
    zip(
        (number for number in range(1, CLASSES) if number not in _UNUSED),
        get_args(ClassName),
        strict=True,
    )
)
NUMBERS = {name: number for number, name in NAMES.items()}

_FIRST: dict[Group, ClassName] = {
    "people": "person",
    "vehicles": "bicycle",
    "outdoor": "traffic light",
    "animals": "bird",
    "accessories": "backpack",
    "sports": "frisbee",
    "kitchen": "bottle",
    "food": "banana",
    "furniture": "chair",
    "electronics": "tv",
    "appliances": "microwave",
    "indoor": "book",
}
"""COCO numbers its classes group by group; these are the first of each."""


def numbers_of(group: Group) -> list[int]:
    """Return the numbers of a group's classes."""
    groups = list(_FIRST)
    first = NUMBERS[_FIRST[group]]
    after = groups.index(group) + 1
    end = NUMBERS[_FIRST[groups[after]]] if after < len(groups) else CLASSES
    return [number for number in NAMES if first <= number < end]


POINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip",
    "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
"""Of a person, in the order of the network's maps; left and right are the person's own."""
