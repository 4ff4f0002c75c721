// What GraphiQL leaves unsaid to its editors: to wrap long lines, since they stand beside one another, and to turn light or dark
// when the system does, as the page around them.
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect } from 'react';

export function EditorSettings() {
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  useEffect(() => {
    for (const editor of [queryEditor, variableEditor]) editor?.updateOptions({ wordWrap: 'on', wrappingIndent: 'indent' });
  }, [queryEditor, variableEditor]);

  const isThemeChosen = useGraphiQL((state) => state.theme) !== null;
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    if (isThemeChosen) return;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => setTheme(null);
    dark.addEventListener('change', follow);
    return () => dark.removeEventListener('change', follow);
  }, [isThemeChosen, setTheme]);
  return null;
}
