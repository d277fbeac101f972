"""The table of the metrics' model files: what it says, and what is said of files that are not right."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import RemoteFile, note
from talkbench.metrics import weights
from talkbench.metrics.weights import FileCard

TABLE = {
    "eyes": FileCard(path="lab/eyes.pth", url="https://lab.example/eyes.pth", sha256="11f355bf06", licence="MIT"),
    "mouth": FileCard(path="lab/mouth.pth", url="https://lab.example/mouth.pth", licence="CC BY-NC 4.0"),
    "body": FileCard(path="other/body.pth", page="the README of body", licence="MIT"),
    "hub": FileCard(path="py-feat/nose/model.safetensors", hub="py-feat/nose", licence="MIT"),
    "cached": FileCard(path="lab/ear.pth", page="p", licence="MIT", elsewhere=("{torch}/hub/checkpoints/ear.pth",)),
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return weights.store()


@pytest.fixture
def table(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "cards", lambda: TABLE)


def put(path: Path, content: bytes = b"weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_table_is_whole(store: Path) -> None:
    files = weights.files()
    assert len({file.path for file in files.values()}) == len(files)
    for name, file in files.items():
        assert file.licence, name
        assert file.page, name
        assert file.url == "" or file.url.startswith("https://"), name
        assert re.fullmatch(r"(?:[0-9a-f]{8,64})?", file.sha256), name
        assert re.fullmatch(r"(?:[0-9a-f]{40})?", file.git_blob), name
        assert weights.status(name) in ("missing", "present"), name  # py-feat may hold some of its own


def test_no_address_moves() -> None:
    for name, file in weights.files().items():
        words = {word for part in file.url.split("/") for word in part.split("?")}
        assert not words & {"main", "master", "latest", "HEAD", "raw"}, name
        assert bool(file.revision) == ("{commit}" in file.url), name


def test_digits_in_a_published_name_are_those_of_the_table() -> None:
    """PyTorch's convention: the first digits of the sha256 end the name (docs/specs/evaluation.md 5.2)."""
    named = {
        name: found.group(1)
        for name, file in weights.files().items()
        if (found := re.search(r"-([0-9a-f]{8,10})\.pth", file.path))
    }
    assert set(named) == {"s3fd", "fan-2d", "vgg16", "vgg19", "alexnet", "inception-fid", "efficientnet-lite0"}
    for name, digits in named.items():
        assert weights.files()[name].sha256.startswith(digits)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"licens": "MIT"}, "unknown key 'licens': did you mean licence?"),
        ({"path": 5}, "path: input should be a valid string"),
        ({"elsewhere": "{torch}/eyes.pth"}, "elsewhere: input should be a valid list"),
        ({"size": "large"}, "size: input should be a valid integer, unable to parse string as an integer"),
    ],
)
def test_an_entry_that_does_not_fit_is_refused(
    entry: dict[str, object], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.yaml"
    path.write_text(yaml.safe_dump({"eyes": {"path": "lab/eyes.pth", "page": "p", "licence": "MIT", **entry}}))
    monkeypatch.setattr(weights, "TABLE", path)
    with pytest.raises(TalkbenchError) as caught:
        weights.cards.__wrapped__()
    assert str(caught.value) == f"'eyes' in {path} does not fit: {fault}"


@pytest.mark.usefixtures("table")
def test_missing_files_are_one_line_with_url_folder_and_command(store: Path) -> None:
    assert weights.problem("eyes") == (
        f"needs eyes.pth (https://lab.example/eyes.pth) in {store}/lab: bench weights pull eyes"
    )
    assert weights.problem("eyes", "mouth") == (
        "needs eyes.pth (https://lab.example/eyes.pth), mouth.pth (https://lab.example/mouth.pth) "
        f"in {store}/lab: bench weights pull eyes mouth"
    )
    hub = "https://huggingface.co/py-feat/nose"
    assert weights.problem("mouth", "body", "hub") == (
        f"needs lab/mouth.pth (https://lab.example/mouth.pth), py-feat/nose/model.safetensors ({hub}) in {store}: "
        "bench weights pull mouth hub; "
        f"body.pth (the README of body) in {store}/other: bench weights add FILE --as body"
    )
    with pytest.raises(TalkbenchError, match=r"unknown weight file 'mout': did you mean mouth\?"):
        weights.problem("mout")


@pytest.mark.usefixtures("table")
def test_a_damaged_file_is_refused_with_the_remedy(store: Path) -> None:
    path = put(store / "lab" / "eyes.pth")
    found = hashlib.sha256(b"weights").hexdigest()[:12]
    line = (
        f"needs a sound eyes.pth: {path} has the sha256 {found}… instead of 11f355bf06…; delete it and fetch it anew: "
        "bench weights pull eyes"
    )
    assert weights.problem("eyes") == line
    assert weights.status("eyes") == "damaged"
    with pytest.raises(TalkbenchError, match=re.escape(line)):
        weights.path("eyes")


@pytest.mark.usefixtures("table")
def test_a_file_without_published_hash_must_stay_as_it_came(store: Path) -> None:
    path = put(store / "lab" / "mouth.pth")
    assert (weights.status("mouth"), weights.problem("mouth")) == ("present", None)
    note(path)
    assert (weights.status("mouth"), weights.path("mouth")) == ("as added", path)
    put(path, b"weight")
    assert weights.status("mouth") == "damaged"
    with pytest.raises(TalkbenchError, match=r"mouth.pth has the sha256 .* which it came with; delete it and fetch it"):
        weights.path("mouth")


@pytest.mark.usefixtures("table")
def test_a_published_hash_makes_a_file_official(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(store / "lab" / "eyes.pth")
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setitem(TABLE, "eyes", TABLE["eyes"].model_copy(update={"sha256": digest[:8]}))
    assert (weights.status("eyes"), weights.path("eyes")) == ("official", path)
    assert weights.digests("eyes") == digest[:12]


@pytest.mark.usefixtures("table")
def test_a_library_s_own_copy_is_found_and_the_store_s_preferred(store: Path, tmp_path: Path) -> None:
    assert weights.status("cached") == "missing"
    library = put(tmp_path / "torch" / "hub" / "checkpoints" / "ear.pth")
    assert (weights.find("cached"), weights.status("cached")) == (library, "present")
    ours = weights.add(put(tmp_path / "download.bin", b"other"), "cached")
    assert ours == weights.find("cached") == store / "lab" / "ear.pth"
    assert weights.status("cached") == "as added"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        *((name, "hub/checkpoints") for name in ("s3fd", "fan-2d", "vgg16", "vgg19", "alexnet", "inception-fid")),
        ("facenet-vggface2", "checkpoints"),
    ],
)
def test_files_are_found_where_their_libraries_keep_them(
    name: str, folder: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemoteFile, "fault", lambda self, path: None)
    path = put(tmp_path / "torch" / folder / Path(weights.files()[name].path).name)
    assert weights.path(name) == path
    assert weights.problem(name) is None
    assert weights.digests(name) == hashlib.sha256(b"weights").hexdigest()[:12]


