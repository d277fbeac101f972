"""Whatever a YAML text does to the parser: one line with the file and the place."""

from pathlib import Path

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.core.yaml_files import parse_yaml, read_yaml

FAULTS = {
    "no such day": ("a: 1\nb: 2001-99-99", "line 2, column 4: '2001-99-99' is no timestamp"),
    "no number": ("a: !!int zz", "line 1, column 4: 'zz' is no int"),
    "no truth value": ("a: !!bool zz", "line 1, column 4: 'zz' is no bool"),
    "no date": ("a: !!timestamp zz", "line 1, column 4: 'zz' is no timestamp"),
    "nothing": ('a: !!int ""', "line 1, column 4: '' is no int"),
    "endless number": (f"a: {'9' * 5000}", "line 1, column 4: '999"),
    "deep": ("[" * 2000, "nested too deep"),
    "deep in blocks": ("- " * 3000 + "a", "nested too deep"),
    "open bracket": ("a: [", "line 1, column 5: "),
    "list as key": ("? [a]\n: b", "line 1, column 3: "),
    "code": ("a: !!python/object/apply:os.system [x]", "line 1, column 4: could not determine a constructor"),
    "control": ("a: b\nc: \x00", "line 2: special characters are not allowed"),
    "key twice": ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' stands twice"),
    "unknown alias": ("a: *b", "line 1, column 4: found undefined alias"),
    "alias within": ("a: &a {b: [*a]}", "line 1, column 4: an alias stands inside what it names"),
    "two documents": ("a: 1\n---\nb: 2", "line 2, column 1: but found another document"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_a_line(tmp_path: Path, kind: str) -> None:
    text, message = FAULTS[kind]
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(TalkbenchError) as caught:
        read_yaml(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert message in line
    assert line.isprintable()
    assert len(line) < len(str(path)) + 200


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TalkbenchError, match="there is no file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(TalkbenchError, match="is a folder; give a file"):
        read_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9")
    with pytest.raises(TalkbenchError, match=r"latin\.yaml, line 2: not UTF-8"):
        read_yaml(tmp_path / "latin.yaml")


def test_what_is_right_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("\ufeffa: &x {b: 1}\nc: {<<: *x, b: 2}\nd: 2001-09-09\n", encoding="utf-8")
    content = read_yaml(path)
    assert (content["a"], content["c"], str(content["d"])) == ({"b": 1}, {"b": 2}, "2001-09-09")
    assert parse_yaml("", "nothing") is None
