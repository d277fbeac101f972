"""`bench run --config`: options in a file, and the file of a run that was made."""

import shlex

import pytest
import yaml

from talkbench.benchmark.cli.main import bench as group
from talkbench.benchmark.cli.run import command
from talkbench.benchmark.cli.run_file import NOT_IN_FILES


@pytest.fixture
def configured(bench, place, clips):
    """Runs with a file of this content, and options on the command line."""

    def run(content, *options):
        (place / "run.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return bench("run", "--config", "run.yaml", *options)

    return run


def test_a_file_has_the_options_of_a_run(configured, clips):
    options = {
        "method": "blend",
        "dataset": "tiny",
        "root": str(clips),
        "metrics": ["l1", "psnr"],
        "limit": 4,
        "batch_size": 2,
        "set": {"noise": 0.25},
        "save-frames": True,
        "resume": False,
        "task": None,
    }
    result = configured(yaml.safe_dump(options) + "tracking-uri: off\n")
    assert result.code == 0, result.err
    record = result.record
    assert [spec.name for spec in record.metrics] == ["l1", "psnr"]
    assert (record.dataset.pairs, record.batch_size, record.method.settings["noise"]) == (4, 2, 0.25)
    assert len(list((result.store.folder / "frames").iterdir())) == 4
    typed = shlex.split(record.command)
    assert typed[:2] == ["bench", "run"]
    assert {"--method=blend", "--set=noise=0.25", "--tracking-uri=off", "--save-frames"} <= set(typed)
    assert not any("config" in word for word in typed), "the record needs no file"


def test_options_on_the_command_line_win(configured, clips):
    content = {"method": "copy-source", "dataset": "tiny", "root": str(clips), "metrics": "psnr", "set": {"noise": 1}}
    record = configured(content, "--method", "blend", "--metrics", "l1", "--set", "noise=0.5").record
    assert (record.method.name, [spec.name for spec in record.metrics]) == ("blend", ["l1"])
    assert record.method.settings["noise"] == 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("metod: blend", "run.yaml: there is no option 'metod'; did you mean method?"),
        ("config: other.yaml", "run.yaml: there is no option 'config'"),
        ("resume: 3", "run.yaml: resume is 3; write true or false"),
        ("limit: {a: 1}", "run.yaml: limit takes one value or a list"),
        ("method: blend\ndataset: tiny\nlimit: many", "'many' is not a valid integer range (in run.yaml)"),
        ("method: blend\ndataset: tny", "did you mean tiny?"),
        ("- method", "run.yaml holds no options; write one on each line"),
        ("method: [", "mend the YAML"),
        ("method: blend", "Missing option '--dataset'"),
    ],
)
def test_faulty_files(configured, content, message):
    assert message in configured(content).complaint()


def test_a_file_that_is_not_there(bench):
    assert "'nowhere.yaml' does not exist" in bench("run", "--config", "nowhere.yaml").complaint()


def test_every_option_may_stand_in_a_file(configured):
    """Each has a name of its own; those of every command are among them."""
    group.get_command(None, "run")
    names = [max(option.opts, key=len).removeprefix("--") for option in command.params]
    content = dict.fromkeys(set(names) - NOT_IN_FILES)
    assert "Missing option '--dataset'" in configured(content).complaint()


def test_a_run_becomes_a_file_that_makes_it_once_more(score, bench, place):
    made = score("--set", "noise=0.25", "--limit", 3, "--resume", "-q", "--out", "runs/a b")
    shown = bench("show", "runs/a b", "--as-config")
    assert shown.code == 0, shown.err
    options = yaml.safe_load(shown.out)
    assert options["set"] == {"noise": 0.25}
    assert (options["method"], options["protocol"], options["task"]) == ("blend", "talkbench-1", "same-identity")
    assert not {"out", "resume", "quiet"} & set(options)
    (place / "again.yaml").write_text(shown.out)
    again = bench("run", "--config", "again.yaml")
    assert again.code == 0, again.err
    assert again.record.run_id != made.record.run_id
    assert again.record.differences(made.record) == []


def test_what_becomes_no_file(score, bench):
    folder = score("--limit", 1).store.folder
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"bench run ', '"talkbench.evaluate '))
    assert "was not made by bench run" in bench("show", folder, "--as-config").complaint()
    assert "--as-config is for a run" in bench("show", "mcnet", "--as-config").complaint()
