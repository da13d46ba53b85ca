/** Whom rules are applied to. */
export interface Subject {
  /** Empty when the client left it to the server, which is not known here then. */
  readonly clientId: string;
  /** Null for an anonymous client. */
  readonly userName: string | null;
  /** IP address. */
  readonly address: string;
}

const PLACEHOLDER = /%[cu]/;
const LITERAL = 'eq ';

/** Whether the text has `%c` or `%u` in it. */
export function hasPlaceholder(text: string, placeholder?: '%c' | '%u'): boolean {
  return placeholder === undefined ? PLACEHOLDER.test(text) : text.includes(placeholder);
}

/** `eq a/+` stands for the one subscription that says so, letter for letter. Null for other topics of rules. */
export function literalOf(topic: string): string | null {
  return topic.startsWith(LITERAL) ? topic.slice(LITERAL.length) : null;
}

/** Null when no value is known, or when it could be more than a part of one level. */
function filled(level: string, first: boolean, subject: Subject): string | null {
  let usable = true;
  const text = level.replaceAll(/%[cu]/g, (placeholder) => {
    const value = placeholder === '%c' ? subject.clientId : (subject.userName ?? '');
    if (value === '' || /[/+#]/.test(value)) usable = false;
    return value;
  });
  // `%c/#` must not become `$SYS/#` for a client of that name.
  if (first && text.startsWith('$') && !level.startsWith('$')) return null;
  return usable ? text : null;
}

/** What became of a topic with placeholders. */
export interface FilledTopic {
  readonly filter: string;
  /** False when a value was not usable: then `filter` is everything from its level on. */
  readonly complete: boolean;
}

/**
 * The filter that a rule's topic is for a client. A client chooses its own id, and may choose `+`, `#` or `a/b`: such a
 * value fills no place. A rule that allows is then no rule for the client, and one that denies is to deny everything from
 * that level on, so that no choice of a name ever gives more rights.
 */
export function fillTopic(topic: string, subject: Subject): FilledTopic {
  if (!hasPlaceholder(topic)) return { filter: topic, complete: true };
  const levels: string[] = [];
  for (const [at, level] of topic.split('/').entries()) {
    const text = filled(level, at === 0, subject);
    if (text === null) return { filter: [...levels, '#'].join('/'), complete: false };
    levels.push(text);
  }
  return { filter: levels.join('/'), complete: true };
}
