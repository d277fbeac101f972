"""The package that CONTRIBUTING.md shows works as it is printed there."""

import os
import re
import subprocess
import sys
from pathlib import Path

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"


def test_the_example_package(tmp_path, install):
    project, site = tmp_path / "talkbench-extras", tmp_path / "site"
    project.mkdir()
    files = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", CONTRIBUTING.read_text(), re.DOTALL | re.MULTILINE)
    assert len(files) == 2
    for name, text in files:
        (project / name).write_text(text)
    install("--target", site, project)
    program = (
        "import torch; from talkbench import methods, metrics\n"
        "method, dark, light = methods.create('crossfade'), torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)\n"
        "source, motion = method.encode_source(dark), method.encode_motion(light)\n"
        "frames = method.render(source, method.transfer(source, motion, None))\n"
        "print(metrics.create('mse').compare(frames, light).item())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-P", "-c", program]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "0.25\n"
    (check,) = re.findall(r"^    (bench check .*)$", CONTRIBUTING.read_text(), re.MULTILINE)
    bench = str(Path(sys.executable).parent / check.split()[0])
    result = subprocess.run([bench, *check.split()[1:]], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
