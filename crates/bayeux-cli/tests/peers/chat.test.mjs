// The chat page of `bayeux dev` in real Chromium: two people in two browser contexts talk, over either transport.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { launch, Person } from './browser.mjs';
import { Network } from './network.mjs';
import { Server } from './server.mjs';
import { Log } from './waiting.mjs';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const SMALL_PHONE = { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true };
const ANEW = 'Connected anew; what was said meanwhile is missing here.';

// Connects are held for a short time, so that many come and go while the tests run.
const DEV = { command: 'dev', extra: ['--timeout', '700ms', '--workers', '2', '--shutdown-spread', '200ms'] };

describe('the chat page', { timeout: 120_000 }, () => {
  let server;
  let browser;
  let room = 0;
  let open = []; // what the test at hand has opened
  const idle = []; // people who may come again: a new browser context takes its time

  before(async () => {
    browser = await launch();
    server = await Server.start(DEV);
  });
  after(async () => {
    await browser?.close();
    await server?.stop('SIGKILL');
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((end) => end()));
  });

  const visit = async (url = server.url, options) => {
    const person = (!options && idle.pop()) || (await Person.open(browser, options));
    open.push(async () => {
      if (options || person.hasCrashed || person.page.isClosed()) return person.close();
      await person.leave();
      idle.push(person);
    });
    await person.visit(url);
    return person;
  };
  const network = async () => {
    const between = await Network.before(server.url);
    open.push(() => between.close());
    return between;
  };
  /**
   * Two people in a room of their own who have seen each other. `ada` is the address under which Ada opens the page,
   * `over` the transports that they are to get; with `clock`, Ada's time can be put forward.
   */
  const two = async ({ ada: url = server.url, transport = 'auto', over = {}, clock = false, meanwhile } = {}) => {
    const [ada, bob] = await Promise.all([visit(url, clock ? { clock } : undefined), visit()]);
    await meanwhile?.(ada);
    room += 1;
    const got = { Ada: 'websocket', Bob: 'websocket', ...over };
    for (const [person, name] of [[ada, 'Ada'], [bob, 'Bob']]) {
      if (transport !== 'auto') await person.choose(got[name] = transport);
      await person.isOn(got[name]);
      await person.join(name, `room-${room}`);
    }
    for (const person of [ada, bob]) await person.sees(got);
    return [ada, bob];
  };
  const talk = async (ada, bob, n) => {
    await ada.say(`Ada says ${n}`);
    await bob.hears(`Ada says ${n}`);
    await bob.say(`Bob says ${n}`);
    await ada.hears(`Bob says ${n}`);
    for (const person of [ada, bob]) await person.isAnswered();
  };
  /** Nothing on the console, but for what tells of connections that a test broke on purpose. */
  const unbothered = (people, broken = false) => {
    const known = broken ? /^Failed to load resource: net::|^WebSocket connection to '.*' failed/ : /^$/;
    for (const { name, problems } of people) {
      assert.deepEqual(problems.filter((text) => !known.test(text)), [], `the console of ${name}`);
    }
  };

  it('is where / leads, and the endpoint shows a helpful page to a browser', async () => {
    const { page, problems } = await visit(new URL('/', server.url).href);
    assert.equal(page.url(), server.url);
    const endpoint = new URL('/bayeux', server.url).href;
    const response = await page.goto(endpoint);
    assert.equal(response.status(), 200);
    await page.getByRole('heading', { name: 'This is a Bayeux 1.0 endpoint' }).waitFor();
    assert.equal(await page.getByText(endpoint, { exact: true }).count(), 1);
    for (const client of ['CometD', 'Faye', 'curl']) {
      assert.match(await page.getByRole('region', { name: client }).textContent(), new RegExp(endpoint));
    }
    assert.deepEqual(problems, []);
  });

  for (const transport of ['websocket', 'long-polling']) {
    it(`lets two people talk over ${transport}`, async () => {
      const [ada, bob] = await two({ transport });
      await talk(ada, bob, 'hello');
      await talk(ada, bob, 'good-bye');
      for (const person of [ada, bob]) {
        const events = person.wire.filter(({ out, message }) => !out && message.data?.text);
        assert.deepEqual([...new Set(events.map((event) => event.transport))], [transport]);
      }
      unbothered([ada, bob]);
    });
  }

  it('shows what people say as they said it, never as markup', async () => {
    const [ada, bob] = await two();
    const texts = ['<img src=x onerror="document.title=1"><b>bold</b>', '"quotes" & \\ </script>', 'שלום, 你好 👩🏽‍🚀'];
    for (const text of texts) await ada.say(text);
    for (const text of texts) await bob.hears(text);
    assert.equal(await bob.page.locator('#log :is(img, b)').count(), 0);
    unbothered([ada, bob]);
  });

  it('moves between the transports while both talk: nothing is lost, nothing comes twice or out of order', async () => {
    const [ada, bob] = await two();
    const said = { Ada: [], Bob: [] };
    const bursts = new Log();
    let done = false;
    const chatter = async (person) => {
      while (!done) {
        const texts = [1, 2, 3].map((n) => `${person.name} ${said[person.name].length + n}`);
        said[person.name].push(...texts);
        await person.burst(texts);
        bursts.add(person.name);
        await person.page.waitForFunction(() => document.querySelectorAll('.pending').length < 20);
      }
    };
    const moves = async () => {
      const [lp, ws] = ['long-polling', 'websocket'];
      for (const [toAda, toBob] of [[lp, ws], [ws, lp], [lp, ws], ['auto', 'auto']]) {
        await Promise.all([ada.choose(toAda), bob.choose(toBob)]);
        await Promise.all([ada.isOn(toAda.replace('auto', ws)), bob.isOn(toBob.replace('auto', ws))]);
        await bursts.take(4, () => true, 'they talk on', { from: bursts.length });
      }
      done = true;
    };
    const parts = [moves(), chatter(ada), chatter(bob)];
    await Promise.all(parts.map((part) => part.finally(() => { done = true; })));
    for (const [person, other] of [[ada, 'Bob'], [bob, 'Ada']]) {
      await person.hears(said[other].at(-1));
      assert.deepEqual(person.heard, said[other], `what ${person.name} heard`);
      // On the wire too: the page would hide what comes twice.
      const isEvent = ({ out, message }) => !out && message.data?.text;
      const all = said.Ada.length + said.Bob.length;
      const events = await person.wire.take(all, isEvent, `${person.name}'s events on the wire`);
      assert.equal(new Set(events.map(({ message }) => message.data.text)).size, all);
      assert.equal(person.wire.filter(isEvent).length, all);
      assert.equal(person.sessions.length, 1, 'it is the same session throughout');
    }
    unbothered([ada, bob]);
  });

  /** No deadline of the page's passes, however slow this machine is. */
  const timeStandsStill = (person) => person.page.clock.pauseAt(Date.now() + 5_000);
  const sends = (person, from, match) =>
    person.wire.find(({ out, message }) => out && match(message), `${person.name} sends it`, { from });
  const reaches = (person, text) =>
    person.wire.find(({ out, message }) => !out && message.data?.text === text, `${text} reaches ${person.name}`);
  const isConnect = ({ channel }) => channel === '/meta/connect';
  /** The replies to connects that had to make way for a later one. */
  const superseded = (person, from, over) => {
    const isIt = ({ out, transport, message }) => !out && transport === over && isConnect(message) && message.advice?.interval > 0;
    return person.wire.filter(isIt, from);
  };

  it('moves to long-polling: reads the WebSocket to its end, and no connect comes late', async () => {
    const between = await network();
    const [ada, bob] = await two({ ada: between.url, clock: true });
    await timeStandsStill(ada);
    const from = ada.wire.length;
    const releaseUp = between.delayWebSockets('up');
    await sends(ada, from, isConnect);
    await ada.choose('long-polling');
    await bob.say('one');
    await ada.hears('one');
    const releasePoll = between.hold('/meta/connect');
    releaseUp();
    await ada.wire.find(({ out, transport, message }) => out && transport === 'long-polling' && isConnect(message), 'a poll');
    const releaseDown = between.delayWebSockets('down');
    await bob.say('two');
    await bob.isAnswered();
    releasePoll();
    await ada.isOn('long-polling');
    await bob.say('three');
    await reaches(ada, 'three');
    releaseDown();
    await ada.hears('three');
    assert.deepEqual(ada.heard, ['one', 'two', 'three']);
    assert.deepEqual(superseded(ada, from, 'long-polling'), []);
    unbothered([ada, bob]);
  });

  it('moves to the WebSocket: its last poll comes back first, and what it sends stays in order', async () => {
    const between = await network();
    const [ada, bob] = await two({ ada: between.url, transport: 'long-polling', clock: true });
    await timeStandsStill(ada);
    const from = ada.wire.length;
    const releasePoll = between.hold('/meta/connect');
    await sends(ada, from, isConnect);
    await ada.choose('websocket');
    const echo = await sends(ada, from, ({ channel }) => channel.startsWith('/echo/'));
    await ada.wire.find(({ out, message }) => !out && message.id === echo.message.id, 'the reply to the echo');
    const releaseOne = between.hold('"one"');
    await ada.say('one');
    releasePoll();
    await ada.isOn('websocket');
    await ada.say('two');
    await bob.say('and you?');
    await reaches(ada, 'and you?');
    releaseOne();
    await bob.hears('two');
    assert.deepEqual(bob.heard, ['one', 'two']);
    assert.deepEqual(superseded(ada, from, 'websocket'), []);
    unbothered([ada, bob]);
  });

  it('shows who comes, who moves, and who leaves', async () => {
    const [ada, bob] = await two();
    await ada.isTold('Bob joined.');
    await bob.choose('long-polling');
    await ada.sees({ Ada: 'websocket', Bob: 'long-polling' });
    const carol = await visit();
    await carol.join('Carol', `room-${room}`);
    await carol.sees({ Ada: 'websocket', Bob: 'long-polling', Carol: 'websocket' });
    await ada.isTold('Carol joined.');
    await bob.page.close();
    await ada.isTold('Bob left.');
    await carol.page.goto('about:blank');
    await ada.isTold('Carol left.');
    await ada.sees({ Ada: 'websocket' });
    unbothered([ada, bob, carol]);
  });

  it('counts somebody as gone of whom nothing is heard for long', async () => {
    const [ada, bob] = await two({ clock: true });
    // Stopped as a phone stops a page it needs the memory of: no last word.
    const devtools = await bob.context.newCDPSession(bob.page);
    devtools.send('Page.crash').catch(() => {});
    await bob.page.waitForEvent('crash');
    await ada.page.clock.fastForward(100_000);
    await ada.isTold('Bob has gone silent.');
    await ada.sees({ Ada: 'websocket' });
    unbothered([ada]);
  });

  for (const signal of ['SIGKILL', 'SIGTERM']) {
    it(`comes back after the server was ended by ${signal} and started again`, async () => {
      const [ada, bob] = await two();
      await bob.choose('long-polling');
      await ada.sees({ Ada: 'websocket', Bob: 'long-polling' });
      await talk(ada, bob, 'before');
      await server.restart(signal);
      for (const person of [ada, bob]) await person.isTold(ANEW);
      await talk(ada, bob, 'after');
      await ada.sees({ Ada: 'websocket', Bob: 'long-polling' });
      for (const person of [ada, bob]) assert.equal(person.sessions.length, 2);
      unbothered([ada, bob], true);
    });
  }

  it('sends what was said while the server was away', async () => {
    const between = await network();
    const [ada, bob] = await two({ ada: between.url });
    between.up = false;
    between.cut();
    await ada.isAway();
    await ada.say('Is anybody there?');
    await server.restart('SIGKILL');
    await bob.isTold(ANEW);
    between.up = true;
    await bob.hears('Is anybody there?');
    await ada.isTold(ANEW);
    await talk(ada, bob, 'after');
    unbothered([ada, bob], true);
  });

  it('takes up its session after a broken connection, and misses nothing', async () => {
    const between = await network();
    const [ada, bob] = await two({ ada: between.url });
    for (const transport of ['websocket', 'long-polling']) {
      await ada.choose(transport);
      await ada.isOn(transport);
      await talk(ada, bob, `before, ${transport}`);
      between.up = false;
      between.cut();
      await ada.isAway();
      await bob.say(`Bob says, meanwhile, ${transport}`);
      await bob.isAnswered();
      await ada.say(`Ada says, meanwhile, ${transport}`);
      between.up = true;
      await ada.hears(`Bob says, meanwhile, ${transport}`);
      await bob.hears(`Ada says, meanwhile, ${transport}`);
      await ada.isOn(transport);
    }
    for (const person of [ada, bob]) {
      assert.equal(new Set(person.heard).size, person.heard.length, 'nothing is shown twice');
      assert.equal(person.sessions.length, 1);
    }
    unbothered([ada, bob], true);
  });

  it('notices after a sleep that its connection is dead, and says what did not arrive', async () => {
    const between = await network();
    const [ada, bob] = await two({ ada: between.url, clock: true });
    between.stall();
    await bob.say('into the void');
    await bob.isAnswered();
    await ada.say('out of the void');
    await ada.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await ada.page.clock.fastForward(3_000);
    await bob.hears('out of the void');
    await talk(ada, bob, 'after');
    await ada.isTold('A message of Bob did not arrive.');
    assert.equal(ada.sessions.length, 1);
    unbothered([ada, bob]);
  });

  it('falls back to long-polling where WebSockets are refused, and returns when they pass', async () => {
    const between = await network();
    between.websockets = 'refused';
    const [ada, bob] = await two({ ada: between.url, clock: true, over: { Ada: 'long-polling' } });
    assert.equal(await ada.choice(), 'auto');
    await talk(ada, bob, 'over long-polling');
    await ada.choose('websocket');
    await ada.page.getByRole('alert').filter({ hasText: 'websocket is out of reach' }).waitFor();
    assert.equal(await ada.choice(), 'auto');
    await talk(ada, bob, 'still over long-polling');
    between.websockets = 'pass';
    await ada.page.clock.fastForward(300_000);
    await ada.isOn('websocket');
    await talk(ada, bob, 'over websocket');
    assert.equal(ada.sessions.length, 1);
    unbothered([ada, bob], true);
  });

  it('falls back to long-polling where a WebSocket opens and then nothing passes', async () => {
    const between = await network();
    between.websockets = 'silent';
    const [ada, bob] = await two({
      ada: between.url,
      clock: true,
      over: { Ada: 'long-polling' },
      async meanwhile(ada) {
        const isHandshake = ({ out, message }) => out && message.channel === '/meta/handshake';
        assert.equal((await ada.wire.find(isHandshake, 'a handshake')).transport, 'websocket');
        await ada.page.clock.fastForward(5_000);
      },
    });
    await talk(ada, bob, 'hello');
    unbothered([ada, bob]);
  });

  for (const [name, options] of [['a phone', PHONE], ['a small phone', SMALL_PHONE]]) {
    it(`fits ${name}`, async () => {
      const ada = await visit(server.url, options);
      assert.equal(await ada.overhang(), 0);
      room += 1;
      await ada.join('A person with a name of forty characters', `room-${room}-and-much-more-of-it-still`.slice(0, 32));
      for (const text of ['A message of some length. '.repeat(20), 'x'.repeat(300), 'the last one']) await ada.say(text);
      await ada.isAnswered();
      await ada.shows(ada.page.getByText('the last one', { exact: true }));
      await ada.shows(ada.page.getByRole('button', { name: 'Send' }));
      assert.equal(await ada.overhang(), 0);
      await ada.page.getByText('The wire').click();
      await ada.page.locator('#wire li').first().waitFor();
      await ada.shows(ada.page.getByText('the last one', { exact: true }));
      assert.equal(await ada.overhang(), 0);
      await ada.page.goto(new URL('/bayeux', server.url).href);
      assert.equal(await ada.overhang(), 0);
      unbothered([ada]);
    });
  }
});

describe('the chat page in a browser that keeps pages to go back to', { timeout: 60_000 }, () => {
  it('comes back to life with the conversation it had', async (t) => {
    const browser = await launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
    t.after(() => browser.close());
    const server = await Server.start(DEV);
    t.after(() => server.stop('SIGKILL'));
    const ada = await Person.open(browser);
    await ada.visit(server.url);
    await ada.join('Ada', 'lobby');
    await ada.say('I shall be back');
    await ada.isAnswered();
    await ada.page.goto(new URL('/bayeux', server.url).href);
    await ada.page.evaluate(() => history.back());
    await ada.isTold(ANEW);
    await ada.isOn('websocket');
    await ada.page.getByText('I shall be back').waitFor();
    await ada.say('Here I am');
    await ada.isAnswered();
    assert.deepEqual(ada.problems, []);
  });
});
