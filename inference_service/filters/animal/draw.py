"""Animals drawn on pictures on a CPU, by OpenCV; `draw_device.py` does the same elsewhere.

shadow of an ear -> ears -> muzzle -> tongue or teeth -> whiskers -> nose
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference_service.filters.animal.art.album import Album
from inference_service.filters.animal.art.brush import SIZES, Floats, Sprite
from inference_service.filters.animal.cards import EARS, SPRITES
from inference_service.filters.animal.layers import RELIEF
from inference_service.filters.animal.scene import Scene

Picture = NDArray[np.uint8]
SHADOW = 0.42
"""How dark the shadow of an ear is on the head."""
SHADOW_SIZE = SIZES[2]
MUZZLE_SHARE = 1.28
"""Side of the muzzle's sheet against the square in which it is seen."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is drawn on one head: `cards.Placed`, `light.Light` and `muzzle.Maps` without the first axis."""

    maps: Floats
    opacity: Floats
    lean: Floats
    """(CARDS, 2): light along u and v of each card."""
    muzzle_lean: Floats
    """(2,)."""
    level: Floats
    past_head: Floats
    on_head: Floats
    shadow_shift: Floats
    """(2,) pixels."""
    where: Floats
    places: Floats
    share: Floats
    _: KW_ONLY
    fur: float
    """0 to 1: how much of the muzzle is seen."""


def heads_of(scene: Scene, fur: Sequence[float]) -> list[Head]:
    """Return what is drawn on each head of a scene on a CPU; `fur` for each of them."""
    cards, muzzle = scene.cards, scene.muzzle
    presence = scene.presence[:, None]
    parts = (
        cards.maps,
        cards.opacity * presence,
        scene.lean,
        scene.muzzle_lean,
        scene.light.level,
        cards.past_head,
        cards.on_head,
        scene.shadow_shift,
        muzzle.where,
        muzzle.places,
        muzzle.share,
    )
    arrays = [part.numpy() for part in parts]
    shares = [one * own for one, own in zip(fur, scene.presence.tolist(), strict=True)]
    rows = ([array[number] for array in arrays] for number in range(len(shares)))
    return [Head(*row, fur=share) for row, share in zip(rows, shares, strict=True)]


def draw(picture: Picture, head: Head, album: Album) -> None:
    """Draw on a picture (H, W, 3) RGB, in place."""
    for number in EARS:
        moved = head.maps[number].copy()
        moved[:2] += head.shadow_shift[:, None] * moved[2]
        _shadow(picture, album.ear, moved, head.on_head[number] * head.opacity[number])
    for number in EARS:
        _card(picture, album.ear, head, number, head.past_head[number])
    _muzzle(picture, album.muzzle, head)
    for number in range(len(EARS), len(SPRITES)):
        _card(picture, getattr(album, SPRITES[number]), head, number, None)


def _card(picture: Picture, sprite: Sprite, head: Head, number: int, veil: Floats | None) -> None:
    opacity = float(head.opacity[number])
    reach = _reach(head.maps[number], picture.shape)
    if opacity < 0.01 or reach is None:
        return
    left, right, top, bottom, length = reach
    level = _level(length)
    paint = _lit(sprite, level, head.lean[number], head.level)
    size = len(paint)
    if veil is not None and veil.min() < 1:
        paint = paint * cv2.resize(veil, (size, size), interpolation=cv2.INTER_LINEAR)[..., None]
    matrix = _to_piece(head.maps[number], size, left, top)
    shown = _warped(paint, matrix, right - left, bottom - top)
    _over(picture[top:bottom, left:right], shown, opacity)


def _shadow(picture: Picture, sprite: Sprite, map_: Floats, veil: Floats) -> None:
    reach = _reach(map_, picture.shape)
    if veil.max() < 0.01 or reach is None:
        return
    left, right, top, bottom, _ = reach
    alpha = cv2.GaussianBlur(sprite.paint[2][..., 3], (0, 0), SHADOW_SIZE * 0.05)
    alpha = alpha * cv2.resize(veil, alpha.shape, interpolation=cv2.INTER_LINEAR) * SHADOW
    matrix = _to_piece(map_, SHADOW_SIZE, left, top)
    shown = _warped(alpha, matrix, right - left, bottom - top)
    piece = picture[top:bottom, left:right]
    piece[:] = cv2.multiply(piece, _thrice(1 - shown), dtype=cv2.CV_8U)


