"""`bench weights average`."""

from pathlib import Path

import torch

from talkbench.methods.checkpoints import save_states


def test_the_mean_is_written_and_told(bench, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.safetensors" for number in (1, 2)]
    for number, path in enumerate(files, 1):
        save_states({"generator": {"weight": torch.full((2,), float(number))}}, path, {"steps": 10 * number})
    out = tmp_path / "mean.safetensors"
    result = bench("weights", "average", *files, "--out", out)
    assert result.out == f"the mean of 2 files (steps 10, 20), batch norm's statistics too; written to {out}\n"
    assert out.exists()
    assert "one file has no average" in bench("weights", "average", out, "--out", files[0]).complaint()
