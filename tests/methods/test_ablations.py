"""The rows of the ablation tables: their names, and that each is one change at the paper's size and at demo size.

Outputs of the paper's rows are compared in test_mcnet_golden.
"""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from reference_fill import image

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import cards, registry
from talkbench.methods.interface import Method
from talkbench.methods.mcnet import SIZES, MCNet
from talkbench.methods.mcnet.ablations import ABLATIONS

HOSTS = ["fomm_backbone", "tpsm_backbone"]  # the memory in other methods, which have it among their own
ROWS = ["full", "memory32", *HOSTS, *ABLATIONS]  # every slug of docs/specs/mcnet.md 8, and two rows more
STYLE = ("mbUnit.style_route", "mbUnit.styleconv")


def shapes(name: str, build: Callable[[str], Method] = methods.create) -> dict[str, tuple[int, ...]]:
    """Of the network that holds the memory, levels named by their depth below the image's side."""
    with torch.device("meta"):
        method = build(name)
    network = method.networks["inpainting_network" if name.startswith("tpsm") else "generator"]
    return {
        re.sub(r"_(16|32|64|128)\b", lambda side: f"_1/{method.resolution // int(side[1])}", key): tuple(value.shape)
        for key, value in network.state_dict().items()
    }


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_a_method_at_both_sizes_with_a_line_in_the_card(row: str) -> None:
    name = f"mcnet@{row}"
    assert name in registry.names()
    small = cards.demo_name(name)
    assert small == cards.full_name(f"{name}-demo")
    with torch.device("meta"):
        methods_of_row = [methods.create(each) for each in (name, small)]
    assert [method.name for method in methods_of_row] == [cards.full_name(name), small]
    assert [method.resolution for method in methods_of_row] == [256, 128]
    assert cards.describe(name) != cards.family(name).short


def wider(name: str) -> Method:
    """MCNet at demo size with the width of `fomm@demo-memory`."""
    return MCNet((name, replace(SIZES["demo"], block_expansion=24, max_features=192)))


@pytest.mark.parametrize("row", [row for row in ROWS if row != "tpsm_backbone"])
def test_the_change_is_the_same_at_demo_size(row: str) -> None:
    """What a row adds to, takes from and widens in the paper's network, it does in the small one."""
    full, small = f"mcnet@{row}", cards.demo_name(f"mcnet@{row}")
    changes = []
    for name, base in ((full, "mcnet"), (small, "mcnet@demo")):
        reference, found = shapes(base), shapes(name)
        if row == "fomm_backbone" and base == "mcnet@demo":  # that row is wider besides, since it has a level less
            reference = shapes(base, wider)
        both = [key for key in found if key in reference]
        reshaped = {key for key in both if found[key] != reference[key]}
        changes.append((set(found) - set(reference), set(reference) - set(found), reshaped))
    assert changes[0] == changes[1]


@pytest.mark.parametrize("row", [*HOSTS, *ABLATIONS])
def test_every_row_renders_at_demo_size(row: str) -> None:
    method, images = methods.create(cards.demo_name(f"mcnet@{row}")), image(1, 128)
    source = method.encode_source(images)
    assert method.render(source, method.encode_motion(images)).shape == images.shape


def test_rows_of_the_papers_own_network() -> None:
    wanted = shapes("mcnet")
    for row in ("full", "memory32", "no_consistency"):
        assert shapes(f"mcnet@{row}") == wanted
    assert methods.registry.get("mcnet@memory32") is methods.registry.get("mcnet")
    assert cards.full_name("mcnet@no_consistency") == "mcnet@no_consistency"  # weights of its own


def test_rows_beyond_the_tables() -> None:
    paper, halves, plain = shapes("mcnet"), shapes("mcnet@mcm_no_split"), shapes("mcnet@mcm")
    style = {key: shape for key, shape in paper.items() if key.startswith(STYLE)}
    assert shapes("mcnet@no_split") == {**halves, **style}
    static = {key: shape for key, shape in plain.items() if not key.startswith("mbUnit.conv_kv")}
    static |= {"mbUnit.conv_kv.weight": (1024, 512, 3, 3), "mbUnit.conv_kv.bias": (1024,)}
    assert shapes("mcnet@mcm_static") == static


@pytest.mark.parametrize(("row", "side"), [("mcm_static", 16), ("mcm_no_dynamic", 14), ("memory64", 32)])
def test_how_many_places_the_memory_has(row: str, side: int) -> None:
    unit = methods.create(f"mcnet@{row}-demo").networks["generator"].mbUnit
    compensated = unit(16, torch.zeros(1, 96, 16, 16), torch.zeros(1, 10, 2))
    assert compensated.key.shape == compensated.value.shape == (1, 32, side, side)


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("mcnet", "mcnet@demo"),
        ("mcnet@demo", "mcnet@demo"),
        ("mcnet@pe10-demo", "mcnet@pe10-demo"),
        ("fomm", "fomm@demo"),
        ("fomm@vox-256", "fomm@demo"),
        ("fomm@memory", "fomm@demo-memory"),
        ("tpsm@vox-256", "tpsm@demo"),
        ("mcnet@tpsm_backbone", "tpsm@demo-memory"),
    ],
)
def test_the_small_model_of_a_name(name: str, small: str) -> None:
    assert cards.demo_name(name) == small
    with torch.device("meta"):
        assert methods.create(small).name == small


def test_what_has_no_demo_size_says_so() -> None:
    with pytest.raises(TalkbenchError, match=r"^dagan@spade has no demo size"):
        cards.demo_name("dagan@spade")
    with pytest.raises(TalkbenchError, match=r"^mcnet@ted-384 has no demo size; that of mcnet is mcnet@demo$"):
        cards.demo_name("mcnet@ted-384")
    with pytest.raises(TalkbenchError, match=r"^oracle has no demo size; methods that have one: .*fomm, mcnet.*, tpsm"):
        cards.demo_name("oracle")
