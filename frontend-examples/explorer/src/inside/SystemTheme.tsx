// GraphiQL asks the system for light or dark when it starts. This lets the editors follow when the system changes, as the page does.
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect } from 'react';

export function SystemTheme() {
  const isChosen = useGraphiQL((state) => state.theme) !== null;
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    if (isChosen) return;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => setTheme(null);
    dark.addEventListener('change', follow);
    return () => dark.removeEventListener('change', follow);
  }, [isChosen, setTheme]);
  return null;
}
