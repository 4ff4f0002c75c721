// What the list of users is to show, as it stands in the address bar.
import { useMemo } from 'react';
import { useSearchParams } from 'react-router';
import type { OrderDirection, UserFilter, UserOrder, UserOrderField } from '../generated/graphql';

/** The shortest text that the service looks for. */
export const SHORTEST = 2;

const FIELDS: UserOrderField[] = ['CREATED_AT', 'EMAIL', 'LAST_LOGIN_AT', 'LAST_NAME'];

export type StatusChoice = '' | 'active' | 'inactive' | 'locked' | 'unverified';

const BY_STATUS: Record<StatusChoice, UserFilter> = {
  '': {},
  active: { active: true },
  inactive: { active: false },
  locked: { locked: true },
  unverified: { emailVerified: false },
};

export interface UserSearch {
  filter: UserFilter;
  orderBy: UserOrder & { direction: OrderDirection };
  /** As it stands in the address bar: q, status, role, hotel, permission. */
  param(name: string): string;
  set(name: string, value: string): void;
  sortBy(field: string, direction: OrderDirection): void;
  clear(): void;
}

export function useUserSearch(): UserSearch {
  const [params, setParams] = useSearchParams();
  const key = params.toString();
  const { filter, orderBy } = useMemo(() => read(new URLSearchParams(key)), [key]);
  function change(values: Record<string, string>) {
    // Each letter that is typed is not a page of its own to go back to.
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(values)) {
          if (value === '') next.delete(name);
          else next.set(name, value);
        }
        return next;
      },
      { replace: true },
    );
  }
  return {
    filter,
    orderBy,
    param: (name) => params.get(name) ?? '',
    set: (name, value) => change({ [name]: value }),
    sortBy: (field, direction) => change({ sort: field, direction }),
    clear: () => setParams({}, { replace: true }),
  };
}

/** What an address bar cannot mean, it does not. */
export function read(params: URLSearchParams): Pick<UserSearch, 'filter' | 'orderBy'> {
  const filter: UserFilter = { ...BY_STATUS[params.get('status') as StatusChoice] };
  const text = (params.get('q') ?? '').trim();
  if (text.length >= SHORTEST) filter.search = text;
  const [role, hotel, permission] = ['role', 'hotel', 'permission'].map((name) => params.get(name));
  if (role) filter.roles = [role];
  if (hotel) filter.hotels = [hotel];
  if (permission) filter.permission = permission;
  const field = FIELDS.find((known) => known === params.get('sort')) ?? 'CREATED_AT';
  return { filter, orderBy: { field, direction: params.get('direction') === 'DESC' ? 'DESC' : 'ASC' } };
}
