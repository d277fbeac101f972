"""The record: round trip, what makes it one run, protocol ids, and files that are refused."""

import json

import pytest
from pydantic import ValidationError

from talkbench.core.errors import TalkbenchError
from talkbench.results import MethodInfo, MetricSpec, RunRecord
from talkbench.results.strict import parse_json


def make_record(**changes: object) -> RunRecord:
    content = {
        "run_id": "20240102-030405-mcnet-demo",
        "created": "2024-01-02T03:04:05Z",
        "talkbench": "0.1.0",
        "command": "bench run --method mcnet --dataset demo",
        "method": {
            "name": "mcnet@demo",
            "checkpoint": "demo.safetensors",
            "checkpoint_sha256": "c" * 64,
            "origin": "demo weights",
            "settings": {"noise": "zero"},
            "resolution": 128,
        },
        "dataset": {"name": "demo", "task": "same-identity", "pairs": 200, "pairs_sha256": "a" * 64, "image_size": 256},
        "metrics": [
            {"name": "psnr", "version": 1, "direction": "higher", "unit": "dB", "decimals": 2, "backend": "torch 2.9"},
            {
                "name": "akd@mtcnn5",
                "version": 1,
                "direction": "lower",
                "backend": "facenet 2.5",
                "extractor": "mtcnn5:ab",
            },
        ],
        "unavailable": [{"name": "lpips@vgg", "reason": "vgg16-397923af.pth is missing"}],
        "batch_size": 8,
        "device": "cpu",
        "device_name": "x86_64",
        "libraries": {"torch": "2.9.0", "numpy": "2.0"},
        "platform": "Linux",
        "git": {"commit": "f" * 40, "dirty": True},
    }
    for key, value in changes.items():
        head, _, tail = key.partition("__")
        content[head] = {**content[head], tail: value} if tail else value  # type: ignore[dict-item]
    return RunRecord.model_validate(content)


def test_a_record_survives_its_file() -> None:
    record = make_record()
    text = record.to_json()
    assert parse_json(RunRecord, text, "run.json") == record
    stored = json.loads(text)
    assert stored["schema_version"] == 1
    assert set(stored["protocol_ids"]) == {"psnr", "akd@mtcnn5"}
    assert stored["created"] == "2024-01-02T03:04:05Z"
    assert json.loads(make_record(created="2024-01-02T05:04:05+02:00").to_json())["created"] == stored["created"]


@pytest.mark.parametrize(
    "change",
    [
        {"method__checkpoint_sha256": "d" * 64},
        {"method__settings": {"noise": "random"}},
        {"method__name": "mcnet"},
        {"method__frames": {"sha256": "e" * 64, "pairs": 200, "kinds": {"PNG": 200}, "sizes": {"256x256": 200}}},
        {"dataset__pairs_sha256": "b" * 64},
        {"dataset__motion": "relative-best"},
        {"dataset__image_size": 128},
        {"metrics": []},
        {"method__version": 2},
        {"method__distribution": "my-method 2.0"},
        {"dataset__resizing": "each frame"},
        {"seed": 1},
        {"precision": "bfloat16"},
        {"device": "cuda"},
        {"libraries": {"torch": "2.9.1", "numpy": "2.0"}},
        {"talkbench": "0.2.0"},
    ],
)
def test_what_makes_numbers_makes_another_run(change: dict[str, object]) -> None:
    record, other = make_record(), make_record(**change)
    assert record.fingerprint() != other.fingerprint()
    (key,) = change
    assert all(difference.startswith(key.replace("__", ".")) for difference in record.differences(other))
    assert record.differences(other)


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "another"},
        {"created": "2025-01-01T00:00:00Z"},
        {"command": "bench run --resume"},
        {"method__checkpoint": "renamed.safetensors"},
        {"method__origin": "from a colleague"},
        {"dataset__pairs_file": "copy.csv"},
        {"git": None},
        {"batch_size": 4},
        {"threads": 3},
        {"platform": "Linux-6.9"},
        {"device_name": "another processor"},
        {"device": "cpu:0"},
        {"dataset__data_id": "0123456789ab"},
        {"dataset__stored_sizes": {"256x256": 4}},
    ],
)
def test_names_and_notes_do_not(change: dict[str, object]) -> None:
    assert make_record().fingerprint() == make_record(**change).fingerprint()
    assert make_record().differences(make_record(**change)) == []


def test_protocol_ids_follow_the_protocol_and_not_the_method() -> None:
    record = make_record()
    ids = record.protocol_ids
    assert len(ids["psnr"]) == 12
    assert ids["psnr"] != ids["akd@mtcnn5"]
    assert make_record(method__name="copy-source", seed=3, device="cuda").protocol_ids == ids
    for change in ({"dataset__task": "reconstruction"}, {"dataset__image_size": 128}, {"quantisation": "floor"}):
        assert make_record(**change).protocol_ids["psnr"] != ids["psnr"]
    assert make_record(dataset__data_id="0123456789ab").protocol_ids == ids
    own = make_record(dataset__data_id="0123456789ab", dataset__videos_named=False)
    assert own.protocol_ids["psnr"] != ids["psnr"]
    spec = record.metric("psnr")
    newer = make_record(metrics=[{**spec.model_dump(), "version": 2}])
    assert newer.protocol_id("psnr") != ids["psnr"]
    with pytest.raises(TalkbenchError, match="did you mean psnr"):
        record.protocol_id("psn")


def test_settings_become_plain_json_and_refuse_the_rest() -> None:
    assert MethodInfo(name="m", settings={"widths": (1, 2)}).settings == {"widths": [1, 2]}
    for bad in (float("nan"), object()):
        with pytest.raises(ValidationError):
            MethodInfo(name="m", settings={"x": bad})


def test_a_metric_knows_its_family() -> None:
    spec = MetricSpec(name="ssim@uniform7-dr2", version=1, direction="higher", backend="scikit-image 0.25")
    assert spec.family == "ssim"
    with pytest.raises(ValidationError, match="twice"):
        make_record(metrics=[spec, spec])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a talkbench RunRecord"),
        ('{"schema_version": 2}', "upgrade"),
        ('{"schema_version": 1, "run_id": "x"}', "created: Field required"),
        (make_record().to_json().replace('"seed": 0', '"seed": NaN'), "seed"),
        (make_record().to_json().replace('"seed"', '"sed"'), "sed"),
    ],
)
def test_bad_files_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(TalkbenchError, match=message) as caught:
        parse_json(RunRecord, text, "x/run.json")
    assert str(caught.value).startswith("x/run.json")
    assert "\n" not in str(caught.value)
