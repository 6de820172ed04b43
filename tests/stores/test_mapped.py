from pathlib import Path

import pytest

from mlops_lib.errors import InputError
from mlops_lib.references import AssetReference
from mlops_lib.stores.mapped import file_of_asset, find_asset, inside, version_order, within


def reference(version: str | None = None, label: str | None = None, kind: str = "data", name: str = "n") -> AssetReference:
    return AssetReference(shelf="registries", owner="r", kind=kind, name=name, version=version, label=label)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    for version in ("1.9", "1.10", "beta"):
        (tmp_path / "data/n" / version).mkdir(parents=True)
    return tmp_path


def test_a_version_is_a_folder_of_its_name(shelf: Path) -> None:
    assert find_asset(str(shelf), reference("1.9")) == shelf / "data/n/1.9"


@pytest.mark.parametrize("label", ["latest", "default"])
def test_the_latest_version_is_the_highest_as_people_count(label: str, shelf: Path) -> None:
    assert find_asset(str(shelf), reference(label=label)).name == "1.10"


def test_a_label_may_be_a_folder_or_a_link_to_one(shelf: Path) -> None:
    (shelf / "data/n/champion").symlink_to("1.9")
    assert find_asset(str(shelf), reference(label="champion")).resolve().name == "1.9"


def test_versions_are_in_the_order_of_their_numbers() -> None:
    assert sorted(["2", "10", "1.10", "1.9", "dev", "1"], key=version_order) == ["dev", "1", "1.9", "1.10", "2", "10"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (reference("2.0"), "has no data/n/2.0"),
        (reference(label="champion"), "has no data/n/champion"),
        (reference("1", name="m"), "has no data/m"),
        (reference("1", kind="models"), "has no models/n"),
        (reference(".."), "has no data/n/.."),
        (reference("1", name=".."), "leads out of its folder"),
    ],
)
def test_what_a_folder_lacks_is_named(wanted: AssetReference, words: str, shelf: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_asset(str(shelf), wanted)
    assert words in str(caught.value)


def test_a_path_stays_below_its_folder(tmp_path: Path) -> None:
    (tmp_path / "root/deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    assert inside(tmp_path / "root", "deep/x") == tmp_path / "root/deep/x"
    assert inside(tmp_path / "root", "") == tmp_path / "root"
    with pytest.raises(InputError, match="leads out of its folder"):
        inside(tmp_path / "root", "../secret")


@pytest.mark.parametrize("link", ["root/link", "root/deep/link"])
def test_a_link_may_not_lead_out(link: str, tmp_path: Path) -> None:
    (tmp_path / "root/deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (tmp_path / link).symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="is a link out of its folder"):
        within(tmp_path / "root", tmp_path / "root" / ("link" if link == "root/link" else ""))


def test_a_link_inside_is_fine_and_so_is_a_root_that_is_one(tmp_path: Path) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/link").symlink_to("deep")
    (tmp_path / "root").symlink_to("real")
    assert inside(tmp_path / "root", "link") == tmp_path / "root/link"
    within("/", tmp_path)


def test_the_yaml_of_a_component_is_found_by_its_name(tmp_path: Path) -> None:
    wanted = reference("1", kind="components")
    with pytest.raises(InputError, match=r"holds no component\.yml"):
        file_of_asset(tmp_path, wanted)
    (tmp_path / "spec.yaml").touch()
    assert file_of_asset(tmp_path, wanted).name == "spec.yaml"
    (tmp_path / "component.yml").touch()
    assert file_of_asset(tmp_path, wanted).name == "component.yml"
