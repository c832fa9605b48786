"""How noisy a picture is made, and what each step does with what the network says: for one to four steps.

`strength` is how far up the noise goes, `steps` how often the network runs. A step is linear,

    network's input = scale * x
    x' = keep * x + move * said + renew * noise

for both models, so pictures of different strengths go through one step together, each with numbers of its
own. With T = 1000 timesteps of training, s the strength and n steps, they are taken at

    sd-turbo    round(T * s * (n - i) / n) - 1            for i = 0 .. n - 1
    LCM         (m - floor(i * m / n)) * T / 50 - 1       with m = floor(50 * s)

Where diffusers' pipelines can be asked for the same, these are their numbers. That of sd-turbo (Euler,
"trailing" timesteps) takes a number N of steps and runs the last int(N * s): N steps with a strength of n / N
there are n steps with that strength here. Between such strengths, where it would run fewer, this runs as many
steps from less noise. For LCM both mean the same as in `LatentConsistencyModelImg2ImgPipeline`.

Sources: Karras et al., "Elucidating the Design Space" (2022), algorithm 2 without churn, for Euler; Lin et
al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2023), table 2, for the timesteps; Luo et
al., "Latent Consistency Models" (2023), algorithm 3 and appendix D, for LCM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Model = Literal["sd-turbo", "lcm"]

MAX_STEPS = 4
LEAST_STRENGTH = 0.1
"""Below it, four steps would not all differ on LCM's grid."""
LCM_GRID = 50
"""Timesteps that LCM was distilled on; `original_inference_steps` of diffusers' LCMScheduler."""
LCM_SIGMA_DATA = 0.5
LCM_TIMESTEP_SCALING = 10.0

_START = 2
_STEP = 5


@dataclass(frozen=True, slots=True)
class Noising:
    """How the model was trained to see noise. The defaults are those of Stable Diffusion 1 and 2."""

    timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012

    def shares(self) -> tuple[float, ...]:
        """Return for each timestep how much of a noisy picture's variance is the picture's, 1 to 0.

        Betas are squares of evenly spaced roots ("scaled linear"), in float32 as in training.
        """
        roots = torch.linspace(self.beta_start**0.5, self.beta_end**0.5, self.timesteps, dtype=torch.float32)
        shares: list[float] = torch.cumprod(1 - roots**2, dim=0).tolist()
        return tuple(shares)


@dataclass(frozen=True, slots=True)
class Step:
    """One run of the network; see the top."""

    timestep: float
    scale: float
    keep: float
    move: float
    renew: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a picture's way: x = picture * kept + noise * added, then the steps."""

    kept: float
    added: float
    steps: tuple[Step, ...]

    def numbers(self) -> list[float]:
        """Return `Numbers` of one picture as a list."""
        flat = [self.kept, self.added]
        for step in self.steps:
            flat += [step.timestep, step.scale, step.keep, step.move, step.renew]
        return flat


class Schedule:
    """Plans for one model."""

    def __init__(self, model: Model, noising: Noising) -> None:
        self._model = model
        self._timesteps = noising.timesteps
        self._shares = noising.shares()

    def plan(self, steps: int, strength: float) -> Plan:
        """Return the plan for 1 to MAX_STEPS steps and a strength from LEAST_STRENGTH to 1."""
        if self._model == "lcm":
            return self._consistency(self._lcm_timesteps(steps, strength))
        return self._euler(self._trailing(steps, strength))

    def _trailing(self, steps: int, strength: float) -> list[int]:
        return [round(self._timesteps * strength * (steps - n) / steps) - 1 for n in range(steps)]

    def _lcm_timesteps(self, steps: int, strength: float) -> list[int]:
        reached = int(LCM_GRID * strength)
        between = self._timesteps // LCM_GRID
        return [(reached - n * reached // steps) * between - 1 for n in range(steps)]

    def _euler(self, timesteps: Sequence[int]) -> Plan:
        sigmas = [((1 - self._shares[t]) / self._shares[t]) ** 0.5 for t in timesteps]
        ends = [*sigmas[1:], 0.0]
        return Plan(
            kept=1.0,
            added=sigmas[0],
            steps=tuple(
                Step(t, (sigma**2 + 1) ** -0.5, 1.0, end - sigma, 0.0)
                for t, sigma, end in zip(timesteps, sigmas, ends, strict=True)
            ),
        )

    def _consistency(self, timesteps: Sequence[int]) -> Plan:
        first = self._shares[timesteps[0]]
        # After the last step nothing is noisy.
        ends = [*(self._shares[t] for t in timesteps[1:]), 1.0]
        return Plan(
            kept=first**0.5,
            added=(1 - first) ** 0.5,
            steps=tuple(self._consistency_step(t, end) for t, end in zip(timesteps, ends, strict=True)),
        )

    def _consistency_step(self, timestep: int, end: float) -> Step:
        share = self._shares[timestep]
        scaled = timestep * LCM_TIMESTEP_SCALING
        skip = LCM_SIGMA_DATA**2 / (scaled**2 + LCM_SIGMA_DATA**2)
        out = scaled / (scaled**2 + LCM_SIGMA_DATA**2) ** 0.5
        return Step(
            timestep=timestep,
            scale=1.0,
            keep=end**0.5 * (out / share**0.5 + skip),
            move=-(end**0.5) * out * ((1 - share) / share) ** 0.5,
            renew=(1 - end) ** 0.5,
        )


@dataclass(frozen=True, slots=True)
class Numbers:
    """The plans of a batch, on the device: each number is (N, 1, 1, 1) float32, timesteps are (N,)."""

    table: torch.Tensor
    """(2 + 5 * steps, N)."""

    @property
    def steps(self) -> int:
        """How often the network runs."""
        return (len(self.table) - _START) // _STEP

    def start(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `kept` and `added`."""
        return self._wide(0), self._wide(1)

    def timestep(self, step: int) -> torch.Tensor:
        """Return (N,) timesteps of a step."""
        return self.table[_START + step * _STEP]

    def step(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return `scale`, `keep`, `move` and `renew` of a step."""
        first = _START + step * _STEP + 1
        return self._wide(first), self._wide(first + 1), self._wide(first + 2), self._wide(first + 3)

    def _wide(self, row: int) -> torch.Tensor:
        return self.table[row][:, None, None, None]
