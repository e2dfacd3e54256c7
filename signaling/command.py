"""`facewire serve`, the signaling server, and `facewire token`, which lets people in."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from facewire.arguments import (
    SECRET_VARIABLE,
    TURN_SECRET_VARIABLE,
    Command,
    Need,
    add_deployment,
    add_ice,
    add_listening,
    add_secret,
    week_of_minutes,
)
from facewire.errors import InputError

if TYPE_CHECKING:
    from facewire.signaling.server import SignalingServer


SERVE_EXAMPLES = """\
examples:
  facewire serve --open                                       for trying out on this machine: no tokens
  head -c 32 /dev/urandom | base64 > secret                   for real: a secret, once,
  facewire serve --host 0.0.0.0 --secret-file secret \\
      --tls-cert fullchain.pem --tls-key privkey.pem          the server,
  facewire token kitchen --secret-file secret                 and a token for each person invited
  facewire serve --secret-file secret --host 0.0.0.0 --ice 'turn:turn.example:3478?transport=udp' \\
      --ice 'turn:turn.example:3478?transport=tcp' --turn-secret-file turn-secret
                                                              with a coturn that has the same static-auth-secret

The secrets can also be given in the environment, as FACEWIRE_SECRET and FACEWIRE_TURN_SECRET. SIGTERM ends the server
gracefully: clients are told, come back to the next one, and calls go on meanwhile. See docs/signaling.md.
"""

TOKEN_EXAMPLES = """\
examples:
  facewire token kitchen --secret-file secret             a token for one person, good for ten minutes
  facewire token kitchen --minutes 1440                   for a day; the secret is in FACEWIRE_SECRET
  FACEWIRE_TOKEN=$(facewire token kitchen --secret-file secret) facewire call kitchen

A token lets one person into one room. It must be used before it expires; whoever is in by then can stay and come back.
"""


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    add_listening(parser)
    access = parser.add_argument_group("access")
    access.add_argument("--open", action="store_true", help="everybody on this machine, without tokens")
    add_secret(access, "tokens")
    access.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="web page that may connect, such as https://call.example; may be repeated (default: none)",
    )
    ice = parser.add_argument_group("what clients are told")
    add_ice(ice)
    deployment = parser.add_argument_group("deployment")
    add_deployment(deployment, "rooms with other servers", "wss://")


def serve(options: argparse.Namespace) -> None:
    from facewire.signaling.limits import is_loopback
    from facewire.signaling.server import ServerOptions, run
    from facewire.signaling.tokens import load_secret

    secret = load_secret(options.secret_file, SECRET_VARIABLE)
    if options.open and secret is not None:
        raise InputError(f"--open and a secret exclude each other (is {SECRET_VARIABLE} set?)")
    if not options.open and secret is None:
        raise InputError(f"serve needs --secret-file or {SECRET_VARIABLE}, or --open to try it on this machine alone")

    def tell(server: SignalingServer) -> None:
        print(f"listening on {server.url}{' (open to everybody on this machine)' if options.open else ''}", flush=True)
        if options.tls_key is None and not options.behind_proxy and not is_loopback(options.host):
            print(
                "facewire: warning: without TLS others on the way can read the tokens and join the rooms: give --tls-cert and "
                "--tls-key, or put a proxy with TLS in front and say --behind-proxy",
                file=sys.stderr,
                flush=True,
            )

    run(
        ServerOptions(
            host=options.host,
            port=options.port,
            secret=secret,
            ice_urls=tuple(options.ice),
            turn_secret=load_secret(options.turn_secret_file, TURN_SECRET_VARIABLE),
            origins=tuple(options.origin),
            redis_url=options.redis,
            behind_proxy=options.behind_proxy,
            tls_certificate=options.tls_cert,
            tls_key=options.tls_key,
        ),
        tell,
    )


def add_token_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("room", metavar="ROOM", help="1 to 64 of A-Z a-z 0-9 . _ -")
    add_secret(parser, "tokens")
    parser.add_argument(
        "--minutes",
        type=week_of_minutes,
        default=10,
        metavar="N",
        help="how soon it must be used, up to 10080 (default 10)",
    )


def token(options: argparse.Namespace) -> None:
    from facewire.signaling.tokens import load_secret, mint

    secret = load_secret(options.secret_file, SECRET_VARIABLE)
    if secret is None:
        raise InputError(f"token needs the server's secret: --secret-file or {SECRET_VARIABLE}")
    print(mint(secret, options.room, 60 * options.minutes))


COMMANDS = (
    Command(
        "serve",
        "the signaling server, where the two people of a call meet",
        add_serve_arguments,
        serve,
        SERVE_EXAMPLES,
        (
            Need("server", ("jwt", "prometheus_client", "uvloop")),
            Need("server", ("redis",), lambda options: options.redis is not None),
        ),
        {"secret-file": SECRET_VARIABLE, "turn-secret-file": TURN_SECRET_VARIABLE},
    ),
    Command(
        "token",
        "an invitation: lets one person into a room",
        add_token_arguments,
        token,
        TOKEN_EXAMPLES,
        (Need("server", ("jwt",)),),
        {"secret-file": SECRET_VARIABLE},
    ),
)
