// A word about a state. The colour only repeats what the word says.
export type Tone = 'good' | 'warning' | 'bad' | 'plain';

export function Badge({ tone, children }: { tone: Tone; children: string }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}
