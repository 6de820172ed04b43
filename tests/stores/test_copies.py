from pathlib import Path

from mlops_lib.stores.copies import holds_something_else, remember


def test_a_folder_is_known_once_an_output_was_copied_to_it(tmp_path: Path) -> None:
    store, target = tmp_path / ".mlops", tmp_path / "out"
    store.mkdir()
    assert not holds_something_else(store, target)
    target.mkdir()
    assert not holds_something_else(store, target)  # there is nothing in it
    (target / "x").touch()
    assert holds_something_else(store, target)
    remember(store, target)
    assert not holds_something_else(store, target)
    assert holds_something_else(tmp_path / "another/.mlops", target)


def test_a_folder_is_the_same_whatever_way_leads_to_it_and_a_link_is_only_a_link(tmp_path: Path) -> None:
    store, target = tmp_path / ".mlops", tmp_path / "real/out"
    store.mkdir()
    target.mkdir(parents=True)
    (target / "x").touch()
    (tmp_path / "way").symlink_to("real")
    (tmp_path / "link").symlink_to("real/out")
    assert not holds_something_else(store, tmp_path / "link")
    assert holds_something_else(store, tmp_path / "way/out")
    remember(store, target)
    assert not holds_something_else(store, tmp_path / "way/out")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    assert not holds_something_else(tmp_path / ".mlops", tmp_path / "x")
