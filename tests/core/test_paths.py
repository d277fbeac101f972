from pathlib import Path

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import home, inside


def test_home_is_chosen_by_the_environment(monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", "~/somewhere")
    assert home() == Path.home() / "somewhere"
    monkeypatch.delenv("TALKBENCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert home().name == "talkbench"


def test_paths_below_the_root_pass(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "clips")
    for relative in ["clips/a.mp4", "clips/../b.mp4", "link/a.mp4", "id#x#1..2"]:
        assert inside(tmp_path, relative) == (tmp_path / relative).resolve()


@pytest.mark.parametrize("relative", ["..", "../sibling", "clips/../../sibling", "/etc/passwd", "out/secret"])
def test_paths_that_leave_the_root_are_refused(tmp_path, relative):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "root-sibling").mkdir()
    (root / "out").symlink_to(tmp_path / "root-sibling")
    with pytest.raises(TalkbenchError, match="leaves the data root") as caught:
        inside(root, relative)
    assert relative in str(caught.value)
