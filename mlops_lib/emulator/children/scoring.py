"""The inference server of one deployment: loads its scoring script, and gives each request to its ``run()``.

A stand-alone script, started in the emulator's own Python: ``python scoring.py '{"script": …}'``. It is told
``script`` (the path of the scoring script) or ``mlflow`` (a model's folder, served without a script), ``at_once`` (how many
requests run at once) and ``ready`` (a file descriptor). To that it writes its port once ``init()`` is done; when that fails,
it ends with what went wrong in its log, which is what it prints. It ends, too, when its standard input does.

What a script may expect of it is what azureml-inference-server-http does: ``run(data)`` gets the body as text, its result is
answered as JSON; ``request_headers`` is a parameter that ``run()`` may have; ``@rawhttp`` gives it the request, and an
``AMLResponse`` is answered as it is; ``@input_schema`` of inference-schema gives it the body's values by name.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_MODULES = ("azureml.contrib.services", "azureml_inference_server_http.api")


class AMLRequest:
    """A request, with what Flask's request has of the most used: method, path, headers, args, data and JSON."""

    def __init__(self, method: str, target: str, headers: Any, data: bytes) -> None:
        parts = urlsplit(target)
        self.method, self.path, self.full_path = method, parts.path, target
        self.headers, self.data = headers, data
        self.args = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.query_string = parts.query.encode()
        self.content_type = headers.get("Content-Type") or ""

    def get_data(self, as_text: bool = False) -> Any:
        """The body."""
        return self.data.decode("utf-8") if as_text else self.data

    @property
    def is_json(self) -> bool:
        """Whether the client says that the body is JSON."""
        kind = self.content_type.partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """The body as JSON."""
        try:
            if not force and not self.is_json:
                raise ValueError("Content-Type is not application/json")
            return json.loads(self.data)
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return self.get_json()


class AMLResponse:
    """An answer as a scoring script makes it."""

    def __init__(self, message: Any, status_code: int, response_headers: dict[str, str] | None = None, json_str: bool = False,
                 run_function_failed: bool = False) -> None:
        self.status_code = status_code
        self.headers: dict[str, str] = {}
        if message is None or json_str:
            self.data = json.dumps({} if message is None else message).encode()
            self.headers["Content-Type"] = "application/json"
        else:
            self.data = message if isinstance(message, bytes) else str(message).encode()
            self.headers["Content-Type"] = "text/html; charset=utf-8"
        self.headers.update(response_headers or {})
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)

    def get_data(self) -> bytes:
        """The body."""
        return self.data


def rawhttp(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``run()`` have the request itself."""
    function.__mlops_raw__ = True  # type: ignore[attr-defined]
    return function


class _Services(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives scripts the modules ``aml_request`` and ``aml_response`` under the names that they have on Azure ML.

    First in line for these modules, last for the packages that they are in, which may really be there.
    """

    def __init__(self, *, packages: bool) -> None:
        parents = {".".join(name.split(".")[:count]) for name in _MODULES for count in range(1, name.count(".") + 2)}
        leaves = {f"{name}.{leaf}" for name in _MODULES for leaf in ("aml_request", "aml_response")}
        self._names = parents if packages else leaves
        self._packages = packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name not in self._names:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=self._packages)

    def exec_module(self, module: types.ModuleType) -> None:
        if not self._packages:
            module.__dict__.update(AMLRequest=AMLRequest, AMLResponse=AMLResponse, rawhttp=rawhttp)


class BadInput(Exception):
    """The request is none that ``run()`` could be given."""


