"""Pictures drawn by code, the only material that the ink network is trained on.

Photographs are piles of things that hide one another, each with a colour, a shading, a texture and
a sharpness of its own; so are these. Portraits, hair and writing are drawn on top because a call is
mostly that, and a network that never met an eye paints it badly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.float32]
"""(size, size, 3) RGB in [0, 1]; where a fill is wanted, one colour (3,) will do."""
Mask: TypeAlias = npt.NDArray[np.float32]
"""(size, size) in [0, 1]."""
Point: TypeAlias = tuple[float, float]
"""(x, y) in units of the picture's side."""

SUBPIXEL_BITS = 4
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:-"
SKIN_RGB = np.array(
    [[0.98, 0.84, 0.75], [0.91, 0.71, 0.58], [0.80, 0.58, 0.44], [0.62, 0.42, 0.30], [0.38, 0.25, 0.19]],
    np.float32,
)


def draw_picture(rng: np.random.Generator, size: int = 256) -> npt.NDArray[np.uint8]:
    """Return one picture, (size, size, 3) uint8 RGB; the same generator state gives the same picture."""
    canvas = Canvas(rng, size)
    scene: Callable[[Canvas], None] = rng.choice(
        np.array([draw_pile, draw_portrait, draw_strokes, draw_writing, draw_swatches], dtype=object),
        p=[0.36, 0.30, 0.12, 0.08, 0.14],
    )
    scene(canvas)
    return canvas.photograph()


