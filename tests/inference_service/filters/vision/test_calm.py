"""Numbers on their way to a goal."""

from __future__ import annotations

import torch

from inference_service.filters.vision.calm import approached, resting, steady_goal

RATE = torch.tensor(3.0)


def test_a_number_comes_to_its_goal_and_never_passes_it() -> None:
    motion, goal = resting(torch.zeros(1)), torch.ones(1)
    way = []
    for _ in range(120):
        motion = approached(motion, goal, RATE, torch.tensor(1 / 30))
        way.append(float(motion.at))
    assert way == sorted(way)
    assert 0.99 < way[-1] <= 1.0
    # It sets out softly: the first step is far from the longest.
    steps = torch.tensor(way).diff()
    assert way[0] < 0.2 * steps.max()


def test_one_long_step_is_as_many_short_ones() -> None:
    goal = torch.tensor([1.0, -2.0])
    start = resting(torch.tensor([0.3, 0.7]))._replace(speed=torch.tensor([0.5, -1.0]))
    long = approached(start, goal, RATE, torch.tensor(0.4))
    short = start
    for _ in range(8):
        short = approached(short, goal, RATE, torch.tensor(0.05))
    assert torch.allclose(long.at, short.at, atol=1e-5)
    assert torch.allclose(long.speed, short.speed, atol=1e-5)


def test_after_any_time_numbers_are_finite() -> None:
    motion = approached(resting(torch.zeros(1)), torch.ones(1), RATE, torch.tensor(1e6))
    assert torch.equal(motion.at, torch.ones(1))
    still = approached(resting(torch.zeros(1)), torch.ones(1), RATE, torch.tensor(0.0))
    assert torch.equal(still.at, torch.zeros(1))


def test_a_goal_moves_only_for_what_is_more_than_slack() -> None:
    goal = torch.zeros(3, 2)
    wanted = torch.tensor([[0.05, -0.05], [0.05, 0.2], [0.0, 0.0]])
    found = steady_goal(goal, wanted, torch.tensor(0.1))
    assert torch.equal(found, torch.stack((goal[0], wanted[1], goal[2])))