class Script:
    """A scoring script."""

    def __init__(self, path: str) -> None:
        sys.path.insert(0, os.path.dirname(path))
        spec = importlib.util.spec_from_file_location("entry_module", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name in ("init", "run"):
            if not callable(getattr(module, name, None)):
                raise AttributeError(f"the scoring script {path} has no function {name}()")
        self._run: Callable[..., Any] = module.run
        parameters = inspect.signature(self._run).parameters
        self._headers = "request_headers" in parameters
        self._names = [name for name in parameters if name != "request_headers"]
        self._defaults = {name: told.default for name, told in parameters.items() if told.default is not told.empty}
        if not self._names:
            raise TypeError("run() takes no data: it needs a parameter")
        self._raw = getattr(self._run, "__mlops_raw__", False)
        self._by_name = _has_schema(self._run)
        module.init()

    def __call__(self, request: AMLRequest) -> Any:
        given = self._given(request)
        if self._headers:
            given["request_headers"] = dict(request.headers.items())
        return self._run(**given)

    def _given(self, request: AMLRequest) -> dict[str, Any]:
        if self._raw:
            return {self._names[0]: request}
        if request.method == "GET":
            return {self._names[0]: json.dumps({name: _parsed(value) for name, value in request.args.items()})}
        if not self._by_name:
            try:
                return {self._names[0]: request.get_data(as_text=True)}
            except UnicodeDecodeError as error:
                raise BadInput(f"Input cannot be decoded as UTF-8: {error}") from None
        try:
            body = json.loads(request.data)
        except ValueError as error:
            raise BadInput(f"POST body could not be decoded as JSON: {error}") from None
        if not isinstance(body, dict):
            raise BadInput("POST body should be a JSON dictionary.")
        values = {**self._defaults, **body}
        for name in self._names:
            if name not in values:
                raise BadInput(f"A value is not provided for the {name!r} parameter.")
        return {name: values[name] for name in self._names}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _has_schema(function: Callable[..., Any]) -> bool:
    if importlib.util.find_spec("inference_schema") is None:
        return False
    decorated: bool = importlib.import_module("inference_schema.schema_util").is_schema_decorated(function)
    return decorated


class MLflow:
    """A model of MLflow's, served without a script, as Azure ML serves it: ``{"input_data": …, "params": …}``."""

    def __init__(self, folder: str) -> None:
        import mlflow.pyfunc
        from mlflow.utils import proto_json_utils

        self._model = mlflow.pyfunc.load_model(folder)
        self._json = proto_json_utils

    def __call__(self, request: AMLRequest) -> Any:
        try:
            body = json.loads(request.data)
            data = body["input_data"]
        except (ValueError, KeyError, TypeError):
            raise BadInput("The body is a JSON object with 'input_data': {\"columns\": […], \"data\": [[…]]}.") from None
        schema = self._model.metadata.get_input_schema()
        if isinstance(data, dict) and {"columns", "data"} <= set(data):
            value = self._json.dataframe_from_parsed_json(data, "split", schema)
        elif isinstance(data, list) and schema is not None and not schema.is_tensor_spec():
            records = all(isinstance(row, dict) for row in data)
            table = data if records else {"columns": schema.input_names(), "data": data}
            value = self._json.dataframe_from_parsed_json(table, "records" if records else "split", schema)
        else:
            value = self._json.parse_tf_serving_input({"inputs": data}, schema)
        result = self._model.predict(value, params=body.get("params"))
        if hasattr(result, "columns"):
            result = result.to_dict("records")
        elif hasattr(result, "tolist"):
            result = result.tolist()
        return json.loads(json.dumps(result, cls=self._json.NumpyEncoder))


class Server(ThreadingHTTPServer):
    """Answers on loopback.

    Args:
        run: What makes of a request its result.
        at_once: How many requests run at once; the others wait.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, run: Callable[[AMLRequest], Any], at_once: int) -> None:
        self.run = run
        self.turns = threading.BoundedSemaphore(at_once)
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _any(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/":
            self._send(AMLResponse("Healthy", 200))
            return
        begun = time.perf_counter()
        request = AMLRequest(self.command, self.path, self.headers, data)
        with self.server.turns:
            response = _response(self.server.run, request)
        took = (time.perf_counter() - begun) * 1000
        response.headers["x-ms-run-fn-exec-ms"] = f"{took:.3f}"
        print(f"{self.command} {urlsplit(self.path).path} {response.status_code} {took:.3f}ms {len(response.get_data())}")
        self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _any  # noqa: N815 - http.server's names

    def _send(self, response: Any) -> None:
        content = response.get_data()
        self.send_response_only(response.status_code)
        for name, value in dict(response.headers.items()).items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Each request is a line of the log already."""


def _response(run: Callable[[AMLRequest], Any], request: AMLRequest) -> Any:
    """What is answered to a request, whatever the script makes of it."""
    if request.method not in ("GET", "POST"):
        return AMLResponse({"message": "The method is not allowed for the requested URL."}, 405, json_str=True)
    try:
        result = run(request)
    except BadInput as error:
        return AMLResponse({"message": str(error)}, 400, json_str=True)
    except Exception:
        return _failed("An unexpected error occurred in scoring script.", by_script=True)
    if all(hasattr(result, name) for name in ("status_code", "headers", "get_data")):  # Flask's own are as good
        return result
    try:
        return AMLResponse(result, 200, json_str=True)
    except (TypeError, ValueError):
        return _failed("An unexpected internal error occurred.", by_script=False)


def _failed(what: str, *, by_script: bool) -> AMLResponse:
    """The answer to what has just been raised; the log has the rest."""
    print(f"Encountered Exception: {traceback.format_exc()}", end="")
    return AMLResponse({"message": f"{what} Check the logs for more info."}, 500, json_str=True, run_function_failed=by_script)


def _end_with_parent() -> None:
    """Wait until whoever started this is gone."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> None:
    """Serve until standard input ends."""
    told = json.loads(sys.argv[1])
    sys.path.pop(0)  # this file's folder
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.meta_path.insert(0, _Services(packages=False))
    sys.meta_path.append(_Services(packages=True))
    try:
        run = MLflow(told["mlflow"]) if told.get("mlflow") else Script(told["script"])
    except BaseException:
        print(f"User's init function failed\nEncountered Exception {traceback.format_exc()}", end="", flush=True)
        os._exit(3)  # threads of the script's do not keep it
    server = Server(run, told["at_once"])
    print(f"ready for serving traffic as process {os.getpid()}")
    with open(told["ready"], "w") as ready:
        ready.write(f"{server.server_address[1]}\n")
    server.serve_forever()


if __name__ == "__main__":
    main()
