"""`bench train` as a user runs it, on a model and on clips small enough for a step in milliseconds."""

import copy
import json
import multiprocessing
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pytest
import torch
from toy_training import SIZE, frame, tiny, unmeasured

from talkbench import datasets
from talkbench.benchmark.environment import git_state
from talkbench.core.files import sha256_file
from talkbench.core.images import write_png
from talkbench.core.locks import locked
from talkbench.methods.checkpoints import read_metadata
from talkbench.training import session
from talkbench.training.config import load_config
from talkbench.training.data.mixed import Mixed, folders
from talkbench.training.objectives.losses import MultiScaleL1


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames, and a video."""
    root = tmp_path_factory.mktemp("faces")
    for index in range(20):
        write_png(root / "a" / f"{index}.png", frame("a", index))
    with av.open(str(root / "b.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        for index in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame("b", index))))
        container.mux(stream.encode())
    return root


@pytest.fixture
def train(bench, faces, monkeypatch) -> Callable:
    """Trains the tiny model for two epochs of two steps; options given here come last and so win."""
    model, create = tiny(), session.methods.create

    def made(name, weights=None):
        return create(name, weights=weights) if weights else copy.deepcopy(model)

    monkeypatch.setattr(session.methods, "create", made)
    settings = ("repeats=2", "epochs=2", "batch_size=2", "jitter=0", "validation=2", "schedule=milestones")
    usual = ["train", "--method", "mcnet@demo", "--config", "demo", "--dataset", "folder", "--root", faces]
    usual += ["--device", "cpu", "--out", "out", *(word for one in settings for word in ("--set", one))]
    return lambda *options: bench(*usual, *options)


def complaint(result) -> str:
    """The last line of a training that has failed, and there is no traceback above it."""
    assert result.code == 2, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    last = result.err.splitlines()[-1]
    assert last.startswith("bench: ")
    return last


def log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_training_from_start_to_end(train, place):
    result = train()
    assert result.code == 0, result.err
    assert result.out == "weights out/weights.safetensors\n"
    lines = result.err.splitlines()
    assert all(lines), "no line is empty"
    assert re.fullmatch(r"computing with \d+ threads? on \d+ cores?.*", lines[0])
    told = [line for line in lines if line.startswith(("epoch ", "step "))]
    assert [line.partition(":")[0] for line in told] == ["step 2/4", "epoch 1, step 2", "step 4/4", "epoch 2, step 4"]
    for line in told[::2]:
        assert re.search(r"total [\d.]+, lr 0.0005, gradient [\d.]+, [\d.]+ images/s, 0:00:\d\d$", line), line
    assert all("validation/psnr" in line for line in told[1::2])
    assert told[-1] in lines[-2:]  # there is no bar where nobody watches
    files = {path.name for path in (place / "out").iterdir()} - {".lock"}
    assert files == {
        "best.safetensors",
        "log.jsonl",
        "pictures",
        "recipe.yaml",
        "state",
        "training.json",
        "weights.safetensors",
    }
    again = train("--set", "epochs=3")
    assert again.code == 0, again.err
    assert "continuing out at step 4" in again.err
    assert "epoch 3, step 6" in again.err
    assert [entry["step"] for entry in log(place / "out")] == [2, 2, 4, 4, 6, 6]
    assert complaint(train("--set", "lr=0.1")).endswith(
        "out was made with another config (lr: 0.0005, now 0.1); choose another --out or delete that folder"
    )


def test_two_processes_do_not_train_into_one_folder(train, place, monkeypatch):
    monkeypatch.setattr("talkbench.training.session.READERS_END", 0)
    with locked(place / "out", "is here"):
        assert " is training into out; wait until it has finished" in complaint(train())
        assert [path.name for path in (place / "out").iterdir()] == [".lock"]


def test_frames_and_videos_are_read_alike_by_this_process_and_others(train, place):
    assert train("--out", "one").code == 0
    assert train("--out", "three", "--workers", 2).code == 0
    states = [torch.load(place / out / "state" / "00000004.pt", weights_only=True) for out in ("one", "three")]
    for state in states:
        assert state.pop("metadata")["training_id"]  # each of its own
        torch.save(state, place / "state.pt")
        state["bytes"] = (place / "state.pt").read_bytes()
    assert states[0]["bytes"] == states[1]["bytes"]
    assert unmeasured(place / "one") == unmeasured(place / "three")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "epochz=3"), "training config mcnet/demo: there is no entry epochz: did you mean epochs?"),
        (("--set", "weights.consistancy=3"), "no entry weights.consistancy: did you mean consistency"),
        (
            ("--config", "mine.yaml"),
            "training config mine.yaml: there is no entry batch_sise: did you mean batch_size?",
        ),
        (("--set", "epochs=many"), "epochs: Input should be a valid integer"),
        (("--set", "epochs=true"), "epochs: a number is needed, not true or false"),
        (("--set", "milestones=[true]"), "milestones: a number is needed, not true or false"),
        (("--set", "seed=2001-99-99"), "'seed=2001-99-99': the value is not YAML; put it in quotes"),
        (("--config", "weights.yaml"), "weights.yaml: weights is 5 and has to hold a factor for each loss"),
        (("--config", "number.yaml"), "number.yaml, line 2, column 9: 'zz' is no int; mend the YAML"),
        (("--set", "lr=-1"), "lr: Input should be greater than 0"),
        (("--set", "best=akd@mp86"), "unknown metric 'akd@mp86': did you mean akd@mp68?"),
        (("--set", "best=akd"), "best: akd needs s3fd-619a316812.pth"),
        (("--set", "patience=0"), "patience: Input should be greater than 0"),
        (("--set", "patience=2", "--set", "validation=0"), "patience counts validations, and this recipe has none"),
        (("--set", "epochs"), "'epochs' is not of the form name=value; see bench train --help"),
        (("--log-every", "0"), "Invalid value for '--log-every'"),
        (("--set", "batch_size=100"), "an epoch of 4 samples does not fill a batch of 100; raise repeats"),
        (("--method", "mcnet@dmo"), "did you mean mcnet@demo"),
        (("--method", "oracle"), "oracle cannot be trained"),
        (("--dataset", "voxceleb"), "unknown dataset 'voxceleb': did you mean voxceleb2"),
        (("--dataset", "celebv"), "data set celebv has no training part; choose another one"),
        (("--root", "nowhere"), "nowhere; give the one that holds your clips"),
        (("--root", "empty"), "empty holds no videos and no frames for training; add some"),
        (("--root", "one"), "folder: no clip of c has two frames, and training takes pairs"),
        (("--out", "file"), "cannot write file: File exists; choose a folder that can be written"),
        (("--vgg", "nowhere.pth"), "Invalid value for '--vgg': File 'nowhere.pth' does not exist"),
        (
            ("--vgg", "other.pth"),
            "--vgg has no use, since images are compared by multi-scale-l1; add --set image_loss=",
        ),
        (("--vgg", "other.pth", "--set", "image_loss=perceptual"), "other.pth does not hold torchvision's VGG-19 ("),
        (("--set", "image_loss=perceptual"), "image_loss: perceptual needs VGG-19: bench weights pull vgg19, or --vgg"),
        (("--checkpoint", "other.pth"), "other.pth is not a checkpoint of mcnet@demo"),
        (("--checkpoint", "nowhere.pth"), "nowhere.pth does not exist; give the path of a checkpoint for mcnet@demo"),
        (("--precision", "tf32"), "precision=tf32 is of NVIDIA's GPUs, and the device is cpu; use float32 or bf16"),
        (("--device", "cuda:99"), "device 'cuda:99' cannot be used here ("),
        (("--workers", "-1"), "Invalid value for '--workers'"),
    ],
)
def test_a_wrong_option(train, place, options, message):
    (place / "mine.yaml").write_text("extends: mcnet/demo\nbatch_sise: 2\n")
    (place / "weights.yaml").write_text("extends: mcnet/demo\nweights: 5\n")
    (place / "number.yaml").write_text("extends: mcnet/demo\nepochs: !!int zz\n")
    (place / "empty").mkdir()
    write_png(place / "one" / "c" / "0.png", frame("a", 0))
    (place / "file").write_text("")
    torch.save({"a": {"weight": torch.zeros(1)}}, place / "other.pth")
    assert message in complaint(train(*options))
    assert not (place / "out").exists()


def test_a_training_keeps_to_the_weights_that_it_began_with(train, place, monkeypatch):
    """They are told by their contents, whatever their name, and the weights that come out name them."""
    model = tiny()

    def create(name, weights=None):
        method = copy.deepcopy(model)
        method.checkpoint_sha256 = sha256_file(weights) if weights else None
        return method

    monkeypatch.setattr(session.methods, "create", create)
    for name, content in (("x.pth", "x"), ("same.pth", "x"), ("y.pth", "y")):
        (place / name).write_text(content)
    assert train("--checkpoint", "x.pth", "--set", "steps=1").code == 0
    line = complaint(train("--checkpoint", "y.pth"))
    assert "out holds a training that began with x.pth (sha256 2d711642b726…), not with y.pth (sha256 a1fce" in line
    assert line.endswith("leave --checkpoint out to continue it, or choose another --out")
    assert train("--checkpoint", "same.pth", "--set", "steps=2").code == 0
    assert train().code == 0
    for name in ("weights", "best"):
        facts = read_metadata(place / "out" / f"{name}.safetensors")
        assert (facts["checkpoint"], facts["checkpoint_sha256"]) == ("x.pth", sha256_file(place / "x.pth"))
    assert train("--out", "fresh", "--set", "steps=1").code == 0
    assert "began with fresh weights, not with x.pth" in complaint(train("--out", "fresh", "--checkpoint", "x.pth"))
    note = (place / "fresh" / "training.json").read_text()
    (place / "fresh" / "training.json").write_text("{")
    assert "began with fresh weights, not with x.pth" in complaint(train("--out", "fresh", "--checkpoint", "x.pth"))
    again = train("--out", "fresh")
    assert again.code == 0
    assert again.err.startswith("fresh/training.json is damaged (")
    assert "); it is written anew from the last state" in again.err
    assert (place / "fresh" / "training.json").read_text() == note
    (place / "fresh" / "training.json").unlink()
    for path in (place / "fresh" / "state").iterdir():  # as trainings were before
        torch.save({**torch.load(path, weights_only=True), "metadata": {}}, path)
    assert "weights that it has not noted" in complaint(train("--out", "fresh", "--checkpoint", "x.pth"))
    assert "does not say which clips it has seen" in train("--out", "fresh").err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu(train):
    assert complaint(train("--device", "cuda")).endswith("try --device cpu")


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, 130, "stopped"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
)
def test_stopped_by_a_signal(store, train, place, monkeypatch, number, code, words):
    whole = train("--out", "whole")
    loss, calls = MultiScaleL1.forward, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(number)
        return loss(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(MultiScaleL1, "forward", interrupted)
        stopped = train("--workers", 1)
    assert stopped.code == code
    assert stopped.err.splitlines()[-1] == f"bench: {words}; to go on: {shlex.join(sys.argv)}"
    assert "Traceback" not in stopped.err
    experiment = store.get_experiment_by_name("train/folder")
    runs = store.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    rest = train()  # the folder is free again
    assert "continuing out at step 3" in rest.err
    assert rest.code == whole.code == 0
    last = [torch.load(place / out / "state" / "00000004.pt", weights_only=True) for out in ("out", "whole")]
    for key, value in last[0]["networks"].items():
        assert torch.equal(value, last[1]["networks"][key]), key


def test_a_reading_process_that_dies(train, monkeypatch):
    loss, calls = MultiScaleL1.forward, []

    def kill(*arguments):
        calls.append(1)
        if len(calls) == 3:
            for process in multiprocessing.active_children():
                process.kill()
        return loss(*arguments)

    options = ("--workers", 1, "--set", "epochs=20")
    with monkeypatch.context() as patch:
        patch.setattr(MultiScaleL1, "forward", kill)
        assert "a process that reads frames has died" in complaint(train(*options))
    rest = train("--workers", 1)
    assert rest.code == 0, rest.err
    assert "continuing out at step 2" in rest.err


def test_frames_that_cannot_be_read(train, faces, place):
    for clip in "cd":
        for index in range(4):
            write_png(place / "mixed" / clip / f"{index}.png", frame("a", index))
    (place / "mixed" / "c" / "2.png").write_text("no image")
    some = train("--root", "mixed", "--workers", 1, "--set", "repeats=8")
    assert some.code == 0, some.err
    told = [line for line in some.err.splitlines() if "c/2.png" in line]
    assert len(set(told)) == len(told) > 0
    for path in (place / "mixed").glob("*/*.png"):
        path.write_text("no image")
    last = complaint(train("--root", "mixed", "--workers", 1, "--out", "none"))
    assert "bench: 10 frames in a row cannot be read, the last: " in last
    assert last.endswith("; see bench data verify")


def test_losses_validation_and_pictures_arrive_in_mlflow(store, train, place, monkeypatch):
    assert train("--set", "steps=3", "--log-every", 1).code == 0
    rest = train("--log-every", 1, "--json")
    assert rest.code == 0
    answer = json.loads(rest.out)
    assert answer["weights"] == "out/weights.safetensors"
    assert answer["mlflow"]["experiment"] == store.get_experiment_by_name("train/folder").experiment_id
    assert "warning" not in rest.err
    experiment = store.get_experiment_by_name("train/folder")
    (tracked,) = store.search_runs([experiment.experiment_id])
    assert (tracked.info.run_name, tracked.info.status) == ("mcnet@demo", "FINISHED")
    assert tracked.data.params["lr"] == "0.0005"
    assert tracked.data.params["weights.consistency"] == "10.0"
    for name, steps in (("total", [1, 2, 3, 4]), ("consistency", [1, 2, 3, 4]), ("validation/psnr", [2, 3, 4])):
        history = {entry.step: entry.value for entry in store.get_metric_history(tracked.info.run_id, name)}
        assert sorted(history) == steps
        assert history == {entry["step"]: entry[name] for entry in log(place / "out") if name in entry}
    pictures = [file.path for file in store.list_artifacts(tracked.info.run_id, "pictures")]
    assert pictures == [f"pictures/{step:08d}.png" for step in (2, 3, 4)]
    files = {file.path for file in store.list_artifacts(tracked.info.run_id)}
    assert files == {"pictures", "recipe.yaml", "weights.safetensors", "best.safetensors"}
    assert tracked.data.tags["mlflow.source.name"].startswith("bench ")
    assert tracked.data.tags["mlflow.source.git.commit"] == git_state().commit
    (data,) = tracked.inputs.dataset_inputs
    assert data.dataset.name == "folder"
    assert json.loads(data.dataset.source)["root"].endswith("faces0")


def test_a_training_that_fails_has_failed_in_mlflow(store, train, monkeypatch):
    monkeypatch.setattr(MultiScaleL1, "forward", lambda _loss, prediction, _: prediction.mean() * float("nan"))
    assert "the loss is nan at step 0" in complaint(train())
    experiment = store.get_experiment_by_name("train/folder")
    assert [run.info.status for run in store.search_runs([experiment.experiment_id])] == ["FAILED"]


def test_a_training_that_begins_anew_in_its_folder_is_another_run_in_mlflow(store, train, place):
    for _ in range(2):
        assert train("--set", "steps=1").code == 0
        shutil.rmtree(place / "out")
    experiment = store.get_experiment_by_name("train/folder")
    names = {run.data.tags["talkbench.run_id"] for run in store.search_runs([experiment.experiment_id])}
    assert len(names) == 2


def test_a_training_without_mlflow(train, place, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert train("--tracking-uri", "off", "--set", "steps=1").code == 0
    (place / "file").write_text("in the way")
    in_vain = train("--tracking-uri", f"sqlite:///{place}/file/mlflow.db")
    assert in_vain.code == 0
    (warning,) = (line for line in in_vain.err.splitlines() if line.startswith("warning"))
    assert "failed, the run goes on without it" in warning
    monkeypatch.setitem(sys.modules, "mlflow", None)
    missing = train("--set", "epochs=3")
    assert missing.code == 0
    (warning,) = (line for line in missing.err.splitlines() if line.startswith("warning"))
    assert warning == "warning: MLflow is not installed, so the run is not tracked: pip install 'talkbench[full]'"
    assert not (place / "runs").exists()


def test_one_of_several_processes_reports(train, monkeypatch):
    def trained(options, progress):
        return Path("out")

    monkeypatch.setattr(session, "train", trained)
    assert train().out == ""


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        (("--method", "mcnet@ted-384", "--dataset", "ted-talks"), "mcnet/ted-384"),
        (("--method", "mcnet@ted-384", "--config", "released", "--dataset", "ted-talks"), "mcnet/released"),
        (("--method", "mcnet"), "mcnet/released"),
        (("--method", "fomm"), "fomm/released"),
    ],
)
def test_a_configuration_may_have_a_recipe_of_its_own(bench, monkeypatch, options, recipe):
    trained = []
    monkeypatch.setattr(session, "train", lambda options, display: trained.append(session.recipe(options)))
    assert bench("train", *options).code == 0
    wanted = load_config(recipe)
    changed = {"method": options[1], "dataset": "ted-talks"} if "ted-talks" in options else {}
    assert trained == [wanted.model_copy(update=changed)]


def test_several_data_sets_are_trained_on_and_their_folders_told(train, faces, monkeypatch):
    sets = Mixed({name: datasets.create("folder", root=faces) for name in ("folder", "demo")})
    monkeypatch.setattr(session, "training_data", lambda *_: sets)
    result = train("--dataset", "folder,demo", "--tracking-uri", "off")
    assert result.code == 0, result.err
    assert folders(sets) == f"folder={faces}, demo={faces}"
