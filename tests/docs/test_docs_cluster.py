"""What docs/cluster.md and deploy/ tell operators is so, and works as it stands there.

There is no Docker here, nor a Kubernetes: their files are read and held against the
code. NATS is real.
"""

import asyncio
import ipaddress
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml  # type: ignore[import-untyped]

from child_processes import free_ports, wait_until
from cluster_nodes import Nodes, cluster, see_each_other
from docs_pages import ROOT, blocks, code, one_code, prose, table
from drills.drill import DRILLS
from loudsync import ServerSettings
from loudsync.cli.app import app
from loudsync.cluster import ClusterSettings
from loudsync.cluster.buckets import SESSIONS, Bucket
from loudsync.cluster.bus import Bus, Unreachable
from loudsync.cluster.kept import Kept, encode_kept
from loudsync.cluster.nats_server import find_nats_server
from loudsync.cluster.node import _LAST_WORDS_S
from loudsync.core import ConnectionId, SessionRecord, SessionSpec
from loudsync.core.records import SeatRecord
from loudsync.errors import StartFailed
from loudsync.protocol import DeviceId, MemberId, SessionId
from nats_accounts import nats_accounts

PAGE = ROOT / "docs" / "cluster.md"
DEPLOY = ROOT / "deploy"
NATS_CONF = DEPLOY / "nats.conf"
HAPROXY_CFG = DEPLOY / "haproxy.cfg"

SERVER_DATA = ROOT / "tests" / "server" / "data"
DATA = Path(__file__).parent / "data"

PASSWORD = "p0a1b2c3"

_INTERPOLATED = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)


def commands() -> Any:
    group: Any = typer.main.get_command(app)
    return group.commands


def check_command(words: list[str], variables: dict[str, str]) -> None:
    """Read a command line of loudsync and its environment as the program would."""
    command = commands()[words[0]]
    known = {option.envvar: option for option in command.params if option.envvar}
    given = {name: text for name, text in variables.items() if "LOUDSYNC" in name}
    assert set(given) <= set(known), "unknown variables"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LOUDSYNC_")]:
            patch.delenv(name)
        for name, text in given.items():
            patch.setenv(name, text)
        command.make_context(words[0], words[1:])


# --- Compose ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def interpolated(text: str) -> str:
    return _INTERPOLATED.sub(
        lambda found: {"NATS_PASSWORD": PASSWORD}.get(found[1], found[2] or ""), text
    )


def nodes_of(compose: Any) -> dict[str, Any]:
    return {
        name: service
        for name, service in compose["services"].items()
        if name.startswith("loudsync")
    }


def test_compose_names_only_what_it_has(compose: Any) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert set(service.get("networks", ())) <= set(compose["networks"]), name
        for mount in service.get("volumes", ()):
            source, target, *_ = mount.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (DEPLOY / source).is_file(), mount
            else:
                assert source in compose["volumes"], mount
        waited_for = service.get("depends_on", {})
        assert set(waited_for) <= set(services)
        if isinstance(waited_for, dict):
            for other, how in waited_for.items():
                assert how == {"condition": "service_healthy"}
                assert "healthcheck" in services[other]
    (build,) = {tuple(sorted(it["build"].items())) for it in nodes_of(compose).values()}
    where = dict(build)
    assert (DEPLOY / where["context"]).resolve() == ROOT
    assert (ROOT / where["dockerfile"]).is_file()


def test_compose_starts_nodes_as_they_can_be_started(compose: Any) -> None:
    nodes = nodes_of(compose)
    assert len(nodes) == 3
    for name, service in nodes.items():
        variables = {
            key: interpolated(it) for key, it in service["environment"].items()
        }
        check_command(service["command"], variables)
        assert service["command"] == ["serve", "--node-name", name]
        urls = variables["LOUDSYNC_NATS"].split(",")
        assert urls == [
            f"nats://loudsync:{PASSWORD}@{it}:4222" for it in nats_of(compose)
        ]
        (subnet,) = compose["networks"]["inside"]["ipam"]["config"]
        assert variables["LOUDSYNC_TRUSTED_PROXY"] == subnet["subnet"]
        assert ipaddress.ip_network(subnet["subnet"]).is_private
        assert seconds(service["stop_grace_period"]) >= longest_end_s()
        (asked,) = re.findall(r'"(http://\S+)"', service["healthcheck"]["test"][-1])
        assert asked == "http://127.0.0.1:8080/healthz"
        compile(service["healthcheck"]["test"][-1], name, "exec")


def nats_of(compose: Any) -> list[str]:
    return [name for name in compose["services"] if name.startswith("nats")]


