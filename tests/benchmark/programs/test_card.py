"""Cards of programs: those in the tree are whole, and a faulty one is refused with the remedy."""

import re

import pytest

from talkbench.benchmark.programs.card import ProgramCard
from talkbench.benchmark.programs.check import DESCRIBED
from talkbench.benchmark.programs.names import card_path, names
from talkbench.benchmark.programs.program import load
from talkbench.benchmark.programs.templates import arguments
from talkbench.core.cards import parse_card, read_card
from talkbench.core.errors import TalkbenchError

SOUND = {
    "granularity": "clip",
    "places": {"checkout": "."},
    "command": ["run", "{source}", "{driving}", "{out}"],
    "motions": {"absolute": []},
    "crop": "none",
    "frames": {},
    "output": {"form": "video", "files": "*.mp4"},
}


@pytest.mark.parametrize("name", names())
def test_the_cards_in_the_tree_say_what_decides_a_number(name):
    card = read_card(ProgramCard, card_path(name))
    assert {"checkout", "python"} <= set(card.places)
    assert not any(card.places.values())
    assert card.output.size
    assert card.input.size
    assert all(card.licence.model_dump(include={"code", "weights"}).values())
    assert set(DESCRIBED) >= {"short", "paper", "memory"}
    assert card.short
    assert card.paper.startswith("https://arxiv.org/abs/")


@pytest.mark.parametrize(
    ("name", "motion", "words"),
    [
        ("liveportrait-original", "absolute",
         "P inference.py -s S.png -d D.mp4 -o O --no_flag_pasteback --no_flag_do_crop --no_flag_relative_motion"),
        ("liveportrait-original", "relative",
         "P inference.py -s S.png -d D.mp4 -o O --no_flag_pasteback --no_flag_do_crop"),
        ("fomm-original", "relative",
         "P demo.py --config Y --checkpoint C --source_image S.png --driving_video D.mp4 --result_video O/result.mp4 "
         "--relative --adapt_scale"),
        ("tpsm-original", "absolute",
         "P demo.py --config Y --checkpoint C --source_image S.png --driving_video D.mp4 --result_video O/result.mp4 "
         "--mode standard"),
    ],
)  # fmt: skip
def test_the_commands_of_the_cards_in_the_tree(name, motion, words):
    values = {"python": "P", "yaml": "Y", "checkpoint": "C", "source": "S.png", "driving": "D.mp4", "out": "O"}
    card = read_card(ProgramCard, card_path(name))
    assert " ".join(arguments(card.command, values, card.motions[motion])) == words


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"command": ["run", "{sorce}", "{driving}", "{out}"]}, "the unknown field {sorce}: did you mean source?"),
        ({"command": ["run", "{source}", "{driving}"]}, "neither command nor config has {out}"),
        ({"command": ["run", "{source}", "{driving}", "{out}", "{config}"]}, "the unknown field {config}"),
        ({"command": []}, "command: list should have at least 1 item"),
        ({"command": ["run", True]}, "command.1: input should be a valid string"),
        ({"folder": "{out}"}, "folder has the unknown field {out}"),
        ({"places": {}}, "places lack the checkout"),
        ({"places": {"checkout": ".", "source": "x"}}, "a place cannot be called 'source'"),
        ({"motions": {"relative": ["--relative"]}}, "the command has no {motion} to put them in"),
        ({"motions": {"sideways": []}}, "motions.sideways"),
        ({"command": ["run", "--m={motion}", "{source}", "{driving}", "{out}"]}, "an argument of its own"),
        ({"output": {"form": "video", "files": "../*.mp4"}}, "does not lie below {out}"),
        ({"output": {"form": "video", "files": "*", "cut": {"columns": 2, "column": 2}}}, "counted from 0"),
        ({"granularity": "list", "command": ["run", "{pairs}", "{out}"]}, "its files have {number} in their names"),
        ({"granularity": "pair", "input": {"driving": "image"}, "motions": {"relative": []}}, "needs its {reference}"),
        ({"input": {"driving": "image"}}, "write granularity: pair for an image"),
        ({"frames": {"rate": True}}, "a number is needed, not true or false"),
        ({"frames": {"rate": 0}}, "frames.rate"),
        ({"frames": {"drop": 1}}, "unknown key 'frames.drop': did you mean dropped?"),
        ({"config": {"file": "../x.yaml", "content": {}}}, "is no plain file name"),
        ({"config": {"file": "out", "content": {}}}, "is the name of another file of a call"),
        ({"output": {"form": "video", "files": "{seed}.mp4"}}, "output has the unknown field {seed}: no field may"),
        ({"output": {"form": "video", "files": "a**b"}}, "output.files: 'a**b' is no pattern of files"),
        ({"output": {"form": "video", "files": "."}}, "output.files: '.' is no pattern of files"),
        ({"weights": [""]}, "weights.0: '' is no pattern of files"),
        ({"frames": {"offset": 10**20}}, "frames.offset: input should be less than or equal to"),
        ({"frames": {"rate": 1e300}}, "frames.rate: input should be less than or equal to"),
        ({"input": {"size": 10**9}}, "input.size: input should be less than or equal to"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0"),
        ({"crop": None}, "crop: input should be 'none', 'crop' or 'paste-back'"),
    ],
)  # fmt: skip
def test_a_faulty_card_is_refused(changes, said):
    with pytest.raises(TalkbenchError, match=re.escape(said)):
        parse_card(ProgramCard, {**SOUND, **changes}, "mine.yaml")


def test_numbers_are_arguments_and_braces_are_text():
    command = ["run", "--frames", -1, "{source}", "{driving}", "{out}", '{"a": 1}']
    card = parse_card(ProgramCard, {**SOUND, "command": command}, "mine.yaml")
    values = {"source": "s", "driving": "d", "out": "o"}
    assert arguments(card.command, values, ()) == ["run", "--frames", "-1", "s", "d", "o", '{"a": 1}']


def test_paths_of_a_card_are_relative_to_it_and_those_of_the_command_line_are_not(card, place, monkeypatch):
    path = card()
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert load(str(path)).places["checkout"].parent == place
    assert load(str(path), {"checkout": ".", "timeout": 2.5}).places["checkout"] == place / "elsewhere"


def test_weights_are_relative_to_the_card_too(card, place, monkeypatch):
    (place / "own.pth").write_bytes(b"x")
    path = card(weights=["own.*"])
    monkeypatch.chdir("/")
    assert load(str(path)).weight_files == {"own.*": [place / "own.pth"]}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"checkout": "~nobody-has-this-name/x"}, "--set checkout: there is no "),
        ({"checkout": 7}, "--set checkout=7: YAML takes this for no text"),
        ({"checkout": None}, "mine needs paths of this machine: give --set checkout=PATH"),
        ({"timeout": 0}, "--set timeout=0: give a number of seconds"),
        ({"timeout": float("nan")}, "--set timeout=nan: give a number of seconds"),
        ({"seed": -1}, "--set seed=-1: give a whole number that is not negative"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(card, settings, said):
    with pytest.raises(TalkbenchError, match=re.escape(said)):
        load(str(card()), settings)


def test_programs_are_listed_and_shown(bench):
    assert "tpsm-original" in bench("list", "programs").out
    shown = bench("show", "program", "tpsm-original").out
    assert card_path("tpsm-original").read_text() in shown.replace("\n\n", "\n") + "\n"
    assert '"granularity": "clip"' in bench("show", "tpsm-original", "--json").out
