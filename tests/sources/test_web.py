import base64
import hashlib
import socket
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import InputError, MlopsError, RunError
from mlops_lib.sources import web as web_module
from mlops_lib.sources.downloads import Brought, Unreachable
from mlops_lib.sources.web import WebFile


def bring(url: str, folder: Path, known: Brought | None = None, **more: Any) -> Brought | None:
    return WebFile(url, **({"patience": 5.0, "pause": 0.0} | more)).bring(folder, known)


def refused(url: str, folder: Path, **more: Any) -> MlopsError:
    with pytest.raises(MlopsError) as caught:
        bring(url, folder, **more)
    return caught.value


def test_a_file_has_the_name_and_the_marks_that_the_server_gives(web: Any, tmp_path: Path) -> None:
    web.put("/a/my%20data.csv", b"1,2\n", etag='"x"', modified=1.7e9)
    found = bring(f"{web.url}/a/my%20data.csv", tmp_path)
    assert found is not None
    assert found.path == tmp_path / "my data.csv"
    assert found.path.read_bytes() == b"1,2\n"
    assert found.marks == {"etag": '"x"', "modified": "Tue, 14 Nov 2023 22:13:20 GMT", "size": "4"}


@pytest.mark.parametrize("marks", [{"etag": '"x"'}, {"modified": 1.7e9}])
def test_what_did_not_change_is_not_sent_again(marks: dict[str, Any], web: Any, tmp_path: Path) -> None:
    web.put("/x", b"one", **marks)
    known = bring(f"{web.url}/x", tmp_path)
    assert bring(f"{web.url}/x", tmp_path, known) is None
    assert [status for _, _, status in web.asked] == [200, 304]
    web.put("/x", b"two", **{name: f"{value}2" if name == "etag" else value + 5 for name, value in marks.items()})
    again = bring(f"{web.url}/x", tmp_path, known)
    assert again is not None
    assert again.path.read_bytes() == b"two"


def test_a_url_as_a_person_writes_it_is_asked_for_as_a_server_reads_it(web: Any, tmp_path: Path) -> None:
    web.put("/my%20d%C3%A4ta.csv", b"one")
    found = bring(f"{web.url}/my däta.csv", tmp_path)
    assert found is not None
    assert found.path.name == "my däta.csv"


def test_marks_are_looked_at_without_the_file(web: Any, tmp_path: Path) -> None:
    web.put("/x", b"one", etag='"x"')
    web.put("/y", b"one")
    assert WebFile(f"{web.url}/x").marks() == {"etag": '"x"', "size": "3"}
    assert WebFile(f"{web.url}/y").marks() is None, "a size alone tells nothing"
    assert {method for method, _, _ in web.asked} == {"HEAD"}


def test_a_redirect_is_followed_and_the_name_stays(web: Any, tmp_path: Path) -> None:
    web.put("/x.csv", redirect="/elsewhere/y")
    web.put("/elsewhere/y", b"one", etag='"x"')
    found = bring(f"{web.url}/x.csv", tmp_path)
    assert found is not None
    assert found.path.name == "x.csv"
    assert WebFile(f"{web.url}/x.csv").marks() == {"etag": '"x"', "size": "3"}
    assert [method for method, _, _ in web.asked] == ["GET", "GET", "HEAD", "HEAD"]


def test_redirects_in_a_circle_end(web: Any, tmp_path: Path) -> None:
    web.put("/x", redirect="/x")
    assert "cannot be read" in str(refused(f"{web.url}/x", tmp_path))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_something_else_than_the_web_is_refused(target: str, web: Any, tmp_path: Path) -> None:
    web.put("/x", redirect=target)
    assert isinstance(refused(f"{web.url}/x", tmp_path), InputError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, InputError, "does not exist"),
        (410, InputError, "does not exist"),
        (401, InputError, "cannot be read"),
        (403, InputError, "cannot be read"),
        (400, InputError, "cannot be read"),
        (500, Unreachable, "could not be had"),
        (503, Unreachable, "could not be had"),
    ],
)
def test_an_answer_that_is_no_file_is_told_with_its_number(
    status: int, kind: type, words: str, web: Any, tmp_path: Path
) -> None:
    web.put("/x", status=status)
    error = refused(f"{web.url}/x", tmp_path)
    assert type(error) is kind
    assert words in error.what
    assert str(status) in error.why
    assert error.fix


