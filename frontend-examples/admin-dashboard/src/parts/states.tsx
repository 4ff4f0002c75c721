// What a page shows while there is nothing to show yet, nothing at all, or something went wrong.
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { CombinedError } from 'urql';
import { codeOf, messageOf } from '../api/errors';

export function Loading() {
  return (
    <p className="state" role="status">
      Loading…
    </p>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="state">{children}</p>;
}

type FailureProps = { error: CombinedError; message?: never; retry?: () => void } | { error?: never; message: string; retry?: never };

export function Failure({ error, message, retry }: FailureProps) {
  if (error !== undefined && codeOf(error) === 'PASSWORD_CHANGE_REQUIRED') {
    return (
      <div className="state failure" role="alert">
        <p>Nothing else can be done before the temporary password is changed.</p>
        <Link to="/account">Change the password</Link>
      </div>
    );
  }
  return (
    <div className="state failure" role="alert">
      <p>{error === undefined ? message : messageOf(error)}</p>
      {retry !== undefined && (
        <button type="button" onClick={() => void retry()}>
          Try again
        </button>
      )}
    </div>
  );
}
