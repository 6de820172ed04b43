import builtins
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from mlops_lib.emulator.azurite import program as azurite_program
from mlops_lib.errors import InputError, RunError
from mlops_lib.sources import filesystems
from mlops_lib.sources.downloads import Brought, Downloads, Unreachable
from mlops_lib.sources.filesystems import StoredTree, azure_parts, connect
from mlops_lib.stores.store import Store


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    yield system
    for path in system.ls("/", detail=False):
        system.rm(path, recursive=True)


def shown(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def bring(url: str, folder: Path, known: Brought | None = None) -> Brought | None:
    folder.mkdir(parents=True, exist_ok=True)
    return StoredTree(url).bring(folder, known)


def test_a_folder_comes_with_all_that_is_below_it(memory: Any, tmp_path: Path) -> None:
    memory.pipe({"/lake/raw/a.csv": b"1", "/lake/raw/deep/b.csv": b"22", "/lake/rawer/c": b"no"})
    found = bring("memory://lake/raw", tmp_path)
    assert found is not None
    assert found.path == tmp_path
    assert shown(tmp_path) == {"a.csv": b"1", "deep/b.csv": b"22"}
    assert sorted(found.marks) == ["a.csv", "deep/b.csv"]


def test_a_file_comes_with_its_name(memory: Any, tmp_path: Path) -> None:
    memory.pipe("/lake/raw/a.csv", b"1")
    found = bring("memory://lake/raw/a.csv", tmp_path)
    assert found is not None
    assert found.path == tmp_path / "a.csv"
    assert StoredTree("memory://lake/raw/a.csv").is_file()
    assert not StoredTree("memory://lake/raw/").is_file()


def test_only_what_changed_is_brought(memory: Any, tmp_path: Path) -> None:
    memory.pipe({"/lake/a": b"1", "/lake/b": b"2"})
    first = bring("memory://lake", tmp_path / "1")
    assert first is not None
    assert bring("memory://lake", tmp_path / "2", first) is None
    memory.pipe({"/lake/b": b"3", "/lake/c": b"4"})
    second = bring("memory://lake", tmp_path / "3", first)
    assert second is not None
    assert shown(tmp_path / "3") == {"a": b"1", "b": b"3", "c": b"4"}
    assert (tmp_path / "3/a").stat().st_ino == (tmp_path / "1/a").stat().st_ino
    memory.rm("/lake/a")
    third = bring("memory://lake", tmp_path / "4", second)
    assert third is not None
    assert shown(tmp_path / "4") == {"b": b"3", "c": b"4"}


def test_what_is_absent_is_named(memory: Any) -> None:
    with pytest.raises(InputError, match=r"'memory://lake/x' does not exist"):
        StoredTree("memory://lake/x").is_file()


@pytest.mark.parametrize("name", ["/lake/../x", "/lake/a\nb", "/lake/a\\..\\b"])
def test_a_name_that_leads_out_is_refused(name: str, memory: Any, tmp_path: Path) -> None:
    memory.pipe("/lake/fine", b"1")
    memory.store[name] = memory.store["/lake/fine"]
    with pytest.raises(InputError, match="it has a file with the name"):
        bring("memory://lake", tmp_path)
    assert list(tmp_path.iterdir()) == []
    memory.store.pop(name)


def test_a_name_that_is_a_file_and_a_folder_is_refused(memory: Any, tmp_path: Path) -> None:
    memory.pipe({"/lake/a": b"1", "/lake/b": b"1"})
    memory.store["/lake/a/b"] = memory.store["/lake/b"]
    with pytest.raises(InputError, match="is a file and a folder there"):
        bring("memory://lake", tmp_path)
    memory.store.pop("/lake/a/b")


def test_a_store_is_kept_like_any_download(memory: Any, tmp_path: Path) -> None:
    memory.pipe({"/lake/a": b"1", "/lake/b": b"2"})
    store = Store.open(tmp_path)
    downloads = Downloads(store.folder, store.digests)
    first = downloads.get(StoredTree("memory://lake"))
    assert downloads.get(StoredTree("memory://lake")) == first
    memory.pipe("/lake/b", b"3")
    second = downloads.get(StoredTree("memory://lake"))
    assert shown(first) == {"a": b"1", "b": b"2"}
    assert shown(second) == {"a": b"1", "b": b"3"}
    store.close()


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_folder_is_written_beside_what_is_there(memory: Any, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "deep/b").write_bytes(b"2")
    memory.pipe({"/lake/out/a": b"old", "/lake/out/z": b"stays"})
    marks = StoredTree("memory://lake/out").put(tmp_path)
    assert {path: memory.cat(path) for path in memory.find("/lake")} == {
        "/lake/out/a": b"new", "/lake/out/deep/b": b"2", "/lake/out/z": b"stays"}  # fmt: skip
    assert marks is not None
    assert sorted(marks) == ["a", "deep/b"]
    assert StoredTree("memory://lake/out").marks_of(["a", "deep/b"]) == marks
    memory.pipe("/lake/out/a", b"x")
    assert StoredTree("memory://lake/out").marks_of(["a", "deep/b"]) != marks
    assert StoredTree("memory://lake/out").marks_of(["gone"]) is None
    assert StoredTree("memory://lake/nowhere").marks_of(["a"]) is None


def test_what_a_killed_process_left_is_cleared(memory: Any, tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"1")
    memory.pipe({"/lake/.out.0123abcd.new/x": b"half", "/lake/.other.0123abcd.new/x": b"somebody else's"})
    StoredTree("memory://lake/out").put(tmp_path)
    assert memory.find("/lake") == ["/lake/.other.0123abcd.new/x", "/lake/out/made"]


def test_a_file_is_written_under_the_name_that_is_asked_for(memory: Any, tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"1")
    marks = StoredTree("memory://lake/out/x.csv").put(tmp_path / "made")
    assert memory.find("/lake") == ["/lake/out/x.csv"]
    assert marks is not None
    assert StoredTree("memory://lake/out/x.csv").marks_of([""]) == marks


@pytest.mark.parametrize("moment", ["while it is written", "before the second file"])
def test_what_was_there_stays_when_writing_fails_or_is_given_up(
    moment: str, memory: Any, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"new")
    memory.pipe("/lake/out/a", b"old")
    tree = StoredTree("memory://lake/out")
    asked: list[int] = []
    if moment == "while it is written":
        (tmp_path / "b").unlink()
        (tmp_path / "b").symlink_to("/proc/self/mem")  # it opens, and cannot be read
        with pytest.raises(RunError, match="could not be written to"):
            tree.put(tmp_path)
    else:
        assert tree.put(tmp_path, give_up=lambda: bool(asked) or asked.append(1) is not None) is None
    assert {path: memory.cat(path) for path in memory.find("/lake")} == {"/lake/out/a": b"old"}


# --- the way in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("abfss://c@acc.dfs.core.windows.net/a/b", "acc.blob.core.windows.net", "c/a/b"),
        ("wasbs://c@acc.blob.core.windows.net/a/", "acc.blob.core.windows.net", "c/a"),
        ("wasb://c@acc.blob.core.usgovcloudapi.net", "acc.blob.core.usgovcloudapi.net", "c"),
        ("abfss://c@acc.dfs.core.chinacloudapi.cn/a", "acc.blob.core.chinacloudapi.cn", "c/a"),
    ],
)
def test_an_azure_url_names_its_account_and_container(url: str, host: str, path: str) -> None:
    assert azure_parts(url) == ("acc", host, path)


