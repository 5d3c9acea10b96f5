// How the tests wait: for the event itself, with a deadline, never for a length of time.

/** The promise, or an error that says what did not happen in time. */
export function within(promise, what, ms = 5000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A growing list of what happened, in which one can wait for what has not happened yet. */
export class Log {
  #entries = [];
  #waiters = new Set();

  get length() {
    return this.#entries.length;
  }

  add(entry) {
    this.#entries.push(entry);
    for (const waiter of this.#waiters) waiter();
  }

  filter(predicate, from = 0) {
    return this.#entries.slice(from).filter(predicate);
  }

  /** The last entries, a line each, for people. */
  tail(count = 6) {
    return this.#entries.slice(-count).map((entry) => JSON.stringify(entry)).join('\n  ');
  }

  /** The first `count` entries, counted from `from`, for which the predicate holds. */
  async take(count, predicate, what, { from = 0, ms = 5000 } = {}) {
    let seen = from;
    const found = [];
    let waiter;
    const complete = new Promise((resolve) => {
      waiter = () => {
        for (; seen < this.#entries.length && found.length < count; seen += 1) {
          if (predicate(this.#entries[seen])) found.push(this.#entries[seen]);
        }
        if (found.length === count) resolve(found);
      };
      this.#waiters.add(waiter);
      waiter();
    });
    try {
      return await within(complete, what, ms);
    } catch (error) {
      throw new Error(`${error.message} (${found.length} of ${count}); the last entries are:\n  ${this.tail()}`);
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  async find(predicate, what, options) {
    return (await this.take(1, predicate, what, options))[0];
  }
}
