// Stock CometD clients with their ack extension, each over one transport: `open(url, channel, tell)` resolves once it is subscribed,
// and calls `tell` with the data of each event that reaches the application.
import { createRequire } from 'node:module';
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { Log, within } from './waiting.mjs';

/** How they are configured: they try again soon, since many cuts are to come. */
const OPTIONS = { logLevel: 'error', backoffIncrement: 5, maxBackoff: 50, maxNetworkDelay: 3000 };

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The same in Node and in a page. */
async function subscribe({ CometD, AckExtension }, { url, transport, channel, options }, tell, problem) {
  const cometd = new CometD();
  for (const type of cometd.getTransportTypes().filter((type) => type !== transport)) cometd.unregisterTransport(type);
  cometd.configure({ url, ...options });
  cometd.registerExtension('ack', new AckExtension());
  let handshakes = 0;
  cometd.addListener('/meta/handshake', ({ successful }) => {
    handshakes += successful ? 1 : 0;
    if (handshakes > 1) problem('the session was lost');
  });
  await new Promise((resolve, reject) => {
    cometd.handshake((reply) => {
      if (!reply.successful) return reject(new Error(JSON.stringify(reply)));
      cometd.subscribe(channel, ({ data }) => tell(data), ({ successful }) => (successful ? resolve() : reject(new Error('no subscription'))));
    });
  });
  if (cometd.getTransport().type !== transport) throw new Error(`it is on ${cometd.getTransport().type}`);
  return { close: () => new Promise((resolve) => cometd.disconnect(resolve)) };
}

/** A WebSocket for Node that keeps its server's cookies, as a browser's does. */
function withCookies(WebSocket) {
  let cookie = '';
  return class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols ?? [], { headers: cookie ? { Cookie: cookie } : {} });
      this.on('upgrade', ({ headers }) => {
        cookie = headers['set-cookie']?.[0].split(';')[0] ?? cookie;
      });
    }
  };
}

export async function inNode({ url, transport, channel }, tell, problem) {
  const { adapt } = await import('cometd-nodejs-client');
  adapt();
  const quiet = () => {};
  global.window.console = { ...console, debug: quiet, info: quiet, log: quiet, warn: quiet, error: quiet };
  const { WebSocket } = await import('ws');
  global.window.WebSocket = withCookies(WebSocket);
  const modules = { ...(await import('cometd')), ...(await import('cometd/AckExtension.js')) };
  return subscribe(modules, { url, transport, channel, options: OPTIONS }, tell, problem);
}

/** In Chromium, in a page of the server's own origin. */
export async function inChromium({ url, transport, channel }, tell, problem) {
  // The page comes from nowhere as far as Chromium knows, so it would not be let to an address of this machine.
  const browser = await launch({ args: ['--no-sandbox', '--disable-features=LocalNetworkAccessChecks'] });
  try {
    const page = await browser.newPage();
    await page.route('**/page/**', async (route) => {
      const name = new URL(route.request().url()).pathname.replace('/page/', '');
      if (name === '') return route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>cuts</title>' });
      const file = createRequire(import.meta.url).resolve(`cometd/${name}`);
      return route.fulfill({ contentType: 'text/javascript', body: await readFile(file, 'utf8') });
    });
    await page.exposeFunction('tell', tell);
    await page.exposeFunction('problem', problem);
    await page.goto(new URL('/page/', url).href);
    await page.evaluate(`window.subscribe = ${subscribe}`);
    await page.evaluate(async (settings) => {
      const modules = { ...(await import('/page/cometd.js')), ...(await import('/page/AckExtension.js')) };
      // Calls reach the test one after the other, in order.
      window.client = await window.subscribe(modules, settings, (data) => window.tell(data), (text) => window.problem(text));
    }, { url, transport, channel, options: OPTIONS });
    return { close: () => browser.close() };
  } catch (error) {
    await browser.close();
    throw error;
  }
}

/** CometD's Java client, in the version that the conformance suite is run against; Maven brings it. */
export async function inJava({ url, transport, channel }, tell, problem) {
  execFileSync(here('../../../../conformance-tests/clients/cometd-java'), ['--version']);
  const libraries = here('../../../../conformance-tests/clients/java/lib/*');
  const child = spawn('java', ['-cp', libraries, here('CutSubscriber.java'), url, transport, channel], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const ready = new Log();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line);
    if (said.problem) problem(said.problem);
    else if (said.subscribed) ready.add(said);
    else tell(said);
  });
  child.once('exit', (code) => code && problem(`it ended with ${code}`));
  await ready.find(() => true, 'the Java client to be subscribed', { ms: 30_000 });
  return {
    close: () => {
      child.stdin.end();
      return within(new Promise((resolve) => child.once('exit', resolve)), 'the end of the Java client');
    },
  };
}
