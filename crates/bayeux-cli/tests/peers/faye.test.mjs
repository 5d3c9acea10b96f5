// npm faye, over each transport, and with its default settings.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FayeClient } from './clients.mjs';
import { scenario } from './scenario.mjs';
import { Server } from './server.mjs';

for (const transport of ['long-polling', 'websocket']) {
  scenario('faye', transport, (url) => new FayeClient(url, transport));
}

describe('faye with its default settings', () => {
  let server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server?.stop('SIGKILL'));

  // It opens its WebSocket while its handshake runs over HTTP, so the upgrade carries no cookie; several clients, since
  // the two race.
  it('ends on websocket, with the session of its handshake', { timeout: 30_000 }, async () => {
    for (let i = 0; i < 10; i += 1) {
      const client = new FayeClient(server.url, undefined, {});
      await client.open();
      await client.subscribe('/t/x');
      await client.publish('/t/x', { i });
      await client.calls.find(({ data }) => data.i === i, 'its own message');
      assert.equal(client.transport, 'websocket');
      assert.equal(await client.connectionType(), 'websocket');
      const handshakes = client.wire.filter(({ out, message }) => out && message.channel === '/meta/handshake');
      assert.equal(handshakes.length, 1);
      const refused = client.wire.filter(({ message }) => message.successful === false);
      assert.deepEqual(refused, []);
      await client.close();
    }
  });
});
