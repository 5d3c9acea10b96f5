// What every stock JavaScript client must be able to do against our server, over one transport, as named steps.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { againstFaye, Server, TIMEOUT_MS } from './server.mjs';

/** Registers the scenario; `open(url, transport)` makes a client that is not yet connected. */
export function scenario(name, transport, open) {
  describe(`${name} over ${transport}`, () => {
    let server;
    let a;
    let b;
    let broken = false;
    // The steps build on each other: after a failed one the rest would only wait for their deadlines.
    const step = (title, run) => it(title, { timeout: 60_000 }, async (t) => {
      if (broken) return t.skip('an earlier step failed');
      try {
        await run();
      } catch (error) {
        broken = true;
        if (server) error.message += `\nthe server's log:\n${server.log}`;
        throw error;
      }
    });

    before(async () => {
      server = await Server.start();
      a = open(server.url, transport);
      b = open(server.url, transport);
    });
    after(() => server?.stop('SIGKILL'));

    const next = (client, pattern, match) =>
      client.calls.find((call) => call.pattern === pattern && match(call), `a call of the ${pattern} subscription`, { ms: 10_000 });
    const delivered = (client, match) => client.wire.filter(({ out, message }) => !out && 'data' in message && match(message));

    step('handshakes and connects', async () => {
      await a.open();
      const { message } = await a.reply('/meta/handshake', 'the handshake reply');
      assert.equal(message.successful, true);
      assert.equal(message.version, '1.0');
      assert.ok(message.supportedConnectionTypes.includes(transport));
    });

    step(`uses ${transport}`, () => {
      assert.equal(a.transport, transport);
      const types = a.wire.filter(({ out, message }) => out && message.channel === '/meta/connect').map(({ message }) => message.connectionType);
      // Faye begins on long-polling where its WebSocket is not open yet.
      const allowed = name === 'faye' ? ['long-polling', transport] : [transport];
      assert.deepEqual(types.filter((type) => !allowed.includes(type)), []);
    });

    for (const pattern of ['/t/x', '/t/*', '/t/**']) {
      step(`subscribes to ${pattern}`, () => a.subscribe(pattern));
    }

    step('publishes, is answered, and receives its own message', async () => {
      await a.publish('/t/x', { n: 'own' });
      const call = await next(a, '/t/x', ({ data }) => data.n === 'own');
      assert.deepEqual(call, { pattern: '/t/x', channel: '/t/x', data: { n: 'own' } });
    });

    step('gets one delivery for three overlapping subscriptions', async () => {
      await a.publish('/t/x', { n: 'once' });
      await a.publish('/t/x', { n: 'once, end' });
      await next(a, '/t/**', ({ data }) => data.n === 'once, end');
      assert.equal(delivered(a, ({ data }) => data.n === 'once').length, 1);
      const patterns = a.calls.filter(({ data }) => data.n === 'once').map(({ pattern }) => pattern);
      assert.deepEqual(patterns.sort(), ['/t/*', '/t/**', '/t/x']);
    });

    step('/t/* is one segment deep, /t/** any depth, neither is /t', async () => {
      for (const channel of ['/t', '/t/a', '/t/a/b', '/u/x']) await a.publish(channel, { n: 'depth' });
      await a.publish('/t/x', { n: 'depth, end' });
      await next(a, '/t/**', ({ data }) => data.n === 'depth, end');
      const calls = a.calls.filter(({ data }) => data.n === 'depth').map(({ pattern, channel }) => `${channel} by ${pattern}`);
      assert.deepEqual(calls.sort(), ['/t/a by /t/*', '/t/a by /t/**', '/t/a/b by /t/**']);
    });

    step('a second session receives, and is received', async () => {
      await b.open();
      await b.subscribe('/t/x');
      assert.notEqual(a.clientId, b.clientId);
      await a.publish('/t/x', { n: 'a to b' });
      await next(b, '/t/x', ({ data }) => data.n === 'a to b');
      await b.publish('/t/x', { n: 'b to a' });
      await next(a, '/t/x', ({ data }) => data.n === 'b to a');
    });

    step('a batch keeps its order', async () => {
      await b.subscribe('/t/**');
      // More would be too long for one batch of Faye's: it sends several at a time, which have no order between them.
      const pairs = Array.from({ length: 16 }, (_, i) => [i % 2 ? '/t/odd' : '/t/even/deep', { batch: i }]);
      await a.batch(pairs);
      for (const client of [a, b]) {
        const isOf = ({ pattern, data }) => pattern === '/t/**' && 'batch' in data;
        const calls = await client.calls.take(pairs.length, isOf, 'the whole batch', { ms: 10_000 });
        assert.deepEqual(calls.map(({ channel, data }) => [channel, data]), pairs);
      }
    });

    step('unsubscribes, and gets nothing of it after that', async () => {
      await b.unsubscribe('/t/**');
      await b.unsubscribe('/t/x');
      await b.subscribe('/marker');
      await a.publish('/t/x', { n: 'after the end' });
      await a.publish('/marker', { n: 'marker' });
      await next(b, '/marker', ({ data }) => data.n === 'marker');
      assert.deepEqual(delivered(b, ({ data }) => data.n === 'after the end'), []);
    });

    step('unsubscribed from one of three, still receives by the others', async () => {
      await a.unsubscribe('/t/*');
      await a.publish('/t/x', { n: 'by two' });
      await a.publish('/t/x', { n: 'by two, end' });
      await next(a, '/t/**', ({ data }) => data.n === 'by two, end');
      const patterns = a.calls.filter(({ data }) => data.n === 'by two').map(({ pattern }) => pattern);
      assert.deepEqual(patterns.sort(), ['/t/**', '/t/x']);
    });

    step('a second session disconnects, the first goes on', async () => {
      await b.close();
      await a.publish('/t/x', { n: 'alone' });
      await next(a, '/t/x', ({ data }) => data.n === 'alone');
    });

    step('keeps its session over connects that outlast the timeout', async () => {
      const clientId = a.clientId;
      const from = a.wire.length;
      const isReply = ({ out, message }) => !out && message.channel === '/meta/connect';
      await a.wire.find(isReply, 'a connect reply', { from, ms: 3 * TIMEOUT_MS });
      const begin = performance.now();
      const replies = await a.wire.take(3, isReply, 'two more connect replies', { from, ms: 5 * TIMEOUT_MS });
      assert.ok(performance.now() - begin > 1.5 * TIMEOUT_MS, 'both were held');
      for (const { message } of replies) assert.equal(message.successful, true);
      await a.publish('/t/x', { n: 'held' });
      await next(a, '/t/x', ({ data }) => data.n === 'held');
      assert.equal(a.clientId, clientId);
      assert.deepEqual(a.wire.filter(({ message }) => message.channel === '/meta/handshake', from), []);
    });

    /** Waits until the server holds a connect of this client, and gives it: it stays unanswered while others are answered. */
    const held = async (client) => {
      const isConnect = ({ message }) => message.channel === '/meta/connect';
      for (let round = 0; round < 10; round += 1) {
        let last = client.wire.filter(isConnect).at(-1);
        if (!last.out) last = await client.wire.find(isConnect, 'the next connect', { from: client.wire.length });
        for (let i = 0; i < 3; i += 1) {
          // Faye sends by a timer, in one batch, what it is given in one turn, and a connect in company is not held.
          await new Promise((resolve) => setTimeout(resolve, 0));
          await client.publish('/nobody/listens', {});
        }
        if (last === client.wire.filter(isConnect).at(-1)) return last.message;
      }
      throw new Error(`the server holds no connect of this client; the last entries are:\n  ${client.wire.tail(12)}`);
    };
    const again = async (n, from, before) => {
      const options = { from, ms: 20_000 };
      const isNew = ({ out, message }) => !out && message.channel === '/meta/handshake' && message.successful;
      const { message } = await a.wire.find(isNew, 'a new handshake', options);
      assert.notEqual(message.clientId, before);
      const isBack = ({ out, message }) => !out && message.channel === '/meta/subscribe' && message.successful;
      await a.wire.take(2, isBack, 'both subscriptions again', options);
      await a.publish('/t/x', { n });
      await next(a, '/t/**', ({ data }) => data.n === n);
      assert.equal(delivered(a, ({ data }) => data.n === n).length, 1);
      await a.connectsBy(transport, from);
      assert.equal(a.transport, transport);
    };

    step('a killed server started again: handshakes, subscribes and receives again', async () => {
      const [before, from] = [a.clientId, a.wire.length];
      assert.deepEqual(await server.restart('SIGKILL'), { code: null, signal: 'SIGKILL' });
      await again('after the kill', from, before);
    });

    step('a shut down server answers the held connect, and started again all is as after a kill', async () => {
      const connect = await held(a);
      const from = a.wire.length;
      assert.deepEqual(await server.restart('SIGTERM'), { code: 0, signal: null });
      if (!againstFaye) {
        const isReply = ({ out, message }) => !out && message.id === connect.id;
        const { message } = await a.wire.find(isReply, 'the reply to the held connect', { from });
        assert.equal(message.successful, true);
        assert.equal(message.clientId, connect.clientId);
        assert.equal(message.advice.reconnect, 'retry');
      }
      await again('after the shutdown', from, connect.clientId);
    });

    step('disconnects', async () => {
      const clientId = a.clientId;
      await a.close();
      if (againstFaye) return;
      // The session is gone for everyone, not only for the client that left.
      const response = await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([{ channel: '/t/x', clientId, data: {}, id: '1' }]),
      });
      const [reply] = await response.json();
      assert.equal(reply.successful, false);
      assert.match(reply.error, /^402:/);
    });
  });
}
