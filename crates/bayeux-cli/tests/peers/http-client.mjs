// A client that sends exactly what a test says, from an address of its own, with the cookie it was given.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { WebSocket } from 'ws';
import { Log, within } from './waiting.mjs';

export const HANDSHAKE = { channel: '/meta/handshake', version: '1.0', supportedConnectionTypes: ['long-polling', 'websocket'] };

/** What both transports have: a session, and what can be asked in it. `call` sends messages and gives their replies. */
class Session {
  clientId;
  cookie;

  async handshake() {
    const reply = await this.#ask(HANDSHAKE);
    this.clientId = reply.clientId;
    return this;
  }

  subscribe(subscription) {
    return this.#ask({ channel: '/meta/subscribe', subscription });
  }

  publish(channel, data) {
    return this.#ask({ channel, data });
  }

  /** The message with the session's id. */
  of(message) {
    return { clientId: this.clientId, ...message };
  }

  async #ask(message) {
    const reply = (await this.call([this.of(message)])).at(-1);
    if (!reply.successful) throw new Error(`${JSON.stringify(message)}: ${JSON.stringify(reply)}`);
    return reply;
  }

  keepCookie(headers) {
    const set = headers['set-cookie']?.[0];
    if (set) this.cookie = set.split(';')[0];
  }
}

export class HttpClient extends Session {
  #options;
  #agent;

  /** `from` is the address it comes from, `headers` are sent with each request, `ca` is trusted. */
  constructor(url, { from = '127.0.0.1', headers = {}, ca } = {}) {
    super();
    this.url = url;
    this.#options = { localAddress: from, headers, ca };
    const { Agent } = url.startsWith('https:') ? https : http;
    this.#agent = new Agent({ keepAlive: true });
  }

  /** Posts messages; gives the response as soon as its head is there. */
  async ask(messages) {
    const { headers, ...options } = this.#options;
    const all = { 'Content-Type': 'application/json', ...(this.cookie && { Cookie: this.cookie }), ...headers };
    const { request } = this.url.startsWith('https:') ? https : http;
    const asked = request(this.url, { ...options, agent: this.#agent, method: 'POST', headers: all });
    asked.end(JSON.stringify(messages));
    const [response] = await within(once(asked, 'response'), 'the head of a response', 10_000);
    this.keepCookie(response.headers);
    return response;
  }

  /** Posts messages; gives the replies and events. */
  async call(messages) {
    const response = await this.ask(messages);
    const text = Buffer.concat(await within(response.toArray(), 'the body of a response')).toString();
    if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${text}`);
    return JSON.parse(text);
  }

  connect() {
    return this.call([this.of({ channel: '/meta/connect', connectionType: 'long-polling' })]);
  }

  /** A WebSocket of the same client. */
  async open() {
    const { headers, ...options } = this.#options;
    const all = { ...(this.cookie && { Cookie: this.cookie }), ...headers };
    const socket = new WebSocket(this.url.replace(/^http/, 'ws'), { ...options, headers: all });
    const opened = new SocketClient(socket);
    socket.once('upgrade', ({ headers: given }) => opened.keepCookie(given));
    await within(once(socket, 'open'), 'a WebSocket', 10_000);
    opened.cookie ??= this.cookie;
    opened.clientId = this.clientId;
    return opened;
  }

  /** Breaks all its connections. */
  leave() {
    this.#agent.destroy();
  }
}

class SocketClient extends Session {
  #socket;
  /** All that came. */
  messages = new Log();

  constructor(socket) {
    super();
    this.#socket = socket;
    socket.on('message', (text) => JSON.parse(text).forEach((message) => this.messages.add(message)));
    socket.on('error', () => {});
    this.closed = once(socket, 'close');
  }

  send(messages) {
    this.#socket.send(JSON.stringify(messages));
  }

  async call(messages) {
    const from = this.messages.length;
    this.send(messages);
    const isReply = (message) => 'successful' in message && messages.some(({ channel }) => channel === message.channel);
    return this.messages.take(messages.length, isReply, `replies to ${JSON.stringify(messages)}`, { from });
  }

  connect(advice) {
    this.send([this.of({ channel: '/meta/connect', connectionType: 'websocket', advice })]);
  }

  leave() {
    this.#socket.terminate();
  }
}
