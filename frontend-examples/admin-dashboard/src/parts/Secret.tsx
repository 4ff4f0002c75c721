// Something that is shown once: a temporary password, an API key.
import { useEffect, useState, type ReactNode } from 'react';

/** What is lost with it, in the words of the window that it stands in. */
export const SHOWN_ONCE = 'It is shown this once.';

export function Secret({ label, value }: { label: ReactNode; value: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, []);
  return (
    <div className="secret">
      <p>
        {label} It is shown this once:
      </p>
      <output>{value}</output>
      {/* Browsers have a clipboard on https and on this machine. */}
      {navigator.clipboard !== undefined && (
        <button type="button" onClick={() => void navigator.clipboard.writeText(value).then(() => setCopied(true))}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      )}
    </div>
  );
}
