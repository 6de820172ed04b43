"""Each rule on the smallest document that shows it; what is right is left alone; no document is too odd."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.document import Scalar, Table, Value, parse, unparse
from mlops_lib.errors import CompileError
from mlops_lib.rules.conda import check_conda
from mlops_lib.rules.facts import MANY, Arity
from mlops_lib.rules.literals import surprise
from mlops_lib.rules.parallel import check_parallel
from mlops_lib.rules.schedule import check_schedule
from mlops_lib.rules.serving import check_deployment, check_endpoint
from mlops_lib.rules.storage import check_datastore, check_environment, check_mltable
from mlops_lib.rules.sweep import check_sweep
from mlops_lib.spec import KINDS, Input, Report

TRIAL = {
    "rate": Input(type="number", min=0, max=1),
    "mode": Input(type="string", enum=("fast", "slow")),
    "data": Input(type="uri_folder"),
    "depth": Input(type="integer", min=1, max=9),
    "fast": Input(type="boolean"),
}


def sweep(value: Any, report: Report) -> None:
    check_sweep(value, report, inputs=TRIAL, metrics={"auc"})


def parallel(value: Any, report: Report) -> None:
    check_parallel(value, report, inputs={"data": "uri_folder", "table": "mltable", "rate": "number"}, outputs={"out"}, entry={"init": Arity(0, 0), "run": Arity(1, 1)})


def conda(value: Any, report: Report) -> None:
    KINDS["conda file"].check(value, report, "")
    check_conda(value, report)


def endpoint(value: Any, report: Report) -> None:
    check_endpoint(value, report, deployments={"blue"})


def deployment(value: Any, report: Report) -> None:
    check_deployment(value, report, endpoints={"late"}, entry={"init": Arity(0, 0), "run": Arity(1, 1)})


CHECKS: dict[str, Callable[[Any, Report], None]] = {
    "sweep": sweep,
    "parallel": parallel,
    "conda": conda,
    "environment": check_environment,
    "datastore": check_datastore,
    "mltable": check_mltable,
    "schedule": check_schedule,
    "endpoint": endpoint,
    "deployment": deployment,
}


def told(kind: str, text: str) -> list[tuple[str, int, str]]:
    report = Report()
    CHECKS[kind](parse(text, "f.yml"), report)
    return [(finding.code, finding.place.line, str(finding)) for finding in report.findings]


SPACE = "search_space:\n  rate: {}\n"
SCHEDULE = "create_job: ./p.yml\ntrigger:\n"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("sweep", SPACE.format("{type: uniform, min_value: 0.1, max_value: 1}") + "sampling_algorithm: bayesian\n"),
        ("sweep", SPACE.format("{type: loguniform, min_value: -7, max_value: 0}")),
        ("sweep", SPACE.replace("rate", "depth").format("{type: quniform, min_value: 1, max_value: 9, q: 1}")),
        ("sweep", SPACE.replace("rate", "depth").format("{type: qloguniform, min_value: 0, max_value: 2, q: 1}")),
        ("sweep", "search_space: {mode: {type: choice, values: [fast, slow]}}\nsampling_algorithm: {type: grid}\n"),
        ("sweep", "early_termination: {type: bandit, slack_factor: 0.1, evaluation_interval: 0, delay_evaluation: 5}\n"),
        ("sweep", "limits: {max_total_trials: 4, max_concurrent_trials: 4, timeout: 60, trial_timeout: 60}\n"),
        ("sweep", "objective: {goal: minimize, primary_metric: auc}\n"),
        ("parallel", "input_data: ${{inputs.table}}\nmini_batch_size: 10kb\nerror_threshold: -1\n"),
        ("parallel", "input_data: ${{inputs.data}}\nmini_batch_size: 10\n"),
        ("parallel", "input_data: ${{inputs.table}}\npartition_keys: [a]\n"),
        ("parallel", "task: {type: run_function, entry_script: x.py, program_arguments: '--x ${{inputs.data}}'}\n"),
        ("conda", "dependencies: [python=3.11, pip, {pip: ['a==1', 'b[x]>=2,<3', '-r r.txt', './wheel.whl', 'c @ https://x/y']}]\n"),
        ("conda", "dependencies: ['python>=3.9,<3.13', 'conda-forge::numpy=1.26.*', 'scipy 1.11', 'a=1=py_0', 'b>1|<0.5']\n"),
        ("conda", "dependencies: [python=3.11, numpy=1.26, pip, {pip: ['numpy>=1.26,<1.27', 'x<2; python_version < \"3\"', 'x>3']}]\n"),
        ("conda", "dependencies: [python=3.11, pip, {pip: ['--index-url https://${WHO}:${WORD}@h/simple']}]\n"),
        ("environment", "name: e\nimage: i\nconda_file: c.yml\n"),
        ("environment", "name: e\nbuild: {path: .}\n"),
        ("datastore", "credentials: {account_key: <key>}\n"),
        ("datastore", "credentials: {sas_token: '?xx=XXXX-XX&xxx=XXxXXX'}\n"),
        ("datastore", "type: azure_blob\n"),
        ("mltable", "transformations: [{extract_columns_from_partition_format: {partition_format: '/{a}/*'}}, read_parquet]\n"),
        ("mltable", "paths: [{file: x}]\ntransformations: [read_delimited: {delimiter: ','}, {take: 3}, read]\n".replace(", read]", "]")),
        ("schedule", SCHEDULE + "  type: cron\n  expression: 0,30 8-18/2 * JAN-JUN MON-FRI\n"),
        ("schedule", SCHEDULE + "  {type: recurrence, frequency: week, interval: 1, schedule: {hours: [0, 23], minutes: 0, week_days: [monday]}}\n"),
        ("schedule", SCHEDULE + "  {type: cron, expression: 0 0 1 1 *, start_time: '2026-05-10T10:00:00', end_time: 2027-01-01}\n"),
        ("endpoint", "traffic: {blue: 100}\nmirror_traffic: {blue: 10}\n"),
        ("endpoint", "traffic: {}\n"),
        ("deployment", "endpoint_name: late\nscale_settings: {type: default}\ninstance_count: 1\n"),
    ],
)
def test_what_is_right_is_left_alone(kind: str, text: str) -> None:
    assert told(kind, text) == []


@pytest.mark.parametrize(
    ("kind", "text", "code", "line", "words"),
    [
        ("sweep", SPACE.format("{type: normal, mu: 0, sigma: 1}") + "sampling_algorithm: grid\n", "bad-space", 2, "a grid takes choices"),
        ("sweep", SPACE.format("{type: normal, mu: 0, sigma: 1}") + "sampling_algorithm: bayesian\n", "bad-space", 2, "bayesian"),
        ("sweep", SPACE.format("{type: uniform, min_value: 1, max_value: 0.5}"), "bad-space", 2, "exchange them"),
        ("sweep", SPACE.format("{type: quniform, min_value: 0.1, max_value: 1, q: 0}"), "bad-space", 2, "q of 'rate' is 0"),
        ("sweep", SPACE.format("{type: choice, values: []}"), "bad-space", 2, "no values to choose"),
        ("sweep", SPACE.format("{type: choice, values: [0.1, fast]}"), "bad-value", 2, "is not a number"),
        ("sweep", SPACE.format("{type: uniform, min_value: 0.1, max_value: 3}"), "bad-value", 2, "outside what the trial takes"),
        ("sweep", SPACE.format("{type: loguniform, min_value: -3, max_value: 0.1}"), "bad-value", 2, "write -2.30259 for 0.1"),
        ("sweep", SPACE.format("{type: loguniform, min_value: -3, max_value: 1000}"), "bad-space", 2, "write 6.90776, its logarithm"),
        ("sweep", SPACE.replace("rate", "depth").format("{type: quniform, min_value: 1, max_value: 9, q: 2}"), "bad-value", 2, "is 1, which makes 0"),
        ("sweep", SPACE.format("{type: randint, upper: 5}"), "bad-value", 2, "upper of 'rate' is 5, which makes 4, outside"),
        ("sweep", SPACE.replace("rate", "depth").format("{type: randint, upper: 5}"), "bad-value", 2, "which makes 0, outside"),
        ("sweep", SPACE.replace("rate", "depth").format("{type: uniform, min_value: 1, max_value: 3}"), "bad-space", 2, "whole q"),
        ("sweep", SPACE.replace("rate", "depth").format("{type: qnormal, mu: 1, sigma: 3, q: 0.5}"), "bad-space", 2, "an integer"),
        ("sweep", SPACE.replace("rate", "fast").format("{type: randint, upper: 2}"), "bad-space", 2, "values: [true, false]"),
        ("sweep", "search_space: {mode: {type: choice, values: [fast, off]}}\n", "bad-value", 1, "YAML reads off as false"),
        ("sweep", "search_space:\n  raet: {type: choice, values: [1]}\n", "bad-space", 2, "did you mean 'rate'?"),
        ("sweep", "search_space:\n  data: {type: choice, values: [1]}\n", "bad-space", 2, "only literals are searched"),
        ("sweep", "inputs: {rate: 1}\nsearch_space: {rate: {type: choice, values: [1]}}\n", "bad-space", 1, "one of them"),
        ("sweep", "search_space: {}\nsampling_algorithm: grid\n", "bad-space", 1, "is empty"),
        ("sweep", "early_termination: {type: bandit, slack_factor: 0.1, slack_amount: 1}\n", "bad-policy", 1, "takes one of them"),
        ("sweep", "early_termination: {type: truncation_selection, truncation_percentage: 100}\n", "bad-policy", 1, "1 to 99"),
        ("sweep", "early_termination: {type: median_stopping, delay_evaluation: -1}\n", "bad-policy", 1, "at least 0"),
        ("sweep", "limits: {max_total_trials: 0}\n", "out-of-range", 1, "at least 1"),
        ("sweep", "limits: {timeout: 60, trial_timeout: 90}\n", "bad-limits", 1, "more than timeout"),
        ("sweep", "objective: {primary_metric: acu}\n", "unlogged-metric", 1, "did you mean 'auc'?"),
        ("parallel", "mini_batch_size: 10 files\n", "bad-batch", 1, "10kb"),
        ("parallel", "input_data: ${{inputs.data}}\nmini_batch_size: 10kb\n", "bad-batch", 2, "takes it for 10240 of them"),
        ("parallel", "input_data: ${{inputs.data}}\npartition_keys: [a]\n", "bad-batch", 2, "only tables have columns"),
        ("parallel", "mini_batch_size: 0kb\n", "bad-batch", 1, "10kb"),
        ("parallel", "input_data: ${{inputs.rate}}\n", "bad-batch", 1, "which is a number"),
        ("parallel", "input_data: ${{inputs.dta}}\n", "unknown-port", 1, "did you mean 'data'?"),
        ("parallel", "input_data: data\n", "bad-binding", 1, "${{inputs.NAME}}"),
        ("parallel", "error_threshold: -2\n", "out-of-range", 1, "at least -1"),
        ("parallel", "retry_settings: {max_retries: -1}\n", "out-of-range", 1, "at least 0"),
        ("parallel", "task: {type: function, entry_script: x.py, append_row_to: '${{outputs.o}}'}\n", "unknown-port", 1, "out"),
        ("parallel", "task: {type: function, entry_script: x.py, program_arguments: '${{inputs.o}}'}\n", "unknown-port", 1, "inputs.o"),
        ("parallel", "task: {type: run_function}\n", "missing-key", 1, "entry_script"),
        ("conda", "dependencies:\n- python=3.11\n- pip\n- pip:\n  - a\n  - --index-url https://ann:x1y2@h/simple\n", "secret", 6, "an address holds"),
        ("conda", "channels: ['https://ann:x1y2@h/c']\ndependencies: [python=3.11]\n", "secret", 1, "an address holds"),
        ("conda", "dependencies: [python=3.11, pip, {pip: ['a @ https://h/a.whl?sig=x1y2']}]\n", "secret", 1, "an address holds"),
        ("conda", "- python\n", "wrong-type", 1, "must be a mapping"),
        ("conda", "name: e\n", "bad-conda", 1, "no dependencies"),
        ("conda", "dependencies: [python, pip, {pip: 'a'}]\n", "wrong-type", 1, "pip must be a list"),
        ("conda", "dependencies: [python, {npm: [a]}]\n", "unknown-key", 1, "written '- npm=VERSION'"),
        ("conda", "dependencies: [python, pip, {pip: [a]}, {pip: [b]}]\n", "bad-conda", 1, "a second pip section"),
        ("conda", "dependencies: [python, pip, {pip: ['a=1']}]\n", "bad-conda", 1, "write 'a==1'"),
        ("conda", "dependencies: [python, '=3']\n", "bad-conda", 1, "no conda requirement"),
        ("conda", "dependencies:\n- python=3.10\n- python=3.11\n", "pin-clash", 3, "contradicts 'python=3.10' on line 2"),
        ("conda", "dependencies: [python, numpy=1.26, pip, {pip: ['numpy==2.0']}]\n", "pin-clash", 1, "no version of numpy"),
        ("conda", "dependencies: [python, pip, {pip: ['a>=2,<2']}]\n", "pin-clash", 1, "no version of a"),
        ("conda", "dependencies: [numpy]\n", "no-python", 1, "add '- python=3.11'"),
        ("conda", "dependencies: [python, {pip: [a]}]\n", "no-pip", 1, "add '- pip'"),
        ("environment", "image: i\nbuild: {path: .}\n", "image-and-build", 2, "takes one of them"),
        ("environment", "name: e\nconda_file: c.yml\n", "no-image", 1, "neither an image nor a build"),
        ("datastore", "credentials: {sas_token: sv=2024&sig=abc}\n", "secret", 1, "holds its sas_token"),
        ("mltable", "transformations: [read_paquet]\n", "unknown-transformation", 1, "did you mean 'read_parquet'?"),
        ("mltable", "transformations: [read_parquet, read_delimited]\n", "unknown-transformation", 1, "files are read once"),
        ("mltable", "transformations: [{take: 3}, read_parquet]\n", "unknown-transformation", 1, "put it first"),
        ("mltable", "transformations: [{take: many}]\n", "wrong-type", 1, "a whole number"),
        ("schedule", "create_job: ./p.yml\n", "missing-key", 1, "lacks 'trigger'"),
        ("schedule", "trigger: {type: cron, expression: 0 0 * * *}\n", "missing-key", 1, "lacks 'create_job'"),
        ("schedule", SCHEDULE + "  expression: 0 0 * *\n", "bad-cron", 3, "it has 4 fields"),
        ("schedule", SCHEDULE + "  expression: 60 0 * * *\n", "bad-cron", 3, "from 0 to 59"),
        ("schedule", SCHEDULE + "  expression: 5-1 0 * * *\n", "bad-cron", 3, "runs backwards"),
        ("schedule", SCHEDULE + "  expression: 0 0 * * MONDAY\n", "bad-cron", 3, "no day of the week"),
        ("schedule", SCHEDULE + "  expression: 0 0 31 4,6 *\n", "bad-cron", 3, "never fires"),
        ("schedule", SCHEDULE + "  {type: recurrence, frequency: day, interval: 0}\n", "out-of-range", 3, "at least 1"),
        ("schedule", SCHEDULE + "  {type: recurrence, frequency: day, schedule: {hours: 24}}\n", "out-of-range", 3, "0 to 23"),
        ("schedule", SCHEDULE + "  {type: recurrence, frequency: month, schedule: {month_days: 0}}\n", "out-of-range", 3, "-1 for the last"),
        ("schedule", SCHEDULE + "  {type: recurrence, frequency: day, schedule: {month_days: 3}}\n", "bad-recurrence", 3, "frequency: month"),
        ("schedule", SCHEDULE + "  {type: recurrence, frequency: hour, schedule: {hours: 3}}\n", "bad-recurrence", 3, "by day, week or month"),
        ("schedule", SCHEDULE + "  {start_time: '2026-02-30'}\n", "bad-time", 3, "which no calendar has"),
        ("schedule", SCHEDULE + "  {start_time: tomorrow}\n", "bad-time", 3, "2026-05-10T10:00:00"),
        ("schedule", SCHEDULE + "  {start_time: '2026-02-02', end_time: '2026-02-01'}\n", "bad-time", 3, "ends before it starts"),
        ("schedule", SCHEDULE + "  {time_zone: Europe/Berlin}\n", "bad-time", 3, "names that Windows has"),
        ("endpoint", "traffic: {blue: 90}\n", "bad-traffic", 1, "0 or 100"),
        ("endpoint", "mirror_traffic: {blue: 60}\n", "bad-traffic", 1, "at most 50 %"),
        ("endpoint", "traffic: {bleu: 100}\n", "unknown-deployment", 1, "did you mean 'blue'?"),
        ("endpoint", "defaults: {deployment_name: green}\n", "unknown-deployment", 1, "green"),
        ("deployment", "endpoint_name: lat\n", "unknown-endpoint", 1, "did you mean 'late'?"),
        ("deployment", "scale_settings: {min_instances: 3, max_instances: 2}\n", "bad-limits", 1, "more than max_instances"),
        ("deployment", "request_settings: {request_timeout_ms: 0}\n", "out-of-range", 1, "at least 1"),
        ("deployment", "scale_settings: {target_utilization_percentage: 101}\n", "out-of-range", 1, "1 to 100"),
        ("deployment", "output_action: summary_only\noutput_file_name: x.csv\n", "bad-batch", 2, "append_row"),
        ("deployment", "code_configuration: {code: src}\n", "missing-key", 1, "scoring_script"),
    ],
)
def test_each_mistake_is_told_once_at_its_place(kind: str, text: str, code: str, line: int, words: str) -> None:
    [(found, at, message)] = told(kind, text)
    assert (found, at) == (code, line)
    assert words in message


def test_a_share_of_the_traffic_is_not_negative_though_the_sum_is_right() -> None:
    assert [code for code, _, _ in told("endpoint", "traffic: {blue: 150, blu: -50}\n")].count("bad-traffic") == 2


def test_an_entry_script_must_have_init_and_run() -> None:
    report = Report()
    value = parse("task: {type: run_function, entry_script: x.py}\n", "f.yml")
    assert isinstance(value, Table)
    check_parallel(value, report, inputs={}, outputs=(), entry={"init": Arity(1, 1), "run": Arity(3, 3)})
    check_parallel(value, report, inputs={}, outputs=(), entry={"init": None, "run": Arity(0, 0)})
    check_parallel(value, report, inputs={}, outputs=(), entry={"init": Arity(0, MANY), "run": Arity(0, MANY)})
    check_parallel(value, report, inputs={}, outputs=(), entry={"model": None})
    check_deployment(parse_table("code_configuration: {scoring_script: s.py}\n"), report, entry={"run": Arity(1, 1)})
    check_deployment(parse_table("code_configuration: {scoring_script: s.py}\n"), report,
                     entry={"init": Arity(1, 2), "run": Arity(0, MANY)})
    check_deployment(parse_table("code_configuration: {scoring_script: s.py}\n"), report,
                     entry={"init": None, "run": Arity(2, MANY)})
    assert [finding.what for finding in report.findings] == [
        "run() of the entry script needs 3 arguments",
        "init() of the entry script needs arguments",
        "run() of the entry script takes no argument",
        "the entry script defines no run()",
        "the entry script defines no init()",
        "the scoring script defines no init()",
        "init() of the scoring script takes 1 to 2 arguments",
        "run() of the scoring script takes 2 or more arguments",
    ]


def parse_table(text: str) -> Table:
    value = parse(text, "f.yml")
    assert isinstance(value, Table)
    return value


@pytest.mark.parametrize(
    ("text", "wanted", "words"),
    [
        ("off", "string", "YAML reads off as false"),
        ("12:30", "string", "the base 60"),
        ("12:30", "integer", "the job would get 750 write 750"),
        ("1_000", "string", "as the number 1000"),
        ("1.10", "string", "as the number 1.1"),
        ("2026-01-02", "string", "a date of it"),
        ("010", "integer", "the base 8"),
        ("0o7", "integer", "octal numbers begin with 0"),
        ("1e3", "integer", "is text"),
    ],
)
def test_a_literal_that_yaml_turns_into_something_else_is_explained(text: str, wanted: str, words: str) -> None:
    value = parse(text, "f.yml")
    assert isinstance(value, Scalar)
    found = surprise(value, wanted)
    assert found is not None
    assert words in " ".join(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("'off'", "string"), ("off", "boolean"), ("true", "string"), ("3", "integer"), ("1e-3", "number"), ("x", "string"), ("3", "string")],
)
def test_a_literal_that_is_what_it_looks_like_is_left_alone(text: str, wanted: str) -> None:
    value = parse(text, "f.yml")
    assert isinstance(value, Scalar)
    assert surprise(value, wanted) is None


WORDS = st.sampled_from(
    ["task", "type", "inputs", "outputs", "search_space", "rate", "mode", "choice", "uniform", "values", "limits", "objective", "primary_metric", "early_termination", "bandit", "input_data", "mini_batch_size", "partition_keys", "dependencies", "pip", "python", "trigger", "cron", "expression", "schedule", "hours", "traffic", "blue", "transformations", "take", "credentials", "account_key", "image", "build", "conda_file", "start_time", "${{inputs.x}}", "10kb", "0", "-1", "1.5"]
)
DOCUMENTS = st.recursive(
    st.one_of(WORDS, st.integers(-3, 300), st.floats(allow_nan=False), st.booleans(), st.none(), st.dates(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=15,
)


@given(st.sampled_from(sorted(CHECKS)), st.dictionaries(WORDS, DOCUMENTS, max_size=5))
def test_no_document_is_too_odd(kind: str, document: Any) -> None:
    try:
        value: Value = parse(unparse(document), "f.yml")
    except CompileError:
        return
    report = Report()
    CHECKS[kind](value, report)
    for finding in report.findings:
        assert finding.place.file == "f.yml"
        assert finding.place.line
