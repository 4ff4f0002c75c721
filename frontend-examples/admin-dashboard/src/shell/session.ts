// The session of this browser, for whatever signs in or out.
import { createContext, use } from 'react';
import type { Session } from '../../../browser-session/session';

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = use(SessionContext);
  if (session === null) throw new Error('useSession is for what stands in a SessionContext');
  return session;
}
