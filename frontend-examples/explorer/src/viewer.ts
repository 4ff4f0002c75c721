// Who is signed in, as the service knows them.
import { useEffect, useState } from 'react';
import type { Fetcher } from './fetcher';

export interface Viewer {
  id: string;
  displayName: string;
  email: string;
}

interface Known {
  viewer: Viewer | null;
  /** Why the viewer is not known, where the service was asked and did not say. */
  failure: string | null;
}

const NOTHING: Known = { viewer: null, failure: null };

/** Asks anew when somebody else signs in: `session` is the id of the session, null where nobody is signed in. */
export function useViewer(fetcher: Fetcher, session: string | null): Known {
  const [known, setKnown] = useState(NOTHING);
  useEffect(() => {
    if (session === null) return;
    let isCurrent = true;
    readViewer(fetcher).then(
      (viewer) => {
        if (isCurrent) setKnown({ viewer, failure: null });
      },
      (error: unknown) => {
        const failure = error instanceof Error ? error.message : String(error);
        if (isCurrent) setKnown({ viewer: null, failure });
      },
    );
    return () => {
      isCurrent = false;
      setKnown(NOTHING);
    };
  }, [fetcher, session]);
  return known;
}

async function readViewer(fetcher: Fetcher): Promise<Viewer | null> {
  const { data, errors } = await fetcher({ query: 'query Viewer { me { id displayName email } }' });
  if (data == null) throw new Error(errors?.[0]?.message ?? 'The service did not answer.');
  return data.me as Viewer | null;
}
