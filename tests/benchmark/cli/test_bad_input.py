"""What a user may get wrong: one line, exit code 2, no traceback; or a counted failure where one pair is at fault."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from talkbench import methods
from talkbench.core.images import write_png
from talkbench.methods.checkpoints import save_networks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "blent"), "unknown method 'blent': did you mean blend?"),
        (("--method", "mcnet@dmo"), "unknown method 'mcnet@dmo': did you mean mcnet@demo"),
        (("--dataset", "tyni"), "unknown dataset 'tyni': did you mean tiny?"),
        (("--metrics", "l1,pnsr"), "unknown metric 'pnsr': did you mean psnr"),
        (("--metrics", " ,"), "Invalid value for '--metrics': no metric is named; see bench run --help"),
        (("--metrics", "ssim@gauss"), "unknown metric 'ssim@gauss': did you mean ssim"),
        (("--task", "cross-identiy"), "data set tiny has no task 'cross-identiy': did you mean cross-identity"),
        (("--motion", "relative-frist"), "unknown motion 'relative-frist': did you mean relative-first"),
        (("--set", "nois=1"), "blend has no setting 'nois': did you mean noise?"),
        (("--set", "noise=loud"), "--set noise=loud: input should be a valid number"),
        (("--set", "noise=true"), "--set noise=true: a number is needed, not true or false"),
        (("--set", "noise=.nan"), "blend cannot be recorded: "),
        (("--set", "weights=x"), "blend has no setting 'weights': known: deaths, fault, noise, side, sleep"),
        (("--set", "variant=soft"), "blend has no setting 'variant'"),
        (("--set", "noise"), "'noise' is not of the form name=value; see bench run --help"),
        (("--set", "fault=["), "the value is not YAML; put it in quotes; see bench run --help"),
        (("--device", "cuda:99"), "device 'cuda:99' cannot be used here ("),
        (("--device", "gpu"), "device 'gpu' cannot be used here ("),
        (("--device", "meta"), "device 'meta' cannot be used here ("),
        (("--set", "side=32", "--image-size", 64), "blend works at 32 pixels; leave --image-size 64 out"),
        (("--checkpoint", "some.pth"), "blend has no weights; leave --checkpoint out"),
        (("--root", "nowhere"), "nowhere; name their folder with --root"),
        (("--limit", 0), "Invalid value for '--limit'"),
        (("--batch-size", "many"), "Invalid value for '--batch-size'"),
        (("--colour", "blue"), "No such option '--colour'"),
        (("--motion", "relative-best"), "does not name a reference frame for every pair"),
    ],
)
def test_a_wrong_option_of_run(score, options, message):
    result = score(*options)
    assert message in result.complaint()
    assert not (result.cwd / "runs").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu(score):
    complaint = score("--device", "cuda").complaint()
    assert complaint.startswith("bench: device 'cuda' cannot be used here (")
    assert complaint.endswith("try --device cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rnu",), "unknown command 'rnu': did you mean run?"),
        (("run", "--dataset", "tiny"), "name a --method (see bench list methods), or give --frames with their --name"),
        (("animate", "--source", "x"), "Missing option '--method'; see bench animate --help"),
        (
            ("list", "poems"),
            "there is no kind 'poems' of things; choose one of methods, metrics, extractors, datasets, ",
        ),
        (("tables", "nowhere"), "nowhere holds no finished run: run.json is missing"),
        (("tables", "--format", "word"), "'word' is not one of"),
        (("tables", "--table", ","), "Invalid value for '--table': no table is named; see bench tables --help"),
        (("tables", "--format", "terminal", "--out", "x"), "--format terminal goes to the terminal"),
        (("train", "--method", "mcnet", "--config", "dmo"), "dmo"),
        (("--colour",), "No such option '--colour'; see bench --help"),
    ],
)
def test_a_wrong_command(bench, arguments, message):
    assert message in bench(*arguments).complaint()


class Malicious:
    """A pickle that makes a file where it is loaded."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def checkpoint(kind: str, path: Path) -> None:
    networks = methods.create("mcnet@demo").networks
    match kind:
        case "truncated":
            torch.save({name: network.state_dict() for name, network in networks.items()}, path)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "another":
            torch.save({"generator": {"a": torch.zeros(1)}, "kp_detector": {"b": torch.zeros(1)}}, path)
        case "stranger":
            torch.save({"encoder": {"a": torch.zeros(1)}}, path)
        case "malicious":
            path.write_bytes(pickle.dumps({"generator": Malicious()}, protocol=2))
        case "malicious zip":
            torch.save({"generator": Malicious()}, path)
        case "empty" | "text":
            path.write_text("" if kind == "empty" else "not a checkpoint at all")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "weights.pth does not exist; give the path of a checkpoint for mcnet@demo"),
        ("truncated", "weights.pth is a damaged or incomplete zip; get it anew"),
        ("empty", "weights.pth is empty; get it anew"),
        ("text", "weights.pth is damaged or no checkpoint"),
        ("another", "weights.pth does not fit mcnet@demo: "),
        ("stranger", "weights.pth is not a checkpoint of mcnet@demo: no "),
        (
            "malicious",
            f"weights.pth holds more than tensors ({os.name}.system), so reading it could run its code: refused",
        ),
        (
            "malicious zip",
            f"weights.pth holds more than tensors ({os.name}.system), so reading it could run its code: refused",
        ),
    ],
)
def test_a_wrong_checkpoint(score, place, kind, message):
    checkpoint(kind, place / "weights.pth")
    assert message in score("--method", "mcnet@demo", "--checkpoint", "weights.pth").complaint()
    assert not (place / "executed").exists()
    assert not (place / "runs").exists()


