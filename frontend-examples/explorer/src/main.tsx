// The page: who is signed in above, GraphiQL below. The session is the dashboard's too, so that one sign-in serves both.
import './workers';
import { StrictMode, useMemo, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { ErrorBoundary } from 'react-error-boundary';
import { Session } from '../../browser-session/session';
import { Broken } from './Broken';
import { Explorer } from './Explorer';
import { createFetcher } from './fetcher';
import { Header } from './header/Header';
import { useViewer } from './viewer';
import './style.css';

const session = new Session();

function Page() {
  const signedIn = useSyncExternalStore(session.subscribe, () => session.tokens?.session ?? null);
  // Another one for each session, at which GraphiQL reads the schema anew: what the service tells may depend on who asks.
  // oxlint-disable-next-line react/exhaustive-deps
  const fetcher = useMemo(() => createFetcher(session), [signedIn]);
  const { viewer, failure } = useViewer(fetcher, signedIn);
  return (
    <>
      <Header session={session} viewer={viewer} failure={failure} />
      <main>
        <ErrorBoundary FallbackComponent={Broken} resetKeys={[signedIn]}>
          <Explorer fetcher={fetcher} viewerId={viewer?.id ?? null} />
        </ErrorBoundary>
      </main>
    </>
  );
}

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <ErrorBoundary FallbackComponent={Broken}>
        <Page />
      </ErrorBoundary>
    </StrictMode>,
  );
}
