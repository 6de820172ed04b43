"""``mlops emulate``: a local Azure ML, around a command or until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from ..errors import InputError
from . import _columns, _print_json, _say, cli, json_option


@cli.command(context_settings={"allow_interspersed_args": False})
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Keep everything in DIR for the next time; default: forget it at the end.")
@click.option("--stage", default="dev", show_default=True, help="The stage to be.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Where to listen on 127.0.0.1; default: any free port.")
@click.option("--storage-keys", is_flag=True, help="Datastores have account keys; default: clients sign in.")
@click.option("--federated", is_flag=True, help="Sign in with workload identity; default: with a client secret.")
@click.option("--fault", "faults", multiple=True, metavar="LINE",
              help="Let something go wrong: 'PUT */jobs/* status=503 retry-after=2 times=2'.")
@click.option("--faults", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Take faults from FILE, a line each; it may change meanwhile.")
@click.option("--routes", is_flag=True, help="Print what there is of Azure ML, and end.")
@json_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def emulate(context: click.Context, home: Path | None, stage: str, port: int, storage_keys: bool, federated: bool,
            faults: tuple[str, ...], file: Path | None, routes: bool, as_json: bool, command: tuple[str, ...]) -> None:
    """Run a local Azure ML: the REST API that the SDK calls, over HTTPS, with blob storage.

    With COMMAND (after --) it runs that with the variables that make it take this for Azure, and ends with its exit code.
    Without, it prints the variables, for a shell or with --json, and goes on until Ctrl-C.
    """
    import shlex
    import subprocess
    import threading

    from ..emulator import Emulator, Setup, environ_with
    from ..emulator.table import ROUTER

    if routes:
        rows = [(route.service.value, route.method, route.shown, route.does) for route in ROUTER.routes]
        if as_json:
            _print_json([dict(zip(("service", "method", "path", "does"), row, strict=True)) for row in rows])
        else:
            _columns(rows)
        return
    if command and as_json:
        raise InputError("--json prints variables, and the command gets them already", fix="leave one of them out")
    with Emulator(home, setup=Setup(stage=stage, storage_keys=storage_keys), port=port) as emulator:
        for line in faults:
            emulator.faults.add(line)
        if file is not None:
            emulator.faults.read(file)
        told = emulator.environment(credential="federated" if federated else "secret")
        # What jobs run here, too, takes this for Azure: it must not reach the real one with this process's credentials.
        variables = environ_with(told)
        os.environ.clear()
        os.environ.update(variables)
        if command:
            try:
                code = subprocess.run(command).returncode
            except OSError as error:
                raise InputError(f"{command[0]!r} cannot be run: {error.strerror}") from None
        else:
            code = 0
            with contextlib.suppress(KeyboardInterrupt):
                if as_json:
                    _print_json({"port": emulator.port, "environment": told, "outputs": emulator.setup.outputs()})
                else:
                    click.echo("\n".join(f"export {name}={shlex.quote(value)}" for name, value in told.items()))
                _say(f"{emulator.setup.workspace} answers through the proxy 127.0.0.1:{emulator.port}; end it with Ctrl-C")
                threading.Event().wait()
        for host in dict.fromkeys(emulator.refused):
            _say(f"refused: {host}")
    context.exit(code if code >= 0 else 128 - code)
