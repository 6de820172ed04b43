"""A model's signature as OpenAPI: what ``/swagger.json`` answers, in version 2 and with ``?version=3``.

azureml-inference-server-http serves the files ``swagger.json`` and ``swagger3.json`` beside ``score.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlops_signature import Column, Param, Signature, Tensor, Type

_SCALARS: Final[Mapping[str, Mapping[str, Any]]] = {
    "boolean": {"type": "boolean"}, "integer": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"}, "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"}, "string": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"}, "binary": {"type": "string", "format": "byte"},
}
_ERROR: Final = {"type": "object", "required": ["message"], "properties": {
    "message": {"type": "string"}, "model": {"type": "string"},
    "errors": {"type": "array", "items": {"type": "object", "properties": {
        "message": {"type": "string"}, "field": {"type": "string"}, "row": {"type": "integer"}}}}}}
_OUTPUT: Final = {"type": "object", "required": ["predictions", "model"], "properties": {
    "predictions": {"type": "array", "items": {}, "description": "One for each row, in order; null where not finite."},
    "model": {"type": "string", "description": "The model that answered, as NAME:VERSION."}}}
_WHY: Final = {"400": "A field is missing or has a value that is none of its type.", "413": "Too many bytes or rows.",
               "415": "Not JSON.", "422": "The model cannot predict these rows.", "500": "The model failed."}


def documents(signature: Signature, name: str, version: str, sample: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The documents by the names of their files.

    Args:
        signature: The model's.
        name: The model's name.
        version: Its version.
        sample: The body of a request, for an example.
    """
    return {"swagger.json": _second(signature, name, version, sample),
            "swagger3.json": _third(signature, name, version, sample)}


def _second(signature: Signature, name: str, version: str, sample: Mapping[str, Any]) -> Mapping[str, Any]:
    # Version 2 has no alternatives: the form of the sample, and what the others are said in words.
    forms = _forms(signature, nullable="x-nullable")
    key = next(form for form in sample if form in forms)
    body = {"type": "object", "required": [key], "properties": {key: forms[key], **_params(signature.params)},
            "example": sample}
    answers = {"200": {"description": "Predictions", "schema": {"$ref": "#/definitions/ServiceOutput"}}} | {
        code: {"description": why, "schema": {"$ref": "#/definitions/ErrorResponse"}} for code, why in _WHY.items()}
    return {
        "swagger": "2.0", "info": _info(name, version), "schemes": ["https"], "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}},
        "paths": {
            "/": {"get": {"operationId": "ServiceHealthCheck", "description": "Whether the service is up.",
                          "responses": {"200": {"description": "It is.", "schema": {"type": "string"}}}}},
            "/score": {"post": {
                "operationId": "RunMLService", "description": _told(forms), "security": [{"Bearer": []}],
                "parameters": [{"name": "serviceInputPayload", "in": "body", "required": True,
                                "schema": {"$ref": "#/definitions/ServiceInput"}}],
                "responses": answers}},
        },
        "definitions": {"ServiceInput": body, "ServiceOutput": _OUTPUT, "ErrorResponse": _ERROR},
    }


def _third(signature: Signature, name: str, version: str, sample: Mapping[str, Any]) -> Mapping[str, Any]:
    forms = _forms(signature, nullable="nullable")
    body = {"oneOf": [{"type": "object", "required": [key], "additionalProperties": False,
                       "properties": {key: schema, **_params(signature.params)}} for key, schema in forms.items()],
            "example": sample}

    def content(schema: str) -> Mapping[str, Any]:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}

    answers = {"200": {"description": "Predictions", "content": content("ServiceOutput")}} | {
        code: {"description": why, "content": content("ErrorResponse")} for code, why in _WHY.items()}
    return {
        "openapi": "3.0.3", "info": _info(name, version), "security": [{"Bearer": []}],
        "paths": {
            "/": {"get": {"operationId": "ServiceHealthCheck", "description": "Whether the service is up.", "responses": {
                "200": {"description": "It is.", "content": {"text/plain": {"schema": {"type": "string"}}}}}}},
            "/score": {"post": {"operationId": "RunMLService", "description": _told(forms),
                                "requestBody": {"required": True, "content": content("ServiceInput")}, "responses": answers}},
        },
        "components": {"schemas": {"ServiceInput": body, "ServiceOutput": _OUTPUT, "ErrorResponse": _ERROR},
                       "securitySchemes": {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}}},
    }


def _info(name: str, version: str) -> Mapping[str, str]:
    return {"title": name, "version": version, "description": f"Predictions of the model {name}"}


def _told(forms: Mapping[str, Any]) -> str:
    return f"Predict. The rows are in one of {', '.join(forms)}."


def _forms(signature: Signature, *, nullable: str) -> Mapping[str, Mapping[str, Any]]:
    """The keys of a body that hold the rows, with their schemas."""
    if signature.tensors:
        arrays = {tensor.name: _array(tensor) for tensor in signature.tensors}
        alone = arrays[""] if "" in arrays else {"type": "object", "required": list(arrays), "properties": arrays}
        return dict.fromkeys(("inputs", "input_data", "data"), alone)
    columns = signature.columns
    row: Mapping[str, Any] = {"type": "object", "required": [column.name for column in columns if not column.may_be_missing],
                              "properties": {column.name: _value(column, nullable) for column in columns}}
    records = {"type": "array", "items": row}
    rows = {"type": "array", "items": {"type": "array", "items": {}}}
    split = {"type": "object", "required": ["columns", "data"] if signature.named else ["data"], "properties": {
        "columns": {"type": "array", "items": {"type": "string"}}, "index": {"type": "array", "items": {}}, "data": rows}}
    return {"dataframe_split": split, "dataframe_records": records, "input_data": split, "inputs": records, "data": records} \
        if signature.named else {"dataframe_split": split, "input_data": split, "inputs": rows, "data": rows}


def _value(column: Column, nullable: str) -> Mapping[str, Any]:
    return {**schema(column.type), **({nullable: True} if column.may_be_missing else {})}


def schema(wanted: Type) -> Mapping[str, Any]:
    """A type of MLflow's as a JSON schema."""
    kind = wanted["type"]
    if kind == "array":
        return {"type": "array", "items": schema(wanted["items"])}
    if kind == "object":
        properties: Mapping[str, Type] = wanted["properties"]
        needed = [name for name, type_ in properties.items() if type_.get("required", True)]
        return {"type": "object", "properties": {name: schema(type_) for name, type_ in properties.items()},
                **({"required": needed} if needed else {})}
    if kind == "map":
        return {"type": "object", "additionalProperties": schema(wanted["values"])}
    return _SCALARS.get(kind, {})


def _array(tensor: Tensor) -> Mapping[str, Any]:
    kind = tensor.dtype.rstrip("0123456789")
    words = {"float": "number", "int": "integer", "uint": "integer", "bool": "boolean"}
    inner: Mapping[str, Any] = {"type": words.get(kind, "string")}
    for length in reversed(tensor.shape):
        inner = {"type": "array", "items": inner, **({"minItems": length, "maxItems": length} if length >= 0 else {})}
    return inner


def _params(params: Sequence[Param]) -> Mapping[str, Any]:
    def one(param: Param) -> Mapping[str, Any]:
        told = schema(param.type)
        return {"type": "array", "items": told} if param.shape is not None else told

    return {"params": {"type": "object", "properties": {param.name: one(param) for param in params}}} if params else {}
