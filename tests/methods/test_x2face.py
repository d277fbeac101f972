"""X2Face beyond its goldens: what it refuses, the files it reads, and how mosaics are put together."""

import pickle
import struct
import types
from collections import OrderedDict
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from goldens import image

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import cards, checkpoint_store
from talkbench.methods.checkpoints import save_networks
from talkbench.methods.x2face import VARIANTS, X2Face
from talkbench.methods.x2face.model import X2FaceConfig, X2FaceNetwork, combine, displaced_grid, sample

NARROW = X2FaceConfig(widths=(4,) * 7)


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks as deep as the real ones with few channels."""
    monkeypatch.setitem(VARIANTS, "", NARROW)
    torch.manual_seed(0)


def authors_state(network: X2FaceNetwork) -> OrderedDict[str, torch.Tensor]:
    """The entries that torch 0.2 wrote."""
    state = network.state_dict()
    return OrderedDict((key, value) for key, value in state.items() if not key.endswith("num_batches_tracked"))


class Python2Pickler(pickle._Pickler):
    """Writes strings and integers with the opcodes that Python 2 used for them."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_str(self, text: str) -> None:
        self.write(pickle.SHORT_BINSTRING + struct.pack("<B", len(text)) + text.encode("ascii"))
        self.memoize(text)

    def save_long(self, number: int) -> None:
        if 2**31 <= number < 2**63:
            self.write(pickle.INT + f"{number}\n".encode())
        else:
            super().save_long(number)

    dispatch[str] = save_str
    dispatch[int] = save_long


def save_as_python2(content: dict[str, object], path: Path) -> None:
    def dump(part: object, file: object, protocol: int) -> None:
        Python2Pickler(file, protocol).dump(part)

    module = types.SimpleNamespace(__name__="pickle", Pickler=Python2Pickler, dump=dump)
    torch.save(content, path, pickle_module=module, pickle_protocol=2, _use_new_zipfile_serialization=False)


def assert_loaded(path: Path, wanted: X2FaceNetwork) -> None:
    found = X2Face(weights=path)
    assert found.checkpoint_sha256
    for key, value in wanted.state_dict().items():
        assert torch.equal(found.network.state_dict()[key], value), key


def test_relative_motion_is_refused() -> None:
    method = X2Face()
    source, motion = method.encode_source(image(1)), method.encode_motion(image(2))
    with pytest.raises(TalkbenchError, match="x2face has no relative motion; it has absolute"):
        method.transfer(source, motion, motion)
    assert method.motions == ("absolute",)
    assert method.transfer(source, motion, None) is motion


def test_there_are_no_variants() -> None:
    with pytest.raises(TalkbenchError, match="unknown method 'x2face@vox-256': did you mean"):
        methods.create("x2face@vox-256")


def test_it_is_built_without_memory() -> None:
    with torch.device("meta"):
        assert all(parameter.is_meta for parameter in X2Face().network.parameters())


def test_images_are_in_range_and_of_the_sources_size() -> None:
    method = X2Face()
    out = method.render(method.encode_source(image(1)), method.encode_motion(image(2)))
    assert out.shape == (1, 3, 256, 256)
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_batch_of_sources_equals_each_on_its_own() -> None:
    method = X2Face()
    together = method.encode_source(torch.cat([image(1), image(2)]))
    for index in range(2):
        alone = method.encode_source(image(index + 1))
        torch.testing.assert_close(together.face[index : index + 1], alone.face, rtol=0, atol=1e-5)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old serialisation"])
def test_the_authors_layout_loads(tmp_path: Path, zipped: bool) -> None:
    network = X2FaceNetwork(NARROW)
    path = tmp_path / "x2face_model_forpython3.pth"
    optimiser = {"state": {}, "param_groups": [{"lr": 1e-3, "momentum": 0.9, "params": [0, 1]}]}
    torch.save(
        {"state_dict": authors_state(network), "optimizer": optimiser}, path, _use_new_zipfile_serialization=zipped
    )
    assert_loaded(path, network)


def test_a_file_of_python_2_loads_where_it_holds_tensors_alone(tmp_path: Path) -> None:
    network = X2FaceNetwork(NARROW)
    path = tmp_path / "x2face_model.pth"
    save_as_python2({"state_dict": authors_state(network)}, path)
    assert_loaded(path, network)


def test_a_file_of_python_2_that_cannot_be_read_names_the_other(tmp_path: Path) -> None:
    path = tmp_path / "x2face_model.pth"
    groups = [{"lr": 1e-3, "params": [140_000_000_000_000]}]  # Python 2 named parameters by their addresses
    content = {"state_dict": authors_state(X2FaceNetwork(NARROW)), "optimizer": {"state": {}, "param_groups": groups}}
    save_as_python2(content, path)
    with pytest.raises(TalkbenchError, match=r"x2face_model\.pth .*take x2face_model_forpython3\.pth") as caught:
        X2Face(weights=path)
    assert "\n" not in str(caught.value)


def test_another_methods_file_is_told_by_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "vox-cpk.pth.tar"
    torch.save({"generator": {"x": torch.zeros(1)}}, path)
    with pytest.raises(TalkbenchError, match=r"no state_dict among its parts \(generator\)") as caught:
        X2Face(weights=path)
    assert "forpython3" not in str(caught.value)


def test_the_same_source_twice_is_the_mosaic_of_one() -> None:
    network = X2FaceNetwork(NARROW).eval()
    with torch.no_grad():
        one, two = (network.mosaic(image(1)[:, None].expand(-1, count, -1, -1, -1)) for count in (1, 2))
    torch.testing.assert_close(two, one, rtol=0, atol=1e-5)


def test_sources_are_weighted_by_their_confidence() -> None:
    faces = torch.stack([torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)], dim=1)
    confidence = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 2, 2)
    e = torch.tensor(1.0).exp()
    torch.testing.assert_close(combine(faces, confidence), ((e + 0.1) / (e + 1.2)).expand(1, 3, 2, 2))
    torch.testing.assert_close(combine(faces, confidence, floor=0.0), (e / (e + 1)).expand(1, 3, 2, 2))


def test_an_offset_of_nothing_leaves_the_image_and_one_of_an_image_width_leaves_black() -> None:
    offsets = torch.zeros(1, 2, 256, 256)
    torch.testing.assert_close(sample(image(1), displaced_grid(offsets)), image(1), rtol=0, atol=1e-4)
    offsets[:, 0] = 10.0  # tanh of it is one: half the image to the right
    moved = sample(image(1), displaced_grid(offsets))
    assert moved[..., 129:].abs().max() == 0
    torch.testing.assert_close(moved[..., 0], image(1)[..., 127:129].mean(-1), rtol=0, atol=1e-4)


def test_the_card_says_where_the_weights_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    with pytest.raises(TalkbenchError, match=r"x2face: x2face_model_forpython3\.pth .* is not in"):
        cards.find_weights("x2face")


def test_a_file_of_our_own_training_loads(tmp_path: Path) -> None:
    """The name of its only network, ``state_dict``, is also one that wrappers have."""
    trained, path = X2Face("demo"), tmp_path / "weights.safetensors"
    save_networks(trained.networks, path, {"method": "x2face@demo"})
    assert checkpoint_store.identify(path).method == "x2face@demo"
    stored = X2Face("demo", weights=path).network.state_dict()
    assert all(torch.equal(value, stored[key]) for key, value in trained.network.state_dict().items())
