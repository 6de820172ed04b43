"""The schema that the stand-in serves: where it comes from, what is known of it, and how it is rebuilt."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from standin.facts import FACTS
from standin.schema import ADDRESS, FILE, Attribute, Block, load

_found = importlib.util.spec_from_file_location("rebuild", FILE.parent / "rebuild.py")
assert _found is not None
assert _found.loader is not None
rebuild: Any = importlib.util.module_from_spec(_found)
sys.modules["rebuild"] = rebuild  # where its dataclasses look for their annotations
_found.loader.exec_module(rebuild)

# What `terraform providers schema -json` printed for azurerm 5.2.0 and 5.10.0 itself: a resource's argument is required (r),
# optional (o), computed (c) or both of these; a block is a list or a set of at least and at most so many.
KNOWN: dict[str, dict[str, str | None]] = {
    "machine_learning_workspace": {
        "name": "r string",
        "application_insights_id": "r string",
        "container_registry_id": "o string",  # not computed: what the service attaches is a change
        "discovery_url": "c string",
        "high_business_impact": "o bool",
        "storage_account_access_type": "o string",
        "tags": "o map(string)",
        "identity": "list 1 1",
        "identity.identity_ids": "o set(string)",
        "identity.principal_id": "c string",
        "managed_network": "list 0 1",
        "managed_network.isolation_mode": "oc string",
        "encryption.key_vault_id": "r string",
    },
    "machine_learning_compute_cluster": {
        "scale_settings": "list 1 1",
        "scale_settings.min_node_count": "r number",
        "subnet_resource_id": "oc string",
        "local_auth_enabled": "o bool",
    },
    "machine_learning_compute_instance": {"location": None, "assign_to_user.object_id": "o string", "tags": "o map(string)"},
    "machine_learning_datastore_blobstorage": {"service_data_auth_identity": "o string", "service_data_identity": None, "is_default": "o bool"},
    "machine_learning_datastore_datalake_gen2": {"service_data_identity": "o string", "is_default": "c bool"},
    "machine_learning_datastore_fileshare": {"storage_fileshare_id": "r string", "account_key": "o string"},
    "storage_account": {
        "public_network_access_enabled": "oc bool",
        "queue_properties": None,
        "static_website": None,
        "https_traffic_only_enabled": "o bool",
        "network_rules": "list 0 1",
        "network_rules.default_action": "r string",
        "network_rules.ip_rules": "oc set(string)",
        "primary_access_key": "c string",
    },
    "storage_container": {"storage_account_id": "r string", "storage_account_name": None, "resource_manager_id": None},
    "key_vault": {"rbac_authorization_enabled": "r bool", "enable_rbac_authorization": None, "contact": None},
    "container_registry": {
        "trust_policy_enabled": None,
        "encryption": "o list(object)",
        "network_rule_set": "oc list(object)",
        "georeplications": "list 0 0",
        "role_assignment_mode": "o string",
    },
    "monitor_diagnostic_setting": {"enabled_log": "set 0 0", "enabled_metric": "set 0 0", "metric": None},
    "federated_identity_credential": {"user_assigned_identity_id": "r string", "parent_id": None},
    "consumption_budget_resource_group": {"notification": "set 1 0", "time_period": "list 1 1"},
    "private_endpoint": {"private_service_connection": "list 1 1", "network_interface": "c list(object)"},
    "subnet": {"network_security_group_id_wo": "ow string"},
    "virtual_network": {"subnet": "oc set(object)"},
}


def told(block: Block, path: str) -> str | None:
    *outer, name = path.split(".")
    for inner in outer:
        block = block.blocks[inner].block
    if name in block.blocks:
        nested = block.blocks[name]
        return f"{nested.nesting} {nested.min_items} {nested.max_items}"
    attribute = block.attributes.get(name)
    return None if attribute is None else f"{_flags(attribute)} {_type(attribute.type)}"


def _flags(attribute: Attribute) -> str:
    names = ("required", "optional", "computed", "write_only")
    return "".join(name[0] for name in names if getattr(attribute, name))


def _type(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    return kind[0] if kind[0] == "object" else f"{kind[0]}({_type(kind[1])})"


@pytest.mark.parametrize("resource", KNOWN)
def test_the_schema_says_what_the_provider_itself_says(resource: str) -> None:
    block = load().resources[f"azurerm_{resource}"]
    assert {path: told(block, path) for path in KNOWN[resource]} == KNOWN[resource]


def test_the_schema_names_its_source_and_version() -> None:
    held = json.loads(gzip.decompress(FILE.read_bytes()))
    assert held["version"] == "5.10.0"
    assert held["source"].startswith(f"{rebuild.PACKAGE} {rebuild.PACKAGE_VERSION} on PyPI")


def test_the_schema_has_what_the_script_lists_and_nothing_else() -> None:
    assert set(load().resources) == {f"azurerm_{name}" for name in rebuild.RESOURCES}
    assert set(load().data_sources) == {f"azurerm_{name}" for name in rebuild.DATA_SOURCES}


def test_features_is_the_providers_one_block() -> None:
    provider = load().provider
    assert set(provider.blocks) == {"features"}
    assert "purge_soft_deleted_workspace_on_destroy" in provider.blocks["features"].block.blocks["machine_learning"].block.attributes


def test_every_fact_is_about_something_in_the_schema() -> None:
    """A default belongs to what may be left out, an answer to what is computed; and each kind of resource has facts."""
    wrong = []
    assert set(FACTS) == set(load().resources)
    for kind, facts in FACTS.items():
        block = load().resources[kind]
        named = [*facts.force_new, *facts.computed_blocks, *facts.sensitive, *facts.choices, *facts.ranges, *facts.patterns, *facts.ids]
        named += [name for group in facts.exactly_one + facts.at_least_one for name in group]
        wrong += [f"{kind}: {name}" for name in named if told(block, name) is None]
        wrong += [f"{kind}: default of {name}" for name in facts.defaults if (told(block, name) or "?")[:2] != "o "]
        wrong += [f"{kind}: answer for {name}" for name in facts.computed if "c" not in (told(block, name) or "?").split()[0]]
    assert wrong == []


# The generator's forms, one of each, about a resource that does not exist.
JAVASCRIPT = """
function paintBrushToTerraform(struct) {
    return {
        bristles: cdktn.numberToTerraform(struct.bristles),
    };
}
function paintBrushToHclTerraform(struct) {
    const attrs = {
        bristles: {
            value: cdktn.numberToHclTerraform(struct.bristles),
            isBlock: false,
            type: "simple",
            storageClassType: "number",
        },
    };
}
class PaintBrushOutputReference extends cdktn.ComplexObject {
    // bristles - computed: false, optional: false, required: true
    _bristles;
    get bristles() {
        return this.getNumberAttribute('bristles');
    }
    // made - computed: true, optional: false, required: false
    get made() {
        return this.getStringAttribute('made');
    }
}
class PaintTubeOutputReference extends cdktn.ComplexObject {
    // colour - computed: false, optional: true, required: false
    _colour;
    get colour() {
        return this.getStringAttribute('colour');
    }
}
class PaintTubeList extends cdktn.ComplexList {
}
class PaintRuleOutputReference extends cdktn.ComplexObject {
    // allowed - computed: false, optional: true, required: false
    _allowed;
    get allowed() {
        return this.getBooleanAttribute('allowed');
    }
}
class PaintRuleList extends cdktn.ComplexList {
}
class PaintTimeoutsOutputReference extends cdktn.ComplexObject {
    // create - computed: false, optional: true, required: false
    _create;
    get create() {
        return this.getStringAttribute('create');
    }
}
class Paint extends cdktn.TerraformResource {
    constructor(scope, id, config) {
        super(scope, id, {
            terraformGeneratorMetadata: {
                providerName: 'azurerm',
                providerVersion: '5.10.0',
            },
        });
    }
    // id - computed: true, optional: true, required: false
    _id;
    get id() {
        return this.getStringAttribute('id');
    }
    // layers - computed: false, optional: true, required: false
    _layers;
    get layers() {
        return cdktn.Fn.tolist(this.getListAttribute('layers'));
    }
    // secret_wo - computed: false, optional: true, required: false
    _secretWo;
    /**
    * @deprecated Write-only: never returned.
    */
    get secretWo() {
        return this.getStringAttribute('secret_wo');
    }
    // tags - computed: false, optional: true, required: false
    _tags;
    get tags() {
        return this.getStringMapAttribute('tags');
    }
    // answers - computed: true, optional: false, required: false
    _answers = new cdktn.StringMap(this, "answers");
    get answers() {
        return this._answers;
    }
    // brush - computed: false, optional: false, required: true
    _brush = new PaintBrushOutputReference(this, "brush");
    get brush() {
        return this._brush;
    }
    // rule - computed: true, optional: true, required: false
    _rule = new PaintRuleList(this, "rule", true);
    get rule() {
        return this._rule;
    }
    // tube - computed: false, optional: true, required: false
    _tube = new PaintTubeList(this, "tube", true);
    get tube() {
        return this._tube;
    }
    // timeouts - computed: false, optional: true, required: false
    _timeouts = new PaintTimeoutsOutputReference(this, "timeouts");
    get timeouts() {
        return this._timeouts;
    }
    synthesizeAttributes() {
        return {
            secret_wo: this.markWriteOnlyAttribute(cdktn.stringToTerraform(this._secretWo)),
            brush: paintBrushToTerraform(this._brush.internalValue),
            rule: cdktn.listMapper(paintRuleToTerraform, false)(this._rule.internalValue),
            tube: cdktn.listMapper(paintTubeToTerraform, true)(this._tube.internalValue),
        };
    }
    synthesizeHclAttributes() {
        const attrs = {
            brush: {
                value: paintBrushToHclTerraform(this._brush.internalValue),
                isBlock: true,
                type: "list",
                storageClassType: "PaintBrushList",
            },
            rule: {
                value: cdktn.listMapperHcl(paintRuleToHclTerraform, false)(this._rule.internalValue),
                isBlock: true,
                type: "set",
                storageClassType: "PaintRuleList",
            },
            tube: {
                value: cdktn.listMapperHcl(paintTubeToHclTerraform, true)(this._tube.internalValue),
                isBlock: true,
                type: "set",
                storageClassType: "PaintTubeList",
            },
            timeouts: {
                value: paintTimeoutsToHclTerraform(this._timeouts.internalValue),
                isBlock: true,
                type: "struct",
                storageClassType: "PaintTimeouts",
            },
        };
    }
}
"""
PAINT = {
    "attributes": {
        "answers": {"computed": True, "type": ["map", "string"]},
        "id": {"optional": True, "computed": True, "type": "string"},
        "layers": {"optional": True, "type": ["set", "string"]},
        "rule": {"optional": True, "computed": True, "type": ["set", ["object", {"allowed": "bool"}]]},
        "secret_wo": {"optional": True, "write_only": True, "type": "string"},
        "tags": {"optional": True, "type": ["map", "string"]},
    },
    "block_types": {
        "brush": {
            "nesting_mode": "list",
            "min_items": 1,
            "max_items": 1,
            "block": {"attributes": {"bristles": {"required": True, "type": "number"}, "made": {"computed": True, "type": "string"}}},
        },
        "timeouts": {"nesting_mode": "single", "block": {"attributes": {"create": {"optional": True, "type": "string"}}}},
        "tube": {"nesting_mode": "set", "block": {"attributes": {"colour": {"optional": True, "type": "string"}}}},
    },
}


def test_every_form_of_the_generated_code_is_understood() -> None:
    assert rebuild.schema_of(JAVASCRIPT) == {"version": 0, "block": PAINT}


def test_a_form_that_is_new_is_an_error_and_no_gap() -> None:
    with pytest.raises(ValueError, match=r"Paint\.tags: unknown form .this\.getColourAttribute"):
        rebuild.schema_of(JAVASCRIPT.replace("getStringMapAttribute", "getColourAttribute"))


def wheel(folder: Path, names: list[str]) -> Path:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as files:
        for name in names:
            entry = tarfile.TarInfo(f"package/lib/{name}/index.js")
            entry.size = len(JAVASCRIPT.encode())
            files.addfile(entry, BytesIO(JAVASCRIPT.encode()))
    path = folder / "cdktn_provider_azurerm-18.9.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cdktn_provider_azurerm/_jsii/provider-azurerm@18.9.0.jsii.tgz", packed.getvalue())
    return path


def test_a_wheel_becomes_a_file_that_is_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "RESOURCES", ("paint",))
    monkeypatch.setattr(rebuild, "DATA_SOURCES", ("paint",))
    found = rebuild.rebuild(wheel(tmp_path, ["paint", "data-azurerm-paint", "provider", "another"]))
    schemas = found["provider_schemas"][ADDRESS]
    assert schemas["resource_schemas"] == schemas["data_source_schemas"] == {"azurerm_paint": {"version": 0, "block": PAINT}}
    assert found["version"] == "5.10.0"
    first, second = tmp_path / "first", tmp_path / "second"
    rebuild.write(found, first)
    rebuild.write(found, second)
    assert first.read_bytes() == second.read_bytes()


def test_a_wheel_that_lacks_a_resource_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"has no .*package/lib/storage-account/index\.js"):
        rebuild.rebuild(wheel(tmp_path, ["provider"]))
