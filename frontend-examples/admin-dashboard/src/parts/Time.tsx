// An instant, in this browser's language and time zone.
const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export function Time({ at, never = 'never' }: { at: string | null | undefined; never?: string }) {
  if (at == null) return <span>{never}</span>;
  return <time dateTime={at}>{FORMAT.format(new Date(at))}</time>;
}
