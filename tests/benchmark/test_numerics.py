"""`--precision` and `--compile`: what they change, and that what was run says so."""

import functools
import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from talkbench import methods
from talkbench.benchmark.numerics import Numerics, in_numerics, suited_batch_size
from talkbench.benchmark.probes import probe_images
from talkbench.core.errors import TalkbenchError
from talkbench.methods.interface import Batch, Method


@dataclass(frozen=True)
class Frames(Batch):
    images: torch.Tensor


class Mixed(Method):
    """A convolution of the source, and a little of the driving frame."""

    def __init__(self, weights=None, variant=""):
        self.name, self.settings, self.resolution = "mixed", {}, None
        torch.manual_seed(0)
        self.networks = {"generator": nn.Conv2d(3, 3, 5, padding=2)}

    def encode_source(self, images):
        return Frames(self.networks["generator"](images))

    def encode_motion(self, images):
        return Frames(images)

    def transfer(self, source, driving, reference):
        return driving

    def render(self, source, motion):
        return (source.images + motion.images).sigmoid()


@pytest.fixture
def mixed(monkeypatch, place):
    monkeypatch.setitem(methods.registry._factories, "mixed", Mixed)


@pytest.fixture
def run(bench, clips, mixed):
    """Runs the method above; options given here come last."""
    words = ("run", "--method", "mixed", "--dataset", "tiny", "--root", clips, "--metrics", "l1", "--device", "cpu")
    return lambda *options: bench(*words, "--videos", 0, *options)


def test_bf16_is_near_float32_and_is_named_everywhere(run, bench):
    plain, half = run("--out", "plain"), run("--precision", "bf16", "--out", "half")
    assert half.code == 0, half.err
    assert half.record.method.settings == {"precision": "bf16"}
    assert plain.record.method.settings == {}
    assert plain.record.fingerprint() != half.record.fingerprint()
    assert plain.record.protocol_ids == half.record.protocol_ids
    difference = abs(plain.summary.metric("l1").mean - half.summary.metric("l1").mean)
    assert 0 < difference < 1e-3
    assert "same-identity, 16 pairs, bf16" in half.out.replace("\n", " ")
    assert "not computed in plain float32: bf16" in (half.store.folder / "index.html").read_text()
    table = bench("tables", "plain", "half").out
    assert "mixed" in table
    assert ", bf16" in table


def test_a_run_in_another_precision_is_not_continued(run):
    run("--limit", 2, "--out", "plain")
    complaint = run("--limit", 2, "--out", "plain", "--resume", "--precision", "bf16").complaint()
    assert "settings.precision: None / bf16" in complaint


def test_an_entry_has_the_precision_in_its_name(run, bench):
    run("--precision", "bf16", "--out", "half")
    exported = bench("results", "export", "half", "--licence", "MIT", "--year", 2026)
    assert exported.code == 0, exported.err
    (entry,) = (exported.cwd / "results" / "entries").iterdir()
    assert entry.name.startswith("mixed-bf16--tiny--")
    assert json.loads((entry / "entry.json").read_text())["label"] == "mixed (bf16)"


def test_what_the_device_lacks_is_said_before_work(run, monkeypatch):
    assert "--precision tf32 is of NVIDIA's GPUs, and the device is cpu" in run("--precision", "tf32").complaint()

    def convolve(*arguments):
        raise RuntimeError("bf16 path needs avx512\nTraceback")

    monkeypatch.setattr(nn.functional, "conv2d", convolve)
    complaint = run("--precision", "bf16").complaint()
    assert complaint.endswith("--precision bf16 cannot be used on cpu (bf16 path needs avx512); use float32")


def test_frames_of_another_program_have_no_precision(bench, clips, place):
    (place / "frames").mkdir()
    words = ("run", "--frames", "frames", "--name", "mine", "--dataset", "tiny", "--root", clips)
    assert "--precision is for a method that is run" in bench(*words, "--precision", "bf16").complaint()
    assert "--compile is for a method that is run" in bench(*words, "--compile").complaint()


def test_an_unknown_precision_of_python_code():
    with pytest.raises(TalkbenchError, match="unknown precision 'fp16'"):
        Numerics("fp16").check(torch.device("cpu"))


def test_a_compiled_method_gives_the_same_frames(run, monkeypatch):
    """The compiler's front alone, which is what reads our code; its back takes minutes."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    plain, compiled = run("--out", "plain"), run("--compile", "--out", "compiled")
    assert compiled.record.method.settings == {"compiled": True}
    assert compiled.numbers.equals(plain.numbers)


def test_what_cannot_be_compiled_is_computed_without_and_said(run, monkeypatch):
    def refuse(step):
        def refused(*arguments):
            raise RuntimeError("no working compiler\nwas found")

        return refused

    monkeypatch.setattr(torch, "compile", refuse)
    result = run("--compile", "--out", "plain")
    assert result.code == 0
    assert "mixed cannot be compiled here and is computed without --compile: no working compiler" in result.err
    assert result.record.method.settings == {}


def test_the_method_given_stays_as_it_is():
    method, device = Mixed(), torch.device("cpu")
    half = in_numerics(method, Numerics("bf16"), device, 2, print)
    images = probe_images(2, 32)
    assert type(half) is Mixed
    assert method.settings == {}
    assert half.networks["generator"] is method.networks["generator"]
    assert half.encode_source(images).images.dtype == torch.bfloat16
    assert half.render(half.encode_source(images), half.encode_motion(images)).dtype == torch.float32
    assert method.encode_source(images).images.dtype == torch.float32
    assert in_numerics(method, Numerics(), device, 2, print) is method


@pytest.mark.parametrize(
    ("asked", "parameters", "device", "expected"),
    [
        (None, 30_000_000, "cpu", 2),
        (None, 30_000_000, "cuda", 8),
        (None, 2_000_000, "cpu", 8),
        (5, 30_000_000, "cpu", 5),
    ],
)
def test_a_batch_suits_method_and_device(asked, parameters, device, expected):
    method = Mixed()
    with torch.device("meta"):
        method.networks = {"generator": torch.nn.Linear(1000, parameters // 1000)}
    assert suited_batch_size(asked, method, torch.device(device)) == expected


def test_the_record_says_the_batch_size_that_auto_chose(run):
    assert run("--batch-size", "auto").record.batch_size == 8
    assert "'many' is not a valid integer range" in run("--batch-size", "many", "--out", "b").err
