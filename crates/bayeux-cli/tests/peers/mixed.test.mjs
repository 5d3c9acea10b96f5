// Three stock clients of three makers, two languages and two transports in one room.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'node:test';
import { CometDClient, FayeClient } from './clients.mjs';
import { Server } from './server.mjs';
import { Log, within } from './waiting.mjs';

const ROOM = '/room/1';
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const python = process.env.BAYEUX_PYTHON ?? here('.venv/bin/python');

// What a careless server would change: each value must arrive at every client as it was sent.
const DATA = {
  'characters outside the basic plane': { text: '😀 𝒳 \u{10FFFF} é e\u0301 \u2028\u2029', '🗝': '值' },
  'characters that JSON escapes': { text: '"\\\/\b\f\n\r\t\u0000\u001f</script>' },
  'nested objects and arrays': { a: { b: { c: { d: [[[]], {}, [{ e: null }]] } } }, list: [true, false, null] },
  'big and small numbers': { max: Number.MAX_SAFE_INTEGER, min: -9007199254740991, float: 0.1, tiny: 5e-324, huge: 1.7976931348623157e308, zero: 0 },
  'empty strings, arrays and objects': { '': '', list: [], object: {} },
  'names of the protocol': { channel: '/meta/connect', clientId: 'x', advice: { reconnect: 'none' }, successful: false },
  'a string': 'only a string',
  'an empty string': '',
  'a long text': 'x'.repeat(7000),
};

/** aiocometd, in a process of its own. */
class PythonClient {
  received = new Log();

  async open(url, transport) {
    this.child = spawn(python, [here('room_peer.py'), url, transport, ROOM], { stdio: ['pipe', 'pipe', 'inherit'] });
    process.once('exit', () => this.child.kill('SIGKILL'));
    const lines = new Log();
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const value = JSON.parse(line);
      if ('data' in value) this.received.add(value);
      else lines.add(value);
    });
    const ended = new Promise((_, reject) => {
      this.child.once('error', reject);
      this.child.once('exit', (code) => reject(new Error(`room_peer.py ended with ${code}`)));
    });
    ended.catch(() => {});
    await Promise.race([lines.find(({ ready }) => ready, 'the Python client to be ready', { ms: 10_000 }), ended]);
  }

  publish(data) {
    this.child.stdin.write(`${JSON.stringify(data)}\n`);
  }

  async close() {
    const exit = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.end();
    assert.equal(await within(exit, 'the end of room_peer.py'), 0);
  }
}

for (const [first, second, third] of [['websocket', 'long-polling', 'websocket'], ['long-polling', 'websocket', 'long-polling']]) {
  describe(`cometd over ${first}, faye over ${second} and aiocometd over ${third} in one room`, () => {
    let server;
    let room;
    before(async () => {
      server = await Server.start();
      const cometd = new CometDClient(server.url, first);
      const faye = new FayeClient(server.url, second);
      const aiocometd = new PythonClient();
      for (const client of [cometd, faye]) {
        await client.open();
        await client.subscribe(ROOM);
      }
      await aiocometd.open(server.url, third);
      room = [
        { name: 'cometd', log: cometd.calls, publish: (data) => cometd.publish(ROOM, data), close: () => cometd.close() },
        { name: 'faye', log: faye.calls, publish: (data) => faye.publish(ROOM, data), close: () => faye.close() },
        { name: 'aiocometd', log: aiocometd.received, publish: (data) => aiocometd.publish(data), close: () => aiocometd.close() },
      ];
    });
    after(() => server?.stop('SIGKILL'));

    for (const [title, payload] of Object.entries(DATA)) {
      it(`from each to all: ${title}`, { timeout: 30_000 }, async () => {
        for (const from of room) {
          const data = { from: from.name, title, payload };
          const places = room.map(({ log }) => log.length);
          await from.publish(data);
          for (const [i, to] of room.entries()) {
            const got = await to.log.find(() => true, `${to.name} to receive from ${from.name}`, { from: places[i] });
            assert.deepEqual(got.data, data, `${to.name} received from ${from.name}`);
          }
        }
      });
    }

    it('nothing came twice, and all leave', async () => {
      for (const { name, log } of room) assert.equal(log.length, 3 * Object.keys(DATA).length, name);
      for (const { close } of room) await close();
    });
  });
}
