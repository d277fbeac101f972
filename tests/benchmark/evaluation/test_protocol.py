"""Protocols: what ships, what `bench` shows of them, and what a run makes of one."""

import pytest
import yaml

from talkbench import metrics
from talkbench.benchmark.evaluation import protocol
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import weights

MINE = {
    "name": "mine",
    "about": "Two metrics.",
    "task": {"value": "same-identity", "why": "Because."},
    "quantisation": {"value": "floor", "why": "Because."},
    "jpeg_quality": {"value": None, "why": "Because."},
    "image_size": {"value": 32, "why": "Because."},
    "missing_faces": {"value": "worst", "why": "Because."},
    "means": {"value": ["pairs"], "why": "Because."},
    "metrics": [{"name": "l1", "why": "Because."}, {"name": "psnr", "why": "Because."}],
}


@pytest.fixture(params=protocol.names())
def shipped(request):
    return protocol.load(request.param)


@pytest.fixture
def mine(place):
    def write(**changes):
        path = place / "mine.yaml"
        path.write_text(yaml.safe_dump({**MINE, **changes}))
        return path

    return write


def test_these_ship():
    assert protocol.names() == ["fomm-video", "mcnet-2023", "talkbench-1", "talkbench-offline"]
    assert protocol.DEFAULT == "talkbench-1"


def test_each_names_metrics_by_their_full_ids_and_says_why(shipped):
    names = [metric.name for metric in shipped.metrics]
    assert len(set(names)) == len(names)
    assert [metrics.create(name).variant for name in names] == names
    choices = list(shipped.choices())
    assert len(choices) == 6 + len(names)
    assert all(why.endswith(".") and len(why) > 20 for _, _, why in choices)


def test_only_the_papers_protocol_has_what_must_not_rank():
    def unranked(name):
        return {metric.name for metric in protocol.load(name).metrics if not metrics.create(metric.name).ranks}

    assert unranked("talkbench-1") == set()
    assert unranked("mcnet-2023") == {"psnr@uint8-wrap"}


def test_the_offline_one_needs_only_files_and_runtimes_that_come_from_a_package_index():
    chosen = [metrics.create(metric.name) for metric in protocol.load("talkbench-offline").metrics]
    files = {file for metric in chosen for file in metric.files()}
    assert files == {"dlib-landmarks", "dlib-embedding", "face-landmarker", "stlpips-alex"}
    assert all(weights.cards()[file].registry for file in files)
    assert {library for metric in chosen for library in metric.all_libraries()} == {"dlib-bin", "ai-edge-litert"}
    assert all(metric.ranks for metric in chosen)


def test_every_mistake_is_called_one():
    wrong = {"psnr@uint8-wrap", "ssim@uniform7-dr2", "aed@reid-resnet50"}
    for name in protocol.names():
        for metric in protocol.load(name).metrics:
            assert ("mistake" in metric.why) == (metric.name in wrong)


def test_the_hash_is_of_the_choices_not_of_the_sentences(mine):
    first = protocol.load(str(mine()))
    assert protocol.load(str(mine(about="Other words."))).sha256 == first.sha256
    assert protocol.load(str(mine(metrics=MINE["metrics"][::-1]))).sha256 == first.sha256
    for changes in (
        {"metrics": MINE["metrics"][:1]},
        {"quantisation": {"value": "round", "why": "Because."}},
        {"jpeg_quality": {"value": 75, "why": "Because."}},
        {"image_size": {"value": 64, "why": "Because."}},
        {"missing_faces": {"value": "drop", "why": "Because."}},
        {"means": {"value": ["pairs", "videos"], "why": "Because."}},
    ):
        assert protocol.load(str(mine(**changes))).sha256 != first.sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantisation": {"value": "ceil", "why": ""}}, "mine.yaml is not a protocol: quantisation.value"),
        ({"metrics": [{"name": "l1"}]}, "metrics.0.why: field required"),
        ({"missing_faces": {"value": "intersect", "why": ""}}, "missing_faces.value"),
        ({"more": 1}, "more: extra inputs are not permitted"),
    ],
)
def test_a_file_that_is_no_protocol(mine, changes, message):
    with pytest.raises(TalkbenchError, match=message) as error:
        protocol.load(str(mine(**changes)))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_yaml(place):
    (place / "broken.yaml").write_text("a: [")
    with pytest.raises(TalkbenchError, match=r"broken\.yaml, line 1, column 5: .* mend the YAML") as error:
        protocol.load("broken.yaml")
    assert "\n" not in str(error.value)


