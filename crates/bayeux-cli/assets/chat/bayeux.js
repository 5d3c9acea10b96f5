// A Bayeux 1.0 client for the browser, small enough to read: WebSocket first, long-polling where that is barred, and
// moves between the two within one session. It keeps one /meta/connect outstanding, obeys the server's advice, and
// after a loss resumes the session, or handshakes and subscribes anew. No dependencies, no build step.

import { TRANSPORTS, request, watch } from "./transports.js";

const ORDER = { auto: ["websocket", "long-polling"], websocket: ["websocket"], "long-polling": ["long-polling"] };
const ENTER_LIMIT = 5_000; // ms for each step of opening a connection: one that takes longer counts as barred
const REPLY_LIMIT = 10_000; // ms for a reply, beyond the time the server said it holds a connect
const PROBE_LIMIT = 3_000; // ms for a reply after the page has slept
const PART_LIMIT = 2_000; // ms that an old connection is still read after a move
const MAX_BACKOFF = 10_000; // ms
const FIRST_RETURN = 5_000; // ms until "auto" tries the WebSocket again; doubled each time
const LAST_RETURN = 300_000; // ms
const MAX_OUTBOX = 100; // publishes that wait for a connection or a reply
const MAX_LOSSES = 3; // connections that a publish may have been lost with, until it is taken for the cause

/** The server said no, in so many words: another transport would get the same answer. */
class Refused extends Error {
  constructor(reply) {
    super(reply.error || "refused by the server");
    this.advice = reply.advice ?? {};
  }
}

export class Bayeux {
  onstate = () => {}; // (state, transport): "connecting", "connected", "waiting" to retry, or "stopped"
  onsession = () => {}; // (again): after each handshake; what was published between two sessions has been missed
  onwire = () => {}; // (direction, message, transport): "sent" or "received"
  onproblem = () => {}; // (text): something a person should know

  #url;
  #choice = "auto";
  #running = false;
  #driving = false;
  #clientId = null;
  #sessions = 0;
  #current = null; // the connection that holds the connect
  #fresh = null; // the one being opened
  #taking = null; // the connect by which it takes the session over
  #left = null; // settles when the connections that were left have been read to their end
  #echo = `/echo/${crypto.getRandomValues(new Uint32Array(3)).join("-")}`; // a channel to hear oneself on
  // channel -> { handle, session: the clientId under which it is subscribed }
  #handlers = new Map([[this.#echo, { handle() {}, session: null }]]);
  #outbox = []; // publishes without a reply: { message, via: the connection they are on, losses, resolve, reject }
  #lastId = 0;
  #failures = 0;
  #interval = 0; // ms that the server asked us to stay away
  #return = FIRST_RETURN;
  #wake = () => {};

  constructor(path) {
    this.#url = new URL(path, location.href);
  }

  /** "auto", "websocket" or "long-polling". A choice that can't be had is taken back. */
  get choice() {
    return this.#choice;
  }

  start() {
    this.#running = true;
    this.#drive();
  }

