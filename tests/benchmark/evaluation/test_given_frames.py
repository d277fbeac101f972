"""Scoring frames that another program made."""

import shutil
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from talkbench.benchmark.evaluation.given_frames import frame_name, stretches
from talkbench.core.images import read_image, write_png
from talkbench.datasets import Frame, Pair
from talkbench.results import RunStore

HEADER = "source_clip,source_index,driving_clip,driving_index,reference_clip,reference_index"


@pytest.fixture
def given(bench, clips):
    """Scores a folder of frames for the pairs of tiny."""
    tiny = ("run", "--name", "mine", "--dataset", "tiny", "--root", clips, "--metrics", "l1,psnr")
    return lambda folder, *options: bench(*tiny, "--frames", folder, *options)


@pytest.fixture
def frames(score, place):
    """A fresh folder with the frames of blend on all pairs of a task; the run itself is ``whole``."""

    def make(*options) -> Path:
        score("--save-frames", "--out", "whole", *options)
        shutil.copytree(place / "whole" / "frames", place / "frames")
        return place / "frames"

    return make


@pytest.mark.parametrize("method", ["copy-source", "mcnet@demo"])
def test_saved_frames_give_the_numbers_of_the_run(bench, demo, place, method):
    """Every default metric, on real faces."""
    data = ("--dataset", "demo", "--root", demo.root, "--limit", 4, "--image-size", 128)
    ran = bench("run", "--method", method, *data, "--save-frames", "--out", "ran")
    scored = bench("run", "--frames", "ran/frames", "--name", "mymethod", *data, "--out", "scored")
    assert len(scored.numbers) == 4 * len(ran.record.metrics) == 4 * 5
    assert scored.numbers.equals(ran.numbers)
    assert scored.summary == ran.summary
    assert scored.record.protocol_ids == ran.record.protocol_ids
    for strip in (place / "ran" / "pictures").glob("*.png"):
        assert (place / "scored" / "pictures" / strip.name).read_bytes() == strip.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ("--task", "reconstruction", "--motion", "relative-first"),
        ("--task", "cross-identity", "--motion", "relative-best", "--metrics", "missing-face-rate"),
        ("--image-size", 24, "--batch-size", 5),
    ],
)
def test_every_task_motion_and_size(frames, given, options):
    folder = frames(*options)
    result = given(folder, *options)
    ran = RunStore("whole")
    assert result.code == (2 if "cross-identity" in options else 0)  # there is no face in these pictures
    assert result.rows.drop(columns="message").equals(ran.rows().drop(columns="message"))
    assert result.record.protocol_ids == ran.read_record().protocol_ids


def test_the_record_says_that_the_frames_were_given(frames, given, bench):
    result = given(frames(), "--limit", 5)
    method = result.record.method
    assert (method.name, method.origin, method.settings) == ("mine", "frames given by the user", {})
    assert (method.checkpoint, method.checkpoint_sha256, method.resolution) == (None, None, None)
    assert (method.frames.pairs, method.frames.kinds, method.frames.sizes) == (5, {"PNG": 5}, {"48x48": 5})
    assert result.record.run_id.startswith("mine-tiny-same-identity-")
    page = (result.store.folder / "index.html").read_text()
    assert "The frames of mine, which another program made (frames given by the user), were scored on 5 pairs" in page
    assert method.frames.sha256 in page
    table = bench("tables", result.store.folder).out
    assert "| mine (n = 5, frames given) |" in table
    assert "Frames given: another program made them" in table
    assert "frames given" not in bench("tables", "whole").out


def test_the_hash_is_of_the_contents_by_pair(frames, given, place):
    folder = frames()
    found = given(folder, "--limit", 8, "--out", "first").record.method.frames.sha256
    (folder / "notes.txt").write_text("of no pair")
    (folder / frame_name(3)).rename(folder / "aside")
    (folder / "aside").rename(folder / frame_name(3))
    shutil.copy(folder / frame_name(0), folder / frame_name(15))  # beyond the limit
    assert given(folder, "--limit", 8, "--out", "same").record.method.frames.sha256 == found
    (folder / frame_name(3)).rename(folder / "aside")
    (folder / frame_name(4)).rename(folder / frame_name(3))
    (folder / "aside").rename(folder / frame_name(4))
    assert given(folder, "--limit", 8, "--out", "swapped").record.method.frames.sha256 != found


