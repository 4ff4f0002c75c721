// What stands in the place of a page that went wrong in this program: what happened, what to tell whom, and another attempt.
import type { FallbackProps } from 'react-error-boundary';
import { lastFailedRequest } from '../api/failures';

export function Broken({ error }: FallbackProps) {
  const requestId = lastFailedRequest();
  return (
    <div className="state failure" role="alert">
      <h1>This page cannot be shown</h1>
      <p>Something went wrong in it, and not in what you did. Nothing that was saved is lost.</p>
      <p>
        <code>{error instanceof Error ? error.message : String(error)}</code>
      </p>
      {requestId !== null && (
        <p>
          The last answer that failed was of request <code>{requestId}</code>: tell it to whoever runs this service.
        </p>
      )}
      {/* Loaded anew and with nothing kept: what it fell over may have been kept, or be an old file of this program. */}
      <button type="button" onClick={() => void location.reload()}>
        Try again
      </button>
    </div>
  );
}
