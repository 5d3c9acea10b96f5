"""aiocometd with a log of what it received and of what went over the wire, both of which one can wait for."""

import asyncio
import copy

from aiocometd import Client, ConnectionType, Extension

from server import AGAINST_FAYE

CONNECTION_TYPES = {
    "long-polling": ConnectionType.LONG_POLLING,
    "websocket": ConnectionType.WEBSOCKET,
}


class Log:
    """A growing list in which one can wait, with a deadline, for what has not happened yet."""

    def __init__(self):
        self.entries = []
        self._grown = asyncio.Condition()

    async def add(self, entry):
        async with self._grown:
            self.entries.append(entry)
            self._grown.notify_all()

    async def take(self, count, predicate, what, start=0, seconds=10):
        """The first `count` entries, counted from `start`, for which the predicate holds."""
        found = []

        async def collect():
            seen = start
            async with self._grown:
                while True:
                    for entry in self.entries[seen:]:
                        if predicate(entry) and len(found) < count:
                            found.append(entry)
                    seen = max(seen, len(self.entries))
                    if len(found) == count:
                        return found
                    await self._grown.wait()

        try:
            return await asyncio.wait_for(collect(), seconds)
        except asyncio.TimeoutError:
            tail = "\n  ".join(repr(entry) for entry in self.entries[-6:])
            raise AssertionError(f"{what}: {len(found)} of {count} after {seconds} s; the last are:\n  {tail}") from None

    async def find(self, predicate, what, start=0, seconds=10):
        return (await self.take(1, predicate, what, start, seconds))[0]


def on_loop_exception(loop, context):
    """Drops what aiocometd logs when its own tasks are cancelled on close, which happens on every Python since 3.8."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


class Recorder(Extension):
    """Writes each message into the wire log, as ("in" or "out", message)."""

    def __init__(self, wire):
        self.wire = wire

    async def incoming(self, payload, headers=None):
        for message in payload:
            await self.wire.add(("in", copy.deepcopy(message)))

    async def outgoing(self, payload, headers):
        for message in payload:
            await self.wire.add(("out", copy.deepcopy(message)))


class Peer:
    """One aiocometd client; `received` holds the messages as its application gets them."""

    def __init__(self, url, transport):
        self.wire = Log()
        self.received = Log()
        self.client = Client(url, connection_types=[CONNECTION_TYPES[transport]], extensions=[Recorder(self.wire)],
                             connection_timeout=30.0, max_pending_count=10_000)
        self._receiving = None

    async def open(self):
        asyncio.get_running_loop().set_exception_handler(on_loop_exception)
        await asyncio.wait_for(self.client.open(), 10)
        self._receiving = asyncio.ensure_future(self._receive())

    async def _receive(self):
        async for message in self.client:
            await self.received.add(message)

    async def subscribe(self, channel):
        await asyncio.wait_for(self.client.subscribe(channel), 10)

    async def unsubscribe(self, channel):
        await asyncio.wait_for(self.client.unsubscribe(channel), 10)

    async def publish(self, channel, data):
        reply = await asyncio.wait_for(self.client.publish(channel, data), 10)
        # Over WebSocket this client takes its own message for the reply if a server (Faye's) puts the publisher's id on it.
        assert AGAINST_FAYE or reply["successful"] is True, reply

    async def close(self):
        if self._receiving is not None:
            self._receiving.cancel()
        await asyncio.wait_for(self.client.close(), 10)
