"""The teacher of face-vid2vid's head estimator: its architecture, what it is shown, and what happens without its file
(docs/specs/facevid2vid.md 2.7, 5.2)."""

from pathlib import Path

import pytest
import torch
from goldens import assert_manifest, load_manifest
from small_methods import small
from small_session import run_session

from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import read_metadata
from talkbench.metrics import weights as model_files
from talkbench.training.config import LossWeights
from talkbench.training.loop import check_alike
from talkbench.training.objectives.facevid2vid import FaceVid2VidObjective
from talkbench.training.objectives.hopenet import Hopenet, load_hopenet
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.session import TrainOptions
from talkbench.training.world import World

pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def hopenet() -> Hopenet:
    torch.manual_seed(0)
    return Hopenet()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    return tmp_path


def save(network: Hopenet, path: Path) -> Path:
    """As its authors' file, of before batches were counted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}, path)
    return path


def test_keys_and_shapes_are_the_manifests(hopenet: Hopenet) -> None:
    manifest = load_manifest("facevid2vid")["subnetworks"]["hopenet"]
    assert_manifest(hopenet, manifest["entries"])
    assert sum(parameter.numel() for parameter in hopenet.parameters()) == manifest["parameters"]


def test_its_bins_are_degrees_in_the_order_yaw_pitch_roll(hopenet: Hopenet) -> None:
    with torch.no_grad():
        for head, index in ((hopenet.fc_yaw, 33), (hopenet.fc_pitch, 0), (hopenet.fc_roll, 65)):
            head.weight.zero_()
            head.bias.zero_()[index] = 100
    found = hopenet(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(found, torch.tensor([[0.0, -99.0, 96.0]] * 2))


def test_it_sees_images_as_imagenet_has_them(hopenet: Hopenet) -> None:
    seen = []
    handle = hopenet.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    hopenet(torch.full((1, 3, 256, 256), 0.5))
    handle.remove()
    wanted = torch.tensor([(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225])
    torch.testing.assert_close(seen[0], wanted[None, :, None, None].expand(1, 3, 224, 224))


def test_it_stays_as_it_is(hopenet: Hopenet) -> None:
    hopenet.train()
    assert not any(module.training for module in hopenet.modules())
    assert not any(parameter.requires_grad for parameter in hopenet.parameters())


def test_its_file_teaches(hopenet: Hopenet, home: Path) -> None:
    save(hopenet, model_files.store() / "hopenet" / "hopenet_robust_alpha1.pkl")
    objective = FaceVid2VidObjective(small("facevid2vid"), MultiScaleL1(), LossWeights())
    assert objective.left_out == {}
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(objective.teachers["hopenet"](images), hopenet(images))
    assert not any(key.startswith("hopenet") for key in objective.networks.state_dict())


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hopenet_robust_alpha1.pkl"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    with pytest.raises(TalkbenchError, match=r"hopenet_robust_alpha1.pkl does not hold Hopenet \("):
        load_hopenet(path)


def test_without_its_file_its_term_is_left_out_aloud(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = small("facevid2vid")
    changes = {"steps": 1, "batch_size": 2, "jitter": 0, "validation": 0}
    options = TrainOptions("facevid2vid", out=tmp_path / "out", changes=changes)
    path, said = run_session(options, method, monkeypatch)
    metadata = read_metadata(path)
    (line,) = [line for line in said if "head_pose" in line]
    assert line.startswith("no head_pose term, which the weights file records: it needs hopenet_robust_alpha1.pkl (")
    assert line.endswith("bench weights add FILE --as hopenet")
    assert metadata["left_out"] == ["head_pose"]
    assert "head_pose" not in metadata["losses"]
    options = TrainOptions("facevid2vid", out=tmp_path / "off", changes={**changes, "weights.head_pose": 0})
    _, said = run_session(options, method, monkeypatch)
    assert not any("head_pose" in line for line in said)


class Elsewhere(World):
    """Two processes, the other of which has all files."""

    def gather(self, value: object) -> list[object]:
        return [value, ["MultiScaleL1"]]


def test_processes_with_different_files_do_not_train_together() -> None:
    with pytest.raises(TalkbenchError, match=r"different terms \(MultiScaleL1; MultiScaleL1, no head_pose\), since"):
        check_alike(Elsewhere(torch.device("cpu"), size=2), ["MultiScaleL1", "no head_pose"])
