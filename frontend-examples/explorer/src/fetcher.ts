// Sends what GraphiQL asks to the service, as whoever is signed in: with their access token, refreshed when it has expired or is
// refused. Who writes credentials of their own into the headers editor is sent with those.
import type { FormattedExecutionResult } from 'graphql';
import { ServiceError, type Session } from '../../browser-session/session';

export interface Request {
  query: string;
  operationName?: string | null;
  variables?: unknown;
}

export type Fetcher = (request: Request, options?: { headers?: Record<string, unknown> }) => Promise<FormattedExecutionResult>;

let lastFailed: string | null = null;

/** The id of the request whose answer failed last; null where none has. */
export function lastFailedRequest(): string | null {
  return lastFailed;
}

export function createFetcher(session: Session): Fetcher {
  return async (request, options) => {
    try {
      return await send(session, request, headersOf(options?.headers ?? {}));
    } catch (error) {
      // GraphiQL would show where in this program it was thrown.
      if (error instanceof ServiceError) return { errors: [{ message: error.message }] };
      throw error;
    }
  };
}

async function send(session: Session, request: Request, headers: Headers): Promise<FormattedExecutionResult> {
  if (headers.has('Authorization') || headers.has('X-API-Key')) return post(session.endpoint, request, headers);

  let { tokens } = session;
  if (tokens !== null && session.expired) tokens = await session.refresh(tokens.accessToken);
  if (tokens === null) return post(session.endpoint, request, headers);

  headers.set('Authorization', `Bearer ${tokens.accessToken}`);
  const answer = await post(session.endpoint, request, headers);
  if (!wasRefused(answer)) return answer;
  const next = await session.refresh(tokens.accessToken);
  // Where there are none, the session is over: the header says so, and the answer why.
  if (next === null) return answer;
  headers.set('Authorization', `Bearer ${next.accessToken}`);
  return post(session.endpoint, request, headers);
}

/** Nothing was run then, so that even a mutation can be sent again. */
function wasRefused({ data, errors }: FormattedExecutionResult): boolean {
  return data === undefined && errors?.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED') === true;
}

function headersOf(written: Record<string, unknown>): Headers {
  const headers = new Headers({ 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' });
  for (const [name, value] of Object.entries(written)) headers.set(name, String(value));
  return headers;
}

async function post(endpoint: string, request: Request, headers: Headers): Promise<FormattedExecutionResult> {
  let response: Response;
  try {
    response = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify(request) });
  } catch {
    throw new ServiceError('The service cannot be reached. Try again in a moment.');
  }
  const requestId = response.headers.get('X-Request-Id');
  try {
    const answer: FormattedExecutionResult = await response.json();
    if (answer.errors !== undefined) lastFailed = requestId;
    return answer;
  } catch {
    lastFailed = requestId;
    throw new ServiceError(`No GraphQL answer came back, but HTTP status ${response.status}.`);
  }
}
