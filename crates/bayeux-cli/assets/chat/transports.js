// The two ways to a Bayeux server, behind one interface: open, send, close. What goes over them, and when one is left
// for the other, is decided in bayeux.js.

const MAX_BODY = 8; // messages in one request, which keeps bodies well below a server's limit
const GRACE = 3_000; // ms in which a page that has slept hears what came meanwhile

/** One connection of one kind. It ends once; what was asked over it and not answered is rejected then. */
class Connection {
  advice = { reconnect: "retry", interval: 0, timeout: 60_000 };
  pending = new Map(); // id -> { channel, promise, resolve, reject, unwatch }
  ended = null; // why it has ended
  choice = null; // what the user had chosen when it was opened
  held = null; // events that wait until an older connection has been read to its end

  constructor(url, hear, onend) {
    Object.assign(this, { url, hear, onend });
  }

  /** Sends a message with an id and resolves with its reply. No reply within `limit` ms ends the connection. */
  ask(message, limit) {
    let settle;
    const promise = new Promise((resolve, reject) => (settle = { resolve, reject }));
    if (this.ended) {
      settle.reject(this.ended);
      return promise;
    }
    const unwatch = watch(limit, () => this.end(new Error("no reply in time")));
    this.pending.set(message.id, { channel: message.channel, promise, unwatch, ...settle });
    this.send(message);
    return promise;
  }

  /** Settles what the message replies to; false if it is no reply to anything asked here. */
  answer(message) {
    const asked = typeof message.successful === "boolean" && this.pending.get(message.id);
    if (!asked || asked.channel !== message.channel) return false;
    this.pending.delete(message.id);
    asked.unwatch();
    asked.resolve(message);
    return true;
  }

  /** The connect that waits for its reply, if there is one. */
  get connect() {
    return [...this.pending.values()].find(({ channel }) => channel === "/meta/connect")?.promise;
  }

  /** Resolves when nothing is pending, and ends the connection then, or after `limit` ms. */
  async part(limit) {
    const unwatch = watch(limit, () => this.end());
    await Promise.allSettled([...this.pending.values()].map(({ promise }) => promise));
    unwatch();
    this.end();
  }

  receive(text) {
    try {
      this.hear([JSON.parse(text)].flat());
    } catch (error) {
      this.end(error);
    }
  }

  end(error = new Error("the connection was closed")) {
    if (this.ended) return;
    this.ended = error;
    this.close();
    for (const { reject, unwatch } of this.pending.values()) {
      unwatch();
      reject(error);
    }
    this.pending.clear();
    this.onend(error);
  }
}

class WebSocketConnection extends Connection {
  name = "websocket";
  streams = true; // events come by themselves

  open() {
    return new Promise((resolve, reject) => {
      this.socket = new WebSocket(this.url.href.replace(/^http/, "ws"));
      let trouble = "it could not be opened";
      this.socket.onopen = () => {
        trouble = "the WebSocket was closed";
        resolve();
      };
      this.socket.onmessage = (event) => this.receive(event.data);
      this.socket.onclose = () => {
        const error = new Error(trouble);
        reject(error);
        this.end(error);
      };
    });
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify([message]));
    else this.end(new Error("the WebSocket was closed"));
  }

  close() {
    this.socket?.close();
  }
}

/** A connect has a request of its own; all else goes one request after the other, so that it keeps its order. */
class LongPollingConnection extends Connection {
  name = "long-polling";
  streams = false; // events come with the reply to a connect, which they bring about
  queue = [];
  busy = false;
  abort = new AbortController();

  async open() {}

  send(message) {
    if (message.channel === "/meta/connect") return void this.post([message]);
    this.queue.push(message);
    queueMicrotask(() => this.drain());
  }

  async drain() {
    if (this.busy) return;
    this.busy = true;
    while (this.queue.length && !this.ended) await this.post(this.queue.splice(0, MAX_BODY));
    this.busy = false;
  }

  async post(messages) {
    try {
      const response = await fetch(this.url, { ...request(messages), signal: this.abort.signal }).catch(() => {
        throw new Error("the server can't be reached"); // The browser's own words differ, and say no more.
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      this.receive(await response.text());
      if (messages.some((message) => this.pending.has(message.id))) throw new Error("a message was not answered");
    } catch (error) {
      this.end(error);
    }
  }

  close() {
    this.abort.abort();
  }
}

export const TRANSPORTS = { websocket: WebSocketConnection, "long-polling": LongPollingConnection };

/** What `fetch` needs to post messages. */
export const request = (messages) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(messages),
  credentials: "same-origin",
  cache: "no-store",
});

/**
 * Calls `late` after `limit` ms, unless the function that it gives back is called before. A timer that is late itself
 * says that the page was frozen or asleep: what arrived meanwhile is heard first.
 */
export function watch(limit, late) {
  const due = performance.now() + limit;
  let timer = setTimeout(() => {
    if (performance.now() - due < GRACE) late();
    else timer = setTimeout(late, GRACE);
  }, limit);
  return () => clearTimeout(timer);
}
