import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import InputError, RunError
from mlops_lib.sources.downloads import Downloads
from mlops_lib.sources.web import WebFile
from mlops_lib.stores.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store.open(tmp_path / "project")
    yield found
    found.close()


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def downloads(store: Store, notices: list[str]) -> Downloads:
    return Downloads(store.folder, store.digests, notices.append)


def file(url: str) -> WebFile:
    return WebFile(url, patience=5.0, pause=0.0)


def left(store: Store) -> list[str]:
    """The versions that are there, and whatever should not be."""
    return sorted(path.name for path in (store.folder / "downloads").glob("*/*") if path.name != "entry.json")


def test_a_file_is_downloaded_once_and_asked_for_each_time(web: Any, downloads: Downloads) -> None:
    web.put("/x.csv", b"one", etag='"1"')
    first = downloads.get(file(f"{web.url}/x.csv"))
    assert first.name == "x.csv"
    assert first.read_bytes() == b"one"
    assert not os.stat(first).st_mode & 0o222, "nobody writes to it by accident"
    assert downloads.get(file(f"{web.url}/x.csv")) == first
    assert [status for _, _, status in web.asked] == [200, 304]


def test_what_was_downloaded_need_not_be_read_again(web: Any, downloads: Downloads, store: Store) -> None:
    web.put("/x", b"one", etag='"1"')
    path = downloads.get(file(f"{web.url}/x"))
    store.digests.flush()
    known = store.database.rows("SELECT ctime FROM hints WHERE path = ?", [os.fsencode(path)])
    assert known == [(path.stat().st_ctime_ns,)]


def test_what_changed_is_brought_and_what_it_was_stays_for_those_who_read_it(
    web: Any, downloads: Downloads, store: Store
) -> None:
    paths = []
    for body in (b"one", b"two", b"three"):
        web.put("/x", body, etag=f'"{body.decode()}"')
        paths.append(downloads.get(file(f"{web.url}/x")))
        assert paths[-1].read_bytes() == body
    assert [path.exists() for path in paths] == [False, True, True]
    assert len(left(store)) == 2


def test_the_same_bytes_under_another_mark_are_the_same_file(web: Any, downloads: Downloads, store: Store) -> None:
    web.put("/x", b"one", etag='"1"')
    first = downloads.get(file(f"{web.url}/x"))
    web.put("/x", b"one", etag='"2"')
    assert downloads.get(file(f"{web.url}/x")) == first
    assert downloads.get(file(f"{web.url}/x")) == first
    assert [status for _, _, status in web.asked] == [200, 200, 304]
    assert len(left(store)) == 1


def test_without_marks_a_file_is_brought_each_time(web: Any, downloads: Downloads) -> None:
    web.put("/x", b"one")
    first = downloads.get(file(f"{web.url}/x"))
    web.put("/x", b"two")
    assert downloads.get(file(f"{web.url}/x")).read_bytes() == b"two"
    assert first.read_bytes() == b"one"


def test_a_copy_that_was_damaged_is_brought_again(web: Any, downloads: Downloads) -> None:
    web.put("/x", b"one", etag='"1"')
    first = downloads.get(file(f"{web.url}/x"))
    first.chmod(0o644)
    first.write_bytes(b"two")
    assert downloads.get(file(f"{web.url}/x")).read_bytes() == b"one"


@pytest.mark.parametrize("failure", ["break", "damage", 503])
def test_a_download_that_breaks_off_leaves_nothing(
    failure: Any, web: Any, downloads: Downloads, store: Store
) -> None:
    web.put("/x", b"whole" * 1000, failures=[failure] * 3)
    with pytest.raises(RunError):
        downloads.get(file(f"{web.url}/x"))
    assert left(store) == []
    assert downloads.get(file(f"{web.url}/x")).read_bytes() == b"whole" * 1000


def test_when_nobody_answers_what_was_brought_before_does_and_that_is_told(
    web: Any, downloads: Downloads, notices: list[str], store: Store
) -> None:
    web.put("/x", b"one", etag='"1"')
    first = downloads.get(file(f"{web.url}/x"))
    web.put("/x", b"two", failures=[503] * 3)
    assert downloads.get(file(f"{web.url}/x")) == first
    assert len(notices) == 1
    assert "could not be had: used as it was at 20" in notices[0]
    assert len(left(store)) == 1


@pytest.mark.parametrize("failure", [404, 403, "break"])
def test_when_it_is_gone_or_breaks_off_what_was_brought_before_does_not_do(
    failure: Any, web: Any, downloads: Downloads, store: Store
) -> None:
    web.put("/x", b"one" * 100, etag='"1"')
    downloads.get(file(f"{web.url}/x"))
    web.put("/x", b"two" * 100, failures=[failure] * 3)
    with pytest.raises((InputError, RunError)):
        downloads.get(file(f"{web.url}/x"))
    assert len(left(store)) == 1


def test_two_signatures_for_one_file_share_a_copy_and_neither_is_written_down(
    web: Any, downloads: Downloads, store: Store
) -> None:
    web.put("/x", b"one", etag='"1"')
    first = downloads.get(file(f"{web.url}/x?sig=hidden"))
    assert downloads.get(file(f"{web.url}/x?sig=another")) == first
    [entry] = (store.folder / "downloads").glob("*/entry.json")
    assert "hidden" not in entry.read_text()
    assert json.loads(entry.read_text())["url"] == f"{web.url}/x?***"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"path": "gone", "digest": "x", "marks": {}}'])
def test_an_entry_that_cannot_be_read_is_no_entry(text: str, web: Any, downloads: Downloads, store: Store) -> None:
    web.put("/x", b"one", etag='"1"')
    downloads.get(file(f"{web.url}/x"))
    [entry] = (store.folder / "downloads").glob("*/entry.json")
    entry.write_text(text)
    assert downloads.get(file(f"{web.url}/x")).read_bytes() == b"one"
    assert len(left(store)) == 1


def test_what_a_killed_process_left_is_cleared(web: Any, downloads: Downloads, store: Store) -> None:
    web.put("/x", b"one", etag='"1"')
    first = downloads.get(file(f"{web.url}/x"))
    (first.parent.parent / "v-half").mkdir()
    web.put("/x", b"two", etag='"2"')
    downloads.get(file(f"{web.url}/x"))
    assert len(left(store)) == 2
    assert not (first.parent.parent / "v-half").exists()