@pytest.mark.usefixtures("parted")
def test_resume(frames, given):
    folder = frames()
    first = given(folder, "--out", "mine", "--batch-size", 4)
    rows = first.rows
    (first.store.folder / "rows" / "part-00001.parquet").unlink()
    again = given(folder, "--out", "mine", "--batch-size", 4, "--resume")
    assert "continuing mine" in again.err
    assert again.rows.equals(rows)
    write_png(folder / frame_name(2), np.zeros((48, 48, 3), np.uint8))
    complaint = given(folder, "--out", "mine", "--batch-size", 4, "--resume").complaint()
    assert "mine was made otherwise (method.frames.sha256: " in complaint


def test_a_published_method_without_code_may_be_named(frames, given):
    assert given(frames(), "--limit", 2, "--name", "marionette").record.method.name == "marionette"


# Videos and folders of frames


def test_stretches_are_cut_where_source_or_driving_clip_changes():
    """Whatever the reference and the order of the driving frames are."""
    listed = [(0, "a", 5), (0, "a", 2), (1, "a", 3), (1, "b", 4), (0, "a", 6)]
    pairs = [Pair(Frame("a", source), Frame(clip, index), Frame("b", index)) for source, clip, index in listed]
    assert stretches(pairs) == [range(2), range(2, 3), range(3, 4), range(4, 5)]
    assert stretches([]) == []


def write_video(path: Path, images: list[np.ndarray], codec: str, pixels: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)))
        container.mux(stream.encode())


@pytest.fixture
def film(frames, place):
    """The frames of the one stretch of tiny's reconstruction as a video."""

    def make(suffix: str = ".mkv", codec: str = "ffv1", pixels: str = "bgr0", count: int = 8) -> Path:
        folder = frames("--task", "reconstruction")
        images = [read_image(folder / frame_name(number)) for number in range(8)]
        (place / "film").mkdir()
        write_video(place / "film" / f"000000{suffix}", (2 * images)[:count], codec, pixels)
        return place / "film"

    return make


def test_a_lossless_video_is_as_good_as_its_frames(film, given):
    result = given(film(), "--task", "reconstruction")
    assert result.numbers.equals(RunStore("whole").rows().drop(columns="message"))
    info = result.record.method.frames
    assert (info.pairs, info.kinds, info.sizes) == (8, {"ffv1 bgr0": 8}, {"48x48": 8})


def test_a_lossy_video_is_scored_with_its_loss(film, given):
    result = given(film(".mp4", "libx264", "yuv420p"), "--task", "reconstruction")
    assert "warning: frames that are not lossless are scored with the losses of their compression: 8 h264" in result.err
    assert result.record.method.frames.kinds == {"h264 yuv420p": 8}
    exact = RunStore("whole").read_summary().metric("l1").mean
    assert exact < result.summary.metric("l1").mean < exact + 0.05


def test_a_folder_of_frames_in_natural_order(frames, given, place):
    folder = frames("--task", "reconstruction")
    for number in range(8):
        (place / "film" / "000000").mkdir(parents=True, exist_ok=True)
        (folder / frame_name(number)).rename(place / "film" / "000000" / f"{number + 5}.png")  # 5 to 12
    result = given("film", "--task", "reconstruction")
    assert result.numbers.equals(RunStore("whole").rows().drop(columns="message"))


@pytest.mark.parametrize("count", [3, 8])
def test_a_limit_within_a_video(film, given, count):
    """Given for the pairs of the limit, or for all."""
    result = given(film(count=count), "--task", "reconstruction", "--limit", 3)
    rows = RunStore("whole").rows().drop(columns="message")
    assert result.numbers.equals(rows[rows["pair"] < 3])


@pytest.mark.parametrize("count", [7, 9])
def test_a_video_of_another_length_is_not_guessed_at(film, given, place, count):
    """Nobody knows which frame is missing, or too many; the one good frame beside it counts."""
    (place / "mine.csv").write_text(f"{HEADER}\n" + "".join(f"a,0,a,{i},,\n" for i in range(8)) + "a,1,a,2,,\n")
    write_png(film(count=count) / frame_name(8), np.zeros((48, 48, 3), np.uint8))
    result = given("film", "--task", "reconstruction", "--pairs", "mine.csv")
    assert result.summary.metric("l1").failures == {"wrong-frame-count": 8}
    assert result.summary.metric("l1").pairs == 1
    message = f"film/000000.mkv has {count} frames, but its pairs, 0 to 7, are 8"
    assert message in result.rows["message"].tolist()


@pytest.mark.parametrize("damaged", ["000000.mkv", "000000"])
def test_a_damaged_video_and_an_empty_folder(given, place, damaged):
    (place / "mine.csv").write_text(f"{HEADER}\na,0,a,1,,\na,0,a,2,,\na,1,a,2,,\n")
    write_png(place / "film" / frame_name(2), np.zeros((48, 48, 3), np.uint8))
    path = place / "film" / damaged
    path.write_text("not a video") if path.suffix else path.mkdir()
    result = given("film", "--pairs", "mine.csv")
    assert result.summary.metric("l1").failures == {"undecodable-frame": 2}
    assert result.summary.metric("l1").pairs == 1


