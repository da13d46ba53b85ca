/**
 * Those that are asked for by their names or by parts of them; a name that is one's whole name is that one alone.
 *
 * @param what for the message: `fault`
 * @param parts none: all
 * @throws when nothing is called so: a run without what was asked for would show nothing of it
 */
export function called<T extends { readonly name: string }>(
  what: string,
  all: readonly T[],
  parts: readonly string[],
): T[] {
  if (parts.length === 0) return [...all];
  const meant = (part: string): T[] => {
    const exact = all.filter(({ name }) => name === part);
    return exact.length > 0 ? exact : all.filter(({ name }) => name.includes(part));
  };
  const chosen = new Set<T>();
  for (const part of parts) {
    const found = meant(part);
    if (found.length === 0) {
      throw new Error(`no ${what} is called ${part}; there are ${all.map(({ name }) => name).join(', ')}`);
    }
    for (const each of found) chosen.add(each);
  }
  return all.filter((each) => chosen.has(each));
}

/** Parts of a list, without the space around them. */
export function partsOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
