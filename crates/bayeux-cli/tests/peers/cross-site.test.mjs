// A page of another site in real Chromium, in a browser that has a session with us, and with the session's id in its hands: what
// it sends changes nothing, whichever way it sends it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { launch } from './browser.mjs';
import { Server } from './server.mjs';
import { within } from './waiting.mjs';

/** Runs in the victim's page: posts a batch, and gives the replies. */
const post = async ([url, batch]) => {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(batch) });
  return response.json();
};

/** Run in a page: each sends a batch in a way of its own, and ends when the browser knows what came of it. */
const WAYS = {
  fetch: async ([url, text]) => {
    const headers = { 'Content-Type': 'application/json' };
    await fetch(url, { method: 'POST', mode: 'cors', credentials: 'include', headers, body: text }).then((response) => response.text()).catch(() => {});
  },
  'fetch of plain text, with CORS': async ([url, text]) => {
    await fetch(url, { method: 'POST', mode: 'cors', credentials: 'include', body: text }).then((response) => response.text()).catch(() => {});
  },
  'fetch of plain text, without CORS': async ([url, text]) => {
    await fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body: text }).then((response) => response.text()).catch(() => {});
  },
  'a form of plain text': ([url, text]) => submit(url, 'text/plain', [[`${text.slice(0, -1)},{"x":"`, '"}]']]),
  'a form-encoded form': ([url, text]) => submit(url, 'application/x-www-form-urlencoded', [['message', text]]),
  sendBeacon: ([url, text]) => navigator.sendBeacon(url, text),
  'sendBeacon of JSON': ([url, text]) => navigator.sendBeacon(url, new Blob([text], { type: 'application/json' })),
  WebSocket: ([url, text]) => new Promise((resolve) => {
    const socket = new WebSocket(url.replace('http', 'ws'));
    socket.onopen = () => socket.send(text);
    socket.onmessage = socket.onclose = resolve;
  }),
};

/** In every page: sends fields by a form, as one does that nobody is to see. */
function submit(url, enctype, fields) {
  document.body.appendChild(Object.assign(document.createElement('iframe'), { name: 'into' }));
  const form = Object.assign(document.createElement('form'), { action: url, method: 'POST', enctype, target: 'into' });
  for (const [name, value] of fields) {
    form.appendChild(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
  }
  document.body.appendChild(form).submit();
}

for (const front of ['own', 'actix']) {
  describe(`a page of another site, under --front ${front}`, { timeout: 120_000 }, () => {
    let server;
    let browser;
    let site;

    before(async () => {
      browser = await launch();
      server = await Server.start({ extra: ['--front', front] });
      site = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>another site</title>'));
      await once(site.listen(0, '127.0.0.1'), 'listening');
    });
    after(async () => {
      await browser?.close();
      site?.close();
      await server?.stop('SIGKILL');
    });

    /** Somebody with a session who listens to /safe, and a page of `origin` in the same browser. */
    const victimAndPage = async (origin) => {
      // The endpoint's own page lets no script run; here it stands for any page of its origin.
      const context = await browser.newContext({ bypassCSP: true });
      await context.addInitScript(`globalThis.submit = ${submit}`);
      const victim = await context.newPage();
      await victim.goto(server.url);
      const ask = (batch) => victim.evaluate(post, [server.url, batch]);
      const types = ['long-polling', 'websocket'];
      const [{ clientId }] = await ask([{ channel: '/meta/handshake', version: '1.0', supportedConnectionTypes: types }]);
      const connect = { channel: '/meta/connect', connectionType: 'long-polling', advice: { timeout: 0 }, clientId };
      await ask([connect]);
      await ask([{ channel: '/meta/subscribe', subscription: '/safe', clientId }]);
      const page = await context.newPage();
      await page.goto(origin);
      /** What the victim hears in the end: what it says itself comes last. */
      const heard = async () => {
        await ask([{ channel: '/stolen', data: 'mine', clientId }]);
        const [published] = await ask([{ channel: '/safe', data: 'end', clientId }]);
        assert.equal(published.successful, true, 'the session lives');
        const events = [];
        while (events.at(-1)?.data !== 'end') {
          const replies = await ask([{ ...connect, advice: undefined }]);
          assert.equal(replies.at(-1).successful, true);
          events.push(...replies.slice(0, -1));
        }
        return events.map(({ channel, data }) => `${channel} ${data}`);
      };
      return { context, clientId, heard, page };
    };

    /** What an attack would like to do: be heard by the victim, hear with the victim's session, end it. */
    const wishes = (clientId) => [
      { channel: '/safe', data: 'forged', clientId },
      { channel: '/meta/subscribe', subscription: '/stolen', clientId },
    ];

    const attack = async (page, way, batch) => {
      const answered = page.waitForEvent('requestfinished', (request) => request.url() === server.url && request.method() !== 'OPTIONS');
      const refused = page.waitForEvent('requestfailed', (request) => request.url() === server.url);
      const end = way === 'WebSocket' ? [] : [Promise.race([answered, refused])];
      for (const waiting of [answered, refused]) waiting.catch(() => {});
      await within(Promise.all([page.evaluate(WAYS[way], [server.url, JSON.stringify(batch)]), ...end]), way, 20_000);
    };

    for (const way of Object.keys(WAYS)) {
      it(`changes nothing by ${way}`, async () => {
        const { port } = site.address();
        // Another site, to which the browser sends no cookie of ours; and another port of ours, to which it does.
        for (const origin of [`http://localhost:${port}/`, `http://127.0.0.1:${port}/`]) {
          const { context, clientId, heard, page } = await victimAndPage(origin);
          await attack(page, way, wishes(clientId));
          await attack(page, way, [{ channel: '/meta/disconnect', clientId }]);
          assert.deepEqual(await heard(), ['/safe end'], 'nothing was published nor subscribed');
          await context.close();
        }
      });

      it(`would change something by ${way} from the server's own origin`, async () => {
        const { context, clientId, heard, page } = await victimAndPage(server.url);
        await attack(page, way, wishes(clientId));
        assert.deepEqual(await heard(), ['/safe forged', '/stolen mine', '/safe end']);
        await context.close();
      });
    }

    it('is counted', async () => {
      await server.stop();
      const refused = Number(/cross_site_refused=(\d+)/.exec(server.log)?.[1]);
      // Two of each way from two origins. A fetch of JSON is refused at its preflight; that counts too.
      assert.equal(refused, Object.keys(WAYS).length * 4, server.log);
    });
  });
}