def test_a_wrong_safetensors_file(score, place):
    save_networks(methods.create("mcnet@demo").networks, place / "weights.safetensors", {})
    whole = (place / "weights.safetensors").read_bytes()
    (place / "weights.safetensors").write_bytes(whole[:-100])
    message = "weights.safetensors is not a readable safetensors file"
    assert message in score("--method", "mcnet@demo", "--checkpoint", "weights.safetensors").complaint()


def test_a_folder_as_checkpoint(score, place):
    message = score("--method", "mcnet@demo", "--checkpoint", place).complaint()
    assert message == f"bench: {place} is a folder; give the checkpoint in it"


HEADER = "source_clip,source_index,driving_clip,driving_index"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source_clip,source_index,driving_clip\na,0,a\n", "line 1: column driving_index is missing"),
        (f"{HEADER}\na,0,a,8\n", "line 2, column driving_index: 8 is beyond the clip 'a', whose last frame is 7"),
        (f"{HEADER}\na,0,../a,1\n", "line 2, column driving_clip: path '../a' leaves the data root"),
        (f"{HEADER}\na,0,/etc/passwd,1\n", "line 2, column driving_clip: path '/etc/passwd' leaves the data root"),
        (f"{HEADER}\na,0,c,1\n", "line 2, column driving_clip: there is no clip"),
        (f"{HEADER}\na,zero,a,1\n", "line 2, column source_index: 'zero' is not a frame number"),
        (f"{HEADER}\na,0,\x1b[31mb\u202e,1\n", r"line 2, column driving_clip: there is no clip"),
        (f"{HEADER}\na,0,\x1b[31mb\u202e,1\n", r"\x1b[31mb\u202e"),
        (f"{HEADER},{'x' * 200_000}\na,0,a,1,2\n", "line 1: not CSV (field larger than field limit (131072))"),
        (f"source,driving,{'x' * 200_000}\na,b\n", "line 1: not CSV (field larger than field limit (131072))"),
        (f"{HEADER},source_clip\na,0,a,1,b\n", "line 1: the column 'source_clip' stands twice; remove one of them"),
        (HEADER, "the pair list has no rows"),
        ("", "line 1: column source_clip is missing"),
    ],
)
def test_a_wrong_pair_list(score, place, text, message):
    (place / "mine.csv").write_text(text)
    result = score("--pairs", "mine.csv")
    assert message in result.complaint()
    assert not (place / "runs").exists()


