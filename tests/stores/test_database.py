import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlops_lib.errors import RunError
from mlops_lib.stores import database
from mlops_lib.stores.database import Database, translated

OPEN = (
    "import sys; from pathlib import Path; from mlops_lib.stores.database import Database; Database(Path(sys.argv[1])).close()"
)


def insert(database: Database, step: str) -> None:
    database.write("INSERT INTO latest VALUES ('p', ?, 'f', 1)", [step])


def names(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT step FROM latest ORDER BY step")]


def test_git_leaves_the_folder_alone(tmp_path: Path) -> None:
    Database(tmp_path / ".mlops").close()
    assert (tmp_path / ".mlops/.gitignore").read_text() == "*\n"


def test_eight_processes_at_once_make_one_database(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path / ".mlops")], stderr=subprocess.PIPE) for _ in range(8)
    ]
    assert [child.communicate()[1] for child in children] == [b""] * 8
    assert [child.returncode for child in children] == [0] * 8


def test_a_transaction_is_all_or_nothing_and_may_be_nested(tmp_path: Path) -> None:
    database = Database(tmp_path)

    def fail_in_the_middle() -> None:
        with database.transaction():
            insert(database, "a")
            raise KeyError

    with pytest.raises(KeyError):
        fail_in_the_middle()
    with database.transaction():
        insert(database, "b")
        with database.transaction():
            insert(database, "c")
    with pytest.raises(sqlite3.IntegrityError):
        database.write_many("INSERT INTO latest VALUES ('p', ?, 'f', 1)", [["d"], ["b"]])
    assert names(database) == ["b", "c"]
    database.close()


def test_threads_wait_for_each_others_transactions(tmp_path: Path) -> None:
    database = Database(tmp_path)

    def work(letter: str) -> None:
        for number in range(50):
            with database.transaction():
                insert(database, f"{letter}{number}")
                assert f"{letter}{number}" in names(database)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(database)) == 200
    database.close()


@pytest.mark.parametrize(
    "damage", [b"this is no database, but long enough to be taken for one" * 100, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_file_is_one_clear_error(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(damage)
    with pytest.raises(RunError) as caught:
        Database(tmp_path)
    assert "are damaged" in str(caught.value)
    assert f"move {tmp_path}/records.db* away" in caught.value.fix
    assert (tmp_path / "records.db").read_bytes() == damage


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "records.db").touch()
    database = Database(tmp_path)
    assert names(database) == []
    database.close()


def test_a_newer_file_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.write("PRAGMA user_version=99")
    database.close()
    before = (tmp_path / "records.db").read_bytes()
    for reading in (False, True):
        with pytest.raises(RunError, match="newer version"):
            Database(tmp_path, reading=reading)
    assert (tmp_path / "records.db").read_bytes() == before


def test_an_older_file_gets_what_it_lacks(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "records.db") as old:
        old.execute("CREATE TABLE runs (id TEXT PRIMARY KEY)")
    old.close()
    database = Database(tmp_path)
    assert names(database) == []
    database.close()


def test_a_schema_that_changes_has_another_version() -> None:
    """An older file gets what it lacks when the version says that it lacks something: whoever changes one changes both."""
    schema = hashlib.sha256(database._SCHEMA.encode()).hexdigest()[:16]
    assert (database._VERSION, schema) == (6, "b72503607b54ff9f")


def test_reading_where_nobody_may_write_finds_what_is_there(tmp_path: Path) -> None:
    database = Database(tmp_path / "full/.mlops")
    insert(database, "a")
    database.close()
    (tmp_path / "none").mkdir()
    script = f"""
from pathlib import Path
from mlops_lib.stores.database import Database
database = Database(Path({str(tmp_path)!r}, "full/.mlops"), reading=True)
print(database.writable, database.rows("SELECT step FROM latest"))
database.close()
database = Database(Path({str(tmp_path)!r}, "none/.mlops"), reading=True)
print(database.writable, database.rows("SELECT step FROM latest"))
"""
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "bash",
            "-c",
            f'mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path} && exec {sys.executable} -c "$SCRIPT"',
        ],
        env=os.environ | {"SCRIPT": script},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("needs the right to mount")
    assert done.stdout.splitlines() == ["False [('a',)]", "False []"], done.stderr


def test_what_another_process_has_not_merged_yet_is_read_too(tmp_path: Path) -> None:
    database = Database(tmp_path)
    insert(database, "a")
    reader = Database(tmp_path, reading=True)
    assert names(reader) == ["a"]
    reader.close()
    database.close()


def test_a_bug_of_ours_stays_one(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        database.rows("SELECT 1")


def test_a_full_disk_and_a_missing_right_are_told_apart(tmp_path: Path) -> None:
    for error, words in (
        (OSError(28, "No space left on device", "/x"), "the disk is full: /x"),
        (PermissionError(13, "Permission denied", "/x"), "not allowed to write: /x"),
        (OSError(30, "Read-only file system", "/x"), "not allowed to write: /x"),
        (OSError(24, "Too many open files", "/x"), "Too many open files: /x"),
    ):
        with pytest.raises(RunError) as caught, translated(tmp_path):
            raise error
        assert caught.value.what == words


def test_a_write_on_a_full_disk_leaves_the_database_usable(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from mlops_lib.errors import RunError
from mlops_lib.stores.database import Database
database = Database(Path("disk/.mlops"))
filler = open("disk/filler", "wb")
try:
    while True: filler.write(bytes(4096)); filler.flush()
except OSError: pass
failed = 0
for number in range(200):
    try: database.write("INSERT INTO latest VALUES ('p', ?, ?, 1)", [str(number), "x" * 3000])
    except RunError as error:
        assert "the disk is full" in str(error), error
        failed += 1
assert failed
os.truncate("disk/filler", 0)
database.write("INSERT INTO latest VALUES ('p', 'after', 'f', 1)")
assert ("after",) in database.rows("SELECT step FROM latest")
print("good", database.rows("PRAGMA integrity_check"))
"""
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", f'mount -t tmpfs -o size=1m none disk && exec {sys.executable} -c "$SCRIPT"'],
        env=os.environ | {"SCRIPT": script},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("needs the right to mount")
    assert done.stdout == "good [('ok',)]\n", done.stderr
    shutil.rmtree(tmp_path / "disk")