@pytest.mark.parametrize("failure", [503, 429, "break", "damage"])
def test_what_fails_once_is_tried_again(failure: Any, web: Any, tmp_path: Path) -> None:
    web.put("/x", b"whole" * 1000, failures=[failure])
    found = bring(f"{web.url}/x", tmp_path)
    assert found is not None
    assert found.path.read_bytes() == b"whole" * 1000


def test_what_is_absent_is_not_tried_again(web: Any, tmp_path: Path) -> None:
    refused(f"{web.url}/x", tmp_path)
    assert len(web.asked) == 1


@pytest.mark.parametrize(("failure", "why"), [("break", "bytes came"), ("damage", "another MD5"), (502, "502")])
def test_what_always_fails_is_given_up_with_the_reason(failure: Any, why: str, web: Any, tmp_path: Path) -> None:
    web.put("/x", b"whole" * 1000, failures=[failure] * 9)
    error = refused(f"{web.url}/x", tmp_path)
    assert isinstance(error, RunError)
    assert why in error.why
    assert len(web.asked) == 3


def test_a_server_that_falls_silent_is_not_waited_for(web: Any, tmp_path: Path) -> None:
    web.put("/x", b"whole" * 1000, failures=["hang"] * 3)
    assert "nothing came in time" in refused(f"{web.url}/x", tmp_path, patience=0.2).why


def test_a_server_that_drips_is_not_waited_for(web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_module, "_MINUTE", -1.0)
    monkeypatch.setattr(web_module, "_SLOWEST", -1e9)
    web.put("/x", b"whole")
    assert "too slowly" in refused(f"{web.url}/x", tmp_path).what


def test_the_md5_that_a_server_gives_is_checked(web: Any, tmp_path: Path) -> None:
    web.put("/x", b"one", headers={"Content-MD5": base64.b64encode(hashlib.md5(b"one").digest()).decode()})
    assert bring(f"{web.url}/x", tmp_path) is not None


def test_nobody_there_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = refused(f"http://127.0.0.1:{taken.getsockname()[1]}/x", tmp_path)
    assert isinstance(error, Unreachable)
    assert "could not be reached" in error.what
    assert "refused" in error.why
    assert "HTTPS_PROXY" in error.fix


def test_a_proxy_is_used_and_told_when_it_is_of_no_use(web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", web.url)
    web.put("/proxied/example.invalid/x.csv", b"one")
    found = bring("http://example.invalid/x.csv", tmp_path)
    assert found is not None
    assert found.path.read_bytes() == b"one"
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:1")
    error = refused("http://example.invalid/x.csv", tmp_path)
    assert "http_proxy=http://***@127.0.0.1:1" in error.why
    assert "secret" not in str(error)


def test_a_certificate_that_nobody_signed_is_refused_unless_it_is_trusted(
    secure_web: Any, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure_web.put("/x", b"one")
    error = refused(f"{secure_web.url}/x", tmp_path)
    assert "the certificate of '127.0.0.1' is not trusted" in error.what
    assert not isinstance(error, Unreachable), "a copy of before must not hide that somebody else answers"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert bring(f"{secure_web.url}/x", tmp_path) is not None


def test_https_does_not_become_http_on_the_way(
    web: Any, secure_web: Any, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    web.put("/y", b"one")
    secure_web.put("/x", redirect=f"{web.url}/y")
    assert "with encryption" in refused(f"{secure_web.url}/x", tmp_path).why
    assert web.asked == []


def test_a_signature_is_sent_and_shown_nowhere(web: Any, tmp_path: Path) -> None:
    url = f"{web.url}/x.csv?sv=1&sig=hidden"
    web.put("/x.csv", b"one")
    found = bring(url, tmp_path)
    assert found is not None
    assert web.asked[-1][1] == "/x.csv?sv=1&sig=hidden"
    assert WebFile(url).url == f"{web.url}/x.csv?***"
    web.put("/x.csv", status=403)
    assert "hidden" not in str(refused(url, tmp_path))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://me:secret@example.org/x", "holds a user's name or password"),
        ("https:///x", "is no URL of a file"),
        ("https://[::1/x", "is no URL"),
        ("https://example.org/a%2F..%2Fb", "is no URL of a file"),
        ("https://example.org/%2e%2e", "is no URL of a file"),
        ("https://example.org/a%00b", "is no URL of a file"),
    ],
)
def test_a_url_that_cannot_be_one_of_a_file_is_refused(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        WebFile(url)
    assert "secret" not in str(caught.value)
