"""Assets with versions: code, environments, data, components and models. A version's content never changes."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import arm
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .setup import container
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

# What may be said anew of a version that exists.
_MUTABLE = ("description", "tags", "properties", "isArchived", "stage", "isAnonymous")
# What Azure ML itself refers to when no version is named.
_DEFAULT_LABELS = ("default", "azureml_default", "latest")


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """A kind of asset.

    Attributes:
        segment: Its word in paths.
        noun: Its word in messages.
        required: A property that each version has.
        given: What a version's properties have when nothing else is said.
        content: What of a version's properties must stay as it is; by default all that is not mutable.
    """

    segment: str
    noun: str
    required: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    content: Callable[[Mapping[str, Any]], Any] = lambda properties: {
        key: value for key, value in properties.items() if key not in _MUTABLE and value is not None}

    @property
    def one(self) -> str:
        """The noun with its article."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"


def _component_content(properties: Mapping[str, Any]) -> Any:
    """Azure ML lets the words about a component change, not what it does."""
    spec = properties.get("componentSpec") or {}
    words = ("description", "tags", "display_name", "_source", "$schema", "is_deterministic")
    return {key: value for key, value in spec.items() if key not in words and value is not None}


def _code_content(properties: Mapping[str, Any]) -> Any:
    return properties.get("codeUri")


FAMILIES = (
    Family(segment="codes", noun="code", required="codeUri", content=_code_content),
    Family(segment="environments", noun="environment", given={"environmentType": "UserCreated", "osType": "Linux"}),
    Family(segment="data", noun="data asset", required="dataUri"),
    Family(segment="components", noun="component", required="componentSpec", content=_component_content),
    Family(segment="models", noun="model", required="modelUri", given={"flavors": {}}),
)


class _Handlers:
    """The operations of one family."""

    def __init__(self, family: Family) -> None:
        self.family = family

    # --- names -------------------------------------------------------------------------------------------------------

    def containers(self, world: World, request: Request) -> Response:
        found = world.resources.all_in(arm.identifier(world, request, self.family.segment))
        named = [resource for resource in found if not resource.properties.get("isAnonymous")]
        return arm.page(world, request, [self._container(world, resource) for resource in _viewed(request, named)])

    def container(self, world: World, request: Request) -> Response:
        found = self._named(world, request)
        return Response(body=self._container(world, found), headers={"ETag": found.etag})

    def put_container(self, world: World, request: Request) -> Response:
        body = request.json()
        key = arm.identifier(world, request, self.family.segment, "name")
        self._check_name(request["name"])
        properties = dict(body.get("properties") or {})
        for told in ("latestVersion", "nextVersion"):
            properties.pop(told, None)
        response = arm.replace(world, request, key, {"properties": properties})
        return Response(status=response.status, body=self._container(world, world.resources.get(key)), headers=response.headers)

    def delete_container(self, world: World, request: Request) -> Response:
        return arm.remove(world, request, self._named(world, request).id)

    def _named(self, world: World, request: Request) -> Resource:
        found = world.resources.find(arm.identifier(world, request, self.family.segment, "name"))
        if found is None:
            raise self._absent(request["name"], None)
        return found

    def _container(self, world: World, resource: Resource) -> dict[str, Any]:
        versions = world.resources.all_in(f"{resource.id}/versions")
        told = {"isArchived": False, "tags": {}, "properties": {}, **resource.properties}
        if versions:
            told |= {"latestVersion": versions[-1].name, "nextVersion": next_version(versions)}
        else:
            told |= {"latestVersion": None, "nextVersion": "1"}
        if self.family.segment == "data":
            told["dataType"] = told.get("dataType") or (versions[-1].properties.get("dataType") if versions else "uri_folder")
        return {**arm.shown(resource), "properties": told}

    # --- versions ----------------------------------------------------------------------------------------------------

    def versions(self, world: World, request: Request) -> Response:
        collection = arm.identifier(world, request, self.family.segment, "name", "versions")
        wanted = request.query.get("hash")
        if wanted is not None:
            # Anonymous code has a random name: the same content is looked for in the whole workspace.
            every = world.resources.below(arm.identifier(world, request, self.family.segment))
            same = (resource for resource in every
                    if (resource.properties.get("properties") or {}).get("hash_sha256") == wanted)
            return arm.page(world, request, map(arm.shown, itertools.islice(same, 1)))
        found = list(_viewed(request, world.resources.all_in(collection)))
        if not found and world.resources.find(collection.rpartition("/")[0]) is None:
            raise self._absent(request["name"], None)
        if (version := request.query.get("version")) is not None:
            found = [resource for resource in found if resource.name == version]
        if (stage := request.query.get("stage")) is not None:
            found = [resource for resource in found if resource.properties.get("stage") == stage]
        if "desc" in request.query.get("$orderBy", "").lower():
            found.reverse()
        return arm.page(world, request, map(arm.shown, found))

    def version(self, world: World, request: Request) -> Response:
        return arm.answer(self._version(world, request))

    def _version(self, world: World, request: Request) -> Resource:
        key = arm.identifier(world, request, self.family.segment, "name", "versions", "version")
        found = world.resources.find(key)
        if found is None and request["version"] in _DEFAULT_LABELS:
            versions = world.resources.all_in(key.rpartition("/")[0])
            found = versions[-1] if versions else None
        if found is None:
            raise self._absent(request["name"], request["version"])
        return found

    def put_version(self, world: World, request: Request) -> Response:
        family, body = self.family, request.json()
        key = arm.identifier(world, request, family.segment, "name", "versions", "version")
        self._check_name(request["name"])
        properties = body.get("properties")
        if not isinstance(properties, dict) or (family.required and properties.get(family.required) is None):
            raise Problem(400, "UserError", f"{family.one.capitalize()} has properties with a {family.required or 'value'}.")
        properties = {"tags": {}, "properties": {}, "isAnonymous": False, "isArchived": False, **family.given, **{
            key: value for key, value in properties.items() if value is not None}}

        def guard(existing: Resource) -> None:
            if family.content(existing.properties) != family.content(properties):
                raise Problem(409, "UserError", f"A different {family.noun} with name {request['name']} and version "
                              f"{request['version']} exists already: a version never changes. Use another version.")

        with world.resources.together():
            named = key.rpartition("/versions/")[0]
            if world.resources.find(named) is None:
                kept = {"isAnonymous": True} if properties["isAnonymous"] or family.segment == "codes" else {}
                world.resources.put(named, {"properties": kept})
            return arm.replace(world, request, key, {"properties": properties}, guard)

    def delete_version(self, world: World, request: Request) -> Response:
        return arm.remove(world, request, self._version(world, request).id)

    def upload(self, world: World, request: Request) -> Response:
        """Where to put the files of a new version: a container of its own, for as long as a signature is good.

        Clients upload to its root, so that two versions with files of the same names would meet in a container that they share.
        """
        arm.workspace(world, request)
        name = container(request["workspace"], str(uuid.uuid4()))
        world.account.create(name)
        address = f"{world.account.url}/{name}"
        body = request.json()
        return Response(body={
            "pendingUploadId": body.get("pendingUploadId") or str(uuid.uuid4()), "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": {
                "blobUri": address, "storageAccountArmId": world.setup.outputs()["storage"]["id"],
                "credential": {"credentialType": "SAS",
                               "sasUri": f"{address}?{world.account.signed(name, permissions='racwdl')}"}}})

    def _check_name(self, name: str) -> None:
        if not arm.is_name(name):
            raise Problem(400, "UserError", f"'{name}' is no name for {self.family.one}: it has letters, digits, '-', '_' "
                          "and '.', and begins with a letter or digit.")

    def _absent(self, name: str, version: str | None) -> Problem:
        which = f"{name}:{version}" if version else name
        return Problem(404, "UserError", f"Not found {self.family.noun} {which}.")


