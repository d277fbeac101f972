"""Which objective trains a method: the nearest one's in the order of its classes, other packages' among them."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_training

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import Registry
from talkbench.methods.baselines import CopySource
from talkbench.methods.mcnet import MCNet
from talkbench.methods.registration import families
from talkbench.training import objectives
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.objectives.mcnet import MCNetObjective
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.tpsm import TPSMObjective

TESTS = Path(__file__).parents[2]
TRAINED = [name for name, card in families().items() if card.recipe]

PLUGIN = """
import torch
from torch import nn
from talkbench.methods.interface import Method
from talkbench.methods.mcnet import MCNet
from talkbench.training.objectives.objective import Objective

class Blend(nn.Module):
    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

class Tiny(Method):
    name, resolution, settings = "tiny", 32, {}
    encode_source = encode_motion = transfer = render = None
    def __init__(self, weights=None):
        self.networks = {"blend": Blend()}

class TinyObjective(Objective):
    trains = Tiny
    def random(self, draw):
        return draw.normal(1, 1, 1)
    def terms(self, source, driving, random):
        share = self.networks["blend"].share
        return self.image_term(share * source + (1 - share) * (driving + 0.01 * random), driving)

class Rival(TinyObjective):
    trains = MCNet

class Aimless(Objective):
    random = terms = None
"""

ENTRY_POINTS = """
[talkbench.methods]
tiny = tiny:Tiny
[talkbench.objectives]
tiny = tiny:TinyObjective
rival = tiny:Rival
aimless = tiny:Aimless
absent = no_such_module:Objective
mcnet = tiny:Rival
"""

PROGRAM = """
import sys, toy_training, torch
from pathlib import Path
from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods.registration import families
from talkbench.training import objectives
from talkbench.training.config import LossWeights, TrainConfig
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.progress import TrainProgress
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.world import World
method = methods.create("tiny")
config = TrainConfig(method="tiny", dataset="toy", epochs=1, repeats=2, steps=1, batch_size=2, jitter=0, validation=0)
pairs, cpu = FramePairs(toy_training.Toy(), config, 32), World(torch.device("cpu"))
Trainer(method, config, pairs, Path("out"), MultiScaleL1(), cpu, LoopOptions(), TrainProgress()).run()
print("share", method.networks["blend"].share.item())
for name in ("mcnet@demo", "oracle"):
    try:
        objectives.create(methods.create(name), MultiScaleL1(), LossWeights())
    except TalkbenchError as error:
        print(error)
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[Objective]:
    """That of the objectives, open to additions for the time of a test."""
    objectives.registry.names()
    monkeypatch.setattr(objectives, "registry", copy.deepcopy(objectives.registry))
    return objectives.registry


@pytest.fixture
def run_beside_plugin(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a program where another package has brought a method and objectives."""
    info = tmp_path / "site" / "tiny-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: talkbench-tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (info.parent / "tiny.py").write_text(PLUGIN)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (info.parent, TESTS)))}

    def run(program: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)

    return run


def test_an_objective_of_another_package_trains(run_beside_plugin) -> None:
    """A step by Adam of `lr`, towards the driving frame; what is wrong with its siblings is said once.

    That MCNet has two is refused where it is to be trained.
    """
    result = run_beside_plugin(PROGRAM)
    assert result.returncode == 0, result.stderr
    share, rivals, error = result.stdout.splitlines()
    assert float(share.split()[1]) == pytest.approx(0.5 - 2e-4)
    assert rivals == (
        "mcnet@demo has several objectives, 'mcnet' and 'rival' of talkbench-tiny, which all train MCNet in the stage "
        "main; let each train a class of its own (`trains`) or be another `stage`, or uninstall one"
    )
    warnings = [line for line in result.stderr.splitlines() if line.startswith("objective ")]
    assert [line.partition(";")[0].partition(":")[0] for line in warnings] == [
        "objective 'mcnet' of talkbench-tiny is left out, since its name is taken already",
        "objective 'absent' of talkbench-tiny is left out, since it cannot be imported",
        "objective 'aimless' of talkbench-tiny is left out, since it trains no class of methods",
    ]
    assert f"since it has no objective; methods that have one: {', '.join(sorted([*TRAINED, 'tiny']))};" in error


def test_the_nearest_class_decides(registry: Registry[Objective]) -> None:
    class Child(MCNet):
        pass

    class Grandchild(Child):
        pass

    assert objectives.find(Grandchild, "grandchild") is MCNetObjective

    @registry.register("child")
    class ChildObjective(MCNetObjective):
        trains = Child

    assert objectives.find(Grandchild, "grandchild") is objectives.find(Child, "child") is ChildObjective
    assert objectives.find(MCNet, "mcnet") is MCNetObjective


@pytest.mark.parametrize(
    ("name", "objective"),
    [("mcnet@pe10", MCNetObjective), ("fomm@memory", MCNetObjective), ("tpsm@memory", TPSMObjective)],
)
def test_variants_are_trained_as_their_methods(name: str, objective: type[Objective]) -> None:
    assert objectives.find(methods.class_of(name), name) is objective


def test_the_objective_is_made_for_the_method() -> None:
    method = toy_training.tiny()
    objective = objectives.create(method, MultiScaleL1(), LossWeights())
    assert type(objective) is MCNetObjective
    assert objective.networks["generator"] is method.generator


def test_what_cannot_be_trained_is_told_what_can(registry: Registry[Objective]) -> None:
    with pytest.raises(TalkbenchError) as caught:
        objectives.create(methods.create("copy-source"), MultiScaleL1(), LossWeights())
    assert str(caught.value) == (
        f"copy-source cannot be trained, since it has no objective; methods that have one: {', '.join(TRAINED)}; see "
        "docs/training.md for methods of your own"
    )

    @registry.register("copy")
    class CopyObjective(MCNetObjective):
        trains = CopySource

    assert objectives.find(CopySource, "copy-source") is CopyObjective
    with pytest.raises(TalkbenchError, match=rf"^oracle .* that have one: {', '.join(['copy-source', *TRAINED])};"):
        objectives.find(methods.class_of("oracle"), "oracle")
