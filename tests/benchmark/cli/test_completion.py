"""What the shell offers, asked as the shell asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from talkbench.benchmark.cli.main import bench


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ru", ["run"]),
        ("weights p", ["pull"]),
        ("run --method mcnet,copy", ["mcnet,copy-source"]),
        ("run --dataset liv", ["liveportrait-samples"]),
        ("run --metrics l1,psnr@l", ["l1,psnr@luma"]),
        ("run --protocol fo", ["fomm-video"]),
        ("run --dataset demo --task re", ["reconstruction"]),
        ("train --config mcnet/p", ["mcnet/paper"]),
        ("show mcnet-", ["mcnet-2023"]),
        ("list prot", ["protocols"]),
        ("data verify hd", ["hdtf"]),
        ("weights pull lpips@v", ["lpips@vgg"]),
        ("run --log-level w", ["warning"]),
    ],
)
def test_names_are_completed(place, line, words):
    *before, last = line.split(" ")
    offered = BashComplete(bench, {}, "bench", "_BENCH_COMPLETE").get_completions(before, last)
    assert [item.value for item in offered] == words


def test_what_is_no_name_may_be_a_file(place):
    (item,) = BashComplete(bench, {}, "bench", "_BENCH_COMPLETE").get_completions(["show"], "runs/")
    assert item.type == "file"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"_BENCH_COMPLETE": "bash_complete", "COMP_WORDS": "bench doc", "COMP_CWORD": "1"}, "plain,doctor\n"),
        ({"_BENCH_COMPLETE": "zsh_source"}, "_BENCH_COMPLETE=zsh_complete"),
    ],
)
def test_the_shell_is_answered(asked, answer):
    program = Path(sys.executable).parent / "bench"
    result = subprocess.run([program], env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    assert answer in result.stdout
