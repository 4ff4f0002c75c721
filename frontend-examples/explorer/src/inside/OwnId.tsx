// Writes the id of whoever is signed in into the variables of the tab in front, wherever an example leaves room for it: ids differ
// from database to database, and an example is to run as it stands.
import { useGraphiQL } from '@graphiql/react';
import { useEffect } from 'react';

/** Stands where an id is to be. */
export const NOBODY = 'sign in above, and your id stands here';
/** Which id was written last, to be replaced when somebody else signs in; kept with the tabs, which hold it. */
const WRITTEN = 'graphiql:voicehive-own-id';

export function OwnId({ viewerId }: { viewerId: string | null }) {
  const editor = useGraphiQL((state) => state.variableEditor);
  // By what it is and not by where: tabs can be moved.
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id);
  useEffect(() => {
    if (editor === undefined || viewerId === null) return;
    const variables = editor.getValue();
    const filled = variables.replaceAll(NOBODY, viewerId).replaceAll(localStorage.getItem(WRITTEN) ?? NOBODY, viewerId);
    if (filled === variables) return;
    editor.setValue(filled);
    localStorage.setItem(WRITTEN, viewerId);
  }, [editor, tab, viewerId]);
  return null;
}
