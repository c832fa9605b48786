"""The masks of `draw.masks` as device functions: paint on paint, of the place on the head alone.

Shapes are distances to their borders there, positive inside, and so they are here. A card that does not draw
the same pictures by both forms keeps to torch's.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inference_service.filters.vision.draw import masks

MOST_TURN = tl.constexpr(masks.MOST_TURN)
NODDING = tl.constexpr(masks.NODDING)


@triton.jit
def fox(u, v, pixels, turn, nod, mouth, own_red, own_green, own_blue):
    """Return red, green and blue, and how much of each pixel is covered; see `masks.drawn`."""
    side = tl.abs(u)
    ears = _edge(side, v, 0.2, -0.7, 0.86, -1.42)
    ears = tl.minimum(ears, _edge(side, v, 0.86, -1.42, 0.94, -0.25))
    ears = tl.minimum(ears, _edge(side, v, 0.94, -0.25, 0.2, -0.7))
    cheeks = _edge(side, v, 0.3, -0.3, 1.24, 0.42)
    cheeks = tl.minimum(cheeks, _edge(side, v, 1.24, 0.42, 0.3, 1.0))
    cheeks = tl.minimum(cheeks, _edge(side, v, 0.3, 1.0, 0.3, -0.3))
    head = _ellipse(u, v, 0.0, 0.0, 1.0, 1.04, 1.0)
    cover = _share(tl.maximum(tl.maximum(ears, cheeks), head), pixels)
    outline = tl.maximum(cheeks, head) - 0.05
    inner = _edge(side, v, 0.42, -0.8, 0.8, -1.2)
    inner = tl.minimum(inner, _edge(side, v, 0.8, -1.2, 0.84, -0.55))
    inner = tl.minimum(inner, _edge(side, v, 0.84, -0.55, 0.42, -0.8))
    red, green, blue = _dark(own_red, own_green, own_blue, _share(inner, pixels))
    u, v = _turned(u, v, turn, nod)
    side = tl.abs(u)
    white = _ellipse(side, v, 0.5, 0.52, 0.48, 0.46, 0.46)
    white = tl.maximum(white, _ellipse(u, v, 0.0, 0.74, 0.66, 0.36, 0.36))
    red, green, blue = _white(red, green, blue, _share(tl.minimum(outline, white), pixels))
    blush = _ellipse(side, v, 0.72, 0.2, 0.15, 0.08, 0.08)
    red, green, blue = _blush(red, green, blue, _share(blush, pixels) * 0.35)
    eye = _ellipse(side, v, 0.42, -0.1, 0.11, 0.16, 0.11)
    red, green, blue = _dark(red, green, blue, _share(eye, pixels))
    glint = _ellipse(side, v, 0.46, -0.17, 0.035, 0.045, 0.035)
    red, green, blue = _white(red, green, blue, _share(glint, pixels))
    nose = _ellipse(u, v, 0.0, 0.5, 0.14, 0.1, 0.1)
    red, green, blue = _dark(red, green, blue, _share(nose, pixels))
    lips = _arc(side, v, 0.12, 0.62, 0.12, 0.035, 0.64)
    red, green, blue = _dark(red, green, blue, _share(lips, pixels))
    opening = _opening(u, v, mouth, 0.7, 0.2)
    red, green, blue = _red(red, green, blue, _share(opening, pixels))
    return red, green, blue, cover


@triton.jit
def smile(u, v, pixels, turn, nod, mouth, own_red, own_green, own_blue):
    """Return what `fox` does."""
    head = _ellipse(u, v, 0.0, 0.0, 1.0, 1.04, 1.0)
    cover = _share(head, pixels)
    rim = _share(0.05 - tl.abs(head), pixels)
    red = own_red + rim * (own_red * 0.62 - own_red)
    green = own_green + rim * (own_green * 0.62 - own_green)
    blue = own_blue + rim * (own_blue * 0.62 - own_blue)
    u, v = _turned(u, v, turn, nod)
    side = tl.abs(u)
    blush = _ellipse(side, v, 0.66, 0.22, 0.16, 0.1, 0.1)
    red, green, blue = _blush(red, green, blue, _share(blush, pixels) * 0.45)
    eye = _ellipse(side, v, 0.34, -0.2, 0.1, 0.17, 0.1)
    red, green, blue = _dark(red, green, blue, _share(eye, pixels))
    glint = _ellipse(side, v, 0.37, -0.27, 0.03, 0.05, 0.03)
    red, green, blue = _white(red, green, blue, _share(glint, pixels))
    lips = _arc(u, v, 0.0, 0.08, 0.52, 0.085, 0.26)
    red, green, blue = _dark(red, green, blue, _share(lips, pixels))
    corner = _ellipse(side, v, 0.488, 0.26, 0.0425, 0.0425, 0.0425)
    red, green, blue = _dark(red, green, blue, _share(corner, pixels))
    opening = _opening(u, v, mouth, 0.4, 0.3)
    red, green, blue = _red(red, green, blue, _share(opening, pixels))
    return red, green, blue, cover


@triton.jit
def _turned(u, v, turn, nod):
    depth = tl.sqrt(tl.maximum(1.0 - u * u - v * v, 0.0))
    turn = tl.minimum(tl.maximum(turn, -MOST_TURN), MOST_TURN)
    nod = tl.minimum(tl.maximum(nod * NODDING, -MOST_TURN), MOST_TURN)
    return u * tl.sqrt(1.0 - turn * turn) - depth * turn, v * tl.sqrt(1.0 - nod * nod) - depth * nod


@triton.jit
def _share(inside, pixels):
    return tl.where(pixels > 0, tl.minimum(tl.maximum(inside * pixels + 0.5, 0.0), 1.0), 0.0)


@triton.jit
def _edge(x, y, x1: tl.constexpr, y1: tl.constexpr, x2: tl.constexpr, y2: tl.constexpr):
    """Return the distance to one side of a triangle whose corners go clockwise."""
    across: tl.constexpr = x2 - x1
    down: tl.constexpr = y2 - y1
    length: tl.constexpr = (across * across + down * down) ** 0.5
    return (across * (y - y1) - down * (x - x1)) / length


@triton.jit
def _ellipse(
    x,
    y,
    x0: tl.constexpr,
    y0: tl.constexpr,
    half_width: tl.constexpr,
    half_height: tl.constexpr,
    shorter: tl.constexpr,
):
    across, down = (x - x0) / half_width, (y - y0) / half_height
    return (1.0 - tl.sqrt(across * across + down * down)) * shorter


@triton.jit
def _arc(
    x,
    y,
    x0: tl.constexpr,
    y0: tl.constexpr,
    radius: tl.constexpr,
    thickness: tl.constexpr,
    from_y: tl.constexpr,
):
    across, down = x - x0, y - y0
    away = tl.sqrt(across * across + down * down)
    return tl.minimum(thickness / 2 - tl.abs(away - radius), y - from_y)


@triton.jit
def _opening(u, v, mouth, top: tl.constexpr, half_width: tl.constexpr):
    half = tl.maximum(mouth * 0.16, 1e-3)
    across, down = u / half_width, (v - top - half) / half
    return tl.where(mouth > 0.1, (1.0 - tl.sqrt(across * across + down * down)) * half, -1.0)


@triton.jit
def _dark(red, green, blue, share):
    return red + share * (52.0 - red), green + share * (38.0 - green), blue + share * (38.0 - blue)


@triton.jit
def _white(red, green, blue, share):
    return red + share * (252.0 - red), green + share * (246.0 - green), blue + share * (238.0 - blue)


@triton.jit
def _blush(red, green, blue, share):
    return red + share * (240.0 - red), green + share * (110.0 - green), blue + share * (110.0 - blue)


@triton.jit
def _red(red, green, blue, share):
    return red + share * (120.0 - red), green + share * (28.0 - green), blue + share * (36.0 - blue)
