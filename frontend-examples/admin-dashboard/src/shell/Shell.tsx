// What stands around every page: where one can go, who one is, light or dark. It also notices when the session has been ended
// elsewhere: at each change of page, when the window is looked at again, and now and then.
import { lazy, Suspense, useEffect, useState } from 'react';
import { RouterProvider } from 'react-aria-components';
import { ErrorBoundary } from 'react-error-boundary';
import { Navigate, NavLink, Route, Routes, useHref, useLocation, useNavigate } from 'react-router';
import { byItself } from '../api/client';
import { useAnswer } from '../api/useAnswer';
import { Broken } from '../parts/Broken';
import { Failure, Loading } from '../parts/states';
import { useSession } from './session';
import { applyTheme, theme, type Theme } from './theme';
import { VIEWER, ViewerContext, useViewer } from './viewer';

const UsersPage = lazy(() => import('../users/UsersPage'));
const UserPage = lazy(() => import('../user/UserPage'));
const RolesPage = lazy(() => import('../roles/RolesPage'));
const HotelsPage = lazy(() => import('../hotels/HotelsPage'));
const HotelPage = lazy(() => import('../hotels/HotelPage'));
const SessionsPage = lazy(() => import('../sessions/SessionsPage'));
const AuditPage = lazy(() => import('../audit/AuditPage'));
const ApiKeysPage = lazy(() => import('../api-keys/ApiKeysPage'));
const AccountPage = lazy(() => import('../account/AccountPage'));

/** How often a session that nobody touches is looked at, in milliseconds. */
const LOOK_EVERY = 20_000;

export function Shell() {
  const [{ data, error, fetching }, look] = useAnswer({ query: VIEWER });
  const { pathname, key } = useLocation();
  const navigate = useNavigate();

  useEffect(() => {
    const lookIfSeen = (how = {}) => {
      if (document.visibilityState === 'visible') look({ requestPolicy: 'network-only', ...how });
    };
    const lookAsked = () => lookIfSeen();
    lookAsked();
    const timer = setInterval(() => lookIfSeen(byItself), LOOK_EVERY);
    addEventListener('focus', lookAsked);
    return () => {
      clearInterval(timer);
      removeEventListener('focus', lookAsked);
    };
  }, [look, pathname]);

  if (data?.me == null) {
    if (error !== undefined) return <Failure error={error} retry={look} />;
    if (fetching || data === undefined) return <Loading />;
    return <Failure message="This account is gone. Sign out and in again." />;
  }
  return (
    <RouterProvider navigate={navigate} useHref={useHref}>
      <ViewerContext value={data.me}>
        <a className="skip" href="#content">
          Skip to the content
        </a>
        <Header />
        <Navigation />
        <main id="content" tabIndex={-1}>
          {data.me.mustChangePassword && pathname !== '/account' && <MustChangePassword />}
          {error !== undefined && <Failure error={error} retry={look} />}
          <ErrorBoundary FallbackComponent={Broken} resetKeys={[key]}>
            <Suspense fallback={<Loading />}>
              <Routes>
                <Route index element={<Navigate to="/users" replace />} />
                <Route path="users" element={<UsersPage />} />
                <Route path="users/:id" element={<UserPage />} />
                <Route path="roles" element={<RolesPage />} />
                <Route path="hotels" element={<HotelsPage />} />
                <Route path="hotels/:id" element={<HotelPage />} />
                <Route path="sessions" element={<SessionsPage />} />
                <Route path="audit" element={<AuditPage />} />
                <Route path="api-keys" element={<ApiKeysPage />} />
                <Route path="account" element={<AccountPage />} />
                <Route path="*" element={<Failure message="There is no such page." />} />
              </Routes>
            </Suspense>
          </ErrorBoundary>
        </main>
      </ViewerContext>
    </RouterProvider>
  );
}

function Header() {
  const session = useSession();
  const { displayName } = useViewer();
  const [chosen, setChosen] = useState(theme);
  function choose(next: Theme) {
    applyTheme(next);
    setChosen(next);
  }
  return (
    <header className="top">
      <strong>VoiceHive Identity</strong>
      <label className="theme">
        <span className="hidden">Theme</span>
        <select value={chosen} onChange={(event) => void choose(event.target.value as Theme)}>
          <option value="system">As the system</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </label>
      <NavLink to="/account">{displayName}</NavLink>
      <button type="button" onClick={() => void session.signOut()}>
        Sign out
      </button>
    </header>
  );
}

function Navigation() {
  const { may } = useViewer();
  return (
    <nav aria-label="Pages">
      <NavLink to="/users">Users</NavLink>
      <NavLink to="/roles">Roles</NavLink>
      <NavLink to="/hotels">Hotels</NavLink>
      <NavLink to="/sessions">Sessions</NavLink>
      <NavLink to="/audit">Audit</NavLink>
      {may('system:admin') && <NavLink to="/api-keys">API keys</NavLink>}
      <NavLink to="/account">My account</NavLink>
      <a href="/graphql">API explorer</a>
    </nav>
  );
}

function MustChangePassword() {
  return (
    <p className="banner" role="status">
      Your password is a temporary one. <NavLink to="/account">Change it</NavLink>
    </p>
  );
}
