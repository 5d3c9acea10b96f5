"""One aiocometd client in a room, for a test in another language: `room_peer.py URL TRANSPORT CHANNEL`.

Each line on standard input is data, in JSON, to publish. On standard output it prints one JSON object a line: first
{"ready": true}, then {"data": ...} for each message received. It ends when its input does.
"""

import asyncio
import json
import sys

from aiocometd_client import Peer


def say(value):
    print(json.dumps(value), flush=True)


async def main(url, transport, channel):
    peer = Peer(url.replace("127.0.0.1", "localhost"), transport)
    await peer.open()
    await peer.subscribe(channel)

    async def tell():
        told = 0
        while True:
            message = await peer.received.find(lambda _: True, "a message", told, seconds=3600)
            told += 1
            say({"data": message["data"]})

    telling = asyncio.ensure_future(tell())
    say({"ready": True})
    while line := await asyncio.to_thread(sys.stdin.readline):
        await peer.publish(channel, json.loads(line))
    telling.cancel()
    await peer.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
