"""The mean of states of a training and of weights files."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import read_metadata, save_states
from talkbench.training.state.averages import average


def state(value: float, **more: Tensor) -> dict[str, Tensor]:
    return {
        "weight": torch.full((2, 3), float(value)),
        "norm.running_mean": torch.full((3,), 10.0 * value),
        "norm.num_batches_tracked": torch.tensor(int(value)),
        **more,
    }


def weights(path: Path, value: float, **metadata: object) -> Path:
    save_states({"generator": state(value)}, path, {"method": "mcnet@demo", "steps": int(value), **metadata})
    return path


def training_state(path: Path, value: float, ema: float | None = None) -> Path:
    """As the training loop writes it."""
    networks = {f"generator.{key}": tensor for key, tensor in state(value).items()}
    averaged = {f"module.{key}": tensor for key, tensor in networks.items()}
    if ema is not None:
        averaged["module.generator.weight"] = torch.full((2, 3), float(ema))
    torch.save(
        {
            "step": int(value),
            "config": {"method": "mcnet@demo", "epochs": 3},
            "networks": networks,
            "opponents": {},
            "optimisers": {},
            "average": averaged if ema is not None else None,
        },
        path,
    )
    return path


def test_the_mean_of_states(tmp_path: Path) -> None:
    files = [training_state(tmp_path / f"{step:08d}.pt", step) for step in (1, 2, 6)]
    out = tmp_path / "mean.safetensors"
    average(files, out)
    mean = load_file(out)
    torch.testing.assert_close(mean["generator/weight"], torch.full((2, 3), 3.0))
    torch.testing.assert_close(mean["generator/norm.running_mean"], torch.full((3,), 30.0))
    assert mean["generator/norm.num_batches_tracked"] == 6
    assert mean["generator/weight"].dtype == torch.float32
    metadata = read_metadata(out)
    assert metadata["method"] == "mcnet@demo"
    assert [(file["file"], file["steps"]) for file in metadata["averaged"]] == [
        ("00000001.pt", 1),
        ("00000002.pt", 2),
        ("00000006.pt", 6),
    ]
    assert all(len(file["sha256"]) == 64 for file in metadata["averaged"])


def test_a_state_with_a_moving_average_counts_as_that(tmp_path: Path) -> None:
    files = [training_state(tmp_path / "1.pt", 1, ema=5), weights(tmp_path / "2.safetensors", 2)]
    average(files, tmp_path / "mean.safetensors")
    mean = load_file(tmp_path / "mean.safetensors")
    torch.testing.assert_close(mean["generator/weight"], torch.full((2, 3), 3.5))
    torch.testing.assert_close(mean["generator/norm.running_mean"], torch.full((3,), 15.0))


def test_a_network_with_the_name_of_a_wrapper_is_averaged_once(tmp_path: Path) -> None:
    """X2Face's only network is called ``state_dict``, and its parts have names of their own."""
    paths = [tmp_path / f"{number}.safetensors" for number in (1, 3)]
    for path, value in zip(paths, (1, 3), strict=True):
        save_states({"state_dict": {"sampler.weight": torch.full((2,), float(value))}}, path, {"method": "x2face"})
    average(paths, tmp_path / "mean.safetensors")
    mean = load_file(tmp_path / "mean.safetensors")
    assert {key: value.tolist() for key, value in mean.items()} == {"state_dict/sampler.weight": [2.0, 2.0]}


def test_what_only_some_files_say_stands_with_them(tmp_path: Path) -> None:
    files = [weights(tmp_path / f"{name}.safetensors", 1, seed=name, data="x") for name in "ab"]
    average(files, tmp_path / "mean.safetensors")
    metadata = read_metadata(tmp_path / "mean.safetensors")
    assert (metadata["data"], metadata["steps"], "seed" in metadata) == ("x", 1, False)
    assert [file["seed"] for file in metadata["averaged"]] == ["a", "b"]


def test_a_spectral_norm_is_that_of_the_mean(tmp_path: Path) -> None:
    files = []
    for seed in range(2):
        torch.manual_seed(seed)
        layer = nn.utils.spectral_norm(nn.Conv2d(3, 4, 3), n_power_iterations=30)
        layer(torch.rand(1, 3, 4, 4))
        files.append(tmp_path / f"{seed}.safetensors")
        save_states({"generator": layer.state_dict()}, files[-1], {})
    average(files, tmp_path / "mean.safetensors")
    mean = {key.removeprefix("generator/"): value for key, value in load_file(tmp_path / "mean.safetensors").items()}
    layer.load_state_dict(mean)
    layer.eval()(torch.rand(1, 3, 4, 4))
    assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=1e-3)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    first, second = weights(tmp_path / "1.safetensors", 1), tmp_path / "2.safetensors"
    out = tmp_path / "mean.safetensors"

    def fault(content: dict[str, dict[str, Tensor]]) -> str:
        save_states(content, second, {})
        with pytest.raises(TalkbenchError) as caught:
            average([first, second], out)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    misshapen = "its generator has 1 misshapen keys: weight (2, 4) instead of (2, 3)"
    wide = fault({"generator": {**state(1), "weight": torch.zeros(2, 4)}})
    assert wide == f"{second} does not fit {first}: {misshapen}; leave it out"
    assert "its networks are kp_detector, not generator" in fault({"kp_detector": state(1)})
    assert "1 entries of a wrong type: weight is int64" in fault(
        {"generator": {**state(1), "weight": torch.ones(2, 3).long()}}
    )
    spoilt = {**state(1), "weight": torch.full((2, 3), float("nan"))}
    assert "its generator has NaN or infinite values in 1 entries: weight" in fault({"generator": spoilt})
    assert not out.exists()


@pytest.mark.parametrize(
    ("names", "out", "message"),
    [
        (("1.safetensors",), "x.safetensors", "one file has no average; name two or more"),
        (("1.safetensors", "1.safetensors"), "x.safetensors", "is named twice; name it once"),
        (("1.safetensors", "2.safetensors"), "2.safetensors", "is one of the files; choose another name"),
        (("1.safetensors", "2.safetensors"), "x.pt", "is not a .safetensors file; choose another name"),
        (("1.safetensors", "text"), "x.safetensors", "text is damaged or no checkpoint"),
    ],
)
def test_names_that_make_no_average(tmp_path: Path, names: tuple[str, ...], out: str, message: str) -> None:
    for number in (1, 2):
        weights(tmp_path / f"{number}.safetensors", number)
    (tmp_path / "text").write_text("no weights")
    files = [tmp_path / name for name in names]
    with pytest.raises(TalkbenchError, match=message):
        average(files, tmp_path / out)
