"""`alonchat`: the operators' command. Each module next to this one is one thing that it does."""

import asyncio
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from alonchat import accounts, dead, doctor, output
from alonchat import reconcile as reconciling
from alonchat.accounts import Json
from alonchat.errors import OperatorError
from alonchat.stack.settings import StackSettings
from alonchat.stack.up import up as run_stack
from libs.bus.errors import FaultError, Refused, ServiceUnavailable
from libs.runtime import logs
from libs.runtime.settings import SettingsError
from services.__main__ import serve as run_services

Service = Literal["billing", "webhooks", "llm", "rag", "api"]
OnlyService = Annotated[
    Service | None, Parameter(help="Ask only this one; what a container's health check runs.")
]
SingleProcess = Annotated[
    bool, Parameter(negative="", help="Run all services in one process instead of one each.")
]
Demo = Annotated[bool, Parameter(help="Create the demo account and agent on the first start.")]

app = App(
    name="alonchat",
    help="Run AlonChat and look after it.",
    version=lambda: f"alonchat {version('alonchat')}",
    version_flags=["--version"],
    exit_on_error=False,
    print_error=False,
)
app.command(accounts.app)
app.command(dead.app)


@app.command
def up(
    *,
    single_process: SingleProcess = False,
    demo: Demo = True,
    json: Json = False,
) -> None:
    """Run everything on this machine: the embedded servers and all services."""
    settings = StackSettings.load()
    logs.configure("info", "json" if json else "text", "up")
    progress = output.Progress(as_json=json)
    asyncio.run(run_stack(settings, progress, single_process=single_process, with_demo=demo))


@app.command
def serve(*services: Service) -> None:
    """Run services in this process, all of them when none is named. What a container runs."""
    run_services(services)


@app.command(name="doctor")
def examine(*, service: OnlyService = None, json: Json = False) -> None:
    """Try everything that the system needs; say what is wrong and what to do."""
    findings = asyncio.run(doctor.examine(service))
    healthy = all(finding.ok for finding in findings)
    lines = [f"{'ok  ' if found.ok else 'FAIL'}  {found.sentence}" for found in findings]
    output.show({"ok": healthy, "findings": findings}, lines, as_json=json)
    if not healthy:
        raise SystemExit(1)


@app.command
def reconcile(account: str | None = None, /, *, json: Json = False) -> None:
    """Prove that the ledger of an account, or of each, adds up to its balance."""
    checked = reconciling.reconcile(account)
    wrong = [one for one in checked if not one.ok]
    entries = sum(one.found.entries for one in checked)
    lines = [one.sentence for one in checked if account or not one.ok]
    lines.append(
        f"{len(checked)} accounts, {entries} entries, {len(wrong)} accounts not proved right."
    )
    document = {"ok": not wrong, "accounts": checked}
    output.show(document, lines, as_json=json)
    if wrong:
        raise SystemExit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, that of the command line by default; what is wrong becomes one sentence."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in tokens
    try:
        app(tokens)
    except FaultError as error:
        output.fail(error.fault.message, code=error.fault.code, as_json=as_json)
    except ServiceUnavailable as error:
        sentence = f"{error}: start it with `alonchat serve {error.service}`, or see its log."
        output.fail(sentence, code="unavailable", as_json=as_json)
    except (OperatorError, Refused, SettingsError) as error:
        output.fail(str(error), as_json=as_json)
    except CycloptsError as error:
        output.fail(f"{error} (see `alonchat --help`)", code="usage", as_json=as_json)
