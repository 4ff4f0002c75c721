// What stands in the place of the explorer when it went wrong: what happened, what to tell whom, and another attempt.
import type { FallbackProps } from 'react-error-boundary';
import { lastFailedRequest } from './fetcher';

export function Broken({ error }: FallbackProps) {
  const requestId = lastFailedRequest();
  return (
    <div className="broken" role="alert">
      <h2>The explorer cannot be shown</h2>
      <p>Something went wrong in it, and not in what you did.</p>
      <p>
        <code>{error instanceof Error ? error.message : String(error)}</code>
      </p>
      {requestId !== null && (
        <p>
          The last answer that failed was of request <code>{requestId}</code>: tell it to whoever runs this service.
        </p>
      )}
      {/* Loaded anew: what it fell over may be an old file of this program. */}
      <button type="button" onClick={() => void location.reload()}>
        Try again
      </button>
    </div>
  );
}
