"""Frames are read ahead by processes or by a thread: the same rows either way, and no process outlives the run."""

import subprocess
import sys
from multiprocessing import active_children

import av
import numpy as np
import pytest
import torch

from talkbench import metrics
from talkbench.benchmark.evaluation import reader
from talkbench.benchmark.evaluation.evaluator import Evaluator, Rules, batches
from talkbench.benchmark.evaluation.reader import CACHED_FRAMES, SMALL_RUN, ImageSource, Reader, choose_workers, result
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import write_png
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.baselines import CopySource


@pytest.fixture
def root(tmp_path):
    """A folder of frames in several sizes, one of which is broken, and a video."""
    rng = np.random.default_rng(0)
    for index in range(12):
        side = 48 if index % 2 else 40
        write_png(tmp_path / "a" / f"{index:02d}.png", rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    (tmp_path / "a" / "07.png").write_bytes(b"no image")
    with av.open(str(tmp_path / "b.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(20):
            image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    return tmp_path


def make_split(root, pairs):
    return Split("tiny", "same-identity", "absolute", root, [Pair(Frame("a", s), Frame(c, d)) for s, c, d in pairs])


def draw_pairs(count=40):
    rng = np.random.default_rng(1)
    clips = [("a", 12), ("b.mp4", 20)]
    pairs = [(int(rng.integers(12)), *clips[rng.integers(2)]) for _ in range(count)]
    return [(source, clip, int(rng.integers(length))) for source, clip, length in pairs]


def make_evaluator(split, workers):
    chosen = [metrics.create("l1"), metrics.create("psnr")]
    return Evaluator(CopySource(), split, chosen, {}, Rules(48), torch.device("cpu"), workers=workers)


def outcomes(split, workers):
    found = list(make_evaluator(split, workers).run(batches(split.pairs, 3)))
    return [outcome.numbers for outcome in found], [outcome.scores.rows for outcome in found]


def test_processes_give_the_rows_of_a_thread_in_their_order(root):
    """Frames that cannot be read or have another size included."""
    split = make_split(root, draw_pairs())
    numbers, rows = outcomes(split, 2)
    assert (numbers, rows) == outcomes(split, 0)
    reasons = {row.reason for part in rows for row in part if row.value is None}
    assert reasons == {"undecodable-frame"}


def test_a_run_with_processes(score, bench, clips, place):
    """Of a method, and of frames that were given."""
    options = ("--batch-size", 3, "--limit", 8, "--save-frames")
    alone = score(*options, "--workers", 0, "--out", "alone")
    many = score(*options, "--workers", 1, "--out", "many")
    assert many.code == 0, many.err
    assert many.rows.equals(alone.rows)
    for file in (place / "alone" / "frames").iterdir():
        assert file.read_bytes() == (place / "many" / "frames" / file.name).read_bytes()
    tiny = ("--dataset", "tiny", "--root", clips, "--metrics", "l1,psnr", "--limit", 8, "--workers", 1)
    given = bench("run", "--frames", "alone/frames", "--name", "mine", *tiny)
    assert given.code == 0, given.err
    assert given.rows.equals(alone.rows)
    assert not active_children()


def test_no_process_is_left_when_a_run_is_given_up(root):
    split = make_split(root, draw_pairs())
    running = make_evaluator(split, workers=1).run(batches(split.pairs, 3))
    next(running)
    assert len(active_children()) == 1
    running.close()
    assert not active_children()


def test_a_killed_process_is_one_line(root):
    with Reader(ImageSource(make_split(root, []), 48), workers=1) as reader:
        result(reader.request(Frame("a", 1)))
        child = active_children()[0]
        child.kill()
        child.join()
        with pytest.raises(TalkbenchError, match=r"was killed.*--resume.*--workers 0"):
            result(reader.request(Frame("b.mp4", 1)))


PARENT = """
import sys, time
from pathlib import Path
from talkbench.benchmark.evaluation.reader import ImageSource, Reader, result
from talkbench.datasets import Frame, Split

if __name__ == "__main__":
    split = Split("tiny", "same-identity", "absolute", Path(sys.argv[1]), [])
    with Reader(ImageSource(split, 48), workers=1) as reader:
        result(reader.request(Frame("a", 1)))
        print("reading", flush=True)
        time.sleep(60)
"""


def test_processes_end_with_a_parent_that_is_killed(root):
    """The pipe ends when the last of those that can write to it has ended."""
    (root / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, root / "parent.py", root], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"reading\n"
    parent.kill()
    assert parent.communicate(timeout=20) == (b"", None)


def test_what_a_process_imports_is_quick():
    """Torch and pandas alone would take more memory and time than the reading."""
    script = "import sys, talkbench.benchmark.evaluation.reader; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "pandas", "scipy", "matplotlib"} & set(loaded)


def test_few_images_are_kept(root):
    split = make_split(root, [])
    with Reader(ImageSource(split, 48)) as reader:
        first = reader.request(Frame("a", 0))
        assert reader.request(Frame("a", 0)) is first
        for index in range(CACHED_FRAMES):
            reader.request(Frame("a", -1 - index))
        assert len(reader._futures) == CACHED_FRAMES
        assert reader.request(Frame("a", 0)) is not first


@pytest.mark.parametrize(
    ("asked", "pairs", "processors", "chosen"),
    [
        (None, SMALL_RUN, 16, 0),
        (None, SMALL_RUN + 1, 16, 8),
        (None, 2083, 2, 2),
        (None, 2083, 4, 3),
        (None, 2083, 1, 2),
        (0, 2083, 16, 0),
        (12, 10, 2, 12),
    ],
)
def test_how_many_processes(monkeypatch, asked, pairs, processors, chosen):
    monkeypatch.setattr(reader.os, "cpu_count", lambda: processors)
    assert choose_workers(asked, pairs) == chosen