class Canvas:
    """A picture in the making: things are pasted over it, then it is photographed."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng = rng
        self.size = size
        self.image: Image = _shaded(self, _colour(rng), strength=rng.uniform(0.0, 0.6))

    def paste(self, mask: Mask, fill: Image) -> None:
        """Cover `mask` with `fill`, an image or one colour (3,)."""
        # Most things are small: touching the whole picture for each would take most of the time.
        left, top, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
        inside = np.s_[top : top + height, left : left + width]
        under = self.image[inside]
        under += mask[inside][..., None] * ((fill[inside] if fill.ndim == 3 else fill) - under)

    def darken(self, mask: Mask, amount: float) -> None:
        """Multiply what lies under `mask` by 1 - amount: shadows, folds, faint lines."""
        self.image *= (1 - amount * mask)[..., None]

    def soften(self, sigma: float) -> None:
        """Blur what has been drawn so far, as a lens does with what lies behind the person."""
        if sigma > 0.2:
            self.image = np.asarray(cv2.GaussianBlur(self.image, (0, 0), sigma), np.float32)

    def photograph(self) -> npt.NDArray[np.uint8]:
        """Return the picture as a camera would give it: lit, exposed, never perfectly sharp; uint8."""
        rng = self.rng
        light = 1 + rng.uniform(0.0, 0.35) * _field(rng, self.size, 2)
        white_balance = rng.normal(1.0, 0.04, 3).astype(np.float32)
        self.image = self.image * light[..., None] * white_balance
        self.image = np.clip(self.image, 0, 1) ** np.float32(rng.uniform(0.75, 1.35))
        low, high = rng.uniform(0.0, 0.12), rng.uniform(0.85, 1.08)
        self.image = (low + (high - low) * self.image).astype(np.float32)
        self.soften(float(rng.choice([0.0, 0.5, 0.8, 1.2, 1.8], p=[0.2, 0.3, 0.25, 0.15, 0.1])))
        if rng.random() < 0.3:
            # Cameras sharpen; without this the network would not know their overshoot from an edge.
            soft = cv2.GaussianBlur(self.image, (0, 0), 1.2)
            self.image = self.image + rng.uniform(0.2, 0.8) * (self.image - soft)
        return (np.clip(self.image, 0, 1) * 255 + 0.5).astype(np.uint8)


def draw_pile(canvas: Canvas) -> None:
    """Draw things of all sizes that hide one another; few are large, many are small."""
    rng = canvas.rng
    smallest = rng.uniform(0.02, 0.08)
    for size in sorted(smallest * (1 - rng.random(int(rng.integers(12, 70)))) ** -0.9, reverse=True):
        size = min(float(size), 0.9)
        mask = _blob(canvas, (rng.uniform(-0.1, 1.1), rng.uniform(-0.1, 1.1)), size)
        # Texture on small things is lost anyway, and making it is what takes the time.
        canvas.paste(mask, _material(canvas) if size > 0.2 else _colour(rng))
        if rng.random() < 0.1:
            canvas.soften(rng.uniform(0.3, 1.5))
    if rng.random() < 0.3:
        _write(canvas, lines=2)


def draw_strokes(canvas: Canvas) -> None:
    """Draw hair, fur or grass: hundreds of thin lines that run nearly together."""
    rng = canvas.rng
    if rng.random() < 0.5:
        draw_pile(canvas)
    for _ in range(int(rng.integers(1, 4))):
        centre = (rng.uniform(0, 1), rng.uniform(0, 1))
        _hair(canvas, centre, rng.uniform(0.2, 0.6), _colour(rng), int(rng.integers(80, 320)))


def draw_writing(canvas: Canvas) -> None:
    """Draw a wall, a shelf or a page with bars and letters on it."""
    rng = canvas.rng
    canvas.image = _material(canvas)
    for _ in range(int(rng.integers(2, 14))):
        x, y = rng.uniform(0, 1, 2)
        width, height = (rng.uniform(0.3, 1.2), rng.uniform(0.01, 0.2))[:: int(rng.choice([1, -1]))]
        angle = rng.choice([0.0, rng.normal(0, 0.2)])
        corners = _turned([(-width, -height), (width, -height), (width, height), (-width, height)], angle)
        mask = _polygon(canvas, [(x + a / 2, y + b / 2) for a, b in corners], rng.uniform(0, 1.0))
        canvas.paste(mask, _material(canvas))
    _write(canvas, lines=int(rng.integers(2, 9)))


def draw_swatches(canvas: Canvas) -> None:
    """Large flat patches of strong colours: what a network makes of a red shirt, seen without anything else.

    Without these the network raised to full size showed a grid of up to 67 levels on saturated reds.
    """
    rng = canvas.rng
    cells = int(rng.integers(3, 6))
    side = 1 / cells
    for row in range(cells):
        for column in range(cells):
            low, high = rng.uniform(0.0, 0.25, 3), rng.uniform(0.45, 1.0, 3)
            colour = np.where(rng.random(3) < 0.45, high, low).astype(np.float32)
            left, top = column * side, row * side
            corners = [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
            canvas.paste(_polygon(canvas, corners, 0.8), colour)


def draw_portrait(canvas: Canvas) -> None:
    """Draw a person before a blurred room: shoulders, neck, head, hair and a face."""
    rng = canvas.rng
    draw_pile(canvas)
    canvas.soften(rng.choice([0.0, 1.5, 3.0, 6.0]))
    scale = rng.uniform(0.16, 0.42)
    x, y = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.6)
    at = _placed(x, y, scale, rng.normal(0, 0.12))
    skin = _mixed(rng, SKIN_RGB) * rng.normal(1.0, 0.03, 3).astype(np.float32)
    hair_rgb = np.clip(_mixed(rng, SKIN_RGB) * rng.uniform(0.05, 0.9) + rng.normal(0, 0.03), 0.02, 1)
    lines = rng.uniform(0.2, 0.9)
    has_long_hair = rng.random() < 0.5

    if has_long_hair:
        canvas.paste(
            _ellipse(canvas, at(0, 0.3), 1.15 * scale, 1.5 * scale, 1.0), hair_rgb.astype(np.float32)
        )
        _hair(canvas, at(0, 0.6), 1.1 * scale, hair_rgb, int(rng.integers(60, 200)))
    body = [at(-2.4, 3.5), at(-2.1, 1.9), at(-0.7, 1.4), at(0.7, 1.4), at(2.1, 1.9), at(2.4, 3.5)]
    cloth = _material(canvas)
    canvas.paste(
        _polygon(canvas, [at(-0.5, 0.6), at(0.5, 0.6), at(0.6, 1.7), at(-0.6, 1.7)], 0.8), skin * 0.8
    )
    canvas.paste(_polygon(canvas, body, 0.8), cloth)
    canvas.paste(_polygon(canvas, [at(-0.55, 1.35), at(0.55, 1.35), at(0, 2.2)], 0.8), _colour(rng))
    for _ in range(int(rng.integers(2, 9))):
        fold = [at(*rng.normal((0, 2.4), (1.2, 0.5))) for _ in range(3)]
        canvas.darken(
            _curve(canvas, fold, rng.uniform(0.01, 0.06), rng.uniform(0.5, 3)), rng.uniform(0.2, 0.6)
        )

    face = _shaded(canvas, skin, strength=rng.uniform(0.05, 0.35))
    head = _ellipse(canvas, at(0, 0), rng.uniform(0.75, 0.88) * scale, scale * 1.05, rng.uniform(0.5, 1.2))
    for side in (-1, 1):
        canvas.paste(_ellipse(canvas, at(side * 0.84, 0.1), 0.14 * scale, 0.24 * scale, 0.8), skin * 0.85)
    canvas.paste(head, face + rng.uniform(0, 0.03) * rng.standard_normal(face.shape).astype(np.float32))
    canvas.darken(head * _ellipse(canvas, at(rng.choice([-1, 1]), 0.2), 0.8 * scale, 1.4 * scale, 10), 0.3)
    canvas.image += 0.12 * (head * _ellipse(canvas, at(0.3, -0.5), 0.3 * scale, 0.2 * scale, 5))[..., None]
    _features(canvas, at, scale, skin, hair_rgb, lines)
    if rng.random() < 0.85:
        fringe = [at(-0.95, -0.1), at(-0.8, -0.9), at(0, -1.3), at(0.8, -0.9), at(0.95, -0.1)]
        fringe += [at(0.6, -0.6), at(rng.uniform(-0.4, 0.4), rng.uniform(-0.8, -0.5)), at(-0.6, -0.5)]
        canvas.paste(_polygon(canvas, fringe, 1.0), hair_rgb.astype(np.float32))
        _hair(canvas, at(0, -0.9), 0.7 * scale, hair_rgb, int(rng.integers(40, 160)))


def _features(
    canvas: Canvas, at: Callable[[float, float], Point], scale: float, skin: Any, hair_rgb: Any, lines: float
) -> None:
    """Draw eyes, brows, nose, mouth, creases and sometimes glasses into a face of radius `scale`."""
    rng = canvas.rng
    iris = np.array([[0.3, 0.2, 0.1], [0.3, 0.5, 0.65], [0.35, 0.45, 0.3]], np.float32)[rng.integers(3)]
    dark = skin * 0.25
    for side in (-1, 1):
        eye = at(side * 0.36, -0.1)
        canvas.darken(_ellipse(canvas, at(side * 0.36, -0.14), 0.26 * scale, 0.2 * scale, 4), 0.3 * lines)
        opening = rng.uniform(0.05, 0.1)
        canvas.paste(
            _ellipse(canvas, eye, 0.16 * scale, opening * scale, 0.6), np.array([0.93, 0.92, 0.9], np.float32)
        )
        canvas.paste(_ellipse(canvas, eye, 0.075 * scale, opening * scale, 0.4), iris)
        canvas.paste(_ellipse(canvas, eye, 0.035 * scale, 0.035 * scale, 0.3), iris * 0.1)
        lid = [at(side * 0.36 + dx, -0.1 + dy) for dx, dy in ((-0.18, 0.02), (0, -0.11), (0.18, 0.02))]
        canvas.paste(_curve(canvas, lid, 0.03 * scale, 0.5) * lines, dark)
        brow = [at(side * 0.36 + dx, -0.32 + dy) for dx, dy in ((-0.2, 0.04), (0, -0.03), (0.2, 0.04))]
        canvas.paste(_curve(canvas, brow, rng.uniform(0.03, 0.08) * scale, 1.0), hair_rgb.astype(np.float32))
        canvas.darken(_ellipse(canvas, at(side * 0.1, 0.33), 0.04 * scale, 0.025 * scale, 0.8), 0.7 * lines)
        crease = [at(side * 0.2, 0.3), at(side * 0.34, 0.45), at(side * 0.4, 0.65)]
        canvas.darken(_curve(canvas, crease, 0.03 * scale, 1.5), 0.5 * lines * rng.random())
    nose = [at(0.05, -0.05), at(0.12, 0.2), at(0.14, 0.32), at(0.0, 0.38)]
    canvas.darken(_curve(canvas, nose, 0.04 * scale, 1.2), 0.5 * lines)
    lip = np.clip(skin * np.array([0.95, 0.6, 0.6], np.float32), 0, 1)
    canvas.paste(_ellipse(canvas, at(0, 0.6), 0.27 * scale, rng.uniform(0.06, 0.12) * scale, 0.8), lip)
    if rng.random() < 0.4:
        canvas.paste(
            _ellipse(canvas, at(0, 0.6), 0.2 * scale, 0.05 * scale, 0.6),
            np.array([0.95, 0.94, 0.9], np.float32),
        )
    else:
        mouth = [at(-0.26, 0.6), at(0, 0.6 + rng.normal(0, 0.04)), at(0.26, 0.6)]
        canvas.paste(_curve(canvas, mouth, 0.02 * scale, 0.5) * lines, dark)
    for _ in range(int(rng.integers(0, 7))):
        x, y = rng.normal(0, 0.4, 2)
        wrinkle = [at(x - 0.2, y), at(x, y + rng.normal(0, 0.05)), at(x + 0.2, y)]
        canvas.darken(_curve(canvas, wrinkle, 0.015 * scale, 0.8), rng.uniform(0.05, 0.3))
    if rng.random() < 0.3:
        thickness = rng.uniform(0.02, 0.05) * scale
        for side in (-1, 1):
            turn = np.linspace(0, 2 * np.pi, 17)
            rim = [at(side * 0.38 + 0.27 * np.cos(t), -0.06 + 0.2 * np.sin(t)) for t in turn]
            canvas.paste(_curve(canvas, rim, thickness, 0.5), _colour(rng) * 0.5)
        canvas.paste(_curve(canvas, [at(-0.12, -0.1), at(0.12, -0.1)], thickness, 0.5), dark)
    if rng.random() < 0.2:
        beard = _ellipse(canvas, at(0, 0.75), 0.6 * scale, 0.4 * scale, 4)
        canvas.paste(beard * np.float32(rng.uniform(0.2, 0.8)), hair_rgb.astype(np.float32))


def _write(canvas: Canvas, lines: int) -> None:
    rng = canvas.rng
    for _ in range(lines):
        text = "".join(rng.choice(list(LETTERS), int(rng.integers(2, 14))))
        at = (int(rng.uniform(-0.1, 0.7) * canvas.size), int(rng.uniform(0.05, 1) * canvas.size))
        mask = np.zeros((canvas.size, canvas.size), np.uint8)
        font, height = int(rng.choice(FONTS)), rng.uniform(0.3, 2.0)
        cv2.putText(mask, text, at, font, height, 255, int(rng.integers(1, 4)), cv2.LINE_AA)
        canvas.paste(_softened(_share(mask), rng.choice([0, 0.6])), _colour(rng))


def _hair(canvas: Canvas, centre: Point, reach: float, colour: Any, count: int) -> None:
    """Draw `count` strokes round `centre` (all in units of the side) that follow one slow flow."""
    rng = canvas.rng
    angle, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 1.5)
    spread, contrast = rng.uniform(0.03, 0.3), rng.uniform(0.03, 0.25)
    layer = (canvas.image * 255).clip(0, 255).astype(np.uint8)
    for _ in range(count):
        x, y = np.asarray(centre) + rng.normal(0, 0.45, 2) * reach
        heading = angle + bend * (x - centre[0]) / max(reach, 1e-3) + rng.normal(0, spread)
        length = reach * rng.uniform(0.2, 0.9)
        along = np.linspace(0, 1, 8)
        turn = heading + along * rng.normal(0, 0.4)
        points = np.stack((x + along * length * np.cos(turn), y + along * length * np.sin(turn)), 1)
        ink = np.clip(np.asarray(colour) + rng.normal(0, contrast), 0, 1) * 255
        cv2.polylines(
            layer,
            [_subpixels(canvas, points)],
            False,
            [float(v) for v in ink],
            int(rng.integers(1, 3)),
            cv2.LINE_AA,
            SUBPIXEL_BITS,
        )
    canvas.image = _share(layer)


def _blob(canvas: Canvas, centre: Point, size: float) -> Mask:
    """Return the mask of one thing of about `size`: round, angular, long or wavy."""
    rng = canvas.rng
    softness = float(rng.choice([0.0, 0.5, 1.0, 2.5, 6.0], p=[0.25, 0.3, 0.25, 0.12, 0.08]))
    kind = rng.integers(4)
    x, y = centre
    if kind == 0:
        width = size * rng.uniform(0.3, 1)
        return _ellipse(canvas, centre, width, size * rng.uniform(0.3, 1), softness)
    if kind == 1:
        width, height = size * rng.uniform(0.15, 1.2), size * rng.uniform(0.15, 1.2)
        corners = [(-width, -height), (width, -height), (width, height), (-width, height)]
        turned = _turned(corners, rng.choice([0.0, rng.uniform(0, np.pi)]))
        return _polygon(canvas, [(x + a / 2, y + b / 2) for a, b in turned], softness)
    if kind == 2:
        path = [(x + a, y + b) for a, b in rng.normal(0, 0.7 * size, (4, 2))]
        return _curve(canvas, path, rng.uniform(0.006, 0.03 + 0.1 * size), softness)
    turn = np.linspace(0, 2 * np.pi, int(rng.integers(4, 14)), endpoint=False)
    radius = size * rng.uniform(0.3, 1.0, len(turn)) * 0.7
    corners = list(zip(x + radius * np.cos(turn), y + radius * np.sin(turn), strict=True))
    return _polygon(canvas, corners, softness)


def _material(canvas: Canvas) -> Image:
    """Return a filled picture: one colour, shaded, with or without a texture."""
    rng = canvas.rng
    image = _shaded(canvas, _colour(rng), strength=rng.choice([0.0, rng.uniform(0, 0.7)]))
    kind = rng.integers(8)
    if kind >= 4:
        return image
    size, amount = canvas.size, rng.uniform(0.01, 0.13)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    if kind == 0:
        grain = rng.standard_normal((size, size)).astype(np.float32)
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 2.5)), np.float32)
        texture = grain / (grain.std() + 1e-6)
    elif kind == 1:
        angle = rng.uniform(0, np.pi)
        phase = (columns * np.cos(angle) + rows * np.sin(angle)) * rng.uniform(0.1, 1.2)
        texture = np.sin(phase + 3 * _field(rng, size, 4))
    elif kind == 2:
        texture = _field(rng, size, 6) + 0.6 * _field(rng, size, 18) + 0.4 * _field(rng, size, 50)
    else:
        pitch = rng.uniform(0.15, 0.8)
        texture = np.sign(np.sin(columns * pitch) * np.sin(rows * pitch))
    tint = rng.normal(1, 0.3, 3).astype(np.float32)
    return np.asarray(image + amount * texture[..., None] * tint, np.float32)


def _shaded(canvas: Canvas, colour: Any, strength: float) -> Image:
    """Return `colour` under slowly changing light."""
    light = 1 + strength * _field(canvas.rng, canvas.size, int(canvas.rng.integers(2, 5)))
    return np.asarray((light[..., None] * np.asarray(colour, np.float32)).clip(0, 1), np.float32)


def _colour(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return one RGB colour, (3,); muted ones are commoner than vivid ones, as in rooms."""
    value, saturation = rng.beta(1.3, 1.1), rng.beta(1.0, 1.8)
    hue = rng.random(3)
    hue = (hue - hue.min()) / (np.ptp(hue) + 1e-6)
    return np.asarray(value * (1 - saturation * (1 - hue)), np.float32)


