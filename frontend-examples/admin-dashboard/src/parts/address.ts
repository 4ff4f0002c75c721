// What a page looks for stands in the address bar, so that it can be sent to somebody and come back to. Texts that are typed belong
// to their fields while those have the focus: the address follows them, after a pause, and never writes into them.
import { useEffect, useRef, useState } from 'react';
import { useSearchParams } from 'react-router';

export interface Address {
  params: URLSearchParams;
  /** Empty where it does not stand there. */
  param(name: string): string;
  /** Empty values are taken out. */
  set(values: Record<string, string>): void;
  clear(): void;
}

export function useAddress(): Address {
  const [params, setParams] = useSearchParams();
  return {
    params,
    param: (name) => params.get(name) ?? '',
    set(values) {
      // What was shown last may be older than what stands there: two fields can be changed before the page is drawn again.
      const next = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(values)) {
        if (value === '') next.delete(name);
        else next.set(name, value);
      }
      // Each letter that is typed is not a page of its own to go back to.
      setParams(next, { replace: true });
    },
    clear: () => void setParams({}, { replace: true }),
  };
}

/** What the service is asked to look for: two letters or more, or one that may be a word, such as 李. Less is not looked for yet. */
export function searchOf(typed: string): string | undefined {
  const text = typed.trim();
  return [...text].length >= 2 || /^\p{Lo}$/u.test(text) ? text : undefined;
}

/** How long one waits for the next letter before the address follows, in milliseconds. */
const PAUSE = 120;

/** What a field needs that is typed into and stands in the address as `name`. */
export function useTyped(address: Address, name: string) {
  const given = address.param(name);
  const [text, setText] = useState(given);
  const [followed, setFollowed] = useState(given);
  const [focused, setFocused] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The page that comes next has an address of its own.
  useEffect(() => () => clearTimeout(timer.current), []);
  if (followed !== given) {
    setFollowed(given);
    if (!focused) setText(given);
  }
  return {
    value: text,
    onChange(next: string) {
      setText(next);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => address.set({ [name]: next }), PAUSE);
    },
    onFocus: () => void setFocused(true),
    onBlur() {
      setFocused(false);
      clearTimeout(timer.current);
      if (text !== given) address.set({ [name]: text });
    },
  };
}
