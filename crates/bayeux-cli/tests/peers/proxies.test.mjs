// nginx and haproxy in front of the server, by the configurations of docs/proxies: nothing is lost or held up on the way, and
// each client is who it is.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { CometDClient } from './clients.mjs';
import { HANDSHAKE, HttpClient } from './http-client.mjs';
import { PROXIES, ReverseProxy } from './reverse-proxy.mjs';
import { Server } from './server.mjs';
import { Tap } from './tap.mjs';
import { Log, within } from './waiting.mjs';

/** A server, a proxy in front of it, and a tap between them. */
class Setting {
  static async start(kind, front, trusted) {
    const setting = new Setting();
    // What actix has taken over counts as delivered. One worker sees the end of a connection before what is published after it.
    const workers = front === 'actix' ? 1 : 2;
    const extra = ['--front', front, '--trusted-proxy', trusted, '--adopt-window', '1m'];
    setting.server = await Server.start({ workers, extra });
    setting.tap = await Tap.before(setting.server.url);
    setting.proxy = await ReverseProxy.start(kind, setting.tap.url);
    return setting;
  }

  /** A client of the proxy; its options are those of HttpClient. */
  client(options) {
    return new HttpClient(this.proxy.url, options);
  }

  /** A client that comes by TLS. */
  tlsClient(options) {
    return new HttpClient(this.proxy.tlsUrl, { ca: this.proxy.ca, ...options });
  }

  async close() {
    await this.proxy?.close();
    this.tap?.close();
    await this.server?.stop('SIGKILL');
  }
}

const isEvent = (message) => 'data' in message;
const numbers = (from, to) => Array.from({ length: to - from }, (_, n) => from + n);

/** Connects once, and gives what was in the events. */
async function receive(client) {
  const messages = await client.connect();
  assert.equal(messages.at(-1).successful, true);
  return messages.filter(isEvent).map(({ data }) => data);
}

const FRONTS = ['own', 'actix'];

