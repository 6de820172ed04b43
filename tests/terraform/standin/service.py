"""Terraform's calls, answered."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc

from standin import data, planning
from standin.arm import Arm, Refused
from standin.cloud import Cloud
from standin.facts import FACTS, Facts
from standin.schema import ProviderSchema, to_message
from standin.wire import SERVICE, calls, decode, encode, message

_ERROR = message("Diagnostic").Severity.Value("ERROR")


class Provider:
    """One instance of the provider: a schema, and Azure as the provider's configuration says."""

    def __init__(self, schema: ProviderSchema, cloud: Cloud, subscription: str) -> None:
        self.schema = schema
        self.arm = Arm(cloud=cloud, subscription=subscription)

    def handler(self) -> Any:
        """The calls of the protocol, for a server."""
        handlers = {}
        for name, (request, _) in calls().items():
            answer = getattr(self, _snake(name))
            handlers[name] = grpc.unary_unary_rpc_method_handler(
                _answering(answer), request_deserializer=request.FromString, response_serializer=_serialized
            )
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def get_provider_schema(self, request: Any) -> Any:
        return _told(self.schema)

    def validate_provider_config(self, request: Any) -> Any:
        config = decode(request.config)
        problems = []
        if not config.get("features"):
            problems.append(_diagnostic('Insufficient features blocks: at least 1 "features" block is required.'))
        return message("ValidateProviderResponse")(diagnostics=problems)

    def validate_resource_config(self, request: Any) -> Any:
        config, facts = decode(request.config), _facts(request.type_name)
        found = [_diagnostic(why, path) for path, why in planning.mistakes(facts, config)]
        return message("ValidateResponse")(diagnostics=found)

    def validate_data_resource_config(self, request: Any) -> Any:
        return message("ValidateResponse")()

    def configure_provider(self, request: Any) -> Any:
        config = decode(request.config)
        self.arm = Arm(
            cloud=self.arm.cloud,
            subscription=config.get("subscription_id") or self.arm.subscription,
            tenant=config.get("tenant_id") or self.arm.tenant,
            features=(config.get("features") or [{}])[0],
        )
        problems = []
        if not self.arm.subscription:
            problems.append(
                _diagnostic(
                    "`subscription_id` is a required provider property when performing a plan/apply operation",
                    ("subscription_id",),
                )
            )
        return message("ConfigureResponse")(diagnostics=problems)

    def upgrade_resource_state(self, request: Any) -> Any:
        block = self.schema.resources[request.type_name]
        state = json.loads(request.raw_state.json)
        return message("UpgradeResponse")(upgraded_state=encode(block.complete(state)))

    def read_resource(self, request: Any) -> Any:
        state = decode(request.current_state)
        item = self.arm.cloud.find(state["id"], request.type_name)
        block = self.schema.resources[request.type_name]
        return message("ReadResponse")(new_state=encode(block.complete(item.values) if item else None))

    def plan_resource_change(self, request: Any) -> Any:
        prior, proposed = decode(request.prior_state), decode(request.proposed_new_state)
        answer = message("PlanResponse")(legacy_type_system=True)
        if proposed is None:
            answer.planned_state.CopyFrom(encode(None))
            return answer
        block, facts, config = self.schema.resources[request.type_name], _facts(request.type_name), decode(request.config)
        planned = planning.plan(block, facts, prior, proposed, config)
        problems = [_diagnostic(why, path) for path, why in planning.mistakes(facts, config)]
        problems += [_diagnostic(why) for rule in facts.plan_rules for why in rule(planned.values, prior)]
        answer.planned_state.CopyFrom(encode(planned.values))
        answer.requires_replace.extend(_path(path) for path in planned.replace)
        answer.diagnostics.extend(problems)
        return answer

    def apply_resource_change(self, request: Any) -> Any:
        kind, prior, planned = request.type_name, decode(request.prior_state), decode(request.planned_state)
        answer = message("ApplyResponse")(legacy_type_system=True)
        new = prior
        try:
            if planned is None:
                self.arm.delete(kind, prior)
                new = None
            else:
                block, facts = self.schema.resources[kind], _facts(kind)
                self._refuse_mistakes(facts, decode(request.config))
                new = self.arm.write(kind, block, facts, prior, planned)
        except Refused as refused:
            answer.diagnostics.append(_diagnostic(str(refused)))
        answer.new_state.CopyFrom(encode(new))
        return answer

    def _refuse_mistakes(self, facts: Facts, config: Mapping[str, Any]) -> None:
        """Judge what was unknown when it was planned."""
        wrong = [why for _, why in planning.mistakes(facts, config)]
        if wrong:
            raise Refused("; ".join(wrong))

    def import_resource_state(self, request: Any) -> Any:
        block = self.schema.resources[request.type_name]
        answer = message("ImportResponse")()
        answer.imported_resources.add(type_name=request.type_name, state=encode(block.complete({"id": request.id})))
        return answer

    def read_data_source(self, request: Any) -> Any:
        block, config = self.schema.data_sources[request.type_name], decode(request.config)
        answer = message("DataResponse")()
        try:
            found = data.read(request.type_name, config, self.arm)
        except LookupError as missing:
            answer.diagnostics.append(_diagnostic(str(missing.args[0])))
            return answer
        answer.state.CopyFrom(encode(block.complete({**config, **found})))
        return answer

    def stop_provider(self, request: Any) -> Any:
        return message("StopResponse")()


def _answering(answer: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda request, _: answer(request)


def _serialized(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


_schemas: dict[int, bytes] = {}
_schemas_lock = threading.Lock()


def _told(schema: ProviderSchema) -> bytes:
    """The schema as bytes, made once a process: it is by far the largest answer."""
    with _schemas_lock:
        if id(schema) not in _schemas:
            told = message("SchemaResponse")(provider=to_message(schema.provider))
            for name, block in schema.resources.items():
                told.resource_schemas[name].CopyFrom(to_message(block, _facts(name).sensitive))
            for name, block in schema.data_sources.items():
                told.data_source_schemas[name].CopyFrom(to_message(block, _facts(name).sensitive))
            _schemas[id(schema)] = told.SerializeToString()
        return _schemas[id(schema)]


def _facts(kind: str) -> Facts:
    return FACTS.get(kind) or Facts(id=f"{{subscription}}/{kind}/{{uuid}}")


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _path(steps: Iterable[str | int]) -> Any:
    path = message("AttributePath")()
    for step in steps:
        if isinstance(step, int):
            path.steps.add(element_key_int=step)
        else:
            path.steps.add(attribute_name=step)
    return path


def _diagnostic(summary: str, path: planning.Path = ()) -> Any:
    told = message("Diagnostic")(severity=_ERROR, summary=summary)
    if path:
        told.attribute.CopyFrom(_path(path))
    return told
