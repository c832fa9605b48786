"""What tells the animals apart: the shapes and colours of their ears, noses and fur."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference_service.filters.animal.art import outlines
from inference_service.filters.animal.art.brush import RGB, Points

Kind = Literal["cat", "dog", "fox", "rabbit", "bear", "mouse"]
Mouth = Literal["tongue", "incisors", "fangs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """The person's left one, on the right of the picture; its outline on a sheet, root below."""

    outline: Points
    hollow: Points
    """The inside of the ear; empty where it hangs and shows its back."""
    root: RGB
    back: RGB
    tip: RGB
    """Of the fur at the root, on the back, at the tip."""
    tip_from: float = 0.0
    """How far from the upper end the tip's colour reaches, in sheet heights; below 0.02 there is none."""
    inside: RGB
    deep: RGB
    """Skin in the hollow, at its rim and in its depth."""
    tuft: RGB
    """Long hair that grows into the hollow."""
    tufts: int = 260
    tuft_length: float = 0.14
    hair: float = 0.05
    """Length of hairs, in sheet widths."""
    hangs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Coat:
    """One animal; lengths are centimetres on a head of average size."""

    ear: Ear
    ear_at: tuple[float, float, float]
    """Where the middle of the root is, in the face model's axes: to the side, up, towards the camera."""
    ear_size: tuple[float, float]
    """Width and height of the sheet."""
    ear_lean: float
    """By which the ear leans outwards, in degrees."""
    ear_turn: float = 18.0
    """By which it faces outwards."""
    muzzle: RGB
    """Of the short fur round nose and upper lip."""
    bridge: RGB
    """Of the fur that rises between the eyes."""
    bridge_top: float = 3.6
    """How high that reaches, in the model's centimetres; below -1 there is none."""
    nose: RGB
    nose_shape: Literal["triangle", "wide", "button"]
    nose_size: tuple[float, float]
    whiskers: int
    whisker: RGB = (250, 248, 244)
    mouth: Mouth


COATS: dict[Kind, Coat] = {
    "cat": Coat(
        ear=Ear(
            outline=outlines.CAT_EAR,
            hollow=outlines.CAT_HOLLOW,
            root=(92, 84, 80),
            back=(120, 111, 105),
            tip=(74, 67, 64),
            tip_from=0.25,
            inside=(236, 176, 170),
            deep=(176, 108, 108),
            tuft=(238, 232, 224),
        ),
        ear_at=(5.5, 10.8, -1.6),
        ear_size=(9.4, 9.8),
        ear_lean=20.0,
        muzzle=(242, 238, 232),
        bridge=(132, 123, 117),
        bridge_top=2.4,
        nose=(222, 132, 138),
        nose_shape="triangle",
        nose_size=(3.0, 2.2),
        whiskers=6,
        mouth="fangs",
    ),
    "dog": Coat(
        ear=Ear(
            outline=outlines.DOG_EAR,
            hollow=(),
            root=(150, 98, 58),
            back=(122, 74, 42),
            tip=(84, 50, 30),
            tip_from=0.0,
            inside=(0, 0, 0),
            deep=(0, 0, 0),
            tuft=(170, 116, 72),
            hair=0.06,
            hangs=True,
        ),
        ear_at=(5.6, 10.6, 0.2),
        ear_size=(8.6, 12.0),
        ear_lean=-4.0,
        ear_turn=24.0,
        muzzle=(246, 236, 222),
        bridge=(248, 240, 228),
        bridge_top=4.6,
        nose=(44, 36, 36),
        nose_shape="wide",
        nose_size=(4.4, 3.0),
        whiskers=0,
        mouth="tongue",
    ),
    "fox": Coat(
        ear=Ear(
            outline=outlines.FOX_EAR,
            hollow=outlines.FOX_HOLLOW,
            root=(214, 106, 38),
            back=(226, 116, 42),
            tip=(46, 34, 32),
            tip_from=0.4,
            inside=(150, 104, 92),
            deep=(74, 50, 48),
            tuft=(250, 240, 226),
            tufts=340,
            hair=0.06,
        ),
        ear_at=(5.4, 10.8, -1.6),
        ear_size=(9.2, 11.2),
        ear_lean=16.0,
        muzzle=(250, 244, 234),
        bridge=(222, 112, 42),
        bridge_top=4.4,
        nose=(40, 32, 34),
        nose_shape="button",
        nose_size=(2.8, 2.1),
        whiskers=5,
        whisker=(66, 52, 48),
        mouth="tongue",
    ),
    "rabbit": Coat(
        ear=Ear(
            outline=outlines.RABBIT_EAR,
            hollow=outlines.RABBIT_HOLLOW,
            root=(226, 218, 210),
            back=(240, 234, 228),
            tip=(240, 234, 228),
            inside=(246, 196, 196),
            deep=(218, 140, 146),
            tuft=(250, 246, 242),
            tufts=130,
            tuft_length=0.06,
            hair=0.035,
        ),
        ear_at=(3.8, 11.2, -2.2),
        ear_size=(6.2, 13.5),
        ear_lean=9.0,
        muzzle=(250, 247, 243),
        bridge=(244, 238, 232),
        bridge_top=1.2,
        nose=(240, 150, 160),
        nose_shape="triangle",
        nose_size=(2.6, 1.9),
        whiskers=6,
        mouth="incisors",
    ),
    "bear": Coat(
        ear=Ear(
            outline=outlines.BEAR_EAR,
            hollow=outlines.BEAR_HOLLOW,
            root=(104, 66, 42),
            back=(124, 82, 52),
            tip=(142, 98, 64),
            tip_from=0.2,
            inside=(196, 146, 112),
            deep=(118, 76, 56),
            tuft=(160, 116, 82),
            hair=0.07,
        ),
        ear_at=(6.2, 9.8, -2.2),
        ear_size=(6.8, 6.6),
        ear_lean=30.0,
        muzzle=(204, 160, 118),
        bridge=(150, 104, 68),
        bridge_top=1.6,
        nose=(38, 30, 30),
        nose_shape="wide",
        nose_size=(3.6, 2.6),
        whiskers=0,
        mouth="tongue",
    ),
    "mouse": Coat(
        ear=Ear(
            outline=outlines.MOUSE_EAR,
            hollow=outlines.MOUSE_HOLLOW,
            root=(126, 120, 118),
            back=(150, 144, 142),
            tip=(150, 144, 142),
            inside=(244, 190, 186),
            deep=(212, 138, 138),
            tuft=(180, 174, 170),
            tufts=60,
            tuft_length=0.05,
            hair=0.028,
        ),
        ear_at=(6.8, 10.6, -2.4),
        ear_size=(9.4, 9.0),
        ear_lean=34.0,
        muzzle=(226, 220, 216),
        bridge=(160, 154, 150),
        bridge_top=0.6,
        nose=(240, 146, 152),
        nose_shape="button",
        nose_size=(2.2, 1.7),
        whiskers=7,
        whisker=(70, 64, 64),
        mouth="incisors",
    ),
}
