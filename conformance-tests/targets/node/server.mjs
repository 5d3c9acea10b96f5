// A server of npm, by name, on a loopback port: `node server.mjs faye 0`. Tells where it is when it listens; ends at SIGTERM.
import http from 'node:http';
import { createRequire } from 'node:module';

const [name, port] = process.argv.slice(2);
const require = createRequire(import.meta.url);
// How long a connect is held, in seconds; a session without one lives five times as long.
const TIMEOUT = 2;

const servers = {
  faye() {
    const { NodeAdapter } = require('faye');
    const server = http.createServer();
    new NodeAdapter({ mount: '/bayeux', timeout: TIMEOUT }).attach(server);
    return server;
  },
  'cometd-nodejs-server'() {
    const { createCometDServer } = require('cometd-nodejs-server');
    const { AcknowledgedMessagesExtension } = require('cometd-nodejs-server/ack-extension');
    const server = createCometDServer({ timeout: TIMEOUT * 1000, maxInterval: TIMEOUT * 5000 });
    server.addExtension(new AcknowledgedMessagesExtension());
    return http.createServer(server.handle);
  },
};

if (port === '--version') {
  console.log(`npm ${name} ${require(`${name}/package.json`).version}`);
} else {
  const server = servers[name]();
  server.listen(Number(port), '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}/bayeux`);
  });
  process.on('SIGTERM', () => process.exit(0));
  // An exception that a request caused would end the server, and with it all that is still to be asked.
  process.on('uncaughtException', error => console.error(error));
}
