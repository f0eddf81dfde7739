"""The operators' command: what it prints, as text and as JSON, when it works and when it can't."""

import json
import tomllib
from pathlib import Path

import pytest

from alonchat import cli
from alonchat.stack import embedded


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code and what it printed."""
    code = 0
    try:
        cli.main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that lead to no system at all."""
    for name in ("NATS_URL", "MONGO_URL", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def dead_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that lead to servers that are away."""
    monkeypatch.setenv("MONGO_URL", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100")
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:9")


COMMANDS = [
    ("account", "create", "--name", "A"),
    ("account", "list"),
    ("account", "set-plan", "acc_1", "pro"),
    ("account", "grant", "acc_1", "5"),
    ("account", "keys", "acc_1"),
    ("account", "create-key", "acc_1"),
    ("account", "revoke-key", "acc_1", "key_1"),
    ("reconcile",),
    ("dead", "list"),
    ("dead", "replay", "--all"),
]


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    """As pyproject.toml has it; an installation that is older says so."""
    project = tomllib.loads((Path(cli.__file__).parents[1] / "pyproject.toml").read_text())
    version = project["project"]["version"]
    assert run(capsys, "--version") == (0, f"alonchat {version}\n", "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_stack_every_command_says_so(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """Nothing to connect to is one sentence on standard error, exit code 1, no traceback."""
    code, out, err = run(capsys, *command)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "NATS_URL is not set and no embedded stack runs in" in err
    assert "make run" in err


def test_errors_are_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the error is a document on standard output."""
    code, out, err = run(capsys, "account", "list", "--json")
    assert (code, err) == (1, "")
    assert "NATS_URL" in json.loads(out)["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("account", "create", "--name", "A", "--plan", "gold"),
        ("account", "create", "--name", "A", "--credits", "-1"),
        ("account", "create"),
        ("account", "grant", "acc_1", "0"),
        ("no-such-command",),
        ("up", "--no-such-option"),
        ("serve", "no-such-service"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_an_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """What the command line can't mean is refused with a code of its own."""
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "usage"


def test_wrong_settings_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that can't be used is one sentence with its name."""
    monkeypatch.setenv("PORT", "eight thousand")
    code, _, err = run(capsys, "up")
    assert code == 1
    assert err.startswith("alonchat: PORT: ")
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("dead_servers")
def test_nats_that_is_away_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer is named without what may be a password."""
    monkeypatch.setenv("NATS_URL", "nats://user:secret@127.0.0.1:9")
    code, _, err = run(capsys, "account", "list")
    assert code == 1
    assert "NATS does not answer at 127.0.0.1:9" in err
    assert "secret" not in err


@pytest.mark.usefixtures("dead_servers")
def test_doctor_says_what_is_wrong_from_the_ground_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Every dependency gets a sentence; exit code 1 as long as one of them fails."""
    code, out, _ = run(capsys, "doctor", "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    failing = [finding["name"] for finding in document["findings"] if not finding["ok"]]
    assert failing == ["mongo", "nats", "edge"]


def test_doctor_tells_nats_without_jetstream(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without JetStream answers, but is of no use."""
    server = embedded.nats(tmp_path / "nats")
    command = tuple(word for word in server.command if word != "-js")
    process = embedded.start(embedded.Server(**(vars(server) | {"command": command})))
    monkeypatch.setenv("NATS_URL", server.url)
    monkeypatch.setenv("MONGO_URL", "mongodb://127.0.0.1:9/")
    try:
        code, out, _ = run(capsys, "doctor", "--service", "rag")
    finally:
        embedded.stop(server, process)
    assert code == 1
    assert "JetStream is off" in out


def test_doctor_misses_a_service(
    capsys: pytest.CaptureFixture[str], nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that no process runs is named with the command that starts it."""
    monkeypatch.setenv("NATS_URL", nats_url)
    monkeypatch.setenv("MONGO_URL", "mongodb://127.0.0.1:9/")
    code, out, _ = run(capsys, "doctor", "--service", "rag")
    assert code == 1
    assert "No process of rag answers: start one with `alonchat serve rag`." in out