# What may be wrong


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "blend"), "--method is for a method that is run; leave out either --method or --frames"),
        (("--checkpoint", "x.pth"), "--checkpoint is for a method that is run; leave out either --checkpoint or --"),
        (("--set", "noise=1"), "--set is for a method that is run; leave out either --set or --frames"),
        (("--name", "My Method"), "--name 'My Method': use a-z and 0-9, with single . _ or - between them"),
        (("--name", "../x"), "--name '../x': use a-z and 0-9"),
        (("--name", ""), "--name '': use a-z and 0-9"),
        (("--name", "mcnet@demo"), "--name 'mcnet@demo': use a-z and 0-9"),
        (("--name", "mcnet"), "--name mcnet may be taken for the method mcnet, which bench runs; choose another"),
        (("--name", "mcnet-demo"), "--name mcnet-demo may be taken for the method mcnet@demo, which bench runs"),
        (("--name", "copy_source"), "--name copy_source may be taken for the method copy-source"),
        (("--name", "blend"), "--name blend may be taken for the method blend"),
        (("--motion", "relative-frist"), "unknown motion 'relative-frist': did you mean relative-first"),
        (("--frames", "nowhere"), "--frames nowhere is not a folder; give the one that holds the frames"),
        (("--frames", "mine.csv"), "--frames mine.csv is not a folder"),
        (("--frames", "empty"), "no file in empty is named after the number of a pair, 000000.png to 000015.png; the "),
        (("--frames", "others"), "no file in others is named after the number of a pair"),
        (("--limit", 1, "--frames", "second"), "no file in second is named after the number of a pair, 000000.png to"),
        (("--limit", 1, "--frames", "second"), "there is a 000001.png and no 000000.png: the first pair has the num"),
        (("--frames", "broken"), "no frame in broken is 48x48, as evaluated: cannot read the image broken/0"),
        (("--image-size", 32), "no frame in good is 32x32, as evaluated: 1 are 48x48; give --image-size 48 if that"),
        (("--frames", "wide"), "no frame in wide is 48x48, as evaluated: 1 are 48x20; write square images"),
        (("--frames", "twice"), "twice holds 000003.jpg and 000003.png, both for pair 3; keep the right one"),
    ],
)
def test_a_wrong_option(given, place, options, message):
    image = np.zeros((48, 48, 3), np.uint8)
    (place / "mine.csv").touch()
    (place / "empty").mkdir()
    for name in ("others/12.png", "others/0000003.png", "others/000016.png", "others/a.png", "others/000005.mp4"):
        write_png(place / name, image)
    for name in ("good/000000.png", "second/000001.png", "twice/000003.png", "twice/000003.jpg"):
        write_png(place / name, image)
    write_png(place / "wide" / frame_name(0), image[:20])
    (place / "broken").mkdir()
    (place / "broken" / frame_name(0)).write_text("no image")
    assert message in given("good", *options).complaint()
    assert not (place / "runs").exists()


def test_frames_and_their_name_need_each_other(bench, place):
    (place / "frames").mkdir()
    run = ("run", "--dataset", "tiny")
    assert bench(*run, "--frames", "frames").complaint().startswith("bench: --frames needs --name: what to call")
    complaint = bench(*run, "--method", "blend", "--name", "mine").complaint()
    assert complaint == "bench: --name is for --frames; leave it out, a method has its own"


def test_a_video_and_a_frame_for_one_pair(film, given):
    folder = film()
    write_png(folder / frame_name(5), np.zeros((48, 48, 3), np.uint8))
    complaint = given(folder, "--task", "reconstruction").complaint()
    assert "holds 000000.mkv and 000005.png, both for pair 5; keep the right one" in complaint


