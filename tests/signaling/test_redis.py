"""Several servers share rooms through a real Redis, and survive its end and each other's."""

import asyncio

import pytest

from facewire.signaling import Joined, PeerJoined, PeerLeft, Refused, ServerBack, ServerGone, Signal, SignalingClient
from facewire.signaling.messages import CLOSE_TRY_AGAIN
from facewire.signaling.redis_rooms import RENEW_S, SEAT_TTL_S, RedisRooms
from facewire.signaling.server import SignalingServer
from facewire.signaling.tokens import mint
from tests.signaling.conftest import (
    SECRET,
    Connect,
    RedisServer,
    StartProcess,
    StartServer,
    counted,
    eventually,
    free_port,
    next_event,
    soon,
    until,
)


def redis_rooms(server: SignalingServer) -> RedisRooms:
    assert isinstance(server._rooms, RedisRooms)
    return server._rooms


async def redis_has(server: SignalingServer, seats: int) -> None:
    """Waits until so many seats are stored."""

    async def poll() -> None:
        while len(await redis_rooms(server)._redis.keys("*")) != seats:
            await asyncio.sleep(0.01)

    await soon(poll())


async def test_clients_of_two_servers_meet_in_one_room(serve: StartServer, redis: RedisServer) -> None:
    one, two = await serve(redis_url=redis.url), await serve(redis_url=redis.url)
    async with SignalingClient(one.url, "room", name="Anne") as anne:
        assert await until(anne, Joined) == Joined((), polite=True, peer_id=None)
        async with SignalingClient(two.url, "room", name="Bob") as bob:
            joined = await until(bob, Joined)
            assert (joined.polite, joined.peer_name) == (False, "Anne")
            came = await until(anne, PeerJoined)
            assert came.name == "Bob"
            for number in range(20):
                assert await anne.send({"from": "Anne", "number": number})
                assert await bob.send({"from": "Bob", "number": number})
            for client, name in ((anne, "Bob"), (bob, "Anne")):
                got = [await next_event(client) for _ in range(20)]
                assert got == [Signal({"from": name, "number": number}) for number in range(20)]
        assert await next_event(anne) == PeerLeft(came.peer_id, "left")
    assert counted(one, "signals_total", outcome="relayed") == 20


async def test_two_clients_of_one_server_meet(serve: StartServer, redis: RedisServer) -> None:
    server = await serve(redis_url=redis.url)
    async with SignalingClient(server.url, "room") as anne, SignalingClient(server.url, "room") as bob:
        await until(anne, Joined), await until(bob, Joined)
        assert await anne.send({"x": 1})
        assert await until(bob, Signal) == Signal({"x": 1})


async def test_every_server_refuses_a_third_client_and_a_used_token(serve: StartServer, redis: RedisServer) -> None:
    servers = [await serve(redis_url=redis.url, secret=SECRET) for _ in range(3)]
    tokens = [mint(SECRET, "room", 60) for _ in range(3)]
    async with SignalingClient(servers[0].url, "room", tokens[0]) as anne:
        await until(anne, Joined)
        async with SignalingClient(servers[1].url, "room", tokens[0]) as eve:
            assert "in use" in (await until(eve, Refused)).reason
        async with SignalingClient(servers[1].url, "room", tokens[1]) as bob:
            await until(bob, Joined)
            async with SignalingClient(servers[2].url, "room", tokens[2]) as eve:
                assert "full" in (await until(eve, Refused)).reason


async def test_of_many_simultaneous_clients_two_get_a_seat(serve: StartServer, redis: RedisServer) -> None:
    servers = [await serve(redis_url=redis.url) for _ in range(2)]
    clients = [SignalingClient(servers[number % 2].url, "room") for number in range(8)]
    await asyncio.gather(*(client.__aenter__() for client in clients))
    first = await asyncio.gather(*(next_event(client) for client in clients))
    joined = [event for event in first if isinstance(event, Joined)]
    assert len(joined) == 2
    assert {event.polite for event in joined} == {True, False}
    assert all(isinstance(event, Joined | Refused) for event in first)
    await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))


