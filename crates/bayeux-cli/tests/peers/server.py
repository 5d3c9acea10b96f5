"""Starts, stops and restarts the server under test for the Python client; the same as server.mjs, and the same switches."""

import asyncio
import collections
import os
import pathlib
import re
import signal

HERE = pathlib.Path(__file__).resolve().parent
AGAINST_FAYE = os.environ.get("BAYEUX_PEER_SERVER") == "faye"
TIMEOUT = 2.0  # How long a connect is held in these tests, in seconds.


class Server:
    """A server on a free port; `url` names it by `localhost`: aiohttp keeps no cookies for IP addresses."""

    def __init__(self):
        self.url = None
        self.process = None
        self._readers = []
        self._errors = collections.deque(maxlen=20)

    async def start(self, port=0):
        if AGAINST_FAYE:
            command = ["node", str(HERE / "faye-server.mjs"), str(port), str(int(TIMEOUT * 1000))]
        else:
            binary = os.environ.get("BAYEUX_BIN", str(HERE.parents[3] / "target/release/bayeux"))
            command = [binary, "serve", "--listen", f"127.0.0.1:{port}", "--path", "/bayeux", "--timeout",
                       f"{int(TIMEOUT * 1000)}ms", "--interval", "0", "--max-interval", "2m", "--workers", "2"]
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        self._readers = [asyncio.ensure_future(self._keep_errors(self.process.stderr))]
        ready = await asyncio.wait_for(self._ready(), 10)
        self.url = ready.replace("127.0.0.1", "localhost")
        self._readers.append(asyncio.ensure_future(self._drain(self.process.stdout)))

    async def _ready(self):
        while line := await self.process.stdout.readline():
            if found := re.fullmatch(r"listening on (http:\S+)", line.decode().strip()):
                return found[1]
        raise RuntimeError(f"the server ended before it was ready:\n{self.log}")

    async def _keep_errors(self, stream):
        while line := await stream.readline():
            self._errors.append(line.decode(errors="replace"))

    @staticmethod
    async def _drain(stream):
        while await stream.readline():
            pass

    @property
    def log(self):
        """What the server wrote on standard error, the last lines of it."""
        return "".join(self._errors)

    async def stop(self, how=signal.SIGTERM):
        """Ends the server and gives its exit code, or the signal's number, negative."""
        if self.process is None:
            return None
        if self.process.returncode is None:
            self.process.send_signal(how)
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except asyncio.TimeoutError:
                self.process.kill()
                raise
        return self.process.returncode

    async def restart(self, how):
        """Ends the server and starts another on the same port."""
        end = await self.stop(how)
        await self.start(int(re.search(r":(\d+)/", self.url)[1]))
        return end
