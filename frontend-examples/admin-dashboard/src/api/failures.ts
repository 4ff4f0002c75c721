// Which answer failed last, for whoever must tell the operators what to look for.
import { mapExchange, type Exchange } from 'urql';
import { requestIdOf } from './errors';

interface Failed {
  requestId: string;
  /** The page that asked. */
  path: string;
}

let last: Failed | null = null;

/** The id of the request whose answer failed last on the page that is open; null where none has. */
export function lastFailedRequest(): string | null {
  return last?.path === location.pathname ? last.requestId : null;
}

/** Remembers the answers that failed. */
export function rememberFailures(): Exchange {
  return mapExchange({
    onError(error) {
      const requestId = requestIdOf(error);
      if (requestId !== null) last = { requestId, path: location.pathname };
    },
  });
}
