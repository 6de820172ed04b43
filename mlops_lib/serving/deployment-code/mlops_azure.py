"""What Azure ML's server gives a scoring script, and takes from it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from azureml_inference_server_http.api import aml_request
from azureml_inference_server_http.api.aml_response import AMLResponse
from mlops_service import Answer

Run = TypeVar("Run", bound=Callable[[Any], Any])

# The server says three lines of each request. One will do: "POST /score 200 3.2ms 89". Filters, since MLflow sets up logging
# when it is imported, and that enables again what was disabled.
logging.getLogger("gunicorn.access").addFilter(lambda record: False)
logging.getLogger("azmlinfsrv").addFilter(lambda record: record.msg != "run() output is HTTP Response")


def rawhttp(run: Run) -> Run:
    """Let ``run()`` have the request itself: its method, type and length are judged before its body is read."""
    aml_request.rawhttp(run)
    return run


def respond(answer: Answer) -> Any:
    """An answer as the server sends it."""
    return AMLResponse(json.dumps(answer.body), answer.status, {"Content-Type": "application/json", **answer.headers})