async def test_a_client_of_a_killed_server_takes_its_seat_back_on_another(
    serve: StartServer, serve_process: StartProcess, redis: RedisServer
) -> None:
    """In place of a load balancer, a new server takes over the port of the killed one."""
    port = free_port()
    process = serve_process("--open", "--port", port, "--redis", redis.url)
    other = await serve(redis_url=redis.url)
    async with SignalingClient(process.url, "room") as anne:
        await until(anne, Joined)  # otherwise Bob may be first and hear of Anne later
        async with SignalingClient(other.url, "room") as bob:
            peer_id = (await until(bob, Joined)).peer_id
            assert peer_id is not None
            process.kill()
            await until(anne, ServerGone)
            await serve(redis_url=redis.url, port=port)
            await until(anne, ServerBack)
            assert (await until(anne, Joined)).peer_present
            assert await until(bob, PeerJoined) == PeerJoined(peer_id)
            assert await anne.send({"x": 1})
            assert await until(bob, Signal) == Signal({"x": 1})


@pytest.mark.slow
async def test_the_seats_of_a_killed_server_expire(
    serve: StartServer, serve_process: StartProcess, redis: RedisServer
) -> None:
    process = serve_process("--open", "--port", 0, "--redis", redis.url)
    other = await serve(redis_url=redis.url)
    async with SignalingClient(process.url, "room") as anne:
        await until(anne, Joined)  # otherwise Bob may be first and hear of Anne later
        async with SignalingClient(other.url, "room") as bob:
            peer_id = (await until(bob, Joined)).peer_id
            assert peer_id is not None
            process.kill()
            assert await bob.send({"to": "nobody"})
            await eventually(lambda: counted(other, "signals_total", outcome="undelivered") == 1)
            started = asyncio.get_running_loop().time()
            assert await until(bob, PeerLeft) == PeerLeft(peer_id, "lost")
            assert asyncio.get_running_loop().time() - started < SEAT_TTL_S + 2 * RENEW_S + 5


async def test_clients_stay_together_when_redis_restarts_empty(serve: StartServer, redis: RedisServer) -> None:
    one, two = await serve(redis_url=redis.url), await serve(redis_url=redis.url)
    async with SignalingClient(one.url, "room") as anne, SignalingClient(two.url, "room") as bob:
        await until(anne, Joined), await until(bob, Joined)
        redis.kill()
        assert not await one._rooms.healthy()
        assert await anne.send({"lost": True}), "accepted, but not delivered"
        await eventually(lambda: counted(one, "signals_total", outcome="undelivered") == 1)
        redis.start()

        async def say_until_heard() -> None:
            while True:
                assert await anne.send({"back": True})
                await asyncio.sleep(0.2)

        saying = asyncio.create_task(say_until_heard())
        assert await until(bob, Signal) == Signal({"back": True})
        saying.cancel()
        await redis_has(one, 2)
        async with SignalingClient(one.url, "room") as eve:
            assert "full" in (await until(eve, Refused)).reason


async def test_new_clients_wait_until_redis_is_back(serve: StartServer, redis: RedisServer, connect: Connect) -> None:
    server = await serve(redis_url=redis.url)
    redis.kill()
    raw = await connect(server)
    await raw.send(type="join", room="room", session="0" * 32)
    code, reason = await raw.closed()
    assert code == CLOSE_TRY_AGAIN
    assert "Redis" in reason
    async with SignalingClient(server.url, "room") as anne:
        await until(anne, ServerGone)
        redis.start()
        assert isinstance(await until(anne, Joined), Joined)


async def test_clients_that_left_leave_nothing_in_redis(serve: StartServer, redis: RedisServer) -> None:
    server = await serve(redis_url=redis.url)
    async with SignalingClient(server.url, "room") as anne, SignalingClient(server.url, "room") as bob:
        await until(anne, Joined), await until(bob, Joined)
        await redis_has(server, 2)
        for key in await redis_rooms(server)._redis.keys("*"):
            assert 0 < await redis_rooms(server)._redis.pttl(key) <= 1000 * SEAT_TTL_S
    await eventually(lambda: not redis_rooms(server)._local)
    await redis_has(server, 0)
