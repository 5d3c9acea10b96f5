// What a page does to receive over each transport, with nothing but what browsers have: `receive` runs in the page.

/**
 * Makes a session at `url`, subscribes it to `channel`, receives over `transport` until `stop` is called, and hands each event's data
 * to `window.tell`. Resolves once it receives.
 */
export async function receive({ url, transport, channel }) {
  const post = async (batch) => {
    const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(batch) });
    return response.json();
  };
  const query = (batch) => `${url}?message=${encodeURIComponent(JSON.stringify(batch))}`;
  const connectionType = transport === 'fetch stream' ? 'xhr-streaming' : transport;
  const [{ clientId }] = await post([{ channel: '/meta/handshake', version: '1.0', supportedConnectionTypes: [connectionType] }]);
  await post([{ channel: '/meta/subscribe', clientId, subscription: channel }]);
  const connect = { channel: '/meta/connect', clientId, connectionType };
  let receiving;
  const receives = new Promise((resolve) => {
    receiving = resolve;
  });
  // Every batch comes by here; tells whether a connect was answered in it.
  const take = (batch) => {
    const replies = batch.filter((message) => message.channel === '/meta/connect');
    for (const reply of replies) if (!reply.successful) window.problem(JSON.stringify(reply));
    for (const { data } of batch.filter((message) => message.channel === channel)) window.tell(data);
    if (replies.length > 0) receiving();
    return replies.length > 0;
  };
  const ways = {
    websocket() {
      const socket = new WebSocket(url.replace('http', 'ws'));
      socket.onopen = () => socket.send(JSON.stringify([{ ...connect, advice: { timeout: 0 } }]));
      socket.onmessage = ({ data }) => take(JSON.parse(data)) && socket.send(JSON.stringify([connect]));
    },
    'long-polling'() {
      const poll = () => {
        const request = new XMLHttpRequest();
        request.open('POST', url);
        request.setRequestHeader('Content-Type', 'application/json');
        request.onload = () => {
          take(JSON.parse(request.responseText));
          poll();
        };
        request.send(JSON.stringify([connect]));
      };
      poll();
    },
    'callback-polling'() {
      let count = 0;
      const poll = () => {
        const script = document.createElement('script');
        const name = `reply${(count += 1)}`;
        window[name] = (batch) => {
          delete window[name];
          script.remove();
          take(batch);
          poll();
        };
        script.src = `${query([connect])}&jsonp=${name}`;
        document.head.append(script);
      };
      poll();
    },
    eventsource() {
      const source = new EventSource(query([connect]));
      source.onmessage = ({ data }) => take(JSON.parse(data));
    },
    'xhr-streaming'() {
      const open = () => {
        const request = new XMLHttpRequest();
        let read = 0;
        request.open('POST', url);
        request.setRequestHeader('Content-Type', 'application/json');
        request.onprogress = () => {
          const end = request.responseText.lastIndexOf('\n');
          const lines = request.responseText.slice(read, end).split('\n');
          read = end + 1;
          for (const line of lines.filter((text) => text !== '')) take(JSON.parse(line));
        };
        // It has rolled over.
        request.onload = open;
        request.send(JSON.stringify([connect]));
      };
      open();
    },
    'fetch stream': async () => {
      for (;;) {
        const body = JSON.stringify([connect]);
        const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = '';
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          const lines = (rest + value).split('\n');
          rest = lines.pop();
          for (const line of lines.filter((text) => text !== '')) take(JSON.parse(line));
        }
      }
    },
    iframe() {
      const frame = document.createElement('iframe');
      frame.hidden = true;
      addEventListener('message', ({ source, data }) => source === frame.contentWindow && take(data));
      const open = () => {
        frame.src = `${query([connect])}&origin=${encodeURIComponent(location.origin)}`;
      };
      // It has rolled over.
      frame.onload = open;
      open();
      document.body.append(frame);
    },
  };
  ways[transport]();
  await receives;
}