  /** Ends the session with `last` publishes ({ channel, data }), in a request that outlives the page. */
  stop(last = []) {
    const clientId = this.#clientId;
    this.#halt();
    if (!clientId) return;
    const messages = [...last, { channel: "/meta/disconnect" }].map((message) => this.#stamp(message, clientId));
    fetch(this.#url, { ...request(messages), keepalive: true }).catch(() => {});
  }

  /** Chooses the transport. A session under way moves and stays the same. */
  use(choice) {
    this.#choice = choice;
    this.#hurry();
    this.#drive();
  }

  /** After a sleep, or when the network came or went: retries now, and tests a connection that may be dead. */
  wake() {
    this.#hurry();
    const connection = this.#current;
    if (connection) this.#probe(connection).catch((error) => connection.end(error));
  }

  /** Takes { channel: handler }. The subscriptions are renewed in each new session. */
  subscribe(handlers) {
    for (const [channel, handle] of Object.entries(handlers)) this.#handlers.set(channel, { handle, session: null });
    if (this.#current) this.#subscribe(this.#current);
  }

  /** Resolves once the server has taken the message. One whose reply was lost is sent again, so it may arrive twice. */
  publish(channel, data) {
    if (this.#outbox.length >= MAX_OUTBOX) return Promise.reject(new Error("too many messages wait to be sent"));
    return new Promise((resolve, reject) => {
      this.#outbox.push({ message: { channel, data }, via: null, losses: 0, resolve, reject });
      this.#flush();
    });
  }

  // Getting connected, moving, and coming back.

  /** Tries until the connection is what was chosen. One at a time; `use` and `#lost` may call it at any moment. */
  async #drive() {
    if (this.#driving) return;
    this.#driving = true;
    while (this.#running && !this.#settled()) {
      if (!this.#current) await this.#pause();
      if (!this.#running) break;
      const [choice, resuming] = [this.#choice, this.#clientId];
      await this.#attempt(choice).catch((error) => this.#failed(error, choice));
      if (resuming && !this.#clientId) this.#failures = 0; // Reached, but the session is gone: handshake at once.
    }
    this.#driving = false;
  }

  #settled() {
    const { name, choice } = this.#current ?? {};
    return this.#choice === choice || this.#choice === name || (this.#choice === "auto" && name === "websocket");
  }

  /** Waits before a try, if the server asked for it or the last one failed. */
  async #pause() {
    const time = Math.max(this.#interval, backoff(this.#failures++));
    if (time) {
      this.onstate("waiting", null);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, time);
        this.#wake = () => (clearTimeout(timer), resolve());
      });
    }
    if (this.#running) this.onstate("connecting", null);
  }

  #hurry() {
    this.#failures = this.#interval = 0;
    this.#wake();
  }

  async #attempt(choice) {
    let failure;
    for (const name of ORDER[choice]) {
      if (name === this.#current?.name) continue;
      try {
        return await this.#enter(name, choice);
      } catch (error) {
        if (error instanceof Refused || !this.#running) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #failed(error, choice) {
    const { reconnect, interval } = error.advice ?? {};
    this.#interval = interval ?? 0;
    const current = this.#current;
    if (!this.#running) return;
    if (reconnect === "none") {
      this.#halt();
      this.onproblem(`The server refused: ${error.message}`);
    } else if (current && this.#choice === choice) {
      current.choice ??= "auto";
      this.#choice = current.choice; // The move failed: stay, rather than try for ever.
      if (choice === "auto") this.#returnLater(current);
      else this.onproblem(`${choice} is out of reach (${error.message}); staying on ${current.name}.`);
    } else if (!current && this.#failures === 3) {
      this.onproblem(`No connection (${error.message}). Trying again.`);
    }
  }

  /** Opens a connection and puts the session on it; only when that has worked, the old one is let go. */
  async #enter(name, choice) {
    const fresh = new TRANSPORTS[name](
      this.#url,
      (messages) => this.#hear(fresh, messages),
      (error) => this.#lost(fresh, error),
    );
    fresh.choice = choice;
    fresh.held = this.#current && [];
    this.#fresh = fresh;
    try {
      const unwatch = watch(ENTER_LIMIT, () => fresh.end(new Error("it did not open in time")));
      await fresh.open().finally(unwatch);
      const shaken = !this.#clientId;
      if (shaken) await this.#handshake(fresh);
      await this.#subscribe(fresh);
      this.#taking = this.#take(fresh, this.#current);
      this.#judge(await this.#taking);
      this.#swap(fresh);
      if (shaken) this.onsession(this.#sessions++ > 0);
    } catch (error) {
      fresh.end(error);
      this.#release(fresh);
      throw error;
    }
  }

  /**
   * Turns the server to this connection. The old one's last connect must have reached the server by then: coming later,
   * it would take the session back. On long-polling only its reply tells, which an event of our own brings about.
   */
  async #take(fresh, old) {
    if (old) {
      const { connect } = old;
      await this.#probe(old).catch(() => {});
      if (!old.streams) await Promise.race([connect, sleep(PART_LIMIT)]).catch(() => {});
    }
    return this.#connect(fresh, { advice: { timeout: 0 } }, ENTER_LIMIT);
  }

  #swap(fresh) {
    const old = this.#current;
    this.#current = fresh;
    this.#fresh = null;
    this.#left = this.#leave(old, fresh, this.#left);
    this.onstate("connected", fresh.name);
    this.#subscribe(fresh);
    this.#flush();
    this.#poll(fresh);
    if (fresh.name === "websocket") this.#return = FIRST_RETURN;
    else if (fresh.choice === "auto") this.#returnLater(fresh);
  }

  /**
   * What the server sent on the old connection before it turned to the new one is read to the end, and comes first. The
   * end is the reply to a connect, or to a probe: events may have followed the last connect's reply on a WebSocket.
   */
  async #leave(old, fresh, before) {
    if (old?.streams) this.#probe(old).catch(() => {});
    await old?.part(PART_LIMIT);
    await before;
    this.#release(fresh);
  }

  /** The WebSocket may have been out of reach for a moment only, as when the server was starting. */
  #returnLater(connection) {
    setTimeout(() => {
      if (connection !== this.#current || this.#choice !== "auto") return;
      connection.choice = null;
      this.#drive();
    }, this.#return);
    this.#return = Math.min(LAST_RETURN, 2 * this.#return);
  }

  #lost(connection, error) {
    if (connection !== this.#current) return;
    this.#current = null;
    this.#interval = connection.advice.interval;
    if (error instanceof Refused && error.advice.reconnect === "none") this.#failed(error);
    this.#drive();
  }

  #halt() {
    this.#running = false;
    this.#clientId = null;
    const open = [this.#current, this.#fresh];
    this.#current = this.#fresh = null;
    for (const connection of open) connection?.end();
    this.#wake();
    this.onstate("stopped", null);
  }

  // The conversation.

  async #handshake(connection) {
    const message = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ORDER.auto };
    const reply = await this.#ask(connection, message, ENTER_LIMIT);
    if (!reply.successful) throw new Refused({ advice: { reconnect: "none" }, ...reply });
    this.#clientId = reply.clientId;
  }

  /** Subscribes to what this session is not yet subscribed to. */
  async #subscribe(connection) {
    const session = this.#clientId;
    const missing = [...this.#handlers].filter(([, handler]) => handler.session !== session);
    if (!missing.length) return;
    for (const [, handler] of missing) handler.session = session;
    try {
      const subscription = missing.map(([channel]) => channel);
      const reply = await this.#ask(connection, { channel: "/meta/subscribe", subscription }, REPLY_LIMIT);
      if (!reply.successful) this.onproblem(`Not subscribed: ${reply.error}`);
    } catch (error) {
      for (const [, handler] of missing) handler.session = null;
      connection.end(error);
    }
  }

  /** Speaks to itself: the reply shows that connection and session are alive, and that all before it has been read. */
  #probe(connection) {
    return this.#ask(connection, { channel: this.#echo, data: {} }, PROBE_LIMIT);
  }

  #connect(connection, extra = {}, limit = connection.advice.timeout + REPLY_LIMIT) {
    return this.#ask(connection, { channel: "/meta/connect", connectionType: connection.name, ...extra }, limit);
  }

  /** One connect after the other, each from the reply to the last, until this is no longer the connection in use. */
  async #poll(connection) {
    try {
      while (connection === this.#current) {
        const { interval } = connection.advice;
        if (interval > 0) await sleep(interval);
        await this.#taking?.catch(() => {}); // No connect while another connection takes over.
        if (connection !== this.#current) return;
        const reply = await this.#connect(connection);
        if (connection !== this.#current) return; // An older connect, answered because a newer one came.
        this.#judge(reply);
        this.#failures = 0;
      }
    } catch (error) {
      connection.end(error);
    }
  }

  #judge(reply) {
    if (!reply.successful || reply.advice?.reconnect === "none") throw new Refused(reply);
  }

  /** Sends what waits. Order is kept: while a connection that was left owes replies, nothing is sent on the new one. */
  #flush() {
    const current = this.#current;
    if (!current || this.#outbox.some(({ via, losses }) => via && (via !== current || losses))) return;
    for (const entry of this.#outbox) {
      if (!entry.via) this.#deliver(entry, current);
      if (entry.losses) return; // It may be what the connection broke of: alone, it takes no other with it.
    }
  }

  async #deliver(entry, connection) {
    entry.via = connection;
    try {
      const reply = await this.#ask(connection, entry.message, REPLY_LIMIT);
      this.#remove(entry);
      if (reply.successful) entry.resolve();
      else entry.reject(new Refused(reply));
    } catch (error) {
      connection.end(error);
      entry.via = null;
      if (!(error instanceof Refused)) entry.losses += 1;
      if (entry.losses >= MAX_LOSSES) {
        this.#remove(entry);
        entry.reject(error);
      }
    }
    this.#flush();
  }

  #remove(entry) {
    this.#outbox.splice(this.#outbox.indexOf(entry), 1);
  }

