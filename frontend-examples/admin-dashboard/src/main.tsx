// Who is signed in decides what is shown: the sign-in page, or the application with a client (and a cache) of that session's own.
import { StrictMode, useMemo, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { ErrorBoundary } from 'react-error-boundary';
import { BrowserRouter } from 'react-router';
import { Provider } from 'urql';
import { Session } from '../../browser-session/session';
import { createClient } from './api/client';
import { Broken } from './parts/Broken';
import { NoticeProvider } from './parts/Notice';
import { SessionContext } from './shell/session';
import { Shell } from './shell/Shell';
import { applyTheme } from './shell/theme';
import { SignInPage } from './sign-in/SignInPage';
import './style/base.css';
import './style/parts.css';
import './style/pages.css';

const session = new Session();
applyTheme();

function Root() {
  const signedIn = useSyncExternalStore(session.subscribe, () => session.tokens?.session ?? null);
  const client = useMemo(() => (signedIn === null ? null : createClient(session)), [signedIn]);
  if (client === null) return <SignInPage />;
  return (
    <Provider value={client}>
      <Shell key={signedIn} />
    </Provider>
  );
}

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <SessionContext value={session}>
        <BrowserRouter basename="/admin">
          <NoticeProvider>
            <ErrorBoundary FallbackComponent={Broken}>
              <Root />
            </ErrorBoundary>
          </NoticeProvider>
        </BrowserRouter>
      </SessionContext>
    </StrictMode>,
  );
}
