"""docker-compose.yml: valid by the schema, safe by our rules, and every command of it does its work when run by hand."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from importlib.resources import files
from pathlib import Path

import av
import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
ADDRESS = "10.77.0.1"
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_follows_the_schema_of_the_compose_specification(compose):
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose, json.loads(schema.read_text()))


def test_every_service_runs_one_image_without_rights(compose):
    assert set(compose["services"]) == {"keys", "redis", "coturn", "signalling", "sender", "receiver"}
    for service in compose["services"].values():
        assert service["image"] == "facewire"
        assert service["user"] == "facewire"
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "privileged" not in service


def test_every_server_has_a_health_check_and_whoever_needs_it_waits_for_it(compose):
    services = compose["services"]
    servers = {name for name, service in services.items() if service.get("restart")}
    assert servers == {"redis", "coturn", "signalling"}
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            wanted = "service_healthy" if name in servers else "service_completed_successfully"
            assert condition == {"condition": wanted}
    for name in servers:
        assert services[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_volumes_named_are_declared_and_no_secret_is_written_down(compose):
    named = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    assert named == set(compose["volumes"])
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / "docker" / "turnserver.conf").read_text()
    assert "static-auth-secret" not in text
    assert not [service for service in compose["services"].values() if "environment" in service]


def test_the_image_installs_what_there_is_and_runs_without_rights():
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


class House:
    """A network of its own in which every service name is this machine, and the folder that the image has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "docker", folder / "docker")
        for name in ("keys", "out"):
            (folder / name).mkdir()
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} redis coturn signalling\n")
        setup = (
            f"ip link set lo up && ip link add v0 type veth peer name v1 && ip addr add {ADDRESS}/24 dev v0 && "
            f"ip link set v0 up && ip link set v1 up && mount --bind {hosts} /etc/hosts && echo ready && exec sleep 600"
        )
        command = ["unshare", "--net", "--mount", "sh", "-c", setup]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        self.usable = self._holder.stdout.readline() == "ready\n"
        self._running: dict[str, subprocess.Popen] = {}

    def start(self, name: str, command: list[str]) -> subprocess.Popen:
        # The commands of the interpreter that runs the tests first, as in the image.
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        log = (self.folder / f"{name}.log").open("wb")
        enter = ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", f"--wd={self.folder}", "--"]
        # As `cap_drop: [ALL]` and `no-new-privileges` do.
        without_rights = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
        # In a group of its own, so that what it starts ends with it.
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

    def is_healthy(self, name: str, service: dict) -> bool:
        """By the service's own check, within its time-out."""
        kind, *command = service["healthcheck"]["test"]
        try:
            check = self.start(f"{name}-check", command if kind == "CMD" else ["sh", "-c", *command])
            return check.wait(float(service["healthcheck"]["timeout"].removesuffix("s"))) == 0
        except subprocess.TimeoutExpired:
            self.kill(f"{name}-check")
            return False

    def wait_until_healthy(self, name: str, service: dict, wanted: bool = True) -> None:
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
def house(tmp_path, compose):
    if not all(
        map(shutil.which, ("redis-server", "turnserver", "turnutils_stunclient", "unshare", "nsenter", "setpriv", "ip"))
    ):
        pytest.skip("needs redis-server, coturn, util-linux and iproute2")
    place = House(tmp_path)
    if not place.usable:
        place.stop()
        pytest.skip("needs network namespaces")
    yield place
    place.stop()


@pytest.mark.slow
def test_every_command_does_its_work(house, compose):
    services = compose["services"]
    assert house.run("keys", services["keys"]["command"]) == 0, house.log("keys")
    for file in ("secret", "turn-secret", "turnserver.conf", "sender-token", "receiver-token"):
        assert (house.folder / "keys" / file).stat().st_mode & 0o077 == 0, "for their owner alone"
    for name in ("redis", "coturn", "signalling"):
        house.start(name, services[name]["command"])
        house.wait_until_healthy(name, services[name])

    sender = house.start("sender", services["sender"]["command"])
    receiver = house.start("receiver", services["receiver"]["command"])
    assert receiver.wait(PATIENCE_S) == 0, house.log("receiver") + house.log("signalling")
    assert sender.wait(PATIENCE_S) == 0, house.log("sender")
    for name in ("sender", "receiver"):
        assert json.loads((house.folder / "out" / f"{name}.json").read_text())
    with av.open(str(house.folder / "out" / "received.mkv")) as video:
        frames = sum(1 for _ in video.decode(video=0))
    assert frames > 5, "of about 500; a busy machine shows fewer"

    house.kill("redis")
    house.wait_until_healthy("signalling", services["signalling"], wanted=False)
    house.start("redis", services["redis"]["command"])
    house.wait_until_healthy("signalling", services["signalling"])


@pytest.mark.slow
def test_keys_are_made_once_and_tokens_at_every_start(house, compose):
    command = compose["services"]["keys"]["command"]
    kept, renewed = ("secret", "turn-secret", "turnserver.conf"), ("sender-token", "receiver-token")
    contents = []
    for _ in range(2):
        assert house.run("keys", command) == 0, house.log("keys")
        contents.append({name: (house.folder / "keys" / name).read_bytes() for name in kept + renewed})
    assert all(contents[0][name] == contents[1][name] for name in kept)
    assert len({contents[number][name] for number in range(2) for name in renewed}) == 4