  /** Asks and takes up the advice of the reply. Throws when the session is gone: the next connection handshakes. */
  async #ask(connection, message, limit) {
    const session = this.#clientId;
    const stamped = this.#stamp(message, session);
    if (!connection.ended) this.onwire("sent", stamped, connection.name);
    const reply = await connection.ask(stamped, limit);
    Object.assign(connection.advice, reply.advice);
    if (reply.advice?.reconnect === "handshake") {
      if (session === this.#clientId) this.#clientId = null;
      throw new Refused(reply);
    }
    return reply;
  }

  #stamp(message, clientId) {
    return { id: String(++this.#lastId), ...message, ...(clientId && { clientId }) };
  }

  /** Replies and events come in any order and number; a reply is known by channel and id. */
  #hear(connection, messages) {
    for (const message of messages) {
      this.onwire("received", message, connection.name);
      if (connection.answer(message) || message.data === undefined) continue;
      if (connection.held) connection.held.push(message);
      else this.#dispatch(message);
    }
  }

  #release(connection) {
    const held = connection.held ?? [];
    connection.held = null;
    for (const message of held) this.#dispatch(message);
  }

  #dispatch({ channel, data }) {
    try {
      this.#handlers.get(channel)?.handle(data);
    } catch (error) {
      reportError(error); // A fault of the page's, not of the connection's.
    }
  }
}

const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** Nothing for the first try, then up to 0.5, 1, 2 ... seconds, at random: not all clients of a server come at once. */
function backoff(failures) {
  return failures && (0.5 + Math.random() / 2) * Math.min(MAX_BACKOFF, 500 * 2 ** (failures - 1));
}
