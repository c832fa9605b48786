"""A page of the stage with a live session, and its cameras."""

from __future__ import annotations

from playwright.async_api import Page


async def live(page: Page, constraints: str = "{ video: true }") -> None:
    """Have the page ask for its camera; returns when it has the filtered one."""
    assert await page.evaluate(f"attempt({constraints})") == ""


async def camera_states(page: Page) -> list[str]:
    """Return the states of the tracks that the browser gave first."""
    states: list[str] = await page.evaluate("native.streams[0].getTracks().map((track) => track.readyState)")
    return states
