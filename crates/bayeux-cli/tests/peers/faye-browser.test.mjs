// npm faye in Chromium: the transports that it has in browsers alone.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { launch } from './browser.mjs';
import { Publisher } from './cut-publisher.mjs';
import { againstFaye, Server, TIMEOUT_MS } from './server.mjs';
import { Log, within } from './waiting.mjs';

const MESSAGES = 200;
const CHANNEL = '/faye/room';
const ELSEWHERE = 'http://elsewhere.localhost:8123';
const script = createRequire(import.meta.url).resolve('faye/client/faye-browser.js');

// Each transport: what has to be disabled for it, and where the page is from.
const TRANSPORTS = [
  { transport: 'eventsource', disable: ['websocket'], origin: 'own' },
  { transport: 'cross-origin-long-polling', disable: ['websocket', 'eventsource'], origin: ELSEWHERE },
  { transport: 'callback-polling', disable: ['websocket', 'eventsource', 'cross-origin-long-polling'], origin: ELSEWHERE },
];

describe('npm faye in Chromium', { skip: againstFaye }, () => {
  let server;
  let browser;
  before(async () => {
    server = await Server.start({ extra: ['--callback-polling', '--allow-origin', ELSEWHERE] });
    // The page comes from nowhere as far as Chromium knows, so it would not be let to an address of this machine.
    browser = await launch({ args: ['--no-sandbox', '--disable-features=LocalNetworkAccessChecks'] });
  });
  after(async () => {
    await browser?.close();
    await server?.stop('SIGKILL');
  });

  for (const { transport, disable, origin } of TRANSPORTS) {
    it(`receives over ${transport}, and does not spin`, { timeout: 60_000 }, async () => {
      const page = await browser.newPage();
      const requests = [];
      page.on('request', (request) => requests.push(request.url()));
      await page.route('**/page/**', async (route) => {
        if (route.request().url().endsWith('.js')) return route.fulfill({ contentType: 'text/javascript', body: await readFile(script) });
        return route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>t</title><script src="faye.js"></script>' });
      });
      const publisher = new Publisher(server.url, CHANNEL);
      const events = new Log();
      await page.exposeFunction('tell', ({ n }) => {
        events.add(n);
        publisher.goOn(n);
        if (n >= MESSAGES) publisher.end();
      });
      await page.goto(new URL('/page/', origin === 'own' ? server.url : origin).href);
      await page.evaluate(async ({ url, channel, disabled }) => {
        window.client = new Faye.Client(url, { timeout: 30, retry: 1 });
        for (const type of disabled) window.client.disable(type);
        await window.client.subscribe(channel, (data) => window.tell(data));
      }, { url: server.url, channel: CHANNEL, disabled: disable });
      // On a busy machine it begins over another, and moves.
      await page.waitForFunction((type) => window.client._dispatcher.connectionType === type, transport);
      await publisher.open();
      await within(publisher.run(), 'all messages to be published', 30_000);
      await events.find((n) => n === publisher.published, 'the last message', { ms: 20_000 });
      assert.deepEqual(events.filter(() => true), Array.from({ length: publisher.published }, (_, n) => n + 1));
      // While nothing happens it asks as often as a connect is held, whoever answers it.
      const before = requests.length;
      const count = 2;
      const asked = new Promise((resolve) => page.on('request', () => requests.length >= before + count && resolve()));
      const began = Date.now();
      await within(asked, 'the next connects', 10 * TIMEOUT_MS);
      assert.ok(Date.now() - began > TIMEOUT_MS / 2, `${count} requests in ${Date.now() - began} ms`);
      await page.close();
    });
  }
});
