// What was found out, for a while: whoever asks meanwhile gets the same answer, and those who ask at once wait for one.

interface Entry<Value> {
  value: Promise<Value>;
  until: number;
}

export class Kept<Value> {
  readonly #entries = new Map<string, Entry<Value>>();

  constructor(
    private readonly milliseconds: number,
    private readonly most: number,
    private readonly now: () => number,
  ) {}

  get(key: string, find: () => Promise<Value>): Promise<Value> {
    const now = this.now();
    const kept = this.#entries.get(key);
    if (kept && kept.until > now) return kept.value;
    const value = find();
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: now + this.milliseconds });
    // An error is nobody's answer but of those who waited for it.
    value.catch(() => {
      if (this.#entries.get(key)?.value === value) this.#entries.delete(key);
    });
    // The oldest go first: a map keeps the order in which they came.
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.most) break;
      this.#entries.delete(oldest);
    }
    return value;
  }
}
