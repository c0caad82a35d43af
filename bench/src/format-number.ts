/** "26,301", "33.3", "0.45": about three digits that count, and whole numbers whole. */
export function formatNumber(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** "5,000,000": how many there are of something. */
export function formatCount(count: number): string {
  return count.toLocaleString('en');
}