@pytest.mark.usefixtures("table")
def test_a_file_is_recognised_by_hash_then_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = hashlib.sha256(b"eyes").hexdigest()[:10]
    monkeypatch.setitem(TABLE, "eyes", TABLE["eyes"].model_copy(update={"sha256": sha256}))
    assert weights.recognise(put(tmp_path / "a" / "download(1)", b"eyes")) == "eyes"
    assert weights.recognise(put(tmp_path / "a" / "body.pth")) == "body"
    assert weights.recognise(put(tmp_path / "a" / "body.pth", b"eyes")) == "eyes"
    assert weights.recognise(put(tmp_path / "a" / "eyes.pth")) == "eyes"
    assert weights.recognise(put(tmp_path / "a" / "x.pth")) is None
    assert weights.recognise(put(tmp_path / "a" / "model.safetensors")) is None, "many models have that name"
    assert weights.recognise(put(tmp_path / "metrics" / "py-feat" / "nose" / "model.safetensors")) == "hub"


@pytest.mark.usefixtures("table")
def test_the_wrong_file_is_not_added(tmp_path: Path, store: Path) -> None:
    path = put(tmp_path / "eyes.pth")
    with pytest.raises(TalkbenchError, match=r"eyes.pth is not the published eyes: it has the sha256 .*; fetch it"):
        weights.add(path, "eyes")
    with pytest.raises(TalkbenchError, match=r"mouth.pth is not the published mouth: it is empty"):
        weights.add(put(tmp_path / "mouth.pth", b""), "mouth")
    assert not store.exists()


@pytest.mark.usefixtures("table")
def test_what_only_people_can_fetch_is_not_pulled() -> None:
    with pytest.raises(
        TalkbenchError, match=r"^body is to be fetched by hand: the README of body; then: bench weights"
    ):
        weights.pull("body")
