"""Any independent functions, and the rows of an ablation among them, spread over processes."""

import os
from functools import partial
from pathlib import Path

import forked
import pytest

from talkbench.benchmark.engines import processes
from talkbench.benchmark.engines.calls import call_all
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError
from talkbench.core.images import read_image


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "get_context", lambda _: forked.context())


class Told(Progress):
    """Remembers how many workers there were."""

    most = 0

    def workers(self, alive: int, total: int) -> None:
        self.most = max(self.most, alive)


def test_every_function_is_called_in_some_worker(place):
    told = Told()
    calls = [partial(pow, 2, exponent) for exponent in range(9)] + [os.getpid, Path.cwd]
    results = list(call_all(calls, "processes:2", "cpu", told))
    assert {2**exponent for exponent in range(9)} <= set(results)
    assert place in results
    assert os.getpid() not in results
    assert told.most == 2
    assert list(call_all(calls[:3], "local", "cpu", told)) == [1, 2, 4]
    assert list(call_all([], "processes:2", "cpu", told)) == []


def test_an_error_comes_back_as_it_is():
    with pytest.raises(PairError, match=r"nothing\.png") as caught:
        list(call_all([partial(read_image, Path("nothing.png"))], "processes:2", "cpu", Progress()))
    assert caught.value.reason == "undecodable-frame"
    with pytest.raises(ZeroDivisionError) as crash:
        list(call_all([partial(divmod, 1, 0)], "processes:2", "cpu", Progress()))
    assert "in a worker:\nTraceback" in crash.value.__notes__[0]


def test_the_rows_of_an_ablation(bench, place):
    """Each in a worker; here none can be trained, which costs each its own row."""
    ended = bench("train", "--ablation", "table2", "--config", "demo", "--set", "nothing=1", "--engine", "processes:2")
    assert ended.code == 2
    assert ended.out.count("nothing") == len(ended.out.splitlines()) > 2
    assert ended.err.splitlines()[-1].endswith("of the rows failed; repeat the command to try them again")
    assert len(list((place / "ablations" / "table2-demo" / "logs").glob("worker-*.log"))) == 2
    refused = bench("train", "--method", "mcnet", "--config", "demo", "--engine", "processes:2")
    assert "--engine is for --ablation" in refused.err
