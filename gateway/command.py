"""`facewire gateway`, the server for calls with people in browsers, and `facewire invite`, which makes links that let them in."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from facewire.arguments import (
    SECRET_VARIABLE,
    TURN_SECRET_VARIABLE,
    Command,
    Need,
    add_deployment,
    add_ice,
    add_listening,
    add_networks,
    add_secret,
    count,
    number,
    week_of_minutes,
)
from facewire.errors import InputError

if TYPE_CHECKING:
    from facewire.gateway.server import Gateway
    from facewire.signaling.links import Link

SERVER_VARIABLE, DEFAULT_SERVER = "FACEWIRE_SERVER", "http://127.0.0.1:8787"
DAY_MINUTES = 24 * 60

GATEWAY_EXAMPLES = """\
examples:
  facewire gateway                                            for trying out on this machine: no tokens, nothing to set up;
  facewire invite kitchen                                     a link for a browser here,
  facewire call kitchen                                       and the other side of the call

  facewire gateway --public-url https://calls.example.org --behind-proxy --secret-file secret
                                                              for real, behind a proxy with TLS such as Caddy
  facewire gateway --host 0.0.0.0 --public-url https://calls.example.org --tls-cert fullchain.pem --tls-key privkey.pem \\
      --secret-file secret --ice 'turn:turn.example:3478?transport=udp' --turn-secret-file turn-secret
                                                              or with TLS of its own, and a relay for guests without UDP

A guest opens a link and needs nothing but a browser; the side with the poor link runs facewire. The gateway sees and hears what its
guests say and are told: run it where you would run a mail server. SIGTERM lets calls end first, a second one does not. See
docs/gateway.md.
"""

INVITE_EXAMPLES = """\
examples:
  facewire invite kitchen                                     for one person, to be used within a day
  facewire invite kitchen --minutes 60 --reusable             for anybody who has it, for an hour
  facewire invite kitchen --server https://calls.example.org --secret-file secret
                                                              of a gateway elsewhere
  facewire invite --revoke 'https://calls.example.org/j#x3Fq-8sV1LbA'
                                                              lets nobody in any more; who is in stays

