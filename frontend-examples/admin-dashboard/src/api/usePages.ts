// An endless list, page by page. Each page is a query of its own: more rows never make a page dearer, and a change reaches the
// page that shows it. While other rows are being looked for, the last ones stay.
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useClient, type AnyVariables, type CombinedError, type TypedDocumentNode } from 'urql';

export interface Connection<Node> {
  nodes: Node[];
  pageInfo: { hasNextPage: boolean; endCursor?: string | null };
}

interface Page<Node> {
  connection?: Connection<Node>;
  error?: CombinedError;
}

interface Held<Node> {
  /** Of which list these are the pages. */
  key: string;
  pages: Page<Node>[];
}

/** Rows a page. */
const FIRST = 50;

export function usePages<Data, Variables extends AnyVariables, Node extends { id: string }>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Omit<Variables, 'first' | 'after'>,
  read: (data: Data) => Connection<Node> | null | undefined,
) {
  const client = useClient();
  const key = JSON.stringify(variables);
  const [attempt, setAttempt] = useState(0);
  const [held, setHeld] = useState<Held<Node>>({ key: '', pages: [] });
  const [waiting, setWaiting] = useState(true);
  const ask = useRef<(after: string | null, index: number) => void>(() => undefined);
  const reader = useRef(read);

  useEffect(() => {
    const subscriptions: { unsubscribe(): void }[] = [];
    const given = JSON.parse(key) as Omit<Variables, 'first' | 'after'>;
    ask.current = (after, index) => {
      setWaiting(true);
      const asked = { ...given, first: FIRST, after } as unknown as Variables;
      subscriptions.push(
        client.query(document, asked).subscribe(({ data, error, stale }) => {
          const connection = data == null ? undefined : (reader.current(data) ?? undefined);
          const page: Page<Node> = { ...(connection && { connection }), ...(error && { error }) };
          setHeld((before) => {
            const pages = before.key === key ? [...before.pages] : [];
            pages[index] = page;
            return { key, pages };
          });
          if (!stale) setWaiting(false);
        }),
      );
    };
    ask.current(null, 0);
    return () => subscriptions.forEach((subscription) => subscription.unsubscribe());
  }, [client, document, key, attempt]);

  const nodes = useMemo(() => {
    // A row that was added can move another one onto the next page, which may be held already.
    const byId = new Map<string, Node>();
    for (const { connection } of held.pages) for (const node of connection?.nodes ?? []) byId.set(node.id, node);
    return [...byId.values()];
  }, [held]);

  const last = held.pages.at(-1);
  const { hasNextPage = false, endCursor = null } = last?.connection?.pageInfo ?? {};
  const upToDate = held.key === key;
  const loadMore = useCallback(() => {
    if (upToDate && !waiting && hasNextPage) ask.current(endCursor, held.pages.length);
  }, [upToDate, waiting, hasNextPage, endCursor, held.pages.length]);

  return {
    nodes,
    /** What was asked for last. */
    key,
    /** The first answer is not there yet. */
    loading: held.pages.length === 0,
    /** The rows are of another question than the one that was asked last. */
    stale: !upToDate,
    waiting,
    hasNextPage,
    loadMore,
    error: held.pages.find((page) => page.error !== undefined)?.error,
    retry: () => setAttempt((before) => before + 1),
  };
}
