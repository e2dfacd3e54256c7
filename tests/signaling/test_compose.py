"""docker-compose.yml follows its schema and our rules, and each of its commands works when run by hand."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
ADDRESS = "10.77.0.1"
PATIENCE_S = 120.0

Compose = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Compose:
    compose: Compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return compose


def test_follows_the_schema_of_the_compose_specification(compose: Compose) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose, json.loads(schema.read_text()))


def test_every_service_runs_the_image_unprivileged(compose: Compose) -> None:
    assert set(compose["services"]) == {"keys", "redis", "coturn", "signaling", "gateway", "sender", "receiver"}
    for service in compose["services"].values():
        assert service["image"] == "facewire"
        assert service["user"] == "facewire"
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "privileged" not in service


def test_servers_have_health_checks_that_dependents_wait_for(compose: Compose) -> None:
    services = compose["services"]
    servers = {name for name, service in services.items() if service.get("restart")}
    assert servers == {"redis", "coturn", "signaling", "gateway"}
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            wanted = "service_healthy" if name in servers else "service_completed_successfully"
            assert condition == {"condition": wanted}
    for name in servers:
        assert services[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_volumes_are_declared_and_no_secret_is_in_the_files(compose: Compose) -> None:
    named = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    assert named == set(compose["volumes"])
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / "docker" / "turnserver.conf").read_text()
    assert "static-auth-secret" not in text
    assert not [service for service in compose["services"].values() if "environment" in service]


def test_the_image_installs_existing_extras_and_runs_unprivileged() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (extras,) = [re.findall(r"/tmp/facewire\[([a-z,]+)\]", line)[0] for line in lines if "pip install" in line]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    words = [line.split()[0] for line in lines if line and line[0].isupper()]
    assert words.index("USER") < words.index("CMD")
    ignored = (ROOT / ".dockerignore").read_text().split()
    for needed in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "docker"):
        assert (ROOT / needed).exists()
        assert needed not in ignored


class Host:
    """A network namespace in which every service name is this machine, and a folder laid out as in the image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "docker", folder / "docker")
        for name in ("keys", "out"):
            (folder / name).mkdir()
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} redis coturn signaling gateway\n")
        setup = (
            f"ip link set lo up && ip link add v0 type veth peer name v1 && ip addr add {ADDRESS}/24 dev v0 && "
            f"ip link set v0 up && ip link set v1 up && mount --bind {hosts} /etc/hosts && echo ready && exec sleep 600"
        )
        command = ["unshare", "--net", "--mount", "sh", "-c", setup]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        self.usable = self._holder.stdout.readline() == "ready\n"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        # As in the image, the commands of this interpreter come first.
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        log = (self.folder / f"{name}.log").open("wb")
        enter = ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", f"--wd={self.folder}", "--"]
        # Does what `cap_drop: [ALL]` and `no-new-privileges` do.
        without_rights = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
        # In a process group of its own, so that its children end with it.
        self._running[name] = subprocess.Popen(
            [*enter, *without_rights, *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        log.close()
        return self._running[name]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def run(self, name: str, command: list[str]) -> int:
        return self.start(name, command).wait(PATIENCE_S)

    def is_healthy(self, name: str, service: Compose) -> bool:
        """Runs the service's own check, within its timeout."""
        kind, *command = service["healthcheck"]["test"]
        try:
            check = self.start(f"{name}-check", command if kind == "CMD" else ["sh", "-c", *command])
            return check.wait(float(service["healthcheck"]["timeout"].removesuffix("s"))) == 0
        except subprocess.TimeoutExpired:
            self.kill(f"{name}-check")
            return False

    def wait_until_healthy(self, name: str, service: Compose, wanted: bool = True) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.is_healthy(name, service) is not wanted:
            assert self._running[name].poll() is None, self.log(name)
            assert time.monotonic() < deadline, self.log(name) + self.log(f"{name}-check")
            time.sleep(0.1)

    def kill(self, name: str) -> None:
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for name in list(self._running):
            if self._running[name].poll() is None:
                self.kill(name)
        self._holder.kill()
        self._holder.communicate()


@pytest.fixture
def host(tmp_path: Path, compose: Compose) -> Iterator[Host]:
    if not all(
        map(shutil.which, ("redis-server", "turnserver", "turnutils_stunclient", "unshare", "nsenter", "setpriv", "ip"))
    ):
        pytest.skip("needs redis-server, coturn, util-linux and iproute2")
    place = Host(tmp_path)
    if not place.usable:
        place.stop()
        pytest.skip("needs network namespaces")
    yield place
    place.stop()


@pytest.mark.slow
def test_the_services_start_and_carry_a_call(host: Host, compose: Compose) -> None:
    services = compose["services"]
    assert host.run("keys", services["keys"]["command"]) == 0, host.log("keys")
    for file in ("secret", "turn-secret", "turnserver.conf", "sender-token", "receiver-token"):
        assert (host.folder / "keys" / file).stat().st_mode & 0o077 == 0, "readable by the owner only"
    for name in ("redis", "coturn", "signaling", "gateway"):
        host.start(name, services[name]["command"])
        host.wait_until_healthy(name, services[name])

    sender = host.start("sender", services["sender"]["command"])
    receiver = host.start("receiver", services["receiver"]["command"])
    assert receiver.wait(PATIENCE_S) == 0, host.log("receiver") + host.log("signaling")
    assert sender.wait(PATIENCE_S) == 0, host.log("sender")
    for name in ("sender", "receiver"):
        assert json.loads((host.folder / "out" / f"{name}.json").read_text())
    with av.open(str(host.folder / "out" / "received.mkv")) as video:
        frames = sum(1 for _ in video.decode(video=0))
    assert frames > 5, "of about 500; a busy machine shows fewer"

    invite = ["facewire", "invite", "demo", "--secret-file", "keys/secret", "--server", "http://127.0.0.1:8788"]
    assert host.run("invite", invite) == 0, host.log("invite")
    assert host.log("invite").startswith("http://127.0.0.1:8788/j#")

    host.kill("redis")
    host.wait_until_healthy("signaling", services["signaling"], wanted=False)
    host.start("redis", services["redis"]["command"])
    host.wait_until_healthy("signaling", services["signaling"])


@pytest.mark.slow
def test_keys_are_kept_and_tokens_renewed_at_every_start(host: Host, compose: Compose) -> None:
    command = compose["services"]["keys"]["command"]
    kept, renewed = ("secret", "turn-secret", "turnserver.conf"), ("sender-token", "receiver-token")
    contents = []
    for _ in range(2):
        assert host.run("keys", command) == 0, host.log("keys")
        contents.append({name: (host.folder / "keys" / name).read_bytes() for name in kept + renewed})
    assert all(contents[0][name] == contents[1][name] for name in kept)
    assert len({contents[number][name] for number in range(2) for name in renewed}) == 4