def test_a_pipe_is_not_waited_for(score, bench, place):
    os.mkfifo(place / "pipe")
    assert "pipe is a pipe; give a file" in score("--pairs", "pipe").complaint()
    checkpoint = score("--method", "mcnet@demo", "--checkpoint", "pipe")
    assert "pipe is a pipe; give a file" in checkpoint.complaint()
    os.mkfifo(place / "pipe.yaml")
    assert "pipe.yaml is a pipe; give a file" in score("--protocol", "pipe.yaml").complaint()


def test_a_pair_list_that_is_not_there(score, place):
    assert "cannot read the pair list mine.csv" in score("--pairs", "mine.csv").complaint()
    (place / "mine.csv").write_bytes(b"\xff\xfe\x00")
    assert "cannot read the pair list mine.csv" in score("--pairs", "mine.csv").complaint()


def write_video(path: Path, frames: int = 30) -> None:
    """Noise, so that every frame has bytes to lose."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "keyint=10", "crf": "20"})
        stream.width = stream.height = 48
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            image = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())


@pytest.mark.parametrize("kind", ["empty", "text", "no moov", "no frames"])
def test_a_clip_that_is_no_video(score, place, clips, kind):
    root = place / "root"
    shutil.copytree(clips, root)
    write_video(root / "c.mp4")
    whole = (root / "c.mp4").read_bytes()
    content = {"empty": b"", "text": b"not a video", "no moov": whole[:100], "no frames": whole[:2000]}[kind]
    (root / "c.mp4").write_bytes(content)
    (place / "mine.csv").write_text(f"{HEADER}\na,0,c.mp4,1\n")
    complaint = score("--root", root, "--pairs", "mine.csv").complaint()
    assert "mine.csv, line 2, column driving_clip: " in complaint
    assert "c.mp4" in complaint


def test_a_truncated_video_costs_the_frames_it_lost(score, place, clips):
    """Its index is whole, its last third is not there."""
    root = place / "root"
    shutil.copytree(clips, root)
    write_video(root / "c.mp4")
    with (root / "c.mp4").open("r+b") as file:
        file.truncate((root / "c.mp4").stat().st_size * 2 // 3)
    (place / "mine.csv").write_text(HEADER + "\n" + "".join(f"c.mp4,0,c.mp4,{index}\n" for index in range(15)))
    result = score("--root", root, "--pairs", "mine.csv")
    assert result.code == 0, result.err
    (place / "mine.csv").write_text(f"{HEADER}\nc.mp4,0,c.mp4,29\n")
    assert "column driving_index: 29 is beyond the clip" in score("--root", root, "--pairs", "mine.csv").complaint()


@pytest.mark.parametrize(
    ("setting", "reason", "message"),
    [
        ("nan", "not-finite", "blend generated NaN or infinite values"),
        ("singular", "singular-motion", "inversion failed:"),
        ("pair", "no-motion", "this frame moves nothing"),
    ],
)
def test_a_method_that_fails_at_one_frame(score, setting, reason, message):
    """Frame 5 drives one pair of each clip; the others are as if nothing had happened."""
    result = score("--set", f"fault={setting}")
    assert result.code == 0, result.err
    assert result.summary.metric("l1").failures == {reason: 2}
    assert result.summary.metric("l1").pairs == 14
    assert f"2 {reason}" in result.out
    failed = result.rows[result.rows["value"].isna()]
    assert set(failed["driving_index"]) == {5}
    assert set(failed["message"]) == {message}
    whole = score("--out", "whole").rows
    kept = result.rows["value"].notna()
    assert result.rows.loc[kept, "value"].tolist() == pytest.approx(whole.loc[kept, "value"].tolist(), rel=1e-6)


def test_a_frame_that_becomes_undecodable_midway(score, place, clips):
    root = place / "root"
    shutil.copytree(clips, root)
    (root / "a" / "5.png").write_bytes((root / "a" / "5.png").read_bytes()[:200])
    result = score("--root", root, "--batch-size", 4)
    assert result.code == 0, result.err
    assert result.summary.metric("psnr").failures == {"undecodable-frame": 1}
    assert result.summary.metric("psnr").pairs == 15
    message = result.rows.loc[result.rows["value"].isna(), "message"].iloc[0]
    assert "a/5.png" in message


def test_a_first_frame_that_cannot_be_read_does_not_hide_the_image_size(score, place, clips):
    root = place / "root"
    shutil.copytree(clips, root)
    (root / "a" / "3.png").write_text("broken")
    result = score("--root", root)
    assert result.record.dataset.image_size == 48
    assert result.summary.metric("l1").failures == {"undecodable-frame": 2}
    for image in root.glob("*/*.png"):
        image.write_text("broken")
    assert "no driving frame can be read" in score("--root", root, "--out", "other").complaint()


def test_when_all_pairs_fail_the_rows_and_the_page_say_so(score, place):
    for index in range(2):
        write_png(place / "root" / "a" / f"{index}.png", np.full((16, 16, 3), 50, np.uint8))
    (place / "mine.csv").write_text(f"{HEADER}\na,0,a,1\na,1,a,0\n")
    result = score("--root", "root", "--pairs", "mine.csv", "--set", "fault=nan")
    assert result.code == 2
    assert "no number came out: not one of 2 pairs" in result.err.splitlines()[-1]
    assert result.summary.metric("l1").mean is None
    assert result.summary.metric("l1").failures == {"not-finite": 2}
    assert (result.store.folder / "index.html").is_file()


def test_out_of_memory(score):
    for given, advice in ((), "--batch-size 1"), (("--batch-size", 8), "a smaller --batch-size than 8"):
        result = score("--set", "fault=memory", *given)
        assert result.code == 2
        assert result.err.splitlines()[-1] == f"bench: out of memory; try {advice}"
    assert result.err.count("bench:") == 1
    single = score("--set", "fault=memory", "--batch-size", 1)
    assert single.err.splitlines()[-1] == "bench: out of memory; try another --device"


def test_an_image_of_another_size_than_asked_for(score):
    result = score("--set", "fault=shape")
    assert result.code == 2
    assert (
        result.err.splitlines()[-1]
        == "bench: blend rendered (8, 3, 48, 47) instead of (8, 3, 48, 48); correct its render"
    )


def test_a_bug_is_not_hidden(score):
    with pytest.raises(RuntimeError, match="a bug of the method"):
        score("--set", "fault=bug")


@pytest.mark.parametrize("option", ["--out", None])
def test_a_folder_that_cannot_be_written(score, place, option):
    (place / "runs").write_text("in the way")
    complaint = score(*([option, "runs/mine"] if option else [])).complaint()
    assert "cannot write" in complaint
    assert "Not a directory" in complaint


def test_a_file_as_out(score, place):
    (place / "file").write_text("in the way")
    complaint = score("--out", "file").complaint()
    assert "cannot write" in complaint
    assert (place / "file").read_text() == "in the way"


def test_in_a_process_of_its_own(shell):
    """No traceback and the right exit code when Python itself ends."""
    assert "did you mean blend?" in shell("run", "--method", "blent", "--dataset", "tiny").complaint()


def test_too_little_memory_to_begin_with_is_a_line(place):
    """The libraries cannot be loaded."""
    bench = Path(sys.executable).parent / "bench"
    command = f"ulimit -v 1200000; exec {bench} run --method copy-source --dataset demo --limit 1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert ended.returncode == 2
    assert re.fullmatch(
        r"bench: out of memory \(.*\); end other programs, or allow this one more than .*\n", ended.stderr
    )