def test_an_account_that_nobody_answers_for_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)

    def unknown(*asked: object, **more: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"'https://acc\.blob\.core\.invalid/' could not be reached"):
        StoredTree("abfss://c@acc.dfs.core.invalid/x")


@pytest.mark.parametrize("url", ["abfss://c/a", "abfss://acc.dfs.core.windows.net/a", "wasbs://c@acc/a"])
def test_an_azure_url_without_an_account_or_a_container_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="does not name its account and container"):
        azure_parts(url)


@pytest.mark.parametrize(
    ("url", "absent", "command"),
    [
        ("s3://bucket/x", "s3fs", "pip install 's3fs'"),
        ("gs://bucket/x", "gcsfs", "pip install 'gcsfs'"),
        ("abfss://c@a.dfs.core.windows.net/x", "adlfs", "pip install 'mlops-lib[azure-storage]'"),
        ("wasbs://c@a.blob.core.windows.net/x", "fsspec", "pip install 'mlops-lib[azure-storage]'"),
    ],
)
def test_a_package_that_is_missing_is_named_with_the_command_that_brings_it(
    url: str, absent: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name == absent:
            raise ImportError(name)
        return really(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError) as caught:
        StoredTree(url)
    assert f"needs the package {absent if absent != 'fsspec' else 'adlfs'}" in caught.value.what
    assert caught.value.fix == command


def test_credentials_for_another_account_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=other;AccountKey=c2VjcmV0;EndpointSuffix=x")
    with pytest.raises(InputError, match="credentials for the account 'other', and the data is in 'acc'") as caught:
        connect("abfss://c@acc.dfs.core.windows.net/x")
    assert "c2VjcmV0" not in str(caught.value)


class Refusal(Exception):
    def __init__(self, status_code: int = 403) -> None:
        self.status_code = status_code

    def __str__(self) -> str:
        return "This request is not authorized: https://a/x?sig=hidden\nRequestId: 1"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (Refusal(), InputError, "may not be read"),
        (PermissionError("no"), InputError, "may not be read"),
        (FileNotFoundError("x"), InputError, "does not exist"),
        (Refusal(409), InputError, "may not be read"),
        (Refusal(404), InputError, "does not exist"),
        (ConnectionResetError("reset"), RunError, "could not be had"),
        (ValueError("what now"), RunError, "could not be had"),
    ],
)
def test_what_a_client_raises_is_told_without_its_secrets(
    error: Exception, kind: type, words: str, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = StoredTree("memory://lake/x")

    class Client:
        def invalidate_cache(self) -> None:
            raise error

    tree._systems = [Client()]
    with pytest.raises(kind, match=words) as caught:
        tree.is_file()
    assert "hidden" not in str(caught.value)
    assert "RequestId" not in str(caught.value)


def test_the_package_of_every_scheme_is_known() -> None:
    from mlops_lib.references import STORES

    assert set(filesystems._PACKAGES) == set(STORES)


@pytest.fixture
def azurite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Real blob storage on loopback, with an empty container; its URL."""
    from azure.storage.blob import BlobServiceClient

    monkeypatch.setenv("AZURITE_ACCOUNTS", "acc:a2V5")
    command = ["node", str(azurite_program()), "--skipApiVersionCheck", "--location", str(tmp_path / "blobs"), "--blobPort", "0"]
    log = tmp_path / "azurite.log"
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            while (listens := re.search(r"listens on http://127\.0\.0\.1:(\d+)", log.read_text())) is None:
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            text = f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:{listens[1]}/acc;"
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
            with BlobServiceClient.from_connection_string(text) as client:
                client.create_container("lake")
            yield "wasbs://lake@acc.blob.core.windows.net"
        finally:
            process.kill()  # asked politely, it waits for its clients to hang up


def test_azure_storage_is_read_and_written(azurite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    (made / "a").write_bytes(b"1")
    (made / "deep/b").write_bytes(b"2")
    marks = StoredTree(f"{azurite}/raw").put(made)
    first = bring(f"{azurite}/raw", tmp_path / "1")
    assert first is not None
    assert first.marks == marks
    assert shown(tmp_path / "1") == {"a": b"1", "deep/b": b"2"}
    assert bring(f"{azurite}/raw", tmp_path / "2", first) is None
    StoredTree(f"{azurite}/raw/a").put(made / "deep/b")
    second = bring(f"{azurite}/raw", tmp_path / "3", first)
    assert second is not None
    assert shown(tmp_path / "3") == {"a": b"2", "deep/b": b"2"}
    assert StoredTree(f"{azurite}/raw/a").is_file()
    for absent in (f"{azurite}/nothing", azurite.replace("lake@", "sea@")):
        with pytest.raises(InputError, match="does not exist"):
            StoredTree(absent).is_file()
    text = os.environ["AZURE_STORAGE_CONNECTION_STRING"].replace("a2V5", "b3RoZXI=")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    with pytest.raises(InputError, match="may not be read") as caught:
        StoredTree(f"{azurite}/raw").is_file()
    assert "b3RoZXI" not in str(caught.value)
