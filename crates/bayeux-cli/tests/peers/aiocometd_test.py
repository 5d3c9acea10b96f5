"""What Python's aiocometd must be able to do against our server, over each transport, as named steps.

Run it as a script; it prints TAP and ends with `# pass N`, `# fail N`, `# skipped N`.
"""

import asyncio
import signal
import sys
import time
import traceback

from aiocometd_client import Peer
from server import AGAINST_FAYE, TIMEOUT, Server

TRANSPORTS = ["long-polling", "websocket"]


class Scenario:
    """The steps build on each other, in the order in which they stand here; each is named by its docstring."""

    def __init__(self, transport):
        self.transport = transport
        self.server = Server()
        self.a = None
        self.b = None

    def steps(self):
        return [step for name, step in vars(type(self)).items() if name.startswith("step_")]

    async def next(self, peer, n, start=0, seconds=10):
        return await peer.received.find(lambda message: message["data"].get("n") == n, f"message {n!r}", start, seconds)

    def count(self, peer, n):
        return sum(message["data"].get("n") == n for message in peer.received.entries)

    async def step_open(self):
        """handshakes and connects"""
        await self.server.start()
        self.a = Peer(self.server.url, self.transport)
        await self.a.open()

    async def step_transport(self):
        """uses the transport asked for and nothing else"""
        assert self.a.client.connection_type.value == self.transport
        connects = [m for way, m in self.a.wire.entries if way == "out" and m["channel"] == "/meta/connect"]
        assert connects and all(m["connectionType"] == self.transport for m in connects), connects

    async def step_subscribe(self):
        """subscribes to /t/x"""
        await self.a.subscribe("/t/x")

    async def step_subscribe_star(self):
        """subscribes to /t/*"""
        await self.a.subscribe("/t/*")

    async def step_subscribe_two_stars(self):
        """subscribes to /t/**"""
        await self.a.subscribe("/t/**")
        assert self.a.client.subscriptions == {"/t/x", "/t/*", "/t/**"}

    async def step_publish(self):
        """publishes, is answered, and receives its own message"""
        await self.a.publish("/t/x", {"n": "own"})
        message = await self.next(self.a, "own")
        # Faye's server adds the publisher's id.
        assert AGAINST_FAYE or message == {"channel": "/t/x", "data": {"n": "own"}}, message

    async def step_once(self):
        """gets one delivery for three overlapping subscriptions"""
        await self.a.publish("/t/x", {"n": "once"})
        await self.a.publish("/t/x", {"n": "once, end"})
        await self.next(self.a, "once, end")
        assert self.count(self.a, "once") == 1

    async def step_depth(self):
        """/t/* is one segment deep, /t/** any depth, neither is /t"""
        for pattern, expected in [("/d/*", ["/d/a"]), ("/e/**", ["/e/a", "/e/a/b"])]:
            root = pattern[:2]
            await self.a.subscribe(pattern)
            for channel in [root, f"{root}/a", f"{root}/a/b", "/u/x"]:
                await self.a.publish(channel, {"n": pattern})
            await self.a.publish("/t/x", {"n": f"{pattern}, end"})
            await self.next(self.a, f"{pattern}, end")
            channels = [m["channel"] for m in self.a.received.entries if m["data"].get("n") == pattern]
            assert channels == expected, channels
            await self.a.unsubscribe(pattern)

    async def step_second(self):
        """a second session receives, and is received"""
        self.b = Peer(self.server.url, self.transport)
        await self.b.open()
        await self.b.subscribe("/t/x")
        await self.a.publish("/t/x", {"n": "a to b"})
        await self.next(self.b, "a to b")
        await self.b.publish("/t/x", {"n": "b to a"})
        await self.next(self.a, "b to a")

    async def step_order(self):
        """many messages keep their order"""
        await self.b.subscribe("/t/**")
        channels = ["/t/odd", "/t/even/deep"]
        # Over long-polling this client sends concurrent publishes on two connections, which have no order between them.
        if self.transport == "websocket":
            await asyncio.gather(*(self.a.publish(channels[i % 2], {"order": i}) for i in range(40)))
        else:
            for i in range(40):
                await self.a.publish(channels[i % 2], {"order": i})
        for peer in [self.a, self.b]:
            messages = await peer.received.take(40, lambda message: "order" in message["data"], "all forty")
            got = [(message["channel"], message["data"]["order"]) for message in messages]
            assert got == [(channels[i % 2], i) for i in range(40)], got

    async def step_unsubscribe(self):
        """unsubscribes, and gets nothing of it after that"""
        await self.b.unsubscribe("/t/**")
        await self.b.unsubscribe("/t/x")
        await self.b.subscribe("/marker")
        await self.a.publish("/t/x", {"n": "after the end"})
        await self.a.publish("/marker", {"n": "marker"})
        await self.next(self.b, "marker")
        assert self.count(self.b, "after the end") == 0

    async def step_close_second(self):
        """a second session disconnects, the first goes on"""
        await self.b.close()
        replies = [m for way, m in self.b.wire.entries if way == "in" and m["channel"] == "/meta/disconnect"]
        assert len(replies) == 1 and replies[0]["successful"], replies
        await self.a.publish("/t/x", {"n": "alone"})
        await self.next(self.a, "alone")

    async def step_held(self):
        """keeps its session over connects that outlast the timeout"""
        start = len(self.a.wire.entries)

        def is_reply(entry):
            return entry[0] == "in" and entry[1]["channel"] == "/meta/connect"

        await self.a.wire.find(is_reply, "a connect reply", start, 3 * TIMEOUT)
        begin = time.monotonic()
        replies = await self.a.wire.take(3, is_reply, "two more connect replies", start, 5 * TIMEOUT)
        assert time.monotonic() - begin > 1.5 * TIMEOUT, "both were held"
        assert all(message["successful"] for _, message in replies), replies
        await self.a.publish("/t/x", {"n": "held"})
        await self.next(self.a, "held")
        assert not [m for _, m in self.a.wire.entries[start:] if m["channel"] == "/meta/handshake"]

    async def step_killed(self):
        """a killed server started again: handshakes, subscribes and receives again"""
        start = len(self.a.wire.entries)
        assert await self.server.restart(signal.SIGKILL) == -signal.SIGKILL
        await self._again("after the kill", start)

    async def step_shut_down(self):
        """a shut down server answers the held connect, and started again all is as after a kill"""
        held = await self._hold()
        start = len(self.a.wire.entries)
        assert await self.server.restart(signal.SIGTERM) == 0
        if not AGAINST_FAYE:
            _, reply = await self.a.wire.find(lambda entry: entry[0] == "in" and entry[1].get("id") == held["id"],
                                              "the reply to the held connect", start)
            assert reply["successful"] and reply["clientId"] == held["clientId"], reply
            assert reply["advice"]["reconnect"] == "retry", reply
            # aiocometd takes advice.interval, which is in milliseconds, for seconds. Servers spread their clients' return
            # by it, so after a shutdown its application has to open it again.
            if reply["advice"]["interval"] > 0:
                await self.a.close()
                await self.a.open()
                for channel in ["/t/x", "/t/*", "/t/**"]:
                    await self.a.subscribe(channel)
        await self._again("after the shutdown", start)

    async def _hold(self):
        """Waits until the server holds a connect of this client, and gives it: it stays unanswered while others are answered."""

        def connects():
            return [entry for entry in self.a.wire.entries if entry[1]["channel"] == "/meta/connect"]

        for _ in range(10):
            if connects()[-1][0] == "in":
                await self.a.wire.find(lambda entry: entry[0] == "out" and entry[1]["channel"] == "/meta/connect",
                                       "the next connect", len(self.a.wire.entries))
            last = connects()[-1]
            for _ in range(3):
                await self.a.publish("/nobody/listens", {})
            if last is connects()[-1] and last[0] == "out":
                return last[1]
        raise AssertionError("the server holds no connect of this client")

    @staticmethod
    def _from_server(channel):
        return lambda entry: entry[0] == "in" and entry[1]["channel"] == channel and entry[1]["successful"]

    async def _again(self, n, start):
        await self.a.wire.find(self._from_server("/meta/handshake"), "a new handshake", start, 20)
        await self.a.wire.take(3, self._from_server("/meta/subscribe"), "all subscriptions again", start, 20)
        await self.a.publish("/t/x", {"n": n})
        await self.next(self.a, n)
        assert self.count(self.a, n) == 1

    async def step_close(self):
        """disconnects"""
        start = len(self.a.wire.entries)
        await self.a.close()
        await self.a.wire.find(self._from_server("/meta/disconnect"), "the reply to disconnect", start, 1)


