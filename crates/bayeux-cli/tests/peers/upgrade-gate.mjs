// A proxy that lets everything pass but holds the server's answers to WebSocket upgrades until it is opened.
import { once } from 'node:events';
import net from 'node:net';

export class UpgradeGate {
  #server;
  #sockets = new Set();
  #held = [];
  #isOpen = false;

  /** A proxy before the server at this URL; `url` is what a client uses in its stead. */
  static async before(url) {
    const gate = new UpgradeGate();
    const { port, pathname } = new URL(url);
    gate.#server = net.createServer((client) => gate.#pass(client, Number(port)));
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    gate.url = `http://127.0.0.1:${gate.#server.address().port}${pathname}`;
    return gate;
  }

  open() {
    this.#isOpen = true;
    for (const release of this.#held.splice(0)) release();
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(client, port) {
    const server = net.connect(port, '127.0.0.1');
    for (const [socket, other] of [[client, server], [server, client]]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.once('data', (head) => {
      server.write(head);
      client.pipe(server);
      const pass = () => server.pipe(client);
      if (/^upgrade:/im.test(head.toString('latin1')) && !this.#isOpen) this.#held.push(pass);
      else pass();
    });
  }
}
