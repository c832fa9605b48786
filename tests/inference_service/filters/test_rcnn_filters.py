"""`detection` and `pose` with torchvision's own models, from files of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness import counting
from harness.recomputed import Recorder
from inference_service.errors import WeightsError
from inference_service.filters.base import Filter, Filtered, Item, Later
from inference_service.filters.detection import Detection, Wishes
from inference_service.filters.pose import Pose
from inference_service.filters.vision.coco import NAMES
from inference_service.filters.vision.networks import rcnn_keypoints, rcnn_models
from inference_service.filters.vision.networks.graphs import Unrecorded
from inference_service.filters.vision.networks.rcnn import (
    PROPOSAL_ROUNDS,
    THING_ROUNDS,
    Network,
    Things,
)
from inference_service.filters.vision.networks.replays import Replays
from tests.inference_service.filters.vision.random_rcnn import scenes, write

pytestmark = pytest.mark.models

CPU = torch.device("cpu")
SIZE = (120, 176)
KEYPOINTS = {
    "min_size": 128,
    "max_size": 213,
    "rpn_pre_nms_top_n_test": 100,
    "rpn_post_nms_top_n_test": 40,
    "box_detections_per_img": 3,
}
KEYPOINTS_AS_SETTINGS: dict[str, Any] = {
    "short_side": 128,
    "proposals_per_level": 100,
    "proposals": 40,
    "max_people": 3,
}
DETECTION = {
    "min_size": 160,
    "max_size": 320,
    "rpn_pre_nms_top_n_test": 80,
    "rpn_post_nms_top_n_test": 50,
    "box_detections_per_img": 30,
}


@pytest.fixture(scope="module")
def detection_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

    return write(
        tmp_path_factory.mktemp("rcnn") / "detection.pth", fasterrcnn_mobilenet_v3_large_320_fpn, **DETECTION
    )


@pytest.fixture(scope="module")
def detector(detection_weights: Path) -> Network:
    return Network(rcnn_models.detector("detection", detection_weights, **DETECTION), CPU, torch.float32)


@pytest.fixture(scope="module")
def detection(detection_weights: Path) -> Detection:
    one = Detection()
    one.settings = Detection.Settings(short_side=160, weights=detection_weights)
    one.load(CPU)
    return one


@pytest.fixture(scope="module")
def keypoint_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from torchvision.models.detection import keypointrcnn_resnet50_fpn

    return write(tmp_path_factory.mktemp("rcnn") / "keypoints.pth", keypointrcnn_resnet50_fpn, **KEYPOINTS)


@pytest.fixture(scope="module")
def pose(keypoint_weights: Path) -> Pose:
    one = Pose()
    one.settings = Pose.Settings(network="keypoint_rcnn", **KEYPOINTS_AS_SETTINGS, weights=keypoint_weights)
    one.load(CPU)
    return one


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    """Four pictures, in the third of which there is nothing but grey."""
    made = scenes(4, SIZE)
    made[2] = 96
    return made


def distances(some: Things, others: Things) -> Tensor:
    """Return (N, K): pixels from each thing to the nearest of the others of its class, inf where none is."""
    apart = (some.boxes[:, :, None] - others.boxes[:, None]).abs().amax(-1)
    is_same = (some.labels[:, :, None] == others.labels[:, None]) & others.is_real[:, None]
    return torch.where(is_same, apart, torch.inf).amin(-1)


def find(network: Network, pictures: Tensor, min_score: float) -> Things:
    with torch.inference_mode():
        wanted = torch.ones(len(pictures), network.classes, dtype=torch.bool)
        grid = network.grid((pictures.shape[2], pictures.shape[3]))
        return network.find(pictures, torch.full((len(pictures),), min_score), wanted, grid).things


@torch.inference_mode()
def own_way(model: Any, pictures: Tensor) -> list[dict[str, Tensor]]:
    """What torchvision makes of each picture alone."""
    return [model([picture / 255])[0] for picture in pictures]


def items(one: Filter, count: int, sequence: int = 0, **params: object) -> list[Item]:
    return [Item(bytes([n] * 16), sequence, one.Params.model_validate(params)) for n in range(count)]


def test_as_on_a_gpu_nothing_is_waited_for_or_moved_up_and_the_same_is_found(
    detector: Network, pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = find(detector, pictures, 0.35)
    monkeypatch.setattr(detector, "asks", False)
    monkeypatch.setattr(detector, "_rounds", (PROPOSAL_ROUNDS, THING_ROUNDS))
    things: list[Things] = []
    with torch.inference_mode():
        wanted, scores = torch.ones(4, detector.classes, dtype=torch.bool), torch.full((4,), 0.35)
        grid = detector.grid(SIZE)

        def work() -> None:
            things.append(detector.find(pictures, scores, wanted, grid).things)

        asked = counting.count(work)
    assert not asked.waits
    assert not {"aten::lift_fresh", "aten::lift_fresh_copy"} & set(asked.operators)
    for some, others in ((things[0], expected), (expected, things[0])):
        assert (distances(some, others)[some.is_real] < 0.1).all()


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "far"), [(torch.float16, 6), (torch.bfloat16, 20)])
def test_sixteen_bits_with_channels_last_find_the_same(
    detection_weights: Path, pictures: Tensor, dtype: torch.dtype, far: float
) -> None:
    # As many proposals as the filter has: roundings decide which are the last.
    limits = DETECTION | {"rpn_pre_nms_top_n_test": 150, "rpn_post_nms_top_n_test": 150}
    half = Network(rcnn_models.detector("detection", detection_weights, **limits), CPU, dtype)
    whole = Network(rcnn_models.detector("detection", detection_weights, **limits), CPU, torch.float32)
    found, expected = find(half, pictures[:2], 0.35), find(whole, pictures[:2], 0.35)
    # The better half of them: roundings decide which are the last that the limit lets in.
    better = DETECTION["box_detections_per_img"] // 2
    assert expected.is_real[:, :better].all()
    assert (distances(expected, found)[:, :better] < far).float().mean() > 0.7


@pytest.mark.parametrize("min_score", [0.15, 0.35])
def test_things_are_torchvisions_in_every_picture(
    detector: Network, detection_weights: Path, pictures: Tensor, min_score: float
) -> None:
    limits = DETECTION | {"box_score_thresh": min_score}
    expected = own_way(rcnn_models.detector("detection", detection_weights, **limits), pictures)
    things = find(detector, pictures, min_score)
    counts = [len(one["boxes"]) for one in expected]
    assert sum(counts) > 10
    for number, (one, count) in enumerate(zip(expected, counts, strict=True)):
        mine = Things(*(field[number : number + 1] for field in things))
        # Roundings may let in one more that is as sure as the limit.
        assert abs(int(mine.is_real.sum()) - count) <= 1
        theirs = Things(
            one["boxes"][None], one["boxes"][None], one["labels"][None], one["scores"][None],
            torch.ones(1, count, dtype=torch.bool), torch.tensor([count]),
        )  # fmt: skip
        for some, others in ((mine, theirs), (theirs, mine)):
            if some.is_real.any() and others.is_real.any():
                assert (distances(some, others)[some.is_real] > 0.1).sum() <= 1
        fewer = min(count, int(mine.is_real.sum()))
        assert torch.allclose(mine.scores[0, :fewer], one["scores"][:fewer], atol=1e-3)
        assert not mine.boxes[0, int(mine.is_real.sum()) :].any()


def test_where_nothing_is_found_nothing_is_drawn(detection: Detection, pictures: Tensor) -> None:
    drawn = detection.apply(pictures.clone(), items(detection, 4, min_score=1.0))
    assert torch.equal(drawn, pictures.float())


def test_things_of_a_batch_are_those_of_its_pictures_alone(detector: Network, pictures: Tensor) -> None:
    together = find(detector, pictures, 0.35)
    assert together.is_real.sum() > 10
    for number in range(len(pictures)):
        alone = find(detector, pictures[number : number + 1], 0.35)
        mine = Things(*(field[number : number + 1] for field in together))
        for some, others in ((mine, alone), (alone, mine)):
            # Roundings may let in one more that is as sure as the limit, or as the last.
            assert (distances(some, others)[some.is_real] > 0.1).sum() <= 1


def test_detection_draws_each_picture_of_a_batch_as_it_would_alone(
    detection: Detection, pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the same things: which of two nearly equal ones comes first differs with the size of a batch."""
    wishes = [
        {"min_score": 0.2},
        {"min_score": 0.3, "labels": "none", "line_width": 2.0},
        {"min_score": 0.2, "colouring": "one colour", "max_boxes": 1},
        {"min_score": 0.2, "labels": "name"},
    ]
    chosen = [Item(bytes(16), 0, Detection.Params.model_validate(wish)) for wish in wishes]
    network = detection._network
    kept: list[tuple[Things, Tensor]] = []

    def kept_things(*given: Any) -> tuple[Things, Tensor]:
        kept.append(Network.things(network, *given))
        return kept[-1]

    monkeypatch.setattr(network, "things", kept_things)
    together = detection.apply(pictures.clone(), chosen)
    assert (together != pictures).flatten(1).any(1).tolist().count(True) >= 3
    for number, item in enumerate(chosen):
        things = Things(*(field[number : number + 1] for field in kept[0][0]))
        found = things, kept[0][1][number : number + 1]
        monkeypatch.setattr(network, "things", lambda *given, found=found: found)
        alone = detection.apply(pictures[number : number + 1].clone(), [item])
        assert torch.allclose(alone[0], together[number], atol=1)