async def run(transport, counts):
    scenario = Scenario(transport)
    broken = False
    for step in scenario.steps():
        name = f"aiocometd over {transport}: {step.__doc__}"
        if broken:
            counts["skipped"] += 1
            print(f"ok - {name} # SKIP an earlier step failed", flush=True)
            continue
        begin = time.monotonic()
        try:
            await asyncio.wait_for(step(scenario), 60)
        except Exception:  # Whatever went wrong, the step failed and the run goes on.
            broken = True
            counts["fail"] += 1
            print(f"not ok - {name}", flush=True)
            report = f"{traceback.format_exc()}the server's log:\n{scenario.server.log}"
            print("".join(f"  # {line}\n" for line in report.splitlines()), end="", flush=True)
        else:
            counts["pass"] += 1
            print(f"ok - {name} ({(time.monotonic() - begin) * 1000:.0f} ms)", flush=True)
    await scenario.server.stop(signal.SIGKILL)


def main():
    counts = {"pass": 0, "fail": 0, "skipped": 0}
    print("TAP version 14")
    for transport in TRANSPORTS:
        asyncio.run(run(transport, counts))
    print(f"1..{sum(counts.values())}")
    for name, count in counts.items():
        print(f"# {name} {count}")
    sys.exit(1 if counts["fail"] else 0)


if __name__ == "__main__":
    main()
