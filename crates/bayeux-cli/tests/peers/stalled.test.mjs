// One subscriber that never asks for its messages must not hold up the others, nor make the server keep them for ever.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CometDClient } from './clients.mjs';
import { againstFaye, Server } from './server.mjs';

const MESSAGES = 10_000;
const BATCH = 50;
// How far the publisher may be ahead of the slowest healthy subscriber; below what the server keeps for a session.
const AHEAD = 500;

/** A session over plain HTTP requests, with the cookie of its handshake. */
class Session {
  constructor(url) {
    this.url = url;
    this.headers = { 'content-type': 'application/json' };
  }

  async send(message) {
    const body = JSON.stringify([{ id: '1', clientId: this.clientId, ...message }]);
    const response = await fetch(this.url, { method: 'POST', headers: this.headers, body });
    const cookies = response.headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
    if (cookies.length > 0) this.headers.cookie = cookies.join('; ');
    return (await response.json()).find(({ channel }) => channel === message.channel);
  }

  async open(channel) {
    const supportedConnectionTypes = ['long-polling'];
    const reply = await this.send({ channel: '/meta/handshake', version: '1.0', supportedConnectionTypes });
    this.clientId = reply.clientId;
    assert.equal((await this.send({ channel: '/meta/subscribe', subscription: channel })).successful, true);
  }
}

describe(`${MESSAGES} messages past a subscriber that never connects`, () => {
  let server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server?.stop('SIGKILL'));

  it('reach every healthy subscriber, all of them and in order', { timeout: 90_000 }, async () => {
    const stalled = new Session(server.url);
    await stalled.open('/flood/**');
    const healthy = [new CometDClient(server.url, 'websocket'), new CometDClient(server.url, 'long-polling')];
    const publisher = new CometDClient(server.url, 'websocket');
    for (const client of [...healthy, publisher]) await client.open();
    for (const client of healthy) await client.subscribe('/flood/*');

    for (let sent = 0; sent < MESSAGES; sent += BATCH) {
      const oldest = sent + BATCH - AHEAD;
      if (oldest > 0) {
        await Promise.all(healthy.map((client) => client.calls.take(oldest, () => true, `${oldest} messages`, { ms: 10_000 })));
      }
      await publisher.batch(Array.from({ length: BATCH }, (_, i) => ['/flood/room', { n: sent + i }]));
    }
    for (const client of healthy) {
      const calls = await client.calls.take(MESSAGES, () => true, 'all messages', { ms: 20_000 });
      assert.deepEqual(calls.map(({ data }) => data.n), Array.from({ length: MESSAGES }, (_, n) => n));
    }

    if (!againstFaye) {
      // More than it may have waiting: its session has ended, and it is told so.
      const reply = await stalled.send({ channel: '/meta/connect', connectionType: 'long-polling' });
      assert.equal(reply.successful, false);
      assert.match(reply.error, /^402:/);
      assert.equal(reply.advice.reconnect, 'handshake');
    }
    for (const client of [...healthy, publisher]) await client.close();
  });
});
