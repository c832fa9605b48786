from __future__ import annotations

import pytest
import torch

from inference_service.filters.img2img.schedule import (
    LEAST_STRENGTH,
    MAX_STEPS,
    Model,
    Noising,
    Numbers,
    Plan,
    Schedule,
)

MODELS: tuple[Model, ...] = ("sd-turbo", "lcm")


def timesteps(plan: Plan) -> list[float]:
    return [step.timestep for step in plan.steps]


def walked(plan: Plan, picture: float, noise: float, said: list[float]) -> float:
    x = picture * plan.kept + noise * plan.added
    for step, one in zip(plan.steps, said, strict=True):
        x = step.keep * x + step.move * one + step.renew * noise
    return x


def test_shares_are_those_of_stable_diffusion() -> None:
    shares = Noising().shares()
    assert len(shares) == 1000
    # The least and the most noise of Stable Diffusion, 0.0292 and 14.6146 times the picture.
    assert ((1 - shares[0]) / shares[0]) ** 0.5 == pytest.approx(0.02916, abs=1e-5)
    assert ((1 - shares[-1]) / shares[-1]) ** 0.5 == pytest.approx(14.6146, abs=1e-3)


@pytest.mark.parametrize(
    ("model", "steps", "strength", "expected"),
    [
        ("sd-turbo", 1, 1.0, [999]),
        ("sd-turbo", 4, 1.0, [999, 749, 499, 249]),
        # The last of two, and the last three of four, as the pipeline counts them.
        ("sd-turbo", 1, 0.5, [499]),
        ("sd-turbo", 3, 0.75, [749, 499, 249]),
        ("sd-turbo", 1, 0.37, [369]),
        ("lcm", 1, 1.0, [999]),
        ("lcm", 4, 1.0, [999, 759, 499, 259]),
        ("lcm", 1, 0.5, [499]),
        # Of 50 * 0.58, which is 28.999999999999996 here as in the library.
        ("lcm", 2, 0.58, [559, 279]),
    ],
)
def test_timesteps_are_the_libraries(model: Model, steps: int, strength: float, expected: list[int]) -> None:
    assert timesteps(Schedule(model, Noising()).plan(steps, strength)) == expected


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("steps", range(1, MAX_STEPS + 1))
def test_every_allowed_strength_gives_steps_that_fall(model: Model, steps: int) -> None:
    schedule = Schedule(model, Noising())
    for hundredths in range(round(100 * LEAST_STRENGTH), 101):
        found = timesteps(schedule.plan(steps, hundredths / 100))
        assert len(set(found)) == steps
        assert found == sorted(found, reverse=True)
        assert found[-1] >= 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("steps", range(1, MAX_STEPS + 1))
def test_whoever_says_the_true_noise_gets_the_picture_back(model: Model, steps: int) -> None:
    plan = Schedule(model, Noising()).plan(steps, 0.7)
    assert walked(plan, 0.3, -1.2, [-1.2] * steps) == pytest.approx(0.3, abs=1e-3)
    assert walked(plan, 0.3, -1.2, [0.0] * steps) != pytest.approx(0.3, abs=1e-2)


def test_input_of_the_network_has_the_variance_it_was_trained_on() -> None:
    plan = Schedule("sd-turbo", Noising()).plan(4, 1.0)
    sigma = plan.added
    for step in plan.steps:
        assert step.scale == pytest.approx((sigma**2 + 1) ** -0.5)
        sigma += step.move
    assert sigma == pytest.approx(0)


def test_numbers_of_a_batch_are_those_of_its_plans() -> None:
    schedule = Schedule("lcm", Noising())
    plans = [schedule.plan(3, strength) for strength in (0.2, 1.0)]
    numbers = Numbers(torch.tensor([plan.numbers() for plan in plans]).T)
    assert numbers.steps == 3
    kept, added = numbers.start()
    assert kept.shape == (2, 1, 1, 1)
    assert added.flatten().tolist() == pytest.approx([plan.added for plan in plans])
    for n in range(3):
        assert numbers.timestep(n).tolist() == [plan.steps[n].timestep for plan in plans]
        scale, keep, move, renew = numbers.step(n)
        assert keep.flatten().tolist() == pytest.approx([plan.steps[n].keep for plan in plans])
        assert move.flatten().tolist() == pytest.approx([plan.steps[n].move for plan in plans])
        assert renew.flatten().tolist() == pytest.approx([plan.steps[n].renew for plan in plans])
        assert scale.flatten().tolist() == [1.0, 1.0]