def deep_png(path: Path) -> None:
    """48x48 RGB with 16 bits, which no writer at hand makes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 48, 48, 16, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(48 * (1 + 48 * 6)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def spoil(path: Path, kind: str) -> None:
    image = Image.open(path).copy()
    match kind:
        case "missing":
            path.unlink()
        case "text":
            path.write_text("no image")
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(path.read_bytes()[:200])
        case "small":
            image.resize((24, 24)).save(path)
        case "wide":
            image.crop((0, 0, 48, 47)).save(path)
        case "another format":
            image.save(path, format="GIF")
        case "grey" | "palette":
            image.convert({"grey": "L", "palette": "P"}[kind]).save(path)
        case "alpha":
            image.putalpha(254)
            image.save(path)
        case "deep":
            deep_png(path)
        case "CMYK":
            image.convert("CMYK").save(path.with_suffix(".jpg"))
            path.unlink()


def test_a_faulty_frame_costs_its_own_pair(frames, given):
    """Nothing is resized or converted in silence; the other pairs are as if nothing had happened."""
    folder = frames()
    faults = {
        "missing": "missing-frame",
        "text": "undecodable-frame",
        "empty": "undecodable-frame",
        "truncated": "undecodable-frame",
        "another format": "undecodable-frame",
        "small": "wrong-size",
        "wide": "wrong-size",
        "grey": "not-8-bit-rgb",
        "alpha": "not-8-bit-rgb",
        "palette": "not-8-bit-rgb",
        "deep": "not-8-bit-rgb",
        "CMYK": "not-8-bit-rgb",
    }
    for number, kind in enumerate(faults):
        spoil(folder / frame_name(number), kind)
    result = given(folder)
    found = result.numbers
    mine = found[found["metric"] == "l1"]
    assert mine["reason"].tolist() == [*faults.values(), *[""] * 4]
    whole = RunStore("whole").rows().drop(columns="message")
    kept = found["pair"] >= len(faults)
    assert found[kept].equals(whole[kept])
    assert "warning: 1 of 16 pairs have no frame in " in result.err
    messages = dict(zip(result.rows["pair"], result.rows["message"], strict=True))
    assert messages[0] == f"there is no 000000.png in {folder}"
    assert messages[5] == f"{folder}/000005.png is 24x24 instead of 48x48"
    assert (
        messages[10]
        == f"cannot read the image {folder}/000010.png: it has more than 8 bits per channel; convert it to 8 bits"
    )
    assert result.record.method.frames.sizes == {"48x48": 9, "24x24": 1, "48x47": 1}


def test_jpeg_is_taken_and_noted(frames, given):
    folder = frames()
    image = Image.open(folder / frame_name(1))
    (folder / frame_name(1)).unlink()
    image.save(folder / "000001.JPG", quality=70)
    result = given(folder)
    assert (
        "warning: frames that are not lossless are scored with the losses of their compression: 1 JPEG (loss"
        in result.err
    )
    assert result.record.method.frames.kinds == {"PNG": 15, "JPEG (lossy)": 1}
    exact = dict(RunStore("whole").rows().query("metric == 'l1'")[["pair", "value"]].to_numpy().tolist())
    assert result.values("l1").pop(1) != exact.pop(1)
    assert {pair: value for pair, value in result.values("l1").items() if pair != 1} == exact


@pytest.mark.parametrize(
    ("ending", "mode", "kind"),
    [("webp", "RGB", "WEBP"), ("bmp", "RGB", "BMP"), ("tif", "RGB", "TIFF"), ("png", "RGBA", "PNG")],
)
def test_lossless_frames_of_any_format_and_opaque_ones_give_the_same(frames, given, ending, mode, kind):
    folder = frames()
    for path in sorted(folder.iterdir()):
        image = Image.open(path).convert(mode)
        path.unlink()
        image.save(path.with_suffix(f".{ending}"), **{"lossless": True} if ending == "webp" else {})
    result = given(folder)
    assert result.numbers.equals(RunStore("whole").rows().drop(columns="message"))
    assert result.record.method.frames.kinds == {kind: 16}
    assert "warning" not in result.err


@pytest.mark.parametrize("numbers", [range(9), range(3, 6), range(3, 9)])  # all pairs, and whole stretches
def test_numbers_from_one_get_a_hint(place, given, numbers):
    (place / "mine.csv").write_text(HEADER + "".join(f"\na,{source},a,{i},," for source in range(3) for i in range(3)))
    for number in numbers:
        write_png(place / "made" / frame_name(number + 1), np.zeros((48, 48, 3), np.uint8))
    result = given("made", "--pairs", "mine.csv")
    after, first = frame_name(numbers[0] + 1), frame_name(numbers[0])
    assert f"warning: there is a {after} and no {first}: the first pair has the number 0" in result.err
    assert result.code == 0


def test_what_belongs_to_no_pair_is_passed_over_aloud(frames, given):
    folder = frames()
    for name in ("notes.txt", "99.png", "000001.csv"):
        (folder / name).write_text("x")
    (folder / ".hidden").touch()
    result = given(folder)
    assert "warning: 3 of the files in " in result.err
    assert "belong to no pair and are ignored (000001.csv …)" in result.err
    assert "warning: 3 of the files in " in given(folder, "--limit", 3, "--out", "other").err, (
        "not those of other pairs"
    )