def test_compose_starts_nats_servers_that_find_each_other(compose: Any) -> None:
    names = nats_of(compose)
    routes = ",".join(f"nats://{name}:6222" for name in names)
    assert len(names) == 3
    for name in names:
        service = compose["services"][name]
        words = shlex.split(service["command"])
        program, *expected = nats_command(name, routes, "/etc/nats/nats.conf")
        assert words == [program, *expected]
        mounts = dict(it.split(":")[:2] for it in service["volumes"])
        assert mounts == {"./nats.conf": "/etc/nats/nats.conf", name: "/data"}
        assert set(service["environment"]) == {"NATS_PASSWORD"}


def nats_command(name: str, routes: str, conf: str) -> list[str]:
    return [
        *("nats-server", "-c", conf),
        *("--server_name", name, "--routes", routes),
    ]


def test_the_balancer_knows_every_node(compose: Any) -> None:
    text = HAPROXY_CFG.read_text(encoding="utf-8")
    servers = dict(re.findall(r"^  server (\S+) (\S+)$", text, re.MULTILINE))
    assert servers == {name: f"{name}:8080" for name in nodes_of(compose)}
    (asked,) = re.findall(r"meth GET uri (\S+)", text)
    assert asked == "/readyz"
    (bound,) = re.findall(r"^  bind :(\d+)$", text, re.MULTILINE)
    assert compose["services"]["balancer"]["ports"] == [f"{bound}:{bound}"]
    (tunnel,) = re.findall(r"^  timeout tunnel (\S+)$", text, re.MULTILINE)
    assert seconds(tunnel) > ServerSettings().heartbeat_timeout_s


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy isn't installed")
def test_haproxy_takes_its_configuration() -> None:
    done = subprocess.run(
        ["haproxy", "-c", "-f", HAPROXY_CFG],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


# --- Kubernetes --------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifests() -> dict[tuple[str, str], Any]:
    text = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
    found = {
        (it["kind"], it["metadata"]["name"]): it for it in yaml.safe_load_all(text)
    }
    assert len(found) == text.count("\n---\n") + 1, "one of them is there twice"
    return found


Manifests = dict[tuple[str, str], Any]


def pods_of(manifests: Manifests) -> list[Any]:
    """Return the pod template of everything that runs some."""
    return [it["spec"]["template"] for it in manifests.values() if _runs_pods(it)]


def _runs_pods(manifest: Any) -> bool:
    return manifest["kind"] in {"Deployment", "StatefulSet"}


def test_every_selector_finds_its_pods(manifests: Manifests) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods_of(manifests)]
    selectors = [it["selector"] for it in _within([*manifests.values()], "selector")]
    selectors += [
        it["podSelector"] for it in _within([*manifests.values()], "podSelector")
    ]
    selectors += [
        it["labelSelector"] for it in _within([*manifests.values()], "labelSelector")
    ]
    assert len(selectors) >= 8
    for selector in selectors:
        wanted = selector.get("matchLabels", selector)
        assert any(wanted.items() <= it.items() for it in labels), selector


def _within(value: Any, key: str) -> Iterator[dict[str, Any]]:
    """Find the mappings that have a key, at any depth."""
    if isinstance(value, dict):
        if key in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for it in value:
            yield from _within(it, key)


