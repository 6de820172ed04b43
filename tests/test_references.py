import pytest

from mlops_lib.references import (
    AssetName,
    AssetReference,
    DatastorePath,
    Mappings,
    escapes,
    holds_secret,
    how_to_map,
    parse_asset,
    parse_reference,
    redacted,
    scheme_of,
)

WORKSPACE = "subscriptions/0-1/resourceGroups/rg/workspaces/ws"
ARM = "subscriptions/0-1/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"


@pytest.mark.parametrize(
    ("text", "datastore", "path"),
    [
        ("azureml://datastores/raw/paths/a/b.csv", "raw", "a/b.csv"),
        ("azureml://datastores/raw/paths/", "raw", ""),
        ("azureml://datastores/raw/paths", "raw", ""),
        ("azureml://datastores/raw/paths//a", "raw", "a"),
        (f"azureml://{WORKSPACE}/datastores/raw/paths/a/", "raw", "a/"),
        (f"azureml://{WORKSPACE.replace('resourceGroups', 'resourcegroups')}/datastores/raw/paths/a", "raw", "a"),
    ],
)
def test_both_forms_of_a_datastore_path_are_read(text: str, datastore: str, path: str) -> None:
    assert parse_reference(text) == DatastorePath(datastore, path)


@pytest.mark.parametrize(
    ("text", "shelf", "owner", "kind", "version", "label"),
    [
        ("azureml://registries/r-1/components/n/versions/1.2", "registries", "r-1", "components", "1.2", None),
        ("azureml://registries/azureml/environments/n/labels/latest", "registries", "azureml", "environments", None, "latest"),
        (f"azureml://{WORKSPACE}/data/n/versions/3", "workspaces", "ws", "data", "3", None),
        (f"azureml:/{ARM}/models/n/versions/3", "workspaces", "ws", "models", "3", None),
        ("azureml://locations/westeurope/workspaces/1-2-3/data/n/versions/3", "workspaces", "1-2-3", "data", "3", None),
    ],
)
def test_assets_of_registries_and_workspaces_are_read(
    text: str, shelf: str, owner: str, kind: str, version: str | None, label: str | None
) -> None:
    expected = AssetReference(shelf=shelf, owner=owner, kind=kind, name="n", version=version, label=label)
    assert parse_reference(text) == expected
    assert Mappings(**{shelf: {owner: "/here"}}).folder_of(expected) == "/here"
    assert Mappings().folder_of(expected) is None
    assert f"{shelf}: {{{owner}: FOLDER}}" in how_to_map(expected)
    assert f"{kind}/n/{version or label}" in how_to_map(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data/x",
        "azureml:x:1",
        "azureml://datastores/raw/path/a",
        "azureml://datastores//paths/a",
        "azureml://registries/r/components/n",
        "azureml://registries/r/jobs/n/versions/1",
        "https://example.org/datastores/raw/paths/a",
    ],
)
def test_other_texts_are_no_reference(text: str) -> None:
    assert parse_reference(text) is None


@pytest.mark.parametrize("path", ["..", "../x", "a/../b", "a/..", "/etc", "a\\..\\b", "a\x00b", "a\nb"])
def test_a_path_that_leads_out_is_noticed(path: str) -> None:
    assert escapes(path)


@pytest.mark.parametrize("path", ["", "a", "a/b", "a..b/c", "...", "a/.hidden"])
def test_a_path_that_stays_inside_is_not(path: str) -> None:
    assert not escapes(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.blob.core.windows.net/c/x?sv=1&sig=abc%3D", "https://a.blob.core.windows.net/c/x?***"),
        ("curl 'https://h/x?X-Amz-Signature=1' -o y", "curl 'https://h/x?***' -o y"),
        ("two https://h/a?sig=1 and https://h/b?page=2", "two https://h/a?*** and https://h/b?page=2"),
        ("https://user:pass@h/x", "https://***@h/x"),
        ("AccountName=a;AccountKey=abc==;Endpoint=x", "AccountName=a;AccountKey=***;Endpoint=x"),
        ("retries exceeded with url: /c/log.txt?sv=1&sig=abc%3D&se=2 (Caused by x)", "retries exceeded with url: /c/log.txt?*** (Caused by x)"),
        ("/c/x?sig=1", "/c/x?***"),
    ],
)
def test_what_is_shown_of_a_secret_is_that_there_was_one(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert holds_secret(text)
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text", ["https://h/x?page=2&signal=on", "abfss://c@a.dfs.core.windows.net/x", "python a.py --token=x", "a?sig", "x@y:z", "GET /x?page=2"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text
    assert not holds_secret(text)


def test_a_scheme_is_told_from_a_path() -> None:
    assert [scheme_of(text) for text in ("HTTPS://x", "abfss://c@a/x", "azureml:x:1", "data/x", "./a:b", "/x")] == [
        "https", "abfss", "azureml", "", "", ""]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("azureml:flights:3", AssetName("flights", "3", None)),
        ("azureml:flights@latest", AssetName("flights", None, "latest")),
        ("azureml:flights@prod", AssetName("flights", None, "prod")),
        ("azureml:flights", AssetName("flights", None, "latest")),
        (" azureml:a.b-c_d:1.0 ", AssetName("a.b-c_d", "1.0", None)),
        ("azureml://registries/r/components/c/versions/1", None),
        ("azureml://datastores/d/paths/x", None),
        ("./data", None),
        ("flights:3", None),
        ("azureml:", None),
        ("azureml:a:1@latest", None),
    ],
)
def test_an_asset_is_told_from_a_path(text: str, name: AssetName | None) -> None:
    assert parse_asset(text) == name
