"""A real coturn with our configuration accepts our TURN credentials."""

import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from facewire.signaling import Joined, SignalingClient
from facewire.signaling.tokens import RECONNECT_S, turn_credential
from tests.signaling.conftest import StartServer, free_port, until, wait_for_port

CONFIG = Path(__file__).parents[2] / "docker" / "turnserver.conf"
ANNE = "a" * 16

pytestmark = pytest.mark.skipif(
    not (shutil.which("turnserver") and shutil.which("turnutils_uclient")),
    reason="needs coturn (apt-get install coturn)",
)


class Coturn:
    def __init__(self, folder: Path) -> None:
        self.port, self.secret = free_port(), secrets.token_hex(32)
        lines = [f"static-auth-secret={self.secret}", f"listening-port={self.port}", "allow-loopback-peers"]
        lines += ["listening-ip=127.0.0.1", "relay-ip=127.0.0.1", f"pidfile={folder}/pid", f"userdb={folder}/db"]
        config = folder / "turnserver.conf"
        config.write_text("\n".join([CONFIG.read_text(), *lines, ""]))  # the last of two settings counts
        self.process = subprocess.Popen(["turnserver", "-c", config], stdout=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    def relays(self, username: str, password: str, *options: str) -> bool:
        """Whether it relays between two clients with these credentials."""
        command = ["turnutils_uclient", *options, "-y", "-c", "-n", "1", "-u", username, "-w", password]
        done = subprocess.run(
            [*command, "-p", str(self.port), "127.0.0.1"], capture_output=True, text=True, timeout=30, check=False
        )
        return "tot_recv_msgs=2" in done.stdout


@pytest.fixture
def coturn(tmp_path: Path) -> Iterator[Coturn]:
    server = Coturn(tmp_path)
    yield server
    server.process.kill()
    server.process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("transport", [[], ["-t"]], ids=["udp", "tcp"])
async def test_coturn_relays_for_joined_clients(serve: StartServer, coturn: Coturn, transport: list[str]) -> None:
    url = f"turn:127.0.0.1:{coturn.port}?transport=udp"
    server = await serve(ice_urls=(url,), turn_secret=coturn.secret.encode())
    async with SignalingClient(server.url, "room") as client:
        (turn,) = (await until(client, Joined)).ice_servers
    assert turn.username
    assert turn.credential
    assert coturn.relays(turn.username, turn.credential, *transport)


def test_coturn_refuses_expired_altered_and_foreign_credentials(coturn: Coturn) -> None:
    secret, now_s = coturn.secret.encode(), time.time()
    expired = turn_credential(secret, ANNE, now_s - RECONNECT_S - 60)
    username, password = turn_credential(secret, ANNE, now_s)
    longer = str(int(username[:10]) + 1000) + username[10:]
    foreign = turn_credential(b"another secret", ANNE, now_s)
    for credential in (expired, (longer, password), foreign):
        assert not coturn.relays(*credential)