def _muzzle(picture: Picture, sprite: Sprite, head: Head) -> None:
    left, top, side = (float(one) for one in head.where)
    if side < 2 or head.fur < 0.01:
        return
    x0, y0 = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    x1, y1 = (
        min(int(np.ceil(at + side)), most) for at, most in ((left, picture.shape[1]), (top, picture.shape[0]))
    )
    if x0 >= x1 or y0 >= y1:
        return
    count = head.share.shape[-1]
    matrix = np.array(
        [
            [side / count, 0, left - x0 + side / count / 2 - 0.5],
            [0, side / count, top - y0 + side / count / 2 - 0.5],
        ]
    )
    stack = np.concatenate((head.places, head.share)).transpose(1, 2, 0)
    spread = cv2.warpAffine(
        np.ascontiguousarray(stack),
        matrix,
        (x1 - x0, y1 - y0),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    level = _level(side * MUZZLE_SHARE)
    paint = _lit(sprite, level, head.muzzle_lean, head.level)
    size = len(paint)
    shown = cv2.remap(paint, spread[..., 0] * size - 0.5, spread[..., 1] * size - 0.5, cv2.INTER_LINEAR)
    shown = cv2.multiply(shown, cv2.merge([spread[..., 2]] * 4))
    _over(picture[y0:y1, x0:x1], np.asarray(shown, np.float32), head.fur)


def _lit(sprite: Sprite, level: int, lean: Floats, light: Floats) -> Floats:
    """Return the paint (S, S, 4) as the light shows it."""
    matrix = np.array([[0, 0, 1]] * 4, np.float32)
    matrix[:3] = light[:, None] * np.array([*(lean * RELIEF), 1], np.float32)
    return np.asarray(cv2.multiply(sprite.paint[level], cv2.transform(sprite.relief[level], matrix)))


def _over(piece: Picture, shown: Floats, opacity: float) -> None:
    if opacity < 1:
        shown = shown * np.float32(opacity)
    left = cv2.multiply(piece, _thrice(1 - shown[..., 3]), dtype=cv2.CV_32F)
    piece[:] = cv2.add(left, cv2.cvtColor(shown, cv2.COLOR_RGBA2RGB), dtype=cv2.CV_8U)


def _warped(drawing: Floats, matrix: NDArray[np.float64], width: int, height: int) -> Floats:
    return np.asarray(
        cv2.warpPerspective(drawing, matrix, (width, height), flags=cv2.INTER_LINEAR), np.float32
    )


def _thrice(plane: Floats) -> Floats:
    return np.asarray(cv2.merge((plane, plane, plane)))


def _reach(map_: Floats, shape: tuple[int, ...]) -> tuple[int, int, int, int, float] | None:
    """Return left, right, top, bottom of a card in the picture, and its longer side; None where it is not."""
    corners = map_ @ np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]], np.float32)
    if corners[2].min() < 0.2:
        return None
    flat = corners[:2] / corners[2]
    length = max(np.hypot(*(flat[:, 1] - flat[:, 0])), np.hypot(*(flat[:, 3] - flat[:, 0])))
    low, high = np.floor(flat.min(1)), np.ceil(flat.max(1))
    left, right = max(0, int(low[0])), min(shape[1], int(high[0]))
    top, bottom = max(0, int(low[1])), min(shape[0], int(high[1]))
    if left >= right or top >= bottom or length < 2:
        return None
    return left, right, top, bottom, float(length)


def _level(length: float) -> int:
    """Return the smallest size that still has a pixel for each of the picture's, but for a fifth."""
    fitting = [level for level, size in enumerate(SIZES) if size * 1.2 >= length]
    return max(fitting, default=0)


def _to_piece(map_: Floats, size: int, left: int, top: int) -> NDArray[np.float64]:
    """Return (3, 3): from the drawing's pixel to that of a piece of the picture, centres whole numbers."""
    from_pixel = np.array([[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size], [0, 0, 1]])
    to_pixel = np.array([[1, 0, -0.5 - left], [0, 1, -0.5 - top], [0, 0, 1]])
    return np.asarray(to_pixel @ map_.astype(float) @ from_pixel)
