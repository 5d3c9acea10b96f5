// npm cometd 9 with cometd-nodejs-client, over each transport.
import { CometDClient } from './clients.mjs';
import { scenario } from './scenario.mjs';

for (const transport of ['long-polling', 'websocket']) {
  scenario('cometd', transport, (url) => new CometDClient(url, transport));
}
