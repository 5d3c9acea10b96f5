// npm faye: faye.mjs URL [TRANSPORT]
import faye from 'faye';
import { Program, versionOf } from './program.mjs';

const [url, transport] = process.argv.slice(2);
if (url === '--version') {
  console.log(versionOf('faye'));
  process.exit();
}
// It tries again after a second, not after five as by itself, so that a run does not take long.
const client = new faye.Client(url, { retry: 1 });
if (transport === 'long-polling') client.disable('websocket');
client.disable('eventsource');

const subscriptions = new Map();
const program = new Program({
  subscribe: (channel, handler) => {
    const subscription = client.subscribe(channel).withChannel((name, data) => handler({ channel: name, data }));
    subscriptions.set(channel, subscription);
    return subscription;
  },
  // It does not say when the server has answered this.
  unsubscribe: async (channel) => subscriptions.get(channel).cancel(),
  publish: (channel, data) => client.publish(channel, data),
  disconnect: () => client.disconnect(),
});
client.subscribe('/conformance/do', (data) => program.carryOut(data));
