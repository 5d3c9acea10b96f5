// A network that breaks: a proxy which ends each connection after a random number of bytes, in the middle of whatever is on its way.
import { once } from 'node:events';
import net from 'node:net';

/** Numbers below 1 that repeat with their seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Cutter {
  #server;
  #port;
  #chance;
  #open = new Set();
  /** How many connections were cut. */
  cuts = 0;
  /** No more than so many are. */
  most = 0;
  /** A connection ends after less than so many bytes, in both directions together. */
  bytes = 20_000;

  /** A network before the server at this URL; `url` is what a client uses in its stead. It cuts nothing before `most` is set. */
  static async before(url, seed) {
    const cutter = new Cutter();
    const { port, pathname } = new URL(url);
    cutter.#port = Number(port);
    cutter.#chance = random(seed);
    cutter.#server = net.createServer((client) => cutter.#join(client));
    cutter.#server.listen(0, '127.0.0.1');
    await once(cutter.#server, 'listening');
    cutter.url = `http://127.0.0.1:${cutter.#server.address().port}${pathname}`;
    return cutter;
  }

  async close() {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client) {
    const server = net.connect(this.#port, '127.0.0.1');
    const pair = [client, server];
    let left = Math.floor(this.#chance() * this.bytes);
    let over = false;
    const cut = (to, last) => {
      over = true;
      this.cuts += 1;
      // What was on its way up to here arrives; half of the ends are orderly, the others are not.
      if (this.#chance() < 0.5) to.end(last, () => pair.forEach((socket) => socket.destroy()));
      else to.write(last, () => pair.forEach((socket) => socket.resetAndDestroy()));
    };
    for (const [from, to] of [[client, server], [server, client]]) {
      this.#open.add(from);
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('close', () => {
        this.#open.delete(from);
        to.destroy();
      });
      from.on('data', (chunk) => {
        if (over) return;
        if (this.cuts < this.most) {
          if (chunk.length > left) return cut(to, chunk.subarray(0, left));
          left -= chunk.length;
        }
        to.write(chunk);
      });
    }
  }
}
