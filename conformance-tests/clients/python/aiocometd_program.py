"""aiocometd as a program under test: aiocometd_program.py URL [TRANSPORT]. The README of the suite says what it does."""

import asyncio
import importlib.metadata
import sys

from aiocometd import Client, ConnectionType

TYPES = [ConnectionType.WEBSOCKET, ConnectionType.LONG_POLLING]


def matches(pattern, channel):
    parent = pattern.rstrip("*")
    if pattern.endswith("/**"):
        return channel.startswith(parent)
    if pattern.endswith("/*"):
        return channel.startswith(parent) and "/" not in channel[len(parent):]
    return pattern == channel


class Program:
    def __init__(self, client):
        self.client = client
        self.seq = 0
        self.reports = asyncio.Queue()
        self.subscribed = set()

    async def run(self):
        await self.client.open()
        await self.client.subscribe("/conformance/do")
        sending = asyncio.ensure_future(self.send())
        tasks = set()
        # This library knows no handlers: whatever comes comes this way, and an application picks what it knows.
        while not self.client.closed:
            message = await self.client.receive()
            if message["channel"] == "/conformance/do":
                task = asyncio.ensure_future(self.carry_out(**message["data"]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            elif any(matches(pattern, message["channel"]) for pattern in self.subscribed):
                self.report(got=[message["channel"], message["data"]])
        sending.cancel()

    async def carry_out(self, n, subscribe=None, unsubscribe=None, publish=None, disconnect=None, **_):
        try:
            if subscribe:
                await self.client.subscribe(subscribe)
                self.subscribed.add(subscribe)
            if unsubscribe:
                self.subscribed.discard(unsubscribe)
                await self.client.unsubscribe(unsubscribe)
            if publish:
                reply = await self.client.publish(*publish)
                assert reply["successful"]
            if disconnect:
                return await self.client.close()
        except Exception:  # Whatever went wrong, the command did not succeed.
            self.report(n=n, ok=False)
        else:
            self.report(n=n, ok=True)

    def report(self, **report):
        self.seq += 1
        self.reports.put_nowait({"seq": self.seq, **report})

    async def send(self):
        while True:
            reports = [await self.reports.get()]
            while not self.reports.empty():
                reports.append(self.reports.get_nowait())
            while True:
                try:
                    await self.client.publish("/conformance/told", reports)
                    break
                except Exception:  # It is sent again until one is accepted.
                    await asyncio.sleep(0.2)


async def main(url, transport=None):
    types = [kind for kind in TYPES if transport != "long-polling" or kind is ConnectionType.LONG_POLLING]
    await Program(Client(url, connection_types=types, max_pending_count=10_000)).run()


if __name__ == "__main__":
    if sys.argv[1] == "--version":
        print(f"aiocometd {importlib.metadata.version('aiocometd')}")
    else:
        asyncio.run(main(*sys.argv[1:]))
