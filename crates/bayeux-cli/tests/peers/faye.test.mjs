// npm faye, over each transport, and with its default settings.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FayeClient } from './clients.mjs';
import { scenario } from './scenario.mjs';
import { Server } from './server.mjs';
import { UpgradeGate } from './upgrade-gate.mjs';

for (const transport of ['long-polling', 'websocket']) {
  scenario('faye', transport, (url) => new FayeClient(url, transport));
}

describe('faye with its default settings', () => {
  let server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server?.stop('SIGKILL'));

  /** Waits until the client has moved to its WebSocket, and checks that nothing was refused on the way. */
  const onWebSocket = async (client) => {
    await client.connectsBy('websocket');
    assert.equal(client.transport, 'websocket');
    assert.deepEqual(client.wire.filter(({ message }) => message.successful === false), []);
    assert.equal(client.wire.filter(({ out, message }) => out && message.channel === '/meta/handshake').length, 1);
  };

  // It opens its WebSocket while its handshake runs over HTTP, so the upgrade carries no cookie; several clients, since
  // the two race.
  it('ends on websocket, with the session of its handshake', { timeout: 30_000 }, async () => {
    for (let i = 0; i < 10; i += 1) {
      const client = new FayeClient(server.url, undefined, {});
      await client.open();
      await client.subscribe('/t/x');
      await onWebSocket(client);
      await client.publish('/t/x', { i });
      await client.calls.find(({ data }) => data.i === i, 'its own message');
      await client.close();
    }
  });

  // Where the upgrade takes longer than the handshake it starts on long-polling, and what the upgrade's answer does to its
  // cookies must not cost it the session.
  it('keeps its session when its WebSocket opens late', { timeout: 60_000 }, async () => {
    for (let i = 0; i < 10; i += 1) {
      const gate = await UpgradeGate.before(server.url);
      const client = new FayeClient(gate.url, undefined, {});
      await client.open();
      await client.subscribe('/t/x');
      assert.equal(client.transport, 'long-polling');
      let sent = 0;
      const publishes = [];
      // Something is on its way in every moment of the move, each on its own so that none waits for another.
      while (client.transport !== 'websocket') {
        publishes.push(client.publish('/t/x', { i, n: sent }));
        sent += 1;
        if (sent === 3) gate.open();
        assert.ok(sent < 2000, 'the WebSocket opens in the end');
        await new Promise(setImmediate);
      }
      await Promise.all(publishes);
      await client.publish('/t/x', { i, n: sent });
      await onWebSocket(client);
      const calls = await client.calls.take(sent + 1, ({ data }) => data.i === i, 'every message');
      assert.deepEqual(calls.map(({ data }) => data.n).sort((x, y) => x - y), Array.from({ length: sent + 1 }, (_, n) => n));
      await client.close();
      await gate.close();
    }
  });
});
