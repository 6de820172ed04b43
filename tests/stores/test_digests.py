import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_lib.stores.database import Database
from mlops_lib.stores.digests import Digests
from mlops_lib.stores.files import files_of


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / ".mlops")
    yield database
    database.close()


@pytest.fixture
def digests(database: Database) -> Digests:
    return Digests(database)


def settle() -> None:
    """Let files become old enough to be remembered."""
    time.sleep(0.08)


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def spoil(database: Database) -> None:
    """Make every remembered digest wrong, so that one that is used without reading shows."""
    database.write("UPDATE hints SET digest = 'remembered'")


def test_a_digest_depends_on_names_and_content_only(digests: Digests, tmp_path: Path) -> None:
    write(tmp_path / "a/x.txt", "1")
    write(tmp_path / "a/deep/y.txt", "2")
    digest, size = digests.tree(tmp_path / "a")
    assert size == 2
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    os.utime(tmp_path / "b/x.txt", (1, 1))
    (tmp_path / "b/x.txt").chmod(0o600)
    (tmp_path / "b/empty").mkdir()
    assert digests.tree(tmp_path / "b") == (digest, size)


@pytest.mark.parametrize("change", ["content", "name", "folder", "one more"])
def test_a_digest_changes_with(change: str, digests: Digests, tmp_path: Path) -> None:
    write(tmp_path / "a/x.txt", "1")
    before = digests.tree(tmp_path / "a")
    if change == "content":
        write(tmp_path / "a/x.txt", "2")
    elif change == "name":
        (tmp_path / "a/x.txt").rename(tmp_path / "a/y.txt")
    elif change == "folder":
        (tmp_path / "a/d").mkdir()
        (tmp_path / "a/x.txt").rename(tmp_path / "a/d/x.txt")
    else:
        write(tmp_path / "a/y.txt", "")
    assert digests.tree(tmp_path / "a")[0] != before[0]


def test_a_files_digest_covers_its_own_name_and_a_folders_does_not(digests: Digests, tmp_path: Path) -> None:
    one, two = write(tmp_path / "a/x"), write(tmp_path / "b/y")
    assert digests.tree(one) != digests.tree(two)
    two.rename(tmp_path / "b/x")
    assert digests.tree(one) == digests.tree(tmp_path / "b/x")
    assert digests.tree(tmp_path / "a") == digests.tree(tmp_path / "b")


def test_names_and_content_do_not_run_into_each_other(digests: Digests, tmp_path: Path) -> None:
    write(tmp_path / "a/x\n", "1")
    write(tmp_path / "b/x", "\n1")
    assert digests.tree(tmp_path / "a") != digests.tree(tmp_path / "b")


def test_a_file_is_read_once_however_often_it_is_asked_for(database: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "x")
    settle()
    first = Digests(database)
    digest = first.tree(path)
    first.flush()
    assert Digests(database).tree(path) == digest
    spoil(database)
    assert Digests(database).tree(path) != digest, "the file was read again"


def test_an_edit_in_place_with_the_old_time_put_back_is_noticed(database: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "x", "before")
    settle()
    digests = Digests(database)
    digest, state = digests.tree(path), path.stat()
    digests.flush()
    with path.open("r+") as file:
        file.write("AFTER!")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_mtime_ns == state.st_mtime_ns
    assert path.stat().st_size == state.st_size
    assert Digests(database).tree(path) != digest


