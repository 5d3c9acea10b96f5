// The npm side of `bayeux-bench clients`, which starts it: `node receive.mjs cometd|faye URL CHANNEL websocket|long-polling`.
//
// Subscribes, writes a line, then a `.` for each hundred messages. Each has its number as `s`; if one is missing or out of order,
// it ends with an error. It ends with its input.
import fs from 'node:fs';

const [name, url, channel, transport] = process.argv.slice(2);
const MESSAGES = 100;

let wanted = 0;
const onData = ({ s }) => {
  if (s !== wanted) throw new Error(`message ${s} came where ${wanted} should have come`);
  wanted += 1;
  if (wanted % MESSAGES === 0) fs.writeSync(1, '.');
};
const onReady = () => fs.writeSync(1, 'ready\n');
const refuse = (reply) => {
  throw new Error(JSON.stringify(reply));
};

const clients = {
  async cometd() {
    const { CometD } = await import('cometd');
    const { adapt } = await import('cometd-nodejs-client');
    adapt();
    const cometd = new CometD();
    for (const type of cometd.getTransportTypes().filter((type) => type !== transport)) cometd.unregisterTransport(type);
    cometd.configure({ url, logLevel: 'error' });
    cometd.handshake((shaken) => {
      if (!shaken.successful) refuse(shaken);
      cometd.subscribe(channel, ({ data }) => onData(data), (reply) => (reply.successful ? onReady() : refuse(reply)));
    });
  },
  async faye() {
    const { default: faye } = await import('faye');
    const client = new faye.Client(url);
    if (transport !== 'websocket') client.disable('websocket');
    client.subscribe(channel, onData).then(onReady, refuse);
  },
};

process.stdin.resume().on('end', () => process.exit());
await clients[name]();