@torch.inference_mode()
def test_cameras_of_several_sizes_find_by_one_recording_what_is_found_without(
    detector: Network, pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "asks", False)
    monkeypatch.setattr(detector, "_rounds", (PROPOSAL_ROUNDS, THING_ROUNDS))
    monkeypatch.setattr(detector, "_replays", Replays())
    recorder: Any = Recorder(CPU)
    unrecorded = Unrecorded(CPU)
    double = SIZE[0] * 2, SIZE[1] * 2
    for size in (SIZE, double):
        for piece in detector.pieces(size, 4, recorder, unrecorded):
            piece()
    assert recorder.counts == [4, 3, 2, 1], "both sizes are one to the network"
    wanted = torch.ones(4, detector.classes, dtype=torch.bool)
    large = torch.nn.functional.interpolate(pictures, double)
    for batch in (pictures, large, pictures[:2]):
        given = batch, torch.full((len(batch),), 0.35), wanted[: len(batch)]
        grid = detector.grid((batch.shape[2], batch.shape[3]))
        expected = detector.find(*given, grid)
        things, poison = detector.things(*given, grid)
        assert bool(things.is_real.any())
        assert torch.equal(things.is_real, expected.things.is_real)
        torch.testing.assert_close(things.boxes, expected.things.boxes, rtol=0, atol=0.1)
        assert poison.tolist() == [0.0] * len(batch)
    assert sum(one.replays for one in detector._replays._made.values()) == 3  # type: ignore[attr-defined]