for (const [kind, front] of PROXIES.flatMap((kind) => FRONTS.map((front) => [kind, front]))) {
  describe(`--front ${front} behind ${kind}`, { timeout: 60_000 }, () => {
    let setting;
    let publisher;
    let held;
    before(async () => {
      setting = await Setting.start(kind, front, '127.0.0.1');
      // Not by the proxy: what it publishes is there whatever becomes of the proxy.
      publisher = await new HttpClient(setting.server.url).handshake();
      // While the other tests run.
      held = await holdForLong();
    });
    after(() => setting?.close());

    /** A session with a subscription and a connect that the server holds; gives the connect's reply, and its connection. */
    const hold = async (client, channel) => {
      await client.handshake();
      await client.subscribe(channel);
      await client.connect();
      const reply = client.connect();
      reply.catch(() => {});
      return { reply, connection: await setting.tap.sent(2, '/meta/connect', client.clientId) };
    };

    /** Connects that nothing is published for, over either transport; gives their replies. */
    const holdForLong = async () => {
      const { reply } = await hold(setting.client(), '/nobody/publishes');
      const socket = await (await setting.client().open()).handshake();
      for (const advice of [{ timeout: 0 }, undefined]) socket.connect(advice);
      const isReply = ({ channel }) => channel === '/meta/connect';
      const replies = socket.messages.take(2, isReply, 'the reply to a held connect', { ms: 20_000 });
      const websocket = replies.finally(() => socket.leave());
      websocket.catch(() => {});
      return { longPolling: reply, websocket };
    };

    it('a held connect is answered with an event at once, and not changed on the way', async () => {
      const client = setting.client({ headers: { 'Accept-Encoding': 'gzip' } });
      const { reply } = await hold(client, '/held');
      await publisher.publish('/held', 1);
      assert.deepEqual((await reply).map(({ channel }) => channel), ['/held', '/meta/connect']);
      const response = await client.ask([client.of({ channel: '/nobody/listens', data: 1 })]);
      assert.equal(response.headers['content-encoding'], undefined);
      response.resume();
    });

    it('connections to the server are kept for the next request', async () => {
      const client = await setting.client().handshake();
      const { opened } = setting.tap;
      for (const n of numbers(0, 20)) await client.publish('/nobody/listens', n);
      assert.equal(setting.tap.opened, opened);
    });

    it('a WebSocket carries messages both ways', async () => {
      for (const client of [setting.client(), setting.tlsClient()]) {
        const socket = await (await client.open()).handshake();
        await socket.subscribe('/socket');
        socket.connect({ timeout: 0 });
        for (const n of numbers(0, 50)) await socket.publish('/socket', n);
        const events = await socket.messages.take(50, isEvent, 'its own messages');
        assert.deepEqual(events.map(({ data }) => data), numbers(0, 50));
        await publisher.publish('/socket', 'from without');
        await socket.messages.find(({ data }) => data === 'from without', 'a message of another');
        socket.leave();
      }
    });

    it('a stream delivers each batch at once, and its end is a reply', async () => {
      for (const client of [setting.client({ headers: { 'Accept-Encoding': 'gzip' } }), setting.tlsClient()]) {
        await client.handshake();
        await client.subscribe('/stream');
        const response = await client.ask([client.of({ channel: '/meta/connect', connectionType: 'xhr-streaming' })]);
        assert.equal(response.headers['content-encoding'], undefined);
        const batches = new Log();
        const ended = once(response, 'end');
        createInterface({ input: response }).on('line', (line) => line && batches.add(JSON.parse(line)));
        await batches.find(([{ channel }]) => channel === '/meta/connect', 'the first reply');
        // The next is published only when the one before has come.
        for (const n of numbers(0, 20)) {
          await publisher.publish('/stream', n);
          await batches.find(([{ data }]) => data === n, `batch ${n}`);
        }
        await client.call([client.of({ channel: '/meta/disconnect' })]);
        await batches.find(([{ advice }]) => advice?.reconnect === 'none', 'the last reply');
        await within(ended, 'the end of the response');
      }
    });

    it('each of several clients has its own session, also over shared connections', async () => {
      const clients = await Promise.all(numbers(0, 5).map(() => setting.client().handshake()));
      assert.equal(new Set(clients.map(({ cookie }) => cookie)).size, clients.length);
      for (const [n, client] of clients.entries()) {
        await client.subscribe(`/mine/${n}`);
        await client.connect();
        const { clientId } = clients[(n + 1) % clients.length];
        const [reply] = await client.call([{ channel: `/mine/${n}`, data: 'stolen', clientId }]);
        assert.match(reply.error, /^402:/, 'the id of another is no use');
      }
      for (const n of clients.keys()) await publisher.publish(`/mine/${n}`, n);
      assert.deepEqual(await Promise.all(clients.map(receive)), numbers(0, 5).map((n) => [n]));
    });

    it('a client that goes takes its held connect with it, and misses nothing', async () => {
      const client = setting.client();
      const { connection } = await hold(client, '/gone');
      client.leave();
      await setting.tap.closed(connection);
      await publisher.publish('/gone', 1);
      assert.deepEqual(await receive(client), [1]);
    });

    it('a client of TLS has a cookie for TLS alone, and its origin is https', async () => {
      const { proxy } = setting;
      const [plainOrigin, tlsOrigin] = [proxy.url, proxy.tlsUrl].map((url) => new URL(url).origin);
      const forged = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil.example' };
      for (const [open, headers, status, secure] of [
        ['client', {}, 200, false],
        ['client', forged, 200, false],
        ['client', { Origin: plainOrigin }, 200, false],
        ['client', { Origin: plainOrigin, ...forged }, 200, false],
        ['client', { Origin: plainOrigin.replace('http', 'https') }, 403],
        ['client', { Origin: 'https://evil.example', ...forged }, 403],
        ['tlsClient', {}, 200, true],
        ['tlsClient', { 'X-Forwarded-Proto': 'http' }, 200, true],
        ['tlsClient', { Origin: tlsOrigin }, 200, true],
        ['tlsClient', { Origin: tlsOrigin.replace('https', 'http') }, 403],
      ]) {
        const client = setting[open]({ headers });
        const response = await client.ask([HANDSHAKE]);
        response.resume();
        const what = `${open} ${JSON.stringify(headers)}`;
        assert.equal(response.statusCode, status, what);
        if (status === 200) assert.equal(/; Secure/.test(response.headers['set-cookie'][0]), secure, what);
      }
    });

    /** Whether a socket without a cookie from this address may go on with a session that was handshaken from 127.0.0.2. */
    const adopts = async (through, from, headers) => {
      const owner = await through.client({ from: '127.0.0.2' }).handshake();
      const socket = await through.client({ from, headers }).open();
      socket.clientId = owner.clientId;
      const [reply] = await socket.call([socket.of({ channel: '/nobody/listens', data: 1 })]);
      socket.leave();
      return reply.successful;
    };

    it('a client has its own address, whatever it writes itself', async () => {
      assert.equal(await adopts(setting, '127.0.0.2'), true);
      assert.equal(await adopts(setting, '127.0.0.3'), false);
      for (const forged of ['127.0.0.2', '127.0.0.2, 127.0.0.1', 'unknown', '127.0.0.1']) {
        assert.equal(await adopts(setting, '127.0.0.3', { 'X-Forwarded-For': forged }), false, forged);
      }
    });

    it('what a proxy says that is not listed is not believed', async () => {
      const unlisted = await Setting.start(kind, front, '192.0.2.1');
      try {
        assert.equal(await adopts(unlisted, '127.0.0.3'), true, 'both have the address of the proxy');
        const response = await unlisted.tlsClient().ask([HANDSHAKE]);
        response.resume();
        assert.doesNotMatch(response.headers['set-cookie'][0], /; Secure/);
      } finally {
        await unlisted.close();
      }
    });

    it('a connect is held for as long as the server wants, over either transport', async () => {
      const [polled, pushed] = await Promise.all([held.longPolling, held.websocket]);
      const successful = ({ channel, successful }) => channel === '/meta/connect' && successful;
      assert.deepEqual([polled.length, polled.filter(successful).length], [1, 1]);
      assert.equal(pushed.filter(successful).length, 2);
    });

    /** Ends the proxy, publishes meanwhile, and runs it again. */
    const restart = async (publish) => {
      await setting.proxy.stop();
      await setting.tap.allClosed();
      await publish();
      await setting.proxy.run();
    };
    const publish = async (channel, all) => {
      for (const n of all) await publisher.publish(channel, n);
    };

    it('a restart loses nothing of npm cometd over long-polling', async () => {
      const client = new CometDClient(setting.proxy.url, 'long-polling');
      await client.open();
      await client.subscribe('/restart');
      const { clientId } = client;
      await publish('/restart', numbers(0, 20));
      await client.calls.take(20, () => true, 'what came before');
      await restart(() => publish('/restart', numbers(20, 40)));
      await client.calls.take(40, () => true, 'what came meanwhile', { ms: 20_000 });
      await publish('/restart', numbers(40, 60));
      const calls = await client.calls.take(60, () => true, 'what came afterwards');
      assert.deepEqual(calls.map(({ data }) => data), numbers(0, 60));
      assert.equal(client.clientId, clientId, 'it is the same session');
      await client.close();
    });

    it('a restart loses nothing of a WebSocket, which goes on with its cookie', async () => {
      let socket = await (await setting.client().open()).handshake();
      const { clientId, cookie } = socket;
      await socket.subscribe('/restart');
      socket.connect();
      await publish('/restart', numbers(0, 20));
      const earlier = await socket.messages.take(20, isEvent, 'what came before');
      await restart(() => publish('/restart', numbers(20, 40)));
      await socket.closed;
      socket = await Object.assign(setting.client(), { clientId, cookie }).open();
      socket.connect();
      const later = await socket.messages.take(20, isEvent, 'what came meanwhile');
      assert.deepEqual([...earlier, ...later].map(({ data }) => data), numbers(0, 40));
      socket.leave();
    });
  });
}
