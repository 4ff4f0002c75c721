// What GraphiQL keeps in this browser: tabs, history, how wide things are. Passwords, tokens and headers that were typed are not
// kept: they stay on the screen until the page is loaded anew.
const PREFIX = 'graphiql:';
/** Texts of their own; the other things kept are JSON that holds such texts. */
const TEXTS = ['graphiql:query', 'graphiql:variables'];
/** A secret in a query or in the JSON of variables: what stands after a field of such a name, or after such a variable's type. */
const SECRET = /(\w*(?:password|token|secret|api_?key)"?\s*:\s*(?:\w+\s*=\s*)?)("""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*")/gi;
/** Of the demo account, in the first example and in the README. */
const PUBLIC = '"admin123"';

export const storage = {
  get length(): number {
    return ownKeys().length;
  },
  getItem: (key: string): string | null => localStorage.getItem(key),
  setItem(key: string, value: string): void {
    if (key !== 'graphiql:headers') localStorage.setItem(key, withoutSecrets(key, value));
  },
  removeItem: (key: string): void => localStorage.removeItem(key),
  /** The dashboard and the session keep theirs. */
  clear(): void {
    for (const key of ownKeys()) localStorage.removeItem(key);
  },
};

function ownKeys(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
}

function withoutSecrets(key: string, value: string): string {
  if (TEXTS.includes(key)) return blank(value);
  try {
    return JSON.stringify(JSON.parse(value, (name, item) => {
      if (typeof item !== 'string') return item;
      return name === 'headers' ? undefined : blank(item);
    }));
  } catch {
    // Neither: a theme's name, or a number of pixels.
    return value;
  }
}

function blank(text: string): string {
  return text.replace(SECRET, (all: string, field: string, secret: string) => (secret === PUBLIC ? all : `${field}""`));
}
