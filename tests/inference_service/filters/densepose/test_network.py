from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness import counting
from inference_service.filters.densepose import checkpoint, model
from inference_service.filters.densepose.grid import Grid, network_size
from inference_service.filters.densepose.network import PERSON_ROUNDS, PROPOSAL_ROUNDS, Limits, Network
from inference_service.filters.densepose.paint import draw
from inference_service.filters.densepose.people import People
from tests.inference_service.filters.densepose import narrow
from tests.inference_service.filters.densepose.pretended import CUDA, move_to_pretended_gpu
from tests.inference_service.filters.densepose.reference import Reference
from tests.inference_service.filters.densepose.scenes import batch_of, scene

pytestmark = pytest.mark.detectron2

LIMITS = Limits(short_side=256, proposals_per_level=256, proposals=100, max_people=8)
SIZE = (256, 320)


def network(weights: Path, dtype: torch.dtype = torch.float32) -> Network:
    made = model.build(narrow.narrow())
    checkpoint.load(made, weights)
    return Network(made, LIMITS, torch.device("cpu"), dtype)


def stages(one: Network, pictures: Tensor, min_scores: Tensor, grid: Grid, people: int) -> Tensor:
    """All of a batch but the host's question how many people there are."""
    found = one.find(pictures, min_scores, grid)
    decoded = one.decode(found.features)
    crowd = People.unpack(found.people[:people])
    maps = one.segment(one.pool(decoded, crowd, grid))
    tables = torch.zeros(len(pictures), 25, 4, dtype=one.dtype, device=pictures.device)
    tables = tables + found.poison.to(one.dtype)[:, None, None]
    return draw(pictures, maps, crowd.boxes, crowd.picture, crowd.rank, tables, one.upsample)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_no_stage_waits_for_a_gpu(weights: Path, dtype: torch.dtype) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    one = network(weights, dtype)
    with FakeTensorMode(), torch.no_grad():
        move_to_pretended_gpu(one)
        grid = one.grid((480, 640))
        pictures = torch.zeros(3, 3, 480, 640, dtype=torch.uint8, device=CUDA)
        drawn = stages(one, pictures, torch.zeros(3, device=CUDA), grid, people=6)
    assert drawn.shape == pictures.shape
    assert drawn.device == CUDA
    assert drawn.dtype == one.dtype


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_stages_compile_without_a_break(weights: Path, dtype: torch.dtype) -> None:
    one = network(weights, dtype)
    one.rounds = (PROPOSAL_ROUNDS, PERSON_ROUNDS)
    grid = one.grid(SIZE)
    pictures = batch_of(scene(SIZE, 1), scene(SIZE, 2))
    min_scores = torch.full((2,), 0.5)
    torch._dynamo.reset()
    compiled = torch.compile(stages, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        got = compiled(one, pictures, min_scores, grid, 16)
        torch.testing.assert_close(got, stages(one, pictures, min_scores, grid, 16), rtol=0, atol=0.5)


def test_stages_do_the_same_for_every_picture(weights: Path) -> None:
    one = network(weights)
    one.rounds = (PROPOSAL_ROUNDS, PERSON_ROUNDS)
    grid = one.grid(SIZE)
    scores = torch.full((2,), 0.5)

    def work(first: int) -> counting.Work:
        pictures = batch_of(scene(SIZE, first), scene(SIZE, first + 1))
        with torch.no_grad():
            return counting.count(lambda: stages(one, pictures, scores, grid, 16))

    assert work(1).operators == work(5).operators
    assert not work(1).waits


def test_fixed_rounds_find_the_same_people(weights: Path) -> None:
    one = network(weights)
    grid = one.grid(SIZE)
    pictures = batch_of(*(scene(SIZE, seed) for seed in range(4)))
    with torch.no_grad():
        settled = one.find(pictures, torch.full((4,), 0.5), grid)
        one.rounds = (PROPOSAL_ROUNDS, PERSON_ROUNDS)
        fixed = one.find(pictures, torch.full((4,), 0.5), grid)
        one.rounds = (1, 1)
        hasty = one.find(pictures, torch.full((4,), 0.5), grid)
    assert torch.equal(fixed.people, settled.people)
    assert fixed.summary.tolist() == [32, 0]
    assert hasty.summary[1] > 0, "cut short, and said so"


def test_people_are_the_librarys(weights: Path, reference: Reference) -> None:
    one = network(weights)
    grid = one.grid(SIZE)
    images = [scene(SIZE, seed) for seed in range(3)]
    with torch.no_grad():
        found = one.find(batch_of(*images), torch.full((3,), 0.5), grid)
    people = People.unpack(found.people)
    for number, image in enumerate(images):
        instances = reference.instances(image)
        own = people.boxes[(people.picture == number) & (people.rank >= 0)]
        assert len(own) == len(instances) > 4
        assert torch.allclose(own, instances.pred_boxes.tensor, atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "error", "alike"), [(torch.float16, 0.02, 0.95), (torch.bfloat16, 0.06, 0.85)]
)
def test_sixteen_bits_see_what_single_precision_sees(
    weights: Path, dtype: torch.dtype, error: float, alike: float
) -> None:
    whole, half = network(weights), network(weights, dtype)
    grid = whole.grid(SIZE)
    pictures = batch_of(scene(SIZE, 3), scene(SIZE, 4))
    with torch.no_grad():
        exact = whole.find(pictures, torch.full((2,), 0.5), grid)
        rough = half.find(pictures, torch.full((2,), 0.5), half.grid(SIZE))
        people = People.unpack(exact.people)
        maps = whole.segment(whole.pool(whole.decode(exact.features), people, grid))
        halved = half.segment(half.pool(half.decode(rough.features), people, half.grid(SIZE)))
        halved = torch.nn.functional.interpolate(halved.float(), scale_factor=2.0, mode="bilinear")
    for one, other in zip(exact.features, rough.features, strict=True):
        assert (one - other).abs().mean() < error * one.abs().mean()
    assert (maps[:, 2:].argmax(1) == halved[:, 2:].argmax(1)).float().mean() > alike


@pytest.mark.parametrize(
    ("picture", "short_side", "expected"),
    [
        ((480, 640), 480, (480, 640)),
        ((480, 640), 800, (800, 1067)),
        ((640, 480), 320, (427, 320)),
        ((720, 1280), 800, (750, 1333)),
        ((100, 100), 64, (64, 64)),
    ],
)
def test_the_short_side_decides_the_networks_size(
    picture: tuple[int, int], short_side: int, expected: tuple[int, int]
) -> None:
    from detectron2.data.transforms import ResizeShortestEdge

    assert network_size(picture, short_side) == expected
    assert ResizeShortestEdge.get_output_shape(*picture, short_side, 1333) == expected