def _viewed(request: Request, resources: Iterable[Resource]) -> Iterable[Resource]:
    """What ``listViewType`` lets see."""
    view = request.query.get("listViewType", "ActiveOnly").lower()
    wanted = {"activeonly": (False,), "archivedonly": (True,)}.get(view, (False, True))
    return [resource for resource in resources if bool(resource.properties.get("isArchived")) in wanted]


def next_version(versions: Iterable[Resource]) -> str:
    """The number after the highest; versions that are no numbers do not count."""
    numbers = [int(resource.name) for resource in versions if re.fullmatch(r"[0-9]{1,18}", resource.name)]
    return str(max(numbers, default=0) + 1)


def _routes(family: Family) -> Iterable[Route]:
    do, every = _Handlers(family), f"{WORKSPACE}/{family.segment}"
    named, versions = f"{every}/{{name}}", f"{every}/{{name}}/versions"
    one, noun, one_of = f"{versions}/{{version}}", family.noun, family.one
    yield Route(Service.MANAGEMENT, "GET", every, do.containers, f"list names of {noun}s")
    yield Route(Service.MANAGEMENT, "GET", named, do.container, f"{one_of}'s name, with its latest and next version")
    yield Route(Service.MANAGEMENT, "PUT", named, do.put_container, f"describe or archive {one_of}'s name")
    yield Route(Service.MANAGEMENT, "DELETE", named, do.delete_container, f"delete {one_of} with all versions")
    yield Route(Service.MANAGEMENT, "GET", versions, do.versions, f"list versions of {one_of}")
    yield Route(Service.MANAGEMENT, "GET", one, do.version, f"read a version of {one_of}")
    yield Route(Service.MANAGEMENT, "PUT", one, do.put_version, f"create a version of {one_of}; describe or archive one")
    yield Route(Service.MANAGEMENT, "DELETE", one, do.delete_version, f"delete a version of {one_of}")
    if family.segment in ("codes", "data", "models"):
        yield Route(Service.MANAGEMENT, "POST", f"{one}/startPendingUpload", do.upload, f"where to upload {one_of}")


ROUTES = tuple(route for family in FAMILIES for route in _routes(family))
