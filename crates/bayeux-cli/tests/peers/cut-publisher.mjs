// Publishes 1, 2, 3, ... without a pause, but no more than a window ahead of who receives them.
const WINDOW = 100;

export class Publisher {
  #url;
  #cookie = '';
  #clientId;
  #channel;
  #wake = () => {};
  #ends = false;
  published = 0;
  /** The last number that arrived. */
  arrived = 0;

  constructor(url, channel) {
    this.#url = url;
    this.#channel = channel;
  }

  async open() {
    const [reply] = await this.#post([{ channel: '/meta/handshake', version: '1.0', supportedConnectionTypes: ['long-polling'] }]);
    this.#clientId = reply.clientId;
  }

  /** Publishes until it is told to end. */
  async run() {
    while (!this.#ends) {
      const count = Math.min(1 + (this.published % 7), WINDOW - (this.published - this.arrived));
      if (count <= 0) {
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const batch = Array.from({ length: count }, (_, n) => ({
        channel: this.#channel,
        clientId: this.#clientId,
        data: { n: this.published + 1 + n, fill: 'x'.repeat((this.published * 37) % 300) },
      }));
      const replies = await this.#post(batch);
      const refused = replies.find(({ successful }) => !successful);
      if (refused) throw new Error(`a publish was refused: ${JSON.stringify(refused)}`);
      this.published += count;
    }
  }

  /** So many have arrived. */
  goOn(arrived) {
    this.arrived = arrived;
    this.#wake();
  }

  end() {
    this.#ends = true;
    this.#wake();
  }

  async #post(batch) {
    const headers = { 'Content-Type': 'application/json', ...(this.#cookie && { Cookie: this.#cookie }) };
    const response = await fetch(this.#url, { method: 'POST', headers, body: JSON.stringify(batch) });
    const cookie = response.headers.get('set-cookie');
    if (cookie) this.#cookie = cookie.split(';')[0];
    return response.json();
  }
}
