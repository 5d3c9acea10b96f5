// Stands between a proxy and the server, and tells what happens there.
import { once } from 'node:events';
import net from 'node:net';
import { Log } from './waiting.mjs';

export class Tap {
  #server;
  #sockets = new Set();
  /** What happens: { connection, event }, where an event is 'opened', 'sent' with the text that went to the server, or 'closed'. */
  log = new Log();

  /** Before the server at this URL; `url` is what a proxy uses in its stead. */
  static async before(url) {
    const tap = new Tap();
    const { port, pathname } = new URL(url);
    let connection = 0;
    tap.#server = net.createServer((proxy) => tap.#join(proxy, Number(port), (connection += 1)));
    tap.#server.listen(0, '127.0.0.1');
    await once(tap.#server, 'listening');
    tap.url = `http://127.0.0.1:${tap.#server.address().port}${pathname}`;
    return tap;
  }

  /** Waits until pieces with all of these texts were sent so many times; gives the connection of the last. */
  async sent(count, ...texts) {
    const isIt = ({ event, text }) => event === 'sent' && texts.every((part) => text.includes(part));
    return (await this.log.take(count, isIt, `${texts} is sent to the server`)).at(-1).connection;
  }

  closed(connection) {
    return this.log.find((entry) => entry.event === 'closed' && entry.connection === connection, `connection ${connection} is closed`);
  }

  /** How many connections the proxy has opened. */
  get opened() {
    return this.log.filter(({ event }) => event === 'opened').length;
  }

  /** Waits until each connection that was opened is closed. */
  async allClosed() {
    const { opened } = this;
    await this.log.take(opened, ({ event }) => event === 'closed', `all ${opened} connections are closed`);
  }

  close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #join(proxy, port, connection) {
    this.log.add({ connection, event: 'opened' });
    const server = net.connect(port, '127.0.0.1');
    for (const [socket, other] of [[proxy, server], [server, proxy]]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => other.destroy());
      socket.pipe(other);
    }
    proxy.on('data', (bytes) => this.log.add({ connection, event: 'sent', text: bytes.toString('latin1') }));
    server.on('close', () => this.log.add({ connection, event: 'closed' }));
  }
}
