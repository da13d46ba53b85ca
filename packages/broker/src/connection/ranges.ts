/** Pairs of first and count. Acknowledgements come in order, so one pair usually says it all. */
export function rangesOf(sequences: readonly number[]): number[] {
  const ranges: number[] = [];
  for (const sequence of sequences) {
    const last = ranges.length - 2;
    if (last >= 0 && (ranges[last] as number) + (ranges[last + 1] as number) === sequence) {
      ranges[last + 1] = (ranges[last + 1] as number) + 1;
    } else {
      ranges.push(sequence, 1);
    }
  }
  return ranges;
}
