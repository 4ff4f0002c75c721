// Something that is shown once: a temporary password, an API key.
import { useState } from 'react';

export function Secret({ label, value }: { label: string; value: string }) {
  const [copied, setCopied] = useState(false);
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
