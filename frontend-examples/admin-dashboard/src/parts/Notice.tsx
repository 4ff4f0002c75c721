// One line that says what was just done, for eyes and for screen readers.
import { createContext, use, useCallback, useEffect, useState, type ReactNode } from 'react';

const NoticeContext = createContext<(text: string) => void>(() => undefined);

/** How long a notice stays, in milliseconds. */
const STAYS = 8_000;

export function useNotice(): (text: string) => void {
  return use(NoticeContext);
}

export function NoticeProvider({ children }: { children: ReactNode }) {
  const [notice, setNotice] = useState({ text: '', at: 0 });
  const tell = useCallback((text: string) => setNotice({ text, at: Date.now() }), []);
  useEffect(() => {
    if (notice.text === '') return;
    const timer = setTimeout(() => setNotice({ text: '', at: 0 }), STAYS);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <NoticeContext value={tell}>
      {children}
      <div className="notice" role="status">
        {notice.text !== '' && <p>{notice.text}</p>}
      </div>
    </NoticeContext>
  );
}
