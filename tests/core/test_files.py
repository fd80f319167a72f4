import pytest

from sora_core.files import remove_unfinished, replacing


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as unfinished:
        unfinished.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_ends_the_block_early_leaves_the_old_file_and_no_other(tmp_path, stop):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(stop), replacing(path) as unfinished:
        unfinished.write_text("new")
        raise stop
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "old"


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the block that ends last
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.mp4", "a.safetensors", "a", ("é" * 120) + ".mp4", ".hidden"])
def test_the_unfinished_file_keeps_its_suffix_and_is_hidden(tmp_path, name):
    with replacing(tmp_path / name) as unfinished:
        unfinished.write_text("new")
        assert unfinished.suffix == (tmp_path / name).suffix or name in ("a", ".hidden")
        assert unfinished.name.startswith(".")
    assert (tmp_path / name).read_text() == "new"


@pytest.mark.parametrize("name", ["a.mp4", "a", ("é" * 120) + ".mp4", ".hidden"])
def test_the_unfinished_files_of_killed_writers_are_removed_and_no_others(tmp_path, name):
    users = [tmp_path / one for one in (name, ".a.part.mp4", ".a-0123.part", "a.part", ".git")]
    for path in users:
        path.write_text("of the user")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / name) as unfinished:
        pass
    unfinished.write_text("half")
    remove_unfinished(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(users)


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(IsADirectoryError), replacing(tmp_path):
        raise AssertionError
