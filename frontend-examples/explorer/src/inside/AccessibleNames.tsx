// Mends what GraphiQL 5.4 tells assistive technology. Its tabs hold buttons, which the role of a tab hides: they are told as a list
// of buttons. Its history names every entry "Set active": the name is the entry's own text. Its suggestions, which are Monaco's,
// name as the active one an id that there is not.
import { useEffect } from 'react';

const WATCHED: MutationObserverInit = {
  childList: true,
  subtree: true,
  attributeFilter: ['role', 'aria-selected', 'aria-activedescendant'],
};

export function AccessibleNames() {
  useEffect(() => {
    const container = document.querySelector('.graphiql-container');
    if (container === null) return;
    const mend = () => {
      container.querySelector('.graphiql-tabs[role]')?.removeAttribute('role');
      container.querySelector('[role=tabpanel]')?.setAttribute('role', 'region');
      for (const tab of container.querySelectorAll('.graphiql-tab')) mendTab(tab);
      for (const entry of container.querySelectorAll('.graphiql-history-item-label')) entry.removeAttribute('aria-label');
      for (const list of container.querySelectorAll('.suggest-widget [aria-activedescendant]')) mendSuggestions(list);
    };
    mend();
    const observer = new MutationObserver(mend);
    observer.observe(container, WATCHED);
    return () => observer.disconnect();
  }, []);
  return null;
}

function mendTab(tab: Element): void {
  tab.removeAttribute('role');
  const isSelected = tab.getAttribute('aria-selected');
  if (isSelected === null) return;
  tab.querySelector('.graphiql-tab-button')?.setAttribute('aria-current', isSelected);
  tab.removeAttribute('aria-selected');
}

function mendSuggestions(list: Element): void {
  const id = list.querySelector('.monaco-list-row.focused')?.id;
  // To set what is set already would call for mending again, and again.
  if (id !== undefined && list.getAttribute('aria-activedescendant') !== id) list.setAttribute('aria-activedescendant', id);
}
