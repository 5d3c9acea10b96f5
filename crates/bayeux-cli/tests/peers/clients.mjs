// The stock JavaScript clients behind one small interface, so that all of them run the same scenario.
//
// Each keeps two logs: `wire`, the Bayeux messages as `{ out, message }`, and `calls`, what reached the callbacks of the
// application as `{ pattern, channel, data }`. A duplicate delivery shows in `wire` even where a client would hide it.
import { CometD } from 'cometd';
import { adapt } from 'cometd-nodejs-client';
import faye from 'faye';
import { Log, within } from './waiting.mjs';

adapt();
// The adapter sends console.debug to console.log; the reporter's output is not the place for it.
global.window.console = { ...console, debug() {}, info() {}, log() {}, warn() {}, error() {} };

const connected = ({ out, message }) => !out && message.channel === '/meta/connect' && message.successful;

class Recorded {
  wire = new Log();
  calls = new Log();

  /** Waits for a connect that names this transport, from the given place in the wire log on. */
  connectsBy(transport, from = 0) {
    const isOne = ({ out, message }) => out && message.channel === '/meta/connect' && message.connectionType === transport;
    return this.wire.find(isOne, `a connect that names ${transport}`, { from });
  }

  /** The reply to a message of this channel, from the given place in the wire log on. */
  reply(channel, what, options) {
    return this.wire.find(({ out, message }) => !out && message.channel === channel && 'successful' in message, what, options);
  }
}

/** npm cometd 9 with cometd-nodejs-client. */
export class CometDClient extends Recorded {
  #cometd = new CometD();
  #subscriptions = new Map();

  constructor(url, transport) {
    super();
    const others = this.#cometd.getTransportTypes().filter((type) => type !== transport);
    for (const type of others) this.#cometd.unregisterTransport(type);
    this.#cometd.configure({ url, logLevel: 'error', backoffIncrement: 200, maxBackoff: 1000 });
    this.#cometd.registerExtension('record', {
      incoming: (message) => (this.wire.add({ out: false, message: structuredClone(message) }), message),
      outgoing: (message) => (this.wire.add({ out: true, message: structuredClone(message) }), message),
    });
    // A new session has no subscriptions: this client leaves it to the application to ask for them again.
    this.#cometd.addListener('/meta/handshake', (reply) => {
      if (!reply.successful || this.#subscriptions.size === 0) return;
      this.#cometd.batch(() => {
        for (const pattern of this.#subscriptions.keys()) this.#subscribe(pattern);
      });
    });
  }

  async open() {
    await within(new Promise((resolve, reject) => {
      this.#cometd.handshake((reply) => (reply.successful ? resolve() : reject(new Error(JSON.stringify(reply)))));
    }), 'the handshake reply');
    await this.wire.find(connected, 'the first connect reply');
  }

  get transport() {
    return this.#cometd.getTransport().type;
  }

  get clientId() {
    return this.#cometd.getClientId();
  }

  #subscribe(pattern, callback) {
    const onMessage = ({ channel, data }) => this.calls.add({ pattern, channel, data });
    this.#subscriptions.set(pattern, this.#cometd.subscribe(pattern, onMessage, callback));
  }

  subscribe(pattern) {
    return this.#acknowledged(`subscription to ${pattern}`, (callback) => this.#subscribe(pattern, callback));
  }

  unsubscribe(pattern) {
    const subscription = this.#subscriptions.get(pattern);
    this.#subscriptions.delete(pattern);
    return this.#acknowledged(`unsubscription from ${pattern}`, (callback) => this.#cometd.unsubscribe(subscription, callback));
  }

  publish(channel, data) {
    return this.#acknowledged(`publish to ${channel}`, (callback) => this.#cometd.publish(channel, data, callback));
  }

  /** Publishes the pairs of channel and data in one batch. */
  batch(pairs) {
    let all;
    this.#cometd.batch(() => {
      all = Promise.all(pairs.map(([channel, data]) => this.publish(channel, data)));
    });
    return all;
  }

  close() {
    return this.#acknowledged('disconnect', (callback) => this.#cometd.disconnect(callback));
  }

  #acknowledged(what, send) {
    return within(new Promise((resolve, reject) => {
      send((reply) => (reply.successful ? resolve(reply) : reject(new Error(`${what}: ${JSON.stringify(reply)}`))));
    }), `the reply to ${what}`, 10_000);
  }
}

/**
 * npm faye. Its handshake always goes over HTTP. Where WebSocket is not disabled the session moves there as soon as one is
 * open: mostly with the first connect, on a busy machine with a later one.
 */
export class FayeClient extends Recorded {
  #faye;
  #transport;
  #subscriptions = new Map();

  constructor(url, transport, options = { retry: 0.3, timeout: 30 }) {
    super();
    this.#faye = new faye.Client(url, options);
    this.#transport = transport;
    if (transport === 'long-polling') this.#faye.disable('websocket');
    this.#faye.addExtension({
      incoming: (message, pass) => (this.wire.add({ out: false, message: structuredClone(message) }), pass(message)),
      outgoing: (message, pass) => (this.wire.add({ out: true, message: structuredClone(message) }), pass(message)),
    });
  }

  async open() {
    this.#faye.connect();
    await this.wire.find(connected, 'the first connect reply');
    if (this.#transport) await this.connectsBy(this.#transport);
  }

  get transport() {
    return this.#faye._dispatcher.connectionType;
  }

  get clientId() {
    return this.#faye._dispatcher.clientId;
  }

  async subscribe(pattern) {
    const subscription = this.#faye.subscribe(pattern).withChannel((channel, data) => this.calls.add({ pattern, channel, data }));
    this.#subscriptions.set(pattern, subscription);
    await within(subscription, `the reply to subscription to ${pattern}`, 10_000);
  }

  async unsubscribe(pattern) {
    const from = this.wire.length;
    this.#subscriptions.get(pattern).cancel();
    this.#subscriptions.delete(pattern);
    const { message } = await this.reply('/meta/unsubscribe', `the reply to unsubscription from ${pattern}`, { from });
    if (!message.successful) throw new Error(`unsubscription from ${pattern}: ${JSON.stringify(message)}`);
  }

  publish(channel, data) {
    return within(this.#faye.publish(channel, data), `the reply to publish to ${channel}`, 10_000);
  }

  /** Faye sends in one batch by itself what was published in one turn, where the transport batches. */
  batch(pairs) {
    return Promise.all(pairs.map(([channel, data]) => this.publish(channel, data)));
  }

  async close() {
    await within(this.#faye.disconnect(), 'the reply to disconnect');
  }
}