The link opens in any browser. `facewire call LINK` joins by it as well, with facewire on that side too.
"""


def add_gateway_arguments(parser: argparse.ArgumentParser) -> None:
    add_listening(parser)
    parser.add_argument(
        "--public-url",
        metavar="URL",
        help="where guests find it, such as https://calls.example.org (default on this machine: where it listens)",
    )
    parser.add_argument(
        "--max-calls",
        type=count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="guests at a time; later ones are asked to try again (default: one for each processor)",
    )
    parser.add_argument(
        "--drain-minutes",
        type=number,
        default=10,
        metavar="N",
        help="how long calls may go on after SIGTERM (default 10)",
    )
    access = parser.add_argument_group("access")
    add_secret(access, "tokens and invitations", ", else one of your own, for this machine")
    ice = parser.add_argument_group("what programs and guests are told")
    add_ice(ice)
    deployment = parser.add_argument_group("deployment")
    add_deployment(deployment, "rooms and invitations with other gateways", "https:// and wss://")
    add_networks(deployment)


def gateway(options: argparse.Namespace) -> None:
    import cv2

    from facewire.gateway.options import HTTP_TIMEOUT_S, GatewayOptions
    from facewire.gateway.server import run
    from facewire.signaling.limits import Limits
    from facewire.signaling.server import ServerOptions
    from facewire.signaling.tokens import keep_secret, load_secret

    cv2.setNumThreads(1)  # as in `facewire call`
    secret = load_secret(options.secret_file, SECRET_VARIABLE)
    wanted = GatewayOptions(
        inviting_secret=secret or b"",
        server=ServerOptions(
            host=options.host,
            port=options.port,
            secret=secret,
            ice_urls=tuple(options.ice),
            turn_secret=load_secret(options.turn_secret_file, TURN_SECRET_VARIABLE),
            redis_url=options.redis,
            behind_proxy=options.behind_proxy,
            tls_certificate=options.tls_cert,
            tls_key=options.tls_key,
            limits=Limits(http_timeout_s=HTTP_TIMEOUT_S),
        ),
        public_url=options.public_url,
        max_calls=options.max_calls,
        drain_s=60.0 * options.drain_minutes,
        weights=options.weights,
        backend=options.backend,
    )
    wanted.check()
    own = own_secret_file()
    if secret is None:
        from dataclasses import replace

        wanted = replace(wanted, inviting_secret=keep_secret(own))

    def say(text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads this any more
            print(text, flush=True)

    def started(running: Gateway) -> None:
        here = " (this machine only)" if _is_here(running.url) else ""
        say(f"the gateway is at {running.url}{here}")
        token = "" if secret is None else " with a token, or by a link from `facewire invite`"
        say(
            f"programs join with `facewire call ROOM --server {running.url}`{token}; guests with a link from `facewire invite ROOM`"
        )
        if secret is None:
            say(f"everybody on this machine may join; the key for inviting is in {own}, which only you can read")

    def draining(calls: int) -> None:
        say(
            f"no new guests; waiting for {calls} in calls, {options.drain_minutes} minutes at most (a second signal ends them)"
        )

    run(wanted, started, draining)


def add_invite_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("room", metavar="ROOM", nargs="?", help="1 to 64 of A-Z a-z 0-9 . _ -")
    parser.add_argument(
        "--minutes",
        type=week_of_minutes,
        default=DAY_MINUTES,
        metavar="N",
        help="how soon it must be used, up to 10080 (default 1440, a day)",
    )
    parser.add_argument("--reusable", action="store_true", help="for any number of people, until it expires")
    parser.add_argument("--revoke", metavar="TEXT", help="take this link back, in place of making one")
    parser.add_argument("--no-qr", action="store_true", help="do not print the QR code")
    access = parser.add_argument_group("the gateway")
    access.add_argument(
        "--server", metavar="URL", help=f"its address (default: ${SERVER_VARIABLE}, else {DEFAULT_SERVER})"
    )
    add_secret(access, "tokens and invitations", ", else one of your own, for this machine")


def invite(options: argparse.Namespace) -> None:
    import asyncio

    from facewire.signaling import inviting, links

    if (options.room is None) == (options.revoke is None):
        raise InputError("invite needs the name of a room, or --revoke and a link")
    server = options.server or os.environ.get(SERVER_VARIABLE, DEFAULT_SERVER)
    if options.revoke is not None:
        link = links.read_link(options.revoke)
        if link is None:
            raise InputError(
                f"{options.revoke}: not an invitation link, such as https://calls.example.org/j#x3Fq-8sV1LbA"
            )
        # A link is taken back at the gateway that it names, unless another way to it is given.
        at = inviting.gateway_url(options.server) if options.server else link.gateway
        if not asyncio.run(inviting.revoke(at, _permission(options), link.code)):
            raise InputError("there is no such invitation: it has expired, or was taken back before")
        print("taken back: the link lets nobody in any more")
        return
    gateway_url = inviting.gateway_url(server)
    made = asyncio.run(
        inviting.invite(
            gateway_url, _permission(options), options.room, 60 * options.minutes, reusable=options.reusable
        )
    )
    _print_invitation(made, options)


def _print_invitation(link: Link, options: argparse.Namespace) -> None:
    who = "any number of people" if options.reusable else "one person"
    print(link, flush=True)
    if sys.stdout.isatty() and not options.no_qr:
        print(qr_code(str(link)))
    if options.quiet:
        return
    here = " The link works on this machine only." if _is_here(link.gateway) else ""
    notes = [
        f"for {who}, {_duration(options.minutes)}, in any browser.{here}",
        f"with facewire: facewire call '{link}'",
        f"to take it back: facewire invite --revoke '{link}'",
    ]
    for note in notes:
        print(f"facewire: {note}", file=sys.stderr)


def qr_code(text: str) -> str:
    """A QR code for a terminal, two modules a character, with dark on light whatever the terminal's colours are."""
    import io

    import segno

    file = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out=file, compact=True, border=2)
    return file.getvalue().rstrip("\n")


def own_secret_file() -> Path:
    """Where the key for inviting is kept if no secret is given."""
    import platformdirs

    return platformdirs.user_state_path("facewire") / "gateway-secret"


def _permission(options: argparse.Namespace) -> str:
    from facewire.signaling.tokens import mint_for_inviting

    return mint_for_inviting(_secret(options))


def _secret(options: argparse.Namespace) -> bytes:
    from facewire.signaling.tokens import keep_secret, load_secret

    secret = load_secret(options.secret_file, SECRET_VARIABLE)
    if secret is not None:
        return secret
    own = own_secret_file()
    if not own.is_file():
        raise InputError(
            f"inviting needs the gateway's secret: --secret-file or {SECRET_VARIABLE}; a `facewire gateway` of yours on this "
            f"machine would have left its own in {own}"
        )
    return keep_secret(own)


def _is_here(url: str) -> bool:
    from facewire.signaling.limits import is_loopback

    return is_loopback(urlsplit(url).hostname or "")


def _duration(minutes: int) -> str:
    if minutes % DAY_MINUTES == 0:
        days = minutes // DAY_MINUTES
        return "within a day" if days == 1 else f"within {days} days"
    return "within an hour" if minutes == 60 else f"within {minutes} minutes"


COMMANDS = (
    Command(
        "gateway",
        "a server for calls with people who have only a browser",
        add_gateway_arguments,
        gateway,
        GATEWAY_EXAMPLES,
        (
            Need("call", ("aiortc", "msgpack", "uvloop")),
            Need("server", ("jwt", "prometheus_client")),
            Need("server", ("redis",), lambda options: options.redis is not None),
        ),
        {"secret-file": SECRET_VARIABLE, "turn-secret-file": TURN_SECRET_VARIABLE},
    ),
    Command(
        "invite",
        "a link that lets somebody into a room of a gateway, by browser",
        add_invite_arguments,
        invite,
        INVITE_EXAMPLES,
        (Need("server", ("jwt", "segno")),),
        {"secret-file": SECRET_VARIABLE, "server": SERVER_VARIABLE},
    ),
)
