"""Every code that a finding may have: what it means, in a line and in a paragraph."""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[str, tuple[str, str]] = {
    "assembly": ("The assembled pipeline has a mistake", ("The pipelines that the components' roles give cannot be put "
                 "together: an input that no role gives a value, or a value of the settings that fits no port.")),
    "bad-batch": ("A parallel or batch job cuts its input in a way that Azure ML refuses", ("mini_batch_size is a number of "
                  "files or a size of data; partition_keys divide tables only, and take precedence.")),
    "bad-binding": ("An expression binds nothing", ("A binding is one whole value: ${{parent.inputs.NAME}}, "
                    "${{parent.outputs.NAME}} or ${{parent.jobs.JOB.outputs.NAME}}; a command names its own ports, "
                    "${{inputs.NAME}} and ${{outputs.NAME}}.")),
    "bad-conda": ("A conda file cannot be installed", ("Its dependencies are a list of requirements as conda writes them, with "
                  "at most one list under 'pip' of requirements as pip writes them.")),
    "bad-cron": ("A cron expression means nothing, or never fires", ("Five fields: minute, hour, day of the month, month, day "
                 "of the week; numbers, ranges, steps, lists, JAN to DEC and SUN to SAT.")),
    "bad-entry": ("An entry or scoring script lacks what is called", ("A parallel job calls init() and run(mini_batch), a "
                  "deployment init() and run(data); the script must define them at its top level.")),
    "bad-gate": ("A gate contradicts itself, or can judge nothing", ("Limits are in order and at least one of them is given, "
                 "lists and mappings name something, once, and nothing is an expression.")),
    "bad-key": ("A key of a mapping is none", "Keys are plain names; '<<' merges mappings only."),
    "bad-limits": ("Two limits contradict each other", ("The smaller of two limits can never be reached because the other one "
                   "is reached first.")),
    "bad-literal": ("YAML cannot read a value", "The text has a form or a tag that stands for a value, and is none."),
    "bad-mapping": ("The settings map something to what cannot stand for it", ("A datastore is mapped to a folder or to the "
                    "URL of a store, a registry or a workspace to a folder.")),
    "bad-name": ("A name has characters that Azure ML refuses", ("Each kind of name has its own rule, which the message tells; "
                 "names that differ in case only are the same to Azure ML.")),
    "bad-output-path": ("An output's path is no place in a datastore", ("Outputs go to azureml://datastores/NAME/paths/…; with "
                        "'name' they become assets.")),
    "bad-policy": ("An early termination policy lacks or contradicts itself", ("Bandit needs slack_factor or slack_amount, "
                   "truncation a percentage from 1 to 99; intervals are at least 0.")),
    "bad-recurrence": ("Parts of a recurrence do not count with its frequency", ("Week days count by week, month days by "
                       "month, hours and minutes by day, week or month.")),
    "bad-reference": ("A reference means nothing to Azure ML", ("azureml://datastores/NAME/paths/PATH for data, "
                      "azureml://registries/NAME/KIND/NAME/versions/VERSION for assets; a path stays in its datastore.")),
    "bad-space": ("A search space does not fit the trial or the algorithm", ("Each parameter is a literal input of the trial; "
                  "a grid takes choices only, bayesian sampling choices, uniform and quniform.")),
    "bad-time": ("A schedule's time cannot be", ("Times are ISO 8601 without an offset, in the time zone that time_zone names "
                 "as Windows does.")),
    "bad-traffic": ("Traffic does not add up", ("The shares of an endpoint's traffic add up to 0 or 100; at most half of it is "
                    "mirrored.")),
    "bad-value": ("A literal does not fit its input", ("The input's type, range or enumeration excludes it. Literals reach the "
                  "command as text, so that 1.0 is no integer.")),
    "boolean-flag": ("A script reads a boolean with type=bool", ("Azure ML passes the text True or False, and bool('False') is "
                     "true in Python.")),
    "cycle": ("Jobs wait for each other", ("A job that waits for itself, directly or through others, can never start. The "
              "message shows the walk.")),
    "data-into-literal": ("Data is given to an input for a literal", "The input is a string, number, integer or boolean."),
    "date-literal": ("A literal is a date", ("YAML makes a date of 2026-02-01, which the SDK cannot send: it ends with a "
                     "traceback.")),
    "dead-link": ("A link in the code leads nowhere", "It would be left out of what is uploaded."),
    "duplicate-key": ("A key is given twice", "YAML keeps the last one silently."),
    "duplicate-name": ("Two components or environments have one name", "A reference by name could mean either."),
    "extra-argument": ("A command passes a value that its script has no place for", ("Every value needs a flag before it, "
                       "unless the script's parser has positional arguments.")),
    "flag-value": ("A command gives an option a value that its script refuses, or none where it needs one", ("Read from the "
                   "script's argparse, click or typer parser, which is not run.")),
    "image-and-build": ("An environment has an image and a build", "It takes one of them."),
    "include-clash": ("An additional include has the name of a file of the code", ("Both would have the same place in the "
                      "job's folder.")),
    "jobs-and-component": ("A pipeline job has jobs and a component", "It runs either its own jobs or a pipeline component."),
    "large-snapshot": ("The code is larger than Azure ML's documented limit", ("300 MB or 2,000 files, or what 'limits' in "
                       "mlops.yml says. The largest files are named.")),
    "line-break": ("A command's lines do not go together", ("A backslash that continues nothing, an option at the start of a "
                   "line of its own, or a continued line in a command with $[[…]].")),
    "literal-into-data": ("A literal is given to an input for data", ("The input is a file, folder, table or model: give it a "
                          "path.")),
    "missing-code": ("The code that a component names does not exist", "Paths are relative to the file that names them."),
    "missing-file": ("A file that another names does not exist", ("A component, conda, environment or job file; paths are "
                     "relative to the file that names them.")),
    "missing-flag": ("A script requires an option that the command does not pass", ("Read from the script's argparse, click or "
                     "typer parser, which is not run.")),
    "missing-input": ("A job does not give an input that its component requires", ("An input is required unless it is optional "
                      "or has a default.")),
    "missing-key": ("A key is missing", "Azure ML requires it of this kind of file or entry."),
    "missing-path": ("A local data path does not exist", "Paths are relative to the file that names them."),
    "missing-script": ("A command runs a script that the code lacks", "The code folder is the job's working directory."),
    "missing-value": ("An input is given no value", "A null input is refused by Azure ML."),
    "no-compute": ("Jobs have no compute", "Azure ML refuses the pipeline; on this machine it runs."),
    "no-environment": ("A command names no environment", "Azure ML refuses the pipeline; on this machine it runs."),
    "no-image": ("An environment has neither an image nor a build", "Azure ML installs a conda file over an image."),
    "no-mltable": ("The folder of a table holds no file MLTable", "That file says how the table is read."),
    "no-pip": ("A conda file has a pip section and no pip", "conda warns, and adds a pip of its own choice."),
    "no-python": ("A conda file names no Python", "conda takes the newest one, another with each build."),
    "not-in-stage": ("A stage lacks what the YAML names", (
        "Its Terraform outputs have no such compute, datastore or endpoint. Only looked for with --stage.")),
    "not-optional": ("$[[…]] surrounds an input that is not optional", "Only optional inputs may stand there."),
    "not-utf8": ("A file is not UTF-8", "Azure ML reads YAML as UTF-8."),
    "not-yaml": ("A file is not YAML", "The message tells where reading stopped and what was expected."),
    "odd-literal": ("YAML 1.1 turns a literal into something else", ("off is false, 12:30 is 750, 1_000 is 1000: the job would "
                    "get that. Quotes keep the text.")),
    "optional-input": ("A required input depends on an optional one", ("Without a value the job could not run, or its command "
                       "would have a gap.")),
    "out-of-range": ("A number is outside its range", "The message tells the range."),
    "output-bound-twice": ("Two jobs are bound to one output of the pipeline", "An output has one source."),
    "pin-clash": ("Two pins of one package contradict each other", "No version fits both; the image would not be built."),
    "reserved-name": ("An input has a name that Azure ML keeps for itself", "The job would be refused."),
    "role-port": ("A component lacks a port that its role needs", "The roles' ports are listed in docs/roles.md."),
    "role-twice": ("Two components have a role that only one can have", "Only train may be there more than once."),
    "secret": ("A file holds a secret", ("Whoever reads the file, or the repository's history, can use it. The message does "
               "not repeat it.")),
    "shadowed-ignore": (".amlignore replaces .gitignore", ("Azure ML reads one of the two; files that only .gitignore leaves "
                        "out would be uploaded.")),
    "stale-export": ("A written pipeline lags behind its components", ("It was written by 'mlops export --write', and the "
                     "components have changed since.")),
    "too-deep": ("A file is nested too deeply", "More than 100 levels."),
    "too-large": ("A file is too large", "More than 5 MB, or through aliases a million values."),
    "too-many-candidates": ("More than eight components train", "The evaluate role has eight numbered inputs."),
    "type-clash": ("A port is bound to one of another type", ("Azure ML connects ports of matching types only; files and "
                   "folders do not match.")),
    "unbound-output": ("No job is bound to an output of the pipeline", "It would stay empty."),
    "unchecked-kind": ("A $schema that is not known", "Azure ML has published no such kind that is known here."),
    "unknown-component": ("A component's name is nearly one of the project's", (
        "azureml: names are looked up in components/; one that resembles none there is left to Azure ML's workspace.")),
    "unknown-deployment": ("Traffic goes to a deployment that the project lacks", ("The deployments to this endpoint are "
                           "known from the project's files.")),
    "unknown-endpoint": ("A deployment names an endpoint that the project lacks", ("The endpoints are known from the "
                         "project's files.")),
    "unknown-flag": ("A command passes an option that its script lacks", ("Read from the script's argparse, click or typer "
                     "parser, which is not run.")),
    "unknown-input": ("An input that the component or pipeline lacks", "The SDK drops such an input silently."),
    "unknown-job": ("A binding names a job that the pipeline lacks", "Jobs are bound by their name in the same pipeline."),
    "unknown-key": ("A key that this kind of file or entry lacks", ("The SDK refuses some of them with a dump, and drops "
                    "others silently.")),
    "unknown-kind": ("A file is of no kind that Azure ML knows", "Neither $schema nor the keys tell what it is."),
    "unknown-output": ("An output that the component or pipeline lacks", "Outputs are bound by their names."),
    "unknown-port": ("A command or a task names a port that the component lacks", "The text would reach the shell as it is."),
    "unknown-role": ("A tag names a role that there is not", "The roles are preprocess, train, evaluate and score."),
    "unknown-transformation": ("An MLTable transformation that there is not, or out of order", ("Files are read once, and "
                               "first.")),
    "unknown-type": ("A type that this entry cannot have", "The message lists the types."),
    "unlogged-metric": ("The objective's metric is never logged", "A sweep reads its objective from MLflow by exact name."),
    "unreadable-code": ("The code cannot be read", ("A link in a circle, or a file without permission: it could not be "
                        "uploaded.")),
    "unused-input": ("A command never mentions a required input", "Every job must give it, and nothing reads it."),
    "unused-output": ("A command never mentions an output", "The job cannot know where to write it."),
    "wrong-component": ("A job names a component of another kind", "Or a file that is no component at all."),
    "wrong-form": ("A file is given for a folder, or a folder for a file", ("Azure ML tolerates it; the job gets another path "
                   "than it expects.")),
    "wrong-type": ("A value has another type than the key takes", "The message tells both."),
    "wrong-value": ("A word that is none of those allowed", "The message lists them."),
}