def test_classes_that_nobody_wants_are_not_shown(
    detector: Network, pictures: Tensor, detection: Detection
) -> None:
    label = int(find(detector, pictures, 0.2).labels[0, 0])
    wanted = torch.zeros(4, detector.classes, dtype=torch.bool)
    wanted[:, label] = True
    with torch.inference_mode():
        things = detector.find(pictures, torch.full((4,), 0.2), wanted, detector.grid(SIZE)).things
    assert set(things.labels[things.is_real].tolist()) == {label}
    with torch.inference_mode():
        none = detector.find(pictures, torch.full((4,), 0.2), wanted & False, detector.grid(SIZE)).things
    assert not none.is_real.any()


def test_the_boxes_that_are_drawn_are_told_to_whoever_asks(detection: Detection, pictures: Tensor) -> None:
    asked = items(detection, 4, min_score=0.2, max_boxes=3)
    for item in asked:
        item.wants_data = True
    filtered = detection.apply(pictures.clone(), asked)
    assert isinstance(filtered, Filtered)
    assert isinstance(filtered.data, Later)
    wishes = Wishes.read(detection._rows.stack([item.params for item in asked]))
    with torch.inference_mode():
        network = detection._network
        found = network.find(pictures, wishes.min_scores, wishes.is_wanted, network.grid(SIZE)).things
    assert found.is_real.any()
    for number in range(4):
        told = filtered.data.read(filtered.data.rows[number].numpy())
        assert told is not None
        real = found.is_real[number][:3]
        assert len(told.boxes) == int(real.sum())
        for box, (left, top, right, bottom), label in zip(
            told.boxes,
            found.boxes[number][:3][real].tolist(),
            found.labels[number][:3][real].tolist(),
            strict=True,
        ):
            assert NAMES.get(label, "") == box.label
            assert box.x * SIZE[1] == pytest.approx(left, abs=0.1)
            assert (box.y + box.height) * SIZE[0] == pytest.approx(bottom, abs=0.1)
            assert box.width * SIZE[1] == pytest.approx(right - left, abs=0.1)
            assert box.height * SIZE[0] == pytest.approx(bottom - top, abs=0.1)