def test_what_pods_mount_and_read_is_there(manifests: Manifests) -> None:
    claims = {
        it["metadata"]["name"]
        for spec in _within([*manifests.values()], "volumeClaimTemplates")
        for it in spec["volumeClaimTemplates"]
    }
    for pod in pods_of(manifests):
        (container,) = pod["spec"]["containers"]
        volumes = {it["name"] for it in pod["spec"].get("volumes", ())} | claims
        assert {it["name"] for it in container.get("volumeMounts", ())} <= volumes
        for volume in pod["spec"].get("volumes", ()):
            assert ("ConfigMap", volume["configMap"]["name"]) in manifests
        ports = {it["name"] for it in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
    # The only secret is made by hand, as both files say.
    secret = "create secret generic loudsync-nats"
    assert secret in prose(PAGE) + "".join(it.text for it in blocks("sh", pages=[PAGE]))
    read = [it["secretKeyRef"] for it in _within([*manifests.values()], "secretKeyRef")]
    assert read == [{"name": "loudsync-nats", "key": "password"}] * 2


def test_kubernetes_starts_nodes_as_they_can_be_started(manifests: Manifests) -> None:
    pod = manifests["Deployment", "loudsync"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {
        it["name"]: it.get("value", "").replace("$(NATS_PASSWORD)", PASSWORD)
        for it in container["env"]
    }
    check_command(container["args"], variables)
    nats = manifests["StatefulSet", "loudsync-nats"]
    hosts = [
        f"loudsync-nats-{at}.loudsync-nats" for at in range(nats["spec"]["replicas"])
    ]
    assert nats["spec"]["serviceName"] == "loudsync-nats"
    assert variables["LOUDSYNC_NATS"].split(",") == [
        f"nats://loudsync:{PASSWORD}@{host}:4222" for host in hosts
    ]
    (server,) = nats["spec"]["template"]["spec"]["containers"]
    routes = ",".join(f"nats://{host}:6222" for host in hosts)
    assert server["args"] == nats_command("$(POD_NAME)", routes, "/etc/nats/nats.conf")
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_nodes_have_the_time_to_leave(manifests: Manifests) -> None:
    pod = manifests["Deployment", "loudsync"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    command, wait_s = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod["terminationGracePeriodSeconds"] >= float(wait_s) + longest_end_s()
    rows = table(PAGE, "", "at most")
    said = {named: row["at most"] for row in rows for named in code(row[""])}
    assert said == {
        "preStop": f"{wait_s} s",
        "drain_s": f"{ClusterSettings().drain_s:g} s",
        "shutdown_grace_s": f"{ServerSettings().shutdown_grace_s:g} s",
    }
    told = f"give it {pod['terminationGracePeriodSeconds']} s"
    assert told in prose(PAGE)


def longest_end_s() -> float:
    """How long a node takes to leave, with time to write its sessions back."""
    own_s = (
        ClusterSettings().drain_s + _LAST_WORDS_S + ServerSettings().shutdown_grace_s
    )
    return own_s + 20


def seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text.removesuffix("s"))


def test_both_have_the_same_nats_configuration(manifests: Manifests) -> None:
    text = NATS_CONF.read_text(encoding="utf-8")
    assert manifests["ConfigMap", "loudsync-nats"]["data"]["nats.conf"] == text


# --- The page ------------------------------------------------------------------------


def lines_with_loudsync() -> list[Any]:
    """Find where `loudsync` is called in a container."""
    return [
        pytest.param(shlex.split(line.rpartition(" loudsync ")[2]), id=line)
        for block in blocks("sh", pages=[PAGE])
        for line in block.text.splitlines()
        if " exec " in line
    ]


@pytest.mark.parametrize("words", lines_with_loudsync())
def test_command_lines_in_containers_are_understood(words: list[str]) -> None:
    check_command(words, {})


def test_options_that_are_named_exist() -> None:
    known = {
        name
        for command in commands().values()
        for option in command.params
        if option.param_type_name == "option"
        for name in (*option.opts, *option.secondary_opts)
    }
    files = [PAGE.read_text(encoding="utf-8")]
    files += [it.read_text(encoding="utf-8") for it in DEPLOY.iterdir()]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(files)))
    others = {
        *("--build", "--detach", "--no-deps", "--from-literal"),  # docker, kubectl
        "--replicas",  # nats
        *("--routes", "--server"),  # nats-server; --server_name
        "--no-cache-dir",  # pip
    }
    assert named - others <= known
    assert named >= {"--nats", "--workers", "--trusted-proxy"}


def test_files_that_are_named_exist() -> None:
    named = re.findall(r"\bdeploy/[\w.]+\w", PAGE.read_text(encoding="utf-8"))
    assert {ROOT / it for it in named if "/loudsync" not in it} == set(DEPLOY.iterdir())


def test_log_lines_that_are_named_exist() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src" / "loudsync").rglob("*.py")
    )
    (lines,) = [it.text for it in blocks("text", pages=[PAGE]) if "vanished" in it.text]
    (ended,) = [it.text for it in blocks("text", pages=[PAGE]) if "how=left" in it.text]
    shown = re.findall(r"\] (\w+)", lines + ended)
    (others,) = re.findall(r"^Others worth knowing: (.+)$", prose(PAGE), re.MULTILINE)
    assert len(shown) == 6
    assert len(code(others)) >= 6
    for event in {*shown, *code(others)}:
        assert f'"{event}"' in source, event


def test_the_table_of_failures_names_every_drill() -> None:
    rows = table(PAGE, "", "Who is in", "Who comes")
    named = {name for row in rows for name in code(row["Drill"])}
    assert named == set(DRILLS)


