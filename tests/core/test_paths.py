import pytest
from hypothesis import given
from hypothesis import strategies as st

from sora_core.errors import PathError
from sora_core.paths import inside


@pytest.mark.parametrize(
    "name",
    ["a", "clips/a b.mp4", "ночь/шар.mp4", ".hidden", "a..b", "...a", "com/console.txt", "é" * 127],
)
def test_a_plain_name_is_joined_to_its_folder(tmp_path, name):
    assert inside(tmp_path, name) == tmp_path.resolve() / name


@given(st.text() | st.text("./a ~:") | st.text("./a"))
def test_any_text_is_joined_inside_or_refused(tmp_path_factory, name):
    root = tmp_path_factory.getbasetemp()
    try:
        path = inside(root, name)
    except PathError as refused:
        assert len(str(refused)) <= 200
    else:
        assert root.resolve() in path.parents


def test_a_link_is_followed_within_the_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert inside(tmp_path, "link/a") == tmp_path.resolve() / "real" / "a"


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert inside(tmp_path / "root", "a") == tmp_path.resolve() / "real" / "a"
