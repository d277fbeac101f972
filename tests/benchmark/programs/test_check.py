"""`bench check program`: what a dry run shows of montage, size, rate, offset, crop and seed is told apart."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from talkbench.benchmark.programs import judging
from talkbench.benchmark.programs.card import Cut, FrameMap
from talkbench.benchmark.programs.judging import Sample

SIDE, FRAMES, RATE = 60, 20, Fraction(25)


def scene(seed: int) -> np.ndarray:
    """A blurred pattern that a blob moves over in no regular way, (FRAMES, SIDE, SIDE, 3)."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(40, 200, (7, 7, 3), dtype=np.uint8))
    ground = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(float)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    path = np.cumsum(random.normal(0, 4, (FRAMES, 2)), axis=0) % (SIDE - 20) + 10
    blobs = np.exp(-((rows - path[:, :1, None]) ** 2 + (columns - path[:, 1:, None]) ** 2) / 60)
    return np.clip(ground + 90 * blobs[..., None], 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    return [scene(1), scene(2)]


def samples(scenes, change) -> list[Sample]:
    """What a program gives that is like the driver up to a `change` of its frames."""
    like = [[(0.2 * frames[0] + 0.8 * frame + 12).astype(np.uint8) for frame in frames] for frames in scenes]
    return [
        Sample(frames[0], list(frames), change(frames, out), RATE) for frames, out in zip(scenes, like, strict=True)
    ]


@pytest.mark.parametrize(
    ("change", "frames", "subject", "state", "said"),
    [
        (lambda out: out, {}, "offset", "sound", "move with the driver"),
        (lambda out: out[:1] * 2 + out[:-2], {}, "offset", "fault", "2 frames behind the driver"),
        (lambda out: [out[9]] * 3 + out, {}, "offset", "fault", "set frames.offset: 3"),
        (lambda out: [out[9]] * 3 + out, {"offset": 3}, "offset", "sound", "move with the driver"),
        (lambda out: out[3:], {}, "offset", "fault", "set frames.dropped: 3"),
        (lambda out: out[:12], {}, "offset", "fault", "set frames.cap: 12"),
        (lambda out: out, {"dropped": 2}, "offset", "fault", "each driving frame with its own: set frames: {}"),
        (lambda out: out[:12], {"cap": 12}, "offset", "sound", "move with the driver"),
        (lambda out: out[::2], {}, "rate", "fault", "from 25 to 12.5 per second: set frames.rate: 12.5"),
        (lambda out: [out[j * 25 // 30] for j in range(24)], {}, "rate", "fault", "set frames.rate: 30"),
        (lambda out: [out[j * 25 // 30] for j in range(24)], {"rate": 30}, "offset", "sound", "move with the driver"),
        (lambda out: out[:1] * 20, {}, "offset", "unclear", "all alike"),
        (
            lambda out: out[:1] * 10,
            {},
            "rate",
            "fault",
            "it wrote 10 frames of 20; the frame map gives 20; by the count",
        ),
    ],
)
def test_order_in_time(scenes, change, frames, subject, state, said):
    findings = judging.order(samples(scenes, lambda _, out: change(out)), FrameMap(**frames))
    finding = next(finding for finding in findings if finding.subject == subject)
    assert (finding.state, said in finding.text) == (state, True), findings


def beside(*pictures: np.ndarray) -> np.ndarray:
    return np.concatenate(pictures, axis=1)


@pytest.mark.parametrize(
    ("change", "declared", "state", "said"),
    [
        (lambda s, d, o: o, None, "sound", "none"),
        (lambda s, d, o: beside(s, d, o), None, "fault", "the source, the driver, the result: set output.cut: "
         "{columns: 3, column: 2, rows: 1, row: 0}"),
        (lambda s, d, o: beside(s, d, o), {"columns": 3, "column": 2}, "sound", "takes the result"),
        (lambda s, d, o: beside(s, d, o), {"columns": 3, "column": 1}, "fault", "column: 2"),
        (lambda s, d, o: np.concatenate([beside(s, d), beside(o, d)]), None, "fault",
         "{columns: 2, column: 0, rows: 2, row: 1}"),
        (lambda s, d, o: beside(d, d), None, "fault", "{columns: 2, column: 1"),
        (lambda s, d, o: o, {"columns": 7}, "fault", "no montage of 7x1 parts"),
        (lambda s, d, o: o[:40], None, "unclear", "are 60x40"),
        (lambda s, d, o: beside(o, o), {"columns": 2}, "unclear", "only you can see"),
    ],
)  # fmt: skip
def test_montages(scenes, change, declared, state, said):
    parts = samples(scenes, lambda frames, out: [change(frames[0], *both) for both in zip(frames, out, strict=True)])
    finding, _ = judging.montage(parts, declared and Cut(**declared))
    assert (finding.state, said in finding.text) == (state, True), finding


def cropped(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).crop((12, 6, 48, 42)).resize((SIDE, SIDE)))


@pytest.mark.parametrize(
    ("change", "declared", "state", "said"),
    [
        (lambda out: out, "none", "sound", "what the driving frames show"),
        (lambda out: list(map(cropped, out)), "none", "fault", "about 0.60 as wide"),
        (lambda out: list(map(cropped, out)), "crop", "sound", "as crop of the card says"),
        (lambda out: out, "crop", "fault", "set crop: none"),
        (lambda out: [np.zeros_like(frame) for frame in out], "none", "unclear", "too unlike"),
    ],
)
def test_crops(scenes, change, declared, state, said):
    finding = judging.crop(samples(scenes, lambda _, out: change(out)), declared)
    assert (finding.state, said in finding.text) == (state, True), finding


@pytest.mark.parametrize(
    ("shape", "side", "state", "said"),
    [
        ((60, 60), 60, "sound", "60x60"),
        ((120, 120), 60, "fault", "set output.size: 120"),
        ((40, 60), 60, "fault", "60x40 where 60x60 is expected: frames must be square"),
    ],
)
def test_sizes(scenes, shape, side, state, said):
    black = np.zeros((*shape, 3), np.uint8)
    finding = judging.size(samples(scenes, lambda _, out: [black] * len(out)), side, 60)
    assert (finding.state, said in finding.text) == (state, True), finding


@pytest.fixture
def check(bench, clips):
    return lambda path, *options: bench("check", "program", path, "--dataset", "tiny", "--root", clips, *options)


def test_a_program_with_faults(check, card):
    """A montage of another rate and size with noise that its seed does not steer: each is told, with the remedy."""
    result = check(card("montage", input={"driving": "video"}, output={"form": "video", "files": "*.mkv"}))
    out = " ".join(result.out.split())
    assert result.code == 1, result.err
    assert "set output.cut: {columns: 3, column: 2, rows: 1, row: 0}" in out
    assert "set output.size: 96" in out
    assert "it wrote 4 frames of 8" in out
    assert "it ignores its {seed}" in out
    assert "not stated: short, paper, code" in out


def test_a_sound_program(check, card):
    result = check(card())
    assert result.code == 0, result.out
    assert "no fault" in result.out
    assert "the frames do not depend on the seed" in " ".join(result.out.split())


def test_a_program_of_lists_and_one_of_pairs(check, card):
    command = ["{python}", "animate.py", "list", "{pairs}", "{images}", "{out}"]
    of_list = card(granularity="list", command=command, motions={"absolute": []},
                   output={"form": "frames", "files": "result {number}.png"})  # fmt: skip
    found = check(of_list, "--json")
    assert '"it wrote 7 frames of 8' in found.out, found.err
    command = ["{python}", "animate.py", "pair", "{source}", "{driving}", "{out}"]
    of_pairs = card(granularity="pair", command=command, motions={"absolute": []}, input={"driving": "image"},
                    output={"form": "frames", "files": "frame.png"})  # fmt: skip
    assert "a call has too few frames to tell" in " ".join(check(of_pairs).out.split())


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("crash", "ended with exit code 3; its last words"),
        ("nothing", "wrote nothing"),
        ("sizes", "frames of several sizes in one call"),
    ],
)
def test_a_program_that_fails(check, card, mode, said):
    result = check(card(mode))
    assert result.code == 1
    assert said in " ".join(result.out.split())
