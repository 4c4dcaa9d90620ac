"""The documents' tables say what the code says."""

import re
from typing import Any, get_args

import msgspec
import pytest
import typer

from docs_pages import PROTOCOL, README, Row, code, one_code, prose, table
from loudsync import ClientSettings, ErrorCode, ServerSettings, SessionServer
from loudsync.cli.app import app
from loudsync.core import Registry
from loudsync.protocol import (
    ClientInfo,
    ClientMessage,
    CloseCode,
    MemberInfo,
    MessageType,
    ServerMessage,
    SessionInfo,
)
from loudsync.server.metrics import Metrics
from loudsync.server.stats import ServerStats
from loudsync.web import page_files

FROM_CLIENT = {kind.__struct_config__.tag: kind for kind in get_args(ClientMessage)}
FROM_SERVER = {kind.__struct_config__.tag: kind for kind in get_args(ServerMessage)}
REQUESTS = set(FROM_CLIENT) & set(FROM_SERVER)


def fields_of(kind: type[msgspec.Struct]) -> set[str]:
    """Return a Struct's names on the wire, the optional ones with a ``?``."""
    return {
        field.encode_name + ("" if field.required else "?")
        for field in msgspec.structs.fields(kind)
        if field.encode_name != "timestamp"
    }


def fields_in(cell: str) -> set[str]:
    """Return the fields that a cell lists: ``name`` or ``name?``, then the type."""
    if cell == "none":
        return set()
    # The first in backticks of each part; further ones are values.
    parts = re.split(r", (?=`\w+\??` (?:string|number|boolean|object|`|[A-Z]))", cell)
    return {code(part)[0] for part in parts}


# --- Messages -----------------------------------------------------------------


def test_the_readme_has_every_message_and_who_sends_it() -> None:
    rows = table(README, "`type`", "From")
    said = {one_code(row["`type`"]): row["From"] for row in rows}
    assert list(said) == sorted(said, key=lambda kind: said[kind]), "clients' first"
    assert said == {
        kind.value: "server" if kind.value in FROM_SERVER else "client"
        for kind in MessageType
    }


def test_the_protocol_has_every_messages_fields() -> None:
    rows = table(PROTOCOL, "Message", "From", "Fields")
    assert {row["Message"].lower() for row in rows} == set(MessageType)
    for row in rows:
        kind = row["Message"].lower()
        sender = "server" if kind in FROM_SERVER else "client"
        struct = FROM_SERVER.get(kind) or FROM_CLIENT[kind]
        assert row["From"] == sender, kind
        assert fields_in(row["Fields"]) == fields_of(struct), kind


def test_requests() -> None:
    in_readme = table(README, "Request", "Who may")
    in_protocol = table(PROTOCOL, "Client sends", "Fields", "Who may")
    assert {one_code(row["Request"]) for row in in_readme} == REQUESTS
    assert {one_code(row["Client sends"]) for row in in_protocol} == REQUESTS
    for row in in_protocol:
        kind = one_code(row["Client sends"])
        assert fields_in(row["Fields"]) == fields_of(FROM_CLIENT[kind]), kind


def test_what_messages_carry() -> None:
    kinds = {kind.__name__: kind for kind in (ClientInfo, SessionInfo, MemberInfo)}
    rows = table(PROTOCOL, "Object", "Fields")
    said = {row["Object"]: fields_in(row["Fields"]) for row in rows}
    assert said == {name: fields_of(kind) for name, kind in kinds.items()}


def test_error_codes() -> None:
    in_readme = table(README, "Error code", "When")
    in_protocol = table(PROTOCOL, "Code", "When", "`details`")
    codes = [one_code(row["Error code"]) for row in in_readme]
    assert codes == list(ErrorCode)
    assert codes == [one_code(row["Code"]) for row in in_protocol]
    for short, full in zip(in_readme, in_protocol, strict=True):
        assert code(short["`details`"]) == code(full["`details`"])


def test_close_codes_exist() -> None:
    sent = table(PROTOCOL, "Code", "When", "The seat")
    seen = table(PROTOCOL, "Code", "Usual cause")
    for row in sent + seen:
        if row["Code"] != "any other valid code":
            CloseCode(int(row["Code"]))


# --- HTTP ---------------------------------------------------------------------


async def test_http_tables_have_every_route() -> None:
    async with SessionServer(host="127.0.0.1", port=0) as server:
        assert server._parts is not None
        http = server._parts._load_http()
        await http.start()
        site = http._site
        assert site is not None
        routes = {
            f"{route.method} {_nameless(route.resource.canonical)}"
            for route in site.app.router.routes()
            if route.resource is not None and route.method != "HEAD"
        }
        await http.stop()
    of_the_page = {f"GET {path}" for path in page_files() if path != "/"}
    for page in (README, PROTOCOL):
        rows = table(page, "Request", "Who", "Answer")
        said = {_nameless(one_code(row["Request"])) for row in rows}
        assert said == routes - of_the_page
        who = {one_code(row["Request"]): row["Who"] for row in rows}
        assert all(
            (request.startswith("DELETE") == (allowed == "host token"))
            for request, allowed in who.items()
        )


def _nameless(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def test_metrics_that_are_named_exist() -> None:
    stats = ServerStats()
    registry = Registry(ServerSettings().rules)
    text = Metrics(stats, registry, lambda: 0).as_text().decode()
    named = re.findall(r"`(loudsync_\w+)`", prose(README))
    assert named
    for name in named:
        assert f"# TYPE {name} " in text


# --- Settings -----------------------------------------------------------------


@pytest.mark.parametrize("settings", [ServerSettings(), ClientSettings()])
def test_number_tables_have_every_setting_and_its_default(
    settings: ServerSettings | ClientSettings,
) -> None:
    is_client = isinstance(settings, ClientSettings)
    rows = table(PROTOCOL, "Setting", "Default", "Meaning", last=is_client)
    said = {one_code(row["Setting"]): row["Default"] for row in rows}
    real = msgspec.structs.asdict(settings)
    assert said == {name: _number(value) for name, value in real.items()}


def _number(value: Any) -> str:
    if isinstance(value, str | tuple):
        return str(value or "empty")
    return f"{value:.10g}"


def test_the_settings_table_is_the_command_lines() -> None:
    rows = table(README, "Option", "Variable", "Default", "Of")
    said = {row["Option"]: {**row, "Meaning": ""} for row in rows}
    assert said == _rows_of_the_app()
    assert all(row["Meaning"] for row in rows)


def _rows_of_the_app() -> dict[str, Row]:
    group: Any = typer.main.get_command(app)
    rows: dict[str, Row] = {}
    for name, command in group.commands.items():
        for option in command.params:
            if option.param_type_name != "option":
                continue
            names = ", ".join(
                f"`{it}`" for it in [*option.opts, *option.secondary_opts]
            )
            default = _default(option)
            row = rows.setdefault(
                names,
                {
                    "Option": names,
                    "Variable": f"`{option.envvar}`",
                    "Default": default,
                    "Of": "",
                    "Meaning": "",
                },
            )
            row["Of"] += f", {name}" if row["Of"] else name
            if not row["Default"].startswith(default):
                row["Default"] += f"; {name}: {default}"
    return rows


def _default(option: Any) -> str:
    match option.show_default, option.default:
        case str(words), _:
            return words
        case _, None:
            return "none"
        case _, False:
            return "off"
        case _, True:
            return str(option.opts[0].removeprefix("--"))
        case _, value:
            return f"`{value}`"