def test_they_are_listed_and_shown(bench):
    listed = bench("list", "protocols").out
    assert all(name in listed for name in protocol.names())
    shown = bench("show", "protocol", "mcnet-2023").out
    known = protocol.load("mcnet-2023")
    assert known.sha256[:12] in shown
    for _, value, why in known.choices():
        assert value in shown
        assert why in shown


def test_unknown_ones_are_answered_with_the_nearest(bench, score):
    assert "unknown protocol 'mcnet': did you mean mcnet-2023?" in bench("show", "protocol", "mcnet").complaint()
    assert "--protocol none.yaml is not a file" in score("--protocol", "none.yaml").complaint()
    assert "unknown protocol 'talkbench': did you mean talkbench-1?" in score("--protocol", "talkbench").complaint()
    assert "show takes one name, or a kind and a name" in bench("show", "metric", "l1", "psnr").complaint()


def test_a_run_follows_its_protocol(bench, clips, mine):
    path = mine()
    result = bench("run", "--method", "blend", "--dataset", "tiny", "--root", clips, "--protocol", path)
    assert result.code == 0, result.err
    record = result.record
    assert [spec.name for spec in record.metrics] == ["l1", "psnr"]
    assert (record.dataset.image_size, record.quantisation, record.missing_faces) == (32, "floor", "worst")
    assert (record.protocol.name, record.protocol.sha256) == ("mine", protocol.load(str(path)).sha256)


def test_fomm_video_rebuilds_videos_and_prints_both_means(bench, clips):
    video = ("run", "--method", "blend", "--dataset", "tiny", "--root", clips, "--protocol", "fomm-video")
    result = bench(*video, "--metrics", "l1,l1@unquantised,flicker")
    assert result.code == 0, result.err
    record = result.record
    assert (record.dataset.task, record.quantisation) == ("reconstruction", "floor")
    assert record.aggregation == "mean over pairs and over videos"
    assert "videos" in result.out
    assert "mean of videos" in (result.store.folder / "index.html").read_text()
    summary = result.summary
    assert summary.metric("l1").mean != summary.metric("l1@unquantised").mean
    assert summary.metric("flicker").failures == {"start-of-video": 1}
    assert summary.metric("flicker").pairs == 7


def test_a_metric_of_the_protocol_that_needs_larger_images_is_named(bench, score, clips):
    result = bench("run", "--method", "blend", "--dataset", "tiny", "--root", clips, "--limit", 1, "--out", "whole")
    assert result.err.count("ms-ssim is left out: it needs images of at least 161 pixels, and these have ") == 1
    named = score("--metrics", "l1", "--limit", 1, "--out", "named")
    assert "left out" not in named.err
    assert ", 1 pair " in named.out


def test_jpeg_quality_is_part_of_the_numbers_name(score):
    plain, jpeg = score("--limit", 2), score("--limit", 2, "--jpeg-quality", 75)
    assert (plain.record.jpeg_quality, jpeg.record.jpeg_quality) == (None, 75)
    assert plain.record.protocol_ids["l1"] != jpeg.record.protocol_ids["l1"]
    assert plain.values("l1") != jpeg.values("l1")


def test_metrics_of_another_kind_of_run_say_so(score):
    result = score("--metrics", "l1,flicker,ms-ssim", "--limit", 2)
    reasons = {miss.name: miss.reason for miss in result.record.unavailable}
    assert "use --task reconstruction" in reasons["flicker"]
    assert reasons["ms-ssim"] == "it needs images of at least 161 pixels, and these have 48"


def test_a_method_of_another_size_than_the_protocols_is_warned_of(bench, clips):
    tiny = ("run", "--method", "mcnet@demo", "--dataset", "tiny", "--root", clips, "--protocol", "mcnet-2023")
    result = bench(*tiny, "--metrics", "l1", "--limit", 1)
    assert "warning: protocol mcnet-2023 asks for 256 pixels and mcnet@demo works at 128" in result.err
    assert result.record.dataset.image_size == 128


def test_frames_after_a_failed_one_are_not_the_start_of_a_video(bench, clips):
    video = ("run", "--method", "blend", "--dataset", "tiny", "--root", clips, "--task", "reconstruction")
    summary = bench(*video, "--metrics", "flicker", "--set", "fault=pair").summary
    assert summary.metric("flicker").failures == {"no-frame-before": 1, "no-motion": 1, "start-of-video": 1}
