// The GraphQL client of one signed-in session: a normalising cache, so that what one page changes is changed on all, and tokens
// that are refreshed once for all requests and all tabs.
import { authExchange } from '@urql/exchange-auth';
import { Client, fetchExchange, type Exchange } from 'urql';
import { IN_BACKGROUND, type Session } from '../../../browser-session/session';
import { cache } from './cache';
import { codeOf } from './errors';
import { rememberFailures } from './failures';

const HEADERS = { Accept: 'application/graphql-response+json' };

/** For what the page looks up by itself: it does not count as use of the session. */
export const byItself = { fetchOptions: { headers: { ...HEADERS, ...IN_BACKGROUND } } };

export function createClient(session: Session): Client {
  return new Client({
    url: session.endpoint,
    exchanges: [cache(), rememberFailures(), authenticated(session), fetchExchange],
    // What the cache holds is shown at once, and looked up again: others administer too.
    requestPolicy: 'cache-and-network',
    // Answers to GET could be kept by a browser.
    preferGetMethod: false,
    fetchOptions: { headers: HEADERS },
  });
}

function authenticated(session: Session): Exchange {
  return authExchange(async ({ appendHeaders }) => {
    let sent = session.tokens?.accessToken ?? '';
    return {
      addAuthToOperation(operation) {
        sent = session.tokens?.accessToken ?? '';
        return sent === '' ? operation : appendHeaders(operation, { Authorization: `Bearer ${sent}` });
      },
      willAuthError: () => session.expired,
      didAuthError: (error) => codeOf(error) === 'UNAUTHENTICATED',
      // Where there are no next tokens, the session is over and `session` tells the application so.
      refreshAuth: async () => {
        await session.refresh(sent);
      },
    };
  });
}
