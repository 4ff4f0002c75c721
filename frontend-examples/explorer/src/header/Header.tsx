// The product's name, the way to the dashboard, and who is signed in or how to.
import type { Session } from '../../../browser-session/session';
import type { Viewer } from '../viewer';
import { SignIn } from './SignIn';

interface HeaderProps {
  session: Session;
  viewer: Viewer | null;
  failure: string | null;
}

export function Header({ session, viewer, failure }: HeaderProps) {
  return (
    <header className="header">
      <h1>VoiceHive Identity explorer</h1>
      <a href="/admin/">Dashboard</a>
      <p className="who" role="status">
        {viewer !== null && (
          <>
            Signed in as <strong>{viewer.displayName}</strong> ({viewer.email})
          </>
        )}
        {session.ended && 'Your session has ended. Sign in to go on.'}
      </p>
      {session.signedIn ? (
        <button type="button" onClick={() => void session.signOut()}>
          Sign out
        </button>
      ) : (
        <SignIn session={session} />
      )}
      {failure !== null && (
        <p className="alert" role="alert">
          It is not known who is signed in: {failure}
        </p>
      )}
    </header>
  );
}
