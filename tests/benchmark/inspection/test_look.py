"""`bench inspect`: the pictures show what is in the tensors, and the page explains them."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from talkbench import datasets, methods
from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.images import read_image, resize, to_tensor, write_png
from talkbench.datasets.videos import VideoClip
from talkbench.methods.cards import find_weights
from talkbench.methods.checkpoints import save_states
from talkbench.metrics.extractors import registry as extractors
from talkbench.reports.pages.inspection import GAP, enlarged, flow_colours, grey, heat, heat_cell, joined


@pytest.fixture(scope="module")
def model():
    """mcnet@demo with the weights that ship."""
    return methods.create("mcnet@demo", weights=find_weights("mcnet@demo").path)


@pytest.fixture(scope="module")
def people():
    """The first frame of two demo videos, cut to a square."""
    demo, names = datasets.create("demo"), ("wolfgang-langer", "single-face")
    return {clip: resize(VideoClip(demo.find_source(clip)).read(0)[:, 140:500], 256) for clip in names}


@pytest.fixture
def faces(people, place):
    """Files of two people."""
    for clip, image in people.items():
        write_png(place / f"{clip}.png", image)
    return [f"{clip}.png" for clip in people]


def inside(model, source, driving):
    """What the public steps give to be looked at, of two images."""
    source, driving = (to_tensor(resize(image, 128)[None]) for image in (source, driving))
    with torch.inference_mode():
        return model.inspect(source, model.encode_source(source), model.encode_motion(driving))


def channels_of(picture: np.ndarray, side: int, columns: int, factor: int, count: int) -> np.ndarray:
    """The tiles (N, side, side) of a grid in the lower right corner of a picture."""
    step, rows = side + GAP, -(-count // columns)
    left, top = picture.shape[1] - factor * (columns * step - GAP), picture.shape[0] - factor * (rows * step - GAP)
    grid = picture[top::factor, left::factor, 0]
    corners = [(number // columns * step, number % columns * step) for number in range(count)]
    return np.stack([grid[y : y + side, x : x + side] for y, x in corners])


def test_the_memory_is_drawn_channel_by_channel(bench, model, place):
    result = bench("inspect", "mcnet@demo", "--what", "memory", "--out", "seen")
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == "picture seen/memory.png"
    learned = model.memory()[0].detach().numpy()
    picture = read_image(place / "seen" / "memory.png")
    count, side, _ = learned.shape
    tiles = channels_of(picture, side, 16, 64 // side, count)
    low, high = learned.min(axis=(1, 2), keepdims=True), learned.max(axis=(1, 2), keepdims=True)
    assert np.array_equal(tiles, np.round(255 * (learned - low) / (high - low)))
    with Image.open(place / "seen" / "memory.png") as file:
        assert "Each is scaled by itself" in file.text["Description"]
    page = (place / "seen" / "index.html").read_text()
    assert f"All {count} channels" in page
    assert model.checkpoint_sha256 in page
    assert page.count('src="data:image/png;base64,') == page.count("<img") == 1
    assert "<script" not in page


def test_chosen_channels_share_a_scale_where_that_is_asked_for(bench, model, place):
    asked = ("--channels", "3, 9,13,10", "--scaling", "shared")
    assert bench("inspect", "mcnet@demo", "--what", "memory", *asked).code == 0
    learned = model.memory()[0, [3, 9, 13, 10]].detach().numpy()
    side = learned.shape[-1]
    tiles = channels_of(read_image(place / "inspect" / "mcnet-demo" / "memory.png"), side, 4, 128 // side, 4)
    scaled = 255 * (learned - learned.min()) / (learned.max() - learned.min())
    assert np.array_equal(tiles, np.round(scaled))
    assert (
        f"black is −{-learned.min():.3g}, white {learned.max():.3g}"
        in (place / "inspect" / "mcnet-demo" / "index.html").read_text()
    )


def test_two_checkpoints_of_one_name_side_by_side(bench, model, place):
    """As with and without the consistency loss: their folders and steps tell them apart."""
    states = {part: network.state_dict() for part, network in model.networks.items()}
    changed = {part: {key: value.clone() for key, value in state.items()} for part, state in states.items()}
    changed["generator"]["mbUnit.mb"].neg_()
    for name, weights in (("with", states), ("without", changed)):
        save_states(weights, place / name / "weights.safetensors", {"method": "mcnet@demo", "steps": 30})
    files = ("--checkpoint", "with/weights.safetensors", "--checkpoint", "without/weights.safetensors")
    result = bench("inspect", "mcnet@demo", "--what", "memory", *files, "--out", "both")
    assert result.code == 0, result.err
    (path,) = (place / "both").glob("memory-with-step-30-and-without-step-30-*.png")
    picture = read_image(path)
    count, side = model.memory().shape[1:3]
    height = 64 // side * (-(-count // 16) * (side + GAP) - GAP)
    second = channels_of(picture, side, 16, 64 // side, count)
    upper = picture[: picture.shape[0] - height - 80]  # a gap and a label between
    first = channels_of(upper, side, 16, 64 // side, count)
    assert np.array_equal(first, grey(model.memory()[0].detach().numpy(), "each"))
    assert np.abs(255.0 - first - second).max() <= 1, "the negative"
    (page,) = (place / "both").glob("index-*.html")
    assert "(with, step 30; without, step 30)" in page.read_text()
    alone = [bench("inspect", "mcnet@demo", "--what", "memory", *files[two : two + 2]).out for two in (0, 2)]
    assert "memory-with-step-30-" in alone[0]
    assert "memory-without-step-30-" in alone[1]
    assert "is named twice" in bench("inspect", "mcnet@demo", *files[:2] * 2).complaint()


def test_the_memory_conditioned_on_faces(bench, model, people, faces, place):
    sources = [option for face in faces for option in ("--source", face)]
    chosen = ("--channels", "5,6,7", "--level", 32)
    result = bench("inspect", "mcnet@demo", "--what", "conditioned-memory", *sources, *chosen, "--out", "seen")
    assert result.code == 0, result.err
    picture = read_image(place / "seen" / "conditioned-memory.png")
    count, side = model.memory().shape[1:3]
    rows = channels_of(picture, side, 3, 128 // side, 9).reshape(3, 3, side, side)
    assert np.array_equal(rows[0], grey(model.memory()[0, 5:8].detach().numpy(), "each"))
    for row, image in zip(rows[1:], people.values(), strict=True):
        memory = inside(model, image, image).compensations[32].memory[0, 5:8].numpy()
        assert np.array_equal(row, grey(memory, "each"))
    assert (rows[1] != rows[2]).any()
    page = (place / "seen" / "index.html").read_text()
    assert f"3 of the {count} channels: first as in the meta memory" in page
    assert "single-face.png driven by itself" in page


def test_attention_and_what_it_spreads_over(bench, model, people, faces, place):
    source, driving = faces
    command = ("inspect", "mcnet@demo", "--what", "attention", "--source", source, "--driving", driving)
    result = bench(*command, "--at", "0.5,0.25", "--scaling", "each", "--out", "seen")
    assert result.code == 0, result.err
    picture = read_image(place / "seen" / "attention.png")
    seen = inside(model, *people.values()).compensations[16]
    weights = torch.softmax(seen.query[0].flatten(1).double().T @ seen.key[0].flatten(1).double() / 4, dim=1)
    np.testing.assert_allclose(seen.attention()[0], weights, rtol=1e-5)
    count = seen.key[0, 0].numel()
    spread = 2 ** -(weights * weights.log2()).sum(1)  # the count where attention is even
    assert 1 <= spread.min() < spread.max() <= count
    side, step = 256, 260
    top = picture.shape[0] - 4 - 3 * step
    columns = [(count * weights[4 * 16 + 8], "magma"), (count * weights.mean(0), "magma"), (spread, "viridis")]
    for number, (values, colours) in enumerate(columns):
        left = picture.shape[1] - (3 - number) * step
        cell = picture[top : top + 192, left : left + side]  # the numbers are below
        width = int(len(values) ** 0.5)
        tile = heat(values.view(width, width).numpy(), values.min().item(), values.max().item(), colours)
        wanted = enlarged(tile, side // width)
        assert np.abs(cell.astype(int) - wanted[:192]).max() <= 3


class Blind:
    """Finds the same landmarks in every image that is not dark: all at one point, but for a chin below the picture."""

    name = "mp478"

    def problem(self):
        return None

    def extract(self, images):
        points = np.full((68, 2), 64.0)
        points[8] = 64, 300
        return [points if image.max() > 0.5 else None for image in images]


def test_places_follow_the_landmarks_of_the_driving_frame(bench, faces, place, monkeypatch):
    extractors.get("mp478")  # read before it is replaced
    monkeypatch.setitem(extractors._factories, "mp478", Blind)
    write_png(place / "dark.png", np.full((256, 256, 3), 9, np.uint8))
    sources = ("--source", faces[0], "--source", "dark.png")
    result = bench("inspect", "mcnet@demo", "--what", "attention", *sources, "--at", "mouth", "--at", "chin")
    assert result.code == 0, result.err
    assert result.err.splitlines() == [
        "no face is found (mp478) in dark: places are fixed shares there",
        f"outside of the picture, and moved to its edge: chin of {faces[0].removesuffix('.png')}",
    ]
    page = (place / "inspect" / "mcnet-demo" / "index.html").read_text()
    assert "by the landmarks (mp478) of the driving frames, but fixed in dark" in page


def test_an_image_that_is_not_square_is_cut_to_its_middle(bench, people, place):
    square = people["single-face"]
    write_png(place / "wide.png", np.pad(square, ((0, 0), (60, 60), (0, 0))))
    write_png(place / "square.png", square)
    files = [("--source", f"{name}.png", "--out", name) for name in ("wide", "square")]
    wide, _ = (bench("inspect", "mcnet@demo", "--what", "keypoints", *options) for options in files)
    assert wide.err == "wide.png is 376x256: its middle 256x256 is used; crop it yourself to choose\n"
    images = [read_image(place / name / "motion.png")[-256:] for name in ("wide", "square")]
    assert np.array_equal(images[0][:, 60:], images[1][:, 60:])  # beside the labels


def test_motion_of_a_video_relative_to_its_first_frame(bench, faces, people, place):
    for number in range(3):
        write_png(place / "clip" / f"{number}.png", np.roll(people["single-face"], 8 * number, axis=1))
    driven = ("--driving", "clip", "--motion", "relative-first", "--count", 2)
    result = bench("inspect", "mcnet@demo", "--what", "keypoints,flow", "--source", faces[0], *driven, "--out", "seen")
    assert result.code == 0, result.err
    assert result.out.splitlines() == ["picture seen/motion.png", "page    seen/index.html   (open it in a browser)"]
    page = (place / "seen" / "index.html").read_text()
    assert "frame 0" in page
    assert "frame 2" in page
    assert "as transferred" in page
    assert "Occlusion" not in page
    assert (
        "needs a list" in bench("inspect", "mcnet@demo", "--source", faces[0], "--motion", "relative-best").complaint()
    )


def test_everything_of_some_pairs(bench, model, clips, place):
    result = bench(
        "inspect", "mcnet@demo", "--dataset", "tiny", "--root", clips, "--pairs", "3,12", "--scaling", "shared"
    )
    assert result.code == 0, result.err
    files = {file.name for file in (place / "inspect" / "mcnet-demo").iterdir()}
    assert files == {"index.html", "motion.png", "memory.png", "conditioned-memory.png", "attention.png"}
    page = (place / "inspect" / "mcnet-demo" / "index.html").read_text()
    assert "pair 3 of tiny" in page
    assert "in all maps alike" in page
    assert "places are fixed shares of the picture" in result.err
    assert "bench weights pull face-landmarker" in result.err
    assert f"12 of the {model.memory().shape[1]} channels, those that vary most" in page


def test_clips_of_which_no_picture_is_published_are_left_out(bench, clips, place, monkeypatch):
    monkeypatch.setattr(DatasetCard, "may_show", lambda card, *names: "a" not in names)
    here = ("inspect", "mcnet@demo", "--what", "occlusion", "--dataset", "tiny", "--root", clips)
    result = bench(*here, "--out", "some")
    assert result.code == 0, result.err
    assert "pairs with clips of which no picture is published are left out; see bench show tiny" in result.err
    page = (place / "some" / "index.html").read_text()
    assert re.findall(r"frame \d+ of (\w)", page)
    assert set(re.findall(r"frame \d+ of (\w)", page)) == {"b"}


def test_the_colours_of_flow():
    flow = np.array([[[0.0, 0.0], [3.0, 0.0], [-9.0, 0.0]]])
    none, half, full = flow_colours(flow, 6.0)[0]
    assert none.tolist() == [255, 255, 255]
    assert half.tolist() == [255, 128, 128]
    assert full.tolist() == [0, 255, 255], "the opposite, and not more than full"


def test_pictures_higher_than_wide_stand_beside_one_another():
    high = np.full((400, 100, 3), 9, np.uint8)
    assert joined([("a", high), ("b", high)]).shape[0] < 500
    assert joined([("a", high.transpose(1, 0, 2)), ("b", high.transpose(1, 0, 2))]).shape[1] == 400
    assert joined([("a", high)]) is high


def test_a_constant_map_is_dark():
    assert grey(np.ones((2, 4, 4)), "each").max() == 0
    assert heat_cell(np.ones((4, 4)), 64, (1, 1), "magma", "×")[:32].max() < 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("mcnet", "--what", "memroy"), "there is no 'memroy' to look at: did you mean memory?"),
        (("mcnte",), "unknown method 'mcnte': did you mean mcnet"),
        (("fomm", "--what", "memory"), "fomm@vox-256 has no memory; leave memory out"),
        (("fomm", "--what", "flow"), "vox-cpk.pth.tar"),
        (("mcnet@demo", "--what", "memory", "--channels", "3,9999"), "has no channel 9999; it has 0 to "),
        (("mcnet@demo", "--what", "memory", "--channels", "-1"), "'-1' is not numbers with commas between"),
        (("mcnet@demo", "--what", "memory", "--checkpoint", "none.safetensors"), "none.safetensors does not exist"),
        (("mcnet@demo", "--what", "flow", "--source", "none.png"), "cannot read the image none.png"),
        (("mcnet@demo", "--source", "a.png", "--dataset", "demo"), "leave --dataset and --pairs out, or --source"),
        (("mcnet@demo", "--driving", "a.mp4"), "--driving needs --source"),
        (("mcnet@demo", "--at", "0.5,1"), "'0.5,1' is outside of the picture"),
        (("mcnet@demo", "--at", "middle"), "no place 'middle': "),
        (("mcnet@demo", "--motion", "absolut"), "unknown motion 'absolut'"),
    ],
)
def test_a_wrong_option_of_inspect(bench, options, message, place):
    result = bench("inspect", *options)
    assert message in result.complaint()
    assert not (place / "inspect").exists()


def test_what_the_pairs_of_a_list_or_the_levels_do_not_have(bench, clips):
    tiny = ("--dataset", "tiny", "--root", clips, "--count", 1)
    here = ("inspect", "mcnet@demo", *tiny)
    assert "tiny same-identity has no pair 99; its pairs are 0 to 15" in bench(*here, "--pairs", 99).complaint()
    assert "has no level 12; it has 16, 32, 64" in bench(*here, "--level", 12).complaint()
    assert "copy-source shows nothing of how it works" in bench("inspect", "copy-source", *tiny).complaint()