def test_a_write_within_the_same_tick_of_the_clock_is_noticed(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "x"
    for number in range(200):
        write(path, f"{number:06}")
        digests = Digests(database)
        before = digests.tree(path)
        digests.flush()
        with path.open("r+") as file:
            file.write(f"{number + 1:06}")
        assert Digests(database).tree(path) != before


@pytest.mark.parametrize(("later", "believed"), [(1_000_000, False), (3_000_000_000, True)])
def test_what_was_read_as_soon_as_it_was_written_is_read_again(
        database: Database, tmp_path: Path, later: int, believed: bool) -> None:
    path = write(tmp_path / "x", "content")
    digests = Digests(database)
    before = digests.tree(path)
    digests.flush()
    state = path.stat()
    database.write("UPDATE hints SET digest = 'another', seen = ?", [max(state.st_mtime_ns, state.st_ctime_ns) + later])
    assert (Digests(database).tree(path) != before) is believed


def test_a_file_that_only_we_write_is_not_read_again_even_when_it_is_new(database: Database, tmp_path: Path) -> None:
    digests = Digests(database)
    digests.tree(write(tmp_path / "x"), ours=True)
    digests.flush()
    spoil(database)
    assert Digests(database).tree(tmp_path / "x")[0] != Digests(database).tree(write(tmp_path / "y/x"))[0]


def test_links_count_as_what_they_lead_to(digests: Digests, tmp_path: Path) -> None:
    write(tmp_path / "plain/x", "1")
    write(tmp_path / "plain/d/y", "2")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/x").symlink_to(tmp_path / "plain/x")
    (tmp_path / "linked/d").symlink_to(tmp_path / "plain/d")
    assert digests.tree(tmp_path / "linked") == digests.tree(tmp_path / "plain")
    before = digests.tree(tmp_path / "linked")
    write(tmp_path / "plain/d/y", "3")
    assert digests.tree(tmp_path / "linked") != before


def test_a_link_in_a_circle_ends_in_an_error(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="a link leads back to a folder around it"):
        files_of(tmp_path / "a")


def test_two_links_to_one_folder_are_no_circle(tmp_path: Path) -> None:
    write(tmp_path / "a/real/x")
    (tmp_path / "a/one").symlink_to("real")
    (tmp_path / "a/two").symlink_to("real")
    assert [entry.name for entry in files_of(tmp_path / "a")] == ["one/x", "real/x", "two/x"]


def test_a_dead_link_is_an_error_or_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a/x")
    (tmp_path / "a/.#x").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        files_of(tmp_path / "a")
    assert [entry.name for entry in files_of(tmp_path / "a", dead_links=True)] == ["x"]


def test_pipes_and_sockets_do_not_count_and_are_not_waited_for(digests: Digests, tmp_path: Path) -> None:
    write(tmp_path / "a/x")
    before = digests.tree(tmp_path / "a")
    os.mkfifo(tmp_path / "a/pipe")
    assert digests.tree(tmp_path / "a") == before


def test_any_name_does_that_a_file_system_takes(digests: Digests, database: Database, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/odd"
    os.mkdir(folder)
    for name in (b"latin-\xe9", "snow ☃ 'quoted' $x".encode(), b"new\nline"):
        with open(folder + b"/" + name, "w") as file:
            file.write("x")
    settle()
    first = digests.tree(tmp_path / "odd")
    digests.flush()
    assert Digests(database).tree(tmp_path / "odd") == first


def test_inode_numbers_that_use_all_64_bits_fit(digests: Digests, tmp_path: Path) -> None:
    entry = files_of(write(tmp_path / "a/x").parent)[0]
    fields = list(entry.state)
    fields[1] = (1 << 64) - 3
    times = {"st_mtime_ns": entry.state.st_mtime_ns, "st_ctime_ns": entry.state.st_ctime_ns}
    digests.named([entry._replace(state=os.stat_result(fields, times))])
    digests.flush()


def test_threads_share_one_memory(digests: Digests, tmp_path: Path) -> None:
    for number in range(100):
        write(tmp_path / f"a/{number}", str(number))
    expected = digests.tree(tmp_path / "a")
    found = []

    def work() -> None:
        for _ in range(20):
            found.append(digests.tree(tmp_path / "a"))
            digests.flush()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 80


def test_without_a_right_to_write_nothing_is_remembered_and_all_works(database: Database, tmp_path: Path) -> None:
    database.writable = False
    digests = Digests(database)
    digests.tree(write(tmp_path / "x"))
    digests.flush()
    assert database.rows("SELECT * FROM hints") == []