def test_a_picture_that_is_not_finite_is_nan_and_its_neighbours_are_not(
    detection: Detection, pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = detection._network
    through = network._input

    def spoilt(pictures: Tensor, grid: Any) -> Tensor:
        values: Tensor = through(pictures, grid)
        values[1, 0, 5, 5] = torch.nan
        return values

    monkeypatch.setattr(network, "_input", spoilt)
    drawn = detection.apply(pictures.clone(), items(detection, 4))
    assert drawn[1].isnan().all()
    assert drawn[[0, 2, 3]].isfinite().all()


def test_weights_of_another_model_are_refused(detection_weights: Path, tmp_path: Path) -> None:
    state = torch.load(detection_weights, weights_only=True)
    state.pop("roi_heads.box_predictor.cls_score.weight")
    torch.save(state, tmp_path / "other.pth")
    one = Detection()
    one.settings = Detection.Settings(weights=tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="cls_score"):
        one.load(CPU)


@pytest.mark.slow
def test_people_and_their_points_are_torchvisions_in_every_picture(
    pose: Pose, pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
    from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

    def librarys(maps: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        # Maps of random weights have many peaks of one height; test_rcnn_keypoints has maps like real ones.
        points, scores = heatmaps_to_keypoints(maps, boxes)
        return points[..., :2], scores[..., None]

    monkeypatch.setattr(rcnn_keypoints, "peaks", librarys)
    crowd: Any = pose._network
    network = crowd._network
    whole = GeneralizedRCNN(network._backbone, network._rpn, network._heads, network._transform).eval()
    network._heads.score_thresh = 0.6
    expected = own_way(whole, pictures)
    grid = network.grid(SIZE)
    with torch.inference_mode():
        wanted = torch.ones(4, network.classes, dtype=torch.bool)
        found = network.find(pictures, torch.full((4,), 0.6), wanted, grid)
        points = network.points(found, grid)
    counts = [len(one["boxes"]) for one in expected]
    assert found.things.is_real.sum(dim=1).tolist() == counts
    assert sum(counts) > 5
    for number, (one, count) in enumerate(zip(expected, counts, strict=True)):
        assert torch.allclose(found.things.boxes[number, :count], one["boxes"], atol=0.1)
        assert torch.allclose(points.score[number, :count], one["keypoints_scores"], atol=1e-2)
        away = (points.place[number, :count] - one["keypoints"][..., :2]).abs().amax(-1)
        assert (away < 0.1).float().mean() > 0.95
        assert not points.place[number, count:].any()


@pytest.mark.slow
def test_pose_batched_equals_single(pose: Pose, pictures: Tensor) -> None:
    wishes: list[dict[str, Any]] = [
        {},
        {"camera": 0.0, "line_width": 4.0},
        {"has_face": False},
        {"min_point_score": 0.0},
    ]
    chosen = [Item(bytes(16), 0, Pose.Params.model_validate({"min_score": 0.6} | wish)) for wish in wishes]
    together = pose.apply(pictures.clone(), chosen)
    assert (together != pictures).flatten(1).any(1).tolist().count(True) >= 3
    for number, item in enumerate(chosen):
        alone = pose.apply(pictures[number : number + 1].clone(), [item])
        assert ((alone[0] - together[number]).abs() > 2).float().mean() < 1e-3
