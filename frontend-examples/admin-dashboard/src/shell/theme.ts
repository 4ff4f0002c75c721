// Light or dark: as the system says, unless the person chose.
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'voicehive-theme';

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

export function applyTheme(chosen: Theme = theme()): void {
  if (chosen === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, chosen);
  // Every colour is a pair that the browser chooses from by this.
  document.documentElement.style.colorScheme = chosen === 'system' ? 'light dark' : chosen;
}
