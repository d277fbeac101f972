"""Places of files on somebody's machine stay there."""

import pytest

from talkbench import results
from talkbench.results.entries import Entry
from talkbench.results.privacy import public, without_folders


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (
            "needs a.pth (https://x.org/a.pth) in /root/.cache/w: pull it",
            "needs a.pth (https://x.org/a.pth) in .../w: pull it",
        ),
        (r"C:\Users\me\x.pth is bad", ".../x.pth is bad"),
        (r"\\server\share\f", ".../f"),
        ("cannot read '/home/John Smith/c.png'", "cannot read '.../c.png'"),
        ("file:///home/me/x.db", ".../x.db"),
        ("~/data/x. Then", ".../x. Then"),
        ("PATH:/usr/bin", "PATH:.../bin"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("in </home/me/x>", "in <.../x>"),
        ("1/2 and/or a / b, ../x", "1/2 and/or a / b, ../x"),
    ],
)
def test_places_of_files_stay_at_home(text: str, clean: str) -> None:
    assert without_folders(text) == clean
    assert without_folders(clean) == clean


def test_a_record_without_its_folders(sound: Entry) -> None:
    command = "bench run --root '/data/my clips' --out=/home/me/run --method mcnet --frames ../x"
    unavailable = [{"name": "lpips", "reason": "needs vgg.pth in /home/me/weights"}]
    record = results.RunRecord.model_validate(
        {**sound.record.model_dump(), "command": command, "unavailable": unavailable}
    )
    clean = public(record)
    assert clean.command == "bench run --root '.../my clips' --out=.../run --method mcnet --frames ../x"
    assert clean.unavailable[0].reason == "needs vgg.pth in .../weights"
    assert clean.protocol_ids == record.protocol_ids
    assert public(clean) == clean
    assert public(record.model_copy(update={"command": "bench run '/half"})).command == "bench run '.../half"
