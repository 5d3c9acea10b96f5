// The network between a browser and the server: a proxy whose connections break, fall silent, or are refused.
import { once } from 'node:events';
import net from 'node:net';

const isUpgrade = (head) => /^upgrade:\s*websocket/im.test(head.toString('latin1'));

export class Network {
  #server;
  #port;
  #pairs = new Map(); // the browser's end of a connection -> the server's
  #webSockets = new WeakSet(); // the browser's ends of those that were asked to become one
  #holds = new Set();
  /** What becomes of WebSockets: 'pass', 'refused' (502), or 'silent' (opened, and then nothing passes). */
  websockets = 'pass';
  /** Whether anything passes at all; else connections are refused. */
  up = true;

  /** A network before the server at this URL; `url` is what a browser uses in its stead. */
  static async before(url) {
    const network = new Network();
    const { port, pathname } = new URL(url);
    network.#port = Number(port);
    network.#server = net.createServer((client) => network.#join(client));
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    network.url = `http://127.0.0.1:${network.#server.address().port}${pathname}`;
    return network;
  }

  /** Breaks every connection there is. */
  cut() {
    for (const [client, server] of this.#pairs) for (const socket of [client, server]) socket.resetAndDestroy();
  }

  /** Every connection there is stays open, and nothing comes through it any more. */
  stall() {
    for (const [client, server] of this.#pairs) {
      for (const socket of [client, server]) socket.unpipe().removeAllListeners('data').resume();
    }
  }

  /**
   * What goes 'up' to the server, or 'down' from it, over the WebSockets there are is kept back until the function that this
   * returns is called.
   */
  delayWebSockets(direction) {
    const pairs = [...this.#pairs].filter(([client]) => this.#webSockets.has(client));
    const ways = pairs.map(([client, server]) => (direction === 'up' ? [client, server] : [server, client]));
    for (const [from] of ways) from.unpipe().pause();
    return () => {
      for (const [from, to] of ways) from.pipe(to);
    };
  }

  /** Requests that contain this text are kept back until the function that this returns is called. */
  hold(text) {
    const hold = { text, kept: [] };
    this.#holds.add(hold);
    return () => {
      this.#holds.delete(hold);
      for (const pass of hold.kept) pass();
    };
  }

  async close() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client) {
    if (!this.up) return client.resetAndDestroy();
    const server = net.connect(this.#port, '127.0.0.1');
    this.#pairs.set(client, server);
    for (const [socket, other] of [[client, server], [server, client]]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#pairs.delete(client);
        other.destroy();
      });
    }
    client.once('data', (head) => {
      if (isUpgrade(head)) this.#webSockets.add(client);
      if (isUpgrade(head) && this.websockets === 'refused') {
        client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        return;
      }
      server.pipe(client);
      if (isUpgrade(head)) {
        server.write(head);
        if (this.websockets === 'silent') client.resume();
        else client.pipe(server);
      } else {
        this.#send(server, head);
        client.on('data', (request) => this.#send(server, request));
      }
    });
  }

  #send(server, request) {
    const pass = () => server.write(request);
    const hold = [...this.#holds].find(({ text }) => request.includes(text));
    if (hold) hold.kept.push(pass);
    else pass();
  }
}