def a_session(members: int, name: str, id_length: int) -> bytes:
    def text(length: int) -> str:
        return secrets.token_urlsafe(length)[:length]

    nodes = [secrets.randbits(31) for _ in range(3)]
    seats = tuple(
        SeatRecord(
            member_id=MemberId(f"client-{at}"),
            device_id=DeviceId(secrets.token_hex(id_length // 2)),
            name=name or text(64 if id_length > 32 else 20),
            is_host=False,
            joined_at_ms=1_795_757_000_000 + 137 * at,
            connection=ConnectionId(nodes[at % 3] << 32 | at),
        )
        for at in range(members)
    )
    spec = SessionSpec(
        id=SessionId("k7m2xp"),
        name="Friday Party",
        host_name="Host",
        max_members=10_000,
        token_hash=secrets.token_bytes(32),
    )
    record = SessionRecord(
        spec=spec,
        created_at_ms=1_795_757_000_000,
        next_number=members,
        seats=seats,
        kicked_devices=(),
    )
    return encode_kept(Kept("left-0a1b2c3d", record))


def test_sessions_are_as_large_as_the_table_says() -> None:
    units = {"KB": 1e3, "MB": 1e6}
    for row in table(PAGE, "Members", "a first name, 32 characters of device id"):
        count, short, long, longest = row.values()
        if not count[0].isdigit():
            continue
        for said, (name, id_length) in zip(
            (short, long, longest), [("Marie", 32), ("", 32), ("", 128)], strict=True
        ):
            number, unit = said.split()
            real = len(a_session(int(count.replace(",", "")), name, id_length))
            assert float(number) * units[unit] == pytest.approx(real, rel=0.15), row


# --- A real NATS ----------------------------------------------------------------------


def test_nats_takes_its_configuration() -> None:
    def check(conf: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [find_nats_server(), "-t", "-c", conf],
            env={**os.environ, "NATS_PASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            check=False,
        )

    done = check(NATS_CONF)
    assert done.returncode == 0, done.stderr


def permissions() -> dict[str, list[str]]:
    """Return the page's subjects: what may be published, what heard."""
    (block,) = blocks("nats", pages=[PAGE])
    publish, subscribe = block.text.split("subscribe:")
    return {
        "publish": re.findall(r'"([^"]+)"', publish),
        "subscribe": re.findall(r'"([^"]+)"', subscribe),
    }


def test_the_configuration_has_the_pages_permissions() -> None:
    def words(text: str) -> list[str]:
        return text.split()

    (block,) = blocks("nats", pages=[PAGE])
    (inner,) = re.findall(
        r"permissions: \{(.*?)\n {6}\}",
        NATS_CONF.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert words(inner) == words(block.text)


@contextmanager
def nats_with(folder: Path, options: str) -> Iterator[int]:
    """Run a nats-server with JetStream and these lines; the port."""
    (port,) = free_ports(1)
    conf, log = folder / "nats.conf", folder / "nats.log"
    conf.write_text(
        f'listen: "127.0.0.1:{port}"\n'
        f'jetstream {{ store_dir: "{(folder / "data").as_posix()}" }}\n{options}',
        encoding="utf-8",
    )
    process = subprocess.Popen([find_nats_server(), "-c", conf, "-l", log])

    def listens() -> bool:
        assert process.poll() is None, f"it ended; see {log}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, "nats-server listens")
        yield port
    finally:
        process.kill()
        process.wait()


def users(allowed: dict[str, list[str]]) -> str:
    publish, subscribe = (
        ", ".join(f'"{subject}"' for subject in allowed[kind])
        for kind in ("publish", "subscribe")
    )
    return (
        f"authorization {{ users: [ {{ user: loudsync, password: {PASSWORD}\n"
        f"permissions: {{ publish: [{publish}], subscribe: [{subscribe}] }} }} ] }}\n"
    )


def violations(folder: Path) -> list[str]:
    log = (folder / "nats.log").read_text(encoding="utf-8")
    return [line for line in log.splitlines() if "Violation" in line]


async def all_that_nodes_do(nodes: Nodes) -> None:
    """Join over another node, lose the owner, come back, close over HTTP."""
    owner, other = nodes
    party = await owner.create(listed=True)
    ann = await other.seat(party, "anns-device")
    ben = await owner.seat(party, "bens-device", "Ben")
    await see_each_other(ann, ben)
    listed = (await other.request("GET", "/sessions")).json()["sessions"]
    assert [it["id"] for it in listed] == [party.id]
    await asyncio.to_thread(owner.kill)
    again = await other.seat(party, "bens-device", "Ben")
    assert again.id == ben.id
    closed = await other.request("DELETE", f"/sessions/{party.id}", token=party.token)
    assert closed.status == 204
    await other.let_go()


async def show_nodes(*options: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loudsync", "nodes", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    return printed.decode()


async def scan_many(url: str) -> int:
    """Write so many sessions that NATS wants to know how much it may send."""
    bus = Bus(ClusterSettings(servers=(url,)), "test")
    await bus.connect()
    try:
        bucket = Bucket(SESSIONS, bus)
        await bucket.prepare()
        for some in _hundreds(4000):
            await asyncio.gather(
                *(bucket.put(f"s{at}", os.urandom(5000)) for at in some)
            )
        return len([entry async for entry in bucket.scan()])
    finally:
        await bus.close()


def _hundreds(count: int) -> Iterator[range]:
    for start in range(0, count, 100):
        yield range(start, start + 100)


@needs_signals
async def test_nodes_need_no_more_than_the_pages_permissions(tmp_path: Path) -> None:
    with nats_with(tmp_path, users(permissions())) as port:
        url = f"nats://loudsync:{PASSWORD}@127.0.0.1:{port}"
        with cluster(url, 2) as nodes:
            await all_that_nodes_do(nodes)
            assert "n1" in await show_nodes("--nats", url)
            metrics = await nodes[1].request("GET", "/metrics")
        check_metrics(metrics.body.decode())
        assert await scan_many(url) == 4000
    assert violations(tmp_path) == []


def check_metrics(text: str) -> None:
    real = set(re.findall(r"^# TYPE (loudsync_cluster_\w+) ", text, re.MULTILINE))
    rows = table(PAGE, "Metric", "Meaning", "Alert when")
    assert {one_code(row["Metric"]) for row in rows} == real
    for name in re.findall(r"`(loudsync_\w+)`", prose(PAGE)):
        if name not in {"loudsync_nodes", "loudsync_sessions"}:
            assert f"# TYPE {name} " in text, name
    assert "# TYPE loudsync_sessions " in text


@pytest.mark.parametrize("missing", ["$JS.FC.", "$JS.API.CONSUMER.CREATE."])
async def test_what_is_left_out_is_missed(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loudsync.cluster.buckets._SCAN_TIMEOUT_S", 1.5)
    allowed = permissions()
    publish = [it for it in allowed["publish"] if not it.startswith(missing)]
    with (
        nats_with(tmp_path, users({**allowed, "publish": publish})) as port,
        pytest.raises(Unreachable),
    ):
        await scan_many(f"nats://loudsync:{PASSWORD}@127.0.0.1:{port}")
    assert missing in violations(tmp_path)[0]


@needs_signals
async def test_nodes_come_in_with_credentials(tmp_path: Path) -> None:
    allowed = permissions()
    accounts = nats_accounts(
        {
            "pub": {"allow": allowed["publish"]},
            "sub": {"allow": allowed["subscribe"]},
        }
    )
    file = tmp_path / "loudsync.creds"
    file.write_text(accounts.credentials, encoding="utf-8")
    with nats_with(tmp_path, accounts.server_options) as port:
        url = f"nats://127.0.0.1:{port}"
        with cluster(url, 2, "--nats-creds", str(file)) as nodes:
            await all_that_nodes_do(nodes)
            assert "n1" in await show_nodes("--nats", url, "--nats-creds", str(file))
        bus = Bus(ClusterSettings(servers=(url,), connect_timeout_s=1), "test")
        with pytest.raises(StartFailed, match="Can't reach NATS"):
            await bus.connect()
    assert violations(tmp_path) == []


@needs_signals
async def test_nodes_come_in_with_certificates(tmp_path: Path) -> None:
    files = {
        "cert_file": SERVER_DATA / "localhost-cert.pem",
        "key_file": SERVER_DATA / "localhost-key.pem",
        "ca_file": DATA / "nats-client-cert.pem",
    }
    told = ", ".join(f'{name}: "{file.as_posix()}"' for name, file in files.items())
    options = (
        *("--nats-ca", str(files["cert_file"])),
        *("--nats-cert", str(DATA / "nats-client-cert.pem")),
        *("--nats-key", str(DATA / "nats-client-key.pem")),
    )
    with nats_with(tmp_path, f"tls {{ {told}, verify: true }}\n") as port:
        url = f"tls://127.0.0.1:{port}"
        with cluster(url, 2, *options) as nodes:
            await all_that_nodes_do(nodes)
            assert "n1" in await show_nodes("--nats", url, *options)
        settings = ClusterSettings(
            servers=(url,), tls_ca=files["cert_file"], connect_timeout_s=1
        )
        with pytest.raises(StartFailed, match="Can't reach NATS"):
            await Bus(settings, "test").connect()
