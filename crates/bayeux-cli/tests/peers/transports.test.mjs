// A page in Chromium receives a thousand messages over each transport: complete, once, and in order.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { launch } from './browser.mjs';
import { Publisher } from './cut-publisher.mjs';
import { againstFaye, Server } from './server.mjs';
import { receive } from './transport-page.mjs';
import { Log, within } from './waiting.mjs';

const MESSAGES = 1000;
const CHANNEL = '/room/all';
const TRANSPORTS = ['websocket', 'long-polling', 'callback-polling', 'eventsource', 'xhr-streaming', 'fetch stream', 'iframe'];

// Faye's server has not all of them.
describe('a page in Chromium', { skip: againstFaye }, () => {
  let server;
  let browser;
  before(async () => {
    // So small that streams which a page keeps roll over on the way.
    server = await Server.start({ extra: ['--callback-polling', '--max-stream-bytes', '64KiB'] });
    // The page comes from nowhere as far as Chromium knows, so it would not be let to an address of this machine.
    browser = await launch({ args: ['--no-sandbox', '--disable-features=LocalNetworkAccessChecks'] });
  });
  after(async () => {
    await browser?.close();
    await server?.stop('SIGKILL');
  });

  for (const transport of TRANSPORTS) {
    it(`receives ${MESSAGES} messages over ${transport}`, { timeout: 60_000 }, async () => {
      const page = await browser.newPage();
      const problems = [];
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      page.on('pageerror', (error) => problems.push(error.message));
      await page.route('**/page/**', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>t</title>' }));
      const publisher = new Publisher(server.url, CHANNEL);
      const events = new Log();
      await page.exposeFunction('tell', ({ n }) => {
        events.add(n);
        publisher.goOn(n);
        if (n >= MESSAGES) publisher.end();
      });
      await page.exposeFunction('problem', (text) => problems.push(text));
      await page.goto(new URL('/page/', server.url).href);
      await page.evaluate(`window.receive = ${receive}`);
      await page.evaluate((settings) => window.receive(settings), { url: server.url, transport, channel: CHANNEL });
      await publisher.open();
      await within(publisher.run(), 'all messages to be published', 30_000);
      await events.find((n) => n === publisher.published, 'the last message', { ms: 20_000 });
      assert.deepEqual(events.filter(() => true), Array.from({ length: publisher.published }, (_, n) => n + 1));
      assert.deepEqual(problems, []);
      await page.close();
    });
  }
});
