// `cache`: values kept between the runs of one instance, in its isolate only, as long as that lives.

interface Kept {
  value: unknown;
  until: number;
}

const KEYS = 1_000;
const kept = new Map<string, Kept>();

export const cache = Object.freeze({
  async load(key: string, ttl: number | undefined, load: () => unknown): Promise<unknown> {
    const known = kept.get(key);
    if (known !== undefined && known.until > Date.now()) return known.value;
    const value = await load();
    if (kept.size >= KEYS) kept.delete(kept.keys().next().value!);
    kept.set(key, { value, until: ttl === undefined || ttl < 0 ? Infinity : Date.now() + ttl });
    return value;
  },
  delete(key: string): void {
    kept.delete(key);
  },
});
