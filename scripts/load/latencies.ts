/** Times in milliseconds, and what to say of them. */
export class Latencies {
  readonly #values: number[] = [];

  add(ms: number): void {
    this.#values.push(ms);
  }

  get count(): number {
    return this.#values.length;
  }

  /** The value that the share `quantile` of all does not exceed; 0 without any. */
  at(quantile: number): number {
    const sorted = this.#values.toSorted((one, other) => one - other);
    return sorted[Math.min(Math.floor(sorted.length * quantile), sorted.length - 1)] ?? 0;
  }

  toString(): string {
    const [p50, p99, max] = [0.5, 0.99, 1].map((quantile) => this.at(quantile).toFixed(1));
    return `${this.count} times, p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
  }
}