def _mixed(rng: np.random.Generator, palette: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a colour between two neighbours of `palette`, (n, 3)."""
    first = int(rng.integers(len(palette) - 1))
    share = np.float32(rng.random())
    return np.asarray(palette[first] * (1 - share) + palette[first + 1] * share, np.float32)


def _field(rng: np.random.Generator, size: int, cells: int) -> Mask:
    """Return smooth noise in about [-1, 1] with `cells` hills across."""
    coarse = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _ellipse(canvas: Canvas, centre: Point, width: float, height: float, softness: float) -> Mask:
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = [(centre[0] + width * np.cos(t), centre[1] + height * np.sin(t)) for t in turn]
    return _polygon(canvas, points, softness)


def _polygon(canvas: Canvas, points: Any, softness: float) -> Mask:
    mask = np.zeros((canvas.size, canvas.size), np.uint8)
    cv2.fillPoly(mask, [_subpixels(canvas, points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return _softened(_share(mask), softness)


def _curve(canvas: Canvas, points: Any, thickness: float, softness: float) -> Mask:
    """Return a line through `points`, smooth where there are three, `thickness` in units of the side."""
    path = np.asarray(points, np.float64)
    if len(path) == 3:
        along = np.linspace(0, 1, 16)[:, None]
        middle = 2 * path[1] - (path[0] + path[2]) / 2
        path = (1 - along) ** 2 * path[0] + 2 * along * (1 - along) * middle + along**2 * path[2]
    mask = np.zeros((canvas.size, canvas.size), np.uint8)
    width = max(1, round(thickness * canvas.size))
    cv2.polylines(mask, [_subpixels(canvas, path)], False, 255, width, cv2.LINE_AA, SUBPIXEL_BITS)
    return _softened(_share(mask), softness)


def _share(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(levels.astype(np.float32) / 255, np.float32)


def _softened(mask: Mask, sigma: float) -> Mask:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32) if sigma > 0.2 else mask


def _subpixels(canvas: Canvas, points: Any) -> npt.NDArray[np.int32]:
    """Return points in units of the side as OpenCV's fixed-point pixels."""
    return np.asarray(np.round(np.asarray(points) * canvas.size * (1 << SUBPIXEL_BITS)), np.int32)


def _turned(points: list[Point], angle: float) -> list[Point]:
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return [(x * cos - y * sin, x * sin + y * cos) for x, y in points]


def _placed(x: float, y: float, scale: float, angle: float) -> Callable[[float, float], Point]:
    """Return the map from a head's own coordinates (radius 1, y down) to the picture's."""

    def at(across: float, down: float) -> Point:
        ((a, b),) = _turned([(across * scale, down * scale)], angle)
        return x + a, y + b

    return at
