"""The moving picture beside the entries, with which the site opens, and the still one for those who want no motion."""

import pytest
from PIL import Image

from talkbench.core.errors import TalkbenchError
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board_pages import CONTEST, STILL
from talkbench.reports.leaderboard.build import build_site


def files(folder) -> dict[str, bytes]:
    return build_site([], Cards(), folder=folder).render()


@pytest.fixture
def folder(tmp_path):
    pictures = [Image.new("RGB", (60, 20), colour) for colour in ("red", "blue")]
    pictures[0].save(tmp_path / CONTEST, save_all=True, append_images=pictures[1:], duration=40, loop=0)
    pictures[0].save(tmp_path / STILL)
    return tmp_path


def test_the_first_page_opens_with_it(folder):
    site = files(folder)
    page = site["index.html"].decode()
    assert site[CONTEST] == (folder / CONTEST).read_bytes()
    assert f'<source media="(prefers-reduced-motion: reduce)" srcset="{STILL}">' in page
    assert f'<img src="{CONTEST}" width="60" height="20" alt="A row for each person, moving:' in page


@pytest.mark.parametrize("missing", [CONTEST, STILL])
def test_a_board_without_one_opens_without_it(folder, missing):
    (folder / missing).unlink()
    site = files(folder)
    assert not {CONTEST, STILL} & site.keys()
    assert "opening" not in site["index.html"].decode().partition("</style>")[2]
    assert "opening" not in files(None)["index.html"].decode().partition("</style>")[2]


def test_what_is_no_picture_is_refused(folder):
    (folder / STILL).write_text("<script>")
    with pytest.raises(TalkbenchError, match="is no WebP picture; make it anew with bench figure --video"):
        files(folder)
