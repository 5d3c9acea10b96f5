// People in front of the chat page, in real Chromium: each has a browser context of their own, hence a cookie jar.
//
// BAYEUX_CHROMIUM names the browser (default: /usr/bin/chromium, where Debian's package puts it).
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { Log } from './waiting.mjs';

const executablePath = process.env.BAYEUX_CHROMIUM ?? '/usr/bin/chromium';

export async function launch(options = {}) {
  if (!existsSync(executablePath)) {
    const cure = 'install it (apt-get install chromium), or name it in BAYEUX_CHROMIUM';
    throw new Error(`there is no Chromium at ${executablePath}: ${cure}`);
  }
  // Chromium's own sandbox does not work for root, nor in most containers; the pages are ours.
  return chromium.launch({ executablePath, args: ['--no-sandbox'], ...options });
}

/** Runs in the page: tells of each message and note as the log gets it, also of those that are shown twice. */
function watchLog() {
  addEventListener('DOMContentLoaded', () => {
    const log = document.getElementById('log');
    if (!log) return;
    const tell = (line) => {
      const isMessage = line.classList.contains('message');
      const text = isMessage ? line.querySelector('.text').textContent : line.textContent;
      window.tellShown({ isMessage, text, mine: line.classList.contains('mine') });
    };
    const observer = new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(tell)));
    observer.observe(log, { childList: true });
  });
}

export class Person {
  /** With `clock`, the time of this person's pages can be put forward; the rest are options of the browser context. */
  static async open(browser, { clock = false, ...options } = {}) {
    const person = new Person();
    person.context = await browser.newContext(options);
    person.page = await person.context.newPage();
    person.page.setDefaultTimeout(10_000);
    person.#record();
    await person.page.exposeBinding('tellShown', (_, entry) => person.shown.add(entry));
    await person.page.addInitScript(watchLog);
    if (clock) await person.page.clock.install();
    return person;
  }

  /** Opens the page, as somebody new. */
  async visit(url) {
    await this.context.clearCookies();
    this.shown = new Log(); // what the page added to its log: { isMessage, text, mine }
    this.wire = new Log(); // Bayeux messages: { out, transport, message }
    this.problems = []; // whatever the browser put on its console: errors, violations of the policy, exceptions
    await this.page.goto(url);
  }

  leave() {
    return this.page.goto('about:blank');
  }

  close() {
    return this.context.close();
  }

  async join(name, room) {
    this.name = name;
    await this.page.getByLabel('Your name').fill(name);
    await this.page.getByLabel('Room').fill(room);
    await this.page.getByRole('button', { name: 'Join' }).click();
    await this.page.getByRole('heading', { name: `#${room}` }).waitFor();
  }

  async say(text) {
    await this.page.getByLabel('Message', { exact: true }).fill(text);
    await this.page.getByLabel('Message', { exact: true }).press('Enter');
  }

  /** Says them all in one turn of the page's loop. */
  burst(texts) {
    return this.page.evaluate((all) => {
      for (const text of all) {
        document.getElementById('text').value = text;
        document.getElementById('composer').requestSubmit();
      }
    }, texts);
  }

  hears(text, options) {
    const isIt = (entry) => entry.isMessage && !entry.mine && entry.text === text;
    return this.shown.find(isIt, `${this.name} hears ${text}`, options);
  }

  isTold(text, options) {
    const isIt = (entry) => !entry.isMessage && entry.text === text;
    return this.shown.find(isIt, `${this.name} is told: ${text}`, options);
  }

  /** What the others said, in the order in which it was shown. */
  get heard() {
    return this.shown.filter(({ isMessage, mine }) => isMessage && !mine).map(({ text }) => text);
  }

  choose(transport) {
    return this.page.getByLabel('Transport').selectOption(transport);
  }

  choice() {
    return this.page.getByLabel('Transport').inputValue();
  }

  /** Waits until the page says that it is connected over this transport. */
  async isOn(transport) {
    await this.page.locator('#status[data-state=connected]').waitFor();
    await this.page.locator('#transport', { hasText: transport }).waitFor();
  }

  /** Waits until the page says that it has lost its connection. */
  isAway() {
    return this.page.locator('#status', { hasText: 'reconnecting' }).waitFor();
  }

  /** Waits until these people, and nobody else, are here: { name: transport }. */
  async sees(people) {
    await this.page.waitForFunction((wanted) => {
      const here = [...document.querySelectorAll('#people .person')].map((item) => [
        item.querySelector('.person-name').textContent.replace(' (you)', ''),
        item.querySelector('.badge').textContent,
      ]);
      const all = Object.entries(wanted);
      return here.length === all.length && all.every(([name, over]) => here.some((one) => one[0] === name && one[1] === over));
    }, people);
  }

  /** Waits until the server has answered everything this person said. */
  async isAnswered() {
    await this.page.waitForFunction(() => !document.querySelector('.pending'));
  }

  /** The ids under which this page has asked for connects: one for each session. */
  get sessions() {
    const connects = this.wire.filter(({ out, message }) => out && message.channel === '/meta/connect');
    return [...new Set(connects.map(({ message }) => message.clientId))];
  }

  /** Waits until the element is wholly within the window, and not scrolled away nor covered. */
  async shows(locator) {
    const element = await locator.elementHandle();
    await this.page.waitForFunction((element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      const inWindow = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
      const isSeenAt = (y) => element.contains(document.elementFromPoint((left + right) / 2, y));
      return inWindow && isSeenAt(top + 2) && isSeenAt(bottom - 2);
    }, element);
  }

  /** By how many pixels the page, or a part of it, is wider than there is room: what one would have to scroll sideways. */
  overhang() {
    return this.page.evaluate(() => {
      const parts = [...document.querySelectorAll('html, main, #log, #people, #wire')];
      return Math.max(...parts.map((part) => part.scrollWidth - part.clientWidth));
    });
  }

  #record() {
    const { page } = this;
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.problems.push(message.text());
    });
    page.on('pageerror', (error) => this.problems.push(error.message));
    const add = (out, transport, text) => {
      for (const message of [JSON.parse(text)].flat()) this.wire.add({ out, transport, message });
    };
    page.on('crash', () => (this.hasCrashed = true));
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => add(true, 'websocket', payload));
      socket.on('framereceived', ({ payload }) => add(false, 'websocket', payload));
    });
    page.on('request', (request) => {
      if (request.method() === 'POST') add(true, 'long-polling', request.postData());
    });
    page.on('requestfinished', async (request) => {
      if (request.method() !== 'POST') return;
      const response = await request.response();
      // The body of an answer to a page that has gone is gone too.
      if (response.ok()) await response.text().then((text) => add(false, 'long-polling', text), () => {});
    });
  }
}
