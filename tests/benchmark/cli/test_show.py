"""`bench show`: a method's card, each configuration for itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from talkbench import methods
from talkbench.methods.baselines import CopySource


def shown(result) -> dict[str, str]:
    """What is beside each label."""
    assert result.code == 0, result.err
    return {line[:24].strip(): line[24:].strip() for line in result.out.splitlines() if line[:24].strip()}


def test_a_variant_is_shown_with_its_own_licence_and_without_the_numbers_of_others(bench):
    result = bench("show", "mcnet@demo")
    card = shown(result)
    assert card["licence, weights"] == "Apache-2.0"
    assert (card["trained on"], card["resolution"]) == ("demo", "128 pixels")
    assert card["what it is"].startswith("a small model for 128x128 images")
    assert "notes" not in card
    assert "published numbers" not in result.out


def test_the_published_configuration_is_shown_with_its_numbers_and_notes(bench):
    result = bench("show", "mcnet")
    card = shown(result)
    assert card["licence, weights"] == "none stated"
    assert card["code"] == "https://github.com/harlanhong/ICCV2023-MCNET"
    assert "the repository states no licence" in card["notes"]
    assert result.out.partition("published numbers")[2].split()[:3] == ["table", "data", "set"]


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("mcnet", "mcnet@demo: bench train --method mcnet --config demo"),
        ("mcnet@pe10", "mcnet@pe10-demo: bench train --method mcnet@pe10 --config demo"),
        ("mcnet@pe10-demo", None),
        ("fomm@vox-adv", None),
    ],
)
def test_the_small_model_is_named(bench, name, small):
    result = bench("show", name)
    assert shown(result).get("demo size") == small
    assert ("rows of the ablation tables have it" in result.out) == (name == "mcnet")


def test_what_is_talkbenchs_own_reading_is_shown_as_such(bench):
    result = bench("show", "mcnet@ted-384")
    card = shown(result)
    assert card["resolution"] == "384 pixels"
    assert "48, 96 and 192 pixels" in card["ours, not the paper's"]
    assert "the memory is 32x32, as the paper's, and is never resized" in result.out
    assert "ours, not the paper's" not in bench("show", "mcnet").out


def test_a_method_of_a_package_without_a_card_is_shown(bench):
    result = bench("show", "blend")
    lines = [line.split(maxsplit=1) for line in result.out.splitlines()]
    assert ["name", "blend"] in [[part.strip() for part in line] for line in lines]
    assert "The mean of source and driving frame" in result.out


def test_a_mistyped_key_is_named_with_its_card(bench, method_plugin: Callable[..., Path], caplog):
    path = method_plugin("short: x\nnote: [y]")
    complaint = f"{path} does not fit: unknown key 'note': did you mean notes"
    assert complaint in bench("show", "mine").complaint()
    listed = [line.split()[0] for line in bench("list", "methods").out.splitlines()]
    assert "mine" not in listed
    assert "mcnet" in listed
    assert [complaint in message for message in caplog.messages] == [True]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("psnr", "Peak signal-to-noise ratio"),
        ("AKD", "pixels at 256"),
        ("fan68", "metrics"),
        ("Copy-Source", "No motion at all"),
        ("HDTF", "speeches in high definition"),
        ("mcnet-2023", "quantisation"),
        ("S4", "Supplement, Table 4"),
        ("mcnet/Demo", "batch_size"),
    ],
)
def test_a_thing_of_any_kind_is_shown_by_its_name(bench, name, said):
    result = bench("show", name)
    assert result.code == 0, result.err
    assert said in result.out


def test_only_the_nearest_name_is_offered(bench):
    assert bench("show", "mcnett").complaint() == "bench: there is nothing called 'mcnett': did you mean mcnet?"
    assert "did you mean psnr?" in bench("show", "pnsr").complaint()
    assert "unknown method 'mcnet@dmo': did you mean mcnet@demo?" in bench("show", "mcnet@dmo").complaint()
    assert "there is no kind 'poem' of things; choose one of methods, " in bench("show", "poem", "mcnet").complaint()


def test_a_name_that_is_two_things_is_asked_about(bench, monkeypatch):
    monkeypatch.setitem(methods.registry._factories, "psnr", CopySource)
    complaint = bench("show", "psnr").complaint()
    assert (
        complaint == "bench: psnr is a method and a metric; say which: bench show method psnr or bench show metric psnr"
    )
    assert "Peak signal-to-noise" in bench("show", "metrics", "psnr").out
    assert "what gives every table its scale" in bench("show", "method", "psnr").out


def test_a_run_is_shown_by_its_folder(bench, score):
    assert score("--out", "psnr").code == 0
    result = bench("show", "./psnr")
    assert result.code == 0, result.err
    assert "blend on tiny, same-identity, 16 pairs" in " ".join(result.out.split())
    assert "how models agree" not in result.out
    assert result.out.endswith("page    psnr/index.html\n")
    assert "Peak signal-to-noise" in bench("show", "metric", "psnr").out
    Path("psnr/run.json").write_text("{}")
    assert bench("show", "psnr").complaint().startswith("bench: psnr/run.json is not a talkbench RunRecord: ")
